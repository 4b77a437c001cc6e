#ifndef QM_MAILDATE_H
#define QM_MAILDATE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* Dates as mail (RFC 5322 3.3, 4.3) and JSON (RFC 3339) write them. No locale, no time zone files:
 * a time is milliseconds since 1970-01-01 UTC, and the offset to show it in is given in minutes
 * east of UTC. Years 1 to 9999. */

enum { MAILDATE_ZONE_MAX = 24 * 60 - 1 }; /* largest offset either way, minutes */

/* Appends "Mon, 2 Jan 2006 15:04:05 -0700". Times out of range are written as the nearest in it. */
void maildate_write(struct buf *out, int64_t ms, int zone_min);
void maildate_write_short(struct buf *out, int64_t ms, int zone_min); /* without the weekday */

/* Reads a Date field's value, unfolded or folded: comments, obsolete zones ("EST", military
 * letters, which count as UTC), two-digit years and a missing second are taken; the weekday is not
 * compared with the date. zone_min may be NULL. Returns 0, or -1 with neither written. */
int maildate_parse(struct span text, int64_t *ms, int *zone_min, struct fail *f);

/* Appends "2006-01-02T15:04:05.678-07:00", or "Z" for an offset of 0. */
void maildate_write_rfc3339(struct buf *out, int64_t ms, int zone_min);

/* Reads RFC 3339 (section 5.6), fractions of a second to any number of digits, cut at milliseconds.
 * A leap second counts as the second after it. As maildate_parse else. */
int maildate_parse_rfc3339(struct span text, int64_t *ms, int *zone_min, struct fail *f);

#endif
