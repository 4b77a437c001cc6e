/* The schedule where all mail of a transport goes to one server. */

#include "world.h"

#include <stdio.h>
#include <string.h>

#include "schedule.h"
#include "tables.h"

#define ACCOUNTS                                                                                   \
    "account many { address many@example.org }\n"                                                  \
    "account one { address one@example.org }\n"

#define MINUTE 60000ll
#define MANY 400

static uint64_t ids[MANY]; /* of those sent last */
static size_t ids_n;

/* A message of the account ("" for none) for one recipient in each of n domains. */
static void send_to_each(const char *account, const char *prefix, unsigned n)
{
    ids_n = 0;
    for (unsigned i = 0; i < n; i++) {
        char to[60];
        (void)snprintf(to, sizeof to, "c@%s%u.example", prefix, i);
        struct submit_envelope *e = world_envelope("", to);
        submit_set(&e->account, account);
        ids[ids_n] = world_submit(e, "Subject: x\r\n\r\n");
        assert_int_not_equal(ids[ids_n++], 0);
    }
}

static void be_down(struct agent *g)
{
    g->script = deliver_result_new(0, DELIVER_DEFERRED);
    submit_set(&g->script.stage, "connect");
    submit_set(&g->script.enhanced, "4.4.1");
    submit_set(&g->script.error, "connection refused");
    g->on_job = agent_answers;
}

/* All recipients have had so many attempts. */
static bool had(uint16_t attempts)
{
    bool all = true;
    for (size_t i = 0; i < ids_n && all; i++) {
        struct rcpt_row r;
        if (!world_recipient(ids[i], &r))
            continue;
        all = r.attempts == attempts;
        rcpt_row_clear(&r);
    }
    return all;
}

static void test_a_smarthost_that_is_down_is_tried_as_one_place(void **state)
{
    int64_t wait = 90000;
    world_open("route { transport relay }\n"
               "queue { first-retry 90s  retry-jitter 0  attempts 100 }\n");
    be_down(&world.relay);
    send_to_each("", "d", MANY);
    WORLD_UNTIL(had(1));
    world_settle();
    unsigned tried = world.relay.jobs_total;
    assert_in_range(tried, 4, 8); /* until it was suspended */
    assert_int_equal(world_rows(TABLE_RCPT), MANY);
    assert_int_equal(schedule_window(world.queue.schedule), 0); /* the others were put off */
    /* Whenever all of them are due again, one is tried. */
    for (uint16_t i = 2; i < 5; i++) {
        world_step(wait + 5000);
        WORLD_UNTIL(had(i));
        assert_int_equal(world.relay.jobs_total, ++tried);
        wait *= 2;
    }
    world.relay.on_job = agent_delivers;
    world_step(wait + 5000);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    assert_int_equal(world.relay.jobs_total, tried + MANY);
    deliver_result_clear(&world.relay.script);
    world_expect_empty();
}

static void test_the_way_to_other_hosts_goes_on_meanwhile(void **state)
{
    world_open(ACCOUNTS "route { to .example  transport relay }\n");
    be_down(&world.relay);
    world.direct.on_job = agent_delivers;
    send_to_each("", "d", 50);
    (void)world_send("c@elsewhere.test");
    WORLD_UNTIL(world.direct.recipients_total == 1);
    world_settle();
    assert_int_equal(world_rows(TABLE_RCPT), 50);
    assert_true(world.relay.jobs_total <= 8);
    deliver_result_clear(&world.relay.script);
}

static void test_a_smarthost_has_few_to_begin_with_and_more_as_it_takes_them(void **state)
{
    world_open("route { transport relay }\nqueue { destination-concurrency-start 3 }\n");
    send_to_each("", "d", MANY);
    world_settle();
    assert_int_equal(world.relay.jobs_n, 3);
    /* Of its connections an eighth is for what was put off before, of the others a 16th for other
     * accounts. */
    for (unsigned n = 0; world.relay.jobs_n < 83; n++) {
        assert_true(n < 150);
        agent_answer(&world.relay, 0, "d");
        world_settle();
    }
    for (int i = 0; i < 20; i++) {
        agent_answer(&world.relay, 0, "d");
        world_settle();
        assert_int_equal(world.relay.jobs_n, 83);
    }
    agent_answer_all(&world.relay, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

static void test_what_was_put_off_before_grows_by_itself(void **state)
{
    world_open("route { transport relay }\nqueue { destination-concurrency-start 1 }\n");
    world.relay.on_job = agent_defers;
    send_to_each("", "d", 200);
    WORLD_UNTIL(had(1));
    world.relay.on_job = agent_keeps;
    world_step(8 * MINUTE);
    for (unsigned n = 0; world.relay.jobs_n < 20; n++) {
        assert_true(n < 100);
        WORLD_UNTIL(world.relay.jobs_n > 0);
        agent_answer(&world.relay, 0, "d");
        world_settle();
    }
    agent_answer_all(&world.relay, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

/* What it holds is answered one by one, each as delivered, until one for that domain is held. */
static unsigned answers_until(const char *domain)
{
    unsigned n = 0;
    for (; agent_jobs_for(&world.relay, domain) == 0; n++) {
        unsigned total = world.relay.jobs_total;
        agent_answer(&world.relay, 0, "d");
        WORLD_UNTIL(world.relay.jobs_total > total);
    }
    return n;
}

static void test_within_a_smarthost_accounts_and_destinations_take_turns(void **state)
{
    world_open(ACCOUNTS "route { transport relay }\n"
                        "queue { destination-concurrency-start 1  destination-concurrency 1  "
                        "transport-concurrency 1 }\n");
    for (int i = 0; i < 100; i++)
        send_to_each("many", "d", 2);
    send_to_each("one", "d", 1);
    send_to_each("one", "e", 1);
    world_settle();
    assert_int_equal(world.relay.jobs_n, 1);
    assert_true(answers_until("e0.example") <= 5);
    agent_answer_all(&world.relay, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_a_smarthost_that_is_down_is_tried_as_one_place),
        BARE_TEST(test_the_way_to_other_hosts_goes_on_meanwhile),
        BARE_TEST(test_a_smarthost_has_few_to_begin_with_and_more_as_it_takes_them),
        BARE_TEST(test_what_was_put_off_before_grows_by_itself),
        BARE_TEST(test_within_a_smarthost_accounts_and_destinations_take_turns),
    };
    return WORLD_MAIN(argc, argv, tests);
}
