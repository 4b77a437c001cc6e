#include "stop.h"

#include <assert.h>

#include "log.h"
#include "mem.h"
#include "notify.h"
#include "process.h"
#include "reload.h"

#define LIMIT_MS 9500 /* of the ten seconds that the service manager was promised */
#define INTAKE_LIMIT_MS 2000

/* The vault is asked for as long as anybody is there who may ask. */
static const unsigned stage_of[ROLES] = {
    [ROLE_SMTPD] = 0,    [ROLE_WEBAPI] = 0, [ROLE_QMGR] = 1,
    [ROLE_DELIVERY] = 2, [ROLE_HOOKS] = 2,  [ROLE_VAULT] = 3,
};
#define STAGES 4

struct stop {
    unsigned stage;
    struct event *limit, *intake_limit;
};

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
    log_warn(NULL, "not everybody ended in time");
    process_kill_all(arg);
}

static bool runs(const struct world *w, unsigned stage)
{
    const struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        if (p->pid > 0 && stage_of[p->role] == stage)
            return true;
    }
    return false;
}

static void stop_stage(struct world *w, unsigned stage)
{
    struct process *p, *next;
    TAILQ_FOREACH_SAFE (p, &w->processes, next, next) {
        if (stage_of[p->role] == stage)
            process_stop(p);
    }
}

/* A client that takes its time does not hold up the rest. */
static void on_intake_limit(evutil_socket_t fd, short what, void *arg)
{
    struct world *w = arg;
    if (w->stop->stage == 0)
        stop_stage(w, w->stop->stage = 1);
}

void stop_continue(struct world *w)
{
    struct stop *s = w->stop;
    while (s->stage < STAGES && !runs(w, s->stage)) {
        s->stage++;
        if (s->stage < STAGES)
            stop_stage(w, s->stage);
    }
    if (s->stage >= STAGES && !runs(w, 0) && !runs(w, 1))
        (void)event_base_loopexit(w->base, NULL); /* which holds also before the loop has begun */
}

static struct timeval after(int64_t ms)
{
    return (struct timeval){ms / 1000, ms % 1000 * 1000};
}

void stop_begin(struct world *w, int exit_code)
{
    if (w->stop != NULL)
        return;
    const struct timeval limit = after(w->stop_limit_ms > 0 ? w->stop_limit_ms : LIMIT_MS);
    const struct timeval intake =
        after(w->intake_limit_ms > 0 ? w->intake_limit_ms : INTAKE_LIMIT_MS);
    reload_cancel(w, "stopping");
    log_info(NULL, "stopping");
    notify_stopping();
    w->exit_code = exit_code;
    struct stop *s = w->stop = mem_zero(sizeof *s);
    s->limit = evtimer_new(w->base, on_limit, w);
    s->intake_limit = evtimer_new(w->base, on_intake_limit, w);
    assert(s->limit != NULL && s->intake_limit != NULL);
    (void)evtimer_add(s->limit, &limit);
    (void)evtimer_add(s->intake_limit, &intake);
    stop_stage(w, 0);
    stop_continue(w);
}

void stop_free(struct world *w)
{
    if (w->stop == NULL)
        return;
    event_free(w->stop->limit);
    event_free(w->stop->intake_limit);
    mem_free(&w->stop);
}
