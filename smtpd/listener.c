#include "listener.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

#include "file.h"
#include "log.h"
#include "mem.h"
#include "session.h"

/* Then connections that are open have their turn, and other processes. */
#define ACCEPTS_A_TURN 32
#define REST_MS 500 /* when there is no descriptor left */

struct door {
    struct listener *listener;
    const struct port *port;
    struct event *readable;
    int fd;
};

struct listener {
    struct server *server;
    struct settings *settings; /* the ports are theirs */
    struct door *doors;
    size_t n;
    struct event *rest;
};

static void open_all(struct listener *l)
{
    for (size_t i = 0; i < l->n; i++)
        (void)event_add(l->doors[i].readable, NULL);
}

static void on_rested(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    open_all(arg);
}

/* The socket would stay readable and the loop run in a circle. */
static void take_a_rest(struct listener *l, int error)
{
    const struct timeval tv = {REST_MS / 1000, (REST_MS % 1000) * 1000L};
    log_error(NULL, "cannot accept connections for now", LS("why", strerror(error)));
    for (size_t i = 0; i < l->n; i++)
        (void)event_del(l->doors[i].readable);
    (void)evtimer_add(l->rest, &tv);
}

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct door *d = arg;
    (void)what;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t len = sizeof peer;
        int client = accept4(fd, (struct sockaddr *)&peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            session_new(d->listener->server, d->port, client, (struct sockaddr *)&peer);
        } else if (is_shortage(errno)) {
            take_a_rest(d->listener, errno);
            return;
        } else if (errno == EAGAIN) {
            return;
        }
        /* Else the client has gone already. */
    }
}

struct listener *listener_new(struct server *sv)
{
    struct listener *l = mem_zero(sizeof *l);
    l->server = sv;
    l->settings = settings_hold(sv->settings);
    l->n = sv->settings->ports_n;
    l->doors = mem_array(l->n, sizeof *l->doors);
    l->rest = evtimer_new(sv->base, on_rested, l);
    assert(l->rest != NULL);
    for (size_t i = 0; i < l->n; i++) {
        struct port *p = &sv->settings->ports[i];
        struct door *d = &l->doors[i];
        *d = (struct door){.listener = l, .port = p, .fd = p->fd};
        p->fd = -1;
        d->readable = event_new(sv->base, d->fd, EV_READ | EV_PERSIST, on_readable, d);
        assert(d->readable != NULL);
    }
    open_all(l);
    return l;
}

void listener_free(struct listener **lp)
{
    struct listener *l = *lp;
    if (l == NULL)
        return;
    for (size_t i = 0; i < l->n; i++) {
        event_free(l->doors[i].readable);
        file_close(&l->doors[i].fd);
    }
    event_free(l->rest);
    mem_free(&l->doors);
    settings_drop(&l->settings);
    mem_free(lp);
}
