#ifndef QM_DNSCACHE_H
#define QM_DNSCACHE_H

#include <stddef.h>
#include <stdint.h>

#include "dnsname.h"
#include "dnsresult.h"

/* Results kept for as long as they may be relied on, the least recently used given up first.
 * Internal to the resolver. */

#define DNSCACHE_OCTETS_MAX 8192 /* a result whose records hold more is not kept */

struct dnscache;

/* A cache of at most max results; with 0 it keeps nothing. */
struct dnscache *dnscache_open(size_t max);

/* Gives back all it holds, frees it and sets *c to NULL; NULL is let pass. */
void dnscache_close(struct dnscache **c);

/* What is known of records of a type at a name at the monotonic time now_ms, or NULL. The cache's
 * own reference: hold it to keep it. */
const struct dns_result *dnscache_find(struct dnscache *c, const struct dnsname *name,
                                       enum dns_type type, int64_t now_ms);

/* Keeps a result, with a reference of its own, until result->expires_ms, in place of one kept
 * before. Nothing happens when it has expired at now_ms or is too large. */
void dnscache_put(struct dnscache *c, const struct dnsname *name, enum dns_type type,
                  const struct dns_result *result, int64_t now_ms);

/* How many results are kept. */
size_t dnscache_count(const struct dnscache *c);

#endif
