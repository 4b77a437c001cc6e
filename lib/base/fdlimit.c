#include "fdlimit.h"

#include <sys/resource.h>

#include "log.h"

#define MOST 65536
/* For listeners, channels and the like: so many, and no more than this part of a small limit. */
#define OTHERS 200
#define OTHERS_PART 4
#define QMGR_PARTS 3 /* see fdlimit_messages */

void fdlimit_raise(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= MOST)
        return;
    limit.rlim_cur = limit.rlim_max < MOST ? limit.rlim_max : MOST;
    (void)setrlimit(RLIMIT_NOFILE, &limit);
}

/* A limit that is none counts as a very high one. */
static unsigned limit_now(void)
{
    struct rlimit limit;
    const unsigned none = 1u << 30;
    if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur > none)
        return none;
    return (unsigned)limit.rlim_cur;
}

unsigned fdlimit_room(unsigned wanted, unsigned each)
{
    unsigned limit = limit_now();
    unsigned others = limit / OTHERS_PART < OTHERS ? limit / OTHERS_PART : OTHERS;
    unsigned room = (limit - others) / each;
    return wanted <= room ? wanted : room < 1 ? 1 : room;
}

unsigned fdlimit_messages(unsigned most, unsigned processes)
{
    return fdlimit_room(most, QMGR_PARTS * processes);
}

unsigned fdlimit_fit(const char *what, unsigned wanted, unsigned each)
{
    unsigned room = fdlimit_room(wanted, each);
    if (room < wanted)
        log_warn(NULL, "fewer than configured, since the limit of descriptors is low",
                 LS("setting", what), LU("configured", wanted), LU("used", room),
                 LU("descriptors", limit_now()), LU("wanted", (uint64_t)wanted * each + OTHERS));
    return room;
}
