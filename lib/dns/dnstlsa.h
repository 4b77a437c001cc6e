#ifndef QM_DNSTLSA_H
#define QM_DNSTLSA_H

#include <stdbool.h>
#include <stdint.h>

#include "dns.h"
#include "dnsaddr.h"
#include "dnshosts.h"
#include "tlspolicy.h"

/* The TLSA records of one host (RFC 7672 section 2.2): under which names they may be looked for,
 * and what was found there first. */

#define DNSTLSA_BASES_MAX 3

/* The names at which to look, in turn: those that DNSSEC secures all the way from where the message
 * was to go. Names are copied. */
struct dnstlsa_bases {
    size_t n;
    char names[DNSTLSA_BASES_MAX][DNSNAME_TEXT];
};

/* Of a host that a domain's MX records, or its own addresses, led to: the i-th of hosts, with its
 * addresses; without MX records, those of the domain's name. None unless all of MX records, aliases
 * and addresses are secure; but a host, or a domain without MX records, whose alias is secure and
 * leads to where nothing is has its own name (section 2.2.2). */
struct dnstlsa_bases dnstlsa_bases_of(const struct dnshosts_result *hosts, size_t i,
                                      const struct dnsaddr_result *addresses);

/* Of a host that the operator named, which needs no MX record to be the right one. */
struct dnstlsa_bases dnstlsa_bases_of_named(const char *host,
                                            const struct dnsaddr_result *addresses);

struct dnstlsa_result {
    enum tlspolicy_tlsa status;
    char base[DNSNAME_TEXT]; /* FOUND, FAILED: where */
    struct tlsa_set records; /* FOUND: at least one, of any kind */
    int ede;                 /* FAILED: extended error of the answer, or DNSEDE_NONE */
    char text[400];          /* why not FOUND: "DANE off: ...", "no TLSA records", ... */
};

/* The result is the receiver's: dnstlsa_result_free. */
typedef void (*dnstlsa_fn)(struct dnstlsa_result *result, void *arg);

struct dnstlsa_lookup;

/* Looks for TLSA records of a TCP port at the bases, the first that has secure ones; one that
 * cannot be looked up ends the search (TLSPOLICY_TLSA_FAILED): somebody may be keeping records
 * back. Without bases, or where the resolver is not trusted (dns_is_trusted), nothing is asked. fn
 * is called once from the event loop, never before this returns. Returns a handle for
 * dnstlsa_cancel, valid until fn is called. */
struct dnstlsa_lookup *dnstlsa_find(struct dns *d, const struct dnstlsa_bases *bases, uint16_t port,
                                    enum dns_turn turn, dnstlsa_fn fn, void *arg);

/* Forgets the lookup: its callback will not be called. Sets *lookup to NULL; NULL is let pass. To
 * be done before the resolver is closed. */
void dnstlsa_cancel(struct dnstlsa_lookup **lookup);

/* Frees *result and sets it to NULL; NULL is let pass. */
void dnstlsa_result_free(struct dnstlsa_result **result);

#endif
