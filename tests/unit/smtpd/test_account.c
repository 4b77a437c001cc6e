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

/* ---- authentication ---- */

static void submission_needs_a_password(void **state)
{
    struct client_end c;
    world_open(&w, "");
    begin(&c, PORT_SUBMISSION);
    client_ask(&c, "MAIL FROM:<qm@test.example>", 530, "5.7.0");
    client_ask(&c, "VRFY qm", 530, "5.7.0");
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 235, "2.7.0");
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 503, NULL);
    client_ask(&c, "MAIL FROM:<other@test.example>", 550, "5.7.1");
    client_ask(&c, "MAIL FROM:<>", 550, "5.7.1");
    client_ask(&c, "MAIL FROM:<qm@test.example>", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "RCPT TO:<no@test.example>", 550, "5.1.1");
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\nX-Mox-Extra-order: 7\r\n\r\nhi\r\n.", 250, "queued");
    const struct submit_envelope *e = w.arrived[0].envelope;
    assert_int_equal(e->origin, SUBMIT_SUBMISSION);
    assert_string_equal(e->account, "qm");
    assert_string_equal(e->client, "127.0.0.1 ESMTPA");
    assert_int_equal(e->extra_n, 1);
    assert_string_equal(e->extra[0].key, "Order");
    assert_string_equal(e->extra[0].value, "7");
    assert_non_null(strstr(body(0), "\r\nMessage-ID: <"));
    assert_non_null(strstr(body(0), e->message_id));
    assert_non_null(strstr(body(0), "\r\nDate: "));
    assert_non_null(
        strstr(body(0), "\r\nFrom: qm@test.example\r\nX-Mox-Extra-order: 7\r\n\r\nhi\r\n"));
    client_close(&c);
    world_close(&w);
}

static void the_ways_to_authenticate(void **state)
{
    static const struct {
        const char *first; /* command */
        int code;
        const char *second; /* answer to the challenge; NULL: none is asked */
        int code2;
        const char *third;
        int code3;
    } cases[] = {
        {"AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 235, NULL, 0, NULL, 0},
        {"auth plain AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 235, NULL, 0, NULL, 0},
        {"AUTH PLAIN", 334, "AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 235, NULL, 0},
        {"AUTH PLAIN =", 334, "AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 235, NULL, 0},
        {"AUTH SCRAM-SHA-256 biwsZmlyc3Q=", 334, "bGFzdCB3b3Jk", 334, "", 235},
        {"AUTH SCRAM-SHA-256 biwsZmlyc3Q=", 334, "bGFzdCB3b3Jk", 334, "bm90IGVtcHR5", 501},
        {"AUTH SCRAM-SHA-256 biwsZmlyc3Q=", 334, "bWFsZm9ybWVk", 501, NULL, 0},
        {"AUTH LOGIN", 334, "cW1AdGVzdC5leGFtcGxl", 334, "c2VjcmV0", 235},
        {"AUTH LOGIN cW1AdGVzdC5leGFtcGxl", 334, "c2VjcmV0", 235, NULL, 0},
        {"AUTH LOGIN cW1AdGVzdC5leGFtcGxl", 334, "d3Jvbmc=", 535, NULL, 0},
        {"AUTH PLAIN d3Jvbmc=", 535, NULL, 0, NULL, 0},
        {"AUTH PLAIN no-base64", 501, NULL, 0, NULL, 0},
        {"AUTH PLAIN", 334, "no base64!", 501, NULL, 0},
        {"AUTH PLAIN", 334, "*", 501, NULL, 0},
        {"AUTH SCRAM-SHA-256 biwsZmlyc3Q=", 334, "*", 501, NULL, 0},
        {"AUTH FROB", 504, NULL, 0, NULL, 0},
        {"AUTH SCRAM-SHA-256-PLUS", 504, NULL, 0, NULL, 0},
        {"AUTH PLAIN a b", 501, NULL, 0, NULL, 0},
    };
    world_open(&w, "errors 1000");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client_end c;
        begin(&c, PORT_SUBMISSION);
        client_ask(&c, cases[i].first, cases[i].code, NULL);
        if (cases[i].second != NULL)
            client_ask(&c, cases[i].second, cases[i].code2, NULL);
        if (cases[i].third != NULL)
            client_ask(&c, cases[i].third, cases[i].code3, NULL);
        client_ask(&c, "NOOP", 250, NULL);
        client_close(&c);
    }
    world_settle(&w);
    /* PLAIN without an initial response and SCRAM, both cancelled, and one that was no base64. */
    assert_int_equal(w.cancels, 3);
    world_close(&w);
}

static void guessing_passwords_ends_the_connection(void **state)
{
    struct client_end c;
    world_open(&w, "auth-failures 2");
    begin(&c, PORT_SUBMISSION);
    client_ask(&c, "AUTH PLAIN d3Jvbmc=", 535, "5.7.8");
    client_ask(&c, "AUTH PLAIN d3Jvbmc=", 421, "4.7.0");
    client_expect_end(&c);
    client_close(&c);
    world_close(&w);
}

static void without_a_vault_nobody_is_turned_away_for_good(void **state)
{
    struct client_end c, d;
    world_open(&w, "");
    begin(&c, PORT_SUBMISSION);
    begin(&d, PORT_SUBMISSION);
    client_ask(&d, "AUTH SCRAM-SHA-256 biwsZmlyc3Q=", 334, NULL);
    w.vault_waits = true;
    client_send(&c, "AUTH PLAIN d3Jvbmc=\r\n");
    client_expect_silence(&c);
    world_lose_vault(&w);
    client_expect(&c, 454, "4.7.0");
    client_ask(&c, "AUTH PLAIN d3Jvbmc=", 454, "4.7.0");
    client_ask(&c, "AUTH LOGIN d3Jvbmc=", 454, "4.7.0");
    world_link_vault(&w);
    w.vault_waits = false;
    /* An exchange cannot go on with a vault that did not begin it. */
    client_ask(&d, "bGFzdCB3b3Jk", 454, "4.7.0");
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 235, NULL);
    client_close(&c);
    client_close(&d);
    world_close(&w);
}

static void a_client_may_vanish_while_the_vault_thinks(void **state)
{
    struct client_end c;
    world_open(&w, "");
    w.vault_waits = true;
    begin(&c, PORT_SUBMISSION);
    client_send(&c, "AUTH PLAIN d3Jvbmc=\r\n");
    client_expect_silence(&c);
    struct session *s = TAILQ_FIRST(&w.server.sessions);
    session_destroy(&s);
    world_lose_vault(&w);
    client_close(&c);
    world_close(&w);
}

static void a_password_does_not_cross_the_network_in_clear(void **state)
{
    struct client_end c;
    world_open(&w, "");
    for (size_t i = 0; i < w.server.settings->ports_n; i++)
        w.server.settings->ports[i].clear_auth = false;
    client_open(&c, &w, PORT_SUBMISSION);
    client_ask(&c, "EHLO x", 250, NULL);
    for (size_t i = 0; i < c.parser.reply.kept; i++)
        assert_false(span_starts_nocase(reply_line_text(&c.parser.reply, i), "AUTH"));
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 538, "5.7.11");
    client_ask(&c, "AUTH SCRAM-SHA-256 biwsZmlyc3Q=", 538, "5.7.11");
    client_close(&c);
    world_close(&w);
}

static void no_authentication_where_it_makes_no_sense(void **state)
{
    struct client_end c;
    world_open(&w, "");
    begin(&c, PORT_SMTP);
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 503, NULL);
    client_close(&c);
    begin(&c, PORT_LOCAL);
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 503, NULL);
    client_close(&c);
    world_close(&w);
}

/* ---- ids for bounces ---- */

static void authenticate_with_ids(struct client_end *c)
{
    begin(c, PORT_SUBMISSION);
    client_ask(c, "AUTH PLAIN AGlkAHNlY3JldA==", 235, NULL);
}

static void each_recipient_gets_an_id_of_its_own(void **state)
{
    struct client_end c;
    world_open(&w, "");
    authenticate_with_ids(&c);
    client_ask(&c, "MAIL FROM:<qm@test.example>", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "RCPT TO:<b@elsewhere.example>", 250, NULL);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 250, NULL);
    const struct submit_envelope *e = w.arrived[0].envelope;
    assert_string_equal(e->sender, "qm@test.example");
    assert_int_equal(strlen(e->recipients[0].from_id), 22);
    assert_int_equal(strlen(e->recipients[1].from_id), 22);
    assert_string_not_equal(e->recipients[0].from_id, e->recipients[1].from_id);
    client_close(&c);
    world_close(&w);
}

static void a_client_may_choose_the_id_of_one_recipient(void **state)
{
    struct client_end c;
    world_open(&w, "");
    authenticate_with_ids(&c);
    client_ask(&c, "MAIL FROM:<qm+mine@test.example>", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "RCPT TO:<b@elsewhere.example>", 554, "5.5.3");
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 250, NULL);
    const struct submit_envelope *e = w.arrived[0].envelope;
    assert_string_equal(e->sender, "qm@test.example");
    assert_int_equal(e->recipients_n, 1);
    assert_string_equal(e->recipients[0].from_id, "mine");
    client_close(&c);
    world_close(&w);
}

/* ---- signatures ---- */

static void mail_of_our_domain_is_signed_or_not_taken(void **state)
{
    struct client_end c;
    world_open(&w, "dkim");
    w.vault_signs = true;
    begin(&c, PORT_LOCAL);
    envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 250, NULL);
    assert_memory_equal(body(0), "DKIM-Signature: v=1; a=ed25519-sha256;", 38);
    assert_non_null(strstr(body(0), "d=test.example"));
    assert_non_null(strstr(body(0), "\r\nReceived: by mx.test.example with local id "));
    assert_non_null(strstr(body(0), "\r\nFrom: qm@test.example\r\n\r\nhi\r\n"));
    send_one(&c);
    client_expect(&c, 250, NULL);
    assert_null(strstr(body(1), "DKIM-Signature"));
    w.vault_signs = false;
    envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 451, "4.7.0");
    world_lose_vault(&w);
    envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 451, "4.7.0");
    assert_int_equal(w.arrived_n, 2);
    client_close(&c);
    world_close(&w);
}

static void a_client_may_vanish_while_its_message_is_signed(void **state)
{
    struct client_end c;
    world_open(&w, "dkim");
    w.vault_waits = true;
    begin(&c, PORT_LOCAL);
    envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_send(&c, "From: qm@test.example\r\n\r\nhi\r\n.\r\n");
    client_expect_silence(&c);
    struct session *s = TAILQ_FIRST(&w.server.sessions);
    assert_int_equal(s->step, STEP_SIGN);
    session_destroy(&s);
    world_lose_vault(&w);
    client_close(&c);
    world_close(&w);
}

/* ---- users of this machine ---- */

static void a_user_of_this_machine_is_known_by_number(void **state)
{
    struct client_end c;
    world_open(&w, "");
    begin(&c, PORT_LOCAL);
    client_ask(&c, "MAIL FROM:<root> ENVID=abc RET=HDRS", 250, NULL);
    client_ask(&c, "RCPT TO:<admin> NOTIFY=NEVER", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example> ORCPT=rfc822;a+2Bb@x", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "RCPT TO:<postmaster>", 250, NULL);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "Subject: \xc3\xa9\r\n\r\n\xc3\xa9\r\n.", 250, NULL);
    const struct submit_envelope *e = w.arrived[0].envelope;
    char *client = mem_format("uid %d local", (int)getuid());
    assert_int_equal(e->origin, SUBMIT_LOCAL);
    assert_string_equal(e->account, "");
    assert_string_equal(e->client, client);
    assert_string_equal(e->sender, "root@box.test.example");
    assert_string_equal(e->envid, "abc");
    assert_string_equal(e->ret, "HDRS");
    assert_int_equal(e->recipients_n, 3);
    assert_string_equal(e->recipients[0].address, "admin@box.test.example");
    assert_int_equal(e->recipients[0].notify, NOTIFY_NEVER);
    assert_string_equal(e->recipients[1].orcpt, "rfc822;a+b@x");
    assert_string_equal(e->recipients[2].address, "qm@test.example");
    assert_int_equal(e->flags, SUBMIT_EIGHT_BIT | SUBMIT_SMTPUTF8);
    mem_free(&client);
    client_close(&c);
    world_close(&w);
}

static void a_message_can_be_held_back(void **state)
{
    struct client_end c;
    world_open(&w, "");
    begin(&c, PORT_LOCAL);
    client_ask(&c, "MAIL FROM:<root> HOLDFOR=5184001", 554, NULL);
    client_ask(&c, "MAIL FROM:<root> HOLDUNTIL=2001-01-01T00:00:00Z", 554, NULL);
    client_ask(&c, "MAIL FROM:<root> HOLDFOR=60", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "Subject: later\r\n\r\n.", 250, NULL);
    const struct submit_envelope *e = w.arrived[0].envelope;
    assert_int_equal(e->not_before_ms, e->received_ms + 60000);
    client_close(&c);
    world_close(&w);
}

/* ---- the end ---- */

static void good_bye_is_said_to_whoever_waits(void **state)
{
    struct client_end idle, data, queued;
    world_open(&w, "");
    w.queue_mode = QUEUE_WAITS;
    begin(&idle, PORT_SMTP);
    begin(&data, PORT_SMTP);
    envelope(&data);
    client_ask(&data, "DATA", 354, NULL);
    begin(&queued, PORT_SMTP);
    send_one(&queued);
    client_expect_silence(&queued);
    server_stop(&w.server);
    client_expect(&idle, 421, "4.3.2");
    client_expect_end(&idle);
    client_expect_silence(&data);
    client_expect_silence(&queued);
    w.queue_mode = QUEUE_ACCEPTS;
    world_accept_all(&w);
    client_expect(&queued, 250, "queued");
    client_expect(&queued, 421, "4.3.2");
    client_send(&data, message);
    client_expect(&data, 250, "queued");
    client_expect(&data, 421, "4.3.2");
    client_close(&idle);
    client_close(&data);
    client_close(&queued);
    world_close(&w);
}



int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(submission_needs_a_password),
        TEST(the_ways_to_authenticate),
        TEST(guessing_passwords_ends_the_connection),
        TEST(without_a_vault_nobody_is_turned_away_for_good),
        TEST(a_client_may_vanish_while_the_vault_thinks),
        TEST(a_password_does_not_cross_the_network_in_clear),
        TEST(no_authentication_where_it_makes_no_sense),
        TEST(each_recipient_gets_an_id_of_its_own),
        TEST(a_client_may_choose_the_id_of_one_recipient),
        TEST(mail_of_our_domain_is_signed_or_not_taken),
        TEST(a_client_may_vanish_while_its_message_is_signed),
        TEST(a_user_of_this_machine_is_known_by_number),
        TEST(a_message_can_be_held_back),
        TEST(good_bye_is_said_to_whoever_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
