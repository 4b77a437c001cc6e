#ifndef QM_RFC3339_H
#define QM_RFC3339_H

#include <stdint.h>

#include "buf.h"

/* Times as JSON and log lines carry them: RFC 3339 section 5.6, "2006-01-02T15:04:05.678+02:00". No
 * locale and no time zone of this machine takes part. */

/* The first and last millisecond that four digits of a year can name. */
#define RFC3339_MIN (-62167219200000LL)
#define RFC3339_MAX 253402300799999LL

/* Reads a whole date-time into milliseconds since 1970-01-01 UTC. A fraction may have any number of
 * digits up to 18 and is cut, not rounded. Upper-case T and Z only; a leap second (":60") is
 * refused, as no number of milliseconds stands for it. Returns 0, or -1 leaving *ms as it was. */
int rfc3339_parse(struct span s, int64_t *ms);

/* Appends the time in UTC, with three digits of fraction unless it is a whole second:
 * "1985-04-12T23:20:50.520Z". A time outside RFC3339_MIN..RFC3339_MAX is written as the nearer
 * bound. */
void rfc3339_format(struct buf *out, int64_t ms);

#endif
