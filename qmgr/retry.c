#include "retry.h"

#include "rand.h"

static int64_t plain_wait(const struct settings_retry *s, int attempts)
{
    int64_t wait = s->first_retry_ms;
    for (int i = 1; i < attempts && wait < s->longest_wait_ms; i++)
        wait *= 2;
    return wait < s->longest_wait_ms ? wait : s->longest_wait_ms;
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

int64_t retry_since_ms(const struct submit_envelope *e)
{
    return e->not_before_ms > e->received_ms ? e->not_before_ms : e->received_ms;
}

bool retry_is_too_old(const struct settings_retry *s, int64_t since_ms, int64_t now_ms)
{
    return now_ms - since_ms > s->lifetime_ms;
}

int64_t retry_until_ms(const struct settings_retry *s, int attempts, int64_t next_ms,
                       int64_t since_ms)
{
    int64_t at = next_ms;
    for (int n = attempts + 1; !retry_is_over(s, n) && !retry_is_too_old(s, since_ms, at); n++)
        at += plain_wait(s, n);
    return at;
}
