#ifndef QM_RETRY_H
#define QM_RETRY_H

#include <stdbool.h>
#include <stdint.h>

#include "proto_submit.h"
#include "settings.h"

/* When to try again. After attempt n (1 for the first) the wait is first-retry doubled n - 1 times,
 * longest-wait at most, spread by retry-jitter percent to either side so that what failed together
 * does not come back together. */
int64_t retry_wait_ms(const struct settings_retry *s, int attempts);

/* Whether attempt n was the last one. */
bool retry_is_over(const struct settings_retry *s, int attempts);

/* From when on a message's lifetime counts, wall clock in ms: its arrival, or the time before which
 * nobody was to try it (RFC 4865). */
int64_t retry_since_ms(const struct submit_envelope *e);

/* Whether a message has lived as long as it may, so that an attempt that fails now is its last. */
bool retry_is_too_old(const struct settings_retry *s, int64_t since_ms, int64_t now_ms);

/* When the last attempt will be, wall clock in ms, as far as nothing is spread: what a delay notice
 * promises. So many attempts were made, and the next one will be at next_ms. */
int64_t retry_until_ms(const struct settings_retry *s, int attempts, int64_t next_ms,
                       int64_t since_ms);

#endif
