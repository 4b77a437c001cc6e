#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mem.h"
#include "session.h"
#include "world.h"

static struct world w;

/* ---- from the client to the queue ---- */

static void a_message_goes_into_the_queue_as_it_came(void **state)
{
    struct client_end c;
    world_open(&w, "");
    client_begin(&c, &w, PORT_SMTP);
    client_send_message(&c);
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
    assert_string_equal(e->client, "127.0.0.1 ESMTP client.example");
    assert_memory_equal(world_body(&w, 0),
                        "Received: from client.example ([127.0.0.1]) by mx.test.example", 62);
    assert_non_null(
        strstr(world_body(&w, 0),
               "\r\nSubject: hello\r\nFrom: <a@elsewhere.example>\r\n\r\n.stuffed\r\nbody\r\n"));
    world_close(&w);
}

/* What the client says of SMTPUTF8 is no more than leave to use it; what addresses need is seen
 * from them, at each host for itself. */
static void what_needs_smtputf8_is_the_header_and_not_the_word_of_the_client(void **state)
{
    static const struct {
        const char *mail, *message;
        uint32_t flags;
    } cases[] = {
        {"MAIL FROM:<a@elsewhere.example> SMTPUTF8", "Subject: x\r\n\r\nx\r\n.", 0},
        {"MAIL FROM:<\xc3\xa4@elsewhere.example> SMTPUTF8", "Subject: x\r\n\r\nx\r\n.", 0},
        {"MAIL FROM:<a@elsewhere.example> SMTPUTF8", "Subject: x\r\n\r\n\xc3\xa4\r\n.",
         SUBMIT_EIGHT_BIT},
        {"MAIL FROM:<a@elsewhere.example> SMTPUTF8", "Subject: \xc3\xa4\r\n\r\nx\r\n.",
         SUBMIT_EIGHT_BIT | SUBMIT_UTF8_HEADER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct client_end c;
        world_open(&w, "");
        client_begin(&c, &w, PORT_SMTP);
        client_ask(&c, cases[i].mail, 250, NULL);
        client_ask(&c, "RCPT TO:<qm@test.example>", 250, NULL);
        client_ask(&c, "DATA", 354, NULL);
        client_ask(&c, cases[i].message, 250, NULL);
        client_close(&c);
        assert_int_equal(w.arrived[0].envelope->flags, cases[i].flags);
        world_close(&w);
    }
}

static void nothing_is_promised_before_the_queue_has_it(void **state)
{
    struct client_end c;
    world_open(&w, "");
    w.queue_mode = QUEUE_WAITS;
    client_begin(&c, &w, PORT_SMTP);
    client_send_message(&c);
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
    client_begin(&c, &w, PORT_SMTP);
    client_send_message(&c);
    client_expect(&c, 452, "4.3.1 no room in the queue");
    w.queue_mode = QUEUE_ACCEPTS;
    client_send_message(&c);
    client_expect(&c, 250, "queued");
    client_close(&c);
    world_close(&w);
}

static void a_queue_that_goes_away_is_no_promise(void **state)
{
    struct client_end c;
    world_open(&w, "");
    w.queue_mode = QUEUE_WAITS;
    client_begin(&c, &w, PORT_SMTP);
    client_send_message(&c);
    client_expect_silence(&c);
    world_lose_queue(&w);
    client_expect(&c, 451, "4.3.0");
    client_ask(&c, "MAIL FROM:<>", 451, "4.3.0");
    world_link_queue(&w);
    w.queue_mode = QUEUE_ACCEPTS;
    client_send_message(&c);
    client_expect(&c, 250, "queued");
    client_close(&c);
    world_close(&w);
}

static void a_new_channel_takes_the_place_of_the_old(void **state)
{
    struct client_end c;
    world_open(&w, "");
    w.queue_mode = QUEUE_WAITS;
    client_begin(&c, &w, PORT_SMTP);
    client_send_message(&c);
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
                           world_message, world_message);
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
    client_begin(&c, &w, PORT_SMTP);
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    for (const char *p = world_message; *p != '\0'; p++) {
        one[0] = *p;
        client_send(&c, one);
        world_settle(&w);
    }
    client_expect(&c, 250, "queued");
    assert_non_null(strstr(world_body(&w, 0), "\r\n.stuffed\r\nbody\r\n"));
    client_close(&c);
    world_close(&w);
}

/* ---- clients that go away ---- */

static void a_client_may_vanish_at_any_octet(void **state)
{
    char *all = mem_format(
        "EHLO x\r\nAUTH PLAIN bixyLGZpcnN0\r\n*\r\nMAIL FROM:<>\r\nRCPT TO:<qm@test.example>\r\n"
        "DATA\r\n%sQUIT\r\n",
        world_message);
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
    client_begin(&c, &w, PORT_SMTP);
    client_send_message(&c);
    client_expect_silence(&c);
    assert_true(w.server.memory > 0);
    client_close(&c);
    world_settle(&w);
    world_accept_all(&w);
    world_settle(&w);
    assert_int_equal(w.server.memory, 0);
    world_close(&w);
}

/* ---- signatures ---- */

static void mail_of_our_domain_is_signed_or_not_taken(void **state)
{
    struct client_end c;
    world_open(&w, "dkim");
    w.vault_signs = true;
    client_begin(&c, &w, PORT_LOCAL);
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 250, NULL);
    assert_memory_equal(world_body(&w, 0), "DKIM-Signature: v=1; a=ed25519-sha256;", 38);
    assert_non_null(strstr(world_body(&w, 0), "d=test.example"));
    assert_non_null(strstr(world_body(&w, 0), "\r\nReceived: by mx.test.example with local id "));
    assert_non_null(strstr(world_body(&w, 0), "\r\nFrom: qm@test.example\r\n\r\nhi\r\n"));
    client_send_message(&c);
    client_expect(&c, 250, NULL);
    assert_null(strstr(world_body(&w, 1), "DKIM-Signature"));
    w.vault_signs = false;
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 451, "4.7.0");
    world_lose_vault(&w);
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 451, "4.7.0");
    assert_int_equal(w.arrived_n, 2);
    client_close(&c);
    world_close(&w);
}

static void without_a_key_nothing_goes_out_unsigned(void **state)
{
    struct client_end c;
    world_open(&w, "dkim");
    w.vault_signs = true;
    w.key_domain = "other.example";
    world_link_vault(&w);
    world_settle(&w);
    client_begin(&c, &w, PORT_LOCAL);
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 451, "4.7.0");
    /* A key that came later is found without anybody saying so. */
    w.key_domain = "test.example";
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 451, "4.7.0");
    world_settle(&w);
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "From: qm@test.example\r\n\r\nhi\r\n.", 250, NULL);
    client_close(&c);
    world_close(&w);
}

static void what_can_never_be_signed_is_refused_for_good(void **state)
{
    struct client_end c;
    struct buf text = {0};
    world_open(&w, "dkim");
    w.vault_signs = true;
    client_begin(&c, &w, PORT_LOCAL);
    for (int n = 20; n <= 21; n++) {
        buf_clear(&text);
        buf_puts(&text, "From: qm@test.example\r\n");
        for (int i = 0; i < n; i++)
            buf_puts(&text, "Cc: a@elsewhere.example\r\n");
        buf_puts(&text, "\r\nhi\r\n.");
        client_envelope(&c);
        client_ask(&c, "DATA", 354, NULL);
        client_ask(&c, buf_text(&text), n == 20 ? 250 : 554, n == 20 ? NULL : "20 Cc fields");
    }
    assert_int_equal(w.arrived_n, 1);
    buf_free(&text);
    client_close(&c);
    world_close(&w);
}

static void the_end_of_the_channel_for_tls_shows_by_itself(void **state)
{
    struct fail f;
    int pair[2];
    world_open(&w, "");
    assert_int_equal(ipc_pair(pair, &f), 0);
    server_link(&w.server, "sign", pair[0]);
    assert_int_equal(send(pair[1], "an answer too late", 18, 0), 18);
    world_settle(&w);
    assert_int_equal(w.server.signing.fd, pair[0]);
    (void)close(pair[1]);
    world_settle(&w);
    assert_int_equal(w.server.signing.fd, -1);
    world_close(&w);
}

static void a_client_may_vanish_while_its_message_is_signed(void **state)
{
    struct client_end c;
    world_open(&w, "dkim");
    w.vault_waits = true;
    client_begin(&c, &w, PORT_LOCAL);
    client_envelope(&c);
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
    client_begin(&c, &w, PORT_LOCAL);
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
    assert_int_equal(e->flags, SUBMIT_EIGHT_BIT | SUBMIT_UTF8_HEADER);
    mem_free(&client);
    client_close(&c);
    world_close(&w);
}

/* What a program once could mail it still can. */
static void a_user_of_this_machine_has_limits_of_its_own(void **state)
{
    struct client_end c;
    struct buf message = {0};
    char *line = mem_zero(5000);
    memset(line, 'x', 4999);
    world_open(&w, "data-line 1000  recipients 1  local-recipients 2");
    client_begin(&c, &w, PORT_LOCAL);
    client_ask(&c, "EHLO x", 250, "LIMITS RCPTMAX=2");
    client_ask(&c, "MAIL FROM:<root>", 250, NULL);
    client_ask(&c, "RCPT TO:<a>", 250, NULL);
    client_ask(&c, "RCPT TO:<b>", 250, NULL);
    client_ask(&c, "RCPT TO:<c>", 452, "4.5.3");
    client_ask(&c, "DATA", 354, NULL);
    buf_putf(&message, "Subject: x\r\n\r\n%s\r\n.", line);
    client_ask(&c, buf_text(&message), 250, NULL);
    assert_non_null(strstr(world_body(&w, 0), line));
    client_close(&c);
    client_begin(&c, &w, PORT_SMTP);
    client_envelope(&c);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, buf_text(&message), 500, "5.6.0");
    client_close(&c);
    buf_free(&message);
    mem_free(&line);
    world_close(&w);
}

static void tls_can_be_required_or_not_asked_for(void **state)
{
    struct client_end c;
    world_open(&w, "");
    client_begin(&c, &w, PORT_LOCAL);
    client_ask(&c, "EHLO x", 250, "REQUIRETLS");
    client_ask(&c, "MAIL FROM:<root> REQUIRETLS", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "TLS-Required: No\r\n\r\n.", 250, NULL);
    client_ask(&c, "MAIL FROM:<root>", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "TLS-Required: No\r\n\r\n.", 250, NULL);
    assert_int_equal(w.arrived[0].envelope->flags, SUBMIT_REQUIRE_TLS);
    assert_int_equal(w.arrived[1].envelope->flags, SUBMIT_TLS_OPTIONAL);
    assert_non_null(strstr(buf_text(&w.arrived[0].body), " with local (requiretls) id "));
    assert_null(strstr(buf_text(&w.arrived[1].body), "requiretls"));
    client_close(&c);
    client_begin(&c, &w, PORT_SMTP); /* in clear */
    client_ask(&c, "MAIL FROM:<a@elsewhere.example> REQUIRETLS", 555, "5.5.4");
    client_close(&c);
    world_close(&w);
}

static void a_message_can_be_held_back(void **state)
{
    struct client_end c;
    world_open(&w, "");
    client_begin(&c, &w, PORT_LOCAL);
    client_ask(&c, "MAIL FROM:<root> HOLDFOR=5184001", 554, NULL);
    client_ask(&c, "MAIL FROM:<root> HOLDUNTIL=2001-01-01T00:00:00Z", 554, NULL);
    client_ask(&c, "MAIL FROM:<root> HOLDFOR=60", 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "Subject: later\r\n\r\n.", 250, NULL);
    const struct submit_envelope *e = w.arrived[0].envelope;
    assert_int_equal(e->not_before_ms, e->received_ms + 60000);
    assert_int_equal(e->flags, SUBMIT_HOLD_FOR);
    char until[40], line[80];
    time_t at = (time_t)(e->received_ms / 1000 + 3600);
    (void)strftime(until, sizeof until, "%Y-%m-%dT%H:%M:%SZ", gmtime(&at));
    (void)snprintf(line, sizeof line, "MAIL FROM:<root> HOLDUNTIL=%s", until);
    client_ask(&c, line, 250, NULL);
    client_ask(&c, "RCPT TO:<a@elsewhere.example>", 250, NULL);
    client_ask(&c, "DATA", 354, NULL);
    client_ask(&c, "Subject: later\r\n\r\n.", 250, NULL);
    assert_int_equal(w.arrived[1].envelope->not_before_ms, (int64_t)at * 1000);
    assert_int_equal(w.arrived[1].envelope->flags, 0);
    client_close(&c);
    world_close(&w);
}

/* ---- the end ---- */

static void good_bye_is_said_to_whoever_waits(void **state)
{
    struct client_end idle, data, queued;
    world_open(&w, "");
    w.queue_mode = QUEUE_WAITS;
    client_begin(&idle, &w, PORT_SMTP);
    client_begin(&data, &w, PORT_SMTP);
    client_envelope(&data);
    client_ask(&data, "DATA", 354, NULL);
    client_begin(&queued, &w, PORT_SMTP);
    client_send_message(&queued);
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
    client_send(&data, world_message);
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
        cmocka_unit_test(a_message_goes_into_the_queue_as_it_came),
        cmocka_unit_test(what_needs_smtputf8_is_the_header_and_not_the_word_of_the_client),
        cmocka_unit_test(nothing_is_promised_before_the_queue_has_it),
        cmocka_unit_test(what_the_queue_refuses_is_refused),
        cmocka_unit_test(a_queue_that_goes_away_is_no_promise),
        cmocka_unit_test(a_new_channel_takes_the_place_of_the_old),
        cmocka_unit_test(a_client_that_says_all_at_once_gets_every_reply),
        cmocka_unit_test(octets_may_come_one_by_one),
        cmocka_unit_test(a_client_may_vanish_at_any_octet),
        cmocka_unit_test(a_message_under_way_does_not_need_its_client),
        cmocka_unit_test(mail_of_our_domain_is_signed_or_not_taken),
        cmocka_unit_test(without_a_key_nothing_goes_out_unsigned),
        cmocka_unit_test(what_can_never_be_signed_is_refused_for_good),
        cmocka_unit_test(the_end_of_the_channel_for_tls_shows_by_itself),
        cmocka_unit_test(a_client_may_vanish_while_its_message_is_signed),
        cmocka_unit_test(a_user_of_this_machine_is_known_by_number),
        cmocka_unit_test(a_user_of_this_machine_has_limits_of_its_own),
        cmocka_unit_test(tls_can_be_required_or_not_asked_for),
        cmocka_unit_test(a_message_can_be_held_back),
        cmocka_unit_test(good_bye_is_said_to_whoever_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
