#include "lab.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "folders.h"
#include "launch.h"
#include "links.h"
#include "listen.h"
#include "log.h"
#include "mem.h"
#include "process.h"
#include "proto_control.h"
#include "proto_types.h"
#include "reload.h"
#include "stop.h"
#include "users.h"

/* Above what the kernel gives out (PID_MAX_LIMIT), so that no signal can meet anybody. */
#define FIRST_PID 5000000

struct lab lab;

/* ---- the loop ---- */

static struct event *guard;
static bool late;

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
    late = true;
}

void lab_guard(bool on)
{
    const struct timeval limit = {30, 0};
    late = false;
    if (on)
        (void)evtimer_add(guard, &limit);
    else
        (void)evtimer_del(guard);
}

bool lab_is_late(void)
{
    return late;
}

void lab_turn(void)
{
    (void)event_base_loop(lab.world.base, EVLOOP_ONCE);
}

void lab_settle(void)
{
    for (int i = 0; i < 50; i++)
        (void)event_base_loop(lab.world.base, EVLOOP_NONBLOCK);
}

void lab_wait(int ms)
{
    const struct timeval tv = {ms / 1000, ms % 1000 * 1000};
    (void)event_base_loopexit(lab.world.base, &tv);
    (void)event_base_dispatch(lab.world.base);
}

/* ---- the processes ---- */

/* In the place of the C library's (see CMakeLists.txt). */
int __wrap_kill(pid_t pid, int signal);

int __wrap_kill(pid_t pid, int signal)
{
    assert_true(pid > FIRST_PID);
    lab.kills++;
    return 0;
}

static void keep_link(struct child *c, const char *name, int fd)
{
    struct child_link *l = mem_zero(sizeof *l);
    l->name = mem_text(name);
    l->fd = fd;
    TAILQ_INSERT_TAIL(&c->links, l, next);
}

static void drop_link(struct child *c, struct child_link *l)
{
    TAILQ_REMOVE(&c->links, l, next);
    file_close(&l->fd);
    mem_free(&l->name);
    mem_free(&l);
}

void lab_answer(struct child *c, const char *refusal)
{
    uint64_t request = c->waiting;
    c->waiting = 0;
    if (refusal != NULL)
        c->prepared[0] = '\0';
    if (refusal == NULL)
        control_ready(c->control, request);
    else
        control_refuse(c->control, request, refusal);
}

void lab_close_channel(struct child *c)
{
    ipc_free(&c->control);
}

static void on_config(struct child *c, const struct control_message *m)
{
    struct fail f;
    struct process *p = lab_process(c->name);
    enum answer answer =
        lab.odd != NULL && strcmp(lab.odd, c->name) == 0 ? lab.odd_answer : lab.answer;
    struct conf *conf = conf_decode(m->share, role_reader(p->role), &f);
    assert_non_null(conf);
    c->configs++;
    (void)snprintf(c->prepared, sizeof c->prepared, "%s", conf_text(conf_root(conf), "hostname"));
    (void)snprintf(c->prepared_hands, sizeof c->prepared_hands, "%s", buf_text(&c->hands));
    buf_clear(&c->hands);
    conf_free(&conf);
    c->waiting = m->request;
    if (answer == ANSWER_READY)
        lab_answer(c, NULL);
    else if (answer == ANSWER_REFUSE)
        lab_answer(c, "I do not like it");
    else if (answer == ANSWER_DIE)
        lab_close_channel(c);
}

static void on_counters(struct child *c, uint64_t request)
{
    static const char *const names[] = {
        "things_total",
        "level",
        "own:of_all_total code=404",
        "own:of_all_total code=500",
        "own:took_seconds_bucket le=0.5",
        "own:took_seconds_bucket le=+Inf",
        "own:took_seconds_sum",
        "own:took_seconds_count",
        "own:asked_seconds_sum cmd=mail class=2",
        "own:asked_seconds_count cmd=mail class=2",
        "own:asked_seconds_sum cmd=mail class=5",
        "own:asked_seconds_count cmd=mail class=5",
        "bad}name",
        "bad label=\"",
    };
    const uint64_t values[] = {7, 3, 2, 0, 0, 4, 1500001, 4, 250000, 2, 0, 0, 1, 1};
    c->counters++;
    if (!c->silent)
        control_counters_are(c->control, request, names, values, sizeof values / sizeof values[0]);
}

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct child *c = arg;
    struct control_message message;
    if (control_read(m, &message, f) != 0)
        return -1;
    switch (message.type) {
    case MSG_CONTROL_HAND:
        buf_putf(&c->hands, "%s\n", message.name);
        break;
    case MSG_CONTROL_LINK:
        keep_link(c, message.name, message.fd);
        message.fd = -1;
        break;
    case MSG_CONTROL_CONFIG:
        on_config(c, &message);
        break;
    case MSG_CONTROL_COMMIT:
        c->commits++;
        (void)snprintf(c->committed, sizeof c->committed, "%s", c->prepared);
        break;
    case MSG_CONTROL_ABORT:
        c->aborts++;
        break;
    case MSG_CONTROL_STOP:
        c->stops++;
        break;
    case MSG_CONTROL_COUNTERS:
        on_counters(c, message.request);
        break;
    case MSG_CONTROL_METRICS:
        buf_clear(&c->metrics);
        buf_put_span(&c->metrics, message.share);
        break;
    default:
        break;
    }
    control_clear(&message);
    return 0;
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct child *c = arg;
    ipc_free(&c->control);
}

/* In the place of launch.c. */
int launch(struct process *p, int control, struct fail *f)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct link_end ends[128];
    int n = lab.no_launch ? fail_set(f, "no process can be made") : links_make(p, ends, 128, f);
    if (n < 0) {
        (void)close(control);
        return -1;
    }
    struct child *c = mem_zero(sizeof *c);
    TAILQ_INIT(&c->links);
    (void)snprintf(c->name, sizeof c->name, "%s", p->name);
    c->pid = p->pid = ++lab.last_pid;
    for (int i = 0; i < n; i++)
        keep_link(c, ends[i].name, ends[i].fd);
    c->control = ipc_new(p->world->base, control, "child", &handler, c);
    TAILQ_INSERT_TAIL(&lab.children, c, next);
    return 0;
}

static void free_child(struct child *c)
{
    struct child_link *l;
    TAILQ_REMOVE(&lab.children, c, next);
    while ((l = TAILQ_FIRST(&c->links)) != NULL)
        drop_link(c, l);
    ipc_free(&c->control);
    buf_free(&c->hands);
    buf_free(&c->metrics);
    mem_free(&c);
}

void lab_reap(struct child *c, int status)
{
    int pid = c->pid;
    free_child(c);
    process_reaped(&lab.world, pid, status);
}

struct child *lab_child(const char *name)
{
    struct child *c;
    TAILQ_FOREACH (c, &lab.children, next) {
        if (strcmp(c->name, name) == 0)
            return c;
    }
    return NULL;
}

struct process *lab_process(const char *name)
{
    struct process *p;
    TAILQ_FOREACH (p, &lab.world.processes, next) {
        if (strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

const char *lab_plan(void)
{
    static struct buf text;
    const struct process *p;
    buf_clear(&text);
    TAILQ_FOREACH (p, &lab.world.processes, next)
        buf_putf(&text, "%s%s%s", text.n == 0 ? "" : " ", p->unwanted ? "-" : "", p->name);
    return buf_text(&text);
}

/* ---- the world ---- */

static void put_config(struct buf *b, const char *hostname, const char *fmt, va_list ap)
{
    buf_putf(b, "hostname %s\nstate-dir \"%s/state\"\nrun-dir \"%s/run\"\n", hostname, lab.folder,
             lab.folder);
    if (geteuid() == 0)
        buf_puts(b, "users { smtpd 64710  queue 64711  deliver 64712  web 64713  hooks 64714  "
                    "vault 64715 }\n");
    buf_vputf(b, fmt, ap);
}

static struct conf *parse(const char *text)
{
    struct conf_errors errors;
    struct buf complaints = {0};
    struct conf *conf = conf_parse("/etc/test.conf", span_text(text), &errors);
    conf_errors_print(&errors, &complaints);
    if (conf == NULL)
        fail_msg("%s", buf_text(&complaints));
    conf_errors_free(&errors);
    buf_free(&complaints);
    return conf;
}

struct conf *lab_conf(const char *hostname, const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    put_config(&b, hostname, fmt, ap);
    va_end(ap);
    struct conf *conf = parse(buf_text(&b));
    buf_free(&b);
    return conf;
}

void lab_write_raw(const char *text)
{
    struct fail f;
    int dir = open(lab.folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    assert_int_equal(file_replace(dir, "test.conf", 0644, span_text(text), &f), 0);
    (void)close(dir);
}

void lab_write(const char *hostname, const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    va_start(ap, fmt);
    put_config(&b, hostname, fmt, ap);
    va_end(ap);
    lab_write_raw(buf_text(&b));
    buf_free(&b);
}

static int count_descriptors(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    closedir(d);
    return n;
}

void lab_open(const char *fmt, ...)
{
    struct buf b = {0};
    va_list ap;
    (void)signal(SIGPIPE, SIG_IGN);
    log_open("test", LOG_ERROR_ + 1);
    lab = (struct lab){.folder = "/tmp/master-XXXXXX", .last_pid = FIRST_PID};
    lab.descriptors = count_descriptors();
    assert_non_null(mkdtemp(lab.folder));
    assert_int_equal(chmod(lab.folder, 0755), 0);
    TAILQ_INIT(&lab.children);
    struct world *w = &lab.world;
    TAILQ_INIT(&w->processes);
    TAILQ_INIT(&w->listeners);
    w->base = event_base_new();
    guard = evtimer_new(w->base, on_guard, NULL);
    w->config_path = mem_format("%s/test.conf", lab.folder);
    w->program_dir = mem_text("/nowhere");
    w->privileged = geteuid() == 0;
    w->admin_gid = -1;
    w->started_ms = clock_mono_ms();
    va_start(ap, fmt);
    put_config(&b, "one.test", fmt, ap);
    va_end(ap);
    w->conf = parse(buf_text(&b));
    buf_free(&b);
}

void lab_start(void)
{
    struct fail f = {{0}};
    struct world *w = &lab.world;
    if (users_resolve(w, w->conf, &f) != 0 || folders_make(w, w->conf, &f) != 0 ||
        listen_prepare(w, w->conf, &f) != 0)
        fail_msg("%s", f.text);
    process_plan(w, w->conf);
    process_start_all(w);
    lab_settle();
}

void lab_close(void)
{
    struct world *w = &lab.world;
    while (!TAILQ_EMPTY(&lab.children))
        free_child(TAILQ_FIRST(&lab.children));
    lab_settle();
    process_free_all(w);
    reload_cancel(w, "closing");
    stop_free(w);
    listen_close_all(w);
    conf_free(&w->conf);
    event_free(guard);
    event_base_free(w->base);
    mem_free(&w->config_path);
    mem_free(&w->program_dir);
    char *command = mem_format("rm -rf %s", lab.folder);
    int rc = system(command);
    mem_free(&command);
    assert_int_equal(rc, 0);
    assert_int_equal(count_descriptors(), lab.descriptors);
}

void lab_on_reload(void *arg, const char *why)
{
    struct outcome *o = arg;
    o->times++;
    (void)snprintf(o->why, sizeof o->why, "%s", why == NULL ? "" : why);
}

int lab_port(void)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&sa, sizeof sa) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    (void)close(fd);
    return ntohs(sa.sin_port);
}
