#ifndef QM_CTL_WHEN_H
#define QM_CTL_WHEN_H

#include <stdbool.h>
#include <stdint.h>

#include "fail.h"

/* Bounds of time as operators write them: "<-1h" is what was more than an hour ago, ">now" what is
 * to come. Behind < or > stands "now", a duration with its sign (+30m, -1d12h), or a date in local
 * time: 2026-11-27, "2026-11-27 16:30", "2026-11-27 16:30:05". */

/* Sets *before for < and *after for >, wall clock ms and never 0. Returns 0, or -1 with a sentence.
 */
int ctl_when_read(const char *text, int64_t now_ms, int64_t *after_ms, int64_t *before_ms,
                  struct fail *f);

struct ctl_time {
    bool add;   /* to what there is */
    int64_t ms; /* wall clock above 0; add: a span, not negative */
};
/* A time to come: "now", "now+30m", "2026-11-27 16:30"; or "+30m", to be added. Returns 0, or -1
 * with a sentence. */
int ctl_time_read(const char *text, int64_t now_ms, struct ctl_time *t, struct fail *f);

#endif
