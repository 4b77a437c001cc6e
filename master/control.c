#include "control.h"

#include <assert.h>
#include <bsd/sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "file.h"
#include "folders.h"
#include "listen.h"
#include "log.h"
#include "mem.h"
#include "proto_control.h"
#include "proto_master.h"
#include "proto_types.h"
#include "reload.h"
#include "status.h"
#include "stop.h"

#define CLIENTS_MAX 16

struct client {
    LIST_ENTRY(client) next;
    struct control *control;
    struct ipc *channel;
    uint64_t number;
};

struct control {
    struct world *world;
    struct event *readable;
    int fd;
    unsigned clients_n;
    uint64_t last_number;
    LIST_HEAD(, client) clients;
};

/* A reload's answer goes to whoever asked, if still there. */
struct asked {
    struct control *control;
    uint64_t client, request;
};

static void on_reloaded(void *arg, const char *why)
{
    struct asked *a = arg;
    struct client *c;
    LIST_FOREACH (c, &a->control->clients, next) {
        if (c->number != a->client)
            continue;
        if (why == NULL)
            master_done(c->channel, a->request);
        else
            master_refuse(c->channel, a->request, why);
        break;
    }
    mem_free(&a);
}

static void step_clock(struct world *w, int64_t step_ms)
{
    struct process *p;
    clock_step(step_ms);
    TAILQ_FOREACH (p, &w->processes, next) {
        if (p->control != NULL)
            control_clock(p->control, step_ms);
    }
}

static void answer_status(struct client *c, uint64_t request)
{
    struct master_status s;
    status_take(c->control->world, &s);
    master_answer_status(c->channel, request, &s);
    master_status_clear(&s);
}

static void answer_config(struct client *c, uint64_t request)
{
    struct buf text = {0};
    conf_show(c->control->world->conf, false, &text);
    master_answer_config(c->channel, request, buf_span(&text));
    buf_free(&text);
}

static void start_reload(struct client *c, uint64_t request, bool files_only)
{
    struct asked *a = mem_alloc(sizeof *a);
    *a = (struct asked){c->control, c->number, request};
    if (files_only)
        reload_files(c->control->world, on_reloaded, a);
    else
        reload_begin(c->control->world, on_reloaded, a);
}

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct client *c = arg;
    struct world *w = c->control->world;
    struct master_request r;
    if (master_read(m, &r, f) != 0)
        return -1;
    switch (r.type) {
    case MSG_MASTER_STATUS:
        answer_status(c, m->id);
        break;
    case MSG_MASTER_CONFIG:
        answer_config(c, m->id);
        break;
    case MSG_MASTER_RELOAD:
    case MSG_MASTER_CREDENTIALS:
        start_reload(c, m->id, r.type == MSG_MASTER_CREDENTIALS);
        break;
    case MSG_MASTER_CLOCK:
        if (!conf_bool(conf_root(w->conf), "test-clock")) {
            master_refuse(ch, m->id, "the clock can be stepped only where test-clock is set");
            break;
        }
        step_clock(w, r.step_ms);
        master_done(ch, m->id);
        break;
    default:
        master_done(ch, m->id);
        stop_begin(w, 0);
    }
    return 0;
}

static void free_client(struct client *c)
{
    LIST_REMOVE(c, next);
    c->control->clients_n--;
    ipc_free(&c->channel);
    mem_free(&c);
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    free_client(arg);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct control *k = arg;
    struct ucred cred;
    socklen_t len = sizeof cred;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer < 0)
        return;
    bool good = getsockopt(peer, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
                (cred.uid == 0 || cred.uid == geteuid());
    if (!good || k->clients_n >= CLIENTS_MAX) {
        log_warn(NULL,
                 good ? "too many connections to master.sock" : "master.sock refused a stranger",
                 LI("uid", good ? -1 : (int64_t)cred.uid));
        (void)close(peer);
        return;
    }
    struct client *c = mem_zero(sizeof *c);
    c->control = k;
    c->number = ++k->last_number;
    c->channel = ipc_new(k->world->base, peer, "master.sock", &handler, c);
    LIST_INSERT_HEAD(&k->clients, c, next);
    k->clients_n++;
}

/* Two masters over one queue would take each other's sockets away. */
static bool is_served(const char *path)
{
    int fd = ipc_connect(path, NULL);
    bool served = fd >= 0;
    file_close(&fd);
    return served;
}

struct control *control_new(struct world *w, struct fail *f)
{
    char *path = folders_run(w->conf, "master.sock");
    int fd = is_served(path) ? fail_set(f, "another suite is running: it listens at %s", path)
                             : listen_unix(path, SOCK_SEQPACKET, 0600, f);
    mem_free(&path);
    if (fd < 0)
        return NULL;
    struct control *k = mem_zero(sizeof *k);
    k->world = w;
    k->fd = fd;
    LIST_INIT(&k->clients);
    k->readable = event_new(w->base, fd, EV_READ | EV_PERSIST, on_readable, k);
    assert(k->readable != NULL);
    (void)event_add(k->readable, NULL);
    return k;
}

void control_free(struct control **kp)
{
    struct client *c;
    if (*kp == NULL)
        return;
    while ((c = LIST_FIRST(&(*kp)->clients)) != NULL)
        free_client(c);
    event_free((*kp)->readable);
    file_close(&(*kp)->fd);
    mem_free(kp);
}
