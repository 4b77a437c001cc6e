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
#include "dialog.h"

/* ---- from the client to the queue ---- */

static void a_message_goes_into_the_queue_as_it_came(void **state)
{
    struct client_end c;
    world_open(&w, "");
    begin(&c, PORT_SMTP);
    send_one(&c);
    client_expect(&c, 250, "2.0.0 queued as 1");
    client_ask(&c, "QUIT", 221, NULL);
    client_expect_end(&c);
    client_close(&c);
    assert_int_equal(w.arrived_n, 1);
    const struct submit_envelope *e = w.arrived[0].envelope;
    assert_int_equal(e->origin, SUBMIT_SMTP);
    assert_int_equal(e->flags, 0);
    assert_string_equal(e->account, "");
    assert_string_equal(e->sender, "a@elsewhere.example");
    assert_int_equal(e->recipients_n, 1);
    assert_string_equal(e->recipients[0].address, "qm@test.example");
    assert_string_equal(e->subject, "hello");
    assert_string_equal(e->client, "127.0.0.1 ESMTP");
    assert_memory_equal(body(0), "Received: from client.example ([127.0.0.1]) by mx.test.example",
                        62);
    assert_non_null(strstr(
        body(0), "\r\nSubject: hello\r\nFrom: <a@elsewhere.example>\r\n\r\n.stuffed\r\nbody\r\n"));
    world_close(&w);
}

static void nothing_is_promised_before_the_queue_has_it(void **state)
{
    struct client_end c;
    world_open(&w, "");
    w.queue_mode = QUEUE_WAITS;
    begin(&c, PORT_SMTP);
    send_one(&c);
    client_send(&c, "NOOP\r\n");
    client_expect_silence(&c);
    assert_int_equal(w.arrived_n, 1);
    world_accept_all(&w);
    client_expect(&c, 250, "queued");
    client_expect(&c, 250, "still here");
    client_close(&c);
    world_close(&w);
}

static void what_the_queue_refuses_is_refused(void **state)
{
    struct client_end c;
    world_open(&w, "");
    w.queue_mode = QUEUE_REFUSES;
    begin(&c, PORT_SMTP);
    send_one(&c);
    client_expect(&c, 452, "4.3.1 no room in the queue");
    w.queue_mode = QUEUE_ACCEPTS;
    send_one(&c);
    client_expect(&c, 250, "queued");
    client_close(&c);
    world_close(&w);
}

static void a_queue_that_goes_away_is_no_promise(void **state)
{
    struct client_end c;
    world_open(&w, "");
    w.queue_mode = QUEUE_WAITS;
    begin(&c, PORT_SMTP);
    send_one(&c);
    client_expect_silence(&c);
    world_lose_queue(&w);
    client_expect(&c, 451, "4.3.0");
    client_ask(&c, "MAIL FROM:<>", 451, "4.3.0");
    world_link_queue(&w);
    w.queue_mode = QUEUE_ACCEPTS;
    send_one(&c);
    client_expect(&c, 250, "queued");
    client_close(&c);
    world_close(&w);
}

static void a_new_channel_takes_the_place_of_the_old(void **state)
{
    struct client_end c;
    world_open(&w, "");
    w.queue_mode = QUEUE_WAITS;
    begin(&c, PORT_SMTP);
    send_one(&c);
    client_expect_silence(&c);
    world_link_queue(&w);
    client_expect(&c, 451, "4.3.0");
    client_close(&c);
    world_close(&w);
}

/* Two whole messages and more in one piece, and then the client says no more. */
static void a_client_that_says_all_at_once_gets_every_reply(void **state)
{
    struct client_end c;
    char *all = mem_format("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<qm@test.example>\r\nDATA\r\n%s"
                           "MAIL FROM:<>\r\nRCPT TO:<no@test.example>\r\nRCPT "
                           "TO:<qm@test.example>\r\nDATA\r\n%sQUIT\r\n",
                           message, message);
    world_open(&w, "");
    client_open(&c, &w, PORT_SMTP);
    client_send(&c, all);
    (void)shutdown(c.fd, SHUT_WR);
    static const int codes[] = {250, 250, 250, 354, 250, 250, 550, 250, 354, 250, 221};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++)
        client_expect(&c, codes[i], NULL);
    client_expect_end(&c);
    assert_int_equal(w.arrived_n, 2);
    client_close(&c);
    mem_free(&all);
    world_close(&w);
}

static void octets_may_come_one_by_one(void **state)
{
    struct client_end c;
    char one[2] = {0};
    world_open(&w, "");
    begin(&c, PORT_SMTP);
    envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    for (const char *p = message; *p != '\0'; p++) {
        one[0] = *p;
        client_send(&c, one);
        world_settle(&w);
    }
    client_expect(&c, 250, "queued");
    assert_non_null(strstr(body(0), "\r\n.stuffed\r\nbody\r\n"));
    client_close(&c);
    world_close(&w);
}

/* ---- clients that go away ---- */

static void a_client_may_vanish_at_any_octet(void **state)
{
    char *all = mem_format(
        "EHLO x\r\nAUTH PLAIN bixyLGZpcnN0\r\n*\r\nMAIL FROM:<>\r\nRCPT TO:<qm@test.example>\r\n"
        "DATA\r\n%sQUIT\r\n",
        message);
    size_t n = strlen(all);
    world_open(&w, "errors 1000");
    for (size_t i = 0; i <= n; i++) {
        struct client_end c;
        char *some = mem_textn(all, i);
        w.queue_mode = i % 2 == 0 ? QUEUE_ACCEPTS : QUEUE_WAITS;
        client_open(&c, &w, i % 3 == 0 ? PORT_LOCAL : PORT_SMTP);
        client_send(&c, some);
        if (i % 5 == 0)
            world_settle(&w);
        client_close(&c);
        world_settle(&w);
        world_accept_all(&w);
        world_settle(&w);
        assert_int_equal(w.server.sessions_n, 0);
        assert_int_equal(w.server.memory, 0);
        mem_free(&some);
    }
    mem_free(&all);
    world_close(&w);
}

static void a_message_under_way_does_not_need_its_client(void **state)
{
    struct client_end c;
    world_open(&w, "");
    w.queue_mode = QUEUE_WAITS;
    begin(&c, PORT_SMTP);
    send_one(&c);
    client_expect_silence(&c);
    assert_true(w.server.memory > 0);
    client_close(&c);
    world_settle(&w);
    world_accept_all(&w);
    world_settle(&w);
    assert_int_equal(w.server.memory, 0);
    world_close(&w);
}

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
    if (limit.rlim_max < 5 * MANY || setrlimit(RLIMIT_NOFILE, &limit) != 0)
        skip();
    world_open(&w, "connections-per-address 1000");
    w.queue_mode = QUEUE_WAITS;
    for (size_t i = 0; i < MANY; i++) {
        begin(&c[i], PORT_SMTP);
        send_one(&c[i]);
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
    world_open(&w, "memory 1M");
    begin(&a, PORT_SMTP);
    begin(&b, PORT_SMTP);
    envelope(&a);
    envelope(&b);
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

static void size_is_checked_when_it_is_said_and_when_it_has_come(void **state)
{
    struct client_end c;
    char *big = message_of(70000);
    world_open(&w, "message-size 64K");
    begin(&c, PORT_SMTP);
    client_ask(&c, "MAIL FROM:<> SIZE=65537", 552, "5.3.4");
    envelope(&c);
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
    begin(&c, PORT_SMTP);
    envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_send(&c, buf_text(&header));
    world_settle(&w);
    assert_int_equal(w.server.memory, 0);
    client_ask(&c, ".", 552, "5.3.4 header");
    client_close(&c);
    buf_free(&header);
    world_close(&w);
}

static void too_many_mistakes_end_the_connection(void **state)
{
    struct client_end c;
    world_open(&w, "errors 3");
    begin(&c, PORT_SMTP);
    client_ask(&c, "FROB", 500, "5.5.1");
    client_ask(&c, "RCPT TO:<a@b>", 503, NULL);
    client_ask(&c, "FROB", 421, "4.7.0");
    client_expect_end(&c);
    client_close(&c);
    world_close(&w);
}

static void whoever_guesses_addresses_is_stopped(void **state)
{
    struct client_end c;
    world_open(&w, "errors 3");
    begin(&c, PORT_SMTP);
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
    begin(&c, PORT_SMTP);
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
    begin(&idle, PORT_SMTP);
    begin(&busy, PORT_SMTP);
    send_one(&busy);
    client_expect(&busy, 250, "queued");
    envelope(&busy);
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
    begin(&c, PORT_SMTP);
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
    begin(&c, PORT_SMTP);
    envelope(&c);
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
    client_close(&a);
    client_close(&b);
    client_close(&local);
    world_close(&w);
}

static void a_client_that_reads_nothing_is_not_read_from(void **state)
{
    enum { MANY = 200000 };
    struct client_end c;
    size_t sent = 0;
    int idle = 0;
    world_open(&w, "");
    begin(&c, PORT_SMTP);
    for (; sent < MANY && idle < 200; idle++) {
        if (send(c.fd, "NOOP\r\n", 6, MSG_NOSIGNAL) == 6) {
            sent++;
            idle = 0;
        }
        (void)event_base_loop(w.base, EVLOOP_NONBLOCK);
    }
    /* What waits is what the kernel holds, and little more. */
    const struct session *s = TAILQ_FIRST(&w.server.sessions);
    assert_true(conn_unsent(s->conn) < 200000);
    assert_true(sent < MANY ? conn_unsent(s->conn) > 0 : true);
    client_close(&c);
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_message_goes_into_the_queue_as_it_came),
        TEST(nothing_is_promised_before_the_queue_has_it),
        TEST(what_the_queue_refuses_is_refused),
        TEST(a_queue_that_goes_away_is_no_promise),
        TEST(a_new_channel_takes_the_place_of_the_old),
        TEST(a_client_that_says_all_at_once_gets_every_reply),
        TEST(octets_may_come_one_by_one),
        TEST(a_client_may_vanish_at_any_octet),
        TEST(a_message_under_way_does_not_need_its_client),
        TEST(only_so_many_messages_are_with_the_queue_at_once),
        TEST(memory_for_messages_is_shared_and_bounded),
        TEST(size_is_checked_when_it_is_said_and_when_it_has_come),
        TEST(a_header_without_end_is_not_kept),
        TEST(too_many_mistakes_end_the_connection),
        TEST(whoever_guesses_addresses_is_stopped),
        TEST(a_mistake_costs_time),
        TEST(a_silent_client_is_told_and_closed),
        TEST(octets_that_trickle_in_are_no_command),
        TEST(a_message_has_its_time_in_all),
        TEST(connections_are_counted),
        TEST(a_client_that_reads_nothing_is_not_read_from),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
