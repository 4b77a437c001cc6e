#include "pool.h"

#include <assert.h>
#include <bsd/sys/queue.h>
#include <string.h>

#include "mem.h"

struct idle {
    TAILQ_ENTRY(idle) next; /* longest idle first */
    struct pool *pool;
    struct session *session;
    struct transport *transport; /* a reference */
    char *destination;
};

struct pool {
    struct agent *agent;
    TAILQ_HEAD(, idle) idle;
    int used, idles; /* connections in somebody's hand, and idle ones */
    struct pool_wait *first, **last;
    struct event *turn; /* turns are given from the loop, so that no end of one job is the begin of
                           the next */
    bool stopped;
};

/* One that was left without a limit by its configuration still ends what waits. */
static int limit(const struct pool *p)
{
    int n = p->agent->transport->connections;
    return n > 0 ? n : 1;
}

static void gauge(const struct pool *p)
{
    service_gauge(p->agent->service, GAUGE_SESSIONS, (uint64_t)(p->used + p->idles));
}

static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    struct pool *p = arg;
    while (p->first != NULL && p->used < limit(p)) {
        struct pool_wait *w = p->first;
        pool_cancel(p, w);
        p->used++;
        w->on_turn(w);
    }
    gauge(p);
}

struct pool *pool_new(struct agent *a)
{
    struct pool *p = mem_zero(sizeof *p);
    p->agent = a;
    p->last = &p->first;
    p->turn = evtimer_new(a->base, on_turn, p);
    assert(p->turn != NULL);
    TAILQ_INIT(&p->idle);
    return p;
}

static struct session *take_out(struct idle *i)
{
    struct session *s = i->session;
    TAILQ_REMOVE(&i->pool->idle, i, next);
    i->pool->idles--;
    gauge(i->pool);
    transport_drop(&i->transport);
    mem_free(&i->destination);
    mem_free(&i);
    return s;
}

static void close_idle(struct idle *i)
{
    struct session *s = take_out(i);
    session_quit(&s);
}

void pool_stop(struct pool *p)
{
    struct idle *i;
    p->stopped = true;
    while ((i = TAILQ_FIRST(&p->idle)) != NULL)
        close_idle(i);
}

void pool_free(struct pool **pp)
{
    struct idle *i;
    if (*pp == NULL)
        return;
    while ((i = TAILQ_FIRST(&(*pp)->idle)) != NULL) {
        struct session *s = take_out(i);
        session_free(&s);
    }
    event_free((*pp)->turn);
    mem_free(pp);
}

void pool_enter(struct pool *p, struct pool_wait *w)
{
    w->next = NULL;
    w->queued = p->first != NULL || p->used >= limit(p);
    if (w->queued) {
        *p->last = w;
        p->last = &w->next;
        return;
    }
    p->used++;
    gauge(p);
    w->on_turn(w);
}

void pool_cancel(struct pool *p, struct pool_wait *w)
{
    struct pool_wait **at = &p->first;
    if (!w->queued)
        return;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    if (p->last == &w->next)
        p->last = at;
    w->queued = false;
}

static void wake(struct pool *p)
{
    const struct timeval now = {0, 0};
    if (p->first != NULL)
        (void)evtimer_add(p->turn, &now);
}

void pool_reload(struct pool *p)
{
    struct idle *i, *next;
    for (i = TAILQ_FIRST(&p->idle); i != NULL; i = next) {
        next = TAILQ_NEXT(i, next);
        if (i->transport != p->agent->transport)
            close_idle(i);
    }
    wake(p);
}

void pool_leave(struct pool *p)
{
    p->used--;
    gauge(p);
    wake(p);
}

static bool is_for(const struct idle *i, const struct transport *t, const char *destination)
{
    return i->transport == t && strcmp(i->destination, destination) == 0;
}

const char *pool_host(const struct pool *p, const struct transport *t, const char *destination)
{
    const struct idle *i;
    TAILQ_FOREACH (i, &p->idle, next) {
        if (is_for(i, t, destination))
            return session_host(i->session);
    }
    return NULL;
}

struct session *pool_take(struct pool *p, const struct transport *t, const char *destination,
                          const char *host, const struct tlspolicy *policy, const struct job *j)
{
    struct idle *i, *next;
    for (i = TAILQ_FIRST(&p->idle); i != NULL; i = next) {
        next = TAILQ_NEXT(i, next);
        if (!is_for(i, t, destination) || strcmp(session_host(i->session), host) != 0 ||
            !tlspolicy_same_connection(session_policy(i->session), policy) ||
            !session_fits(i->session, j))
            continue;
        struct session *s = take_out(i);
        if (session_is_alive(s))
            return s;
        session_free(&s);
    }
    /* A new connection will be made: the longest idle one makes room for it. */
    if (p->used + p->idles > limit(p) && (i = TAILQ_FIRST(&p->idle)) != NULL)
        close_idle(i);
    return NULL;
}

static void on_ready(struct session *s, void *arg)
{
}

static void on_done(struct session *s, void *arg, bool usable)
{
}

static void on_failed(struct session *s, void *arg, const struct session_failure *f)
{
    struct session *gone = take_out(arg);
    session_free(&gone);
}

static void on_idle(struct session *s, void *arg)
{
    close_idle(arg);
}

void pool_keep(struct pool *p, struct session *s, struct transport *t, const char *destination)
{
    static const struct session_handler handler = {on_ready, on_done, on_failed, on_idle};
    /* Of the configuration before nobody would take it out again. */
    if (p->stopped || t != p->agent->transport || t->timeouts.idle_ms == 0 ||
        p->used + p->idles > limit(p)) {
        session_quit(&s);
        return;
    }
    struct idle *i = mem_zero(sizeof *i);
    i->pool = p;
    i->session = s;
    i->transport = transport_hold(t);
    i->destination = mem_text(destination);
    TAILQ_INSERT_TAIL(&p->idle, i, next);
    p->idles++;
    gauge(p);
    session_set_owner(s, NULL, &handler, i);
    session_idle(s, t->timeouts.idle_ms);
}
