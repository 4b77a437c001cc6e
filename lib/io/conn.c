#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event_struct.h>
#include <openssl/err.h>

#include "clock.h"
#include "mem.h"

#define MAGIC 0x636f6e6e
#define READ_SIZE 16384
#define READS_A_TURN 16  /* then others have their turn */
#define IDLE_BUFFER 1024 /* octets of room that an empty buffer may keep */
#define LINGER_MS 2000

enum tls_state { TLS_NONE, TLS_WAITING, TLS_HANDSHAKE, TLS_UP };

struct conn {
    unsigned magic;
    struct event_base *base;
    struct event readable, writable, kick, written, deadline;
    const struct conn_handler *handler;
    void *arg;
    int fd;
    size_t input_max;
    struct buf in, out;
    SSL *ssl;
    enum tls_state tls;
    bool paused, secret, closed;
    bool connecting;   /* nothing was sent or received yet: the first writable tells how it went */
    bool ended;        /* the peer closed its side: nothing more will arrive */
    bool finishing;    /* the owner has written its last */
    bool lingering;    /* our side is closed; waiting for the peer to close its own */
    bool want_drained; /* on_drained is owed */
    bool read_wants_write; /* TLS: reading waits for the socket to take octets */
    bool write_wants_read; /* TLS: writing waits for the peer */
    bool input_waits;      /* on_input is owed for octets that are here already */
    bool *freed;           /* set by conn_free while a callback of ours runs */
};

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void on_written(evutil_socket_t fd, short what, void *arg);
static void on_kick(evutil_socket_t fd, short what, void *arg);
static void on_deadline(evutil_socket_t fd, short what, void *arg);

static void check(const struct conn *c)
{
    assert(c != NULL && c->magic == MAGIC);
}

static void want(struct event *e, bool wanted)
{
    if (wanted)
        (void)event_add(e, NULL);
    else
        (void)event_del(e);
}

static const struct timeval at_once = {0, 0};

static bool wants_read(const struct conn *c)
{
    if (c->closed || c->connecting || c->tls == TLS_WAITING)
        return false;
    if (c->tls == TLS_HANDSHAKE || c->write_wants_read || c->lingering)
        return true;
    return !c->paused && !c->finishing && !c->ended && c->in.n < c->input_max;
}

static bool wants_write(const struct conn *c)
{
    if (c->closed || c->lingering)
        return false;
    if (c->tls == TLS_HANDSHAKE)
        return c->read_wants_write || c->finishing;
    if (c->write_wants_read)
        return false;
    return c->connecting || c->out.n > 0 || c->read_wants_write;
}

/* Whether all is written and something comes after it: no need to ask the socket for that. */
static bool owes_drained(const struct conn *c)
{
    if (c->closed || c->lingering || c->connecting || c->write_wants_read || c->out.n > 0)
        return false;
    return c->tls != TLS_HANDSHAKE && (c->want_drained || c->finishing || c->tls == TLS_WAITING);
}

/* The socket is watched no more than needed for what comes next; but that it need not be read just
 * now is told to the kernel only when it has something, since mostly it will be read again before.
 */
static void update(struct conn *c)
{
    if (c->closed || wants_read(c))
        want(&c->readable, !c->closed);
    want(&c->writable, wants_write(c));
    if (owes_drained(c))
        (void)event_add(&c->written, &at_once);
}

/* Has the loop come back to us. By way of a timer, since an event activated in its own callback
 * would run again before any other socket is looked at. */
static void kick(struct conn *c)
{
    (void)event_add(&c->kick, &at_once);
}

struct conn *conn_new(struct event_base *base, int fd, size_t input_max,
                      const struct conn_handler *handler, void *arg)
{
    struct conn *c = mem_zero(sizeof *c);
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof peer;
    c->magic = MAGIC;
    c->base = base;
    c->fd = fd;
    c->input_max = input_max;
    c->handler = handler;
    c->arg = arg;
    int rc = event_assign(&c->readable, base, fd, EV_READ | EV_PERSIST, on_readable, c);
    rc |= event_assign(&c->writable, base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    rc |= evtimer_assign(&c->kick, base, on_kick, c);
    rc |= evtimer_assign(&c->written, base, on_written, c);
    rc |= evtimer_assign(&c->deadline, base, on_deadline, c);
    assert(rc == 0);
    c->connecting = getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0;
    c->want_drained = handler->on_drained != NULL;
    update(c);
    return c;
}

static void drop_buffer(struct conn *c, struct buf *b)
{
    if (c->secret)
        buf_wipe(b);
    else
        buf_free(b);
}

void conn_free(struct conn **cp)
{
    struct conn *c = *cp;
    *cp = NULL;
    if (c == NULL)
        return;
    check(c);
    if (c->freed != NULL)
        *c->freed = true;
    c->magic = 0;
    (void)event_del(&c->readable);
    (void)event_del(&c->writable);
    (void)event_del(&c->kick);
    (void)event_del(&c->written);
    (void)event_del(&c->deadline);
    if (c->ssl != NULL) {
        ERR_clear_error();
        /* Or OpenSSL would have no session resumed whose connection went without a word, as was the
         * rule before TLS 1.1 (RFC 5246 section 7.2.1). */
        if (c->tls == TLS_UP)
            SSL_set_shutdown(c->ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(c->ssl);
    }
    (void)close(c->fd);
    drop_buffer(c, &c->in);
    drop_buffer(c, &c->out);
    mem_free(&c);
}

/* Runs one callback; false when it freed the conn. */
#define CALL(c, callback, ...)                                                                     \
    __extension__({                                                                                \
        bool freed_ = false;                                                                       \
        (c)->freed = &freed_;                                                                      \
        (c)->handler->callback((c), (c)->arg __VA_OPT__(, ) __VA_ARGS__);                          \
        if (!freed_)                                                                               \
            (c)->freed = NULL;                                                                     \
        !freed_;                                                                                   \
    })

static void close_with(struct conn *c, const char *why, bool timed_out)
{
    if (c->closed)
        return;
    c->closed = true;
    (void)event_del(&c->deadline);
    (void)event_del(&c->kick);
    (void)event_del(&c->written);
    update(c);
    (void)CALL(c, on_closed, why, timed_out);
}

/* ---- buffers ---- */

/* Appends; what a secret stream outgrows is overwritten. */
static void append(struct conn *c, struct buf *b, const void *p, size_t n)
{
    if (c->secret && b->head + b->n + n >= b->cap) {
        struct buf bigger = {0};
        (void)buf_room(&bigger, 2 * (b->n + n));
        buf_put_span(&bigger, buf_span(b));
        buf_wipe(b);
        *b = bigger;
    }
    buf_put(b, p, n);
}

/* Takes n octets off the front, and the memory if that was all. */
static void drop(struct conn *c, struct buf *b, size_t n)
{
    if (c->secret && n > 0)
        mem_wipe(b->p + b->head, n);
    buf_drop(b, n);
    if (b->n == 0 && b->cap > IDLE_BUFFER)
        drop_buffer(c, b);
}

static void wipe_unused(struct buf *b)
{
    if (b->p == NULL)
        return;
    mem_wipe(b->p, b->head);
    mem_wipe(b->p + b->head + b->n, b->cap - b->head - b->n);
}

/* ---- octets in and out ---- */

/* A certificate that was refused has a reason of its own: its name, its date, who signed it. */
static void tls_reason(SSL *ssl, char *text, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    bool refused =
        ERR_GET_LIB(code) == ERR_LIB_SSL && ERR_GET_REASON(code) == SSL_R_CERTIFICATE_VERIFY_FAILED;
    (void)snprintf(text, size, "TLS: %s%s%s", reason == NULL ? "protocol error" : reason,
                   refused ? ": " : "",
                   refused ? X509_verify_cert_error_string(SSL_get_verify_result(ssl)) : "");
    ERR_clear_error();
}

enum io_result { IO_DONE, IO_AGAIN, IO_EOF, IO_ERROR };

static enum io_result tls_outcome(struct conn *c, int rc, bool *wants_other, short other, char *why,
                                  size_t size)
{
    int saved = errno;
    switch (SSL_get_error(c->ssl, rc)) {
    case SSL_ERROR_WANT_READ:
        *wants_other = other == EV_READ;
        return IO_AGAIN;
    case SSL_ERROR_WANT_WRITE:
        *wants_other = other == EV_WRITE;
        return IO_AGAIN;
    case SSL_ERROR_ZERO_RETURN:
        return IO_EOF;
    case SSL_ERROR_SYSCALL:
        if (ERR_peek_error() == 0) {
            if (saved == 0)
                return IO_EOF;
            (void)snprintf(why, size, "%s", strerror(saved));
            return IO_ERROR;
        }
        /* fall through */
    default:
        tls_reason(c->ssl, why, size);
        return IO_ERROR;
    }
}

static enum io_result socket_outcome(char *why, size_t size)
{
    if (errno == EAGAIN || errno == EINTR)
        return IO_AGAIN;
    (void)snprintf(why, size, "%s", strerror(errno));
    return IO_ERROR;
}

/* Reads by way of the stack, so that a conn's own buffer is never larger than what waits in it. */
static enum io_result read_some(struct conn *c, char *why, size_t size)
{
    unsigned char octets[READ_SIZE];
    size_t room = c->input_max - c->in.n;
    ssize_t got;
    if (room > sizeof octets)
        room = sizeof octets;
    if (c->tls == TLS_UP) {
        ERR_clear_error();
        errno = 0;
        got = SSL_read(c->ssl, octets, (int)room);
        c->read_wants_write = false;
        if (got <= 0)
            return tls_outcome(c, (int)got, &c->read_wants_write, EV_WRITE, why, size);
    } else {
        got = recv(c->fd, octets, room, 0);
        if (got <= 0)
            return got == 0 ? IO_EOF : socket_outcome(why, size);
    }
    append(c, &c->in, octets, (size_t)got);
    if (c->secret)
        mem_wipe(octets, (size_t)got);
    /* A read more would mostly find nothing; if there is something, the socket tells. */
    return (c->tls == TLS_UP ? SSL_has_pending(c->ssl) == 1 : (size_t)got == room) ? IO_DONE
                                                                                   : IO_AGAIN;
}

/* False when the conn is gone. */
static bool give_input(struct conn *c)
{
    size_t had = c->in.n;
    c->input_waits = false;
    if (had == 0)
        return true;
    if (!CALL(c, on_input))
        return false;
    if (c->in.n > 0 && c->in.n < had && !c->closed) {
        c->input_waits = true;
        kick(c);
    }
    return true;
}

static bool may_read(const struct conn *c)
{
    return !c->closed && !c->connecting && !c->paused && !c->finishing &&
           (c->tls == TLS_NONE || c->tls == TLS_UP);
}

static void read_input(struct conn *c)
{
    char why[200] = "closed by the peer";
    size_t before = c->in.n;
    enum io_result r = c->ended ? IO_EOF : IO_DONE;
    if (!may_read(c))
        return;
    for (int i = 0; i < READS_A_TURN && r == IO_DONE && c->in.n < c->input_max; i++)
        r = read_some(c, why, sizeof why);
    c->ended = r == IO_EOF;
    if (r == IO_DONE && c->tls == TLS_UP && c->in.n < c->input_max)
        kick(c); /* OpenSSL may hold more; the socket would not tell */
    if ((c->in.n > before || c->input_waits) && !give_input(c))
        return;
    /* Whoever paused, or takes its input piece by piece, hears of the end after the rest. */
    if (r == IO_ERROR || (c->ended && !c->finishing && !c->paused && !c->input_waits))
        close_with(c, why, false);
    else
        update(c);
}

static enum io_result write_some(struct conn *c, char *why, size_t size)
{
    struct span s = buf_span(&c->out);
    ssize_t put;
    if (c->tls == TLS_UP) {
        ERR_clear_error();
        errno = 0;
        put = SSL_write(c->ssl, s.p, s.n > INT32_MAX ? INT32_MAX : (int)s.n);
        c->write_wants_read = false;
        if (put <= 0)
            return tls_outcome(c, (int)put, &c->write_wants_read, EV_READ, why, size);
    } else {
        /* The last octets go out together with the end of our side, in one packet. */
        put = send(c->fd, s.p, s.n, MSG_NOSIGNAL | (c->finishing ? MSG_MORE : 0));
        if (put < 0)
            return socket_outcome(why, size);
    }
    drop(c, &c->out, (size_t)put);
    return IO_DONE;
}

/* Sends until the socket takes no more. False when the conn is closed or gone. */
static bool write_output(struct conn *c)
{
    char why[200] = "closed by the peer";
    enum io_result r = IO_DONE;
    while (c->out.n > 0 && (r = write_some(c, why, sizeof why)) == IO_DONE)
        c->want_drained = c->handler->on_drained != NULL;
    if (r == IO_EOF || r == IO_ERROR) {
        close_with(c, why, false);
        return false;
    }
    return true;
}

/* ---- TLS ---- */

/* In TLS 1.3 the client has the last word. Without TCP_NODELAY the next thing it has to say waits
 * until that is acknowledged, and the kernel takes its time for that when we have no answer: 40 ms.
 */
static void acknowledge(struct conn *c)
{
    const int one = 1;
    if (SSL_is_server(c->ssl) == 1 && SSL_version(c->ssl) == TLS1_3_VERSION)
        (void)setsockopt(c->fd, IPPROTO_TCP, TCP_QUICKACK, &one, sizeof one);
}

static void handshake(struct conn *c)
{
    char why[200] = "closed by the peer during the TLS handshake";
    ERR_clear_error();
    errno = 0;
    int rc = SSL_do_handshake(c->ssl);
    c->read_wants_write = false;
    if (rc == 1) {
        c->tls = TLS_UP;
        acknowledge(c);
        update(c);
        if (c->handler->on_secure != NULL && !CALL(c, on_secure))
            return;
        if (SSL_has_pending(c->ssl) == 1)
            kick(c);
        return;
    }
    if (tls_outcome(c, rc, &c->read_wants_write, EV_WRITE, why, sizeof why) == IO_AGAIN)
        update(c);
    else
        close_with(c, why, false);
}

static void begin_handshake(struct conn *c)
{
    drop(c, &c->in, c->in.n);
    c->input_waits = false;
    c->tls = TLS_HANDSHAKE;
    (void)SSL_set_fd(c->ssl, c->fd);
    handshake(c);
}

/* ---- the end ---- */

static void linger(struct conn *c)
{
    const struct timeval tv = {LINGER_MS / 1000, (LINGER_MS % 1000) * 1000L};
    if (c->tls == TLS_UP) {
        ERR_clear_error();
        (void)SSL_shutdown(c->ssl);
    }
    if (c->tls == TLS_HANDSHAKE || c->ended || shutdown(c->fd, SHUT_WR) != 0) {
        close_with(c, "closed by us", false);
        return;
    }
    c->lingering = true;
    (void)event_add(&c->deadline, &tv);
    update(c);
}

static void throw_input_away(struct conn *c)
{
    unsigned char octets[READ_SIZE];
    for (int i = 0; i < READS_A_TURN; i++) {
        ssize_t got = recv(c->fd, octets, sizeof octets, 0);
        if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
            close_with(c, "closed by us", false);
            return;
        }
        if (got < 0)
            return;
    }
}

/* ---- the loop's calls ---- */

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    check(c);
    if (!wants_read(c))
        (void)event_del(&c->readable);
    else if (c->lingering)
        throw_input_away(c);
    else if (c->tls == TLS_HANDSHAKE)
        handshake(c);
    else if (c->write_wants_read)
        on_writable(fd, what, arg);
    else
        read_input(c);
}

static bool connected(struct conn *c)
{
    int error = 0;
    socklen_t len = sizeof error;
    c->connecting = false;
    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error != 0) {
        close_with(c, strerror(error), false);
        return false;
    }
    return true;
}

/* All is written: what comes after it. */
static void drained(struct conn *c)
{
    bool owed = c->want_drained;
    c->want_drained = false;
    if (c->finishing)
        linger(c);
    else if (c->tls == TLS_WAITING)
        begin_handshake(c);
    else if (!owed || CALL(c, on_drained))
        update(c);
}

/* The peer is gone, but what it said before may wait to be read, and say why. Writing would meet
 * the end first and hide that. */
static bool has_last_words(const struct conn *c)
{
    struct pollfd p = {.fd = c->fd};
    return c->out.n > 0 && may_read(c) && c->in.n < c->input_max && poll(&p, 1, 0) == 1 &&
           (p.revents & (POLLERR | POLLHUP)) != 0;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void)fd;
    (void)what;
    check(c);
    if (c->tls == TLS_HANDSHAKE && !c->finishing) {
        handshake(c);
        return;
    }
    if (c->connecting && !connected(c))
        return;
    if (has_last_words(c)) {
        read_input(c);
        return;
    }
    if (c->read_wants_write) {
        c->read_wants_write = false;
        kick(c);
    }
    if (c->tls != TLS_HANDSHAKE && !write_output(c))
        return;
    if (c->tls == TLS_HANDSHAKE || c->out.n == 0)
        drained(c);
    else
        update(c);
}

static void on_written(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void)fd;
    (void)what;
    check(c);
    if (owes_drained(c))
        drained(c);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void)fd;
    (void)what;
    check(c);
    read_input(c);
}

static void on_deadline(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void)fd;
    (void)what;
    check(c);
    if (c->lingering)
        close_with(c, "closed by us", false);
    else if (c->handler->on_timeout != NULL)
        (void)CALL(c, on_timeout);
    else
        close_with(c, "timed out", true);
}

/* ---- the owner's calls ---- */

/* Most of the time the socket takes it all at once and the loop need not be asked. A failure is
 * left for the loop to meet again, since no callback may come from here. */
static void send_and_update(struct conn *c)
{
    char why[200];
    bool free_to_send = !c->closed && !c->lingering && !c->connecting && !c->write_wants_read &&
                        (c->tls == TLS_NONE || c->tls == TLS_UP);
    while (free_to_send && c->out.n > 0 && write_some(c, why, sizeof why) == IO_DONE)
        c->want_drained = c->handler->on_drained != NULL;
    update(c);
}

void conn_pause(struct conn *c, bool paused)
{
    check(c);
    if (c->paused == paused)
        return;
    c->paused = paused;
    if (!paused && !c->closed) {
        c->input_waits = true;
        kick(c);
    }
    send_and_update(c);
}

struct span conn_input(const struct conn *c)
{
    check(c);
    return buf_span(&c->in);
}

void conn_consume(struct conn *c, size_t n)
{
    check(c);
    bool was_full = c->in.n >= c->input_max;
    drop(c, &c->in, n);
    if (was_full && n > 0 && !c->closed) {
        kick(c);
        update(c);
    }
}

void conn_set_secret(struct conn *c, bool secret)
{
    check(c);
    if (c->secret && !secret) {
        wipe_unused(&c->in);
        wipe_unused(&c->out);
    }
    c->secret = secret;
}

void conn_write(struct conn *c, const void *p, size_t n)
{
    check(c);
    if (c->closed || c->lingering || n == 0)
        return;
    append(c, &c->out, p, n);
    conn_flush(c);
}

void conn_puts(struct conn *c, const char *s)
{
    conn_write(c, s, strlen(s));
}

struct buf *conn_output(struct conn *c)
{
    check(c);
    return &c->out;
}

void conn_flush(struct conn *c)
{
    check(c);
    if (c->out.n > 0)
        send_and_update(c);
}

size_t conn_unsent(const struct conn *c)
{
    check(c);
    return c->out.n;
}

void conn_ask_drained(struct conn *c)
{
    check(c);
    c->want_drained = !c->closed && c->handler->on_drained != NULL;
    update(c);
}

void conn_finish(struct conn *c)
{
    check(c);
    if (c->tls == TLS_WAITING) {
        SSL_free(c->ssl);
        c->ssl = NULL;
        c->tls = TLS_NONE;
    }
    c->finishing = true;
    send_and_update(c);
}

void conn_deadline(struct conn *c, int64_t ms)
{
    check(c);
    if (c->lingering)
        return;
    (void)event_del(&c->deadline);
    if (ms > 0 && !c->closed) {
        struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
        (void)event_add(&c->deadline, &tv);
    }
}

void conn_start_tls(struct conn *c, SSL *ssl)
{
    check(c);
    assert(c->ssl == NULL);
    c->ssl = ssl;
    c->tls = TLS_WAITING;
    update(c);
}

SSL *conn_ssl(const struct conn *c)
{
    check(c);
    return c->tls == TLS_UP ? c->ssl : NULL;
}

bool conn_is_secure(const struct conn *c)
{
    check(c);
    return c->tls == TLS_UP;
}

int conn_fd(const struct conn *c)
{
    check(c);
    return c->fd;
}

struct event_base *conn_base(const struct conn *c)
{
    check(c);
    return c->base;
}

int conn_connect(const void *address, unsigned len, const void *source, unsigned source_len)
{
    const struct sockaddr *sa = address;
    int one = 1;
    int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (sa->sa_family != AF_UNIX)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if ((source != NULL && bind(fd, source, source_len) != 0) ||
        (connect(fd, sa, len) != 0 && errno != EINPROGRESS)) {
        int saved = errno;
        (void)close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}
