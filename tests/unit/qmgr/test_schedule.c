#include "world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bodies.h"
#include "clock.h"
#include "mem.h"
#include "schedule.h"
#include "tables.h"

#define MINUTE 60000ll

static uint64_t send_for(const char *account, const char *to)
{
    struct submit_envelope *e = world_envelope("", to);
    submit_set(&e->account, account);
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    assert_true(id != 0);
    return id;
}

static void test_a_hundred_thousand_for_one_domain_do_not_delay_one_for_another(void **state)
{
    world_open("queue { destination-concurrency-start 20  destination-recipients 100 }\n");
    (void)world_send_many("big.example", 100000);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "big.example") == 20);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 20); /* destination-concurrency */
    assert_int_equal(schedule_trying(world.queue.schedule), 2000);
    assert_int_equal(world.direct.recipients_total, 2000);
    assert_true(schedule_window(world.queue.schedule) < 4000); /* of 20000 */
    uint64_t id = world_send("c@small.example");
    WORLD_UNTIL(agent_jobs_for(&world.direct, "small.example") == 1);
    assert_int_equal(agent_jobs_for(&world.direct, "big.example"),
                     20); /* none of which had to end first */
    /* And it goes on until the last. */
    agent_answer_all(&world.direct, agent_delivers);
    for (unsigned i = 0; world_rows(TABLE_RCPT) > 0; i++) {
        assert_true(i < 200000);
        (void)event_base_loop(world.queue.base, EVLOOP_ONCE);
        assert_true(schedule_window(world.queue.schedule) <= 20000);
        if (i % 1000 == 0)
            world_settle(); /* which renews the patience */
    }
    world_settle();
    assert_int_equal(world.direct.recipients_total, 100001);
    char *events = world_events(id);
    assert_string_equal(events, "AD");
    mem_free(&events);
    world_expect_empty();
}

/* However many may go in one delivery, the window has room for others. */
static void test_neither_do_they_with_as_many_as_may_go_in_each_delivery(void **state)
{
    world_open("queue { destination-concurrency-start 20 }\n");
    (void)world_send_many("big.example", 30000);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "big.example") > 0);
    world_settle();
    assert_true(schedule_window(world.queue.schedule) < 10000); /* half of 20000 */
    (void)world_send("c@small.example");
    WORLD_UNTIL(agent_jobs_for(&world.direct, "small.example") == 1);
    world.direct.on_job = agent_delivers;
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    assert_int_equal(world.direct.recipients_total, 30001);
    world_expect_empty();
}

/* Nor do several, that take all they get and do not answer. */
static void test_some_slow_domains_leave_one_a_place(void **state)
{
    world_open("queue { destination-concurrency-start 20 }\n");
    for (int i = 0; i < 4; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "big%d.example", i);
        (void)world_send_many(domain, 8000);
        WORLD_UNTIL(agent_jobs_for(&world.direct, domain) > 0);
    }
    world_settle();
    (void)world_send("c@small.example");
    WORLD_UNTIL(agent_jobs_for(&world.direct, "small.example") == 1);
    assert_true(schedule_window(world.queue.schedule) < 10000);
    world.direct.on_job = agent_delivers;
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    assert_int_equal(world.direct.recipients_total, 32001);
}

/* Of a message to more than a destination's share of the window, all go in one delivery. */
static void test_a_message_is_not_split_by_the_share_of_its_destination(void **state)
{
    world_open(
        "queue { window 4000 }\n"); /* of a half, 2000, each destination has 62 to begin with */
    (void)world_send_many("big.example", 300);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    assert_int_equal(world.direct.recipients_total, 300);
    /* But where that would leave others of the account too few, it is. */
    (void)world_send_many("more.example", 900);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "more.example") > 1);
    assert_true(schedule_window(world.queue.schedule) < 1000);
    (void)world_send("c@small.example");
    WORLD_UNTIL(agent_jobs_for(&world.direct, "small.example") == 1);
    world.direct.on_job = agent_delivers;
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    assert_int_equal(world.direct.recipients_total, 1201);
}

static void test_domains_that_do_not_answer_do_not_take_all_connections(void **state)
{
    world_open("account one { address one@example.org }\n"
               "account other { address other@example.org }\n"
               "queue { concurrency 40  destination-concurrency-start 20  destination-recipients 1 "
               "}\n");
    for (int i = 0; i < 9; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "slow%d.example", i);
        (void)world_send_many(domain, 100);
        world_settle();
    }
    /* Two have what they may, the others one; and there are two for other accounts. */
    assert_int_equal(world.direct.jobs_n, 27 + 6);
    (void)send_for("one", "c@small.example");
    (void)send_for("other", "c@tiny.example");
    WORLD_UNTIL(agent_jobs_for(&world.direct, "small.example") == 1 &&
                agent_jobs_for(&world.direct, "tiny.example") == 1);
    assert_int_equal(schedule_trying(world.queue.schedule), world.direct.jobs_n);
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

static void test_many_that_wait_for_a_connection_keep_nobody_busy(void **state)
{
    world_open("queue { concurrency 900  transport-concurrency 900  destination-concurrency 2  "
               "destination-recipients 1 }\n");
    for (int i = 0; i < 700; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "slow%d.example", i);
        (void)world_send_many(domain, 3);
    }
    world_settle();
    assert_true(world.direct.jobs_n >= 700);
    assert_true(world_turns() < 30);
    world.direct.on_job = agent_delivers;
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

static void test_while_results_cannot_be_written_nothing_more_is_tried(void **state)
{
    world_open("queue { concurrency 1 }\n");
    for (int i = 0; i < 5; i++)
        (void)world_send_many("a.example", 1);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    world_fill_disk(true);
    agent_answer(&world.direct, 0, "d");
    WORLD_UNTIL(commit_is_late(world.queue.commit));
    unsigned had = world.direct.jobs_total; /* one more, begun before that was known */
    agent_answer_all(&world.direct, agent_delivers);
    for (int i = 0; i < 200; i++) {
        schedule_pump(world.queue.schedule);
        (void)event_base_loop(world.queue.base, EVLOOP_NONBLOCK);
    }
    assert_int_equal(world.direct.jobs_total, had);
    world_fill_disk(false);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    assert_int_equal(world.direct.recipients_total, 5); /* each once */
    world_expect_empty();
}

static void test_one_connection_in_all_is_enough(void **state)
{
    world_open("queue { concurrency 1  destination-concurrency 1  destination-recipients 3  window "
               "100 }\n");
    world.direct.on_job = agent_delivers;
    (void)world_send_many("a.example", 200);
    (void)world_send_many("b.example", 200);
    (void)world_send_many("c.example", 5);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

static void test_a_small_window_that_is_full_does_not_stop_the_loop_nor_anybody(void **state)
{
    world_open("queue { window 100  concurrency 10000  transport-concurrency 10000  "
               "destination-concurrency 1  "
               "destination-recipients 1 }\n");
    for (int i = 0; i < 150; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "slow%d.example", i);
        (void)world_send_many(domain, 20);
        assert_true(schedule_window(world.queue.schedule) <= 250);
    }
    world_settle();
    assert_true(schedule_window(world.queue.schedule) >= 25); /* half of the half of what is new */
    world.direct.on_job = agent_delivers;
    while (world_rows(TABLE_RCPT) > 0) {
        agent_answer_all(&world.direct, agent_delivers);
        (void)event_base_loop(world.queue.base, EVLOOP_ONCE);
    }
    world_settle();
    world_expect_empty();
}

static void test_what_an_agent_that_is_gone_has_to_wait_for_keeps_nobody_else(void **state)
{
    world_open(
        "account box2 {\n  address box2@example.org\n  route { to r.example  transport relay }\n}\n"
        "queue { destination-recipients 1  destination-concurrency-start 20 }\n");
    agent_unlink(&world.relay);
    world_settle();
    struct submit_envelope *e = world_envelope("", NULL);
    submit_set(&e->account, "box2");
    for (int i = 0; i < 50; i++)
        (void)submit_add_recipient(e, "x@r.example"); /* through the relay */
    (void)world_submit(e, "Subject: x\r\n\r\n");
    (void)world_send_many("r.example", 50); /* the same domain, directly */
    (void)world_send_many("other.example", 50);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "r.example") == 20 &&
                agent_jobs_for(&world.direct, "other.example") == 20);
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 50);
    world_settle();
    assert_int_equal(world_rows(TABLE_RCPT), 50);
    assert_int_equal(world.direct.recipients_total, 100);
    world.relay.on_job = agent_delivers;
    agent_link(&world.relay);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    assert_int_equal(world.relay.recipients_total, 50);
    world_settle();
    world_expect_empty();
}

static unsigned most_jobs; /* that the relay had at once */

static void keeps_and_counts(struct agent *g, struct job *j)
{
    agent_keeps(g, j);
    if (g->jobs_n > most_jobs)
        most_jobs = g->jobs_n;
}

static void test_a_slow_transport_has_so_many_and_leaves_the_others_room(void **state)
{
    world_open("route { to .slow.example  transport relay }\n"
               "queue { transport-concurrency 5  concurrency 20  window 200 }\n");
    world.relay.on_job = keeps_and_counts;
    world.direct.on_job = agent_delivers;
    most_jobs = 0;
    /* More destinations than the window has places. */
    for (int i = 0; i < 400; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "d%d.slow.example", i);
        (void)world_send_many(domain, 1);
        assert_true(schedule_window(world.queue.schedule) <= 200);
    }
    world_settle();
    assert_int_equal(world.relay.jobs_n, 5);
    assert_true(schedule_window(world.queue.schedule) < 120); /* half is for those that can go */
    /* Of others each goes at once, also those whose turn the walk through the index brings. */
    for (int i = 0; i < 50; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "d%d.example", i);
        (void)world_send_many(domain, 1);
    }
    WORLD_UNTIL(world.direct.recipients_total == 50);
    /* One that ends makes room for one. */
    for (unsigned total = 5; total < 400; total++) {
        agent_answer(&world.relay, 0, "d");
        WORLD_UNTIL(world.relay.jobs_total == total + 1);
        if (total % 50 == 0)
            world_settle(); /* which renews the patience */
    }
    assert_int_equal(most_jobs, 5);
    agent_answer_all(&world.relay, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    assert_int_equal(world.relay.recipients_total, 400);
    world_expect_empty();
}

static void test_an_agent_that_ends_gives_its_places_back(void **state)
{
    world_open("queue { transport-concurrency 2  destination-recipients 1 }\n");
    (void)world_send_many("d.example", 6);
    WORLD_UNTIL(world.direct.jobs_n == 2);
    agent_unlink(&world.direct);
    world_settle();
    assert_int_equal(world.direct.jobs_total, 2);
    agent_link(&world.direct);
    WORLD_UNTIL(world.direct.jobs_n == 2);
    world.direct.on_job = agent_delivers;
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 2); /* the two that the end has put off */
    world_step(8 * MINUTE);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

static void test_a_route_that_is_changed_frees_what_was_stuck(void **state)
{
    world_open("route { to r.example  transport relay }\n");
    agent_unlink(&world.relay);
    world_settle();
    (void)world_send_many("r.example", 3);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 0);
    world.direct.on_job = agent_delivers;
    world_reload("");
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

static void test_a_recipient_deferred_into_the_past_is_not_forgotten(void **state)
{
    world_open("queue { first-retry 1s  retry-jitter 0  attempts 100 }\n");
    uint64_t id = world_send_many("a.example", 1);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "f");
    /* Before the result is written down, other recipients that became due later are looked at, and
     * the new time passes. */
    clock_step(60000);
    (void)world_send_many("b.example", 1);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "b.example") == 1);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "a.example") == 1);
    (void)id;
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
}

static void test_a_clock_that_is_set_back_stops_nothing(void **state)
{
    world_open("queue { first-retry 1s  retry-jitter 0  attempts 100 }\n");
    (void)world_send_many("a.example", 1);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    world_settle();
    clock_step(-100 * MINUTE);
    agent_answer(&world.direct, 0, "f"); /* the next attempt is before the last one */
    world_settle();
    clock_step(2000);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    (void)world_send_many("b.example", 1);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "b.example") == 1);
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
}

static void test_mail_that_is_to_wait_waits(void **state)
{
    struct submit_envelope *e = world_envelope("", "c@d.example");
    e->not_before_ms = clock_wall_ms() + 10 * MINUTE;
    (void)world_submit(e, "Subject: x\r\n\r\n");
    world_settle();
    assert_int_equal(bodies_total(world.queue.bodies), 0);
    world_step(9 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 0);
    clock_step(61000);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "d");
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
}

static void test_the_soonest_of_those_that_wait_wakes_the_queue(void **state)
{
    world_open("test-clock no\n");
    static const int delays[] = {5000, 200, 3000};
    for (int i = 0; i < 3; i++) {
        struct submit_envelope *e = world_envelope("", "c@d.example");
        e->not_before_ms = clock_wall_ms() + delays[i];
        (void)world_submit(e, "Subject: x\r\n\r\n");
    }
    int64_t begin = clock_mono_ms();
    WORLD_UNTIL(world.direct.jobs_n == 1);
    assert_true(clock_mono_ms() - begin < 2500); /* far from the other two */
    agent_answer(&world.direct, 0, "d");
    clock_step(10000);
    schedule_look_at(world.queue.schedule, clock_wall_ms());
    WORLD_UNTIL(world.direct.jobs_n == 2);
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
}

static void test_after_a_restart_all_that_is_due_is_tried(void **state)
{
    (void)world_send_many("a.example", 30);
    (void)world_send_many("b.example", 3);
    agent_unlink(&world.direct);
    world_settle();
    world_restart(false);
    world_check();
    world.direct.on_job = agent_delivers;
    world_step(8 * MINUTE);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

static void test_memory_for_messages_is_bounded(void **state)
{
    char *large = mem_alloc(300001);
    world_open("queue { body-memory 1M  concurrency 200 }\n");
    memset(large, 'x', 300000);
    large[300000] = '\0';
    for (int i = 0; i < 20; i++) {
        char address[40];
        (void)snprintf(address, sizeof address, "c@d%d.example", i);
        assert_true(world_submit(world_envelope("", address), large) != 0);
        assert_true(bodies_total(world.queue.bodies) <= 1400000);
    }
    world_settle();
    /* They have as much as they leave to others; the last may go beyond. Those being read are
     * counted before they are there. */
    assert_int_equal(world.direct.jobs_n, 2);
    for (int i = 0; i < 20; i++) {
        WORLD_UNTIL(world.direct.jobs_n > 0);
        agent_answer(&world.direct, 0, "d");
        assert_true(bodies_total(world.queue.bodies) <= 1400000);
    }
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    assert_int_equal(bodies_total(world.queue.bodies), 0);
    mem_free(&large);
}

static void test_a_message_larger_than_all_that_memory_passes_between_small_ones(void **state)
{
    char *large = mem_alloc(3000001);
    world_open("queue { body-memory 1M  large-body 64K }\n");
    memset(large, 'x', 3000000);
    large[3000000] = '\0';
    world.direct.on_job = agent_keeps;
    (void)world_send_many("a.example", 1);
    assert_true(world_submit(world_envelope("", "c@large.example"), large) != 0);
    for (int i = 0; agent_jobs_for(&world.direct, "large.example") == 0; i++) {
        assert_true(i < 50);
        (void)world_send_many("b.example", 1); /* always some small one in flight */
        world_settle();
    }
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
    mem_free(&large);
}

static void test_descriptors_of_messages_that_wait_are_bounded(void **state)
{
    world.direct.on_job = agent_defers;
    for (int i = 0; i < 1300; i++)
        (void)world_send_many("d.example", 1);
    world_settle();
    assert_int_equal(world_rows(TABLE_RCPT), 1300);
    assert_true(bodies_total(world.queue.bodies) <= 1001 * 4096); /* though 64M were allowed */
}

/* ---- what was put off before ---- */

/* These begin a few at a time, and no more of them than that. */
static void expect_jobs(const struct agent *g, unsigned n)
{
    WORLD_UNTIL(g->jobs_n >= n);
    for (int i = 0; i < 3; i++) {
        (void)usleep(5000); /* a few ticks, in which more would begin if they might */
        world_settle();
    }
    assert_int_equal(g->jobs_n, n);
}

/* One recipient in each of n domains, put off once, and due again. */
static void put_off_many(struct agent *g, int n)
{
    g->on_job = agent_defers;
    for (int i = 0; i < n; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "d%d.dead.example", i);
        (void)world_send_many(domain, 1);
    }
    world_settle();
    assert_int_equal(world_rows(TABLE_RCPT), n);
    g->on_job = agent_keeps;
    world_step(8 * MINUTE);
}

static void deliver_all(struct agent *g)
{
    agent_answer_all(g, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    world_expect_empty();
}

static void test_what_was_put_off_before_has_half_and_keeps_no_new_mail_waiting(void **state)
{
    world_open("queue { concurrency 40  window 100 }\n");
    put_off_many(&world.direct, 300);
    expect_jobs(&world.direct, 19);
    assert_true(schedule_window(world.queue.schedule) <= 50);
    (void)world_send("c@good.example");
    WORLD_UNTIL(agent_jobs_for(&world.direct, "good.example") == 1);
    deliver_all(&world.direct);
}

static void test_what_was_put_off_before_leaves_new_mail_half_of_a_transport(void **state)
{
    world_open(
        "route { transport relay }\n"
        "queue { transport-concurrency 10  destination-concurrency-start 10  window 100 }\n");
    put_off_many(&world.relay, 300);
    expect_jobs(&world.relay, 5);
    (void)world_send("c@good.example");
    WORLD_UNTIL(agent_jobs_for(&world.relay, "good.example") == 1);
    deliver_all(&world.relay);
}

static void test_a_transport_is_given_no_more_than_its_connections(void **state)
{
    world_open("deliver { connections 6 }\n"
               "queue { destination-concurrency-start 20  destination-recipients 1 }\n");
    (void)world_send_many("a.example", 100);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 6);
    deliver_all(&world.direct);
}

static void test_what_was_put_off_before_leaves_new_mail_half_of_the_memory(void **state)
{
    char *large = mem_alloc(200001);
    world_open("queue { body-memory 1M }\n");
    memset(large, 'x', 200000);
    large[200000] = '\0';
    world.direct.on_job = agent_defers;
    for (int i = 0; i < 10; i++) {
        char address[40];
        (void)snprintf(address, sizeof address, "c@d%d.dead.example", i);
        assert_true(world_submit(world_envelope("", address), large) != 0);
    }
    world_settle();
    world.direct.on_job = agent_keeps;
    world_step(8 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 2);
    assert_true(world_submit(world_envelope("", "c@good.example"), large) != 0);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "good.example") == 1);
    mem_free(&large);
    deliver_all(&world.direct);
}

static void test_new_mail_leaves_some_for_what_was_put_off_before(void **state)
{
    world_open("queue { concurrency 16  window 100 }\n");
    world.direct.on_job = agent_defers;
    (void)world_send_many("again.example", 1);
    world_settle();
    world.direct.on_job = agent_keeps;
    for (int i = 0; i < 100; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "new%d.example", i);
        (void)world_send_many(domain, 1);
    }
    world_settle();
    assert_int_equal(world.direct.jobs_n, 14);
    world_step(8 * MINUTE);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "again.example") == 1);
    deliver_all(&world.direct);
}

static void test_what_was_put_off_before_does_not_begin_all_at_once(void **state)
{
    world_open("");
    put_off_many(&world.direct, 300);
    assert_true(world.direct.jobs_n >= 4 && world.direct.jobs_n < 100);
    WORLD_UNTIL(world.direct.jobs_n == 300);
    deliver_all(&world.direct);
}

/* Those that wait for a transport are let go as they may begin. Once all were, as soon as there was
 * room, and the loop went round without a pause until the last of them had begun. */
static void test_room_for_many_that_were_put_off_before_keeps_nobody_busy(void **state)
{
    unsigned turns = 0;
    world_open("queue { transport-concurrency 200 }\n");
    put_off_many(&world.direct, 300);
    expect_jobs(&world.direct, 94); /* half, but for a 16th for other accounts */
    while (world.direct.jobs_n > 0)
        agent_answer(&world.direct, 0, "d");
    (void)alarm(30);
    for (; world.direct.jobs_n < 94; turns++)
        (void)event_base_loop(world.queue.base, EVLOOP_ONCE);
    (void)alarm(0);
    assert_true(turns < 1000);
    expect_jobs(&world.direct, 94);
    assert_true(world_turns() < 30);
    deliver_all(&world.direct);
    assert_true(world_turns() < 30);
}

/* Far more than may wait for it: the walk rests now and then, and comes back to those it passed
 * over. */
static void test_what_was_put_off_before_passes_a_narrow_transport_to_the_last(void **state)
{
    world_open("route { transport relay }\n"
               "queue { transport-concurrency 2  window 400 }\n");
    world.relay.on_job = agent_defers;
    for (int i = 0; i < 1500; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "d%d.example", i);
        (void)world_send_many(domain, 1);
    }
    world_settle();
    unsigned total = world.relay.jobs_total;
    world.relay.on_job = agent_keeps;
    world_step(8 * MINUTE);
    assert_int_equal(world.relay.jobs_n, 1);
    assert_true(schedule_window(world.queue.schedule) <= 200);
    agent_answer_all(&world.relay, agent_delivers);
    while (world_rows(TABLE_RCPT) > 0) {
        uint64_t rows_left = world_rows(TABLE_RCPT);
        WORLD_UNTIL(world_rows(TABLE_RCPT) < rows_left);
        if (rows_left % 100 == 0)
            world_settle(); /* which renews the patience */
    }
    assert_int_equal(world.relay.jobs_total - total, 1500); /* each once */
    world_settle();
    world_expect_empty();
}

static void test_after_a_restart_new_mail_does_not_wait_for_what_was_put_off_before(void **state)
{
    world_open("queue { concurrency 40  window 100 }\n");
    world.direct.on_job = agent_defers;
    for (int i = 0; i < 300; i++) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "d%d.dead.example", i);
        (void)world_send_many(domain, 1);
    }
    world_settle();
    agent_unlink(&world.direct);
    world_step(8 * MINUTE);
    (void)world_send("c@good.example"); /* behind all those */
    world.direct.on_job = agent_keeps;
    world_restart(false);
    WORLD_UNTIL(agent_jobs_for(&world.direct, "good.example") == 1);
    expect_jobs(&world.direct, 20);
    deliver_all(&world.direct);
}

/* ---- accounts ---- */

/* Answers one job after the other; returns how many it took until that message's. */
static unsigned jobs_until(struct agent *g, uint64_t message)
{
    for (unsigned n = 1;; n++) {
        assert_true(n < 1000);
        WORLD_UNTIL(g->jobs_n == 1);
        bool its = g->jobs[0].job->message == message;
        agent_answer(g, 0, "d");
        if (its)
            return n;
        WORLD_UNTIL(g->jobs_n == 1);
    }
}

static const char accounts[] = "account many { address many@example.org }\n"
                               "account one { address one@example.org }\n"
                               "account other { address other@example.org }\n"
                               "queue { destination-concurrency 1  window 100 }\n";

static void test_a_destination_s_turns_go_round_the_accounts(void **state)
{
    world_open(accounts);
    for (int i = 0; i < 200; i++)
        (void)send_for("many", "c@d.example");
    uint64_t id = send_for("one", "c@d.example"), other = send_for("other", "c@d.example");
    assert_true(jobs_until(&world.direct, id) <= 3); /* one of the other account was under way */
    assert_true(jobs_until(&world.direct, other) <= 2);
    deliver_all(&world.direct);
}

static void test_after_a_restart_turns_go_round_the_accounts_too(void **state)
{
    world_open(accounts);
    agent_unlink(&world.direct);
    world_settle();
    for (int i = 0; i < 200; i++)
        (void)send_for("many", "c@d.example");
    uint64_t id = send_for("one", "c@d.example");
    world_restart(false);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    world_settle(); /* the walk comes to the last */
    assert_true(schedule_window(world.queue.schedule) <= 50);
    assert_true(jobs_until(&world.direct, id) <= 3);
    deliver_all(&world.direct);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_a_hundred_thousand_for_one_domain_do_not_delay_one_for_another),
        BARE_TEST(test_neither_do_they_with_as_many_as_may_go_in_each_delivery),
        BARE_TEST(test_a_message_is_not_split_by_the_share_of_its_destination),
        BARE_TEST(test_some_slow_domains_leave_one_a_place),
        BARE_TEST(test_domains_that_do_not_answer_do_not_take_all_connections),
        BARE_TEST(test_many_that_wait_for_a_connection_keep_nobody_busy),
        BARE_TEST(test_what_was_put_off_before_has_half_and_keeps_no_new_mail_waiting),
        BARE_TEST(test_what_was_put_off_before_leaves_new_mail_half_of_a_transport),
        BARE_TEST(test_a_transport_is_given_no_more_than_its_connections),
        BARE_TEST(test_what_was_put_off_before_leaves_new_mail_half_of_the_memory),
        BARE_TEST(test_new_mail_leaves_some_for_what_was_put_off_before),
        BARE_TEST(test_what_was_put_off_before_does_not_begin_all_at_once),
        BARE_TEST(test_room_for_many_that_were_put_off_before_keeps_nobody_busy),
        BARE_TEST(test_what_was_put_off_before_passes_a_narrow_transport_to_the_last),
        BARE_TEST(test_after_a_restart_new_mail_does_not_wait_for_what_was_put_off_before),
        BARE_TEST(test_a_destination_s_turns_go_round_the_accounts),
        BARE_TEST(test_after_a_restart_turns_go_round_the_accounts_too),
        BARE_TEST(test_while_results_cannot_be_written_nothing_more_is_tried),
        BARE_TEST(test_one_connection_in_all_is_enough),
        BARE_TEST(test_a_small_window_that_is_full_does_not_stop_the_loop_nor_anybody),
        BARE_TEST(test_what_an_agent_that_is_gone_has_to_wait_for_keeps_nobody_else),
        BARE_TEST(test_a_slow_transport_has_so_many_and_leaves_the_others_room),
        BARE_TEST(test_an_agent_that_ends_gives_its_places_back),
        BARE_TEST(test_a_route_that_is_changed_frees_what_was_stuck),
        BARE_TEST(test_a_recipient_deferred_into_the_past_is_not_forgotten),
        BARE_TEST(test_a_clock_that_is_set_back_stops_nothing),
        WORLD_TEST(test_mail_that_is_to_wait_waits),
        BARE_TEST(test_the_soonest_of_those_that_wait_wakes_the_queue),
        WORLD_TEST(test_after_a_restart_all_that_is_due_is_tried),
        BARE_TEST(test_memory_for_messages_is_bounded),
        BARE_TEST(test_a_message_larger_than_all_that_memory_passes_between_small_ones),
        WORLD_TEST(test_descriptors_of_messages_that_wait_are_bounded),
    };
    return WORLD_MAIN(argc, argv, tests);
}
