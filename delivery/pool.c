#include "pool.h"

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
    bool stopped;
};

struct pool *pool_new(struct agent *a)
{
    struct pool *p = mem_zero(sizeof *p);
    p->agent = a;
    p->last = &p->first;
    TAILQ_INIT(&p->idle);
    return p;
}

static struct session *take_out(struct idle *i)
{
    struct session *s = i->session;
    TAILQ_REMOVE(&i->pool->idle, i, next);
    i->pool->idles--;
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
    mem_free(pp);
}

static int limit(const struct pool *p)
{
    return p->agent->transport->connections;
}

static void gauge(const struct pool *p)
{
    service_gauge(p->agent->service, GAUGE_SESSIONS, (uint64_t)(p->used + p->idles));
}

void pool_enter(struct pool *p, struct pool_wait *w)
{
    w->next = NULL;
    w->queued = p->used >= limit(p);
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

void pool_leave(struct pool *p)
{
    struct pool_wait *w = p->first;
    p->used--;
    if (w != NULL && p->used < limit(p)) {
        pool_cancel(p, w);
        p->used++;
        gauge(p);
        w->on_turn(w);
        return;
    }
    gauge(p);
}

struct session *pool_take(struct pool *p, const struct transport *t, const char *destination)
{
    struct idle *i;
    TAILQ_FOREACH (i, &p->idle, next) {
        if (i->transport == t && strcmp(i->destination, destination) == 0)
            return take_out(i);
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

void pool_keep(struct pool *p, struct session *s, struct transport *t, const char *destination)
{
    static const struct session_handler handler = {on_ready, on_done, on_failed};
    if (p->stopped || t->timeouts.idle_ms == 0 || p->used + p->idles > limit(p)) {
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
    session_set_owner(s, &handler, i);
    session_idle(s, t->timeouts.idle_ms);
}
