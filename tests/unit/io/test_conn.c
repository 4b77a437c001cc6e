#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <openssl/pem.h>

#include "clock.h"
#include "conn.h"
#include "mem.h"
#include "tls.h"
#include "tlskey.h"

enum callback { NONE, INPUT, DRAINED, SECURE, CLOSED, TIMEOUT };

/* One end, and what became of it. */
struct end {
    struct conn *conn;
    struct buf got;
    size_t bite;            /* octets consumed a call; 0 all */
    bool refuses;           /* consumes nothing */
    bool line_by_line;      /* takes a line, then pauses */
    const char *says;       /* when the handshake is complete, an octet a record */
    enum callback frees_in; /* the callback that frees the conn */
    unsigned inputs, drains, secures, timeouts, closes;
    char why[200];
    bool timed_out;
    void (*then)(struct end *e); /* called at the end of on_input */
};

static struct event_base *base;
static SSL_CTX *server_ctx, *client_ctx;

static void maybe_free(struct end *e, enum callback now)
{
    if (e->frees_in == now)
        conn_free(&e->conn);
}

static void take(struct end *e)
{
    struct span in = conn_input(e->conn);
    size_t n = e->bite > 0 && e->bite < in.n ? e->bite : in.n;
    if (e->line_by_line) {
        ssize_t lf = span_find(in, '\n');
        n = lf < 0 ? 0 : (size_t)lf + 1;
        conn_pause(e->conn, n > 0);
    }
    buf_put(&e->got, in.p, n);
    conn_consume(e->conn, n);
}

static void on_input(struct conn *c, void *arg)
{
    struct end *e = arg;
    e->inputs++;
    assert_true(conn_input(c).n > 0);
    if (!e->refuses)
        take(e);
    if (e->then != NULL)
        e->then(e);
    maybe_free(e, INPUT);
}

static void on_drained(struct conn *c, void *arg)
{
    struct end *e = arg;
    e->drains++;
    assert_int_equal(conn_unsent(c), 0);
    maybe_free(e, DRAINED);
}

static void on_secure(struct conn *c, void *arg)
{
    struct end *e = arg;
    e->secures++;
    assert_true(conn_is_secure(c));
    for (const char *p = e->says; p != NULL && *p != '\0'; p++)
        conn_write(c, p, 1);
    maybe_free(e, SECURE);
}

static void on_closed(struct conn *c, void *arg, const char *why, bool timed_out)
{
    struct end *e = arg;
    e->closes++;
    e->timed_out = timed_out;
    assert_int_equal(span_copy(span_text(why), e->why, sizeof e->why), 0);
    maybe_free(e, CLOSED);
}

static void on_timeout(struct conn *c, void *arg)
{
    struct end *e = arg;
    e->timeouts++;
    maybe_free(e, TIMEOUT);
}

static const struct conn_handler handler = {on_input, on_drained, on_secure, on_closed, NULL};
static const struct conn_handler forgiving = {on_input, on_drained, on_secure, on_closed,
                                              on_timeout};

/* ---- the loop, until something has come to be ---- */

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
    *(bool *)arg = true;
}

#define RUN_UNTIL(condition)                                                                       \
    do {                                                                                           \
        bool late_ = false;                                                                        \
        struct timeval tv_ = {20, 0};                                                              \
        struct event *guard_ = evtimer_new(base, on_guard, &late_);                                \
        (void)evtimer_add(guard_, &tv_);                                                           \
        while (!(condition) && !late_)                                                             \
            (void)event_base_loop(base, EVLOOP_ONCE);                                              \
        event_free(guard_);                                                                        \
        if (!(condition))                                                                          \
            fail_msg("never came: %s", #condition);                                                \
    } while (0)

/* Whatever is ready now is done. */
static void settle(void)
{
    for (int i = 0; i < 50; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
}

/* ---- two ends ---- */

static void make_pair(int fd[2])
{
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd), 0);
}

static void make_tcp_pair(int fd[2])
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(listener >= 0);
    assert_int_equal(bind(listener, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(listener, 1), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&sa, &len), 0);
    fd[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(connect(fd[1], (struct sockaddr *)&sa, sizeof sa), 0);
    fd[0] = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert_true(fd[0] >= 0);
    (void)close(listener);
}

static void open_end(struct end *e, int fd, size_t input_max)
{
    e->conn = conn_new(base, fd, input_max, &handler, e);
}

static void close_end(struct end *e)
{
    conn_free(&e->conn);
    buf_free(&e->got);
}

static void start_tls(struct end *server, struct end *client)
{
    SSL *s = SSL_new(server_ctx), *c = SSL_new(client_ctx);
    SSL_set_accept_state(s);
    SSL_set_connect_state(c);
    conn_start_tls(server->conn, s);
    conn_start_tls(client->conn, c);
    RUN_UNTIL(server->secures == 1 && client->secures == 1);
}

/* a and b are connected, b's input of any size. */
static void open_both(struct end *a, size_t input_max, struct end *b, bool tls)
{
    int fd[2];
    make_pair(fd);
    open_end(a, fd[0], input_max);
    open_end(b, fd[1], 1 << 20);
    if (tls)
        start_tls(a, b);
}

static char *octets(size_t n)
{
    char *p = mem_alloc(n);
    for (size_t i = 0; i < n; i++)
        p[i] = (char)('a' + i % 23);
    return p;
}

static void assert_got(const struct end *e, const char *sent, size_t n)
{
    assert_int_equal(e->got.n, n);
    assert_memory_equal(buf_span(&e->got).p, sent, n);
}

static bool tls_of(void **state)
{
    return *state != NULL;
}

/* ---- reading ---- */

static void a_reader_that_takes_a_little_at_a_time_gets_it_all(void **state)
{
    struct end a = {.bite = 1000}, b = {0};
    char *sent = octets(40000);
    open_both(&a, 4096, &b, tls_of(state));
    conn_write(b.conn, sent, 40000);
    RUN_UNTIL(a.got.n == 40000);
    assert_got(&a, sent, 40000);
    assert_true(a.inputs >= 40);
    assert_true(b.drains >= 1);
    close_end(&a);
    close_end(&b);
    mem_free(&sent);
}

static void no_more_is_held_than_the_reader_allows(void **state)
{
    struct end a = {.refuses = true}, b = {0};
    char *sent = octets(100000);
    open_both(&a, 4096, &b, tls_of(state));
    conn_write(b.conn, sent, 100000);
    settle();
    assert_int_equal(conn_input(a.conn).n, 4096);
    a.refuses = false;
    take(&a);
    RUN_UNTIL(a.got.n == 100000);
    assert_got(&a, sent, 100000);
    close_end(&a);
    close_end(&b);
    mem_free(&sent);
}

static void a_paused_reader_is_given_nothing_until_it_goes_on(void **state)
{
    struct end a = {0}, b = {0};
    char *sent = octets(50000);
    open_both(&a, 16384, &b, tls_of(state));
    conn_pause(a.conn, true);
    conn_write(b.conn, sent, 50000);
    settle();
    assert_int_equal(a.inputs, 0);
    conn_pause(a.conn, false);
    RUN_UNTIL(a.got.n == 50000);
    assert_got(&a, sent, 50000);
    close_end(&a);
    close_end(&b);
    mem_free(&sent);
}

static void a_reader_that_consumes_nothing_is_asked_again_only_when_more_comes(void **state)
{
    struct end a = {.refuses = true}, b = {0};
    open_both(&a, 4096, &b, tls_of(state));
    conn_puts(b.conn, "EH");
    settle();
    assert_int_equal(a.inputs, 1);
    conn_puts(b.conn, "LO");
    settle();
    assert_int_equal(a.inputs, 2);
    assert_int_equal(conn_input(a.conn).n, 4);
    close_end(&a);
    close_end(&b);
}

static void answer_line(struct end *e)
{
    conn_puts(e->conn, "250 OK\r\n");
}

/* ---- the end of the stream ---- */

static void who_half_closes_still_gets_every_answer(void **state)
{
    struct end a = {.line_by_line = true, .then = answer_line}, b = {0};
    open_both(&a, 4096, &b, tls_of(state));
    conn_puts(b.conn, "one\ntwo\nthree\n");
    conn_finish(b.conn);
    for (unsigned i = 1; i <= 3; i++) {
        RUN_UNTIL(a.inputs == i);
        settle();
        assert_int_equal(a.inputs, i);
        assert_int_equal(a.closes, 0);
        conn_pause(a.conn, false);
    }
    RUN_UNTIL(a.closes == 1);
    assert_string_equal(a.why, "closed by the peer");
    assert_false(a.timed_out);
    assert_int_equal(a.got.n, 14);
    close_end(&a);
    close_end(&b);
}

static void octets_of_an_unfinished_line_do_not_hold_up_the_end(void **state)
{
    struct end a = {.refuses = true}, b = {0};
    open_both(&a, 4096, &b, tls_of(state));
    conn_puts(b.conn, "EHLO");
    conn_finish(b.conn);
    RUN_UNTIL(a.closes == 1);
    assert_int_equal(conn_input(a.conn).n, 4);
    close_end(&a);
    close_end(&b);
}

static void finish_sends_all_there_is(void **state)
{
    enum { MUCH = 3 << 20 };
    struct end a = {0}, b = {0};
    char *sent = octets(MUCH);
    open_both(&a, 4096, &b, tls_of(state));
    conn_write(a.conn, sent, MUCH);
    conn_finish(a.conn);
    assert_true(conn_unsent(a.conn) > 0);
    RUN_UNTIL(b.closes == 1);
    assert_got(&b, sent, MUCH);
    assert_string_equal(b.why, "closed by the peer");
    conn_free(&b.conn);
    RUN_UNTIL(a.closes == 1);
    assert_string_equal(a.why, "closed by us");
    close_end(&a);
    close_end(&b);
    mem_free(&sent);
}

/* On TCP a close with octets unread makes the kernel tell the peer to forget what it has not read
 * yet. */
static void the_last_words_arrive_whatever_the_peer_was_saying(void **state)
{
    struct end a = {.refuses = true};
    int fd[2];
    char answer[100], garbage[30000];
    make_tcp_pair(fd);
    open_end(&a, fd[0], 4096);
    memset(garbage, 'x', sizeof garbage);
    assert_int_equal(write(fd[1], garbage, sizeof garbage), sizeof garbage);
    RUN_UNTIL(a.inputs == 1);
    conn_puts(a.conn, "500 no\r\n");
    conn_finish(a.conn);
    settle();
    assert_int_equal(a.closes, 0);
    assert_int_equal(write(fd[1], garbage, sizeof garbage), sizeof garbage);
    settle();
    assert_int_equal(read(fd[1], answer, sizeof answer), 8);
    assert_int_equal(read(fd[1], answer, sizeof answer), 0);
    (void)close(fd[1]);
    RUN_UNTIL(a.closes == 1);
    assert_string_equal(a.why, "closed by us");
    close_end(&a);
}

static void what_the_peer_said_before_it_reset_is_read_by_a_writer_too(void **state)
{
    struct linger now = {1, 0};
    for (int blocked = 0; blocked < 2; blocked++) {
        struct end a = {0};
        size_t n = blocked ? 32u << 20 : 10;
        char *much = octets(n);
        int fd[2];
        make_tcp_pair(fd);
        open_end(&a, fd[0], 4096);
        RUN_UNTIL(a.drains == 1);
        conn_write(a.conn, much, n);
        settle();
        assert_true((conn_unsent(a.conn) > 0) == (blocked == 1));
        assert_int_equal(send(fd[1], "552 no\r\n", 8, 0), 8);
        assert_int_equal(setsockopt(fd[1], SOL_SOCKET, SO_LINGER, &now, sizeof now), 0);
        (void)close(fd[1]);
        RUN_UNTIL(a.closes == 1);
        assert_got(&a, "552 no\r\n", 8);
        assert_string_equal(a.why, "Connection reset by peer");
        close_end(&a);
        mem_free(&much);
    }
}

static void a_peer_that_does_not_close_is_not_waited_for_long(void **state)
{
    struct end a = {0};
    int fd[2];
    int64_t begun = clock_mono_ms();
    make_pair(fd);
    open_end(&a, fd[0], 4096);
    conn_finish(a.conn);
    RUN_UNTIL(a.closes == 1);
    assert_true(clock_mono_ms() - begun >= 1900);
    close_end(&a);
    (void)close(fd[1]);
}

static void a_peer_that_vanishes_under_tls_has_closed(void **state)
{
    struct end a = {0}, b = {0};
    open_both(&a, 4096, &b, true);
    settle(); /* the session tickets are read: the close says nothing else */
    conn_free(&b.conn);
    RUN_UNTIL(a.closes == 1);
    assert_string_equal(a.why, "closed by the peer");
    close_end(&a);
    close_end(&b);
}

/* ---- time ---- */

static void on_trickle(evutil_socket_t fd, short what, void *arg)
{
    struct end *e = arg;
    if (e->conn != NULL)
        conn_puts(e->conn, "x");
}

static void octets_that_trickle_in_do_not_move_the_deadline(void **state)
{
    struct end a = {0}, b = {0};
    const struct timeval interval = {0, 10000};
    open_both(&a, 4096, &b, tls_of(state));
    struct event *trickle = event_new(base, -1, EV_PERSIST, on_trickle, &b);
    (void)event_add(trickle, &interval);
    int64_t begun = clock_mono_ms();
    conn_deadline(a.conn, 100);
    RUN_UNTIL(a.closes == 1);
    assert_true(clock_mono_ms() - begun >= 80); /* the loop looks at a coarse clock */
    assert_true(a.timed_out);
    assert_string_equal(a.why, "timed out");
    assert_true(a.inputs > 1);
    event_free(trickle);
    close_end(&a);
    close_end(&b);
}

static void a_deadline_can_be_taken_away(void **state)
{
    struct end a = {0}, b = {0};
    open_both(&a, 4096, &b, false);
    conn_deadline(a.conn, 20);
    conn_deadline(a.conn, 0);
    conn_deadline(b.conn, 60);
    RUN_UNTIL(b.closes == 1);
    assert_int_equal(a.closes, 0);
    close_end(&a);
    close_end(&b);
}

static void the_peer_can_be_told_that_its_time_is_up(void **state)
{
    struct end a = {0}, b = {0};
    int fd[2];
    make_pair(fd);
    a.conn = conn_new(base, fd[0], 4096, &forgiving, &a);
    open_end(&b, fd[1], 4096);
    if (tls_of(state))
        start_tls(&a, &b);
    conn_deadline(a.conn, 20);
    RUN_UNTIL(a.timeouts == 1);
    assert_int_equal(a.closes, 0);
    conn_puts(a.conn, "421 timeout\r\n");
    conn_finish(a.conn);
    RUN_UNTIL(b.closes == 1);
    assert_got(&b, "421 timeout\r\n", 13);
    conn_free(&b.conn);
    RUN_UNTIL(a.closes == 1);
    assert_false(a.timed_out);
    close_end(&a);
    close_end(&b);
}

static void a_peer_that_reads_nothing_meets_the_deadline(void **state)
{
    struct end a = {0};
    int fd[2];
    char *sent = octets(4 << 20);
    make_pair(fd);
    open_end(&a, fd[0], 4096);
    conn_deadline(a.conn, 50);
    conn_write(a.conn, sent, 4 << 20);
    conn_finish(a.conn);
    RUN_UNTIL(a.closes == 1);
    assert_true(a.timed_out);
    close_end(&a);
    (void)close(fd[1]);
    mem_free(&sent);
}

/* ---- TLS ---- */

static void accept_tls(struct end *e)
{
    if (e->inputs > 1)
        return;
    SSL *ssl = SSL_new(server_ctx);
    SSL_set_accept_state(ssl);
    conn_puts(e->conn, "220 go ahead\r\n");
    conn_start_tls(e->conn, ssl);
}

static void clear_octets_never_count_as_said_under_tls(void **state)
{
    struct end a = {.bite = 10, .then = accept_tls}, b = {0};
    open_both(&a, 4096, &b, false);
    conn_puts(b.conn, "STARTTLS\r\nRSET\r\n");
    RUN_UNTIL(b.got.n > 0);
    assert_got(&b, "220 go ahead\r\n", 14);
    SSL *ssl = SSL_new(client_ctx);
    SSL_set_connect_state(ssl);
    conn_start_tls(b.conn, ssl);
    RUN_UNTIL(a.secures == 1 && b.secures == 1);
    settle();
    assert_int_equal(conn_input(a.conn).n, 0);
    conn_puts(b.conn, "NOOP\r\n");
    RUN_UNTIL(a.got.n == 16);
    assert_got(&a, "STARTTLS\r\nNOOP\r\n", 16);
    assert_int_equal(a.inputs, 2);
    close_end(&a);
    close_end(&b);
}

/* They are in the process already, and the socket has nothing more to tell. */
static void records_that_come_with_the_end_of_the_handshake_are_given(void **state)
{
    struct end a = {0}, b = {.says = "abcdefghijklmnopqrstuvwxyz0123456789"};
    open_both(&a, 4096, &b, true);
    RUN_UNTIL(a.got.n == 36);
    assert_got(&a, b.says, 36);
    close_end(&a);
    close_end(&b);
}

static void garbage_instead_of_a_handshake_ends_the_stream(void **state)
{
    struct end a = {0}, b = {0};
    open_both(&a, 4096, &b, false);
    SSL *ssl = SSL_new(server_ctx);
    SSL_set_accept_state(ssl);
    conn_start_tls(a.conn, ssl);
    conn_puts(b.conn, "EHLO this.is.no.handshake.example\r\n");
    RUN_UNTIL(a.closes == 1);
    assert_memory_equal(a.why, "TLS: ", 5);
    assert_null(conn_ssl(a.conn));
    close_end(&a);
    close_end(&b);
}

static void a_handshake_meets_the_deadline(void **state)
{
    struct end a = {0}, b = {0};
    open_both(&a, 4096, &b, false);
    SSL *ssl = SSL_new(server_ctx);
    SSL_set_accept_state(ssl);
    conn_start_tls(a.conn, ssl);
    conn_deadline(a.conn, 30);
    RUN_UNTIL(a.closes == 1);
    assert_true(a.timed_out);
    close_end(&a);
    close_end(&b);
}

static void finish_ends_a_handshake_too(void **state)
{
    struct end a = {0}, b = {0};
    open_both(&a, 4096, &b, false);
    SSL *ssl = SSL_new(server_ctx);
    SSL_set_accept_state(ssl);
    conn_start_tls(a.conn, ssl);
    settle();
    conn_finish(a.conn);
    RUN_UNTIL(a.closes == 1);
    assert_string_equal(a.why, "closed by us");
    close_end(&a);
    close_end(&b);
}

static void both_sides_can_write_much_at_once(void **state)
{
    enum { MUCH = 2 << 20 };
    struct end a = {0}, b = {0};
    char *sent = octets(MUCH);
    open_both(&a, 8192, &b, tls_of(state));
    conn_write(a.conn, sent, MUCH);
    conn_write(b.conn, sent, MUCH);
    RUN_UNTIL(a.got.n == MUCH && b.got.n == MUCH);
    assert_got(&a, sent, MUCH);
    assert_got(&b, sent, MUCH);
    RUN_UNTIL(a.drains > 0 && b.drains > 0);
    close_end(&a);
    close_end(&b);
    mem_free(&sent);
}

/* ---- secrets ---- */

static void what_a_secret_stream_consumed_is_overwritten(void **state)
{
    static const char zeros[8] = {0};
    struct end a = {.refuses = true}, b = {0};
    open_both(&a, 4096, &b, tls_of(state));
    conn_set_secret(a.conn, true);
    conn_puts(b.conn, "password and more");
    RUN_UNTIL(a.inputs == 1);
    const unsigned char *p = conn_input(a.conn).p;
    conn_consume(a.conn, 8);
    assert_memory_equal(p, zeros, 8);
    assert_true(span_is(conn_input(a.conn), " and more"));
    close_end(&a);
    close_end(&b);
}

/* ---- freeing ---- */

static void free_in(enum callback which, bool tls)
{
    struct end a = {.frees_in = which}, b = {0};
    int fd[2];
    make_pair(fd);
    a.conn = conn_new(base, fd[0], 4096, &forgiving, &a);
    open_end(&b, fd[1], 4096);
    SSL *s = SSL_new(server_ctx), *c = SSL_new(client_ctx);
    SSL_set_accept_state(s);
    SSL_set_connect_state(c);
    if (tls) {
        conn_start_tls(a.conn, s);
        conn_start_tls(b.conn, c);
        RUN_UNTIL(a.conn == NULL || (a.secures == 1 && b.secures == 1));
    } else {
        SSL_free(s);
        SSL_free(c);
    }
    if (a.conn != NULL) {
        conn_puts(b.conn, "one");
        if (which == DRAINED)
            conn_puts(a.conn, "two");
        if (which == TIMEOUT)
            conn_deadline(a.conn, 1);
        if (which == CLOSED)
            conn_free(&b.conn);
    }
    RUN_UNTIL(a.conn == NULL);
    settle();
    close_end(&a);
    close_end(&b);
}

static void it_can_be_freed_in_any_callback(void **state)
{
    for (int tls = 0; tls <= 1; tls++) {
        free_in(INPUT, tls);
        free_in(DRAINED, tls);
        free_in(CLOSED, tls);
        free_in(TIMEOUT, tls);
    }
    free_in(SECURE, true);
}

/* ---- connecting ---- */

static int listen_anywhere(struct sockaddr_in *sa)
{
    socklen_t len = sizeof *sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *sa = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(bind(fd, (struct sockaddr *)sa, sizeof *sa), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)sa, &len), 0);
    return fd;
}

static void connecting_tells_how_it_went(void **state)
{
    struct sockaddr_in sa;
    struct end a = {0};
    int listener = listen_anywhere(&sa);
    open_end(&a, conn_connect(&sa, sizeof sa, NULL, 0), 4096);
    RUN_UNTIL(a.drains == 1);
    close_end(&a);
    (void)close(listener);

    struct end b = {0};
    int fd = conn_connect(&sa, sizeof sa, NULL, 0);
    if (fd < 0) {
        assert_int_equal(errno, ECONNREFUSED);
        return;
    }
    open_end(&b, fd, 4096);
    RUN_UNTIL(b.closes == 1);
    assert_string_equal(b.why, "Connection refused");
    assert_int_equal(b.drains, 0);
    close_end(&b);
}

/* ---- set-up ---- */

static SSL_CTX *make_server(void)
{
    static const char *const names[] = {"localhost"};
    struct tlskey *key = tlskey_generate();
    struct buf pem = {0}, certificate = {0};
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert_int_equal(tlskey_self_sign(key, names, 1, 1, &certificate, NULL), 0);
    tlskey_write(key, &pem);
    BIO *in = BIO_new_mem_buf(buf_span(&pem).p, (int)pem.n);
    EVP_PKEY *private_key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    BIO_free(in);
    in = BIO_new_mem_buf(buf_span(&certificate).p, (int)certificate.n);
    X509 *own = PEM_read_bio_X509(in, NULL, NULL, NULL);
    BIO_free(in);
    assert_int_equal(SSL_CTX_use_certificate(ctx, own), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, private_key), 1);
    tls_context_defaults(ctx);
    X509_free(own);
    EVP_PKEY_free(private_key);
    tlskey_free(&key);
    buf_wipe(&pem);
    buf_free(&certificate);
    return ctx;
}

static int set_up(void **state)
{
    struct fail f;
    if (tls_init(&f) != 0)
        return -1;
    server_ctx = make_server();
    client_ctx = SSL_CTX_new(TLS_client_method());
    tls_context_defaults(client_ctx);
    return 0;
}

static int tear_down(void **state)
{
    SSL_CTX_free(server_ctx);
    SSL_CTX_free(client_ctx);
    return 0;
}

/* Each test has its own loop: an assertion that fails in a callback never returns to it. */
static int open_loop(void **state)
{
    base = event_base_new();
    return base == NULL ? -1 : 0;
}

static int close_loop(void **state)
{
    event_base_free(base);
    return 0;
}

#define ONE(test) cmocka_unit_test_setup_teardown(test, open_loop, close_loop)
#define BOTH(test)                                                                                 \
    ONE(test),                                                                                     \
    {                                                                                              \
#test " (TLS)", test, open_loop, close_loop, (void *)"tls"                                 \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(a_reader_that_takes_a_little_at_a_time_gets_it_all),
        BOTH(no_more_is_held_than_the_reader_allows),
        BOTH(a_paused_reader_is_given_nothing_until_it_goes_on),
        BOTH(a_reader_that_consumes_nothing_is_asked_again_only_when_more_comes),
        BOTH(who_half_closes_still_gets_every_answer),
        BOTH(octets_of_an_unfinished_line_do_not_hold_up_the_end),
        BOTH(finish_sends_all_there_is),
        ONE(the_last_words_arrive_whatever_the_peer_was_saying),
        ONE(what_the_peer_said_before_it_reset_is_read_by_a_writer_too),
        ONE(a_peer_that_does_not_close_is_not_waited_for_long),
        ONE(a_peer_that_vanishes_under_tls_has_closed),
        BOTH(octets_that_trickle_in_do_not_move_the_deadline),
        ONE(a_deadline_can_be_taken_away),
        BOTH(the_peer_can_be_told_that_its_time_is_up),
        ONE(a_peer_that_reads_nothing_meets_the_deadline),
        ONE(clear_octets_never_count_as_said_under_tls),
        ONE(records_that_come_with_the_end_of_the_handshake_are_given),
        ONE(garbage_instead_of_a_handshake_ends_the_stream),
        ONE(a_handshake_meets_the_deadline),
        ONE(finish_ends_a_handshake_too),
        BOTH(both_sides_can_write_much_at_once),
        BOTH(what_a_secret_stream_consumed_is_overwritten),
        ONE(it_can_be_freed_in_any_callback),
        ONE(connecting_tells_how_it_went),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
