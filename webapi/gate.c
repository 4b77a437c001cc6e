#include "gate.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "clock.h"
#include "httplimit.h"
#include "mem.h"

#define NETWORKS 4096

TAILQ_HEAD(gate_list, gate_entry);

struct gate {
    struct httplimit_window windows[HTTPLIMIT_WINDOWS];
    struct httplimit *limit;
    struct gate_list waiting, checking;
};

static void set_limits(struct gate *g, uint32_t per_minute, uint32_t per_day)
{
    /* By a pointer of its own: gcc 12 takes the array for its first pointer when it instruments
     * this. */
    struct httplimit_window *windows = g->windows;
    windows[0] = (struct httplimit_window){60 * 1000, {per_minute, 3 * per_minute, 9 * per_minute}};
    windows[1] = (struct httplimit_window){24 * 3600 * 1000, {per_day, 3 * per_day, 9 * per_day}};
    g->limit = httplimit_new(windows, NETWORKS);
}

struct gate *gate_new(uint32_t per_minute, uint32_t per_day)
{
    struct gate *g = mem_zero(sizeof *g);
    TAILQ_INIT(&g->waiting);
    TAILQ_INIT(&g->checking);
    set_limits(g, per_minute, per_day);
    return g;
}

void gate_free(struct gate **gp)
{
    struct gate *g = *gp;
    if (g == NULL)
        return;
    assert(TAILQ_EMPTY(&g->waiting) && TAILQ_EMPTY(&g->checking));
    httplimit_free(&g->limit);
    mem_free(gp);
}

void gate_limit(struct gate *g, uint32_t per_minute, uint32_t per_day)
{
    if (g->windows[0].limits[0] == per_minute && g->windows[1].limits[0] == per_day)
        return;
    httplimit_free(&g->limit);
    set_limits(g, per_minute, per_day);
}

static unsigned common(const struct gate_entry *a, const struct gate_entry *b)
{
    return httplimit_common((const struct sockaddr *)&a->ip, (const struct sockaddr *)&b->ip);
}

/* Whether one more may be checked: with_checking as if all that are being checked had failed. */
static bool allows(const struct gate *g, const struct gate_entry *e, bool with_checking)
{
    uint32_t n[HTTPLIMIT_NETWORKS] = {1, 1, 1};
    const struct gate_entry *other;
    if (with_checking) {
        TAILQ_FOREACH (other, &g->checking, next) {
            unsigned in_common = common(e, other);
            for (unsigned i = HTTPLIMIT_NETWORKS - in_common; i < HTTPLIMIT_NETWORKS; i++)
                n[i]++;
        }
    }
    return httplimit_allows_each(g->limit, (const struct sockaddr *)&e->ip, clock_wall_ms(), n);
}

/* Lets one in or turns it away, if that can be decided now. It must be on no list. */
static bool decide(struct gate *g, struct gate_entry *e)
{
    if (!allows(g, e, false)) {
        e->where = GATE_NOWHERE;
        e->on_pass(e->arg, GATE_REFUSED);
        return true;
    }
    if (!allows(g, e, true))
        return false;
    e->where = GATE_CHECKING;
    TAILQ_INSERT_TAIL(&g->checking, e, next);
    e->on_pass(e->arg, GATE_GO);
    return true;
}

void gate_enter(struct gate *g, struct gate_entry *e, const struct sockaddr *ip,
                void (*on_pass)(void *arg, enum gate_pass pass), void *arg)
{
    assert(e->where == GATE_NOWHERE);
    *e = (struct gate_entry){.on_pass = on_pass, .arg = arg};
    memcpy(&e->ip, ip,
           ip->sa_family == AF_INET    ? sizeof(struct sockaddr_in)
           : ip->sa_family == AF_INET6 ? sizeof(struct sockaddr_in6)
                                       : sizeof(sa_family_t));
    if (decide(g, e))
        return;
    e->where = GATE_WAITING;
    TAILQ_INSERT_TAIL(&g->waiting, e, next);
}

/* The first that waits and can now be decided on. */
static struct gate_entry *find_ready(struct gate *g, const struct gate_entry *like)
{
    struct gate_entry *e;
    TAILQ_FOREACH (e, &g->waiting, next) {
        if (common(e, like) > 0 && (!allows(g, e, false) || allows(g, e, true)))
            return e;
    }
    return NULL;
}

/* What is called here may come back into the gate: the list is looked through anew each time. */
static void wake(struct gate *g, const struct gate_entry *like)
{
    struct gate_entry *e;
    while ((e = find_ready(g, like)) != NULL) {
        TAILQ_REMOVE(&g->waiting, e, next);
        bool decided = decide(g, e);
        assert(decided);
    }
}

void gate_leave(struct gate *g, struct gate_entry *e, enum gate_outcome outcome)
{
    struct gate_entry like = *e;
    if (e->where == GATE_WAITING)
        TAILQ_REMOVE(&g->waiting, e, next);
    else if (e->where == GATE_CHECKING)
        TAILQ_REMOVE(&g->checking, e, next);
    e->where = GATE_NOWHERE;
    if (like.where != GATE_CHECKING)
        return;
    const struct sockaddr *ip = (const struct sockaddr *)&like.ip;
    if (outcome == GATE_RIGHT)
        httplimit_reset(g->limit, ip, clock_wall_ms());
    else if (outcome == GATE_WRONG)
        (void)httplimit_add(g->limit, ip, clock_wall_ms(), 1);
    wake(g, &like);
}
