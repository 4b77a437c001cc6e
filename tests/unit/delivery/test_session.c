#include "lab.h"

#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

#include "mem.h"

/* The connection up to where a message may be sent. */

#define PLAYS(plays) plays_run((plays), sizeof(plays) / sizeof(plays)[0])
#define DELIVERED "delivered 250 2.0.0 dot [250 2.0.0 queued]"
#define LONG_LINE_64 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define LONG_LINE_512                                                                              \
    LONG_LINE_64 LONG_LINE_64 LONG_LINE_64 LONG_LINE_64 LONG_LINE_64 LONG_LINE_64 LONG_LINE_64     \
        LONG_LINE_64

static void a_greeting_is_220_and_nothing_else(void **state)
{
    static const struct play plays[] = {
        {"an ordinary one", .outcomes = {DELIVERED},
         .commands = "1 EHLO us.test\n1 MAIL FROM:<from@us.test> SIZE=22\n1 RCPT "
                     "TO:<r0@example.net>\n1 DATA\n1 QUIT\n"},
        {"of several lines", .script = {{SAY_GREETING, {"220-mail.test\n220-be gentle\n220 now"}}},
         .outcomes = {DELIVERED}},
        {"without a space", .script = {{SAY_GREETING, {"220"}}}, .outcomes = {DELIVERED}},
        {"421", .script = {{SAY_GREETING, {"!421 4.3.2 come back"}}},
         .outcomes =
             {"deferred 421 4.3.2 greeting [421 4.3.2 come back] (the server does not greet)"},
         .commands = ""},
        {"450 without an enhanced code", .script = {{SAY_GREETING, {"450 busy"}}},
         .outcomes = {"deferred 450 4.2.0 greeting [450 busy] (the server does not greet)"},
         .commands = "1 QUIT\n"},
        {"554 of several lines",
         .script = {{SAY_GREETING, {"554-5.7.1 we know you\n554 5.7.1 go away"}}},
         .outcomes = {"failed 554 5.7.1 greeting [554-5.7.1 we know you\n554 5.7.1 go away] (the "
                      "server does not greet)"},
         .commands = "1 QUIT\n"},
        {"554 without an enhanced code", .script = {{SAY_GREETING, {"554 no"}}},
         .outcomes = {"failed 554 5.0.0 greeting [554 no] (the server does not greet)"},
         .commands = "1 QUIT\n"},
        {"a code of success that is not 220", .script = {{SAY_GREETING, {"250 hello"}}},
         .outcomes = {"deferred 250 4.5.0 greeting [250 hello] (the server does not greet)"},
         .commands = "1 QUIT\n"},
        {"two of them", .script = {{SAY_GREETING, {"220 one\n220 two"}}}, .recipients = 2,
         .outcomes = {"deferred 0 4.5.0 greeting (the server speaks out of turn)"}},
        {"no SMTP", .script = {{SAY_GREETING, {"HTTP/1.1 400 Bad Request"}}},
         .outcomes =
             {"deferred 0 4.5.0 greeting (line 1 of the reply does not begin with a reply code: "
              "\"HTTP/1.1 400 Bad Request\")"}},
        {"codes that differ", .script = {{SAY_GREETING, {"220-one\n250 two"}}},
         .outcomes = {"deferred 0 4.5.0 greeting (line 2 of the reply has code 250, but the lines "
                      "before it have 220)"}},
        {"a line without end",
         .script = {{SAY_GREETING,
                     {"220 " LONG_LINE_512 LONG_LINE_512 LONG_LINE_512 LONG_LINE_512}}},
         .outcomes = {"deferred 0 4.5.0 greeting (line 1 of the reply has more than 2048 octets)"}},
        {"the connection closed instead", .script = {{SAY_GREETING, {"!"}}},
         .outcomes = {"deferred 0 4.4.2 greeting (closed by the peer)"}},
        {"the connection reset instead", .script = {{SAY_GREETING, {"#"}}},
         .outcomes = {"deferred 0 4.4.2 greeting (Connection reset by peer)"}},
        {"a late one", .script = {{SAY_GREETING, {"@100 220 good morning"}}},
         .outcomes = {DELIVERED}},
    };
    PLAYS(plays);
}

static void who_refuses_ehlo_is_said_helo(void **state)
{
    static const struct play plays[] = {
        {"HELO, and no extension", .script = {{SAY_EHLO, {"502 5.5.1 what"}}}, .recipients = 2,
         .outcomes = {DELIVERED},
         .commands = "1 EHLO us.test\n1 HELO us.test\n1 MAIL FROM:<from@us.test>\n1 RCPT "
                     "TO:<r0@example.net>\n"
                     "1 RCPT TO:<r1@example.net>\n1 DATA\n1 QUIT\n"},
        {"HELO refused as well",
         .script = {{SAY_EHLO, {"500 5.5.2 what"}}, {SAY_HELO, {"550-5.7.1 not\n550 5.7.1 you"}}},
         .outcomes = {"failed 550 5.7.1 ehlo [550-5.7.1 not\n550 5.7.1 you] (HELO was refused)"},
         .commands = "1 EHLO us.test\n1 HELO us.test\n1 QUIT\n"},
        {"an error of syntax", .script = {{SAY_EHLO, {"500 what"}}}, .outcomes = {DELIVERED}},
        {"of its arguments", .script = {{SAY_EHLO, {"501 what"}}}, .outcomes = {DELIVERED}},
        {"of the order", .script = {{SAY_EHLO, {"503 what"}}}, .outcomes = {DELIVERED}},
        {"an argument unknown", .script = {{SAY_EHLO, {"504 5.5.4 what"}}},
         .outcomes = {DELIVERED}},
        {"EHLO refused as a matter of policy",
         .script = {{SAY_EHLO, {"554-5.7.1 you are\n554 5.7.1 blocked"}},
                    {SAY_HELO, {"503 5.5.1 bad sequence"}}},
         .outcomes = {"failed 554 5.7.1 ehlo [554-5.7.1 you are\n554 5.7.1 blocked] (EHLO was "
                      "refused)"},
         .commands = "1 EHLO us.test\n1 QUIT\n"},
        {"550, where HELO would do", .script = {{SAY_EHLO, {"550 not you"}}},
         .outcomes = {"failed 550 5.2.0 ehlo [550 not you] (EHLO was refused)"},
         .commands = "1 EHLO us.test\n1 QUIT\n"},
        {"a code that is next to those", .script = {{SAY_EHLO, {"505 what"}}},
         .outcomes = {"failed 505 5.0.0 ehlo [505 what] (EHLO was refused)"},
         .commands = "1 EHLO us.test\n1 QUIT\n"},
        {"EHLO put off", .script = {{SAY_EHLO, {"451 4.3.0 hm"}}},
         .outcomes = {"deferred 451 4.3.0 ehlo [451 4.3.0 hm] (EHLO was refused)"},
         .commands = "1 EHLO us.test\n1 QUIT\n"},
        {"421", .script = {{SAY_EHLO, {"!421 4.3.2 closing"}}},
         .outcomes = {"deferred 421 4.3.2 ehlo [421 4.3.2 closing] (EHLO was refused)"},
         .commands = "1 EHLO us.test\n"},
        {"EHLO answered 354", .script = {{SAY_EHLO, {"354 go"}}},
         .outcomes = {"deferred 354 4.5.0 ehlo [354 go] (EHLO was refused)"}},
        {"EHLO answered by another greeting", .script = {{SAY_EHLO, {"220 two"}}},
         .outcomes = {"deferred 220 4.5.0 ehlo [220 two] (EHLO was refused)"}},
        {"closed", .script = {{SAY_EHLO, {"!"}}},
         .outcomes = {"deferred 0 4.4.2 ehlo (closed by the peer)"}},
        {"more than was asked for",
         .script = {{SAY_EHLO, {"=250 peer.test\r\n250 2.1.0 sender ok\r\n"}}},
         .outcomes = {"deferred 0 4.5.0 ehlo (the server speaks out of turn)"}},
        {"extensions in any case",
         .script = {{SAY_EHLO, {"250-peer.test\n250-size 100\n250 pipelining"}}},
         .outcomes = {DELIVERED},
         .commands = "1 EHLO us.test\n1 MAIL FROM:<from@us.test> SIZE=22\n1 RCPT "
                     "TO:<r0@example.net>\n1 DATA\n1 QUIT\n"},
    };
    PLAYS(plays);
}

static void silence_ends(void **state)
{
    static const struct play plays[] = {
        {"no greeting", .script = {{SAY_GREETING, {"~"}}}, .expires = 20,
         .outcomes = {"deferred 0 4.4.2 greeting (timed out)"}},
        {"half of one", .script = {{SAY_GREETING, {"=220 mail"}}}, .expires = 20,
         .outcomes = {"deferred 0 4.4.2 greeting (timed out)"}},
        {"no answer to EHLO", .script = {{SAY_EHLO, {"~"}}}, .expires = 25,
         .outcomes = {"deferred 0 4.4.2 ehlo (timed out)"}},
        {"half of one", .script = {{SAY_EHLO, {"=250-peer.test\r\n250-"}}}, .expires = 25,
         .outcomes = {"deferred 0 4.4.2 ehlo (timed out)"}},
        {"no answer to HELO", .script = {{SAY_EHLO, {"502 what"}}, {SAY_HELO, {"~"}}},
         .expires = 25, .outcomes = {"deferred 0 4.4.2 ehlo (timed out)"}},
    };
    lab_reload_direct("idle-timeout 0  greeting-timeout 20m  command-timeout 25m");
    PLAYS(plays);
}

static void nobody_listening_is_a_deferral_that_names_the_address(void **state)
{
    struct order o = {.destination = "[127.0.0.2]"};
    order_run(&o);
    assert_outcome(&o, 0, "deferred 0 4.4.1 connect (Connection refused)");
    assert_string_equal(o.results[0].remote_host, "[127.0.0.2]");
    char *address = mem_format("127.0.0.2:%d", lab.peer.port);
    assert_string_equal(o.results[0].remote_address, address);
    mem_free(&address);
    order_free(&o);
}

static void an_address_that_cannot_be_reached_from_here_is_a_deferral(void **state)
{
    /* No interface has an address of this family and scope: connect(2) itself fails. */
    struct order o = {.destination = "[IPv6:fe80::1]"};
    lab_reload_direct("allow-private yes");
    order_run(&o);
    assert_outcome(&o, 0, "deferred 0 4.4.1 connect (Invalid argument)");
    order_free(&o);
}

static void a_very_long_reply_is_kept_in_part_and_breaks_nothing(void **state)
{
    struct order o = {.destination = "[127.0.0.1]", .n = 2}, next = {.destination = "[127.0.0.1]"};
    struct buf reply = {0};
    /* Each of these octets is told as four. */
    for (int line = 0; line < 30; line++) {
        buf_puts(&reply, line < 29 ? "550-" : "550 ");
        for (int i = 0; i < 1000; i++)
            buf_putc(&reply, 27);
        buf_puts(&reply, line < 29 ? "\n" : "");
    }
    peer_say(&lab.peer, SAY_MAIL, buf_text(&reply), NULL);
    order_run(&o);
    for (uint32_t i = 0; i < 2; i++) {
        const struct deliver_result *r = &o.results[i];
        size_t n = strlen(r->reply);
        assert_int_equal(r->status, DELIVER_FAILED);
        assert_true(n > 8000 && n <= 8192);
        assert_string_equal(r->reply + n - 6, " [...]");
        assert_memory_equal(r->reply, "550-\\x1b\\x1b", 12);
    }
    /* qmgr still is on the line. */
    peer_say(&lab.peer, SAY_MAIL, NULL);
    order_run(&next);
    assert_outcome(&next, 0, DELIVERED);
    order_free(&o);
    order_free(&next);
    buf_free(&reply);
}

/* How often a command was answered with a code of this class; *ms: how long it took. */
static uint64_t answers(enum delivery_command command, unsigned class, uint64_t *ms)
{
    const uint64_t *c = &lab.counters[COUNT_COMMANDS + (command * 4 + class - 2) * 2];
    *ms = c[0] / 1000;
    return c[1];
}

/* The server takes its time for the answer that it is to give next. */
static void pass(int64_t ms)
{
    RUN_UNTIL(lab.peer.held == 1);
    lab_settle(); /* those before are read */
    lab.passed_ms += ms;
    peer_release(&lab.peer);
}

static void every_answer_is_counted_and_timed(void **state)
{
    enum { FIRST = 100000, LAST = 50000, SLACK = 20000 };
    static const struct {
        const char *extensions;
        uint64_t accepted_ms, refused_ms;
    } cases[] = {
        {"SIZE", FIRST + LAST, 0},
        /* Of those in one go each waits behind the one before. */
        {"PIPELINING", FIRST + FIRST + LAST, FIRST},
    };
    for (size_t i = 0; i < 2; i++) {
        struct order o = {.destination = "[127.0.0.1]", .n = 3};
        uint64_t ms;
        memset(lab.counters, 0, sizeof lab.counters);
        peer_reset(&lab.peer);
        lab.peer.extensions = cases[i].extensions;
        peer_say(&lab.peer, SAY_RCPT, "* 250 2.1.5 good", "550 5.1.1 no", "* 250 2.1.5 good", NULL);
        order_send(&o);
        pass(FIRST);
        pass(LAST);
        RUN_UNTIL(o.done && lab.peer.closed == lab.peer.opened);
        static const enum delivery_command once[] = {COMMAND_GREETING, COMMAND_EHLO, COMMAND_MAIL,
                                                     COMMAND_DOT, COMMAND_QUIT};
        for (size_t k = 0; k < sizeof once / sizeof once[0]; k++) {
            assert_int_equal(answers(once[k], 2, &ms), 1);
            assert_true(ms < SLACK);
        }
        assert_int_equal(answers(COMMAND_DATA, 3, &ms), 1);
        assert_int_equal(answers(COMMAND_RCPT, 2, &ms), 2);
        assert_in_range(ms, cases[i].accepted_ms, cases[i].accepted_ms + SLACK);
        assert_int_equal(answers(COMMAND_RCPT, 5, &ms), 1);
        assert_in_range(ms, cases[i].refused_ms, cases[i].refused_ms + SLACK);
        assert_int_equal(answers(COMMAND_RCPT, 4, &ms), 0);
        order_free(&o);
    }
}

/* Somebody listens there whose queue is full: nothing is said at all. */
static void a_connection_that_takes_too_long_is_counted(void **state)
{
    struct order o = {.destination = "[127.0.0.3]"};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)lab.peer.port)};
    int full = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
        first = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(inet_pton(AF_INET, "127.0.0.3", &to.sin_addr), 1);
    assert_int_equal(bind(full, (struct sockaddr *)&to, sizeof to), 0);
    assert_int_equal(listen(full, 0), 0);
    assert_int_equal(connect(first, (struct sockaddr *)&to, sizeof to), 0);
    lab_reload_direct("idle-timeout 0  connect-timeout 9m  tls none");
    order_send(&o);
    RUN_UNTIL(lab_expire(9));
    RUN_UNTIL(o.done);
    assert_outcome(&o, 0, "deferred 0 4.4.1 connect (timed out)");
    assert_int_equal(lab.counters[COUNT_CONNECT_TIMEOUT], 1);
    assert_int_equal(lab_connections(), 1);
    order_free(&o);
    (void)close(full);
    (void)close(first);
}

static void every_connection_is_counted(void **state)
{
    struct order o = {.destination = "[127.0.0.1]"}, refused = {.destination = "[127.0.0.2]"};
    order_run(&o);
    order_run(&refused);
    assert_int_equal(lab.counters[COUNT_JOBS], 2);
    assert_int_equal(lab.counters[COUNT_CONNECTED], 1);
    assert_int_equal(lab.counters[COUNT_CONNECT_ERROR], 1);
    assert_int_equal(lab.counters[COUNT_CONNECT_TIMEOUT], 0);
    assert_int_equal(lab.counters[COUNT_SESSIONS_FAILED], 1);
    assert_int_equal(lab.counters[COUNT_DELIVERED], 1);
    assert_int_equal(lab.counters[COUNT_DEFERRED], 1);
    assert_int_equal(lab.counters[COUNT_FAILED], 0);
    order_free(&o);
    order_free(&refused);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lab_setup, lab_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_greeting_is_220_and_nothing_else),
        TEST(who_refuses_ehlo_is_said_helo),
        TEST(silence_ends),
        TEST(nobody_listening_is_a_deferral_that_names_the_address),
        TEST(an_address_that_cannot_be_reached_from_here_is_a_deferral),
        TEST(a_very_long_reply_is_kept_in_part_and_breaks_nothing),
        TEST(every_connection_is_counted),
        TEST(every_answer_is_counted_and_timed),
        TEST(a_connection_that_takes_too_long_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
