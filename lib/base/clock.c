#include "clock.h"

#include <time.h>

static int64_t stepped_ms;

int64_t clock_stepped(void)
{
    return __atomic_load_n(&stepped_ms, __ATOMIC_RELAXED);
}

static int64_t read_us(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t clock_wall_ms(void)
{
    return read_us(CLOCK_REALTIME) / 1000 + clock_stepped();
}

int64_t clock_mono_ms(void)
{
    return read_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_mono_us(void)
{
    return read_us(CLOCK_MONOTONIC);
}

void clock_step(int64_t ms)
{
    (void)__atomic_add_fetch(&stepped_ms, ms, __ATOMIC_RELAXED);
}
