#ifndef QM_RETRY_H
#define QM_RETRY_H

#include <stdint.h>

#include "settings.h"

/* When to try again. After attempt n (1 for the first) the wait is first-retry doubled n - 1 times,
 * spread by retry-jitter percent to either side so that what failed together does not come back
 * together. */
int64_t retry_wait_ms(const struct settings_retry *s, int attempts);

/* Whether attempt n was the last one. */
bool retry_is_over(const struct settings_retry *s, int attempts);

/* When the last attempt will be, in ms from the one that was attempt n: what a delay notice
 * promises. */
int64_t retry_remaining_ms(const struct settings_retry *s, int attempts);

#endif
