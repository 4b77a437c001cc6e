#include "lab.h"

#include <string.h>

#include "mem.h"
#include "proto_submit.h"

/* STARTTLS: where it is used, where it must be, and what happens when it fails. */

#define DELIVERED "delivered 250 2.0.0 dot [250 2.0.0 queued]"

static int setup(void **state)
{
    lab_open_direct("idle-timeout 0  tls opportunistic");
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

static uint64_t fallbacks(void)
{
    return lab.counters[COUNT_FALLBACK_REFUSED] + lab.counters[COUNT_FALLBACK_CUT] +
           lab.counters[COUNT_FALLBACK_HANDSHAKE];
}

static void run_to_end(struct order *o)
{
    order_run(o);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
}

/* Runs a message for one recipient and checks everything there is to it. */
static void expect(uint32_t flags, const char *outcome, const char *tls, const char *commands)
{
    struct order o = {.destination = "[127.0.0.1]", .flags = flags};
    run_to_end(&o);
    assert_outcome(&o, 0, outcome);
    if (tls[0] == '\0')
        assert_false(is_under_tls(&o.results[0]));
    else {
        if (strstr(o.results[0].tls, tls) == NULL)
            fail_msg("TLS: %s, and not %s", o.results[0].tls, tls);
    }
    assert_string_equal(o.results[0].remote_address, lab.peer.address);
    assert_commands(&lab.peer, commands);
    order_free(&o);
}

/* One that is delivered under TLS which is not described so. */
static void expect_tls_unlike(const char *words)
{
    struct order o = {.destination = "[127.0.0.1]"};
    run_to_end(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_true(is_under_tls(&o.results[0]));
    assert_null(strstr(o.results[0].tls, words));
    order_free(&o);
}

#define HELLO(n) n " EHLO us.test\n"
#define MAIL(n)                                                                                    \
    n " MAIL FROM:<from@us.test> SIZE=22\n" n " RCPT TO:<r0@[127.0.0.1]>\n" n " DATA\n" n " QUIT"  \
      "\n"

static void tls_is_used_where_it_is_offered(void **state)
{
    lab.peer.tls = lab.untrusted;
    expect(0, DELIVERED, "TLSv1.3 ", HELLO("1") "1 STARTTLS\n" HELLO("1") MAIL("1"));
    assert_int_equal(lab.peer.secured, 1);
    assert_int_equal(lab.counters[COUNT_TLS], 1);
    assert_int_equal(fallbacks(), 0);
}

static void without_an_offer_the_message_goes_in_clear(void **state)
{
    expect(0, DELIVERED, "", HELLO("1") MAIL("1"));
}

static void with_tls_off_an_offer_is_passed_over(void **state)
{
    lab_reload_direct("idle-timeout 0  tls none");
    lab.peer.tls = lab.trusted;
    expect(0, DELIVERED, "", HELLO("1") MAIL("1"));
}

static void what_was_announced_in_clear_is_forgotten_under_tls(void **state)
{
    lab.peer.tls = lab.trusted;
    lab.peer.extensions = "PIPELINING\nSIZE 10\nLIMITS RCPTMAX=1";
    lab.peer.tls_extensions = "8BITMIME";
    struct order o = {.destination = "[127.0.0.1]", .n = 2};
    run_to_end(&o);
    assert_outcome(&o, 1, DELIVERED);
    assert_commands(&lab.peer, HELLO("1") "1 STARTTLS\n" HELLO(
                                   "1") "1 MAIL FROM:<from@us.test>\n1 RCPT TO:<r0@[127.0.0.1]>\n1 "
                                        "RCPT TO:<r1@[127.0.0.1]>\n1 DATA\n1 QUIT\n");
    order_free(&o);
}

static void an_offer_taken_back_is_put_up_with(void **state)
{
    static const char *const refusals[] = {"454 4.7.0 not now", "502 5.5.1 what", "500 no"};
    lab.peer.tls = lab.trusted;
    for (size_t i = 0; i < 3; i++) {
        peer_reset(&lab.peer);
        peer_say(&lab.peer, SAY_STARTTLS, refusals[i], NULL);
        expect(0, DELIVERED, "clear, STARTTLS was refused; policy may",
               HELLO("1") "1 STARTTLS\n1 QUIT\n" HELLO("2") MAIL("2"));
        assert_int_equal(lab.counters[COUNT_FALLBACK_REFUSED], i + 1);
    }
}

/* It may be that somebody in between does it: with nothing but that the mail would wait for ever.
 */
static void a_server_that_leaves_over_it_is_tried_again_in_clear(void **state)
{
    static const char *const ends[] = {"!421 4.3.2 bye", "!", "#"};
    lab.peer.tls = lab.trusted;
    for (size_t i = 0; i < 3; i++) {
        peer_reset(&lab.peer);
        peer_say(&lab.peer, SAY_STARTTLS, ends[i], NULL);
        expect(0, DELIVERED,
               i == 0 ? "clear, STARTTLS was refused; policy may"
                      : "clear, the connection was cut over STARTTLS; policy may",
               HELLO("1") "1 STARTTLS\n" HELLO("2") MAIL("2"));
    }
    assert_int_equal(lab.counters[COUNT_FALLBACK_REFUSED], 1);
    assert_int_equal(lab.counters[COUNT_FALLBACK_CUT], 2);
}

static void a_handshake_that_fails_is_tried_again_in_clear_at_the_same_address(void **state)
{
    /* The server answers our hello in clear. */
    lab.peer.extensions = "STARTTLS\nSIZE";
    peer_say(&lab.peer, SAY_STARTTLS, "!=220 go\r\n", "454 4.7.0 not again", NULL);
    expect(0, DELIVERED, "", HELLO("1") "1 STARTTLS\n" HELLO("2") MAIL("2"));
    assert_int_equal(lab.counters[COUNT_FALLBACK_HANDSHAKE], 1);
    assert_int_equal(lab.counters[COUNT_TLS], 0);
}

static void so_is_one_that_never_ends(void **state)
{
    lab_reload_direct("idle-timeout 0  tls opportunistic  command-timeout 25m");
    lab.peer.extensions = "STARTTLS\nSIZE";
    peer_say(&lab.peer, SAY_STARTTLS, "220 go", NULL);
    peer_say(&lab.peer, SAY_OTHER, "~", NULL); /* to a handshake that has a line feed in it */
    struct order o = {.destination = "[127.0.0.1]"};
    order_send(&o);
    RUN_UNTIL(lab.peer.commands.n > strlen(HELLO("1")));
    lab_settle();
    assert_true(lab_expire(25));
    RUN_UNTIL(o.done);
    assert_outcome(&o, 0, DELIVERED);
    assert_int_equal(lab.counters[COUNT_FALLBACK_HANDSHAKE], 1);
    order_free(&o);
}

static void no_message_is_sent_in_clear_twice_over(void **state)
{
    /* In clear it fails as well: that is the end. */
    lab.peer.extensions = "STARTTLS\nSIZE";
    peer_say(&lab.peer, SAY_STARTTLS, "!220 go", NULL);
    peer_say(&lab.peer, SAY_MAIL, "!", NULL);
    expect(0, "deferred 0 4.4.2 mail (closed by the peer)", "",
           HELLO("1") "1 STARTTLS\n" HELLO("2") "2 MAIL FROM:<from@us.test> SIZE=22\n");
}

static void who_insists_on_tls_that_failed_puts_the_message_off(void **state)
{
#define INSISTS "530 5.7.0 must issue a STARTTLS command first"
    static const char *const failures[] = {"!=220 go\r\n", "454 4.7.0 not now"};
    for (size_t i = 0; i < 2; i++) {
        peer_reset(&lab.peer);
        lab.peer.extensions = "STARTTLS";
        peer_say(&lab.peer, SAY_STARTTLS, failures[i], NULL);
        peer_say(&lab.peer, SAY_MAIL, INSISTS, NULL);
        struct order o = {.destination = "[127.0.0.1]"};
        run_to_end(&o);
        assert_outcome(&o, 0, "deferred 530 4.7.0 mail [" INSISTS "]");
        order_free(&o);
    }
    /* It was not asked for. */
    lab_reload_direct("idle-timeout 0  tls none");
    struct order o = {.destination = "[127.0.0.1]"};
    run_to_end(&o);
    assert_outcome(&o, 0, "failed 530 5.7.0 mail [" INSISTS "]");
    order_free(&o);
}

static void more_behind_the_answer_to_starttls_is_an_attack(void **state)
{
    lab.peer.extensions = "STARTTLS";
    peer_say(&lab.peer, SAY_STARTTLS, "=220 go\r\n250-evil\r\n250 PIPELINING\r\n", NULL);
    expect(0, "deferred 0 4.5.0 starttls (the server sent more behind its reply to STARTTLS)", "",
           HELLO("1") "1 STARTTLS\n");
}

static void what_is_said_behind_it_later_breaks_the_handshake(void **state)
{
    /* It comes when the handshake has begun: nothing of it may be read as SMTP. */
    lab_reload_direct("idle-timeout 0  tls required");
    lab.peer.extensions = "STARTTLS";
    peer_say(&lab.peer, SAY_STARTTLS, "220 go", NULL);
    peer_say(&lab.peer, SAY_OTHER, "250 evil", NULL);
    struct order o = {.destination = "[127.0.0.1]"};
    order_send(&o);
    RUN_UNTIL(lab.peer.commands.n > strlen(HELLO("1")));
    lab_settle();
    peer_interject(&lab.peer, "250-evil\n250 PIPELINING");
    RUN_UNTIL(o.done);
    assert_memory_equal(order_text(&o, 0), "deferred 0 4.7.5 starttls (TLS: ", 32);
    order_free(&o);
}

static void required_of_the_hosts_of_a_domain_is_encryption(void **state)
{
    lab_reload_direct("idle-timeout 0  tls required");
    lab.peer.tls = lab.untrusted;
    expect(0, DELIVERED, "TLSv1.3 ", HELLO("1") "1 STARTTLS\n" HELLO("1") MAIL("1"));
}

/* STARTTLS is said also where it is not offered: whoever took it out of the answer may have left it
 * working. */
static void where_it_is_required_nothing_goes_in_clear(void **state)
{
#define UNKNOWN "502 5.5.1 what"
    lab_reload_direct("idle-timeout 0  tls required");
    peer_say(&lab.peer, SAY_STARTTLS, UNKNOWN, NULL);
    expect(0,
           "deferred 502 4.7.4 starttls [" UNKNOWN
           "] (TLS is required and the server does not offer it)",
           "policy encrypt", HELLO("1") "1 STARTTLS\n1 QUIT\n");
    peer_reset(&lab.peer);
    lab.peer.tls = lab.trusted;
    peer_say(&lab.peer, SAY_STARTTLS, UNKNOWN, NULL);
    expect(0,
           "deferred 502 4.7.4 starttls [" UNKNOWN "] (TLS is required and the server refused it)",
           "policy encrypt", HELLO("1") "1 STARTTLS\n1 QUIT\n");
    peer_reset(&lab.peer);
    peer_say(&lab.peer, SAY_STARTTLS, "!421 4.3.2 bye", NULL);
    expect(
        0,
        "deferred 421 4.7.4 starttls [421 4.3.2 bye] (TLS is required and the server refused it)",
        "policy encrypt", HELLO("1") "1 STARTTLS\n");
    peer_reset(&lab.peer);
    peer_say(&lab.peer, SAY_STARTTLS, "!220 go", NULL);
    expect(0, "deferred 0 4.7.5 starttls (closed by the peer during the TLS handshake)",
           "policy encrypt", HELLO("1") "1 STARTTLS\n");
    peer_reset(&lab.peer);
    peer_say(&lab.peer, SAY_STARTTLS, "!", NULL);
    expect(0, "deferred 0 4.4.2 starttls (closed by the peer)", "policy encrypt",
           HELLO("1") "1 STARTTLS\n");
    peer_reset(&lab.peer);
    peer_say(&lab.peer, SAY_EHLO, UNKNOWN, NULL);
    peer_say(&lab.peer, SAY_STARTTLS, UNKNOWN, NULL);
    expect(0,
           "deferred 502 4.7.4 starttls [" UNKNOWN
           "] (TLS is required and the server does not offer it)",
           "policy encrypt", HELLO("1") "1 HELO us.test\n1 STARTTLS\n1 QUIT\n");
    assert_int_equal(fallbacks(), 0);
    /* It works though it was not announced. */
    peer_reset(&lab.peer);
    lab.peer.extensions = "SIZE";
    expect(0, DELIVERED, "unverified; policy encrypt",
           HELLO("1") "1 STARTTLS\n" HELLO("1") MAIL("1"));
}

static void use_smarthost(const char *tls)
{
    lab.agent.label = "relay";
    lab_reload("transport relay { smtp { host 127.0.0.1  port %d  tls %s  idle-timeout 0 } }\n",
               lab.peer.port, tls);
}

static bool order_refused; /* STARTTLS is */

static void expect_smarthost(uint32_t flags, const char *outcome, const char *tls,
                             const char *last_command)
{
    struct order o = {.flags = flags};
    peer_reset(&lab.peer);
    if (order_refused)
        peer_say(&lab.peer, SAY_STARTTLS, UNKNOWN, NULL);
    run_to_end(&o);
    assert_outcome(&o, 0, outcome);
    if (tls[0] == '\0')
        assert_false(is_under_tls(&o.results[0]));
    else
        assert_non_null(strstr(o.results[0].tls, tls));
    assert_string_equal(o.results[0].remote_host, "127.0.0.1");
    assert_non_null(strstr(buf_text(&lab.peer.commands), last_command));
    order_free(&o);
}

static void required_of_a_smarthost_is_a_certificate_for_its_name(void **state)
{
    use_smarthost("required");
    lab.peer.tls = lab.trusted;
    expect_smarthost(0, DELIVERED, " verified", "QUIT");
    lab.peer.tls = lab.untrusted;
    expect_smarthost(
        0, "deferred 0 4.7.5 starttls (TLS: certificate verify failed: self-signed certificate)",
        "", "STARTTLS");
    assert_null(strstr(buf_text(&lab.peer.commands), "MAIL"));
    use_smarthost("opportunistic");
    expect_smarthost(0, DELIVERED, "TLSv1.3", "QUIT");
}

static void requiretls_wants_a_certificate_and_the_extension(void **state)
{
    static const char *const without =
        "failed 0 5.7.30 mail (the server does not take REQUIRETLS, which this message asks for)";
    use_smarthost("opportunistic");
    lab.peer.tls = lab.trusted;
    lab.peer.tls_extensions = "REQUIRETLS";
    expect_smarthost(SUBMIT_REQUIRE_TLS, DELIVERED, " verified",
                     "MAIL FROM:<from@us.test> REQUIRETLS\n");
    lab.peer.tls_extensions = "SIZE";
    expect_smarthost(SUBMIT_REQUIRE_TLS, without, " verified", "QUIT");
    assert_null(strstr(buf_text(&lab.peer.commands), "MAIL"));
    lab.peer.tls = lab.untrusted;
    expect_smarthost(
        SUBMIT_REQUIRE_TLS,
        "deferred 0 4.7.5 starttls (TLS: certificate verify failed: self-signed certificate)", "",
        "STARTTLS");
    lab.peer.tls = NULL;
    order_refused = true;
    expect_smarthost(SUBMIT_REQUIRE_TLS,
                     "deferred 502 4.7.4 starttls [" UNKNOWN
                     "] (TLS is required and the server does not offer it)",
                     "", "EHLO");
    order_refused = false;
    assert_null(strstr(buf_text(&lab.peer.commands), "MAIL"));
}

static void requiretls_is_refused_where_the_operator_wants_no_tls(void **state)
{
    struct order o = {.flags = SUBMIT_REQUIRE_TLS};
    use_smarthost("none");
    lab.peer.tls = lab.trusted;
    lab.peer.tls_extensions = "REQUIRETLS";
    order_run(&o);
    assert_outcome(&o, 0,
                   "failed 0 5.7.30 policy (the message asks for REQUIRETLS, and TLS is switched "
                   "off for this destination)");
    assert_int_equal(lab.peer.opened, 0);
    order_free(&o);
}

/* RFC 8689 section 5: who cannot take a notice with REQUIRETLS gets it without. */
static void requiretls_does_not_have_a_notice_lost(void **state)
{
    static const char *const cases[] = {"REQUIRETLS", "SIZE", NULL, NULL};
    use_smarthost("opportunistic");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.sender = "", .flags = SUBMIT_REQUIRE_TLS};
        lab.peer.tls = i == 0 ? lab.trusted : i == 1 ? lab.untrusted : NULL;
        lab.peer.tls_extensions = cases[i];
        peer_reset(&lab.peer);
        if (i == 3) /* said in clear it means nothing (section 2) */
            lab.peer.extensions = "REQUIRETLS";
        run_to_end(&o);
        assert_outcome(&o, 0, DELIVERED);
        assert_int_equal(is_under_tls(&o.results[0]), i < 2);
        assert_int_equal(strstr(buf_text(&lab.peer.commands), " REQUIRETLS") != NULL, i == 0);
        order_free(&o);
    }
}

/* RFC 8689 section 4.2.1: DNSSEC and an authority will do, where the operator says so. */
static void requiretls_wants_hosts_whose_names_are_beyond_doubt(void **state)
{
    static const char *const no_policy = "failed 0 5.7.30 policy (the message asks for REQUIRETLS, "
                                         "and neither DANE nor MTA-STS says "
                                         "what certificate the host must have)";
    struct order o = {.flags = SUBMIT_REQUIRE_TLS},
                 literal = {.destination = "[127.0.0.1]", .flags = SUBMIT_REQUIRE_TLS};
    names_add(&lab.names, "example.net", "MX", "10 mx1.test");
    names_add(&lab.names, "mx1.test", "A", "127.0.0.1");
    lab.peer.tls = lab.trusted;
    lab.peer.tls_extensions = "REQUIRETLS";
    lab_reload_direct("idle-timeout 0  tls opportunistic  requiretls-by-dnssec yes");
    order_run(&o);
    assert_outcome(&o, 0, no_policy);
    assert_string_equal(o.results[0].tls, "policy requiretls no-policy");
    order_run(&literal);
    assert_outcome(&literal, 0, no_policy);
    order_free(&o);
    lab.names.authentic = true;
    lab_reload_direct("idle-timeout 0  tls opportunistic"); /* an empty cache */
    order_run(&o);
    assert_outcome(&o, 0, no_policy);
    order_free(&o);
    lab_reload_direct("idle-timeout 0  tls opportunistic  requiretls-by-dnssec yes");
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_non_null(strstr(o.results[0].tls, " verified; policy requiretls dnssec"));
    lab_reload_direct("idle-timeout 0  tls none");
    order_free(&o);
    order_run(&o);
    assert_outcome(&o, 0,
                   "failed 0 5.7.30 policy (the message asks for REQUIRETLS, and TLS is switched "
                   "off for this destination)");
    order_free(&o);
    order_free(&literal);
}

static void a_connection_is_shared_only_where_as_much_was_asked_of_it(void **state)
{
    struct order plain = {0}, strict = {.flags = SUBMIT_REQUIRE_TLS},
                 strict_again = {.flags = SUBMIT_REQUIRE_TLS};
    lab.agent.label = "relay";
    lab_reload("transport relay { smtp { host 127.0.0.1  port %d  tls opportunistic  idle-timeout "
               "1m } }\n",
               lab.peer.port);
    lab.peer.tls = lab.trusted;
    lab.peer.tls_extensions = "REQUIRETLS";
    order_run(&plain);
    order_run(&strict);
    order_run(&strict_again);
    assert_outcome(&strict_again, 0, DELIVERED);
    assert_int_equal(lab.peer.opened, 2);
    assert_int_equal(lab.counters[COUNT_REUSED], 1);
    order_free(&plain);
    order_free(&strict);
    order_free(&strict_again);
}

static void a_session_is_resumed_over_the_next_connection(void **state)
{
    lab.peer.tls = lab.untrusted;
    for (unsigned i = 0; i < 3; i++) {
        struct order o = {.destination = "[127.0.0.1]"};
        run_to_end(&o);
        assert_outcome(&o, 0, DELIVERED);
        assert_int_equal(strstr(o.results[0].tls, " resumed ") != NULL, i > 0);
        assert_int_equal(lab.counters[COUNT_TLS_RESUMED], i);
        order_free(&o);
    }
    lab_reload_direct("idle-timeout 0  tls opportunistic  tls-sessions 0");
    for (unsigned i = 0; i < 2; i++)
        expect_tls_unlike(" resumed ");
}

static void a_session_that_the_server_does_not_like_has_nothing_go_in_clear(void **state)
{
    struct order o = {.destination = "[127.0.0.1]"};
    lab.peer.tls = lab.untrusted;
    expect_tls_unlike(" resumed ");
    peer_reset(&lab.peer);
    lab.peer.tls = lab.untrusted;
    peer_say(&lab.peer, SAY_STARTTLS, "!220 go", "220 go", NULL);
    run_to_end(&o);
    assert_outcome(&o, 0,
                   "deferred 0 4.7.5 starttls (closed by the peer during the TLS handshake)");
    assert_commands(&lab.peer, HELLO("1") "1 STARTTLS\n");
    order_free(&o);
    expect_tls_unlike(" resumed ");
    assert_int_equal(fallbacks(), 0);
}

static void nothing_said_in_between_counts_as_an_answer_under_tls_either(void **state)
{
    static const char *const words[] = {"250 2.0.0 queued", "421 4.4.2 bye", "354 go"};
    lab_reload_direct("idle-timeout 1m  tls opportunistic");
    lab.peer.tls = lab.trusted;
    for (size_t i = 0; i < 3; i++) {
        struct order first = {.destination = "[127.0.0.1]"}, o = {.destination = "[127.0.0.1]"};
        peer_reset(&lab.peer);
        order_run(&first);
        /* Behind the order, so that it lies unread in the socket; a refusal is the true answer. */
        peer_say(&lab.peer, SAY_MAIL, "550 5.7.1 no", NULL);
        order_send(&o);
        peer_interject(&lab.peer, words[i]);
        RUN_UNTIL(o.done);
        assert_outcome(&o, 0, "failed 550 5.7.1 mail [550 5.7.1 no]");
        assert_int_equal(lab.peer.opened, 2);
        order_free(&first);
        order_free(&o);
        peer_hang_up(&lab.peer);
        lab_settle();
    }
}

static void a_large_message_passes_under_tls(void **state)
{
    struct buf body = {0};
    buf_puts(&body, "Subject: large\r\n\r\n");
    while (body.n < 3 << 20)
        buf_puts(
            &body,
            ".123456789012345678901234567890123456789012345678901234567890123456789012345678\r\n");
    struct order o = {.destination = "[127.0.0.1]", .body = buf_text(&body), .body_n = body.n};
    lab.peer.tls = lab.trusted;
    lab.peer.bite = 50000;
    run_to_end(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_true(lab.peer.data.n > body.n);
    order_free(&o);
    buf_free(&body);
}

static void what_was_agreed_on_is_told_of_a_failure_too(void **state)
{
    lab.peer.tls = lab.trusted;
    peer_say(&lab.peer, SAY_MAIL, "!", NULL);
    expect(0, "deferred 0 4.4.2 mail (closed by the peer)", "TLSv1.3 ",
           HELLO("1") "1 STARTTLS\n" HELLO("1") "1 MAIL FROM:<from@us.test> SIZE=22\n");
    peer_reset(&lab.peer);
    peer_say(&lab.peer, SAY_RCPT, "550 5.1.1 no", NULL);
    peer_say(&lab.peer, SAY_DATA, "503 5.5.1 no", NULL);
    struct order o = {.destination = "[127.0.0.1]"};
    run_to_end(&o);
    assert_outcome(&o, 0, "failed 550 5.1.1 rcpt [550 5.1.1 no]");
    assert_non_null(strstr(o.results[0].tls, "TLSv1.3 "));
    order_free(&o);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(tls_is_used_where_it_is_offered),
        TEST(without_an_offer_the_message_goes_in_clear),
        TEST(with_tls_off_an_offer_is_passed_over),
        TEST(what_was_announced_in_clear_is_forgotten_under_tls),
        TEST(an_offer_taken_back_is_put_up_with),
        TEST(a_server_that_leaves_over_it_is_tried_again_in_clear),
        TEST(a_handshake_that_fails_is_tried_again_in_clear_at_the_same_address),
        TEST(so_is_one_that_never_ends),
        TEST(no_message_is_sent_in_clear_twice_over),
        TEST(who_insists_on_tls_that_failed_puts_the_message_off),
        TEST(more_behind_the_answer_to_starttls_is_an_attack),
        TEST(what_is_said_behind_it_later_breaks_the_handshake),
        TEST(required_of_the_hosts_of_a_domain_is_encryption),
        TEST(where_it_is_required_nothing_goes_in_clear),
        TEST(required_of_a_smarthost_is_a_certificate_for_its_name),
        TEST(requiretls_wants_a_certificate_and_the_extension),
        TEST(requiretls_is_refused_where_the_operator_wants_no_tls),
        TEST(requiretls_does_not_have_a_notice_lost),
        TEST(requiretls_wants_hosts_whose_names_are_beyond_doubt),
        TEST(a_connection_is_shared_only_where_as_much_was_asked_of_it),
        TEST(a_session_is_resumed_over_the_next_connection),
        TEST(a_session_that_the_server_does_not_like_has_nothing_go_in_clear),
        TEST(nothing_said_in_between_counts_as_an_answer_under_tls_either),
        TEST(a_large_message_passes_under_tls),
        TEST(what_was_agreed_on_is_told_of_a_failure_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
