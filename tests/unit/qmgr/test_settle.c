#include "world.h"

#include <string.h>

#include "clock.h"
#include "mem.h"
#include "qid.h"
#include "schedule.h"
#include "tables.h"

#define MINUTE 60000ll

static void expect_events(uint64_t id, const char *letters)
{
    char *got = world_events(id);
    assert_string_equal(got, letters);
    mem_free(&got);
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
    assert_true(world_retired(id, &r));
    assert_true(r.item.row.success);
    assert_int_equal(r.item.row.attempts, 1);
    assert_string_equal(r.item.row.recipient, "c@d.example");
    assert_string_equal(r.item.row.last, "250 2.0.0 ok");
    assert_int_equal(r.item.attempts_n, 1);
    assert_true(r.keep_until_ms > clock_wall_ms() + 71 * 60 * MINUTE);
    retired_row_clear(&r);
    expect_events(id, "AD");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_delivered_message_leaves_its_history_alone),
    };
    return WORLD_MAIN(argc, argv, tests);
}
