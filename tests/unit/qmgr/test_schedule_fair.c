/* The schedule where one account has mail for very many destinations. */

#include "world.h"

#include <stdio.h>
#include <string.h>

#include "schedule.h"
#include "tables.h"

#define ACCOUNTS                                                                                   \
    "account many { address many@example.org }\n"                                                  \
    "account one { address one@example.org }\n"                                                    \
    "account other { address other@example.org }\n"
#define NARROW "route { transport relay }\n"

#define MINUTE 60000ll
#define MANY 400 /* twice the window of these tests */

static void send_for(const char *account, const char *to)
{
    struct submit_envelope *e = world_envelope("", to);
    submit_set(&e->account, account);
    assert_int_not_equal(world_submit(e, "Subject: x\r\n\r\n"), 0);
}

/* A message of the account ("" for none) to each of n domains. */
static void send_to_each(const char *account, const char *prefix, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char to[60];
        (void)snprintf(to, sizeof to, "c@%s%u.example", prefix, i);
        send_for(account, to);
    }
}

/* The one for that domain which the agent holds was delivered. */
static void answer(struct agent *g, const char *domain)
{
    unsigned i = 0;
    while (strcmp(g->jobs[i].job->destination, domain) != 0)
        assert_true(++i < g->jobs_n);
    agent_answer(g, i, "d");
}

/* What the agent holds is answered one by one, each as delivered, until it holds one for that
 * domain. Returns how many it took. */
static unsigned answers_until(struct agent *g, const char *domain)
{
    unsigned n = 0;
    for (; agent_jobs_for(g, domain) == 0; n++) {
        assert_true(n < 1000);
        WORLD_UNTIL(g->jobs_n > 0);
        agent_answer(g, 0, "d");
        world_settle();
    }
    return n;
}

static void deliver_all(struct agent *g)
{
    unsigned patience = 0;
    agent_answer_all(g, agent_delivers);
    while (world_rows(TABLE_RCPT) > 0) {
        assert_true(++patience < 200000);
        (void)event_base_loop(world.queue.base, EVLOOP_ONCE);
        if (patience % 1000 == 0)
            world_settle(); /* which renews the patience */
    }
    world_settle();
    world_expect_empty();
}

static void test_an_account_with_many_domains_delays_another_s_by_a_turn(void **state)
{
    world_open(ACCOUNTS NARROW "queue { transport-concurrency 2  window 200 }\n");
    send_to_each("many", "d", MANY);
    world_settle();
    send_for("one", "c@e.example");
    world_settle();
    assert_true(answers_until(&world.relay, "e.example") <= 3);
    assert_true(schedule_window(world.queue.schedule) <= 200);
    deliver_all(&world.relay);
    assert_int_equal(world.relay.recipients_total, MANY + 1); /* each once */
}

static void test_mail_of_no_account_has_the_turns_of_one(void **state)
{
    world_open(ACCOUNTS NARROW "queue { transport-concurrency 2  window 200 }\n");
    send_to_each("", "d", MANY);
    world_settle();
    send_for("one", "c@e.example");
    world_settle();
    assert_true(answers_until(&world.relay, "e.example") <= 3);
    send_to_each("one", "f", 100);
    send_for("", "c@g.example"); /* behind its own */
    send_for("other", "c@h.example");
    world_settle();
    assert_true(answers_until(&world.relay, "h.example") <= 4);
    assert_int_equal(agent_jobs_for(&world.relay, "g.example"), 0);
    deliver_all(&world.relay);
}

static void test_an_account_with_many_domains_leaves_another_s_a_place(void **state)
{
    world_open(ACCOUNTS "queue { concurrency 16  window 100 }\n");
    send_to_each("many", "d", MANY);
    world_settle();
    assert_int_equal(schedule_window(world.queue.schedule), 25); /* half of the half */
    send_for("one", "c@e.example");
    world_settle();
    assert_true(answers_until(&world.direct, "e.example") <= 3);
    deliver_all(&world.direct);
    assert_int_equal(world.direct.recipients_total, MANY + 1);
}

static void test_deliveries_that_do_not_end_are_not_all_one_account_s(void **state)
{
    world_open(ACCOUNTS "queue { concurrency 40  window 200 }\n");
    send_to_each("many", "d", MANY);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 33); /* of 35 */
    send_for("one", "c@d0.example");           /* where one is under way */
    send_for("other", "c@e.example");
    WORLD_UNTIL(agent_jobs_for(&world.direct, "e.example") == 1);
    assert_int_equal(agent_jobs_for(&world.direct, "d0.example"), 1);
    deliver_all(&world.direct);
}

static void test_connections_that_do_not_end_are_not_all_one_account_s(void **state)
{
    world_open(ACCOUNTS NARROW "queue { transport-concurrency 40  window 400  "
                               "destination-concurrency-start 40 }\n");
    send_to_each("many", "d", MANY);
    world_settle();
    assert_int_equal(world.relay.jobs_n, 33); /* of 35 */
    send_to_each("one", "e", 10);
    send_for("other", "c@f.example");
    WORLD_UNTIL(world.relay.jobs_n == 35);
    assert_int_equal(agent_jobs_for(&world.relay, "e0.example"), 1);
    assert_int_equal(agent_jobs_for(&world.relay, "f.example"), 1);
    deliver_all(&world.relay);
}

/* Each has as many places as it leaves to others, so that soon they have all. */
static void test_when_many_accounts_have_all_places_another_has_one_all_the_same(void **state)
{
    static const char *const names[] = {"", "a1", "a2", "a3", "a4", "a5", "many", "other"};
    world_open(ACCOUNTS "account a1 { address a1@example.org }\n"
                        "account a2 { address a2@example.org }\n"
                        "account a3 { address a3@example.org }\n"
                        "account a4 { address a4@example.org }\n"
                        "account a5 { address a5@example.org }\n"
                        "queue { concurrency 70  window 100 }\n");
    for (unsigned i = 0; i < 8; i++) {
        char prefix[20];
        (void)snprintf(prefix, sizeof prefix, "d%u-", i);
        send_to_each(names[i], prefix, 60);
        world_settle();
    }
    assert_in_range(schedule_window(world.queue.schedule), 50, 52);
    send_for("one", "c@e.example");
    send_for("one", "c@f.example");
    WORLD_UNTIL(agent_jobs_for(&world.direct, "e.example") == 1);
    world_settle();
    assert_int_equal(agent_jobs_for(&world.direct, "f.example"), 0);
    answer(&world.direct, "e.example"); /* and after that the next */
    WORLD_UNTIL(agent_jobs_for(&world.direct, "f.example") == 1);
    deliver_all(&world.direct);
}

/* More than there are places, one of each in turn. */
static void test_what_was_passed_over_is_fetched_to_the_last(void **state)
{
    static const char *const names[] = {"", "many", "one", "other"};
    world_open(ACCOUNTS "queue { concurrency 4  window 100 }\n");
    for (unsigned i = 0; i < 600; i++) {
        char to[60];
        (void)snprintf(to, sizeof to, "c@d%u.example", i);
        send_for(names[i % 4], to);
        assert_true(schedule_window(world.queue.schedule) <= 50);
    }
    deliver_all(&world.direct);
    assert_int_equal(world.direct.recipients_total, 600); /* each once */
    assert_int_equal(schedule_window(world.queue.schedule), 0);
}

static void test_after_a_restart_it_is_so_too(void **state)
{
    world_open(ACCOUNTS NARROW "queue { transport-concurrency 2  window 200 }\n");
    agent_unlink(&world.relay);
    world_settle();
    send_to_each("many", "d", MANY);
    send_for("one", "c@e.example");
    world_restart(false);
    WORLD_UNTIL(world.relay.jobs_n == 2);
    world_settle(); /* the walk comes to the last */
    assert_true(answers_until(&world.relay, "e.example") <= 3);
    deliver_all(&world.relay);
}

/* Whoever came to a destination after others is not behind all the other destinations of those. */
static void test_a_destination_s_turn_comes_with_that_of_any_who_wait_there(void **state)
{
    world_open(ACCOUNTS "queue { concurrency 1  window 1000  destination-concurrency 1 }\n");
    send_to_each("many", "d", 100);
    send_for("many", "c@e.example");
    send_for("one", "c@e.example");
    world_settle();
    assert_true(answers_until(&world.direct, "e.example") <= 3);
    agent_answer(&world.direct, 0, "d");
    world_settle();
    assert_true(answers_until(&world.direct, "e.example") <= 3);
    deliver_all(&world.direct);
}

static void test_accounts_take_turns_to_the_last(void **state)
{
    unsigned of_d = 0, of_e = 0;
    world_open(ACCOUNTS NARROW "queue { transport-concurrency 1  window 100 }\n");
    send_to_each("many", "d", 200);
    send_to_each("one", "e", 100);
    world_settle();
    for (unsigned n = 0; n < 180; n++) {
        WORLD_UNTIL(world.relay.jobs_n == 1);
        bool is_d = world.relay.jobs[0].job->destination[0] == 'd';
        of_d += is_d;
        of_e += !is_d;
        agent_answer(&world.relay, 0, "d");
        world_settle();
        assert_true(schedule_window(world.queue.schedule) <= 50);
        assert_true(n < 20 || (of_e * 3 > of_d && of_d * 3 > of_e));
    }
    deliver_all(&world.relay);
}

static void test_what_an_account_had_put_off_delays_another_s_by_a_turn(void **state)
{
    world_open(ACCOUNTS NARROW "queue { transport-concurrency 2  window 200  first-retry 1m  "
                               "retry-jitter 0 }\n");
    world.relay.on_job = agent_defers;
    send_to_each("many", "d", MANY);
    send_for("one", "c@e.example");
    world_settle();
    world.relay.on_job = agent_keeps;
    world_step(2 * MINUTE);
    WORLD_UNTIL(world.relay.jobs_n == 1);
    assert_true(answers_until(&world.relay, "e.example") <= 3);
    deliver_all(&world.relay);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_an_account_with_many_domains_delays_another_s_by_a_turn),
        BARE_TEST(test_mail_of_no_account_has_the_turns_of_one),
        BARE_TEST(test_an_account_with_many_domains_leaves_another_s_a_place),
        BARE_TEST(test_deliveries_that_do_not_end_are_not_all_one_account_s),
        BARE_TEST(test_connections_that_do_not_end_are_not_all_one_account_s),
        BARE_TEST(test_when_many_accounts_have_all_places_another_has_one_all_the_same),
        BARE_TEST(test_what_was_passed_over_is_fetched_to_the_last),
        BARE_TEST(test_after_a_restart_it_is_so_too),
        BARE_TEST(test_a_destination_s_turn_comes_with_that_of_any_who_wait_there),
        BARE_TEST(test_accounts_take_turns_to_the_last),
        BARE_TEST(test_what_an_account_had_put_off_delays_another_s_by_a_turn),
    };
    return WORLD_MAIN(argc, argv, tests);
}
