#include "lab.h"

#include <string.h>

#include "mem.h"

/* LMTP (RFC 2033), TLS from the first octet, and hosts to fall back to. */

#define PLAYS(plays) plays_run((plays), sizeof(plays) / sizeof(plays)[0])
#define DELIVERED "delivered 250 2.0.0 dot [250 2.0.0 queued]"

static int setup(void **state)
{
    lab_open_direct("");
    return 0;
}

static int setup_lmtp(void **state)
{
    lab_open_direct("");
    lab_reload("transport direct { lmtp { host 127.0.0.1  port %d  tls none  idle-timeout 0 } }\n",
               lab.peer.port);
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

/* Where the message is kept with it. */
static void the_sender_is_said_to_a_mail_store_in_any_case(void **state)
{
    struct order o = {.never = 1};
    order_run(&o);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    assert_outcome(&o, 0, DELIVERED);
    assert_non_null(strstr(buf_text(&lab.peer.commands), "1 MAIL FROM:<from@us.test> "));
    order_free(&o);
}

static void each_recipient_has_an_answer_of_its_own(void **state)
{
    static const struct play plays[] = {
        {"one", .outcomes = {DELIVERED},
         .commands = "1 LHLO us.test\n1 MAIL FROM:<from@us.test> SIZE=22\n1 RCPT "
                     "TO:<r0@example.net>\n1 DATA\n1 QUIT\n"},
        {"three of three fates",
         .script = {{SAY_DOT, {"250 2.1.5 kept\n452 4.2.2 full\n550 5.2.0 no"}}}, .recipients = 3,
         .outcomes = {"delivered 250 2.1.5 dot [250 2.1.5 kept]",
                      "deferred 452 4.2.2 dot [452 4.2.2 full]",
                      "failed 550 5.2.0 dot [550 5.2.0 no]"}},
        {"one that was refused before has none",
         .script = {{SAY_RCPT, {"250 ok", "550 5.1.1 who", "250 ok"}},
                    {SAY_DOT, {"250 2.1.5 a\n250 2.1.5 c"}}},
         .recipients = 3,
         .outcomes = {"delivered 250 2.1.5 dot [250 2.1.5 a]",
                      "failed 550 5.1.1 rcpt [550 5.1.1 who]",
                      "delivered 250 2.1.5 dot [250 2.1.5 c]"}},
        {"the connection breaks between two", .script = {{SAY_DOT, {"!250 2.1.5 kept"}}},
         .recipients = 2,
         .outcomes = {"delivered 250 2.1.5 dot [250 2.1.5 kept]",
                      "deferred 0 4.4.2 dot (closed by the peer)"}},
        {"one of the answers says that the service goes away",
         .script = {{SAY_DOT, {"421 4.3.2 not this one\n250 2.1.5 kept"}}}, .recipients = 2,
         .outcomes = {"deferred 421 4.3.2 dot [421 4.3.2 not this one]",
                      "delivered 250 2.1.5 dot [250 2.1.5 kept]"}},
        {"one answer too many", .script = {{SAY_DOT, {"250 2.1.5 kept\n550 5.0.0 more"}}},
         .outcomes = {"delivered 250 2.1.5 dot [250 2.1.5 kept]"}},
        {"nobody is taken, and DATA is refused",
         .script = {{SAY_RCPT, {"550 5.1.1 who"}}, {SAY_DATA, {"503 5.5.1 nobody"}}},
         .recipients = 2, .outcomes = {"failed 550 5.1.1 rcpt [550 5.1.1 who]"}},
        {"nobody is taken, and DATA is not refused", .extensions = "PIPELINING",
         .script = {{SAY_RCPT, {"550 5.1.1 who"}}},
         .outcomes = {"failed 550 5.1.1 rcpt [550 5.1.1 who]"}},
        {"LHLO is refused, and there is no other way", .script = {{SAY_EHLO, {"502 5.5.1 what"}}},
         .outcomes = {"deferred 502 4.5.1 ehlo [502 5.5.1 what] (EHLO was refused)"},
         .commands = "1 LHLO us.test\n1 QUIT\n"},
        {"a silent one, after the first", .script = {{SAY_DOT, {"=250 2.1.5 kept\r\n250 2.1"}}},
         .recipients = 2,
         .outcomes = {"delivered 250 2.1.5 dot [250 2.1.5 kept]",
                      "deferred 0 4.4.2 dot (timed out)"},
         .expires = 10},
    };
    PLAYS(plays);
}

static void tls_begins_with_the_first_octet(void **state)
{
    struct order o = {0};
    lab.peer.tls = lab.trusted;
    lab_reload("transport direct { submissions { host 127.0.0.1  port %d  idle-timeout 0 } }\n",
               lab.peer.port);
    lab.peer.implicit = true;
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_int_equal(lab.peer.secured, 1);
    assert_null(strstr(buf_text(&lab.peer.commands), "STARTTLS"));
    order_free(&o);
    /* A certificate that is good for nothing: nothing is said under it. */
    lab.peer.tls = lab.untrusted;
    buf_clear(&lab.peer.commands);
    o = (struct order){0};
    order_run(&o);
    assert_int_equal(o.results[0].status, DELIVER_DEFERRED);
    assert_string_equal(o.results[0].stage, "starttls");
    assert_string_equal(buf_text(&lab.peer.commands), "");
    order_free(&o);
}

static void hosts_are_tried_in_their_order(void **state)
{
    static const struct {
        const char *reply;
        unsigned first, second;
        const char *outcome;
    } cases[] = {
        {"220 hello", 1, 0, DELIVERED},
        {"!421 4.3.2 busy", 1, 1, DELIVERED},
        {"!554 5.7.1 no", 1, 1, DELIVERED},
        {"!", 1, 1, DELIVERED},
    };
    struct peer second;
    peer_open(&second, lab.base, "127.0.0.2", lab.peer.port);
    lab_reload(
        "transport direct { smtp { host 127.0.0.1  fallback-host 127.0.0.3 127.0.0.2  port %d\n"
        "  tls none  idle-timeout 0 } }\n",
        lab.peer.port);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {0};
        peer_reset(&lab.peer);
        peer_reset(&second);
        peer_say(&lab.peer, SAY_GREETING, cases[i].reply, NULL);
        order_run(&o);
        assert_outcome(&o, 0, cases[i].outcome);
        assert_string_equal(o.results[0].remote_host, cases[i].second ? "127.0.0.2" : "127.0.0.1");
        RUN_UNTIL(lab.peer.closed == lab.peer.opened && second.closed == second.opened);
        assert_int_equal(lab.peer.opened, cases[i].first);
        assert_int_equal(second.opened, cases[i].second);
        order_free(&o);
    }
    /* What the first says of the message is final. */
    struct order o = {0};
    peer_reset(&second);
    peer_say(&lab.peer, SAY_GREETING, "220 hello", NULL);
    peer_say(&lab.peer, SAY_RCPT, "550 5.1.1 who", NULL);
    order_run(&o);
    assert_outcome(&o, 0, "failed 550 5.1.1 rcpt [550 5.1.1 who]");
    assert_int_equal(second.opened, 0);
    order_free(&o);
    RUN_UNTIL(second.closed == second.opened);
    peer_close(&second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_recipient_has_an_answer_of_its_own, setup_lmtp,
                                        teardown),
        cmocka_unit_test_setup_teardown(the_sender_is_said_to_a_mail_store_in_any_case, setup_lmtp,
                                        teardown),
        cmocka_unit_test_setup_teardown(tls_begins_with_the_first_octet, setup, teardown),
        cmocka_unit_test_setup_teardown(hosts_are_tried_in_their_order, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
