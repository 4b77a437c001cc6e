#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "session.h"
#include "world.h"

static struct world w;

/* ---- authentication ---- */

static void submission_needs_a_password(void **state)
{
    struct client_end c;
    world_open(&w, "");
    client_begin(&c, &w, PORT_SUBMISSION);
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
    assert_string_equal(e->client, "127.0.0.1 ESMTPA client.example");
    assert_int_equal(e->extra_n, 1);
    assert_string_equal(e->extra[0].key, "Order");
    assert_string_equal(e->extra[0].value, "7");
    assert_non_null(strstr(world_body(&w, 0), "\r\nMessage-ID: <"));
    assert_non_null(strstr(world_body(&w, 0), e->message_id));
    assert_non_null(strstr(world_body(&w, 0), "\r\nDate: "));
    assert_non_null(strstr(world_body(&w, 0),
                           "\r\nFrom: qm@test.example\r\nX-Mox-Extra-order: 7\r\n\r\nhi\r\n"));
    client_close(&c);
    world_close(&w);
}

static void fields_for_webhooks_are_taken_out_where_that_is_wished(void **state)
{
    struct client_end c;
    world_open(&w, "strip-extra-headers yes\n");
    client_begin(&c, &w, PORT_SUBMISSION);
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 235, "2.7.0");
    client_ask(&c, "MAIL FROM:<qm@test.example>", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c,
               "From: qm@test.example\r\nX-Mox-Extra-order: 7\r\n 8\r\nSubject: x\r\n\r\n"
               "X-Mox-Extra-Body: stays\r\n.",
               250, "queued");
    const struct submit_envelope *e = w.arrived[0].envelope;
    assert_int_equal(e->extra_n, 1);
    assert_string_equal(e->extra[0].value, "7 8");
    assert_non_null(strstr(world_body(&w, 0), "\r\nFrom: qm@test.example\r\nSubject: x\r\n\r\n"
                                              "X-Mox-Extra-Body: stays\r\n"));
    assert_null(strstr(world_body(&w, 0), "Extra-order"));
    client_close(&c);
    client_begin(&c, &w, PORT_SMTP); /* a stranger's are none of ours */
    client_ask(&c, "MAIL FROM:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "RCPT TO:<qm@test.example>", 250, NULL);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "X-Mox-Extra-order: 7\r\n\r\n.", 250, "queued");
    assert_non_null(strstr(world_body(&w, 1), "\r\nX-Mox-Extra-order: 7\r\n\r\n"));
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
        {"AUTH PLAIN c2h1dA==", 525, NULL, 0, NULL, 0},
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
        client_begin(&c, &w, PORT_SUBMISSION);
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

/* What is logged from here on goes into a file; returns standard error as it was. */
static int divert_log(int *file)
{
    int before = dup(STDERR_FILENO);
    *file = file_memory("log", NULL);
    assert_true(before >= 0 && *file >= 0);
    assert_int_equal(dup2(*file, STDERR_FILENO), STDERR_FILENO);
    return before;
}

static void restore_log(int before, int file, struct buf *logged)
{
    assert_int_equal(dup2(before, STDERR_FILENO), STDERR_FILENO);
    (void)close(before);
    assert_int_equal(file_read_fd(file, SIZE_MAX, logged, NULL), 0);
    (void)close(file);
}

static void a_line_of_the_log_names_the_account_once(void **state)
{
    struct client_end c;
    struct buf logged = {0};
    int file, before = divert_log(&file);
    world_open(&w, "");
    client_begin(&c, &w, PORT_SUBMISSION);
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 235, NULL);
    client_ask(&c, "MAIL FROM:<qm@test.example>", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 250, NULL);
    client_close(&c);
    world_close(&w);
    restore_log(before, file, &logged);
    char *line = strstr(buf_text(&logged), "m=\"mail accepted\"");
    assert_non_null(line);
    line[strcspn(line, "\n")] = '\0';
    char *account = strstr(line, " account=qm ");
    assert_non_null(account);
    assert_null(strstr(account + 1, " account="));
    buf_free(&logged);
}

static void guessing_passwords_ends_the_connection(void **state)
{
    struct client_end c;
    world_open(&w, "auth-failures 2");
    client_begin(&c, &w, PORT_SUBMISSION);
    client_ask(&c, "AUTH PLAIN d3Jvbmc=", 535, "5.7.8");
    client_ask(&c, "AUTH PLAIN d3Jvbmc=", 421, "4.7.0");
    client_expect_end(&c);
    client_close(&c);
    world_close(&w);
}

static void what_is_too_long_does_not_reach_the_vault(void **state)
{
    struct client_end c;
    char *text = mem_zero(45001), *line;
    memset(text, 'A', 45000);
    world_open(&w, "command-line 65536");
    client_begin(&c, &w, PORT_SUBMISSION);
    line = mem_format("AUTH PLAIN %s", text);
    client_ask(&c, line, 500, "5.5.6");
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 235, NULL);
    client_close(&c);
    client_begin(&c, &w, PORT_SUBMISSION);
    client_ask(&c, "AUTH PLAIN", 334, NULL);
    client_ask(&c, text, 500, "5.5.6");
    client_expect_end(&c);
    client_close(&c);
    mem_free(&line);
    mem_free(&text);
    world_close(&w);
}

static void without_a_vault_nobody_is_turned_away_for_good(void **state)
{
    struct client_end c, d;
    world_open(&w, "");
    client_begin(&c, &w, PORT_SUBMISSION);
    client_begin(&d, &w, PORT_SUBMISSION);
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
    client_begin(&c, &w, PORT_SUBMISSION);
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
    client_begin(&c, &w, PORT_SMTP);
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 503, NULL);
    client_close(&c);
    client_begin(&c, &w, PORT_LOCAL);
    client_ask(&c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 503, NULL);
    client_close(&c);
    world_close(&w);
}

/* ---- ids for bounces ---- */

static void authenticate_with_ids(struct client_end *c)
{
    client_begin(c, &w, PORT_SUBMISSION);
    client_ask(c, "AUTH PLAIN AGlkAHNlY3JldA==", 235, NULL);
}

static void the_queue_is_asked_for_an_id_for_each_recipient(void **state)
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
    assert_int_equal(e->flags & SUBMIT_FROM_IDS, SUBMIT_FROM_IDS);
    assert_string_equal(e->recipients[0].from_id, "");
    assert_string_equal(e->recipients[1].from_id, "");
    client_close(&c);
    world_close(&w);
}

static void a_sender_without_a_place_for_an_id_is_refused(void **state)
{
    struct client_end c;
    world_open(&w, "");
    authenticate_with_ids(&c);
    client_ask(&c, "MAIL FROM:<a.name.of.forty.two.octets.and.nothing.else@test.example>", 554,
               "5.1.7");
    client_ask(&c, "MAIL FROM:<qm@test.example>", 250, NULL);
    client_ask(&c, "RSET", 250, NULL);
    client_ask(&c, "MAIL FROM:<qm@bare.example>", 554, "5.1.7");
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
    assert_string_equal(e->sender, "qm+mine@test.example");
    assert_int_equal(e->recipients_n, 1);
    assert_string_equal(e->recipients[0].from_id, "mine");
    client_close(&c);
    world_close(&w);
}

/* ---- suppression lists ---- */

static void authenticate(struct client_end *c)
{
    client_begin(c, &w, PORT_SUBMISSION);
    client_ask(c, "AUTH PLAIN AHFtQHRlc3QuZXhhbXBsZQBzZWNyZXQ=", 235, NULL);
    client_ask(c, "MAIL FROM:<qm@test.example>", 250, NULL);
}

static void who_is_on_the_list_is_refused_where_that_is_wanted(void **state)
{
    struct client_end c;
    world_open(&w, "suppress-at-send yes");
    authenticate(&c);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, "2.1.5");
    client_ask(&c, "RCPT TO:<listed@elsewhere.example>", 550, "5.7.1");
    client_ask(&c, "RCPT TO:<b@elsewhere.example> NOTIFY=NEVER", 250, "2.1.5");
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 250, NULL);
    const struct submit_envelope *e = w.arrived[0].envelope;
    assert_int_equal(e->recipients_n, 2);
    assert_string_equal(e->recipients[1].address, "b@elsewhere.example");
    assert_int_equal(e->recipients[1].notify, NOTIFY_NEVER);
    assert_int_equal(w.finds, 3);
    client_close(&c);
    world_close(&w);
    world_open(&w, "");
    authenticate(&c);
    client_ask(&c, "RCPT TO:<listed@elsewhere.example>", 250, "2.1.5");
    assert_int_equal(w.finds, 0);
    client_close(&c);
    world_close(&w);
}

static void while_the_queue_cannot_tell_recipients_are_put_off(void **state)
{
    struct client_end c;
    world_open(&w, "suppress-at-send yes");
    authenticate(&c);
    w.queue_mode = QUEUE_REFUSES;
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 451, "4.3.0");
    w.queue_mode = QUEUE_ACCEPTS;
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, "2.1.5");
    client_close(&c);
    world_close(&w);
}

static void a_client_that_leaves_meanwhile_is_forgotten(void **state)
{
    struct client_end c;
    world_open(&w, "suppress-at-send yes");
    authenticate(&c);
    w.queue_mode = QUEUE_WAITS;
    client_send(&c, "RCPT TO:<a@elsewhere.example>\r\n");
    while (w.finds == 0)
        world_settle(&w);
    client_close(&c);
    world_settle(&w);
    ipc_free(&w.queue); /* which ends without an answer */
    world_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(submission_needs_a_password),
        cmocka_unit_test(fields_for_webhooks_are_taken_out_where_that_is_wished),
        cmocka_unit_test(the_ways_to_authenticate),
        cmocka_unit_test(a_line_of_the_log_names_the_account_once),
        cmocka_unit_test(guessing_passwords_ends_the_connection),
        cmocka_unit_test(what_is_too_long_does_not_reach_the_vault),
        cmocka_unit_test(without_a_vault_nobody_is_turned_away_for_good),
        cmocka_unit_test(a_client_may_vanish_while_the_vault_thinks),
        cmocka_unit_test(a_password_does_not_cross_the_network_in_clear),
        cmocka_unit_test(no_authentication_where_it_makes_no_sense),
        cmocka_unit_test(the_queue_is_asked_for_an_id_for_each_recipient),
        cmocka_unit_test(a_sender_without_a_place_for_an_id_is_refused),
        cmocka_unit_test(a_client_may_choose_the_id_of_one_recipient),
        cmocka_unit_test(who_is_on_the_list_is_refused_where_that_is_wanted),
        cmocka_unit_test(while_the_queue_cannot_tell_recipients_are_put_off),
        cmocka_unit_test(a_client_that_leaves_meanwhile_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
