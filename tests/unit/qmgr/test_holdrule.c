#include "world.h"

#include <stdio.h>
#include <string.h>

#include "act.h"
#include "clock.h"
#include "holdrule.h"
#include "mem.h"
#include "schedule.h"
#include "tables.h"

#define MINUTE 60000ll

static uint64_t added, held, acted;
static char why_not[200];
static bool done;

static void on_added(void *arg, uint64_t id, const struct admin_acted *a, const char *why)
{
    added = id;
    held = a->count;
    (void)snprintf(why_not, sizeof why_not, "%s", why == NULL ? "" : why);
    done = true;
}

static void on_removed(void *arg, const char *why)
{
    (void)snprintf(why_not, sizeof why_not, "%s", why == NULL ? "" : why);
    done = true;
}

static void on_acted(void *arg, const struct admin_acted *a, const char *why)
{
    acted = a->count;
    done = true;
}

static uint64_t try_to_add(const char *account, const char *from, const char *to)
{
    const struct admin_hold_rule rule = {
        .account = (char *)account, .from_domain = (char *)from, .domain = (char *)to};
    done = false;
    holdrule_add(&world.queue, &rule, on_added, NULL);
    WORLD_UNTIL(done);
    return added;
}

/* Returns its number; how many it held is in held. */
static uint64_t add(const char *account, const char *from, const char *to)
{
    uint64_t id = try_to_add(account, from, to);
    assert_string_equal(why_not, "");
    assert_true(id != 0);
    return id;
}

static void remove_rule(uint64_t id, const char *why)
{
    done = false;
    holdrule_remove(&world.queue, id, on_removed, NULL);
    WORLD_UNTIL(done);
    assert_string_equal(why_not, why);
}

static uint64_t release_all(void)
{
    struct admin_filter all = {.held = ADMIN_HELD_YES};
    done = false;
    act_start(&world.queue, &(struct act){.action = ADMIN_RELEASE}, &all, on_acted, NULL);
    WORLD_UNTIL(done);
    return acted;
}

static bool is_held(uint64_t id)
{
    struct rcpt_row r;
    assert_true(world_recipient(id, &r));
    bool is = r.held;
    rcpt_row_clear(&r);
    return is;
}

static void expect_events(uint64_t id, const char *letters)
{
    char *got = world_events(id);
    assert_string_equal(got, letters);
    mem_free(&got);
}

static uint64_t send_as(const char *account, const char *sender, const char *to)
{
    struct submit_envelope *e = world_envelope(sender, to);
    submit_set(&e->account, account);
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    assert_true(id != 0);
    return id;
}

static const struct {
    const char *account, *from, *to; /* of the rule */
    const char *holds;               /* which of the messages */
} rules[] = {
    {"", "", "", "abcde"},
    {"box", "", "", "ad"},
    {"", "b.example", "", "ab"},
    {"", "B.Example", "", "ab"},
    {"", "", "d.example", "ace"},
    {"", "", "D.EXAMPLE", "ace"},
    {"box", "b.example", "", "a"},
    {"box", "", "d.example", "a"},
    {"", "b.example", "d.example", "a"},
    {"box", "b.example", "d.example", "a"},
    {"box", "b.example", "other.example", ""},
    {"other", "", "", ""},
    {"", "example", "", ""},
    {"", "", "example", ""},
    {"Box", "", "", ""},
};

/* Messages a to e. */
static const struct {
    const char *account, *sender, *to;
} messages[] = {
    {"box", "a@b.example", "x@d.example"},
    {"", "a@b.example", "x@other.example"},
    {"", "", "x@d.example"}, /* the null sender */
    {"box", "a@else.example", "x@f.example"},
    {"", "a@sub.b.example", "x@d.example"},
};
#define MESSAGES (sizeof messages / sizeof messages[0])

static void expect_held(size_t rule, const uint64_t *ids)
{
    for (size_t m = 0; m < MESSAGES; m++) {
        bool wanted = strchr(rules[rule].holds, 'a' + (int)m) != NULL;
        if (is_held(ids[m]) != wanted)
            fail_msg("rule %zu, message %c: %s", rule, 'a' + (int)m, wanted ? "not held" : "held");
    }
}

static void send_all(uint64_t *ids)
{
    for (size_t m = 0; m < MESSAGES; m++)
        ids[m] = send_as(messages[m].account, messages[m].sender, messages[m].to);
}

static void test_everything_a_rule_names_must_match_what_comes(void **state)
{
    uint64_t ids[MESSAGES];
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        uint64_t rule = add(rules[i].account, rules[i].from, rules[i].to);
        send_all(ids);
        expect_held(i, ids);
        remove_rule(rule, "");
        expect_held(i, ids); /* that releases nothing */
        world_check();
        (void)release_all();
    }
}

static void test_everything_a_rule_names_must_match_what_is_there(void **state)
{
    uint64_t ids[MESSAGES];
    world.direct.on_job = agent_defers;
    send_all(ids);
    world_settle();
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        uint64_t rule = add(rules[i].account, rules[i].from, rules[i].to);
        assert_int_equal(held, strlen(rules[i].holds));
        expect_held(i, ids);
        remove_rule(rule, "");
        assert_int_equal(release_all(), strlen(rules[i].holds));
    }
    world_check();
}

static void test_what_comes_held_is_not_tried_until_released(void **state)
{
    (void)add("", "", "d.example");
    uint64_t id = world_send("c@d.example"), other = world_send("c@e.example");
    world_settle();
    expect_events(id, "AH");
    expect_events(other, "A");
    assert_int_equal(world.direct.jobs_n, 1);
    assert_true(world.direct.jobs[0].job->message == other);
    agent_answer(&world.direct, 0, "d");
    world_settle();
    assert_int_equal(world_rows(TABLE_DUE), 0);
    assert_int_equal(world_rows(TABLE_HELD), 1);
    world_check();
    world_restart(true);
    world_step(1000 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 0);
    assert_int_equal(release_all(), 1); /* once: the rule is for what comes */
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "d");
    world_settle();
    expect_events(id, "AHRD");
    world_expect_empty();
}

static void test_of_one_message_some_are_held(void **state)
{
    (void)add("", "", "d.example");
    (void)add("", "", "f.example");
    struct submit_envelope *e = world_envelope("a@b.example", "one@d.example");
    (void)submit_add_recipient(e, "two@e.example");
    (void)submit_add_recipient(e, "three@f.example");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    world_settle();
    assert_int_equal(world.direct.jobs_n, 1);
    assert_string_equal(world.direct.jobs[0].job->recipients[0].address, "two@e.example");
    assert_true(is_held(id) && !is_held(id + 1) && is_held(id + 2));
    agent_answer(&world.direct, 0, "d");
    world_settle();
    assert_int_equal(world_rows(TABLE_MSG), 1);
    assert_int_equal(release_all(), 2);
    world.direct.on_job = agent_delivers;
    while (world.direct.jobs_n > 0)
        agent_answer(&world.direct, 0, "d");
    world_settle();
    while (world.direct.jobs_n > 0)
        agent_answer(&world.direct, 0, "d");
    world_settle();
    world_expect_empty();
}

static void test_what_we_write_ourselves_is_held_by_a_rule_for_all(void **state)
{
    uint64_t id = world_send("c@d.example");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    (void)add("", "b.example", ""); /* the notice has the null sender */
    uint64_t all = add("", "", "");
    agent_answer(&world.direct, 0, "x");
    world_settle();
    expect_events(id, "AHF");
    assert_int_equal(world_rows(TABLE_RCPT), 1);
    assert_int_equal(world_rows(TABLE_HELD), 1);
    assert_int_equal(world.direct.jobs_n, 0);
    world_check();
    remove_rule(all, "");
    assert_int_equal(release_all(), 1);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    assert_string_equal(world.direct.jobs[0].job->sender, "");
    agent_answer(&world.direct, 0, "d");
    world_settle();
    world_expect_empty();
}

/* The schedule reads each row before a try, and would drop what it has no use for; but neither room
 * nor work is to be spent on what may be held for weeks. */
static void test_what_is_held_takes_no_place_in_the_window(void **state)
{
    (void)world_send("c@d.example");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    (void)add("", "", "e.example");
    schedule_stop(world.queue.schedule); /* nothing is read from now on */
    (void)world_send("c@e.example");
    assert_int_equal(schedule_window(world.queue.schedule), 1);
    (void)world_send("c@f.example");
    assert_int_equal(schedule_window(world.queue.schedule), 2);
    (void)add("", "", "b.example"); /* where the notice goes */
    agent_answer(&world.direct, 0, "x");
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 1);
    WORLD_UNTIL(schedule_window(world.queue.schedule) < 2);
    world_settle();
    assert_int_equal(world_rows(TABLE_HELD), 2);
    assert_int_equal(schedule_window(world.queue.schedule), 1);
}

static void test_rules_are_listed_and_never_have_a_number_again(void **state)
{
    assert_int_equal(add("box", "b.example", "d.example"), 1);
    assert_int_equal(add("", "", "e.example"), 2);
    remove_rule(2, "");
    remove_rule(2, "no such hold rule");
    world_restart(false);
    assert_int_equal(add("", "", "f.example"), 3);
    struct store_txn *t = store_begin(world.queue.store, false);
    struct admin_hold_rules list = holdrule_list(t);
    store_abort(&t);
    assert_int_equal(list.rules_n, 2);
    assert_true(list.rules[0].id == 1 && list.rules[1].id == 3);
    assert_string_equal(list.rules[0].account, "box");
    assert_string_equal(list.rules[0].from_domain, "b.example");
    assert_string_equal(list.rules[0].domain, "d.example");
    assert_true(list.rules[0].created_ms > 0 && list.rules[0].created_ms <= clock_wall_ms());
    assert_string_equal(list.rules[1].domain, "f.example");
    admin_hold_rules_clear(&list);
}

static void test_there_are_so_many_rules_at_most(void **state)
{
    char domain[40];
    for (int i = 0; i < ADMIN_HOLD_RULES_MAX; i++) {
        (void)snprintf(domain, sizeof domain, "d%d.example", i);
        (void)add("", "", domain);
    }
    assert_true(try_to_add("", "", "one-more.example") == 0);
    assert_string_equal(why_not, "there are as many rules as there may be");
    assert_true(is_held(world_send("c@d999.example")));
    assert_false(is_held(world_send("c@d1000.example")));
    remove_rule(5, "");
    (void)add("", "", "one-more.example");
    assert_true(is_held(world_send("c@one-more.example")));
}

static void test_a_rule_that_does_not_decode_is_set_aside(void **state)
{
    uint64_t rule = add("", "", "d.example");
    struct key k = key_id(rule);
    uint64_t before = world_rows(TABLE_SYS);
    (void)add("", "", "e.example");
    world_damage(TABLE_HOLD, key_span(&k), span_text("x"));
    assert_false(is_held(world_send("c@d.example")));
    assert_true(is_held(world_send("c@e.example")));
    assert_int_equal(world_rows(TABLE_HOLD), 1);
    assert_int_equal(world_rows(TABLE_SYS), before + 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_everything_a_rule_names_must_match_what_comes),
        WORLD_TEST(test_everything_a_rule_names_must_match_what_is_there),
        WORLD_TEST(test_what_comes_held_is_not_tried_until_released),
        WORLD_TEST(test_of_one_message_some_are_held),
        WORLD_TEST(test_what_we_write_ourselves_is_held_by_a_rule_for_all),
        WORLD_TEST(test_what_is_held_takes_no_place_in_the_window),
        WORLD_TEST(test_rules_are_listed_and_never_have_a_number_again),
        WORLD_TEST(test_there_are_so_many_rules_at_most),
        WORLD_TEST(test_a_rule_that_does_not_decode_is_set_aside),
    };
    return WORLD_MAIN(argc, argv, tests);
}
