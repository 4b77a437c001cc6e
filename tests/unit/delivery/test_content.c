#include "words.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "hostlimits.h"
#include "mem.h"
#include "proto_submit.h"
#include "session.h"

/* The message on its way, behind DATA or in chunks, as it is or converted. */

static void a_reply_in_the_middle_of_the_message_never_delivers_it(void **state)
{
    static const struct {
        const char *reply, *outcome;
    } cases[] = {
        {"552 5.3.4 too large", "failed 552 5.3.4 data [552 5.3.4 too large]"},
        {"452 4.3.1 disk full", "deferred 452 4.3.1 data [452 4.3.1 disk full]"},
        {"!421 4.3.2 bye", "deferred 421 4.3.2 data [421 4.3.2 bye]"},
        {"250 2.0.0 queued", "deferred 250 4.5.0 data [250 2.0.0 queued] (the server's answer does "
                             "not fit what it was asked)"},
        {"rubbish", "deferred 0 4.5.0 data (line 1 of the reply does not begin with a reply code: "
                    "\"rubbish\")"},
        {"!", "deferred 0 4.4.2 data (closed by the peer)"},
    };
    struct buf body = {0};
    lab_fill(&body, 12 << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {
            .destination = "[127.0.0.1]", .body = buf_text(&body), .body_n = body.n, .n = 2};
        peer_reset(&lab.peer);
        lab.peer.interrupt = cases[i].reply;
        lab.peer.interrupt_at = 100000;
        lab.peer.bite = 65536;
        order_run(&o);
        for (uint32_t k = 0; k < 2; k++)
            assert_outcome(&o, k, cases[i].outcome);
        order_free(&o);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    }
    buf_free(&body);
}

static void a_large_message_comes_whole_to_a_slow_reader(void **state)
{
    struct buf body = {0};
    lab_fill(&body, 10 << 20);
    struct order o = {.destination = "[127.0.0.1]", .body = buf_text(&body), .body_n = body.n};
    lab.peer.bite = 32768;
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_int_equal(lab.peer.data.n, body.n + 3);
    assert_memory_equal(buf_span(&lab.peer.data).p, buf_span(&body).p, body.n);
    order_free(&o);
    buf_free(&body);
}

static void who_takes_nothing_of_the_message_is_given_up(void **state)
{
    struct buf body = {0};
    lab_fill(&body, 12 << 20);
    struct order o = {.destination = "[127.0.0.1]", .body = buf_text(&body), .body_n = body.n};
    lab_reload_direct("idle-timeout 0  block-timeout 35m");
    lab.peer.interrupt = "~";
    lab.peer.interrupt_at = 1000;
    order_send(&o);
    RUN_UNTIL(lab.peer.silent == 1);
    lab_settle();
    assert_true(lab_expire(35));
    RUN_UNTIL(o.done);
    assert_outcome(&o, 0, "deferred 0 4.4.2 data (timed out)");
    peer_hang_up(&lab.peer);
    order_free(&o);
    buf_free(&body);
}

static void the_message_goes_over_the_wire_as_it_is_with_its_dots_stuffed(void **state)
{
    static const struct {
        const char *body, *wire;
    } cases[] = {
        {"Subject: a\r\n\r\nb\r\n", "Subject: a\r\n\r\nb\r\n.\r\n"},
        {"Subject: a\r\n\r\nno end", "Subject: a\r\n\r\nno end\r\n.\r\n"},
        {".\r\n", "..\r\n.\r\n"},
        {"..\r\n.a\r\n", "...\r\n..a\r\n.\r\n"},
        {"a\r\n.\r\nb\r\n", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\r\n.", "a\r\n..\r\n.\r\n"},
        {"a.\r\n.b.\r\n", "a.\r\n..b.\r\n.\r\n"},
        {"\r\n", "\r\n.\r\n"},
        {"a\r\n\r\n\r\n", "a\r\n\r\n\r\n.\r\n"},
        {"a\n.\nb", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\r.\rb\r", "a\r\n..\r\nb\r\n.\r\n"},
        {"a\r\n.\r", "a\r\n..\r\n.\r\n"},
        {"\xe2\x82\xac\r\n", "\xe2\x82\xac\r\n.\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = "[127.0.0.1]", .body = cases[i].body};
        peer_reset(&lab.peer);
        order_run(&o);
        assert_outcome(&o, 0, DELIVERED);
        assert_string_equal(buf_text(&lab.peer.data), cases[i].wire);
        order_free(&o);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    }
}

static void octets_of_every_value_pass(void **state)
{
    char body[600];
    struct order o = {.destination = "[127.0.0.1]", .body = body, .body_n = sizeof body};
    for (size_t i = 0; i < sizeof body; i++)
        body[i] = (char)(i % 256 == '\r' || i % 256 == '\n' ? 'x' : i % 256);
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_int_equal(lab.peer.data.n, sizeof body + 5);
    assert_memory_equal(buf_span(&lab.peer.data).p, body, sizeof body);
    assert_memory_equal(buf_span(&lab.peer.data).p + sizeof body, "\r\n.\r\n", 5);
    order_free(&o);
}

/* The dots that begin a line where one piece of the message ends and the next begins. */
static void dots_are_stuffed_across_the_pieces_it_is_read_in(void **state)
{
    struct buf body = {0}, wire = {0};
    for (size_t at = 65530; at <= 65538; at++) {
        buf_clear(&body);
        buf_clear(&wire);
        while (body.n < at - 2)
            buf_putc(&body, 'x');
        buf_put_span(&wire, buf_span(&body));
        buf_puts(&body, "\r\n.\r\n..\r\nend\r\n");
        buf_puts(&wire, "\r\n..\r\n...\r\nend\r\n.\r\n");
        struct order o = {.destination = "[127.0.0.1]", .body = buf_text(&body), .body_n = body.n};
        peer_reset(&lab.peer);
        order_run(&o);
        assert_int_equal(lab.peer.data.n, wire.n);
        assert_memory_equal(buf_span(&lab.peer.data).p, buf_span(&wire).p, wire.n);
        order_free(&o);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    }
    buf_free(&body);
    buf_free(&wire);
}

/* Those that came with the message are no business of ours. */
static void where_no_signature_is_to_go_out_ours_are_left_out(void **state)
{
#define OURS "DKIM-Signature: v=1; s=r;\r\n\tb=one\r\n two\r\ndkim-signature: v=1; s=e\r\n"
#define REST "Received: by us.test\r\nDKIM-Signature: v=1; s=theirs\r\nSubject: hi\r\n\r\n"
    static const struct {
        const char *settings, *extensions, *body, *wire, *mail;
        uint32_t flags;
    } cases[] = {
        {"dkim no", "SIZE", OURS REST "x\r\n", REST "x\r\n.\r\n", "SIZE=71\n", 0},
        {"dkim yes", "SIZE", OURS REST "x\r\n", OURS REST "x\r\n.\r\n", "SIZE=138\n", 0},
        {"dkim no", "SIZE\nCHUNKING", OURS REST "x\r\n", REST "x\r\n", "SIZE=71\n", 0},
        {"dkim no", "SIZE", REST "x\r\n", REST "x\r\n.\r\n", "SIZE=71\n", 0},
        {"dkim no", "SIZE\n8BITMIME", OURS REST "\xc3\xa9\r\n", REST "\xc3\xa9\r\n.\r\n",
         "BODY=8BITMIME\n", SUBMIT_EIGHT_BIT},
        {"dkim no", "SIZE", OURS REST "\xc3\xa9\r\n",
         "Received: by us.test\r\nDKIM-Signature: v=1; s=theirs\r\nSubject: hi\r\n"
         "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=unknown-8bit\r\n"
         "Content-Transfer-Encoding: base64\r\n\r\nw6kNCg==\r\n.\r\n",
         NULL, SUBMIT_EIGHT_BIT},
        /* One that has no end is not understood to be a field. */
        {"dkim no", "SIZE", "DKIM-Signature: v=1\r\n", "DKIM-Signature: v=1\r\n.\r\n", NULL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {
            .destination = "[127.0.0.1]", .body = cases[i].body, .flags = cases[i].flags};
        char settings[80];
        (void)snprintf(settings, sizeof settings, "idle-timeout 0  tls none  %s",
                       cases[i].settings);
        lab_reload_direct(settings);
        peer_reset(&lab.peer);
        lab.peer.extensions = cases[i].extensions;
        order_run(&o);
        assert_outcome(&o, 0, DELIVERED);
        assert_string_equal(buf_text(&lab.peer.data), cases[i].wire);
        assert_int_equal(o.results[0].octets, lab.peer.data.n);
        if (cases[i].mail != NULL)
            assert_non_null(strstr(buf_text(&lab.peer.commands), cases[i].mail));
        order_free(&o);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    }
}

static void an_empty_message_is_a_lone_dot(void **state)
{
    struct order o = {.destination = "[127.0.0.1]", .body = "", .empty = true};
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_string_equal(buf_text(&lab.peer.data), ".\r\n");
    order_free(&o);
}

/* ---- chunks ---- */

#define CHUNKING "PIPELINING\n8BITMIME\nCHUNKING\nENHANCEDSTATUSCODES"
#define C0 "1 EHLO us.test\n1 MAIL FROM:<from@us.test>\n1 RCPT TO:<r0@example.net>\n"
#define L0 "1 EHLO us.test\n1 MAIL FROM:<from@us.test>\n1 RCPT TO:<r0@[127.0.0.1]>\n"
#define C1 "1 RCPT TO:<r1@example.net>\n"

static void who_has_chunking_gets_the_message_without_data(void **state)
{
    static const struct play plays[] = {
        {"one chunk, once somebody was accepted", CHUNKING, .recipients = 2,
         .outcomes = {DELIVERED}, .commands = C0 C1 "1 BDAT 22 LAST\n1 QUIT\n"},
        {"in lock-step", "CHUNKING", .outcomes = {DELIVERED},
         .commands = C0 "1 BDAT 22 LAST\n1 QUIT\n"},
        {"nobody was accepted", CHUNKING, .script = {{SAY_RCPT, {"550 5.1.1 no"}}}, .recipients = 2,
         .outcomes = {"failed 550 5.1.1 rcpt [550 5.1.1 no]"},
         .commands = C0 C1 "1 RSET\n1 QUIT\n"},
        {"MAIL was refused", CHUNKING,
         .script = {{SAY_MAIL, {"550 5.7.1 no"}}, {SAY_RCPT, {"503 5.5.1 no"}}},
         .outcomes = {"failed 550 5.7.1 mail [550 5.7.1 no]"}, .commands = C0 "1 RSET\n1 QUIT\n"},
        {"one was accepted", CHUNKING, .script = {{SAY_RCPT, {"550 5.1.1 no", "250 ok"}}},
         .recipients = 2, .outcomes = {"failed 550 5.1.1 rcpt [550 5.1.1 no]", DELIVERED}},
        {"the message is refused", CHUNKING, .script = {{SAY_DOT, {"554 5.6.0 spam"}}},
         .outcomes = {"failed 554 5.6.0 dot [554 5.6.0 spam]"}},
        {"and for now", CHUNKING, .script = {{SAY_DOT, {"452 4.3.1 full"}}},
         .outcomes = {"deferred 452 4.3.1 dot [452 4.3.1 full]"}},
        {"no word of it", CHUNKING, .script = {{SAY_DOT, {"!"}}},
         .outcomes = {"deferred 0 4.4.2 dot (closed by the peer)"}},
        {"421", CHUNKING, .script = {{SAY_DOT, {"!421 4.3.2 bye"}}},
         .outcomes = {"deferred 421 4.3.2 dot [421 4.3.2 bye]"}},
        {"an answer before its question", CHUNKING,
         .script = {{SAY_RCPT, {"250 2.1.5 ok\n250 2.0.0 queued"}}},
         .outcomes = {"deferred 0 4.5.0 data (the server speaks out of turn)"}},
    };
    PLAYS(plays);
}

static void chunk_by_chunk(const char *extensions, const char *commands)
{
    struct buf body = {0};
    lab_fill(&body, 150000);
    buf_cut(&body, 150000); /* without its last line end */
    struct order o = {.destination = "[127.0.0.1]", .body = buf_text(&body), .body_n = body.n};
    peer_reset(&lab.peer);
    lab.peer.extensions = extensions;
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    assert_commands(&lab.peer, commands);
    buf_puts(&body, "\r\n");
    assert_true(span_equal(buf_span(&lab.peer.data), buf_span(&body)));
    order_free(&o);
    buf_free(&body);
}

static void a_large_message_goes_in_several_chunks(void **state)
{
    chunk_by_chunk(CHUNKING, L0 "1 BDAT 65536\n1 BDAT 65536\n1 BDAT 18930 LAST\n1 QUIT\n");
    chunk_by_chunk("CHUNKING", L0 "1 BDAT 65536\n1 BDAT 65536\n1 BDAT 18930 LAST\n1 QUIT\n");
}

static void in_a_chunk_dots_stay_and_an_empty_one_ends_an_empty_message(void **state)
{
    struct order dots = {.destination = "[127.0.0.1]", .body = "A: b\r\n\r\n.\r\n..x\r\n"};
    struct order empty = {.destination = "[127.0.0.1]", .body = "", .empty = true};
    lab.peer.extensions = CHUNKING;
    order_run(&dots);
    assert_outcome(&dots, 0, DELIVERED);
    assert_string_equal(buf_text(&lab.peer.data), dots.body);
    order_free(&dots);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    peer_reset(&lab.peer);
    order_run(&empty);
    assert_outcome(&empty, 0, DELIVERED);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    assert_commands(&lab.peer,
                    "1 EHLO us.test\n1 MAIL FROM:<from@us.test>\n1 RCPT TO:<r0@[127.0.0.1]>\n"
                    "1 BDAT 0 LAST\n1 QUIT\n");
    order_free(&empty);
}

/* Whatever a server says in the middle, none of it is the answer to the message. */
static void a_chunk_that_is_refused_refuses_the_message(void **state)
{
    static const struct {
        const char *first, *second, *last, *outcome, *end;
    } cases[] = {
        {"250 2.0.0 a", "250 2.0.0 b", "250 2.0.0 queued", DELIVERED, " LAST\n1 QUIT\n"},
        {"552 5.3.4 large", "503 5.5.1 no", "503 5.5.1 no",
         "failed 552 5.3.4 data [552 5.3.4 large]", "\n1 RSET\n1 QUIT\n"},
        {"250 2.0.0 a", "452 4.3.1 full", "503 5.5.1 no",
         "deferred 452 4.3.1 data [452 4.3.1 full]", "\n1 RSET\n1 QUIT\n"},
        {"250 2.0.0 a", "354 what", "503 5.5.1 no",
         "deferred 354 4.5.0 data [354 what] (the server's answer does not fit what it was asked)",
         "\n1 RSET\n1 QUIT\n"},
        {"250 2.0.0 a\n250 2.0.0 b", "250 2.0.0 queued", "250 2.0.0 queued",
         "deferred 0 4.5.0 data (the server speaks out of turn)", NULL},
        {"!421 4.3.2 bye", NULL, NULL, "deferred 421 4.3.2 data [421 4.3.2 bye]", NULL},
        {"!", NULL, NULL, "deferred 0 4.4.2 data (closed by the peer)", NULL},
    };
    struct buf body = {0};
    lab_fill(&body, 150000);
    lab.peer.extensions = CHUNKING;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = "[127.0.0.1]", .body = buf_text(&body), .body_n = body.n};
        peer_reset(&lab.peer);
        peer_say(&lab.peer, SAY_BDAT, cases[i].first, cases[i].second, NULL);
        if (cases[i].last != NULL)
            peer_say(&lab.peer, SAY_DOT, i == 0 ? "250 2.0.0 queued" : cases[i].last, NULL);
        order_run(&o);
        assert_outcome(&o, 0, cases[i].outcome);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
        if (cases[i].end != NULL && strstr(buf_text(&lab.peer.commands), cases[i].end) == NULL)
            fail_msg("case %zu:\n%s", i, buf_text(&lab.peer.commands));
        order_free(&o);
    }
    buf_free(&body);
}

/* It takes the message for commands: the connection is given up, and the next one does without. */
static void who_announces_chunking_and_does_not_know_it_gets_data_next_time(void **state)
{
    static const char *const codes[] = {"500 5.5.1 what", "502 5.5.1 what"};
    for (size_t i = 0; i < 2; i++) {
        struct order o = {.destination = "[127.0.0.1]"}, next = {.destination = "[127.0.0.1]"};
        memo_free(&lab.agent.limits);
        lab.agent.limits = hostlimits_new();
        peer_reset(&lab.peer);
        lab.peer.extensions = CHUNKING;
        peer_say(&lab.peer, SAY_OTHER, codes[i], NULL);
        order_run(&o);
        char *outcome = mem_format("deferred %.3s 4.5.1 data [%s]", codes[i], codes[i]);
        assert_outcome(&o, 0, outcome);
        mem_free(&outcome);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
        order_run(&next);
        assert_outcome(&next, 0, DELIVERED);
        assert_string_equal(buf_text(&lab.peer.data), "Subject: hi\r\n\r\nhello\r\n.\r\n");
        order_free(&o);
        order_free(&next);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    }
}

/* ---- seven bits ---- */

#define E "\xc3\xa9"
#define EIGHT                                                                                      \
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"               \
    "Content-Transfer-Encoding: 8bit\r\n\r\nnot much: " E "\r\n"
#define SEVEN                                                                                      \
    "Subject: x\r\nMIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n"               \
    "Content-Transfer-Encoding: quoted-printable\r\n\r\nnot much: =C3=A9\r\n"

static void who_has_no_8bitmime_gets_seven_bits(void **state)
{
    static const struct {
        const char *extensions, *data;
    } cases[] = {
        {"PIPELINING", SEVEN ".\r\n"},
        {"CHUNKING", SEVEN},
        {"", SEVEN ".\r\n"},
        {"8BITMIME", EIGHT ".\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {
            .destination = "[127.0.0.1]", .flags = SUBMIT_EIGHT_BIT, .body = EIGHT, .n = 3};
        peer_reset(&lab.peer);
        char *extensions = mem_format("%s%sLIMITS RCPTMAX=2", cases[i].extensions,
                                      cases[i].extensions[0] == '\0' ? "" : "\n");
        lab.peer.extensions = extensions;
        order_run(&o);
        for (uint32_t k = 0; k < 3; k++)
            assert_outcome(&o, k, DELIVERED);
        assert_int_equal(lab.peer.messages, 2);
        assert_string_equal(buf_text(&lab.peer.data), cases[i].data);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
        order_free(&o);
        mem_free(&extensions);
    }
}

/* What is announced is what is sent, or a few more. */
static void the_size_that_is_said_is_that_of_the_converted_message(void **state)
{
    struct buf body = {0};
    buf_puts(&body, EIGHT);
    for (int i = 0; i < 50000; i++)
        buf_puts(&body, E E E E E E E E E E E E E E E E E E E E E E E E E E E E E "\r\n");
    struct order o = {.destination = "[127.0.0.1]",
                      .flags = SUBMIT_EIGHT_BIT,
                      .body = buf_text(&body),
                      .body_n = body.n};
    lab.peer.extensions = "SIZE 50000000";
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    const char *said = strstr(buf_text(&lab.peer.commands), "SIZE=");
    assert_non_null(said);
    uint64_t size = strtoul(said + 5, NULL, 10);
    assert_in_range(lab.peer.data.n - 3, body.n * 13 / 10, size);
    assert_true(size < lab.peer.data.n * 102 / 100);
    order_free(&o);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    lab.peer.extensions = "SIZE 3500000"; /* enough for eight bits alone */
    order_run(&o);
    assert_outcome(&o, 0, "failed 0 5.3.4 mail (the message is larger than the server takes)");
    order_free(&o);
    buf_free(&body);
}

static void what_cannot_be_converted_is_not_sent(void **state)
{
    struct order o = {.destination = "[127.0.0.1]",
                      .flags = SUBMIT_EIGHT_BIT,
                      .body = "Content-Type: multipart/signed; boundary=b\r\n\r\n--b\r\n\r\n" E
                              "\r\n--b--\r\n"};
    lab.peer.extensions = "PIPELINING";
    order_run(&o);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    assert_outcome(
        &o, 0,
        "failed 0 5.6.3 mail (the server does not take 8BITMIME, and the message cannot "
        "be converted: 8-bit octets in a part that is signed or encrypted as it stands)");
    assert_commands(&lab.peer, "1 EHLO us.test\n1 QUIT\n");
    assert_int_equal(lab.counters[COUNT_SESSIONS_FAILED], 0);
    order_free(&o);
}

/* While the message is looked at, in many turns of the loop. */
static void who_goes_away_meanwhile_is_not_sent_to(void **state)
{
    struct buf body = {0};
    buf_puts(&body, EIGHT);
    lab_fill(&body, 12 << 20);
    struct order o = {.destination = "[127.0.0.1]",
                      .flags = SUBMIT_EIGHT_BIT,
                      .body = buf_text(&body),
                      .body_n = body.n};
    lab.peer.extensions = "PIPELINING";
    peer_say(&lab.peer, SAY_EHLO, "250 peer.test\n421 4.3.2 bye", NULL);
    order_run(&o);
    assert_outcome(&o, 0, "deferred 0 4.5.0 ehlo (the server speaks out of turn)");
    order_free(&o);
    peer_reset(&lab.peer);
    lab.peer.extensions = "PIPELINING";
    order_send(&o);
    RUN_UNTIL(strstr(buf_text(&lab.peer.commands), "EHLO") != NULL);
    for (int i = 0; i < 3; i++)
        lab_turn();
    peer_hang_up(&lab.peer);
    RUN_UNTIL(o.done);
    assert_outcome(&o, 0, "deferred 0 4.4.2 mail (closed by the peer)");
    assert_null(strstr(buf_text(&lab.peer.commands), "MAIL"));
    /* As of a connection over which nothing was said of the message: another address may do. */
    assert_int_equal(lab.counters[COUNT_SESSIONS_FAILED], 2);
    order_free(&o);
    buf_free(&body);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lab_setup, lab_teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_reply_in_the_middle_of_the_message_never_delivers_it),
        TEST(a_large_message_comes_whole_to_a_slow_reader),
        TEST(who_takes_nothing_of_the_message_is_given_up),
        TEST(the_message_goes_over_the_wire_as_it_is_with_its_dots_stuffed),
        TEST(octets_of_every_value_pass),
        TEST(dots_are_stuffed_across_the_pieces_it_is_read_in),
        TEST(an_empty_message_is_a_lone_dot),
        TEST(where_no_signature_is_to_go_out_ours_are_left_out),
        TEST(who_has_chunking_gets_the_message_without_data),
        TEST(a_large_message_goes_in_several_chunks),
        TEST(in_a_chunk_dots_stay_and_an_empty_one_ends_an_empty_message),
        TEST(a_chunk_that_is_refused_refuses_the_message),
        TEST(who_announces_chunking_and_does_not_know_it_gets_data_next_time),
        TEST(who_has_no_8bitmime_gets_seven_bits),
        TEST(the_size_that_is_said_is_that_of_the_converted_message),
        TEST(what_cannot_be_converted_is_not_sent),
        TEST(who_goes_away_meanwhile_is_not_sent_to),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
