#include "world.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "hookq.h"
#include "mem.h"
#include "schedule.h"
#include "tables.h"

#define MINUTE 60000ll

/* Damage behind qmgr's back, of kinds a disk can do; afterwards the queue must be consistent again,
 * what is good delivered, and what is bad in sys. */

static const struct span garbage = {(const unsigned char *)"\xffgarbage", 8};

static void damage(unsigned table, struct key k, struct span value)
{
    world_damage(table, key_span(&k), value);
}

static unsigned bad_rows(void)
{
    struct consist c;
    consist_check(world.queue.store, world.queue.dirfd, &c);
    if (c.problems > 0)
        fail_msg("%u problems:\n%s", c.problems, buf_text(&c.report));
    unsigned n = c.bad_rows;
    consist_clear(&c);
    return n;
}

/* A message for three, that waits. */
static uint64_t send_three(void)
{
    struct submit_envelope *e = world_envelope("", "one@d.example");
    (void)submit_add_recipient(e, "two@d.example");
    (void)submit_add_recipient(e, "three@other.example");
    e->not_before_ms = clock_wall_ms() + 10 * MINUTE;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    assert_true(id != 0);
    world_settle();
    world.direct.on_job = agent_delivers;
    return id;
}

static void when_due(void)
{
    world_step(11 * MINUTE);
    world_settle();
}

static void test_a_recipient_that_does_not_decode_is_set_aside_alone(void **state)
{
    struct msg_row m;
    uint64_t id = send_three();
    damage(TABLE_RCPT, key_id(id + 1), garbage);
    when_due();
    assert_int_equal(world.direct.recipients_total, 2);
    assert_false(world_message(id, &m)); /* counted out: the message is gone with the other two */
    assert_int_equal(bad_rows(), 1);
    world_expect_empty();
}

static void test_a_message_whose_only_recipient_is_bad_goes(void **state)
{
    struct submit_envelope *e = world_envelope("", "one@d.example");
    e->not_before_ms = clock_wall_ms() + 10 * MINUTE;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    damage(TABLE_RCPT, key_id(id), garbage);
    when_due();
    assert_int_equal(bad_rows(), 1);
    world_expect_empty();
}

static void test_a_message_that_does_not_decode_takes_its_recipients_along(void **state)
{
    uint64_t id = send_three();
    damage(TABLE_MSG, key_id(id), garbage);
    when_due();
    assert_int_equal(world.direct.jobs_total, 0);
    assert_int_equal(world_rows(TABLE_RCPT), 0);
    assert_int_equal(world_rows(TABLE_DUE), 0);
    assert_int_equal(world_rows(TABLE_DEST), 0);
    struct consist c;
    consist_check(world.queue.store, world.queue.dirfd, &c);
    assert_int_equal(c.bad_rows, 4);
    assert_int_equal(c.problems, 1); /* its octets stay, for whoever wants to save them */
    consist_clear(&c);
    world.damaged = true;
}

static struct stream_id stream_of(const char *domain)
{
    const unsigned char *secret = world.queue.ledger.secret;
    return (struct stream_id){name_hash(secret, domain), name_hash(secret, "world")};
}

static struct key due(int64_t next_ms, uint64_t id)
{
    return key_due((struct due){DUE_FIRST, next_ms, id});
}

static struct key dest(const char *domain, int64_t next_ms, uint64_t id)
{
    return key_dest(stream_of(domain), (struct due){DUE_FIRST, next_ms, id});
}

static void test_index_rows_that_lead_to_nothing_are_removed(void **state)
{
    struct key value = due_value(stream_of("d.example"));
    uint64_t id = send_three();
    damage(TABLE_DUE, due(clock_wall_ms() + MINUTE, id), key_span(&value)); /* a second time */
    damage(TABLE_DUE, due(clock_wall_ms() + MINUTE, id + 77), key_span(&value));
    damage(TABLE_DUE, due(5, id + 88), key_span(&value));
    damage(TABLE_DUE, due(5, id + 89), span_of("x", 1));
    damage(TABLE_DUE, (struct key){"\x00y", 2}, key_span(&value));
    damage(TABLE_DEST, dest("d.example", 5, id + 99), span_of("", 0));
    schedule_look_at(world.queue.schedule, 0);
    when_due();
    world_settle();
    /* A stray row of dest is come across when its destination has more than the window: not here.
     */
    damage(TABLE_DEST, dest("d.example", 5, id + 99), (struct span){0});
    assert_int_equal(world.direct.recipients_total, 3);
    assert_int_equal(bad_rows(), 0);
    world_expect_empty();
}

static void test_a_row_of_due_that_does_not_say_whose_it_is_is_written_anew(void **state)
{
    struct submit_envelope *e = world_envelope("", "c@d.example");
    int64_t later = e->not_before_ms = clock_wall_ms() + 10 * MINUTE;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    damage(TABLE_DUE, due(later, id), span_of("short", 5));
    world.direct.on_job = agent_delivers;
    when_due();
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    assert_int_equal(bad_rows(), 0);
    world_expect_empty();
}

static void test_stray_rows_of_dest_are_removed_when_a_destination_is_refilled(void **state)
{
    world_open("queue { window 100  destination-recipients 1  destination-concurrency 1 }\n");
    struct submit_envelope *e = world_envelope("", NULL);
    for (int i = 0; i < 60; i++)
        (void)submit_add_recipient(e, "x@d.example");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    damage(TABLE_DEST, dest("d.example", clock_wall_ms(), id + 1000), span_of("", 0));
    world.direct.on_job = agent_delivers;
    agent_answer(&world.direct, 0, "d");
    WORLD_UNTIL(world_rows(TABLE_RCPT) == 0);
    world_settle();
    assert_int_equal(bad_rows(), 0);
    world_expect_empty();
}

static void test_a_recipient_damaged_while_it_is_tried_is_found_afterwards(void **state)
{
    uint64_t id = world_send("c@d.example");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    damage(TABLE_RCPT, key_id(id), garbage);
    agent_answer(&world.direct, 0, "d");
    world_settle();
    assert_int_equal(bad_rows(), 1);
    world_expect_empty();
}

static void test_a_webhook_that_does_not_decode_is_set_aside(void **state)
{
    world_open("account app {\n  address app@example.org\n  webhook outgoing { url "
               "\"https://app.example/h\" }\n}\n");
    for (int i = 0; i < 3; i++) {
        struct submit_envelope *e = world_envelope("", "c@d.example");
        submit_set(&e->account, "app");
        world.direct.on_job = agent_delivers;
        (void)world_submit(e, "Subject: x\r\n\r\n");
    }
    WORLD_UNTIL(world.hooks.calls_n == 1);
    world_settle();
    assert_int_equal(world_rows(TABLE_HOOK), 3);
    struct store_txn *t = store_begin(world.queue.store, false);
    struct store_cursor c = store_cursor(t, TABLE_HOOK);
    uint64_t second;
    assert_true(store_seek(&c, (struct span){0}) && store_next(&c) &&
                key_read_id(c.key, &second) == 0);
    store_cursor_close(&c);
    store_abort(&t);
    damage(TABLE_HOOK, key_id(second), garbage);
    damage(TABLE_HOOKDUE, due(5, second + 1000), span_of("", 0));
    hookq_poke(world.queue.hookq, 0);
    world_settle();
    endpoint_answer(&world.hooks, 0, 200);
    WORLD_UNTIL(world.hooks.calls_n == 1); /* the third */
    endpoint_answer(&world.hooks, 0, 200);
    world_settle();
    assert_int_equal(bad_rows(), 1);
    world_expect_empty();
}

static void test_more_damage_than_one_change_takes_is_mended_after_a_full_disk(void **state)
{
    /* Written before the disk is full: rows that lead to nothing, more than are noted at once. */
    int64_t later = clock_wall_ms() + MINUTE;
    for (uint64_t i = 0; i < 1200; i++)
        damage(TABLE_DUE, due(later, 1000 + i), span_of("", 0));
    world_fill_disk(true);
    world_step(2 * MINUTE);
    assert_int_equal(world_rows(TABLE_DUE), 1200);
    world_fill_disk(false);
    for (int i = 0; i < 3; i++) { /* what had no place is come across again */
        schedule_look_at(world.queue.schedule, 0);
        world_settle();
    }
    world_expect_empty();
}

static void test_random_damage_leaves_a_queue_that_goes_on(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct submit_envelope *e = world_envelope("", NULL);
        for (int k = 0; k <= i % 5; k++)
            (void)submit_add_recipient(e, k % 2 == 0 ? "a@d.example" : "b@other.example");
        e->not_before_ms = clock_wall_ms() + 10 * MINUTE;
        uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
        if (i % 3 == 0)
            damage(TABLE_RCPT, key_id(id), garbage);
        if (i % 7 == 0)
            damage(TABLE_RCPT, key_id(id + (uint64_t)(i % 5)), garbage);
    }
    world.direct.on_job = agent_delivers;
    when_due();
    when_due();
    assert_true(bad_rows() >= 7);
    world_expect_empty();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_recipient_that_does_not_decode_is_set_aside_alone),
        WORLD_TEST(test_a_message_whose_only_recipient_is_bad_goes),
        WORLD_TEST(test_a_message_that_does_not_decode_takes_its_recipients_along),
        WORLD_TEST(test_index_rows_that_lead_to_nothing_are_removed),
        WORLD_TEST(test_a_row_of_due_that_does_not_say_whose_it_is_is_written_anew),
        BARE_TEST(test_stray_rows_of_dest_are_removed_when_a_destination_is_refilled),
        WORLD_TEST(test_a_recipient_damaged_while_it_is_tried_is_found_afterwards),
        BARE_TEST(test_a_webhook_that_does_not_decode_is_set_aside),
        WORLD_TEST(test_more_damage_than_one_change_takes_is_mended_after_a_full_disk),
        WORLD_TEST(test_random_damage_leaves_a_queue_that_goes_on),
    };
    return WORLD_MAIN(argc, argv, tests);
}
