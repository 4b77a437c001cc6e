#include "reload.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "links.h"
#include "listen.h"
#include "log.h"
#include "mem.h"
#include "notify.h"
#include "process.h"
#include "proto_control.h"

#define LIMIT_MS 10000

struct reload {
    struct conf *conf;  /* NULL: the one in use */
    bool secrets_alone; /* only vault takes part */
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
    assert(r != NULL);
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

/* Those that run at the beginning, as long as they do. Who starts meanwhile has its turn at the
 * end. */
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

static void give_up(struct world *w)
{
    tell_all(w, control_abort);
    listen_abort(w);
    end(w, w->reload->fail.text);
}

/* From here there is no way back. */
static void adopt(struct world *w)
{
    struct reload *r = w->reload;
    unsigned vaults = links_vaults(w);
    conf_free(&w->conf);
    w->conf = r->conf;
    r->conf = NULL;
    log_set_level((enum log_level)conf_word(conf_root(w->conf), "log-level"));
    process_plan(w, w->conf);
    links_share_out(w, vaults);
    stop_unwanted(w);
    process_start_all(w);
}

static void decide(struct world *w)
{
    struct reload *r = w->reload;
    struct process *p;
    if (r->failed) {
        give_up(w);
        return;
    }
    TAILQ_FOREACH (p, &w->processes, next) {
        if (takes_part(p) && !p->answered)
            return; /* still to come */
    }
    tell_all(w, control_commit);
    listen_commit(w);
    w->generation++;
    if (r->conf != NULL)
        adopt(w);
    w->loaded_ms = clock_wall_ms();
    end(w, NULL);
}

void reload_cancel(struct world *w, const char *why)
{
    if (w->reload == NULL)
        return;
    (void)fail_set(&w->reload->fail, "%s", why);
    give_up(w);
}

static void on_answer(struct process *p, const char *refused)
{
    struct world *w = p->world;
    if (w->reload == NULL)
        return; /* too late: it is over */
    p->answered = true;
    if (refused != NULL && !w->reload->failed) {
        w->reload->failed = true;
        (void)fail_set(&w->reload->fail, "%s: %s", p->name, refused);
    }
    decide(w);
}

static void on_limit(evutil_socket_t fd, short what, void *arg)
{
    struct world *w = arg;
    struct process *p;
    char why[160] = "it took too long";
    TAILQ_FOREACH (p, &w->processes, next) {
        if (takes_part(p) && !p->answered)
            (void)snprintf(why, sizeof why, "%s did not answer in time", p->name);
    }
    reload_cancel(w, why);
}

static const char *text_of(const struct conf_block *b, const char *name)
{
    const struct conf_value *v = conf_value(b, name);
    return v == NULL ? "" : v->text;
}

/* Where things are, who everybody is, and what everybody may do is settled at start. */
static int check_fixed(const struct world *w, const struct conf *conf, struct fail *f)
{
    static const struct {
        const char *block, *name;
    } fixed[] = {{NULL, "state-dir"},     {NULL, "run-dir"},  {NULL, "seccomp"},
                 {"users", "smtpd"},      {"users", "queue"}, {"users", "deliver"},
                 {"users", "web"},        {"users", "hooks"}, {"users", "vault"},
                 {"users", "admin-group"}};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        const char *block = fixed[i].block, *name = fixed[i].name;
        const struct conf_block *old = conf_root(w->conf), *new = conf_root(conf);
        if (block != NULL) {
            old = conf_child(old, block);
            new = conf_child(new, block);
        }
        if (strcmp(text_of(old, name), text_of(new, name)) != 0)
            return fail_set(f, "%s%s%s cannot be changed by a reload: restart the service",
                            block == NULL ? "" : block, block == NULL ? "" : " ", name);
    }
    return 0;
}

static void ask_all(struct world *w)
{
    struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        p->answered = false;
        p->asked = p->control != NULL && p->state == PROCESS_UP && process_is_in(p, next_conf(w)) &&
                   (!w->reload->secrets_alone || p->role == ROLE_VAULT);
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

static void begin(struct world *w, struct conf *conf, bool secrets_alone, reload_on_done *on_done,
                  void *arg)
{
    int64_t ms = w->reload_limit_ms > 0 ? w->reload_limit_ms : LIMIT_MS;
    const struct timeval limit = {ms / 1000, ms % 1000 * 1000};
    struct reload *r = w->reload = mem_zero(sizeof *r);
    r->conf = conf;
    r->secrets_alone = secrets_alone;
    r->on_done = on_done;
    r->arg = arg;
    r->limit = evtimer_new(w->base, on_limit, w);
    assert(r->limit != NULL);
    (void)evtimer_add(r->limit, &limit);
    notify_reloading();
    if ((conf != NULL && check_fixed(w, conf, &r->fail) != 0) ||
        listen_prepare(w, next_conf(w), &r->fail) != 0) {
        end(w, r->fail.text);
        return;
    }
    ask_all(w);
}

static bool is_busy(const struct world *w, reload_on_done *on_done, void *arg)
{
    const char *why = w->stop != NULL     ? "stopping"
                      : w->reload != NULL ? "a reload is under way"
                      : !w->announced     ? "the suite is still starting"
                                          : NULL;
    if (why == NULL)
        return false;
    log_warn(NULL, "configuration not reloaded", LS("why", why));
    on_done(arg, why);
    return true;
}

void reload_begin(struct world *w, reload_on_done *on_done, void *arg)
{
    struct conf_errors errors = {0};
    struct buf text = {0};
    if (is_busy(w, on_done, arg))
        return;
    struct conf *conf = conf_load(w->config_path, &errors);
    conf_errors_print(&errors, &text);
    for (size_t i = 0; i < errors.n; i++)
        LOG_AT(errors.v[i].warning ? LOG_WARN_ : LOG_ERROR_, NULL, errors.v[i].sentence,
               LS("at", errors.v[i].place));
    if (errors.more > 0)
        log_error(NULL, "there are more errors than are shown", LU("more", errors.more));
    if (conf == NULL) {
        log_error(NULL, "configuration not reloaded: everything stays as it was");
        on_done(arg, buf_text(&text));
    } else {
        begin(w, conf, false, on_done, arg);
    }
    buf_free(&text);
    conf_errors_free(&errors);
}

void reload_files(struct world *w, reload_on_done *on_done, void *arg)
{
    if (!is_busy(w, on_done, arg))
        begin(w, NULL, false, on_done, arg);
}

void reload_secrets(struct world *w, reload_on_done *on_done, void *arg)
{
    if (!is_busy(w, on_done, arg))
        begin(w, NULL, true, on_done, arg);
}
