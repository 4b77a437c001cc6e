#include "service.h"

#include <assert.h>
#include <bsd/sys/queue.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <unistd.h>

#include "ascii.h"
#include "clock.h"
#include "fdlimit.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "proto_control.h"
#include "proto_types.h"
#include "sandbox.h"

#define HANDS_MAX (CONF_MAX_FILES + CONF_MAX_SOCKETS + 16) /* what a configuration can ask for */
#define LINKS_MAX 256  /* 64 workers of each kind that asks, and some */
#define LOST_FIRST_S 1 /* a peer that ended is started anew within this, mostly */
#define LOST_MAX_S 60

/* A link that has ended, until a new one of its name comes. */
struct lost_link {
    TAILQ_ENTRY(lost_link) next;
    struct service *service;
    struct event *timer;
    time_t wait_s; /* before master is asked again */
    char *name;
};

struct service {
    const struct service_spec *spec;
    void *user;
    char name[80]; /* a label has up to 64 characters */
    struct event_base *base;
    struct ipc *control;
    void *state;          /* in use */
    void *prepared;       /* waiting for commit or abort */
    enum log_level level; /* that goes with it */
    struct service_hand *hands;
    size_t hands_n;
    uint64_t *counters;
    uint32_t counters_n;
    struct service_hand
        early[LINKS_MAX]; /* links that came before there was a configuration to use them with */
    size_t early_n;
    TAILQ_HEAD(, lost_link) lost;
    size_t lost_n;
    bool stopping;
    int exit_code;
};

/* What master gave on the command line. */
struct given {
    const char *name, *root;
    int control, uid, gid;
    enum sandbox_seccomp seccomp;
    enum log_level level;
    bool dumpable;
    struct {
        const char *name;
        int fd;
    } links[LINKS_MAX];
    size_t links_n;
};

struct event_base *service_base(struct service *s)
{
    return s->base;
}

void *service_user(struct service *s)
{
    return s->user;
}

void *service_state(struct service *s)
{
    return s->state;
}

const char *service_name(struct service *s)
{
    return s->name;
}

bool service_stopping(const struct service *s)
{
    return s->stopping;
}

void service_done(struct service *s)
{
    (void)event_base_loopbreak(s->base);
}

void service_count(struct service *s, unsigned counter, int64_t n)
{
    assert(counter < s->counters_n);
    s->counters[counter] += (uint64_t)n;
}

void service_count_time(struct service *s, unsigned first, const int64_t *bounds_ms, unsigned n,
                        int64_t ms)
{
    for (unsigned i = 0; i < n; i++) {
        if (ms <= bounds_ms[i])
            service_count(s, first + i, 1);
    }
    service_count(s, first + n, ms * 1000);
    service_count(s, first + n + 1, 1);
}

void service_gauge(struct service *s, unsigned counter, uint64_t value)
{
    assert(counter < s->counters_n);
    s->counters[counter] = value;
}

static void drop_hands(struct service *s)
{
    for (size_t i = 0; i < s->hands_n; i++) {
        file_close(&s->hands[i].fd);
        mem_free(&s->hands[i].purpose);
    }
    mem_free(&s->hands);
    s->hands_n = 0;
}

static int take_hand(struct service *s, struct control_message *c, struct fail *f)
{
    if (s->hands_n >= HANDS_MAX)
        return fail_set(f, "more than %d descriptors", HANDS_MAX);
    s->hands = mem_resize(s->hands, (s->hands_n + 1) * sizeof *s->hands);
    s->hands[s->hands_n++] = (struct service_hand){c->name, c->fd};
    c->name = NULL;
    c->fd = -1;
    return 0;
}

static void discard(struct service *s)
{
    if (s->prepared != NULL)
        s->spec->discard(s, s->prepared);
    s->prepared = NULL;
}

/* The first configuration may be as right as can be: to refuse it would blame it. Whoever starts us
 * tries again. The channel stays open to the last, since master ends a process that closed it. */
static void end_for_the_disk(const struct fail *f)
{
    log_error(NULL, "cannot start: the disk is full, read-only or broken", LS("why", f->text));
    exit(EX_IOERR);
}

static void prepare(struct service *s, const struct control_message *c)
{
    struct fail f = {{0}};
    discard(s);
    struct conf *conf = conf_decode(c->share, s->spec->reader, &f);
    if (conf != NULL) {
        s->level = (enum log_level)conf_word(conf_root(conf), "log-level");
        s->prepared = s->spec->prepare(s, conf, s->hands, s->hands_n, &f);
        if (s->prepared == NULL)
            conf_free(&conf);
    }
    drop_hands(s);
    if (s->prepared == NULL && s->state == NULL && fail_is_of_disk(&f))
        end_for_the_disk(&f);
    if (s->prepared != NULL)
        control_ready(s->control, c->request);
    else
        control_refuse(s->control, c->request, f.text);
}

static void commit(struct service *s)
{
    void *old = s->state;
    if (s->prepared == NULL)
        return;
    s->state = s->prepared;
    s->prepared = NULL;
    log_set_level(s->level);
    s->spec->commit(s, s->state, old);
    for (size_t i = 0; i < s->early_n; i++) {
        s->spec->on_link(s, s->early[i].purpose, s->early[i].fd);
        mem_free(&s->early[i].purpose);
    }
    s->early_n = 0;
}

/* ---- links that have ended ---- */

static struct lost_link *find_lost(struct service *s, const char *name)
{
    struct lost_link *l;
    TAILQ_FOREACH (l, &s->lost, next) {
        if (strcmp(l->name, name) == 0)
            return l;
    }
    return NULL;
}

static void forget_lost(struct lost_link *l)
{
    if (l == NULL)
        return;
    TAILQ_REMOVE(&l->service->lost, l, next);
    l->service->lost_n--;
    event_free(l->timer);
    mem_free(&l->name);
    mem_free(&l);
}

static void forget_all_lost(struct service *s)
{
    while (!TAILQ_EMPTY(&s->lost))
        forget_lost(TAILQ_FIRST(&s->lost));
}

static void wait_for_link(struct lost_link *l)
{
    const struct timeval tv = {l->wait_s, 0};
    (void)evtimer_add(l->timer, &tv);
    l->wait_s = l->wait_s * 2 < LOST_MAX_S ? l->wait_s * 2 : LOST_MAX_S;
}

static void on_still_lost(evutil_socket_t fd, short what, void *arg)
{
    struct lost_link *l = arg;
    if (ipc_is_open(l->service->control))
        control_link_lost(l->service->control, l->name);
    wait_for_link(l);
}

void service_link_lost(struct service *s, const char *name)
{
    if (s->stopping || find_lost(s, name) != NULL)
        return;
    /* More than there can be links: the oldest are of transports that a reload took away. */
    if (s->lost_n >= LINKS_MAX)
        forget_lost(TAILQ_FIRST(&s->lost));
    struct lost_link *l = mem_zero(sizeof *l);
    l->service = s;
    l->name = mem_text(name);
    l->wait_s = LOST_FIRST_S;
    l->timer = evtimer_new(s->base, on_still_lost, l);
    assert(l->timer != NULL);
    TAILQ_INSERT_TAIL(&s->lost, l, next);
    s->lost_n++;
    wait_for_link(l);
}

static void take_link(struct service *s, const char *name, int fd)
{
    forget_lost(find_lost(s, name));
    if (s->state != NULL)
        s->spec->on_link(s, name, fd);
    else if (s->early_n < LINKS_MAX)
        s->early[s->early_n++] = (struct service_hand){mem_text(name), fd};
    else
        (void)close(fd);
}

static void stop(struct service *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    forget_all_lost(s);
    if (s->spec->on_stop != NULL)
        s->spec->on_stop(s);
    else
        service_done(s);
}

static int on_control(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct service *s = arg;
    struct control_message c;
    int rc = 0;
    if (control_read(m, &c, f) != 0)
        return -1;
    switch (c.type) {
    case MSG_CONTROL_HAND:
        rc = take_hand(s, &c, f);
        break;
    case MSG_CONTROL_LINK:
        take_link(s, c.name, c.fd);
        c.fd = -1;
        break;
    case MSG_CONTROL_CONFIG:
        prepare(s, &c);
        break;
    case MSG_CONTROL_COMMIT:
        commit(s);
        break;
    case MSG_CONTROL_ABORT:
        discard(s);
        drop_hands(s); /* also those that came for a configuration that did not */
        break;
    case MSG_CONTROL_CLOCK:
        clock_step(c.step_ms);
        break;
    case MSG_CONTROL_COUNTERS:
        control_counters_are(ch, c.request, s->spec->counters, s->counters, s->counters_n);
        break;
    case MSG_CONTROL_METRICS:
        if (s->spec->on_metrics != NULL)
            s->spec->on_metrics(s, c.share);
        break;
    default:
        stop(s);
    }
    control_clear(&c);
    return rc;
}

/* Without master there is nobody to answer to: whatever is under way is safe by the rules of the
 * queue. */
static void on_control_closed(struct ipc *ch, void *arg, const char *why)
{
    struct service *s = arg;
    if (!s->stopping)
        log_error(NULL, "master is gone", LS("why", why));
    forget_all_lost(s);
    s->exit_code = s->stopping ? 0 : 1;
    service_done(s);
}

static int number(const char *text)
{
    uint64_t v;
    if (ascii_u64(span_text(text), INT32_MAX, &v) != 0)
        return -1;
    return (int)v;
}

static int add_link(struct given *g, char *text)
{
    char *equals = strrchr(text, '=');
    if (equals == NULL || g->links_n >= LINKS_MAX)
        return -1;
    *equals = '\0';
    g->links[g->links_n].name = text;
    g->links[g->links_n].fd = number(equals + 1);
    return g->links[g->links_n++].fd;
}

static const struct option options[] = {
    {"name", required_argument, NULL, 'n'},      {"control", required_argument, NULL, 'c'},
    {"uid", required_argument, NULL, 'u'},       {"gid", required_argument, NULL, 'g'},
    {"root", required_argument, NULL, 'r'},      {"seccomp", required_argument, NULL, 's'},
    {"log-level", required_argument, NULL, 'l'}, {"link", required_argument, NULL, 'k'},
    {"dumpable", no_argument, NULL, 'd'},        {NULL, 0, NULL, 0},
};

static int read_arguments(struct given *g, int argc, char **argv)
{
    int c, bad = 0, mode = SANDBOX_KILL;
    *g = (struct given){.control = -1, .uid = -1, .gid = -1, .level = LOG_INFO_};
    while ((c = getopt_long(argc, argv, "", options, NULL)) != -1) {
        switch (c) {
        case 'n':
            g->name = optarg;
            break;
        case 'c':
            bad |= (g->control = number(optarg)) < 0;
            break;
        case 'u':
            bad |= (g->uid = number(optarg)) < 0;
            break;
        case 'g':
            bad |= (g->gid = number(optarg)) < 0;
            break;
        case 'r':
            g->root = optarg;
            break;
        case 's':
            bad |= (mode = number(optarg)) < 0 || mode > SANDBOX_OFF;
            break;
        case 'l':
            bad |= log_level_parse(optarg, &g->level) != 0;
            break;
        case 'k':
            bad |= add_link(g, optarg) < 0;
            break;
        case 'd':
            g->dumpable = true;
            break;
        default:
            bad = 1;
        }
    }
    g->seccomp = (enum sandbox_seccomp)mode;
    return bad || g->name == NULL || g->control < 0 ? -1 : 0;
}

/* The order matters: libraries first open their files, then the doors close, then somebody is
 * listened to. */
static int confine(struct service *s, const struct given *g, struct fail *f)
{
    if (s->spec->init != NULL && s->spec->init(s, f) != 0)
        return -1;
    if (sandbox_drop(g->uid, g->gid, g->root, g->dumpable, f) != 0)
        return -1;
    if (s->spec->start != NULL && s->spec->start(s, f) != 0)
        return -1;
    return sandbox_seccomp(g->seccomp, s->spec->syscalls, f);
}

static void open_channels(struct service *s, const struct given *g)
{
    static const struct ipc_handler handler = {on_control, on_control_closed};
    s->control = ipc_new(s->base, g->control, "control", &handler, s);
    for (size_t i = 0; i < g->links_n; i++)
        take_link(s, g->links[i].name, g->links[i].fd);
}

static void ignore_signals(void)
{
    /* A terminal's ^C and a service manager's signals are for master, which then asks everyone in
     * order. */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGINT, SIG_IGN);
    (void)signal(SIGHUP, SIG_IGN);
    (void)signal(SIGTERM, SIG_IGN);
}

/* The service is never freed: what a daemon frees behind service_main still counts, and has its
 * events in the base. Nothing reads this; a leak checker sees by it that nothing was lost. */
static struct service *volatile kept;

int service_main(const struct service_spec *spec, int argc, char **argv, void *user)
{
    struct service *s = mem_zero(sizeof *s);
    struct given g;
    struct fail f = {{0}};
    kept = s;
    TAILQ_INIT(&s->lost);
    s->spec = spec;
    s->user = user;
    if (read_arguments(&g, argc, argv) != 0) {
        (void)fprintf(stderr, "%s is started by quartermaster(8), not by hand\n", spec->name);
        return 64;
    }
    (void)snprintf(s->name, sizeof s->name, "%s", g.name);
    log_open(s->name, g.level);
    ignore_signals();
    fdlimit_raise();
    while (spec->counters != NULL && spec->counters[s->counters_n] != NULL)
        s->counters_n++;
    s->counters = mem_array(s->counters_n, sizeof *s->counters);
    s->base = event_base_new();
    assert(s->base != NULL);
    if (confine(s, &g, &f) != 0) {
        log_error(NULL, "cannot start", LS("why", f.text));
        s->exit_code = 1;
    } else {
        open_channels(s, &g);
        (void)event_base_dispatch(s->base);
    }
    discard(s);
    drop_hands(s);
    forget_all_lost(s);
    ipc_free(&s->control);
    return s->exit_code;
}
