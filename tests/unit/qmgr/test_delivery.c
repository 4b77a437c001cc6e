#include "world.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "act.h"
#include "body.h"
#include "clock.h"
#include "mem.h"
#include "schedule.h"
#include "tables.h"

/* What a destination takes: how many deliveries it has at once, and when it has none. Which way its
 * recipients go. */

#define MINUTE 60000ll

static void deliver_all(struct agent *g)
{
    agent_answer_all(g, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

static uint64_t send_for(const char *account, const char *to)
{
    struct submit_envelope *e = world_envelope("", to);
    submit_set(&e->account, account);
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    assert_true(id != 0);
    return id;
}

static void set_unreachable(struct agent *g)
{
    g->script = deliver_result_new(0, DELIVER_DEFERRED);
    submit_set(&g->script.stage, "connect");
    submit_set(&g->script.enhanced, "4.4.1");
    submit_set(&g->script.error, "connection timed out");
    submit_set(&g->script.remote_host, "mx.d.example");
}

static void test_a_destination_begins_with_few_deliveries_and_gets_more(void **state)
{
    world_open("queue { destination-concurrency 6  destination-concurrency-start 2  "
               "destination-recipients 1 }\n");
    (void)world_send_many("d.example", 100);
    for (unsigned expected = 2; expected <= 6; expected++) {
        world_settle();
        assert_int_equal(world.direct.jobs_n, expected);
        agent_answer(&world.direct, 0, "d");
    }
    world_settle();
    assert_int_equal(world.direct.jobs_n, 6);
    deliver_all(&world.direct);
}

static void test_a_destination_that_cannot_be_reached_is_suspended(void **state)
{
    struct rcpt_row r;
    world_open("queue { destination-concurrency-start 4  destination-recipients 1  "
               "destination-pause 1m  attempts 3 }\n");
    set_unreachable(&world.direct);
    uint64_t id = world_send_many("d.example", 30);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 4);
    /* 4, 2, 1, and three times at 1. */
    agent_answer_all(&world.direct, agent_answers);
    world_settle();
    assert_int_equal(world.direct.jobs_total, 5);
    assert_int_equal(world_rows(TABLE_RCPT), 30);
    assert_true(world_recipient(id + 29, &r));
    assert_int_equal(r.attempts, 1); /* without a connection */
    assert_true(r.again);
    assert_int_equal(r.results_n, 1);
    assert_string_equal(r.results[0].error, "delivery temporarily suspended: connection timed out");
    assert_string_equal(r.results[0].enhanced, "4.4.1");
    assert_string_equal(r.results[0].stage, "connect");
    assert_string_equal(r.results[0].remote_host, "mx.d.example");
    rcpt_row_clear(&r);
    /* New mail, too, but only there. */
    id = world_send_many("d.example", 1);
    world_settle();
    assert_true(world_recipient(id, &r));
    assert_int_equal(r.attempts, 1);
    rcpt_row_clear(&r);
    (void)world_send_many("other.example", 1);
    WORLD_UNTIL(world.direct.jobs_total == 6);
    world_settle();
    deliver_result_clear(&world.direct.script);
    /* When the time is over there is one at first, then more. */
    world.direct.on_job = agent_keeps;
    world_step(8 * MINUTE);
    unsigned most = world.direct.jobs_n;
    assert_true(agent_jobs_for(&world.direct, "d.example") <= 4);
    assert_true(most >= 1);
    deliver_all(&world.direct);
}

static void test_a_suspended_destination_is_tried_with_one_and_comes_back(void **state)
{
    world_open(
        "queue { destination-concurrency-start 1  destination-recipients 1  first-retry 10s  "
        "retry-jitter 0  destination-pause 15s  attempts 50 }\n");
    set_unreachable(&world.direct);
    world.direct.on_job = agent_answers;
    (void)world_send_many("d.example", 10);
    world_settle();
    assert_int_equal(world.direct.jobs_total, 3); /* then it is suspended */
    world_step(11000);
    assert_int_equal(world.direct.jobs_total, 3); /* put off a second time */
    world_step(21000);
    assert_int_equal(world.direct.jobs_total, 4); /* one is enough now */
    deliver_result_clear(&world.direct.script);
    world.direct.on_job = agent_keeps;
    world_step(41000);
    assert_int_equal(world.direct.jobs_n, 1);
    agent_answer(&world.direct, 0, "d");
    WORLD_UNTIL(world.direct.jobs_n == 2);
    agent_answer_all(&world.direct, agent_delivers);
    for (int i = 0; i < 5; i++)
        world_step(200000); /* those that were put off */
    deliver_all(&world.direct);
}

static void on_acted(void *arg, const struct admin_acted *acted, const char *why)
{
    *(uint64_t *)arg = why == NULL ? acted->count : UINT64_MAX;
}

static void test_whoever_kicks_wants_an_attempt(void **state)
{
    struct admin_filter all = {0};
    uint64_t kicked = 0;
    world_open("queue { destination-concurrency-start 1  destination-recipients 1 }\n");
    set_unreachable(&world.direct);
    world.direct.on_job = agent_answers;
    (void)world_send_many("d.example", 10);
    world_settle();
    assert_int_equal(world.direct.jobs_total, 3);
    deliver_result_clear(&world.direct.script);
    world.direct.on_job = agent_keeps;
    act_start(&world.queue, &(struct act){.action = ADMIN_KICK}, &all, on_acted, &kicked);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    assert_true(kicked == 10);
    deliver_all(&world.direct);
}

static void test_a_suspension_is_of_one_transport(void **state)
{
    world_open("account box2 {\n  address box2@example.org\n  route { transport relay }\n}\n"
               "queue { destination-concurrency-start 1  destination-recipients 1 }\n");
    set_unreachable(&world.direct);
    world.direct.on_job = agent_answers;
    (void)world_send_many("d.example", 10);
    world_settle();
    assert_int_equal(world.direct.jobs_total, 3);
    deliver_result_clear(&world.direct.script);
    (void)send_for("box2", "c@d.example");
    WORLD_UNTIL(world.relay.jobs_n == 1);
    agent_answer(&world.relay, 0, "d");
    world.direct.on_job = agent_delivers;
    world_step(8 * MINUTE);
    deliver_all(&world.direct);
}

static void act_on(struct act act, uint64_t id)
{
    struct admin_filter one = {.ids = mem_copy(&id, sizeof id), .ids_n = 1};
    uint64_t n = 0;
    act_start(&world.queue, &act, &one, on_acted, &n);
    WORLD_UNTIL(n == 1);
}

/* One message, two recipients in one domain that were put off once; something becomes of the second
 * one. When both are due, the first one cannot go, since its agent is away. */
static void expect_other_way_for_second(const char *more, struct act act)
{
    world_open(more);
    world.direct.on_job = agent_defers;
    world.relay.on_job = agent_keeps;
    uint64_t id = world_send_many("d.example", 2);
    WORLD_UNTIL(world.direct.recipients_total == 2);
    world_settle();
    act_on(act, id + 1);
    world_settle();
    agent_unlink(&world.direct);
    world_step(30 * MINUTE);
    WORLD_UNTIL(world.relay.jobs_n == 1);
    assert_int_equal(world.relay.jobs[0].job->recipients_n, 1);
    assert_int_equal(world.relay.jobs[0].job->recipients[0].id, id + 1);
    agent_link(&world.direct);
    agent_answer(&world.relay, 0, "d");
    deliver_all(&world.direct);
}

static void test_the_way_of_one_recipient_is_not_for_another_that_was_tried_more_often(void **state)
{
    expect_other_way_for_second("queue { first-retry 1m  retry-jitter 0 }\n"
                                "route { transport relay  min-attempts 2 }\n",
                                (struct act){.action = ADMIN_KICK});
}

static void test_the_way_of_one_recipient_is_not_for_one_whose_way_was_chosen(void **state)
{
    char relay[] = "relay";
    expect_other_way_for_second(
        "queue { first-retry 1m  retry-jitter 0 }\n",
        (struct act){.action = ADMIN_TRANSPORT, .terms = {.transport = relay}});
}

/* The sender is told what is wrong, and not of what is inside here. */
static void test_a_message_that_cannot_be_read_is_put_off_until_it_can(void **state)
{
    struct submit_envelope *e = world_envelope("", "b@d.example");
    struct msg_row m;
    struct rcpt_row r;
    char path[64], big[8192];
    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = '\0';
    world_open("queue { large-body 4K  first-retry 1m  retry-jitter 0 }\n");
    world.direct.on_job = agent_defers;
    char *text = mem_format("Subject: x\r\n\r\n%s\r\n", big);
    uint64_t id = world_submit(e, text);
    world_settle();
    assert_int_equal(world.direct.jobs_total, 1);
    assert_true(world_message(id, &m));
    assert_int_equal(m.kind, BODY_FILE);
    (void)snprintf(path, sizeof path, "bodies/%02x/%016" PRIx64, (unsigned)(m.file % BODY_FOLDERS),
                   m.file);
    msg_row_clear(&m);
    assert_int_equal(renameat(world.queue.dirfd, path, world.queue.dirfd, "away"), 0);
    world_restart(true); /* nothing of it is in memory */
    world_step(61000);
    assert_int_equal(world.direct.jobs_total, 1); /* no agent was asked */
    assert_true(world_recipient(id, &r));
    assert_int_equal(r.results_n, 2);
    assert_string_equal(r.results[1].error, "the message cannot be read from the queue");
    rcpt_row_clear(&r);
    assert_int_equal(renameat(world.queue.dirfd, "away", world.queue.dirfd, path), 0);
    world.direct.on_job = agent_keeps;
    world_step(600000);
    assert_int_equal(world.direct.jobs_n, 1);
    deliver_all(&world.direct);
    mem_free(&text);
}

#define DOMAIN(disabled)                                                                           \
    "queue { attempts 3 }\n"                                                                       \
    "domain shut.example { disabled " disabled " }\n"                                              \
    "account ann { address ann@shut.example }\n"

/* Returns its id. */
static uint64_t send_as(enum submit_origin origin, const char *sender, const char *to)
{
    struct submit_envelope *e = world_envelope(sender, to);
    e->origin = origin;
    submit_set(&e->account, origin == SUBMIT_SMTP ? "" : "ann");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    assert_true(id != 0);
    world_settle();
    return id;
}

static void expect_put_off(uint64_t id, int attempts)
{
    struct rcpt_row r;
    assert_true(world_recipient(id, &r));
    assert_int_equal(r.attempts, attempts);
    assert_int_equal(r.results_n, attempts);
    const struct deliver_result *last = &r.results[attempts - 1];
    assert_int_equal(last->status, DELIVER_DEFERRED);
    assert_string_equal(last->error, "shut.example, the domain of the sender, is disabled");
    assert_string_equal(last->enhanced, "4.7.1");
    assert_string_equal(last->stage, "queue");
    assert_true(r.next_ms > clock_wall_ms());
    rcpt_row_clear(&r);
}

static void test_mail_from_a_disabled_domain_waits_until_it_is_enabled(void **state)
{
    static const enum submit_origin origins[] = {SUBMIT_SUBMISSION, SUBMIT_LOCAL, SUBMIT_WEBAPI};
    uint64_t ids[3];
    world_open(DOMAIN("no"));
    world.direct.on_job = agent_defers;
    for (int i = 0; i < 3; i++)
        ids[i] = send_as(origins[i], "ann@shut.example", "x@d.example");
    assert_int_equal(world.direct.recipients_total, 3);
    world_reload(DOMAIN("yes"));
    world.direct.on_job = agent_delivers;
    for (int i = 0; i < 3; i++)
        act_on((struct act){.action = ADMIN_KICK}, ids[i]);
    world_settle();
    assert_int_equal(world.direct.recipients_total, 3);
    for (int i = 0; i < 3; i++)
        expect_put_off(ids[i], 2);
    uint64_t new = send_as(SUBMIT_SUBMISSION, "ann@shut.example", "y@d.example");
    expect_put_off(new, 1);
    world_reload(DOMAIN("no"));
    act_on((struct act){.action = ADMIN_KICK}, new);
    world_step(30 * MINUTE);
    WORLD_UNTIL(world.direct.recipients_total == 7);
    world_settle();
    world_expect_empty();
}

static void test_mail_from_a_disabled_domain_expires(void **state)
{
    struct buf notice = {0};
    world_open(DOMAIN("yes"));
    world.local.on_job = agent_keeps;
    uint64_t id = send_as(SUBMIT_SUBMISSION, "ann@shut.example", "x@d.example");
    for (int i = 1; i < 3; i++) {
        expect_put_off(id, i);
        act_on((struct act){.action = ADMIN_KICK}, id);
        world_settle();
    }
    assert_true(world_notice(&notice) != 0);
    world_expect_text(&notice, "shut.example, the domain of the sender, is disabled");
    buf_free(&notice);
    /* Which reaches the sender, all the same. */
    assert_int_equal(world.local.jobs_n, 1);
    assert_int_equal(world.direct.jobs_total, 0);
    deliver_all(&world.local);
}

static void test_a_disabled_domain_holds_up_nothing_else(void **state)
{
    world_open(DOMAIN("yes"));
    world.direct.on_job = world.local.on_job = agent_delivers;
    (void)send_as(SUBMIT_SMTP, "ann@shut.example", "box@example.org");
    (void)send_as(SUBMIT_SMTP, "a@b.example", "ann@shut.example");
    assert_int_equal(world.local.jobs_total, 2);
    (void)send_as(SUBMIT_SUBMISSION, "", "x@d.example");
    (void)send_as(SUBMIT_SUBMISSION, "box@example.org", "x@d.example");
    (void)send_as(SUBMIT_LOCAL, "root@elsewhere.example", "x@d.example");
    assert_int_equal(world.direct.jobs_total, 3);
    world_expect_empty();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_a_destination_begins_with_few_deliveries_and_gets_more),
        BARE_TEST(test_a_destination_that_cannot_be_reached_is_suspended),
        BARE_TEST(test_a_suspended_destination_is_tried_with_one_and_comes_back),
        BARE_TEST(test_whoever_kicks_wants_an_attempt),
        BARE_TEST(test_a_message_that_cannot_be_read_is_put_off_until_it_can),
        BARE_TEST(test_a_suspension_is_of_one_transport),
        BARE_TEST(test_the_way_of_one_recipient_is_not_for_another_that_was_tried_more_often),
        BARE_TEST(test_the_way_of_one_recipient_is_not_for_one_whose_way_was_chosen),
        BARE_TEST(test_mail_from_a_disabled_domain_waits_until_it_is_enabled),
        BARE_TEST(test_mail_from_a_disabled_domain_expires),
        BARE_TEST(test_a_disabled_domain_holds_up_nothing_else),
    };
    return WORLD_MAIN(argc, argv, tests);
}
