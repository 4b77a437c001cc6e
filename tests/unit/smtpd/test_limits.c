#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "clock.h"
#include "handover.h"
#include "mem.h"
#include "session.h"
#include "world.h"

static struct world w;

/* ---- limits ---- */

static bool has_enough(void *arg)
{
    return w.arrived_n >= *(size_t *)arg;
}

static void only_so_many_messages_are_with_the_queue_at_once(void **state)
{
    enum { MANY = HANDOVER_MAX + 30 };
    static struct client_end c[MANY];
    struct rlimit limit;
    size_t all = MANY;
    (void)getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    if (limit.rlim_max < 12 * MANY || setrlimit(RLIMIT_NOFILE, &limit) != 0)
        skip();
    world_open(&w, "connections-per-address 1000");
    w.queue_mode = QUEUE_WAITS;
    for (size_t i = 0; i < MANY; i++) {
        client_begin(&c[i], &w, PORT_SMTP);
        client_send_message(&c[i]);
    }
    world_settle(&w);
    assert_int_equal(w.arrived_n, HANDOVER_MAX);
    client_close(&c[MANY - 1]); /* whoever waits may go away; its message is taken all the same */
    world_settle(&w);
    world_accept_all(&w);
    world_until(&w, has_enough, &all, "the messages that waited");
    world_accept_all(&w);
    for (size_t i = 0; i < MANY - 1; i++) {
        client_expect(&c[i], 250, "queued");
        client_close(&c[i]);
    }
    assert_int_equal(w.arrived_n, all);
    world_close(&w);
}

static void all_processes_together_leave_the_queue_descriptors(void **state)
{
    static const struct {
        const char *workers;
        unsigned each;
    } cases[] = {
        {"smtpd 1", 32}, {"", 21}, {"smtpd 2  webapi 6", 8}, {"smtpd 16", 3}, {"smtpd 64", 1},
    };
    struct rlimit before;
    (void)getrlimit(RLIMIT_NOFILE, &before);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *more = mem_format("}\nworkers { %s", cases[i].workers);
        struct rlimit limit = {256, before.rlim_max}; /* of which 64 are for other things */
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        world_open(&w, more);
        assert_int_equal(w.server.settings->outstanding, cases[i].each);
        world_close(&w);
        mem_free(&more);
    }
    (void)setrlimit(RLIMIT_NOFILE, &before);
}

static char *message_of(size_t n)
{
    struct buf b = {0};
    buf_puts(&b, "Subject: big\r\n\r\n");
    while (b.n < n)
        buf_puts(&b, "0123456789 0123456789 0123456789 0123456789 0123456789 012345678\r\n");
    return buf_take_text(&b);
}

static bool holds_much(void *arg)
{
    return w.server.memory >= 700000;
}

static void memory_for_messages_is_shared_and_bounded(void **state)
{
    struct client_end a, b;
    char *big = message_of(700000);
    world_open(&w, "message-size 1M  memory 1M");
    w.server.settings->slow_down = 0;
    client_begin(&a, &w, PORT_SMTP);
    client_begin(&b, &w, PORT_SMTP);
    client_envelope(&a);
    client_envelope(&b);
    client_ask(&a, "DATA", 354, NULL);
    client_ask(&b, "DATA", 354, NULL);
    client_send(&a, big);
    world_until(&w, holds_much, NULL, "the first message");
    client_send(&b, big);
    client_ask(&b, ".", 452, "4.3.1");
    assert_true(w.server.memory < 800000);
    client_ask(&b, "MAIL FROM:<> SIZE=400000", 452, "4.3.1");
    client_ask(&b, "MAIL FROM:<> SIZE=1000", 250, NULL);
    client_ask(&a, ".", 250, "queued");
    world_settle(&w);
    assert_int_equal(w.server.memory, 0);
    client_ask(&b, "RSET", 250, NULL);
    client_ask(&b, "MAIL FROM:<> SIZE=400000", 250, NULL);
    client_close(&a);
    client_close(&b);
    mem_free(&big);
    world_close(&w);
}

static void whoever_begins_a_message_waits_as_memory_gets_short(void **state)
{
    struct client_end a, b;
    char *big = message_of(700000);
    world_open(&w, "message-size 1M  memory 1M");
    w.server.settings->slow_down = 1000;
    client_begin(&a, &w, PORT_SMTP);
    client_begin(&b, &w, PORT_SMTP);
    assert_int_equal(server_delay_ms(&w.server, w.server.settings), 0);
    client_envelope(&a);
    client_ask(&a, "DATA", 354, NULL);
    client_send(&a, big);
    world_until(&w, holds_much, NULL, "the message");
    assert_true(w.server.memory_short);
    int64_t begun = clock_mono_ms(), delay = server_delay_ms(&w.server, w.server.settings);
    assert_in_range(delay, 300, 400); /* a third of the half is gone */
    client_send(&b, "MAIL FROM:<>\r\nNOOP\r\n");
    client_expect_silence(&b);
    client_expect(&b, 250, "2.1.0 sender taken");
    client_expect(&b, 250, NULL);
    assert_true(clock_mono_ms() - begun >=
                delay / 2); /* the timer counts from when its turn began */
    client_ask(&a, ".", 250, "queued");
    world_settle(&w);
    assert_false(w.server.memory_short);
    client_ask(&b, "RSET", 250, NULL);
    assert_int_equal(server_delay_ms(&w.server, w.server.settings), 0);
    client_close(&a);
    client_close(&b);
    mem_free(&big);
    world_close(&w);
}

static void memory_is_taken_by_recipients_too(void **state)
{
    struct client_end c;
    char line[64];
    size_t n = 0;
    world_open(&w, "message-size 1M  memory 1M  recipients 100000");
    client_begin(&c, &w, PORT_SMTP);
    client_ask(&c, "MAIL FROM:<a@elsewhere.example>", 250, NULL);
    while (w.server.memory + 2048 <= 1 << 20) {
        (void)snprintf(line, sizeof line, "RCPT TO:<qm+%zu@test.example>", n++);
        client_ask(&c, line, 250, NULL);
    }
    assert_true(n > 5000);
    client_ask(&c, "RCPT TO:<qm@test.example>", 452, "4.3.1");
    client_ask(&c, "RSET", 250, NULL);
    assert_int_equal(w.server.memory, 0);
    client_close(&c);
    world_close(&w);
}

/* All that is told of them has to go over the channel to the queue in one piece. */
static void recipients_are_bounded_by_their_octets_too(void **state)
{
    enum { AT_ONCE = 500 };
    struct client_end c;
    char filler[400];
    bool full = false;
    size_t n = 0;
    memset(filler, 'x', sizeof filler - 1);
    filler[sizeof filler - 1] = '\0';
    world_open(&w, "local-recipients 100000");
    client_begin(&c, &w, PORT_LOCAL);
    client_ask(&c, "MAIL FROM:<root>", 250, NULL);
    while (!full && n < 100000) {
        struct buf lines = {0};
        for (int i = 0; i < AT_ONCE; i++, n++)
            buf_putf(&lines, "RCPT TO:<%zu@%.60s.%.60s.%.60s.%.60s.example> ORCPT=rfc822;%s\r\n", n,
                     filler, filler, filler, filler, filler);
        client_send(&c, buf_text(&lines));
        buf_free(&lines);
        for (int i = 0; i < AT_ONCE; i++) {
            client_expect(&c, full ? 452 : 0, NULL);
            full = c.parser.reply.code == 452;
        }
    }
    assert_true(full);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "Subject: x\r\n\r\n.", 250, NULL);
    assert_true(w.arrived[0].envelope->recipients_n > 40000);
    client_close(&c);
    world_close(&w);
}

static void size_is_checked_when_it_is_said_and_when_it_has_come(void **state)
{
    struct client_end c;
    char *big = message_of(70000);
    world_open(&w, "message-size 64K");
    client_begin(&c, &w, PORT_SMTP);
    client_ask(&c, "MAIL FROM:<> SIZE=65537", 552, "5.3.4");
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_send(&c, big);
    client_ask(&c, ".", 552, "5.3.4");
    client_ask(&c, "NOOP", 250, NULL);
    client_close(&c);
    mem_free(&big);
    world_close(&w);
}

static void a_header_without_end_is_not_kept(void **state)
{
    struct client_end c;
    struct buf header = {0};
    world_open(&w, "");
    for (int i = 0; i < 20000; i++)
        buf_puts(&header, "X-Long: 0123456789 0123456789 0123456789 0123456789 012345678\r\n");
    client_begin(&c, &w, PORT_SMTP);
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    uint64_t before = w.server.memory;
    client_send(&c, buf_text(&header));
    world_settle(&w);
    assert_int_equal(w.server.memory, before);
    client_ask(&c, ".", 552, "5.3.4 header");
    client_close(&c);
    buf_free(&header);
    world_close(&w);
}

static void too_many_mistakes_end_the_connection(void **state)
{
    struct client_end c;
    world_open(&w, "errors 3");
    client_begin(&c, &w, PORT_SMTP);
    client_ask(&c, "FROB", 500, "5.5.1");
    client_ask(&c, "RCPT TO:<a@b>", 503, NULL);
    client_ask(&c, "FROB", 421, "4.7.0");
    client_expect_end(&c);
    client_close(&c);
    world_close(&w);
}

static void whoever_only_idles_is_stopped(void **state)
{
    static const struct {
        const char *line;
        int code;
    } cases[] = {{"NOOP", 250},         {"RSET", 250},           {"VRFY anybody", 252},
                 {"HELP", 214},         {"EHLO c.example", 250}, {"HELO c.example", 250},
                 {"EXPN somebody", 252}};
    struct client_end c;
    world_open(&w, "idle-commands 4");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        client_begin(&c, &w, PORT_SMTP); /* which says EHLO */
        client_ask(&c, "NOOP", 250, NULL);
        client_envelope(&c); /* begins the count anew */
        client_ask(&c, "RSET", 250, NULL);
        client_ask(&c, "NOOP", 250, NULL);
        client_ask(&c, "MAIL FROM:<a@elsewhere.example>", 250, NULL); /* by itself that is no use */
        client_ask(&c, "RSET", 250, NULL);
        client_ask(&c, cases[i].line, cases[i].code, NULL);
        client_ask(&c, cases[i].line, 421, "4.7.0");
        client_expect_end(&c);
        client_close(&c);
    }
    world_close(&w);
}

static void whoever_guesses_addresses_is_stopped(void **state)
{
    struct client_end c;
    world_open(&w, "errors 3");
    client_begin(&c, &w, PORT_SMTP);
    client_ask(&c, "MAIL FROM:<>", 250, NULL);
    client_ask(&c, "RCPT TO:<a@test.example>", 550, "5.1.1");
    client_ask(&c, "RCPT TO:<b@test.example>", 550, "5.1.1");
    client_ask(&c, "RCPT TO:<c@test.example>", 421, "4.7.0");
    client_expect_end(&c);
    client_close(&c);
    world_close(&w);
}

static void a_mistake_costs_time(void **state)
{
    struct client_end c;
    world_open(&w, "delay 1s");
    client_begin(&c, &w, PORT_SMTP);
    int64_t begun = clock_mono_ms();
    client_send(&c, "NOOP\r\nFROB\r\nNOOP\r\n");
    client_expect(&c, 250, NULL);
    client_expect_silence(&c);
    client_expect(&c, 500, NULL);
    client_expect(&c, 250, NULL);
    assert_true(clock_mono_ms() - begun >= 900);
    client_close(&c);
    world_close(&w);
}

static void a_silent_client_is_told_and_closed(void **state)
{
    struct client_end idle, busy;
    world_open(&w, "command-timeout 1s  data-timeout 1s");
    client_begin(&idle, &w, PORT_SMTP);
    client_begin(&busy, &w, PORT_SMTP);
    client_send_message(&busy);
    client_expect(&busy, 250, "queued");
    client_envelope(&busy);
    client_ask(&busy, "DATA", 354, NULL);
    client_send(&busy, "Subject: half");
    client_expect(&idle, 421, "4.4.2");
    client_expect(&busy, 421, "4.4.2");
    client_expect_end(&idle);
    client_expect_end(&busy);
    client_close(&idle);
    client_close(&busy);
    world_close(&w);
}

static void on_trickle(evutil_socket_t fd, short what, void *arg)
{
    struct client_end *c = arg;
    (void)send(c->fd, "x", 1, MSG_NOSIGNAL);
}

static void octets_that_trickle_in_are_no_command(void **state)
{
    struct client_end c;
    const struct timeval interval = {0, 50000};
    world_open(&w, "command-timeout 1s");
    client_begin(&c, &w, PORT_SMTP);
    struct event *trickle = event_new(w.base, -1, EV_PERSIST, on_trickle, &c);
    (void)event_add(trickle, &interval);
    int64_t begun = clock_mono_ms();
    client_expect(&c, 421, "4.4.2");
    assert_true(clock_mono_ms() - begun < 5000);
    event_free(trickle);
    client_close(&c);
    world_close(&w);
}

static void a_message_has_its_time_in_all(void **state)
{
    struct client_end c;
    const struct timeval interval = {0, 50000};
    world_open(&w, "data-total 1s  data-timeout 1m");
    client_begin(&c, &w, PORT_SMTP);
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    struct event *trickle = event_new(w.base, -1, EV_PERSIST, on_trickle, &c);
    (void)event_add(trickle, &interval);
    client_expect(&c, 421, "4.4.2");
    event_free(trickle);
    client_close(&c);
    world_close(&w);
}

/* Opens a connection that the server turns away. */
static void open_and_be_refused(const char *text)
{
    struct client_end c;
    client_connect(&c, &w, PORT_SMTP);
    client_expect(&c, 421, text);
    client_expect_end(&c);
    client_close(&c);
}

/* A client that begins with TLS could not read a word in clear. */
static void open_submissions_and_be_closed(void)
{
    struct client_end c;
    struct port *smtp = &w.server.settings->ports[0];
    assert_int_equal(smtp->kind, PORT_SMTP);
    smtp->kind = PORT_SUBMISSIONS;
    client_connect(&c, &w, PORT_SMTP);
    client_expect_end(&c);
    smtp->kind = PORT_SMTP;
    client_close(&c);
}

static void connections_are_counted(void **state)
{
    struct client_end a, b, local;
    world_open(&w, "connections-per-address 2  connections 3");
    client_open(&a, &w, PORT_SMTP);
    client_open(&b, &w, PORT_SUBMISSION);
    open_and_be_refused("4.7.0 too many connections from your address");
    client_open(&local, &w, PORT_LOCAL);
    client_close(&b);
    world_settle(&w);
    client_open(&b, &w, PORT_LOCAL);
    open_and_be_refused("4.7.0 too many connections, try again later");
    open_submissions_and_be_closed();
    client_close(&a);
    client_close(&b);
    client_close(&local);
    world_close(&w);
}

/* Over a local socket, whose buffers in the kernel do not grow. */
static void a_client_that_reads_nothing_is_not_read_from(void **state)
{
    enum { MANY = 200000 };
    struct client_end c;
    size_t sent = 0;
    int idle = 0;
    world_open(&w, "idle-commands 1000000");
    client_begin(&c, &w, PORT_LOCAL);
    for (; sent < MANY && idle < 200; idle++) {
        if (send(c.fd, "NOOP\r\n", 6, MSG_NOSIGNAL) == 6) {
            sent++;
            idle = 0;
        }
        (void)event_base_loop(w.base, EVLOOP_NONBLOCK);
    }
    const struct session *s = TAILQ_FIRST(&w.server.sessions);
    assert_true(sent < MANY);
    assert_true(conn_unsent(s->conn) > 0 && conn_unsent(s->conn) < 200000);
    for (size_t i = 0; i < sent; i++)
        client_expect(&c, 250, NULL);
    client_close(&c);
    world_close(&w);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
    /* The loop had a turn. */
}

static bool is_over(void *arg)
{
    return clock_mono_ms() >= *(int64_t *)arg;
}

static void a_client_has_its_time_for_each_command(void **state)
{
    struct client_end c;
    world_open(&w, "command-timeout 1s");
    client_begin(&c, &w, PORT_SMTP);
    for (int i = 0; i < 4; i++) {
        int64_t until = clock_mono_ms() + 500;
        const struct timeval tick = {0, 10000};
        struct event *ticker = event_new(w.base, -1, EV_PERSIST, on_tick, NULL);
        (void)event_add(ticker, &tick);
        world_until(&w, is_over, &until, "the time");
        event_free(ticker);
        client_ask(&c, "NOOP", 250, NULL);
    }
    client_close(&c);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_so_many_messages_are_with_the_queue_at_once),
        cmocka_unit_test(all_processes_together_leave_the_queue_descriptors),
        cmocka_unit_test(memory_for_messages_is_shared_and_bounded),
        cmocka_unit_test(whoever_begins_a_message_waits_as_memory_gets_short),
        cmocka_unit_test(memory_is_taken_by_recipients_too),
        cmocka_unit_test(recipients_are_bounded_by_their_octets_too),
        cmocka_unit_test(size_is_checked_when_it_is_said_and_when_it_has_come),
        cmocka_unit_test(a_header_without_end_is_not_kept),
        cmocka_unit_test(too_many_mistakes_end_the_connection),
        cmocka_unit_test(whoever_only_idles_is_stopped),
        cmocka_unit_test(whoever_guesses_addresses_is_stopped),
        cmocka_unit_test(a_mistake_costs_time),
        cmocka_unit_test(a_silent_client_is_told_and_closed),
        cmocka_unit_test(octets_that_trickle_in_are_no_command),
        cmocka_unit_test(a_message_has_its_time_in_all),
        cmocka_unit_test(connections_are_counted),
        cmocka_unit_test(a_client_that_reads_nothing_is_not_read_from),
        cmocka_unit_test(a_client_has_its_time_for_each_command),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
