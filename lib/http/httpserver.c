#include "httpserver.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <linux/tcp.h>
#include <signal.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "file.h"
#include "httpinside.h"
#include "log.h"
#include "mem.h"

#define ACCEPT_BATCH 32 /* connections accepted before others get their turn */
#define RETRY_MS 200    /* after the kernel could not give a descriptor */
#define SPINS 50        /* of libmicrohttpd, before somebody looks why */
#define STUCK_MS 10     /* it runs every so often while a connection is stuck */
#define DRAIN_MS 1000   /* for a connection that has sent no request yet, once draining */

struct httpserver_listener {
    struct httpserver *server;
    struct event *event;
    int fd;
    const void *tag;
};

/* --- time --- */

static int64_t phase_ms(const struct httpserver *s, enum httpconn_phase phase)
{
    switch (phase) {
    case HTTPCONN_HEADER:
        return s->settings.header_timeout_ms;
    case HTTPCONN_IDLE:
        return s->settings.idle_timeout_ms;
    case HTTPCONN_TRANSFER:
        return s->settings.transfer_timeout_ms;
    case HTTPCONN_WORK:
    case HTTPCONN_PHASES:
        break;
    }
    return INT64_MAX;
}

static void set_timer(struct event *event, int64_t ms)
{
    ms = ms < 0 ? 0 : ms;
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    int rc = event_add(event, &wait);
    assert(rc == 0);
}

static void need_deadline(struct httpserver *s, int64_t at_ms)
{
    if (at_ms >= s->deadline_ms)
        return;
    s->deadline_ms = at_ms;
    set_timer(s->deadline_event, at_ms - clock_mono_ms());
}

void httpserver_enter(struct httpconn *conn, enum httpconn_phase phase)
{
    struct httpserver *s = conn->server;
    TAILQ_REMOVE(&s->phases[conn->phase], conn, link);
    conn->phase = phase;
    conn->since_ms = clock_mono_ms();
    TAILQ_INSERT_TAIL(&s->phases[phase], conn, link);
    if (phase != HTTPCONN_WORK)
        need_deadline(s, conn->since_ms + phase_ms(s, phase));
}

/* libmicrohttpd offers no way to close a connection from outside; it closes this one when it finds
 * the socket shut. The phase begins anew, so that the list keeps its order. */
static void cut(struct httpconn *conn)
{
    (void)shutdown(conn->fd, SHUT_RDWR);
    httpserver_enter(conn, conn->phase);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct httpserver *s = arg;
    int64_t now = clock_mono_ms();
    s->deadline_ms = INT64_MAX;
    for (int phase = 0; phase < HTTPCONN_WORK; phase++) {
        int64_t ms = phase_ms(s, (enum httpconn_phase)phase);
        struct httpconn *conn;
        while ((conn = TAILQ_FIRST(&s->phases[phase])) != NULL && conn->since_ms + ms <= now)
            cut(conn);
        if (conn != NULL)
            need_deadline(s, conn->since_ms + ms);
    }
}

/* --- libmicrohttpd in the loop --- */

/* Octets that lie in the socket; 0 for one that is not TCP. */
static uint64_t unread(const struct httpconn *conn)
{
    int on = 1, n = 0;
    union {
        struct cmsghdr align;
        char octets[CMSG_SPACE(sizeof(int))];
    } control = {0};
    char octet;
    struct iovec into = {&octet, 1};
    struct msghdr m = {.msg_iov = &into,
                       .msg_iovlen = 1,
                       .msg_control = &control,
                       .msg_controllen = sizeof control};
    if (setsockopt(conn->fd, IPPROTO_TCP, TCP_INQ, &on, sizeof on) != 0 ||
        recvmsg(conn->fd, &m, MSG_PEEK | MSG_DONTWAIT) <= 0)
        return 0;
    const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    if (c != NULL && c->cmsg_level == IPPROTO_TCP && c->cmsg_type == TCP_CM_INQ)
        memcpy(&n, CMSG_DATA(c), sizeof n);
    return n > 0 ? (uint64_t)n : 0;
}

/* A line of a chunked body's framing does not fit into libmicrohttpd's buffer: it neither reads on
 * nor gives up, and wants to run all the time. So this is looked at when it has run often for
 * nothing: there are octets in the socket, and it has taken none since the last look, though it
 * would have with each run. */
static bool is_stuck(struct httpconn *conn)
{
    uint64_t before = conn->taken, left;
    if (conn->stuck || conn->request == NULL || !httpcall_reads_body(conn->request))
        return false;
    left = unread(conn);
    conn->taken = httpserver_received(conn) - left;
    return left > 0 && conn->taken == before;
}

static void look_for_stuck(struct httpserver *s)
{
    struct httpconn *conn;
    TAILQ_FOREACH (conn, &s->phases[HTTPCONN_TRANSFER], link) {
        if (!is_stuck(conn))
            continue;
        conn->stuck = true;
        s->stuck++;
        httpcall_give_up(conn->request, "a line of the body's framing is too long");
        /* The shortest that there is; nothing else has libmicrohttpd close it. */
        (void)MHD_set_connection_option(conn->mhd, MHD_CONNECTION_OPTION_TIMEOUT, 1u);
    }
}

/* When libmicrohttpd is to run again, having asked for `ms`. */
static int64_t pace(struct httpserver *s, int64_t ms)
{
    if (ms > 0 || s->calls != s->calls_seen) {
        s->calls_seen = s->calls;
        s->spins = 0;
        return ms;
    }
    if (++s->spins % SPINS == 0)
        look_for_stuck(s);
    return s->stuck > 0 ? STUCK_MS : ms;
}

static void on_run(evutil_socket_t fd, short what, void *arg)
{
    struct httpserver *s = arg;
    unsigned long long ms;
    (void)MHD_run(s->mhd);
    /* Always: its sockets are edge-triggered inside, and what it has not worked off by now is
     * announced by nothing but this. A timer of 0 lets the loop look at other events first. */
    if (MHD_get_timeout(s->mhd, &ms) == MHD_YES)
        set_timer(s->run_event, pace(s, ms > INT32_MAX ? INT32_MAX : (int64_t)ms));
    else
        (void)event_del(s->run_event);
}

void httpserver_run_soon(struct httpserver *s)
{
    set_timer(s->run_event, 0);
}

/* --- connections --- */

static void resume_accepting(struct httpserver *s)
{
    if (!s->paused || s->draining || s->connections >= s->settings.connections)
        return;
    s->paused = false;
    for (size_t i = 0; i < s->n_listeners; i++)
        (void)event_add(s->listeners[i].event, NULL);
}

static void pause_accepting(struct httpserver *s)
{
    s->paused = true;
    for (size_t i = 0; i < s->n_listeners; i++)
        (void)event_del(s->listeners[i].event);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    resume_accepting(arg);
}

/* The client has closed its side. When that comes in one go with its last octets, libmicrohttpd
 * overlooks it (a short read makes it wait for an edge that has already been) and would keep the
 * connection until it is idle for too long. Shutting the side that is closed anyway wakes it again,
 * and takes no octets away. */
static void on_hangup(evutil_socket_t fd, short what, void *arg)
{
    struct httpconn *conn = arg;
    if (conn->request == NULL || !httpcall_abandon(conn->request))
        (void)shutdown(fd, SHUT_RD);
}

static void connection_opened(struct httpserver *s, struct MHD_Connection *mhd, void **context)
{
    struct httpconn *conn = mem_zero(sizeof *conn);
    conn->server = s;
    conn->mhd = mhd;
    conn->listener = s->adding;
    conn->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    conn->phase = HTTPCONN_HEADER;
    TAILQ_INSERT_TAIL(&s->phases[HTTPCONN_HEADER], conn, link);
    httpserver_enter(conn, HTTPCONN_HEADER);
    conn->hangup_event =
        event_new(s->base, conn->fd, EV_CLOSED | EV_ET | EV_PERSIST, on_hangup, conn);
    assert(conn->hangup_event != NULL);
    (void)event_add(conn->hangup_event, NULL);
    s->connections++;
    *context = conn;
}

uint64_t httpserver_received(const struct httpconn *conn)
{
    struct tcp_info info = {0};
    socklen_t n = sizeof info;
    if (getsockopt(conn->fd, IPPROTO_TCP, TCP_INFO, &info, &n) != 0)
        return 0;
    return info.tcpi_bytes_received;
}

void httpserver_client(const struct sockaddr *peer, char text[INET6_ADDRSTRLEN])
{
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)peer;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)peer;
    text[0] = '\0';
    if (peer->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &v4->sin_addr, text, INET6_ADDRSTRLEN);
    else if (peer->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &v6->sin6_addr, text, INET6_ADDRSTRLEN);
}

/* Something came that did not even become a request: a line that libmicrohttpd refused by itself,
 * or one that was never ended. Which it was is not told. */
static void note_rest(struct httpserver *s, const struct httpconn *conn)
{
    char client[INET6_ADDRSTRLEN];
    struct httpserver_access access = {.method = "-", .path = "-", .client = client};
    if (s->access == NULL || httpserver_received(conn) <= conn->received + 1)
        return;
    httpserver_client(
        MHD_get_connection_info(conn->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr,
        client);
    access.ms = clock_mono_ms() - conn->since_ms;
    s->access(&access, s->access_arg);
}

static void connection_closed(struct httpserver *s, void **context)
{
    struct httpconn *conn = *context;
    assert(conn->request == NULL);
    note_rest(s, conn);
    TAILQ_REMOVE(&s->phases[conn->phase], conn, link);
    event_free(conn->hangup_event);
    s->stuck -= conn->stuck;
    mem_release(conn);
    *context = NULL;
    s->connections--;
    resume_accepting(s);
    if (s->draining && s->connections == 0)
        set_timer(s->drained_event, 0);
}

static void on_connection(void *cls, struct MHD_Connection *mhd, void **context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        connection_opened(cls, mhd, context);
    else
        connection_closed(cls, context);
}

int httpserver_add(struct httpserver *s, int fd, const struct sockaddr *peer, socklen_t peer_len,
                   const void *listener, struct fail *f)
{
    if (s->connections >= s->settings.connections) {
        file_close(&fd);
        return fail_set(f, "there are %u connections already", s->connections);
    }
    s->adding = listener;
    enum MHD_Result rc = MHD_add_connection(s->mhd, fd, peer, peer_len);
    s->adding = NULL;
    if (rc != MHD_YES)
        return fail_set(f, "too many connections from one address");
    httpserver_run_soon(s);
    return 0;
}

static void on_acceptable(evutil_socket_t fd, short what, void *arg)
{
    struct httpserver_listener *listener = arg;
    struct httpserver *s = listener->server;
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage peer = {0};
        socklen_t peer_len = sizeof peer;
        if (s->connections >= s->settings.connections) {
            pause_accepting(s);
            return;
        }
        int client = accept4(listener->fd, (struct sockaddr *)&peer, &peer_len,
                             SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (client >= 0) {
            (void)httpserver_add(s, client, (struct sockaddr *)&peer, peer_len, listener->tag,
                                 NULL);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The connection stays in the socket's queue: without a pause the loop would spin on
             * it. */
            pause_accepting(s);
            set_timer(s->retry_event, RETRY_MS);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

int httpserver_listen(struct httpserver *s, int fd, const void *tag, struct fail *f)
{
    int flag = 0;
    socklen_t flag_len = sizeof flag;
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &flag, &flag_len) < 0 || flag == 0 ||
        evutil_make_socket_nonblocking(fd) < 0) {
        file_close(&fd);
        return fail_set(f, "the descriptor is not a listening socket");
    }
    size_t n = s->n_listeners + 1;
    struct httpserver_listener *all = mem_array(n, sizeof *all);
    for (size_t i = 0; i < n; i++) {
        if (i < s->n_listeners) {
            all[i] = s->listeners[i];
            event_free(all[i].event);
        } else {
            all[i] = (struct httpserver_listener){.server = s, .fd = fd, .tag = tag};
        }
        all[i].event = event_new(s->base, all[i].fd, EV_READ | EV_PERSIST, on_acceptable, &all[i]);
        assert(all[i].event != NULL);
        if (!s->paused)
            (void)event_add(all[i].event, NULL);
    }
    mem_release(s->listeners);
    s->listeners = all;
    s->n_listeners = n;
    return 0;
}

static void close_listeners(struct httpserver *s)
{
    for (size_t i = 0; i < s->n_listeners; i++) {
        event_free(s->listeners[i].event);
        file_close(&s->listeners[i].fd);
    }
    mem_free(&s->listeners);
    s->n_listeners = 0;
}

/* --- beginning and end --- */

static size_t leave_escaped(void *cls, struct MHD_Connection *mhd, char *text)
{
    return strlen(text); /* httpurl_path does it, and tells a NUL from the end */
}

static void or_default(struct httpserver_settings *s)
{
    s->connections = s->connections > 0 ? s->connections : 1000;
    s->request_memory = s->request_memory > 0 ? s->request_memory : 32768;
    s->header_timeout_ms = s->header_timeout_ms > 0 ? s->header_timeout_ms : 30000;
    s->idle_timeout_ms = s->idle_timeout_ms > 0 ? s->idle_timeout_ms : 65000;
    s->transfer_timeout_ms = s->transfer_timeout_ms > 0 ? s->transfer_timeout_ms : 600000;
    s->body_total = s->body_total > 0 ? s->body_total : (size_t)512 << 20;
}

static struct MHD_Daemon *start(struct httpserver *s)
{
    const struct httpserver_settings *set = &s->settings;
    struct MHD_OptionItem options[] = {
        /* One more than are ever added: libmicrohttpd counts those it has not cleaned up yet. */
        {MHD_OPTION_CONNECTION_LIMIT, (intptr_t)set->connections + 1, NULL},
        {MHD_OPTION_PER_IP_CONNECTION_LIMIT, (intptr_t)set->connections_per_ip, NULL},
        {MHD_OPTION_CONNECTION_MEMORY_LIMIT, (intptr_t)set->request_memory, NULL},
        {MHD_OPTION_CONNECTION_TIMEOUT, (intptr_t)((set->idle_timeout_ms + 999) / 1000), NULL},
        /* What strictness there is makes it answer by itself, with the header written twice;
         * httphead.c finds the same and more. */
        {MHD_OPTION_STRICT_FOR_CLIENT, 0, NULL},
        {MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1, NULL},
        {MHD_OPTION_UNESCAPE_CALLBACK, (intptr_t)leave_escaped, NULL},
        {MHD_OPTION_URI_LOG_CALLBACK, (intptr_t)httpcall_begin, s},
        {MHD_OPTION_NOTIFY_COMPLETED, (intptr_t)httpcall_end, s},
        {MHD_OPTION_NOTIFY_CONNECTION, (intptr_t)on_connection, s},
        {MHD_OPTION_END, 0, NULL},
    };
    return MHD_start_daemon(MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0,
                            NULL, NULL, httpcall_run, s, MHD_OPTION_ARRAY, options, MHD_OPTION_END);
}

static void on_drained(evutil_socket_t fd, short what, void *arg)
{
    struct httpserver *s = arg;
    if (s->drained != NULL)
        s->drained(s->drained_arg);
}

struct httpserver *httpserver_new(struct event_base *base,
                                  const struct httpserver_settings *settings,
                                  httpserver_handler *handler, void *arg, struct fail *f)
{
    struct httpserver *s = mem_zero(sizeof *s);
    int features = EV_FEATURE_EARLY_CLOSE | EV_FEATURE_ET;
    assert((event_base_get_features(base) & features) == features);
    (void)signal(SIGPIPE, SIG_IGN);
    tzset(); /* the Date field would read the zone file at its first use */
    s->base = base;
    if (settings != NULL)
        s->settings = *settings;
    or_default(&s->settings);
    s->handler = handler;
    s->handler_arg = arg;
    s->deadline_ms = INT64_MAX;
    for (int phase = 0; phase < HTTPCONN_PHASES; phase++)
        TAILQ_INIT(&s->phases[phase]);
    s->mhd = start(s);
    if (s->mhd == NULL) {
        mem_free(&s);
        fail_set(f, "the HTTP server does not start");
        return NULL;
    }
    int fd = MHD_get_daemon_info(s->mhd, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    s->epoll_event = event_new(base, fd, EV_READ | EV_PERSIST, on_run, s);
    s->run_event = evtimer_new(base, on_run, s);
    s->deadline_event = evtimer_new(base, on_deadline, s);
    s->retry_event = evtimer_new(base, on_retry, s);
    s->drained_event = evtimer_new(base, on_drained, s);
    s->linger = httplinger_new(base, s->settings.connections / 4 + 1);
    (void)event_add(s->epoll_event, NULL);
    return s;
}

void httpserver_free(struct httpserver **server)
{
    struct httpserver *s = *server;
    if (s == NULL)
        return;
    struct httpconn *conn;
    s->draining = true; /* nothing is accepted in place of what is closed now */
    close_listeners(s);
    TAILQ_FOREACH (conn, &s->phases[HTTPCONN_WORK], link)
        httpcall_abandon(conn->request);
    event_free(s->epoll_event);
    MHD_stop_daemon(s->mhd);
    assert(s->connections == 0);
    event_free(s->run_event);
    event_free(s->deadline_event);
    event_free(s->retry_event);
    event_free(s->drained_event);
    httplinger_free(&s->linger);
    mem_free(server);
}

void httpserver_log(struct httpserver *s, httpserver_access_fn *fn, void *arg)
{
    s->access = fn;
    s->access_arg = arg;
}

void httpserver_drain(struct httpserver *s, void (*done)(void *arg), void *arg)
{
    struct httpconn *conn;
    assert(!s->draining);
    s->draining = true;
    s->drained = done;
    s->drained_arg = arg;
    close_listeners(s);
    TAILQ_FOREACH (conn, &s->phases[HTTPCONN_IDLE], link)
        (void)shutdown(conn->fd, SHUT_RDWR);
    if (s->settings.header_timeout_ms > DRAIN_MS)
        s->settings.header_timeout_ms = DRAIN_MS;
    need_deadline(s, clock_mono_ms() + s->settings.header_timeout_ms);
    if (s->connections == 0)
        set_timer(s->drained_event, 0);
}

unsigned httpserver_connections(const struct httpserver *s)
{
    return s->connections;
}

size_t httpserver_body_octets(const struct httpserver *s)
{
    return s->body_held;
}
