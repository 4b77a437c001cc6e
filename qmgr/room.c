#include "room.h"

#include <sys/statvfs.h>

#include "log.h"

#define LOOK_PART 16 /* of the minimum is taken before the next look */
#define MAP_PART 8   /* of the map: what is left of it matters when it is less than that */

int64_t room_delay_ms(uint64_t free, uint64_t minimum, int64_t most_ms)
{
    if (free <= minimum)
        return most_ms;
    uint64_t spare = free - minimum;
    if (spare >= minimum)
        return 0;
    return (int64_t)((double)most_ms * (1 - (double)spare / (double)minimum));
}

static uint64_t free_pages(struct store *store)
{
    struct store_space space;
    return store_space(store, &space, NULL) == 0 ? space.free_bytes : 0;
}

/* What the disk has for us. The store is asked only where it matters: the answer costs time. */
static bool disk_free(const struct queue *q, uint64_t minimum, uint64_t *free)
{
    struct statvfs v;
    if (fstatvfs(q->dirfd, &v) != 0 || (v.f_flag & ST_RDONLY) != 0)
        return false;
    *free = (uint64_t)v.f_bavail * v.f_frsize;
    if (*free / 2 < minimum)
        *free += free_pages(q->store);
    return true;
}

/* The store refuses a change by itself that finds no room in the map: this is for the time before.
 */
static int64_t map_delay_ms(const struct queue *q, int64_t most_ms)
{
    uint64_t size, used = store_used(q->store, &size), part = size / MAP_PART;
    uint64_t left = used < size ? size - used : 0;
    if (left >= part)
        return 0;
    return room_delay_ms(left + free_pages(q->store), part / 2, most_ms);
}

static void note(struct queue *q, bool room, uint64_t free, int64_t slow_ms)
{
    uint64_t minimum = q->settings->minimum_free;
    if (room != q->room)
        log_warn(NULL, room ? "disk has room again" : "disk is nearly full: new mail is refused",
                 LU("free", free), LU("minimum", minimum));
    else if ((slow_ms > 0) != (q->slow_ms > 0) && room)
        log_warn(NULL,
                 slow_ms > 0 ? "room gets short: new mail is slowed down" : "room enough again",
                 LU("free", free), LU("minimum", minimum), LI("delay_ms", slow_ms));
}

void room_look(struct queue *q)
{
    const struct settings *s = q->settings;
    uint64_t free = 0;
    bool room = disk_free(q, s->minimum_free, &free) && free >= s->minimum_free;
    int64_t by_disk =
        s->minimum_free == 0 ? 0 : room_delay_ms(free, s->minimum_free, s->slow_down_ms);
    int64_t by_map = map_delay_ms(q, s->slow_down_ms);
    int64_t slow_ms = by_disk > by_map ? by_disk : by_map;
    note(q, room, free, slow_ms);
    q->room = room;
    q->slow_ms = slow_ms;
    q->unlooked = 0;
    service_gauge(q->service, GAUGE_SLOW, (uint64_t)slow_ms);
}

void room_took(struct queue *q, uint64_t octets)
{
    q->unlooked += octets;
    if (q->settings->minimum_free > 0 && q->unlooked > q->settings->minimum_free / LOOK_PART)
        room_look(q);
}
