#include "world.h"

#include <string.h>
#include <sys/statvfs.h>

#include "room.h"

static void test_the_delay_grows_as_what_is_free_shrinks(void **state)
{
    static const struct {
        uint64_t free, minimum;
        int64_t most, wanted;
    } cases[] = {
        {1000, 100, 5000, 0},     {200, 100, 5000, 0},
        {150, 100, 5000, 2500},   {101, 100, 5000, 4950},
        {100, 100, 5000, 5000},   {0, 100, 5000, 5000},
        {150, 100, 0, 0},         {1, 0, 5000, 0},
        {UINT64_MAX, 1, 5000, 0}, {UINT64_MAX, UINT64_MAX - 1, 5000, 5000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(room_delay_ms(cases[i].free, cases[i].minimum, cases[i].most),
                         cases[i].wanted);
}

/* The settings are put around what the disk of the test happens to have. */
static void test_a_disk_that_fills_slows_mail_down_before_it_is_refused(void **state)
{
    struct statvfs v;
    assert_int_equal(fstatvfs(world.queue.dirfd, &v), 0);
    uint64_t free = (uint64_t)v.f_bavail * v.f_frsize;
    struct {
        uint64_t minimum;
        bool room, slow;
    } cases[] = {{0, true, false},
                 {free / 8, true, false},
                 {free / 4 * 3, true, true},
                 {free * 2, false, true}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        world.queue.settings->minimum_free = cases[i].minimum;
        room_look(&world.queue);
        assert_int_equal(world.queue.room, cases[i].room);
        assert_int_equal(world.queue.slow_ms > 0, cases[i].slow);
    }
}

static void test_much_new_mail_is_a_reason_to_look_again(void **state)
{
    struct statvfs v;
    assert_int_equal(fstatvfs(world.queue.dirfd, &v), 0);
    uint64_t minimum = (uint64_t)v.f_bavail * v.f_frsize / 4 * 3;
    room_look(&world.queue);
    world.queue.settings->minimum_free = minimum;
    assert_int_equal(world.queue.slow_ms, 0);
    room_took(&world.queue, minimum / 16);
    assert_int_equal(world.queue.slow_ms, 0);
    room_took(&world.queue, 1);
    assert_true(world.queue.slow_ms > 0);
    assert_int_equal(world.queue.unlooked, 0);
}

static void test_a_map_that_fills_slows_mail_down_until_pages_are_free_again(void **state)
{
    char text[64 * 1024];
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = '\0';
    world_open("queue { map-size 16M  minimum-free 0 }\n");
    world.direct.on_job = agent_keeps;
    room_look(&world.queue);
    assert_int_equal(world.queue.slow_ms, 0);
    for (int i = 0; i < 230 && world.queue.slow_ms == 0; i++) {
        if (world_submit(world_envelope("a@b.example", "c@d.example"), text) == 0)
            break;
        room_look(&world.queue);
    }
    assert_true(world.queue.slow_ms > 0);
    /* The file keeps its length when they go, with free pages in it. */
    agent_answer_all(&world.direct, agent_delivers);
    WORLD_UNTIL(world_rows(TABLE_MSG) == 0);
    room_look(&world.queue);
    assert_int_equal(world.queue.slow_ms, 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_delay_grows_as_what_is_free_shrinks),
        WORLD_TEST(test_a_disk_that_fills_slows_mail_down_before_it_is_refused),
        WORLD_TEST(test_much_new_mail_is_a_reason_to_look_again),
        BARE_TEST(test_a_map_that_fills_slows_mail_down_until_pages_are_free_again),
    };
    return WORLD_MAIN(argc, argv, tests);
}
