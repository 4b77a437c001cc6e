#include "world.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "commit.h"
#include "mem.h"
#include "schedule.h"
#include "tables.h"

#define MINUTE 60000ll

static void expect_events(uint64_t id, const char *letters)
{
    char *got = world_events(id);
    assert_string_equal(got, letters);
    mem_free(&got);
}

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

static void test_a_delivered_message_leaves_its_history_alone(void **state)
{
    struct retired_row r;
    world.direct.on_job = agent_delivers;
    uint64_t id = world_send("c@d.example");
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 1);
    world_settle();
    world_expect_empty();
    assert_int_equal(world.direct.jobs_total, 1);
    expect_retired(id, true, 1, "250 2.0.0 ok");
    expect_events(id, "AD");
    assert_true(world_retired(id, &r));
    assert_string_equal(r.item.row.recipient, "c@d.example");
    assert_string_equal(r.item.row.sender, "a@b.example");
    assert_string_equal(r.item.row.subject, "Hello");
    assert_string_equal(r.item.client, "192.0.2.1 ESMTPSA");
    assert_true(r.keep_until_ms > clock_wall_ms() + 71 * 60 * MINUTE);
    assert_true(r.keep_until_ms <= clock_wall_ms() + 72 * 60 * MINUTE);
    retired_row_clear(&r);
}

static void test_where_nothing_is_kept_nothing_is_left(void **state)
{
    world_open("queue { keep-retired-messages 0 }\n");
    world.direct.on_job = agent_delivers;
    uint64_t id = world_send("c@d.example");
    WORLD_UNTIL(world_rows(TABLE_MSG) == 0);
    assert_int_equal(world_rows(TABLE_RETIRED), 0);
    expect_events(id, "AD");
    world_expect_empty();
}

static void test_a_job_says_what_the_agent_needs(void **state)
{
    struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
    submit_set(&e->recipients[0].orcpt, "rfc822;x@y.example");
    e->recipients[0].notify = NOTIFY_FAILURE;
    submit_set(&e->envid, "env");
    submit_set(&e->ret, "HDRS");
    e->flags = SUBMIT_EIGHT_BIT | SUBMIT_REQUIRE_TLS;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    const struct deliver_job *job = world.direct.jobs[0].job;
    assert_true(job->message == id);
    assert_string_equal(job->destination, "d.example");
    assert_string_equal(job->sender, "a@b.example");
    assert_string_equal(job->envid, "env");
    assert_string_equal(job->ret, "HDRS");
    assert_int_equal(job->flags, SUBMIT_EIGHT_BIT | SUBMIT_REQUIRE_TLS);
    assert_int_equal(job->attempt, 1);
    assert_int_equal(job->size, 20);
    assert_int_equal(job->recipients_n, 1);
    assert_true(job->recipients[0].id == id);
    assert_string_equal(job->recipients[0].orcpt, "rfc822;x@y.example");
    assert_int_equal(job->recipients[0].notify, NOTIFY_FAILURE);
    assert_true(schedule_is_trying(world.queue.schedule, id));
    agent_answer(&world.direct, 0, "d");
    WORLD_UNTIL(world_rows(TABLE_MSG) == 0);
    world_settle();
    assert_false(schedule_is_trying(world.queue.schedule, id));
}

static void test_a_deferred_recipient_is_tried_again_when_it_is_due(void **state)
{
    struct rcpt_row r;
    int64_t begin = clock_wall_ms();
    world.direct.on_job = agent_defers;
    uint64_t id = world_send("c@d.example");
    world_settle();
    assert_int_equal(world.direct.jobs_total, 1);
    assert_true(world_recipient(id, &r));
    assert_int_equal(r.attempts, 1);
    assert_string_equal(r.results[0].reply, "451 4.7.1 try later");
    assert_string_equal(r.results[0].transport, "direct");
    assert_true(r.next_ms >= begin + 450000 * 99 / 100 &&
                r.next_ms <= clock_wall_ms() + 450000 * 101 / 100);
    int64_t next = r.next_ms;
    rcpt_row_clear(&r);
    world_check();
    world_step(next - clock_wall_ms() - 1000);
    assert_int_equal(world.direct.jobs_total, 1);
    world.direct.on_job = agent_delivers;
    clock_step(1000); /* nobody tells it: it wakes by itself */
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 1);
    assert_int_equal(world.direct.jobs_total, 2);
    expect_retired(id, true, 2, "250 2.0.0 ok");
    expect_events(id, "ALD");
    world_settle();
    world_expect_empty();
}

static void test_a_permanent_failure_is_told_with_the_whole_reply(void **state)
{
    struct buf body = {0};
    world.direct.on_job = agent_fails;
    uint64_t id = world_send("c@d.example");
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 1);
    expect_retired(id, false, 1, "550-5.1.1 no such");
    expect_events(id, "AF");
    WORLD_UNTIL(world.direct.jobs_total == 2); /* the notice, which fails, too */
    world_settle();
    world_expect_empty();
    assert_int_equal(world_rows(TABLE_RETIRED), 2); /* of it nobody is told */
    /* Once more, looking at it. */
    world.direct.on_job = agent_keeps;
    id = world_send("e@d.example");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "x");
    WORLD_UNTIL(world_notice(NULL) != 0);
    (void)world_notice(&body);
    world_expect_text(&body, "e@d.example");
    world_expect_text(&body, "550-5.1.1 no such");
    world_expect_text(&body, "550 5.1.1 user");
    world_expect_text(&body, "Status: 5.1.1");
    world_expect_text(&body, "Action: failed");
    world_expect_text(&body, "To: <a@b.example>");
    world_expect_text(&body, "Subject: Hello");
    assert_null(strstr(buf_text(&body), "Body\r\n")); /* the header alone goes back */
    WORLD_UNTIL(world.direct.jobs_n == 1);
    assert_string_equal(world.direct.jobs[0].job->sender, "");
    assert_string_equal(world.direct.jobs[0].job->recipients[0].address, "a@b.example");
    agent_answer(&world.direct, 0, "d");
    buf_free(&body);
    world_settle();
    world_expect_empty();
}

/* Lets the message's recipient be deferred n times, from attempt number `from` on. */
static void defer(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        unsigned before = world.direct.jobs_total;
        world_step(1000 * 60 * MINUTE);
        assert_true(world.direct.jobs_total > before);
    }
}

static void test_the_last_attempt_that_is_deferred_is_a_failure(void **state)
{
    struct buf body = {0};
    world_open("queue { attempts 3  delay-notice-attempt 0  lifetime 90d }\n");
    world.direct.on_job = agent_defers;
    uint64_t id = world_send("c@d.example");
    world_settle();
    defer(1);
    assert_int_equal(world_rows(TABLE_RETIRED), 0);
    world.relay.on_job = agent_delivers;
    world.direct.on_job = agent_keeps;
    world_step(1000 * 60 * MINUTE);
    agent_answer(&world.direct, 0, "f");
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 1);
    expect_retired(id, false, 3, "451 4.7.1 try later");
    expect_events(id, "ALLF");
    (void)world_notice(&body);
    world_expect_text(&body, "451 4.7.1 try later");
    world_expect_text(&body, "Action: failed");
    /* What was temporary is final now: the time is up (RFC 3463 section 3.5). */
    world_expect_text(&body, "Status: 5.4.7 (time is up after 3 attempts)");
    world_expect_text(&body, "Diagnostic-Code: smtp; 451 4.7.1 try later");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "d");
    buf_free(&body);
    world_settle();
    world_expect_empty();
}

static void test_an_old_message_fails_at_the_next_attempt_however_few_there_were(void **state)
{
    world_open("queue { attempts 100  lifetime 1h  delay-notice-attempt 0 }\n");
    world.direct.on_job = agent_defers;
    struct submit_envelope *e =
        world_envelope("", "c@d.example"); /* of the null sender: nobody is told */
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    world_settle();
    assert_int_equal(world_rows(TABLE_RCPT), 1);
    world_step(61 * MINUTE);
    expect_retired(id, false, 2, "451 4.7.1 try later");
    expect_events(id, "ALF");
    world_expect_empty();
}

static void test_a_message_for_the_future_ages_from_then_on(void **state)
{
    world_open("queue { attempts 100  lifetime 1h  delay-notice-attempt 0 }\n");
    world.direct.on_job = agent_defers;
    struct submit_envelope *e = world_envelope("", "c@d.example");
    e->not_before_ms = clock_wall_ms() + 600 * MINUTE;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    world_step(601 * MINUTE);
    assert_int_equal(world.direct.jobs_total, 1);
    assert_int_equal(world_rows(TABLE_RCPT), 1); /* older than its lifetime, and not too old */
    world_step(61 * MINUTE);
    expect_retired(id, false, 2, "451 4.7.1 try later");
    world_expect_empty();
}

static void test_only_what_came_to_nothing_stands_aside(void **state)
{
    world.direct.on_job = agent_keeps;
    for (const char *c = "fdx"; *c != '\0'; c++) {
        const char what[] = {*c, '\0'};
        (void)world_send("c@d.example");
        WORLD_UNTIL(world.direct.jobs_n == 1);
        assert_int_equal(commit_waiting(world.queue.commit), 0);
        agent_answer(&world.direct, 0, what);
        WORLD_UNTIL(commit_waiting(world.queue.commit) == 1);
        assert_int_equal(commit_aside(world.queue.commit), *c == 'f');
        world_settle();
    }
}

static void test_a_from_id_makes_the_senders_address_unique(void **state)
{
    static const struct {
        const char *sender, *from_id, *wanted;
    } cases[] = {
        {"box@example.org", "Ab-_9", "box+Ab-_9@example.org"},
        {"box+old@example.org", "new", "box+new@example.org"},
        {"box@example.org", "", "box@example.org"},
        {"box@example.org", "two words", "\"box+two words\"@example.org"},
        {"box@other.example", "id", "box@other.example"}, /* not ours: no separator */
        {"", "id2", ""},
        {"box@example.org", /* too long for a local part */
         "0123456789012345678901234567890123456789012345678901234567890123", "box@example.org"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit_envelope *e = world_envelope(cases[i].sender, "c@d.example");
        submit_set(&e->recipients[0].from_id, cases[i].from_id);
        (void)world_submit(e, "Subject: x\r\n\r\n");
        WORLD_UNTIL(world.direct.jobs_n == 1);
        assert_string_equal(world.direct.jobs[0].job->sender, cases[i].wanted);
        agent_answer(&world.direct, 0, "d");
        world_settle();
    }
}

static void test_recipients_with_ids_of_their_own_go_alone(void **state)
{
    struct submit_envelope *e = world_envelope("box@example.org", "one@d.example");
    (void)submit_add_recipient(e, "two@d.example");
    (void)submit_add_recipient(e, "three@d.example");
    submit_set(&e->recipients[0].from_id, "one");
    submit_set(&e->recipients[1].from_id, "two");
    (void)world_submit(e, "Subject: x\r\n\r\n");
    WORLD_UNTIL(world.direct.jobs_n == 3);
    for (unsigned i = 0; i < 3; i++) {
        const struct deliver_job *job = world.direct.jobs[i].job;
        assert_int_equal(job->recipients_n, 1);
        const char *to = job->recipients[0].address;
        assert_string_equal(job->sender, to[0] == 'o'   ? "box+one@example.org"
                                         : to[1] == 'w' ? "box+two@example.org"
                                                        : "box@example.org");
    }
    while (world.direct.jobs_n > 0)
        agent_answer(&world.direct, 0, "d");
    world_settle();
}

static void test_recipients_of_one_message_meet_different_fates(void **state)
{
    struct buf body = {0};
    struct msg_row m;
    struct submit_envelope *e = world_envelope("a@b.example", "one@d.example");
    (void)submit_add_recipient(e, "two@d.example");
    (void)submit_add_recipient(e, "three@d.example");
    (void)submit_add_recipient(e, "four@d.example");
    (void)submit_add_recipient(e, "five@other.example");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    WORLD_UNTIL(world.direct.jobs_n == 2);
    unsigned d = world.direct.jobs[0].job->recipients_n == 4 ? 0 : 1;
    assert_int_equal(world.direct.jobs[d].job->recipients_n, 4);
    assert_int_equal(world.direct.jobs[1 - d].job->recipients_n, 1);
    assert_string_equal(world.direct.jobs[1 - d].job->destination, "other.example");
    agent_answer(&world.direct, d, "dfxx");
    world_settle();
    world_check();
    assert_true(world_message(id, &m));
    assert_int_equal(m.recipients, 5);
    assert_int_equal(m.open, 2); /* the deferred one and the other domain's */
    msg_row_clear(&m);
    expect_events(id, "AD");
    expect_events(id + 1, "AL");
    expect_events(id + 2, "AF");
    expect_events(id + 3, "AF");
    expect_events(id + 4, "A");
    (void)world_notice(&body); /* one for both that failed */
    world_expect_text(&body, "three@d.example");
    world_expect_text(&body, "four@d.example");
    assert_null(strstr(buf_text(&body), "two@d.example"));
    buf_free(&body);
    /* The order of answers does not matter. */
    assert_int_equal(world.direct.jobs_n, 2);
    agent_answer(&world.direct, 0, "d");
    agent_answer(&world.direct, 0, "d");
    world_settle();
    world.direct.on_job = agent_delivers;
    world_step(8 * MINUTE);
    expect_events(id + 1, "ALD");
    world_expect_empty();
}

static void test_what_is_deferred_together_is_tried_together_again(void **state)
{
    struct submit_envelope *e = world_envelope("a@b.example", NULL);
    for (int i = 0; i < 50; i++) {
        char address[40];
        (void)snprintf(address, sizeof address, "r%d@d.example", i);
        (void)submit_add_recipient(e, address);
    }
    (void)world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    assert_int_equal(world.direct.jobs[0].job->recipients_n, 50);
    agent_answer(&world.direct, 0, "ffffffffffffffffffffffffdfffffffffffffffffffffffff");
    world_settle();
    world_step(8 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 1);
    assert_int_equal(world.direct.jobs[0].job->recipients_n, 49);
    assert_int_equal(world.direct.jobs[0].job->attempt, 2);
    agent_answer(&world.direct, 0, "ddddddddddddddddddddddddddddddddddddddddddddddddd");
    world_settle();
    world_expect_empty();
}

static void test_an_agent_that_ends_over_a_job_has_deferred_it(void **state)
{
    struct rcpt_row r;
    uint64_t id = world_send("c@d.example");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_unlink(&world.direct);
    world_settle();
    assert_true(world_recipient(id, &r));
    assert_int_equal(r.attempts, 1);
    assert_string_equal(r.results[0].stage, "agent");
    assert_string_equal(r.results[0].error,
                        "the delivery agent ended before it said what became of this");
    rcpt_row_clear(&r);
    expect_events(id, "AL");
    world.direct.on_job = agent_delivers;
    agent_link(&world.direct);
    world_step(8 * MINUTE);
    expect_retired(id, true, 2, "250 2.0.0 ok");
    world_expect_empty();
}

static void test_webhooks_are_made_as_the_account_wishes(void **state)
{
    world_open("account app {\n  address app@example.org\n"
               "  webhook outgoing { url \"https://app.example/h\"  authorization \"Bearer x\"  "
               "events failed delayed }\n}\n"
               "account quiet { address quiet@example.org }\n");
    static const char *const accounts[] = {"app", "quiet", "", "gone"};
    for (int i = 0; i < 4; i++) {
        struct submit_envelope *e = world_envelope("", "one@d.example"); /* no notices here */
        submit_set(&e->account, accounts[i]);
        (void)submit_add_recipient(e, "two@d.example");
        (void)submit_add_recipient(e, "three@d.example");
        (void)world_submit(e, "Subject: x\r\n\r\nbody\r\n");
        WORLD_UNTIL(world.direct.jobs_n == 1);
        agent_answer(&world.direct, 0, "dfx");
        world_settle();
    }
    /* Of the account with a webhook: deferred and failed, not delivered. */
    assert_int_equal(world_rows(TABLE_HOOK), 2);
    assert_int_equal(world.hooks.calls_n, 1); /* one URL, one at a time */
    assert_string_equal(world.hooks.calls[0].url, "https://app.example/h");
    assert_string_equal(world.hooks.calls[0].authorization, "Bearer x");
    assert_non_null(strstr(world.hooks.calls[0].payload, "\"Event\":\"delayed\""));
    endpoint_answer(&world.hooks, 0, 200);
    WORLD_UNTIL(world.hooks.calls_n == 1);
    assert_non_null(strstr(world.hooks.calls[0].payload, "\"Event\":\"failed\""));
    endpoint_answer(&world.hooks, 0, 200);
    world_settle();
    assert_int_equal(world_rows(TABLE_HOOK), 0);
    assert_int_equal(world_rows(TABLE_HOOKRETIRED), 2);
}

static void test_a_complaint_is_told_behind_the_delivery(void **state)
{
    world.direct.script = deliver_result_new(0, DELIVER_DONE);
    world.direct.script.complaint = true;
    world.direct.script.code = 250;
    world.direct.on_job = agent_answers;
    uint64_t id = world_send("c@d.example");
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 1);
    char *events = world_events(id);
    assert_string_equal(events, "ADX");
    mem_free(&events);
    deliver_result_clear(&world.direct.script);
    world_settle();
    world_expect_empty();
}

/* Sends, fails it, and returns the notice. */
static struct buf notice_of(int64_t not_before_ms, uint32_t flags, int64_t received_ms)
{
    struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
    e->received_ms = received_ms;
    e->not_before_ms = not_before_ms;
    e->flags = flags;
    world.direct.on_job = agent_keeps;
    assert_true(world_submit(e, "Subject: x\r\n\r\n") != 0);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "x");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    struct buf body = world_body(world.direct.jobs[0].job->message);
    agent_answer(&world.direct, 0, "d");
    world_settle();
    return body;
}

static void test_a_notice_says_until_when_the_sender_wanted_it_kept(void **state)
{
    /* In the past, so that it is due. */
    const int64_t received = clock_wall_ms() - 90000;
    struct buf for_a_while = notice_of(received + 60000, SUBMIT_HOLD_FOR, received),
               until = notice_of(1136214245000, 0, 1136214240000),
               neither = notice_of(0, 0, received);
    assert_non_null(strstr(buf_text(&for_a_while), "\r\nFuture-Release-Request: for;60\r\n"));
    assert_non_null(
        strstr(buf_text(&until), "\r\nFuture-Release-Request: until;2006-01-02T15:04:05Z\r\n"));
    assert_null(strstr(buf_text(&neither), "Future-Release"));
    buf_free(&for_a_while);
    buf_free(&until);
    buf_free(&neither);
}

static void test_results_wait_while_the_store_has_no_room(void **state)
{
    char *large = mem_alloc(900001);
    unsigned accepted = 0;
    world_open("queue { map-size 16M  minimum-free 0  destination-concurrency-start 20 }\n");
    memset(large, 'x', 900000);
    large[900000] = '\0';
    memcpy(large, "Subject: x\r\n\r\n", 14);
    world.direct.on_job = agent_keeps;
    /* Until the map is full: then new mail is refused for the time. */
    while (world_submit(world_envelope("a@b.example", "c@d.example"), large) != 0)
        accepted++;
    assert_true(accepted > 5 && accepted < 20);
    assert_int_equal(world_reply.code, 452);
    assert_string_equal(world_reply.enhanced, "4.3.1");
    WORLD_UNTIL(world.direct.jobs_n == accepted || world.direct.jobs_n == 20);
    /* What the agents say is not lost; as it is written, room comes back. */
    while (world.direct.jobs_n > 0)
        agent_answer(&world.direct, 0, "d");
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == accepted);
    world_settle();
    world_expect_empty();
    world.direct.on_job = agent_delivers;
    assert_true(world_submit(world_envelope("a@b.example", "c@d.example"), large) != 0);
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == accepted + 1);
    mem_free(&large);
    world_settle();
    world_expect_empty();
}

static void test_an_orderly_stop_loses_nothing_and_the_queue_goes_on(void **state)
{
    struct rcpt_row r;
    uint64_t trying = world_send("c@d.example");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    struct submit_envelope *e = world_envelope("a@b.example", "later@d.example");
    e->not_before_ms = clock_wall_ms() + 60 * MINUTE;
    uint64_t later = world_submit(e, "Subject: x\r\n\r\n");
    world_restart(true);
    world_check();
    /* What was being tried counts as an attempt that told nothing. */
    assert_true(world_recipient(trying, &r));
    assert_int_equal(r.attempts, 1);
    rcpt_row_clear(&r);
    world.direct.on_job = agent_delivers;
    world_step(8 * MINUTE);
    expect_retired(trying, true, 2, "250 2.0.0 ok");
    world_step(60 * MINUTE);
    expect_retired(later, true, 1, "250 2.0.0 ok");
    world_expect_empty();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_delivered_message_leaves_its_history_alone),
        BARE_TEST(test_where_nothing_is_kept_nothing_is_left),
        WORLD_TEST(test_a_job_says_what_the_agent_needs),
        WORLD_TEST(test_a_deferred_recipient_is_tried_again_when_it_is_due),
        WORLD_TEST(test_a_permanent_failure_is_told_with_the_whole_reply),
        BARE_TEST(test_the_last_attempt_that_is_deferred_is_a_failure),
        BARE_TEST(test_an_old_message_fails_at_the_next_attempt_however_few_there_were),
        BARE_TEST(test_a_message_for_the_future_ages_from_then_on),
        WORLD_TEST(test_only_what_came_to_nothing_stands_aside),
        WORLD_TEST(test_a_from_id_makes_the_senders_address_unique),
        WORLD_TEST(test_recipients_with_ids_of_their_own_go_alone),
        WORLD_TEST(test_recipients_of_one_message_meet_different_fates),
        WORLD_TEST(test_what_is_deferred_together_is_tried_together_again),
        WORLD_TEST(test_an_agent_that_ends_over_a_job_has_deferred_it),
        BARE_TEST(test_webhooks_are_made_as_the_account_wishes),
        WORLD_TEST(test_a_complaint_is_told_behind_the_delivery),
        WORLD_TEST(test_a_notice_says_until_when_the_sender_wanted_it_kept),
        BARE_TEST(test_results_wait_while_the_store_has_no_room),
        WORLD_TEST(test_an_orderly_stop_loses_nothing_and_the_queue_goes_on),
    };
    return WORLD_MAIN(argc, argv, tests);
}
