#include "reload.h"

#include <assert.h>
#include <string.h>

#include "clock.h"
#include "listen.h"
#include "log.h"
#include "mem.h"
#include "notify.h"
#include "process.h"
#include "proto_control.h"

#define LIMIT_S 10

struct reload {
    struct conf *conf; /* NULL: the one in use */
    struct event *limit;
    struct fail fail;
    bool failed;
    reload_on_done *on_done;
    void *arg;
};

static const struct conf *next_conf(const struct world *w)
{
    return w->reload->conf != NULL ? w->reload->conf : w->conf;
}

static void end(struct world *w, const char *why)
{
    struct reload *r = w->reload;
    w->reload = NULL;
    if (why == NULL)
        log_info(NULL, "configuration reloaded", LS("config", w->config_path));
    else
        log_error(NULL, "configuration not reloaded: everything stays as it was", LS("why", why));
    notify_reloaded();
    process_resume(w);
    r->on_done(r->arg, why);
    conf_free(&r->conf);
    event_free(r->limit);
    mem_free(&r);
}

/* Those that run at the beginning, as long as they do. Who starts meanwhile has its turn at the end. */
static bool takes_part(const struct process *p)
{
    return p->control != NULL && p->state == PROCESS_UP && p->asked;
}

static void tell_all(struct world *w, void (*tell)(struct ipc *ch))
{
    struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        if (takes_part(p))
            tell(p->control);
    }
}

static void stop_unwanted(struct world *w)
{
    struct process *p, *next;
    TAILQ_FOREACH_SAFE (p, &w->processes, next, next) {
        if (p->unwanted)
            process_stop(p);
    }
}

static void decide(struct world *w)
{
    struct reload *r = w->reload;
    struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        if (takes_part(p) && !p->answered && !r->failed)
            return; /* still to come */
    }
    if (r->failed) {
        tell_all(w, control_abort);
        listen_abort(w);
        end(w, r->fail.text);
        return;
    }
    tell_all(w, control_commit);
    listen_commit(w);
    w->generation++;
    if (r->conf != NULL) {
        conf_free(&w->conf);
        w->conf = r->conf;
        r->conf = NULL;
        process_plan(w, w->conf);
        stop_unwanted(w);
        process_start_all(w);
    }
    w->loaded_ms = clock_wall_ms();
    end(w, NULL);
}

static void on_answer(struct process *p, const char *refused)
{
    struct world *w = p->world;
    if (w->reload == NULL)
        return; /* too late: it is over */
    p->answered = true;
    if (refused != NULL && !w->reload->failed && p->control != NULL) {
        w->reload->failed = true;
        (void)fail_set(&w->reload->fail, "%s: %s", p->name, refused);
    }
    decide(w);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
    struct world *w = arg;
    w->reload->failed = true;
    (void)fail_set(&w->reload->fail, "not every process answered within %d s", LIMIT_S);
    decide(w);
}

/* Where things are, and who everybody is, is settled at start. */
static int check_fixed(const struct world *w, const struct conf *conf, struct fail *f)
{
    static const char *const fixed[] = {"state-dir", "run-dir"};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        if (strcmp(conf_text(conf_root(w->conf), fixed[i]), conf_text(conf_root(conf), fixed[i])) != 0)
            return fail_set(f, "%s cannot be changed by a reload: restart the service", fixed[i]);
    }
    return 0;
}

static void ask_all(struct world *w)
{
    struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        p->answered = false;
        p->asked = p->control != NULL && p->state == PROCESS_UP;
    }
    TAILQ_FOREACH (p, &w->processes, next) {
        if (w->reload == NULL || w->reload->failed)
            return;
        if (takes_part(p))
            process_configure(p, next_conf(w), on_answer);
    }
    if (w->reload != NULL)
        decide(w);
}

static void begin(struct world *w, struct conf *conf, reload_on_done *on_done, void *arg)
{
    const struct timeval limit = {LIMIT_S, 0};
    struct reload *r = w->reload = mem_zero(sizeof *r);
    r->conf = conf;
    r->on_done = on_done;
    r->arg = arg;
    r->limit = evtimer_new(w->base, on_limit, w);
    assert(r->limit != NULL);
    (void)evtimer_add(r->limit, &limit);
    notify_reloading();
    if ((conf != NULL && check_fixed(w, conf, &r->fail) != 0) || listen_prepare(w, next_conf(w), &r->fail) != 0) {
        end(w, r->fail.text);
        return;
    }
    ask_all(w);
}

void reload_begin(struct world *w, reload_on_done *on_done, void *arg)
{
    struct conf_errors errors = {0};
    struct buf text = {0};
    if (w->reload != NULL || w->stop != NULL) {
        on_done(arg, w->stop != NULL ? "stopping" : "a reload is under way");
        return;
    }
    struct conf *conf = conf_load(w->config_path, &errors);
    conf_errors_print(&errors, &text);
    for (size_t i = 0; i < errors.n; i++)
        log_error(NULL, errors.v[i].sentence, LS("at", errors.v[i].place));
    if (conf == NULL) {
        log_error(NULL, "configuration not reloaded: everything stays as it was");
        on_done(arg, buf_text(&text));
    } else {
        begin(w, conf, on_done, arg);
    }
    buf_free(&text);
    conf_errors_free(&errors);
}

void reload_files(struct world *w, reload_on_done *on_done, void *arg)
{
    if (w->reload != NULL || w->stop != NULL)
        on_done(arg, w->stop != NULL ? "stopping" : "a reload is under way");
    else
        begin(w, NULL, on_done, arg);
}
