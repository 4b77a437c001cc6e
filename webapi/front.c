#include "front.h"

#include <assert.h>
#include <string.h>

#include "fdlimit.h"
#include "file.h"
#include "mem.h"
#include "serve.h"

#define LISTENER_PURPOSE "listen "
#define DESCRIPTORS_A_REQUEST 4 /* the connection, uploads, a message, its copy for qmgr */
#define LIMIT_NETWORKS 4096
#define NO_LIMIT 100000000 /* more than a window of time has room for */

struct front {
    LIST_ENTRY(front) next;
    struct webapi *webapi;
    struct conf *conf;
    struct httpserver *server;
    struct front_listener *listeners;
    size_t listeners_n;
    struct event *drained;
    bool open, closing;
    void (*closed)(void *arg);
    void *closed_arg;
};

const struct conf *front_conf(const struct front *front)
{
    return front->conf;
}

struct webapi *front_webapi(const struct front *front)
{
    return front->webapi;
}

unsigned front_connections(const struct webapi *w)
{
    const struct front *front;
    unsigned n = 0;
    LIST_FOREACH (front, &w->fronts, next)
        n += httpserver_connections(front->server);
    return n;
}

/* ---- beginning and end ---- */

/* "listen private http 127.0.0.1:1080" to the block "private". */
static const struct conf_block *block_of(const struct conf *conf, const char *purpose)
{
    const char *label = purpose + strlen(LISTENER_PURPOSE), *end = strchr(label, ' ');
    char *name = mem_textn(label, end == NULL ? 0 : (size_t)(end - label));
    const struct conf_block *block = conf_find(conf_root(conf), "listen", name);
    mem_free(&name);
    return block;
}

static int take_listener(struct front *front, struct conf *conf, struct service_hand *hand,
                         struct fail *f)
{
    if (strncmp(hand->purpose, LISTENER_PURPOSE, strlen(LISTENER_PURPOSE)) != 0)
        return 0;
    const struct conf_block *block = block_of(conf, hand->purpose);
    if (block == NULL)
        return fail_set(f, "a socket for a listener that is not configured: %s", hand->purpose);
    struct front_listener *l = &front->listeners[front->listeners_n++];
    *l = (struct front_listener){.forwarded = conf_bool(block, "forwarded"), .fd = hand->fd};
    hand->fd = -1;
    l->scope.webapi = conf_bool(block, "webapi");
    const char *path = conf_text(block, "webapi-path");
    l->path = mem_format("%s%s", path, path[strlen(path) - 1] == '/' ? "" : "/");
    l->scope.path = l->path;
    l->scope.metrics = conf_bool(block, "metrics");
    l->scope.hostname = conf_text(conf_root(conf), "hostname");
    l->scope.hosts = conf_list(block, "http-host", &l->scope.hosts_n);
    return 0;
}

static struct httpserver *new_server(struct front *front, const struct conf *conf, struct fail *f)
{
    const struct conf_block *c = conf_child(conf_root(conf), "webapi");
    const struct httpserver_settings settings = {
        .connections = fdlimit_fit("webapi.connections", (unsigned)conf_int(c, "connections"),
                                   DESCRIPTORS_A_REQUEST),
        .connections_per_ip = (unsigned)conf_int(c, "connections-per-address"),
        .header_timeout_ms = conf_ms(c, "header-timeout"),
        .idle_timeout_ms = conf_ms(c, "idle-timeout"),
        .transfer_timeout_ms = conf_ms(c, "transfer-timeout"),
        .body_total = (size_t)conf_size(c, "memory"),
    };
    struct httpserver *server =
        httpserver_new(front->webapi->base, &settings, serve_request, front, f);
    if (server != NULL)
        httpserver_log(server, serve_access, front);
    return server;
}

/* What on_drained does is too much for within the server's own call. */
static void on_drained_event(evutil_socket_t fd, short what, void *arg)
{
    struct front *front = arg;
    void (*closed)(void *arg) = front->closed;
    void *closed_arg = front->closed_arg;
    front_free(&front);
    if (closed != NULL)
        closed(closed_arg);
}

static void on_drained(void *arg)
{
    const struct timeval now = {0, 0};
    struct front *front = arg;
    (void)evtimer_add(front->drained, &now);
}

struct front *front_new(struct webapi *w, struct conf *conf, struct service_hand *hands,
                        size_t hands_n, struct fail *f)
{
    struct front *front = mem_zero(sizeof *front);
    int rc = 0;
    front->webapi = w;
    front->drained = evtimer_new(w->base, on_drained_event, front);
    assert(front->drained != NULL);
    front->listeners = mem_array(hands_n, sizeof *front->listeners);
    for (size_t i = 0; rc == 0 && i < hands_n; i++)
        rc = take_listener(front, conf, &hands[i], f);
    if (rc == 0)
        front->server = new_server(front, conf, f);
    if (front->server == NULL) {
        front_free(&front);
        return NULL;
    }
    front->conf = conf;
    return front;
}

static void limit_requests(struct webapi *w, const struct conf_block *settings)
{
    static const int64_t lengths[HTTPLIMIT_WINDOWS] = {60 * 1000, 3600 * 1000};
    static const char *const names[HTTPLIMIT_WINDOWS] = {"requests-minute", "requests-hour"};
    struct httplimit_window windows[HTTPLIMIT_WINDOWS];
    bool any = false;
    for (size_t i = 0; i < HTTPLIMIT_WINDOWS; i++) {
        uint32_t n = (uint32_t)conf_int(settings, names[i]);
        any = any || n > 0;
        n = n > 0 ? n : NO_LIMIT;
        windows[i] = (struct httplimit_window){lengths[i], {n, 3 * n, 9 * n}};
    }
    if (w->requests != NULL && any && memcmp(windows, w->request_windows, sizeof windows) == 0)
        return;
    httplimit_free(&w->requests);
    memcpy(w->request_windows, windows, sizeof windows);
    if (any)
        w->requests = httplimit_new(w->request_windows, LIMIT_NETWORKS);
}

static void limit_messages(struct webapi *w, const struct conf_block *workers)
{
    int all = conf_int(workers, "smtpd") + conf_int(workers, "webapi");
    peers_limit(w->peers, fdlimit_messages(PEERS_MESSAGES_MAX, (unsigned)all));
}

void front_open(struct front *front)
{
    const struct conf_block *settings = conf_child(conf_root(front->conf), "webapi");
    limit_messages(front->webapi, conf_child(conf_root(front->conf), "workers"));
    gate_limit(front->webapi->gate, (uint32_t)conf_int(settings, "auth-failures-minute"),
               (uint32_t)conf_int(settings, "auth-failures-day"));
    front->open = true;
    LIST_INSERT_HEAD(&front->webapi->fronts, front, next);
    limit_requests(front->webapi, settings);
    for (size_t i = 0; i < front->listeners_n; i++) {
        struct front_listener *l = &front->listeners[i];
        struct fail f = {{0}};
        int fd = l->fd;
        l->fd = -1;
        if (httpserver_listen(front->server, fd, l, &f) != 0)
            log_error(NULL, "cannot listen", LS("why", f.text));
    }
}

void front_close(struct front *front, void (*closed)(void *arg), void *arg)
{
    front->closed = closed;
    front->closed_arg = arg;
    if (front->closing)
        return;
    front->closing = true;
    httpserver_drain(front->server, on_drained, front);
}

void front_close_all(struct webapi *w, void (*closed)(void *arg), void *arg)
{
    struct front *front;
    LIST_FOREACH (front, &w->fronts, next)
        front_close(front, closed, arg);
}

void front_free(struct front **fp)
{
    struct front *front = *fp;
    if (front == NULL)
        return;
    httpserver_free(&front->server);
    if (front->open)
        LIST_REMOVE(front, next);
    event_free(front->drained);
    for (size_t i = 0; i < front->listeners_n; i++) {
        file_close(&front->listeners[i].fd);
        mem_free(&front->listeners[i].path);
    }
    mem_free(&front->listeners);
    conf_free(&front->conf);
    mem_free(fp);
}
