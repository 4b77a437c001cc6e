#include "process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "hands.h"
#include "launch.h"
#include "links.h"
#include "log.h"
#include "mem.h"
#include "notify.h"
#include "proto_control.h"
#include "stop.h"

#define BACK_OFF_FIRST_MS 100
#define BACK_OFF_MAX_MS 30000
#define UNWANTED_LIMIT_MS 30000 /* for one that a reload took away; the end of all has its own */
#define STEADY_MS 60000         /* up for this long, a process has earned a quick restart */

static void start(struct process *p);

/* Its time is over: to wait before it is started again, or to end after it was told to. */
static void on_time(evutil_socket_t fd, short what, void *arg)
{
    struct process *p = arg;
    if (p->world->stop != NULL)
        return; /* which has a limit of its own */
    if (p->pid == 0 && !p->unwanted)
        start(p);
    if (p->pid == 0 || p->state != PROCESS_STOPPING)
        return;
    log_warn(NULL, "process did not end in time", LS("process", p->name), LI("pid", p->pid));
    (void)kill(p->pid, SIGKILL);
}

static void set_timer(struct process *p, int64_t ms)
{
    const struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    (void)evtimer_add(p->timer, &tv);
}

static struct process *find(struct world *w, const char *name)
{
    struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        if (strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

static void plan(struct world *w, enum role role, unsigned index, const char *suffix)
{
    char name[sizeof((struct process *)NULL)->name];
    (void)snprintf(name, sizeof name, suffix == NULL ? "%s" : "%s/%s", role_names[role], suffix);
    struct process *p = find(w, name);
    if (p != NULL && !p->unwanted)
        return;
    if (p == NULL) {
        p = mem_zero(sizeof *p);
        p->world = w;
        p->role = role;
        p->index = index;
        (void)snprintf(p->name, sizeof p->name, "%s", name);
        p->label = role == ROLE_DELIVERY ? p->name + strlen(role_names[role]) + 1 : "";
        p->back_off_ms = BACK_OFF_FIRST_MS;
        p->timer = evtimer_new(w->base, on_time, p);
        assert(p->timer != NULL);
        TAILQ_INSERT_TAIL(&w->processes, p, next);
    }
    p->unwanted = false;
}

static void plan_workers(struct world *w, const struct conf *conf, enum role role)
{
    int n = conf_int(conf_child(conf_root(conf), "workers"), role_names[role]);
    for (int i = 0; i < n; i++) {
        char suffix[12];
        (void)snprintf(suffix, sizeof suffix, "%d", i);
        plan(w, role, (unsigned)i, suffix);
    }
}

static bool serves_http(const struct conf *conf)
{
    const struct conf_block *listen = NULL;
    while ((listen = conf_next(conf_root(conf), "listen", listen)) != NULL) {
        if (conf_is_set(listen, "http"))
            return true;
    }
    return false;
}

bool process_is_in(const struct process *p, const struct conf *conf)
{
    const struct conf_block *root = conf_root(conf);
    switch (p->role) {
    case ROLE_DELIVERY:
        return strcmp(p->label, "direct") == 0 || strcmp(p->label, "local") == 0 ||
               conf_find(root, "transport", p->label) != NULL;
    case ROLE_WEBAPI:
        if (!serves_http(conf))
            return false;
        /* fall through */
    case ROLE_VAULT:
    case ROLE_SMTPD:
        return p->index < (unsigned)conf_int(conf_child(root, "workers"), role_names[p->role]);
    default:
        return true;
    }
}

/* Callees before those who call them. */
void process_plan(struct world *w, const struct conf *conf)
{
    const struct conf_block *transport = NULL;
    struct process *p;
    TAILQ_FOREACH (p, &w->processes, next)
        p->unwanted = true;
    plan_workers(w, conf, ROLE_VAULT);
    plan(w, ROLE_DELIVERY, 0, "direct");
    plan(w, ROLE_DELIVERY, 0, "local");
    while ((transport = conf_next(conf_root(conf), "transport", transport)) != NULL)
        plan(w, ROLE_DELIVERY, 0, conf_label(transport));
    plan(w, ROLE_HOOKS, 0, NULL);
    plan(w, ROLE_QMGR, 0, NULL);
    plan_workers(w, conf, ROLE_SMTPD);
    if (serves_http(conf))
        plan_workers(w, conf, ROLE_WEBAPI);
}

/* ---- start ---- */

static int on_control_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct process *p = arg;
    char *name;
    if (control_read_lost(m, &name, f) != 0)
        return -1;
    links_lost(p, name);
    mem_free(&name);
    return 0;
}

/* Most likely it died, and SIGCHLD will tell. If it only closed its channel it is of no use any
 * more. */
static void on_control_closed(struct ipc *ch, void *arg, const char *why)
{
    struct process *p = arg;
    ipc_free(&p->control);
    if (p->pid > 0 && p->state != PROCESS_STOPPING)
        (void)kill(p->pid, SIGKILL);
}

static void went_up(struct process *p, const char *refused);

/* It is ready, for a configuration that a reload may have replaced since it was asked. */
static void use(struct process *p)
{
    struct world *w = p->world;
    p->ready = false;
    if (p->generation != w->generation) {
        process_configure(p, w->conf, went_up);
        return;
    }
    control_commit(p->control);
    p->state = PROCESS_UP;
    log_debug(NULL, "process is up", LS("process", p->name), LI("pid", p->pid));
    if (!w->announced && process_all_up(w)) {
        w->announced = true;
        notify_ready(w);
    }
}

static void went_up(struct process *p, const char *refused)
{
    struct world *w = p->world;
    if (p->state != PROCESS_STARTING || !ipc_is_open(p->control))
        return; /* it ended, as process_reaped will find */
    if (refused != NULL) {
        log_error(NULL, "process cannot work with the configuration", LS("process", p->name),
                  LS("why", refused));
        if (!w->announced)
            stop_begin(w, EX_CONFIG);
        else
            (void)kill(p->pid, SIGKILL);
        return;
    }
    p->ready = true;
    if (w->reload == NULL)
        use(p);
}

void process_resume(struct world *w)
{
    struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        if (w->stop == NULL && p->state == PROCESS_STARTING && p->ready)
            use(p);
    }
}

static void wait_and_start(struct process *p)
{
    set_timer(p, p->back_off_ms);
    p->back_off_ms = p->back_off_ms * 2 < BACK_OFF_MAX_MS ? p->back_off_ms * 2 : BACK_OFF_MAX_MS;
}

static void start(struct process *p)
{
    static const struct ipc_handler handler = {on_control_message, on_control_closed};
    struct fail f = {{0}};
    int control[2] = {-1, -1};
    char name[96];
    if (ipc_pair(control, &f) != 0 || launch(p, control[1], &f) != 0) {
        log_error(NULL, "cannot start a process", LS("process", p->name), LS("why", f.text));
        file_close(&control[0]); /* the other one is launch's */
        wait_and_start(p);
        return;
    }
    p->state = PROCESS_STARTING;
    p->ready = false;
    p->started_ms = clock_mono_ms();
    (void)snprintf(name, sizeof name, "control %s", p->name);
    p->control = ipc_new(p->world->base, control[0], name, &handler, p);
    if (clock_stepped() != 0)
        control_clock(p->control, clock_stepped());
    process_configure(p, p->world->conf, went_up);
}

void process_start_all(struct world *w)
{
    struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        /* One of them may have ended it all by what it says to its configuration. */
        if (w->stop == NULL && p->state == PROCESS_DOWN && !p->unwanted &&
            !evtimer_pending(p->timer, NULL))
            start(p);
    }
}

struct configuring {
    struct process *process;
    uint64_t question;
    void (*on_answer)(struct process *p, const char *refused);
};

static void on_prepared(void *arg, const char *refused)
{
    struct configuring *c = arg;
    if (c->process->question == c->question)
        c->on_answer(c->process, refused);
    mem_free(&c);
}

void process_configure(struct process *p, const struct conf *conf,
                       void (*on_answer)(struct process *p, const char *refused))
{
    struct buf share = {0};
    struct fail f = {{0}};
    p->generation = p->world->generation;
    p->question = ++p->world->questions;
    if (hands_send(p, conf, &f) != 0) {
        on_answer(p, f.text);
        return;
    }
    struct configuring *c = mem_alloc(sizeof *c);
    *c = (struct configuring){p, p->question, on_answer};
    conf_encode(conf, role_reader(p->role), &share);
    control_config(p->control, buf_span(&share), on_prepared, c);
    buf_wipe(&share);
}

/* ---- end ---- */

static void forget(struct process *p)
{
    TAILQ_REMOVE(&p->world->processes, p, next);
    ipc_free(&p->control);
    event_free(p->timer);
    mem_free(&p);
}

void process_stop(struct process *p)
{
    (void)evtimer_del(p->timer);
    if (p->pid == 0) {
        if (p->unwanted)
            forget(p);
        return;
    }
    int64_t limit = p->world->unwanted_limit_ms;
    if (p->world->stop == NULL)
        set_timer(p, limit > 0 ? limit : UNWANTED_LIMIT_MS);
    p->state = PROCESS_STOPPING;
    if (p->control != NULL)
        control_stop(p->control);
}

static void log_end(const struct process *p, int status)
{
    const char *how = WIFSIGNALED(status) ? "signal" : "exit";
    int64_t number = WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status);
    bool forbidden = WIFSIGNALED(status) && WTERMSIG(status) == SIGSYS;
    if (p->state == PROCESS_STOPPING && WIFEXITED(status) && WEXITSTATUS(status) == 0)
        log_debug(NULL, "process ended", LS("process", p->name), LI("pid", p->pid));
    else
        log_error(NULL,
                  forbidden ? "process ended: a system call that it may not make" : "process ended",
                  LS("process", p->name), LI("pid", p->pid), LI(how, number));
}

void process_reaped(struct world *w, int pid, int status)
{
    struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        if (p->pid == pid)
            break;
    }
    if (p == NULL)
        return;
    (void)evtimer_del(p->timer);
    log_end(p, status);
    if (clock_mono_ms() - p->started_ms > STEADY_MS)
        p->back_off_ms = BACK_OFF_FIRST_MS;
    /* Before anybody is up there is an operator to tell, and nothing that could be kept running. */
    bool hopeless = p->state == PROCESS_STARTING && !w->announced && w->stop == NULL;
    p->pid = 0;
    p->state = PROCESS_DOWN;
    ipc_free(&p->control); /* a question that is open counts as refused */
    if (hopeless) {
        bool disk = WIFEXITED(status) && WEXITSTATUS(status) == EX_IOERR;
        log_error(NULL, "process ended before the suite was ready", LS("process", p->name));
        stop_begin(w, disk ? EX_IOERR : EX_SOFTWARE);
    } else if (w->stop != NULL) {
        stop_continue(w);
    } else if (p->unwanted) {
        forget(p);
    } else {
        p->restarts++;
        wait_and_start(p);
    }
}

bool process_all_up(const struct world *w)
{
    const struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        if (p->state != PROCESS_UP)
            return false;
    }
    return true;
}

void process_kill_all(struct world *w)
{
    struct process *p;
    TAILQ_FOREACH (p, &w->processes, next) {
        if (p->pid > 0)
            (void)kill(p->pid, SIGKILL);
    }
}

void process_free_all(struct world *w)
{
    struct process *p;
    while ((p = TAILQ_FIRST(&w->processes)) != NULL)
        forget(p);
}
