#include "world.h"

#include <stdio.h>
#include <unistd.h>

#include "body.h"
#include "clock.h"
#include "janitor.h"
#include "mem.h"
#include "room.h"
#include "tables.h"

#define HOUR 3600000ll

static void test_history_goes_when_its_time_is_over(void **state)
{
    world_open(
        "queue { keep-events 50h }\naccount app {\n  address app@example.org\n  "
        "keep-retired-messages 1h\n"
        "  keep-retired-webhooks 2h\n  webhook outgoing { url \"https://app.example/h\" }\n}\n");
    world.direct.on_job = agent_delivers;
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 200;
    uint64_t other = world_send("c@d.example");
    struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
    submit_set(&e->account, "app");
    uint64_t ours = world_submit(e, "Subject: x\r\n\r\n");
    WORLD_UNTIL(world_rows(TABLE_HOOKRETIRED) == 1);
    struct retired_row r;
    clock_step(HOUR + 1000);
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 1);
    assert_false(world_retired(ours, &r));
    assert_int_equal(world_rows(TABLE_HOOKRETIRED), 1);
    clock_step(HOUR);
    WORLD_UNTIL(world_rows(TABLE_HOOKRETIRED) == 0);
    assert_true(world_retired(other, &r));
    retired_row_clear(&r);
    assert_int_equal(world_rows(TABLE_EVENT), 4);
    clock_step(49 * HOUR);
    WORLD_UNTIL(world_rows(TABLE_EVENT) == 0);
    assert_int_equal(world_rows(TABLE_RETIRED), 1);
    clock_step(72 * HOUR);
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 0);
}

static void test_much_history_goes_at_once(void **state)
{
    world_open("queue { keep-retired-messages 1h  keep-events 1h }\n");
    struct submit_envelope *e = world_envelope("a@b.example", NULL);
    world.direct.on_job = agent_delivers;
    for (int i = 0; i < 5000; i++)
        (void)submit_add_recipient(e, "c@d.example");
    (void)world_submit(e, "Subject: x\r\n\r\n");
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 5000);
    world_settle();
    clock_step(2 * HOUR);
    int64_t begin = clock_mono_ms();
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 0 && world_rows(TABLE_EVENT) == 0);
    assert_true(clock_mono_ms() - begin < 8000); /* a thousand a second would be ten */
}

static void test_bad_rows_of_the_history_are_set_aside(void **state)
{
    static const unsigned tables[] = {TABLE_RETIRED, TABLE_EVENT, TABLE_HOOKRETIRED};
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++) {
        struct key k = key_id(1);
        world_damage(tables[i], key_span(&k), span_text("\xffgarbage"));
    }
    WORLD_UNTIL(
        world_rows(TABLE_RETIRED) + world_rows(TABLE_EVENT) + world_rows(TABLE_HOOKRETIRED) == 0);
    world_settle();
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        assert_int_equal(world_rows(tables[i]), 0);
    struct consist c;
    consist_check(world.queue.store, world.queue.dirfd, &c);
    assert_int_equal(c.bad_rows, 3);
    assert_int_equal(c.problems, 0);
    consist_clear(&c);
}

static void test_with_a_row_that_is_set_aside_goes_its_place_in_the_order(void **state)
{
    world.direct.on_job = agent_delivers;
    uint64_t one = world_send("c@d.example"), other = world_send("c@d.example");
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 2 && world_rows(TABLE_ENDED) == 2);
    struct key k = key_id(one);
    struct retired_row r;
    world_damage(TABLE_RETIRED, key_span(&k), span_text("\xffgarbage"));
    WORLD_UNTIL(world_rows(TABLE_ENDED) == 1);
    assert_true(world_retired(other, &r));
    retired_row_clear(&r);
    struct consist c;
    consist_check(world.queue.store, world.queue.dirfd, &c);
    assert_int_equal(c.bad_rows, 1);
    assert_int_equal(c.problems, 0);
    consist_clear(&c);
}

static void test_a_disk_with_too_little_room_takes_no_new_mail(void **state)
{
    world_open("queue { minimum-free 1024G }\n");
    room_look(&world.queue);
    assert_false(world.queue.room);
    assert_true(world_submit(world_envelope("a@b.example", "c@d.example"), "x") == 0);
    assert_int_equal(world_reply.code, 452);
    world_reload("queue { minimum-free 0 }\n");
    WORLD_UNTIL(world.queue.room); /* it looks by itself */
    (void)world_send("c@d.example");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_history_goes_when_its_time_is_over),
        BARE_TEST(test_much_history_goes_at_once),
        WORLD_TEST(test_bad_rows_of_the_history_are_set_aside),
        WORLD_TEST(test_with_a_row_that_is_set_aside_goes_its_place_in_the_order),
        BARE_TEST(test_a_disk_with_too_little_room_takes_no_new_mail),
    };
    return WORLD_MAIN(argc, argv, tests);
}
