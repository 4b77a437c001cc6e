#ifndef QM_CLOCK_H
#define QM_CLOCK_H

#include <stdint.h>

/* The time, in milliseconds. Wall time decides what is due and what is written down; monotonic time
 * measures. A test may step the wall clock forward (clock_step); nothing else may stand in for
 * time. */

int64_t clock_wall_ms(void); /* since 1970-01-01 UTC, with what clock_step added */
int64_t clock_mono_ms(void); /* since some fixed point; never goes back */
int64_t clock_mono_us(void);

/* Adds ms to what clock_wall_ms says from now on, in this process. */
void clock_step(int64_t ms);
/* All that was added so far. */
int64_t clock_stepped(void);

#endif
