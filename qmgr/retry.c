#include "retry.h"

#include "rand.h"

#define WAIT_MAX_MS (7ll * 24 * 3600 * 1000)

static int64_t plain_wait(const struct settings_retry *s, int attempts)
{
    int64_t wait = s->first_retry_ms;
    for (int i = 1; i < attempts && wait < WAIT_MAX_MS; i++)
        wait *= 2;
    return wait < WAIT_MAX_MS ? wait : WAIT_MAX_MS;
}

int64_t retry_wait_ms(const struct settings_retry *s, int attempts)
{
    int64_t wait = plain_wait(s, attempts);
    int64_t spread = wait * s->jitter_percent / 100;
    if (spread > 0)
        wait += (int64_t)rand_below((uint64_t)(2 * spread + 1)) - spread;
    return wait;
}

bool retry_is_over(const struct settings_retry *s, int attempts)
{
    return attempts >= s->attempts;
}

int64_t retry_remaining_ms(const struct settings_retry *s, int attempts)
{
    int64_t total = 0;
    for (int i = attempts; i < s->attempts; i++)
        total += plain_wait(s, i);
    return total;
}
