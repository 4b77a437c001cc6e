#ifndef QM_DNSCOUNTS_H
#define QM_DNSCOUNTS_H

#include <stddef.h>

#include "dnsresult.h"

/* How a daemon counts the lookups it makes: by type and result, how long they took and how many.
 * Of each pair a sum, with its count behind it. Pure. */

enum { DNSCOUNTS_TYPES = 7, DNSCOUNTS_RESULTS = 5 };
#define DNSCOUNTS (DNSCOUNTS_TYPES * DNSCOUNTS_RESULTS * 2)
#define DNSCOUNTS_NAME 64 /* octets of a name, with its end */

/* Writes the name of the i-th of DNSCOUNTS counters, as the frame of daemons has them:
 * "dns:lookup_duration_seconds_sum type=MX result=ok". */
void dnscounts_name(size_t i, char out[static DNSCOUNTS_NAME]);

/* Which of them is the sum for lookups of this type, one of enum dns_type, that ended so. */
unsigned dnscounts_at(enum dns_type type, enum dns_status status);

#endif
