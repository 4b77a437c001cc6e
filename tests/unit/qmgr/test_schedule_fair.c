/* The schedule where one account has mail for very many destinations, or large messages. */

#include "world.h"

#include <stdio.h>
#include <string.h>

#include "bodies.h"
#include "mem.h"
#include "schedule.h"
#include "tables.h"

#define ACCOUNTS                                                                                   \
    "account many { address many@example.org }\n"                                                  \
    "account one { address one@example.org }\n"                                                    \
    "account other { address other@example.org }\n"
#define NARROW "route { transport relay }\n"
#define MEMORY(size, more) "queue { body-memory " size "  large-body 64K " more "}\n"
#define SMALL_MEMORY MEMORY("1M", "")

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

/* A message of so many octets to c@d0, c@d1, ... of the domain: one to each, or one to all. */
static void send_large(const char *account, const char *domain, unsigned n, size_t size, bool each)
{
    char *large = mem_alloc(size + 1);
    struct submit_envelope *e = NULL;
    memset(large, 'x', size);
    large[size] = '\0';
    for (unsigned i = 0; i < n; i++) {
        char to[60];
        (void)snprintf(to, sizeof to, "c@d%u.%s", i, domain);
        if (e == NULL)
            e = world_envelope("", to);
        else
            (void)submit_add_recipient(e, to);
        if (!each && i + 1 < n)
            continue;
        submit_set(&e->account, account);
        assert_int_not_equal(world_submit(e, large), 0);
        e = NULL;
    }
    mem_free(&large);
}

static void test_an_account_with_large_messages_leaves_others_memory(void **state)
{
    world_open(ACCOUNTS SMALL_MEMORY);
    send_large("many", "slow.example", 10, 300000, true);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 2);
    send_large("other", "large.example", 2, 300000, true);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "d0.large.example") == 1);
    /* Now that the memory is full, small ones go all the same, one of each account at least. */
    send_for("one", "c@small.example");
    send_for("other", "c@tiny.example");
    send_for("many", "c@least.example");
    WORLD_UNTIL(agent_jobs_for(&world.direct, "small.example") == 1 &&
                agent_jobs_for(&world.direct, "tiny.example") == 1 &&
                agent_jobs_for(&world.direct, "least.example") == 1);
    assert_int_equal(world.direct.jobs_n, 6);
    deliver_all(&world.direct);
}

static unsigned turns_until(const char *domain)
{
    unsigned turns = 0;
    for (; agent_jobs_for(&world.direct, domain) == 0; turns++) {
        assert_true(turns < 10000);
        (void)event_base_loop(world.queue.base, EVLOOP_ONCE);
    }
    return turns;
}

/* Each of the large ones is read once, not again with each change. */
static void test_of_an_account_s_own_mail_small_ones_pass_hundreds_of_large(void **state)
{
    world_open(ACCOUNTS MEMORY("1M", "window 4000 "));
    send_large("many", "slow.example", 1, 3000000, true);
    for (unsigned i = 0; i < 12; i++)
        send_large("many", "waits.example", 50, 40000, false);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    send_for("many", "c@small.example");
    assert_true(turns_until("small.example") < 600 / 50 + 20);
    assert_true(world_turns() < 30);
    send_for("many", "c@little.example");
    assert_true(turns_until("little.example") < 20);
    send_large("other", "others.example", 20, 100, false);
    WORLD_UNTIL(world.direct.jobs_n == 23);
    assert_true(world_turns() < 30);
    deliver_all(&world.direct);
    assert_int_equal(world.direct.recipients_total, 623);
}

/* More than may wait in the window, with nobody else's: those that find no place there are read
 * once, too. */
static void test_small_ones_pass_large_ones_of_the_same_account_and_destination(void **state)
{
    world_open(ACCOUNTS MEMORY("1M", "window 400 "));
    send_large("many", "slow.example", 1, 3000000, true);
    for (unsigned i = 0; i < MANY; i++)
        send_large("many", "waits.example", 1, 40000, true);
    send_for("many", "c@d0.waits.example");
    (void)turns_until("d0.waits.example");
    assert_int_equal(world.direct.jobs_n, 2);
    assert_true(world_turns() < 30);
    deliver_all(&world.direct);
    assert_int_equal(world.direct.recipients_total, MANY + 2);
}

static void test_small_ones_of_what_was_put_off_pass_the_large_too(void **state)
{
    world_open(ACCOUNTS MEMORY("1M", "first-retry 1m  retry-jitter 0  window 4000 "));
    world.direct.on_job = agent_defers;
    send_large("many", "slow.example", 1, 3000000, true);
    send_large("many", "waits.example", 200, 40000, false);
    send_for("many", "c@small.example");
    world_settle();
    world.direct.on_job = agent_keeps;
    world_step(2 * MINUTE);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "small.example") == 1);
    assert_int_equal(world.direct.jobs_n, 2);
    (void)world_turns(); /* in which all were looked at, a few in each tick */
    assert_true(world_turns() < 30);
    answer(&world.direct, "d0.slow.example");
    WORLD_UNTIL(world.direct.jobs_n == 201);
    deliver_all(&world.direct);
}

static void test_large_ones_that_wait_for_memory_have_it_in_their_order(void **state)
{
    world_open(ACCOUNTS SMALL_MEMORY "test-clock no\n");
    send_large("many", "large.example", 6, 310000, true);
    send_large("other", "also.example", 1, 310000, true);
    WORLD_UNTIL(world.direct.jobs_n == 3);
    send_large("one", "then.example", 1, 310000, true);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 3);
    answer(&world.direct, "d0.also.example"); /* whose memory is not for the one that has some */
    assert_true(turns_until("d0.then.example") < 20);
    answer(&world.direct, "d0.then.example");
    for (unsigned i = 2; i < 6; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "d%u.large.example", i);
        world_settle();
        assert_int_equal(world.direct.jobs_n, 2);
        assert_int_equal(agent_jobs_for(&world.direct, domain), 0);
        (void)snprintf(domain, sizeof domain, "d%u.large.example", i - 2);
        answer(&world.direct, domain);
        (void)snprintf(domain, sizeof domain, "d%u.large.example", i);
        assert_true(turns_until(domain) < 20);
    }
    deliver_all(&world.direct);
}

/* It takes it once, so that all may have it who were waiting. */
static void test_all_that_wait_for_the_memory_of_one_message_go_at_once(void **state)
{
    world_open(ACCOUNTS SMALL_MEMORY);
    send_large("many", "slow.example", 1, 3000000, true);
    send_large("many", "one.example", 12, 600000, false);
    send_large("many", "two.example", 3, 600000, false);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 1);
    agent_answer(&world.direct, 0, "d");
    WORLD_UNTIL(world.direct.jobs_n == 12);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 12);
    assert_int_equal(agent_jobs_for(&world.direct, "d11.one.example"), 1);
    while (world.direct.jobs_n > 1)
        agent_answer(&world.direct, 0, "d");
    world_settle();
    assert_int_equal(world.direct.jobs_n, 1);
    agent_answer(&world.direct, 0, "d");
    WORLD_UNTIL(world.direct.jobs_n == 3);
    deliver_all(&world.direct);
}

/* Eight fill the reserve; an account has as many of it as it leaves to others. */
static void test_small_ones_wait_for_small_ones_alone(void **state)
{
    world_open(ACCOUNTS SMALL_MEMORY "test-clock no\n");
    send_large("many", "slow.example", 1, 3000000, true);
    send_large("many", "waits.example", 1, 100000, true);
    send_large("many", "small.example", 8, 28000, true);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 5);
    send_large("other", "other.example", 4, 28000, true);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 7);
    answer(&world.direct, "d0.small.example");
    answer(&world.direct, "d1.small.example");
    world_settle();
    assert_int_equal(world.direct.jobs_n, 7);
    assert_int_equal(agent_jobs_for(&world.direct, "d2.other.example"), 1);
    assert_int_equal(agent_jobs_for(&world.direct, "d4.small.example"), 1);
    assert_int_equal(agent_jobs_for(&world.direct, "d0.waits.example"), 0);
    assert_true(world_turns() < 30);
    deliver_all(&world.direct);
}

static void test_of_the_memory_each_class_leaves_the_other_its_part(void **state)
{
    world_open(ACCOUNTS MEMORY("1M", "first-retry 1m  retry-jitter 0"));
    world.direct.on_job = agent_defers;
    send_large("many", "again.example", 1, 700000, true);
    world_settle();
    world.direct.on_job = agent_keeps;
    send_large("many", "new.example", 4, 240000, true);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 2); /* three would fit in all of it */
    answer(&world.direct, "d0.new.example");
    answer(&world.direct, "d1.new.example");
    WORLD_UNTIL(world.direct.jobs_n == 2);
    answer(&world.direct, "d2.new.example");
    answer(&world.direct, "d3.new.example");
    world_step(2 * MINUTE);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    /* Three would fit in the part, one in what is left. What that one has beyond half is its own
     * business. */
    send_large("one", "newer.example", 4, 200000, true);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 3);
    deliver_all(&world.direct);
}

/* What is in use while the setting changes is counted as it was. */
static void test_a_change_of_the_memory_lets_those_go_that_fit_now(void **state)
{
    world_open(ACCOUNTS SMALL_MEMORY);
    send_large("many", "slow.example", 1, 3000000, true);
    send_large("many", "waits.example", 3, 100000, true);
    send_large("other", "small.example", 1, 20000, true);
    WORLD_UNTIL(world.direct.jobs_n == 2);
    world_reload(ACCOUNTS MEMORY("16M", ""));
    WORLD_UNTIL(world.direct.jobs_n == 5);
    world_reload(ACCOUNTS SMALL_MEMORY);
    send_large("many", "later.example", 1, 100000, true);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 5);
    deliver_all(&world.direct);
    assert_int_equal(bodies_total(world.queue.bodies), 0);
}

static void test_one_message_to_several_domains_takes_its_memory_once(void **state)
{
    world_open(ACCOUNTS SMALL_MEMORY);
    send_large("many", "slow.example", 3, 400000, false);
    WORLD_UNTIL(world.direct.jobs_n == 3);
    send_large("other", "large.example", 1, 300000, true);
    WORLD_UNTIL(world.direct.jobs_n == 4);
    /* Until the last of its deliveries has ended; then the next may. */
    send_large("many", "next.example", 1, 300000, true);
    agent_answer(&world.direct, 0, "d");
    agent_answer(&world.direct, 0, "d");
    world_settle();
    assert_int_equal(world.direct.jobs_n, 2);
    agent_answer(&world.direct, 0, "d");
    WORLD_UNTIL(agent_jobs_for(&world.direct, "d0.next.example") == 1);
    deliver_all(&world.direct);
}

static void test_what_was_put_off_and_is_larger_than_the_memory_stops_nobody(void **state)
{
    world_open(ACCOUNTS SMALL_MEMORY);
    world.direct.on_job = agent_defers;
    send_large("many", "dead.example", 2, 3000000, true);
    world_step(MINUTE);
    send_for("many", "c@mine.example");
    send_for("other", "c@yours.example");
    world_settle();
    world.direct.on_job = agent_keeps;
    world_step(7 * MINUTE);
    WORLD_UNTIL(world.direct.jobs_n == 1); /* of the two */
    world_step(MINUTE);
    WORLD_UNTIL(world.direct.jobs_n == 3); /* and the small ones beside it */
    world_settle();
    assert_int_equal(world.direct.jobs_n, 3);
    assert_int_equal(agent_jobs_for(&world.direct, "mine.example"), 1);
    assert_int_equal(agent_jobs_for(&world.direct, "yours.example"), 1);
    /* New mail has its part. */
    send_large("many", "new.example", 1, 300000, true);
    send_large("other", "newer.example", 1, 300000, true);
    WORLD_UNTIL(world.direct.jobs_n == 5);
    deliver_all(&world.direct);
    assert_int_equal(bodies_total(world.queue.bodies), 0);
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
        BARE_TEST(test_an_account_with_large_messages_leaves_others_memory),
        BARE_TEST(test_of_an_account_s_own_mail_small_ones_pass_hundreds_of_large),
        BARE_TEST(test_small_ones_pass_large_ones_of_the_same_account_and_destination),
        BARE_TEST(test_small_ones_of_what_was_put_off_pass_the_large_too),
        BARE_TEST(test_large_ones_that_wait_for_memory_have_it_in_their_order),
        BARE_TEST(test_all_that_wait_for_the_memory_of_one_message_go_at_once),
        BARE_TEST(test_small_ones_wait_for_small_ones_alone),
        BARE_TEST(test_of_the_memory_each_class_leaves_the_other_its_part),
        BARE_TEST(test_a_change_of_the_memory_lets_those_go_that_fit_now),
        BARE_TEST(test_one_message_to_several_domains_takes_its_memory_once),
        BARE_TEST(test_what_was_put_off_and_is_larger_than_the_memory_stops_nobody),
    };
    return WORLD_MAIN(argc, argv, tests);
}
