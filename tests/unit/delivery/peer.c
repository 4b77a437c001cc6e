#include "peer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ascii.h"
#include "conn.h"
#include "mem.h"

#define INPUT_MAX (1 << 20)

struct peer_client {
    TAILQ_ENTRY(peer_client) next;
    struct peer *peer;
    struct conn *conn;
    unsigned number;
    bool in_message, mute, secure, dying;
    unsigned recipients; /* of the transaction */
    size_t taken;        /* octets of the message */
    size_t chunk;        /* of it, yet to come */
    bool chunk_last;
    struct event *later;
    const char *late_reply;
    bool held; /* until peer_release */
    enum say late_step;
};

static const char *const plain[SAYS] = {
    [SAY_GREETING] = "220 peer.test ESMTP", [SAY_HELO] = "250 peer.test",
    [SAY_STARTTLS] = "220 2.0.0 go ahead",  [SAY_MAIL] = "250 2.1.0 sender ok",
    [SAY_RCPT] = "250 2.1.5 recipient ok",  [SAY_DATA] = "354 go ahead",
    [SAY_BDAT] = "250 2.0.0 go on",         [SAY_DOT] = "250 2.0.0 queued",
    [SAY_RSET] = "250 2.0.0 forgotten",     [SAY_QUIT] = "!221 2.0.0 bye",
    [SAY_OTHER] = "502 5.5.2 what",
};

static void on_input(struct conn *c, void *arg);

static void drop_client(struct peer_client *k)
{
    TAILQ_REMOVE(&k->peer->clients, k, next);
    k->peer->closed++;
    k->peer->held -= k->held;
    conn_free(&k->conn);
    event_free(k->later);
    mem_free(&k);
}

static void reset_connection(struct peer_client *k)
{
    struct linger now = {1, 0};
    (void)setsockopt(conn_fd(k->conn), SOL_SOCKET, SO_LINGER, &now, sizeof now);
    k->dying = true;
}

static void put(struct peer_client *k, const char *text)
{
    struct buf *out = conn_output(k->conn);
    for (; *text != '\0'; text++) {
        if (*text == '\n')
            buf_putc(out, '\r');
        buf_putc(out, *text);
    }
    buf_puts(out, "\r\n");
}

/* Says a reply; returns the code it ends with, 0 for none. */
static int utter(struct peer_client *k, const char *reply)
{
    const char *last;
    bool close_after = *reply == '!', reset_after = *reply == '#';
    if (*reply == '~') {
        k->mute = true;
        k->peer->silent++;
        return 0;
    }
    if (close_after || reset_after)
        reply++;
    if (*reply == '=') {
        buf_puts(conn_output(k->conn), reply + 1);
        k->peer->silent += reply[strlen(reply) - 1] != '\n';
    } else if (*reply != '\0')
        put(k, reply);
    conn_flush(k->conn);
    if (reset_after)
        reset_connection(k);
    else if (close_after)
        conn_finish(k->conn);
    k->mute = k->mute || close_after || reset_after;
    last = strrchr(reply, '\n');
    return atoi(*reply == '=' ? reply + 1 : last == NULL ? reply : last + 1);
}

static void shake_hands(struct peer_client *k)
{
    SSL *ssl = SSL_new(k->peer->tls);
    assert(ssl != NULL);
    SSL_set_accept_state(ssl);
    conn_start_tls(k->conn, ssl);
}

static void after(struct peer_client *k, enum say step, int code)
{
    if (step == SAY_DATA && code == 354) {
        k->in_message = true;
        k->taken = 0;
        buf_clear(&k->peer->data);
    } else if (step == SAY_STARTTLS && code == 220 && k->peer->tls != NULL && !k->mute) {
        shake_hands(k);
    }
}

static void speak(struct peer_client *k, enum say step, const char *reply)
{
    if (*reply == '*') {
        k->late_step = step;
        k->late_reply = reply + 2;
        k->held = true;
        k->peer->held++;
        return;
    }
    if (*reply == '@') {
        long ms = strtol(reply + 1, NULL, 10);
        struct timeval tv = {ms / 1000, ms % 1000 * 1000};
        k->late_step = step;
        k->late_reply = strchr(reply, ' ') + 1;
        (void)evtimer_add(k->later, &tv);
        return;
    }
    after(k, step, utter(k, reply));
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    struct peer_client *k = arg;
    const char *reply = k->late_reply;
    k->late_reply = NULL;
    if (reply != NULL)
        speak(k, k->late_step, reply);
    conn_pause(k->conn, false);
    if (k->dying)
        drop_client(k);
}

static void greet_back(struct peer_client *k)
{
    struct buf text = {0};
    const char *more = k->secure && k->peer->tls_extensions != NULL ? k->peer->tls_extensions
                                                                    : k->peer->extensions;
    buf_puts(&text, "peer.test");
    buf_putf(&text, "%s%s", more[0] == '\0' ? "" : "\n", more);
    if (k->peer->tls != NULL && !k->secure)
        buf_puts(&text, "\nSTARTTLS");
    struct span rest = buf_span(&text), line;
    struct buf *out = conn_output(k->conn);
    while (ascii_token(&rest, "\n", &line)) {
        buf_puts(out, rest.n == 0 ? "250 " : "250-");
        buf_put_span(out, line);
        buf_puts(out, "\r\n");
    }
    conn_flush(k->conn);
    buf_free(&text);
}

static void say(struct peer_client *k, enum say step)
{
    struct peer_row *row = &k->peer->rows[step];
    const char *reply = plain[step];
    bool accepts = step == SAY_RCPT && k->recipients++ < k->peer->few;
    k->peer->too_many += step == SAY_RCPT && k->peer->few > 0 && !accepts;
    if (row->n > 0 && !accepts)
        reply = row->replies[row->next + 1 < row->n ? row->next++ : row->next];
    if (reply == NULL)
        greet_back(k);
    else
        speak(k, step, reply);
}

static void end_chunk(struct peer_client *k)
{
    if (k->chunk_last)
        k->peer->messages++;
    say(k, k->chunk_last ? SAY_DOT : SAY_BDAT);
}

/* By SAY_OTHER it is told whether the peer knows the command. */
static void begin_chunk(struct peer_client *k, struct span line)
{
    const char *text = strchr((const char *)line.p, ' ');
    if (k->peer->rows[SAY_OTHER].n > 0) {
        say(k, SAY_OTHER);
        return;
    }
    k->chunk = strtoul(text, NULL, 10);
    k->chunk_last = strstr(text, " LAST") != NULL;
    if (k->chunk == 0)
        end_chunk(k);
}

static void take_chunk(struct peer_client *k, struct span in)
{
    size_t n = in.n < k->chunk ? in.n : k->chunk;
    buf_put(&k->peer->data, in.p, n);
    conn_consume(k->conn, n);
    k->chunk -= n;
    if (k->chunk == 0)
        end_chunk(k);
}

static void on_command(struct peer_client *k, struct span line)
{
    static const char *const verbs[SAYS] = {NULL,   "EHLO", "HELO", "STARTTLS", "MAIL", "RCPT",
                                            "DATA", NULL,   NULL,   "RSET",     "QUIT", NULL};
    buf_putf(&k->peer->commands, "%u %.*s\n", k->number, (int)line.n, (const char *)line.p);
    if (span_starts_nocase(line, "MAIL")) {
        buf_clear(&k->peer->data);
        k->recipients = 0;
    }
    if (span_starts_nocase(line, "BDAT")) {
        begin_chunk(k, line);
        return;
    }
    if (span_starts_nocase(line, "LHLO")) {
        say(k, SAY_EHLO);
        return;
    }
    for (int i = 0; i < SAYS; i++) {
        if (verbs[i] != NULL && span_starts_nocase(line, verbs[i])) {
            say(k, (enum say)i);
            return;
        }
    }
    say(k, SAY_OTHER);
}

static bool at_end(const struct buf *data)
{
    struct span s = buf_span(data);
    return (s.n == 3 && memcmp(s.p, ".\r\n", 3) == 0) ||
           (s.n >= 5 && memcmp(s.p + s.n - 5, "\r\n.\r\n", 5) == 0);
}

/* Returns how many octets it took. */
static size_t take_message(struct peer_client *k, struct span in)
{
    struct peer *p = k->peer;
    size_t most = p->bite > 0 && p->bite < in.n ? p->bite : in.n, n = 0;
    while (n < most && k->in_message) {
        buf_putc(&p->data, in.p[n++]);
        k->taken++;
        if (p->interrupt != NULL && k->taken == p->interrupt_at)
            (void)utter(k, p->interrupt);
        if (in.p[n - 1] == '\n' && at_end(&p->data)) {
            k->in_message = false;
            p->messages++;
            say(k, SAY_DOT);
        }
    }
    return n;
}

static void rest_a_while(struct peer_client *k)
{
    const struct timeval moment = {0, 1000};
    conn_pause(k->conn, true);
    (void)evtimer_add(k->later, &moment);
}

/* Returns how many octets it took: 0 when there is no whole command. */
static size_t take_command(struct peer_client *k, struct span in)
{
    ssize_t lf = span_find(in, '\n');
    if (lf < 0)
        return 0;
    struct span line = span_of(in.p, (size_t)lf);
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    char *copy = span_dup(line);
    conn_consume(k->conn, (size_t)lf + 1);
    on_command(k, span_text(copy));
    mem_free(&copy);
    return (size_t)lf + 1;
}

static void on_input(struct conn *c, void *arg)
{
    struct peer_client *k = arg;
    while (!k->mute && k->late_reply == NULL && conn_input(c).n > 0) {
        if (k->chunk > 0) {
            take_chunk(k, conn_input(c));
        } else if (k->in_message) {
            size_t n = take_message(k, conn_input(c));
            conn_consume(c, n);
            if (k->peer->bite > 0) {
                rest_a_while(k);
                return;
            }
        } else if (take_command(k, conn_input(c)) == 0) {
            break;
        }
        if (k->peer->stubborn && !k->mute && conn_unsent(c) > 0) {
            k->peer->stuck++;
            conn_pause(c, true);
            conn_ask_drained(c);
            return;
        }
    }
    if (k->late_reply != NULL)
        conn_pause(c, true);
    if (k->dying)
        drop_client(k);
}

static void on_drained(struct conn *c, void *arg)
{
    const struct peer_client *k = arg;
    if (k->peer->stubborn && k->late_reply == NULL)
        conn_pause(c, false);
}

static void on_secure(struct conn *c, void *arg)
{
    struct peer_client *k = arg;
    k->secure = true;
    k->peer->secured++;
    if (k->peer->implicit)
        say(k, SAY_GREETING);
}

static void on_closed(struct conn *c, void *arg, const char *why, bool timed_out)
{
    drop_client(arg);
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    static const struct conn_handler handler = {on_input, on_drained, on_secure, on_closed, NULL};
    struct peer *p = arg;
    struct sockaddr_storage from;
    socklen_t len = sizeof from;
    int one = 1;
    int accepted = accept4(fd, (struct sockaddr *)&from, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (accepted < 0)
        return;
    (void)getnameinfo((struct sockaddr *)&from, len, p->last_client, sizeof p->last_client, NULL, 0,
                      NI_NUMERICHOST);
    (void)setsockopt(accepted, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct peer_client *k = mem_zero(sizeof *k);
    k->peer = p;
    k->number = ++p->opened;
    if (p->opened - p->closed > p->most)
        p->most = p->opened - p->closed;
    if (p->stubborn) {
        int size = 16384;
        (void)setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        (void)setsockopt(accepted, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    k->conn = conn_new(p->base, accepted, p->stubborn ? 4096 : INPUT_MAX, &handler, k);
    k->later = evtimer_new(p->base, on_later, k);
    TAILQ_INSERT_TAIL(&p->clients, k, next);
    if (p->implicit)
        shake_hands(k);
    else
        say(k, SAY_GREETING);
    if (k->dying)
        drop_client(k);
    else if (k->late_reply != NULL)
        conn_pause(k->conn, true);
}

static socklen_t read_address(const char *text, int port, struct sockaddr_storage *ss)
{
    struct sockaddr_in *v4 = (struct sockaddr_in *)ss;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ss;
    memset(ss, 0, sizeof *ss);
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons((uint16_t)port);
        return sizeof *v4;
    }
    int good = inet_pton(AF_INET6, text, &v6->sin6_addr);
    assert(good == 1);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons((uint16_t)port);
    return sizeof *v6;
}

void peer_open(struct peer *p, struct event_base *base, const char *address, int port)
{
    struct sockaddr_storage ss;
    int one = 1;
    socklen_t len = read_address(address, port, &ss);
    *p = (struct peer){.base = base,
                       .extensions = "PIPELINING\n8BITMIME\nSIZE 50000000\nENHANCEDSTATUSCODES"};
    TAILQ_INIT(&p->clients);
    p->fd = socket(ss.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    (void)setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(p->fd, (struct sockaddr *)&ss, len) != 0 || listen(p->fd, 128) != 0 ||
        getsockname(p->fd, (struct sockaddr *)&ss, &len) != 0) {
        perror(address);
        abort();
    }
    bool v6 = ss.ss_family == AF_INET6;
    p->port =
        ntohs(v6 ? ((struct sockaddr_in6 *)&ss)->sin6_port : ((struct sockaddr_in *)&ss)->sin_port);
    (void)snprintf(p->address, sizeof p->address, v6 ? "[%s]:%d" : "%s:%d", address, p->port);
    p->readable = event_new(base, p->fd, EV_READ | EV_PERSIST, on_connection, p);
    (void)event_add(p->readable, NULL);
}

void peer_hang_up(struct peer *p)
{
    struct peer_client *k;
    while ((k = TAILQ_FIRST(&p->clients)) != NULL)
        drop_client(k);
}

void peer_close(struct peer *p)
{
    if (p->readable == NULL)
        return;
    peer_hang_up(p);
    event_free(p->readable);
    (void)close(p->fd);
    buf_free(&p->commands);
    buf_free(&p->data);
    *p = (struct peer){0};
}

void peer_say(struct peer *p, enum say step, const char *reply, ...)
{
    struct peer_row *row = &p->rows[step];
    va_list ap;
    *row = (struct peer_row){0};
    va_start(ap, reply);
    for (; reply != NULL && row->n < PEER_ROW; reply = va_arg(ap, const char *))
        row->replies[row->n++] = reply;
    va_end(ap);
}

void peer_release(struct peer *p)
{
    struct peer_client *k;
    TAILQ_FOREACH (k, &p->clients, next) {
        if (!k->held)
            continue;
        k->held = false;
        p->held--;
        event_active(k->later, EV_TIMEOUT, 0);
    }
}

void peer_interject(struct peer *p, const char *reply)
{
    struct peer_client *k;
    TAILQ_FOREACH (k, &p->clients, next)
        (void)utter(k, reply);
}

void peer_reset(struct peer *p)
{
    memset(p->rows, 0, sizeof p->rows);
    buf_clear(&p->commands);
    buf_clear(&p->data);
    p->opened = p->closed = p->secured = p->messages = p->most = p->silent = 0;
    p->too_many = p->stuck = p->few = 0;
    p->stubborn = false;
    p->interrupt = NULL;
    p->bite = 0;
}
