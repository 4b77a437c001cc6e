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

/* The octets that tell a narrowest network from others: /32 of IPv4, mapped into IPv6 or not, and
 * /64 of IPv6. */
static size_t network(const struct gate_entry *e, unsigned char out[8])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&e->ip;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&e->ip;
    if (e->ip.ss_family == AF_INET) {
        memcpy(out, &v4->sin_addr, 4);
        return 4;
    }
    if (e->ip.ss_family != AF_INET6)
        return 0;
    if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
        memcpy(out, v6->sin6_addr.s6_addr + 12, 4);
        return 4;
    }
    memcpy(out, v6->sin6_addr.s6_addr, 8);
    return 8;
}

static bool is_same(const struct gate_entry *a, const struct gate_entry *b)
{
    unsigned char of_a[8], of_b[8];
    size_t n = network(a, of_a);
    return n == network(b, of_b) && memcmp(of_a, of_b, n) == 0;
}

static uint32_t count_checking(const struct gate *g, const struct gate_entry *like)
{
    const struct gate_entry *e;
    uint32_t n = 0;
    TAILQ_FOREACH (e, &g->checking, next)
        n += is_same(e, like);
    return n;
}

static bool allows(const struct gate *g, const struct gate_entry *e, uint32_t n)
{
    return httplimit_allows(g->limit, (const struct sockaddr *)&e->ip, clock_wall_ms(), n);
}

/* Lets one in or turns it away, if that can be decided now. It must be on no list. */
static bool decide(struct gate *g, struct gate_entry *e)
{
    if (!allows(g, e, 1)) {
        e->where = GATE_NOWHERE;
        e->on_pass(e->arg, GATE_REFUSED);
        return true;
    }
    if (!allows(g, e, 1 + count_checking(g, e)))
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
        if (is_same(e, like) && (!allows(g, e, 1) || allows(g, e, 1 + count_checking(g, e))))
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
