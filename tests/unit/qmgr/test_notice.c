#include "world.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"
#include "tables.h"

#define MINUTE 60000ll

/* What senders and postmaster are told, and when. */

static void expect_retired(uint64_t id, bool success, unsigned attempts, const char *last)
{
    struct retired_row r;
    assert_true(world_retired(id, &r));
    assert_int_equal(r.item.row.success, success);
    assert_int_equal(r.item.row.attempts, attempts);
    assert_int_equal(r.item.attempts_n, attempts);
    assert_string_equal(r.item.row.last, last);
    retired_row_clear(&r);
}

/* The moment that the notice in body gives as Will-Retry-Until, in seconds. */
static int64_t promised_until(struct buf *body)
{
    struct tm tm = {0};
    const char *field = strstr(buf_text(body), "\r\nWill-Retry-Until: ");
    assert_non_null(field);
    const char *rest = strptime(field + strlen("\r\nWill-Retry-Until: "), "%a, %d %b %Y %T", &tm);
    assert_non_null(rest);
    assert_memory_equal(rest, " +0000\r\n", 8);
    return timegm(&tm);
}

/* The envelope of the one notice in the queue; the caller frees it. */
static struct submit_envelope *notice_envelope(void)
{
    struct msg_row m;
    assert_true(world_message(world_notice(NULL), &m));
    return m.envelope;
}

static void test_the_sender_is_told_of_delay_once(void **state)
{
    struct buf body = {0};
    struct rcpt_row r;
    world_open("queue { attempts 20  lifetime 90d  delay-notice-attempt 2 }\n");
    world.direct.on_job = agent_keeps;
    uint64_t id = world_send("c@d.example");
    for (unsigned attempt = 1; attempt <= 5; attempt++) {
        WORLD_UNTIL(world.direct.jobs_n == 1);
        assert_int_equal(world.direct.jobs[0].job->attempt, attempt);
        agent_answer(&world.direct, 0, "f");
        world_settle();
        if (attempt == 2) {
            assert_true(world_notice(&body) != 0);
            world_expect_text(&body, "Action: delayed");
            world_expect_text(&body, "Will-Retry-Until:");
            WORLD_UNTIL(world.direct.jobs_n == 1);
            agent_answer(&world.direct, 0, "d");
            world_settle();
        }
        assert_int_equal(world_notice(NULL), 0);
        assert_true(world_recipient(id, &r));
        assert_int_equal(r.delay_told, attempt >= 2);
        rcpt_row_clear(&r);
        world_step(150 * MINUTE);
    }
    agent_answer(&world.direct, 0, "d");
    world_settle();
    expect_retired(id, true, 6, "250 2.0.0 ok");
    buf_free(&body);
    world_expect_empty();
}

/* A fault seen elsewhere: notices that spoke of another schedule than the real one. */
static void test_a_delay_notice_states_the_real_schedule(void **state)
{
    static const struct {
        const char *settings;
        int64_t until; /* seconds from the attempt */
    } cases[] = {
        {"attempts 8  lifetime 5d", 450 * 127},
        {"attempts 8  lifetime 1h", 450 * 15}, /* the first attempt after that */
        {"attempts 2  lifetime 5d", 450},
        {"attempts 100  lifetime 10m", 450 + 900},
        /* As the setting's text says for five days. */
        {"attempts 11  lifetime 5d", 450 * 1023},
        {"attempts 100  lifetime 5d  longest-wait 4h", 450 * 31 + 30 * 14400},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf body = {0};
        char conf[100];
        (void)snprintf(conf, sizeof conf, "queue { %s  delay-notice-attempt 1  retry-jitter 0 }\n",
                       cases[i].settings);
        world_open(conf);
        int64_t now = clock_wall_ms() / 1000;
        (void)world_send("c@d.example");
        WORLD_UNTIL(world.direct.jobs_n == 1);
        agent_answer(&world.direct, 0, "f");
        world_settle();
        assert_true(world_notice(&body) != 0);
        int64_t until = promised_until(&body) - now;
        assert_true(until >= cases[i].until && until <= cases[i].until + 2);
        buf_free(&body);
        (void)world_teardown(NULL);
    }
    world_open("");
}

static void test_notify_decides_who_is_told(void **state)
{
    static const struct {
        uint8_t notify;
        bool of_delay, of_failure;
    } cases[] = {
        {0, true, true},
        {NOTIFY_NEVER, false, false},
        {NOTIFY_FAILURE, false, true},
        {NOTIFY_DELAY, true, false},
        {NOTIFY_SUCCESS, false, false},
        {NOTIFY_FAILURE | NOTIFY_DELAY, true, true},
    };
    world_open("queue { attempts 2  lifetime 90d  delay-notice-attempt 1 }\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
        e->recipients[0].notify = cases[i].notify;
        (void)world_submit(e, "Subject: x\r\n\r\n");
        for (int attempt = 1; attempt <= 2; attempt++) {
            WORLD_UNTIL(world.direct.jobs_n == 1);
            agent_answer(&world.direct, 0, "f");
            world_settle();
            bool told = attempt == 1 ? cases[i].of_delay : cases[i].of_failure;
            assert_int_equal(world_notice(NULL) != 0, told);
            if (told)
                agent_answer(&world.direct, 0, "d");
            world_settle();
            world_step(8 * MINUTE);
        }
        world_expect_empty();
    }
}

static void test_success_is_told_to_whoever_asked_by_whoever_knows(void **state)
{
    static const struct {
        const char *to;
        uint8_t notify;
        char status;
        const char *action; /* NULL: no notice */
    } cases[] = {
        {"c@d.example", NOTIFY_SUCCESS, 'd', "Action: relayed"},
        {"c@d.example", NOTIFY_SUCCESS | NOTIFY_FAILURE, 'd', "Action: relayed"},
        {"c@d.example", NOTIFY_SUCCESS, 'r', NULL}, /* the next hop does it */
        {"c@d.example", NOTIFY_FAILURE, 'd', NULL},
        {"c@d.example", NOTIFY_NEVER, 'd', NULL},
        {"c@d.example", 0, 'd', NULL},
        {"inbox@example.org", NOTIFY_SUCCESS, 'd', "Action: delivered"},
        {"inbox@example.org", 0, 'd', NULL},
    };
    world_open("account in { address inbox@example.org }\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit_envelope *e = world_envelope("a@b.example", cases[i].to);
        struct agent *g = cases[i].to[0] == 'i' ? &world.local : &world.direct;
        struct buf body = {0};
        e->recipients[0].notify = cases[i].notify;
        submit_set(&e->envid, "e17");
        submit_set(&e->ret, "FULL"); /* is of failures */
        submit_set(&e->recipients[0].orcpt, "rfc822;orig@d.example");
        (void)world_submit(e, "Subject: original\r\n\r\nits text\r\n");
        WORLD_UNTIL(g->jobs_n == 1);
        agent_answer(g, 0, cases[i].status == 'd' ? "d" : "r");
        world_settle();
        assert_int_equal(world_notice(&body) != 0, cases[i].action != NULL);
        if (cases[i].action != NULL) {
            world_expect_text(&body, cases[i].action);
            world_expect_text(&body, "Status: 2.0.0");
            world_expect_text(&body, "Original-Envelope-Id: e17");
            world_expect_text(&body, "Original-Recipient: rfc822; orig@d.example");
            world_expect_text(&body, "Subject: original");
            assert_null(strstr(buf_text(&body), "its text"));
            assert_string_equal(world.direct.jobs[0].job->recipients[0].address, "a@b.example");
            agent_answer(&world.direct, 0, "d");
            world_settle();
        }
        buf_free(&body);
        world_expect_empty();
    }
}

static void test_ret_decides_what_comes_back_of_a_failure(void **state)
{
    static const struct {
        const char *ret;
        uint32_t flags;
        bool whole;
    } cases[] = {
        {"", 0, false},
        {"HDRS", 0, false},
        {"FULL", 0, true},
        {"FULL", SUBMIT_REQUIRE_TLS, false}, /* RFC 8689 section 5 */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
        struct buf body = {0};
        submit_set(&e->ret, cases[i].ret);
        e->flags = cases[i].flags;
        (void)world_submit(e, "Subject: original\r\n\r\nits text\r\n");
        WORLD_UNTIL(world.direct.jobs_n == 1);
        agent_answer(&world.direct, 0, "x");
        world_settle();
        assert_true(world_notice(&body) != 0);
        world_expect_text(&body, "Subject: original");
        assert_int_equal(strstr(buf_text(&body), "its text") != NULL, cases[i].whole);
        world_expect_text(&body, cases[i].whole ? "message/rfc822" : "text/rfc822-headers");
        buf_free(&body);
        agent_answer(&world.direct, 0, "d");
        world_settle();
        world_expect_empty();
    }
}

static void test_the_notice_of_mail_that_required_tls_requires_it(void **state)
{
    for (unsigned i = 0; i < 2; i++) {
        struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
        e->flags = i == 0 ? 0 : SUBMIT_REQUIRE_TLS;
        (void)world_submit(e, "Subject: original\r\n\r\nits text\r\n");
        WORLD_UNTIL(world.direct.jobs_n == 1);
        agent_answer(&world.direct, 0, "x");
        world_settle();
        e = notice_envelope();
        assert_int_equal(e->flags, i == 0 ? 0 : SUBMIT_REQUIRE_TLS);
        submit_envelope_free(&e);
        assert_int_equal(world.direct.jobs[0].job->flags, i == 0 ? 0 : SUBMIT_REQUIRE_TLS);
        agent_answer(&world.direct, 0, "d");
        world_settle();
    }
}

static void test_utf8_forms_are_for_whoever_can_surely_read_them(void **state)
{
    static const struct {
        const char *sender;
        bool utf8;
    } cases[] = {
        {"inbox@example.org", true},            /* a mailbox here */
        {"gr\xc3\xbc\xc3\x9f@b.example", true}, /* an address that needs it */
        {"a@b.example", false},
    };
    world_open("account in { address inbox@example.org }\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit_envelope *e = world_envelope(cases[i].sender, "\xc3\xa9@d.example");
        struct buf body = {0};
        (void)world_submit(e, "Subject: x\r\n\r\n");
        WORLD_UNTIL(world.direct.jobs_n == 1);
        agent_answer(&world.direct, 0, "x");
        world_settle();
        (void)world_notice(&body);
        e = notice_envelope();
        assert_int_equal((e->flags & SUBMIT_UTF8_HEADER) != 0, cases[i].utf8);
        submit_envelope_free(&e);
        world_expect_text(&body, cases[i].utf8 ? "message/global-delivery-status"
                                               : "message/delivery-status");
        world_expect_text(&body, cases[i].utf8 ? "Final-Recipient: utf-8; \xc3\xa9@d.example"
                                               : "Final-Recipient: utf-8; \\x{E9}@d.example");
        agent_answer(i == 0 ? &world.local : &world.direct, 0, "d");
        world_settle();
        buf_free(&body);
        world_expect_empty();
    }
}

static void test_postmaster_gets_copies_of_the_notices_he_wishes(void **state)
{
    static const struct {
        const char *copies, *sender;
        char status;
        uint8_t notify;
        const char *to_postmaster; /* NULL: nothing */
    } cases[] = {
        {"", "a@b.example", 'x', 0, NULL},
        {"postmaster-copies failed", "a@b.example", 'x', 0, "Action: failed"},
        {"postmaster-copies failed", "a@b.example", 'f', 0, NULL},
        {"postmaster-copies delayed", "a@b.example", 'f', 0, "Action: delayed"},
        {"postmaster-copies delayed failed", "a@b.example", 'x', 0, "Action: failed"},
        {"postmaster-copies failed delayed", "a@b.example", 'd', NOTIFY_SUCCESS, NULL},
        {"postmaster-copies relayed", "a@b.example", 'd', NOTIFY_SUCCESS, "Action: relayed"},
        {"postmaster-copies delivered", "a@b.example", 'd', NOTIFY_SUCCESS, NULL},
        {"postmaster-copies failed", "a@b.example", 'x', NOTIFY_NEVER, NULL},
        {"postmaster-copies failed", "Chief@mx.b.example", 'x', 0, NULL}, /* is told anyway */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char conf[200];
        (void)snprintf(conf, sizeof conf,
                       "postmaster chief@mx.b.example\n"
                       "queue { delay-notice-attempt 1  %s }\n",
                       cases[i].copies);
        world_open(conf);
        struct submit_envelope *e = world_envelope(cases[i].sender, "c@d.example");
        e->recipients[0].notify = cases[i].notify;
        submit_set(&e->ret, "FULL");
        (void)world_submit(e, "Subject: original\r\n\r\nits text\r\n");
        WORLD_UNTIL(world.direct.jobs_n == 1);
        agent_answer(&world.direct, 0, (const char[]){cases[i].status, '\0'});
        world_settle();
        unsigned told = 0, copied = 0;
        for (unsigned k = 0; k < world.direct.jobs_n; k++) {
            const struct deliver_job *job = world.direct.jobs[k].job;
            struct buf body = world_body(job->message);
            bool whole = strstr(buf_text(&body), "its text") != NULL;
            assert_string_equal(job->sender, "");
            if (strcmp(job->recipients[0].address, cases[i].sender) == 0) {
                told++;
                assert_int_equal(whole, cases[i].status == 'x');
            } else {
                assert_string_equal(job->recipients[0].address, "chief@mx.b.example");
                copied++;
                world_expect_text(&body, "Subject: For postmaster: ");
                world_expect_text(&body, "sent from <a@b.example>, who was told.");
                world_expect_text(&body, cases[i].to_postmaster);
                assert_false(whole);
            }
            buf_free(&body);
        }
        assert_int_equal(told, cases[i].notify != NOTIFY_NEVER);
        assert_int_equal(copied, cases[i].to_postmaster != NULL);
        (void)world_teardown(NULL);
    }
    world_open("");
}

static void test_a_double_bounce_goes_to_postmaster_and_no_further(void **state)
{
    struct buf body = {0};
    world_open("postmaster chief@mx.b.example\nqueue { double-bounces yes }\n");
    (void)world_send("c@d.example");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "x");
    world_settle();
    assert_string_equal(world.direct.jobs[0].job->recipients[0].address, "a@b.example");
    agent_answer(&world.direct, 0, "x");
    world_settle();
    assert_int_equal(world.direct.jobs_n, 1);
    assert_string_equal(world.direct.jobs[0].job->recipients[0].address, "chief@mx.b.example");
    assert_string_equal(world.direct.jobs[0].job->sender, "");
    body = world_body(world.direct.jobs[0].job->message);
    world_expect_text(&body, "sent without a sender to be told.");
    world_expect_text(&body, "Final-Recipient: rfc822; a@b.example");
    agent_answer(&world.direct, 0, "x");
    buf_free(&body);
    world_settle();
    world_expect_empty();
}

/* A fault seen elsewhere: the address was never told. */
static void test_a_notice_names_the_host_and_its_address(void **state)
{
    static const struct {
        const char *host, *address, *field, *text;
    } cases[] = {
        {"mx.d.example", "192.0.2.1:25", "Remote-MTA: dns; mx.d.example (192.0.2.1)\r\n",
         ", at mx.d.example [192.0.2.1]\r\n"},
        {"mx.d.example", "[2001:db8::1]:25", "Remote-MTA: dns; mx.d.example (2001:db8::1)\r\n",
         ", at mx.d.example [2001:db8::1]\r\n"},
        {"192.0.2.1", "192.0.2.1:2525", "Remote-MTA: dns; [192.0.2.1]\r\n", ", at [192.0.2.1]\r\n"},
        {"[192.0.2.1]", "192.0.2.1:25", "Remote-MTA: dns; [192.0.2.1]\r\n", ", at [192.0.2.1]\r\n"},
        {"[IPv6:2001:db8::1]", "[2001:db8::1]:25", "Remote-MTA: dns; [IPv6:2001:db8::1]\r\n",
         ", at [IPv6:2001:db8::1]\r\n"},
        {"mx.d.example", "", "Remote-MTA: dns; mx.d.example\r\n", ", at mx.d.example\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct deliver_result *script = &world.direct.script;
        struct buf body = {0};
        *script = deliver_result_new(0, DELIVER_FAILED);
        submit_set(&script->remote_host, cases[i].host);
        submit_set(&script->remote_address, cases[i].address);
        submit_set(&script->error, "it could not be");
        submit_set(&script->enhanced, "5.4.4");
        world.direct.on_job = agent_answers;
        script->start_ms = clock_wall_ms();
        (void)world_send("c@d.example");
        WORLD_UNTIL(world.direct.jobs_total % 2 == 1);
        world.direct.on_job = agent_keeps;
        world_settle();
        assert_true(world_notice(&body) != 0);
        world_expect_text(&body, cases[i].field);
        world_expect_text(&body, cases[i].text);
        world_expect_text(&body, "Status: 5.4.4 (it could not be)\r\n");
        assert_null(strstr(buf_text(&body), "Diagnostic-Code")); /* nobody said anything */
        deliver_result_clear(script);
        agent_answer(&world.direct, 0, "d");
        world_settle();
        buf_free(&body);
    }
    world.direct.script = (struct deliver_result){0};
}

/* RFC 3464 section 2.2.4. */
static void test_a_notice_says_which_host_the_mail_came_from(void **state)
{
    static const struct {
        enum submit_origin origin;
        const char *client, *field; /* NULL: there is none */
    } cases[] = {
        {SUBMIT_SMTP, "192.0.2.1 ESMTPS client.example", "dns; client.example (192.0.2.1)\r\n"},
        {SUBMIT_SUBMISSION, "2001:db8::1 ESMTPSA [192.0.2.7]",
         "dns; [192.0.2.7] (2001:db8::1)\r\n"},
        {SUBMIT_SMTP, "192.0.2.1 ESMTPS", NULL}, /* in queues of before */
        {SUBMIT_SMTP, "", NULL},
        {SUBMIT_WEBAPI, "192.0.2.1 HTTP client.example", NULL},
        {SUBMIT_LOCAL, "uid 0 local", NULL},
    };
    world.direct.on_job = agent_fails;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf body = {0};
        struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
        e->origin = cases[i].origin;
        submit_set(&e->client, cases[i].client);
        assert_true(world_submit(e, "Subject: x\r\n\r\nbody\r\n") != 0);
        WORLD_UNTIL(world.direct.jobs_n == 0 && world_notice(NULL) != 0);
        assert_true(world_notice(&body) != 0);
        const char *field = strstr(buf_text(&body), "\r\nReceived-From-MTA: ");
        assert_int_equal(field != NULL, cases[i].field != NULL);
        if (field != NULL)
            assert_memory_equal(field + 21, cases[i].field, strlen(cases[i].field));
        buf_free(&body);
        (void)world_teardown(NULL);
        world_open("");
        world.direct.on_job = agent_fails;
    }
}

/* A long line goes on in the next one. */
static void expect_words(struct buf *body, const char *words)
{
    struct buf flat = {0};
    for (const char *at = buf_text(body); *at != '\0'; at++) {
        bool blank = *at == ' ' || *at == '\r' || *at == '\n';
        if (!blank || flat.n == 0 || buf_text(&flat)[flat.n - 1] != ' ')
            buf_putc(&flat, blank ? ' ' : *at);
    }
    world_expect_text(&flat, words);
    buf_free(&flat);
}

static void test_trouble_with_a_named_server_says_which_it_is(void **state)
{
    static const struct {
        enum deliver_status status;
        const char *host, *error, *told;
    } cases[] = {
        {DELIVER_FAILED, "", "it does not like us",
         " over transport relay, smtp.relay.example:587: it does not like us "},
        {DELIVER_FAILED, "backup.example", "it does not like us",
         " over transport relay, backup.example:587: it does not like us "},
        {DELIVER_DEFERRED, "smtp.relay.example", "the server refuses our login",
         " time is up after 1 attempt; the last one: over transport relay, smtp.relay.example:587: "
         "the server refuses our login "},
        {DELIVER_DEFERRED, "smtp.relay.example", "", " time is up after 1 attempt "},
    };
    world_open("queue { attempts 1  lifetime 90d }\nroute { transport relay }\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct deliver_result *script = &world.relay.script;
        struct buf body = {0};
        *script = deliver_result_new(0, cases[i].status);
        submit_set(&script->enhanced, cases[i].status == DELIVER_FAILED ? "5.7.0" : "4.7.0");
        submit_set(&script->remote_host, cases[i].host);
        submit_set(&script->error, cases[i].error);
        world.relay.on_job = agent_keeps;
        (void)world_send("c@d.example");
        WORLD_UNTIL(world.relay.jobs_n == 1);
        struct job job = world.relay.jobs[--world.relay.jobs_n];
        agent_answers(&world.relay, &job);
        world_settle();
        assert_true(world_notice(&body) != 0);
        expect_words(&body, cases[i].told);
        WORLD_UNTIL(world.relay.jobs_n == 1);
        agent_answer(&world.relay, 0, "d");
        deliver_result_clear(script);
        buf_free(&body);
        world_settle();
    }
    world_expect_empty();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_the_sender_is_told_of_delay_once),
        BARE_TEST(test_a_delay_notice_states_the_real_schedule),
        BARE_TEST(test_notify_decides_who_is_told),
        BARE_TEST(test_success_is_told_to_whoever_asked_by_whoever_knows),
        WORLD_TEST(test_ret_decides_what_comes_back_of_a_failure),
        WORLD_TEST(test_the_notice_of_mail_that_required_tls_requires_it),
        BARE_TEST(test_utf8_forms_are_for_whoever_can_surely_read_them),
        BARE_TEST(test_postmaster_gets_copies_of_the_notices_he_wishes),
        BARE_TEST(test_a_double_bounce_goes_to_postmaster_and_no_further),
        WORLD_TEST(test_a_notice_names_the_host_and_its_address),
        WORLD_TEST(test_a_notice_says_which_host_the_mail_came_from),
        BARE_TEST(test_trouble_with_a_named_server_says_which_it_is),
    };
    return WORLD_MAIN(argc, argv, tests);
}
