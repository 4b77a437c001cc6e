#include "conn.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/err.h>

#include "clock.h"
#include "mem.h"

#define MAGIC 0x636f6e6e
#define READ_SIZE 16384
#define READS_A_TURN 16 /* then others have their turn */

enum tls_state { TLS_NONE, TLS_WAITING, TLS_HANDSHAKE, TLS_UP };

struct conn {
    unsigned magic;
    struct event_base *base;
    struct event *readable, *writable, *kick, *deadline;
    const struct conn_handler *handler;
    void *arg;
    int fd;
    size_t input_max;
    struct buf in, out;
    SSL *ssl;
    enum tls_state tls;
    bool paused, secret, finishing, closed;
    bool connecting;          /* nothing was sent or received yet: the first writable tells how it went */
    bool want_drained;        /* on_drained is owed */
    bool read_wants_write;    /* TLS: reading waits for the socket to take octets */
    bool write_wants_read;    /* TLS: writing waits for the peer */
    bool input_waits;         /* room was made: on_input or another read is owed */
    bool *freed;              /* set by conn_free while a callback of ours runs */
};

static void on_readable(evutil_socket_t fd, short what, void *arg);
static void on_writable(evutil_socket_t fd, short what, void *arg);
static void on_kick(evutil_socket_t fd, short what, void *arg);
static void on_deadline(evutil_socket_t fd, short what, void *arg);

static void check(const struct conn *c)
{
    assert(c != NULL && c->magic == MAGIC);
}

static void update(struct conn *c)
{
    bool handshake = c->tls == TLS_HANDSHAKE;
    bool room = c->in.n < c->input_max;
    bool read = !c->closed && !c->connecting &&
                (handshake || c->write_wants_read || (!c->paused && !c->finishing && room));
    bool write = !c->closed && (c->connecting || c->out.n > 0 || c->read_wants_write ||
                                c->want_drained || (c->finishing && c->out.n == 0) ||
                                c->tls == TLS_WAITING);
    if (handshake)
        write = c->read_wants_write;
    else if (c->write_wants_read)
        write = false;
    if (read)
        (void)event_add(c->readable, NULL);
    else
        (void)event_del(c->readable);
    if (write)
        (void)event_add(c->writable, NULL);
    else
        (void)event_del(c->writable);
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
    c->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, c);
    c->writable = event_new(base, fd, EV_WRITE | EV_PERSIST, on_writable, c);
    c->kick = event_new(base, -1, 0, on_kick, c);
    c->deadline = event_new(base, -1, 0, on_deadline, c);
    assert(c->readable != NULL && c->writable != NULL && c->kick != NULL && c->deadline != NULL);
    c->connecting = getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0;
    update(c);
    return c;
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
    event_free(c->readable);
    event_free(c->writable);
    event_free(c->kick);
    event_free(c->deadline);
    if (c->ssl != NULL) {
        ERR_clear_error();
        SSL_free(c->ssl);
    }
    (void)close(c->fd);
    if (c->secret) {
        buf_wipe(&c->in);
        buf_wipe(&c->out);
    }
    buf_free(&c->in);
    buf_free(&c->out);
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
    (void)event_del(c->deadline);
    (void)event_del(c->kick);
    update(c);
    (void)CALL(c, on_closed, why, timed_out);
}

static const char *tls_reason(char *text, size_t size)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = code == 0 ? NULL : ERR_reason_error_string(code);
    (void)snprintf(text, size, "TLS: %s", reason == NULL ? "protocol error" : reason);
    ERR_clear_error();
    return text;
}

enum io_result { IO_DONE, IO_AGAIN, IO_EOF, IO_ERROR };

static enum io_result tls_outcome(struct conn *c, int rc, bool *wants_other, short other,
                                  char *why, size_t size)
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
        (void)tls_reason(why, size);
        return IO_ERROR;
    }
}

static enum io_result read_some(struct conn *c, char *why, size_t size)
{
    size_t room = c->input_max - c->in.n;
    unsigned char *p = buf_room(&c->in, room < READ_SIZE ? room : READ_SIZE);
    if (room > READ_SIZE)
        room = READ_SIZE;
    if (c->tls == TLS_UP) {
        ERR_clear_error();
        errno = 0;
        int got = SSL_read(c->ssl, p, (int)room);
        c->read_wants_write = false;
        if (got > 0) {
            buf_grew(&c->in, (size_t)got);
            return IO_DONE;
        }
        return tls_outcome(c, got, &c->read_wants_write, EV_WRITE, why, size);
    }
    ssize_t got = recv(c->fd, p, room, 0);
    if (got > 0) {
        buf_grew(&c->in, (size_t)got);
        return (size_t)got < room ? IO_AGAIN : IO_DONE;
    }
    if (got == 0)
        return IO_EOF;
    if (errno == EAGAIN || errno == EINTR)
        return IO_AGAIN;
    (void)snprintf(why, size, "%s", strerror(errno));
    return IO_ERROR;
}

static void read_input(struct conn *c)
{
    char why[200] = "closed by the peer";
    size_t before = c->in.n;
    enum io_result r = IO_AGAIN;
    if (c->closed || c->connecting || c->paused || c->finishing || c->tls == TLS_HANDSHAKE ||
        c->tls == TLS_WAITING)
        return;
    for (int i = 0; i < READS_A_TURN && c->in.n < c->input_max; i++) {
        r = read_some(c, why, sizeof why);
        if (r != IO_DONE)
            break;
    }
    if (r == IO_DONE && c->in.n < c->input_max && c->tls == TLS_UP)
        event_active(c->kick, EV_TIMEOUT, 0); /* OpenSSL may hold more; the socket would not tell */
    bool more = c->in.n > before || c->input_waits;
    c->input_waits = false;
    if (more && c->in.n > 0 && !CALL(c, on_input))
        return;
    if (r == IO_EOF || r == IO_ERROR)
        close_with(c, why, false);
    else
        update(c);
}

static enum io_result write_some(struct conn *c, char *why, size_t size)
{
    struct span s = buf_span(&c->out);
    if (c->tls == TLS_UP) {
        ERR_clear_error();
        errno = 0;
        int put = SSL_write(c->ssl, s.p, s.n > INT32_MAX ? INT32_MAX : (int)s.n);
        c->write_wants_read = false;
        if (put <= 0)
            return tls_outcome(c, put, &c->write_wants_read, EV_READ, why, size);
        if (c->secret)
            mem_wipe(c->out.p + c->out.head, (size_t)put);
        buf_drop(&c->out, (size_t)put);
        return IO_DONE;
    }
    ssize_t put = send(c->fd, s.p, s.n, MSG_NOSIGNAL);
    if (put >= 0) {
        buf_drop(&c->out, (size_t)put);
        return IO_DONE;
    }
    if (errno == EAGAIN || errno == EINTR)
        return IO_AGAIN;
    (void)snprintf(why, size, "%s", strerror(errno));
    return IO_ERROR;
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
    if (c->out.n == 0 && c->out.cap > 4 * READ_SIZE)
        buf_free(&c->out);
    return true;
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
        update(c);
        if (c->handler->on_secure != NULL && !CALL(c, on_secure))
            return;
        event_active(c->kick, EV_TIMEOUT, 0);
        return;
    }
    if (tls_outcome(c, rc, &c->read_wants_write, EV_WRITE, why, sizeof why) == IO_AGAIN)
        update(c);
    else
        close_with(c, why, false);
}

static void begin_handshake(struct conn *c)
{
    buf_clear(&c->in);
    c->tls = TLS_HANDSHAKE;
    (void)SSL_set_fd(c->ssl, c->fd);
    handshake(c);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    check(c);
    if (c->tls == TLS_HANDSHAKE)
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
    c->want_drained = c->handler->on_drained != NULL;
    return true;
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    struct conn *c = arg;
    (void)fd;
    (void)what;
    check(c);
    if (c->tls == TLS_HANDSHAKE) {
        handshake(c);
        return;
    }
    if (c->connecting && !connected(c))
        return;
    if (c->read_wants_write) {
        c->read_wants_write = false;
        event_active(c->kick, EV_TIMEOUT, 0);
    }
    if (!write_output(c))
        return;
    if (c->out.n > 0) {
        update(c);
        return;
    }
    if (c->tls == TLS_WAITING) {
        begin_handshake(c);
        return;
    }
    if (c->finishing) {
        if (c->tls == TLS_UP) {
            ERR_clear_error();
            (void)SSL_shutdown(c->ssl);
        }
        close_with(c, "closed by us", false);
        return;
    }
    bool drained = c->want_drained;
    c->want_drained = false;
    if (drained && c->handler->on_drained != NULL && !CALL(c, on_drained))
        return;
    update(c);
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
    close_with(c, "timed out", true);
}

void conn_pause(struct conn *c, bool paused)
{
    check(c);
    if (c->paused == paused)
        return;
    c->paused = paused;
    if (!paused) {
        c->input_waits = true;
        event_active(c->kick, EV_TIMEOUT, 0);
    }
    update(c);
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
    if (c->secret)
        mem_wipe(c->in.p + c->in.head, n);
    buf_drop(&c->in, n);
    if (c->in.n == 0 && c->in.cap > READ_SIZE + 1)
        buf_free(&c->in);
    if (was_full && n > 0) {
        event_active(c->kick, EV_TIMEOUT, 0);
        update(c);
    }
}

void conn_set_secret(struct conn *c, bool secret)
{
    check(c);
    c->secret = secret;
}

void conn_write(struct conn *c, const void *p, size_t n)
{
    check(c);
    if (c->closed)
        return;
    buf_put(&c->out, p, n);
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
    char why[200];
    check(c);
    if (c->closed || c->out.n == 0)
        return;
    /* Most of the time the socket takes it all at once and the loop need not be asked. A failure is left for
     * the loop to meet again, since no callback may come from here. */
    bool free_to_send = !c->connecting && !c->write_wants_read && c->tls != TLS_WAITING &&
                        c->tls != TLS_HANDSHAKE;
    while (free_to_send && c->out.n > 0 && write_some(c, why, sizeof why) == IO_DONE)
        c->want_drained = c->handler->on_drained != NULL;
    update(c);
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
    c->finishing = true;
    update(c);
}

void conn_deadline(struct conn *c, int64_t ms)
{
    check(c);
    (void)event_del(c->deadline);
    if (ms > 0 && !c->closed) {
        struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
        (void)event_add(c->deadline, &tv);
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
