#include "world.h"

#include "fail.h"
#include "wire.h"

/* The store's own numbers. */

static void set_next_id(uint64_t next_id)
{
    struct buf b = {0};
    wire_put_u64(&b, next_id);
    world_damage(TABLE_SYS, span_text("next_id"), buf_span(&b));
    buf_free(&b);
}

static int open_again(struct fail *f)
{
    struct ledger l;
    return ledger_open(&l, world.queue.store, world.queue.dirfd, f);
}

/* Clients of the HTTP API read them as numbers of JavaScript. */
static void test_ids_are_below_two_to_the_53rd(void **state)
{
    struct fail f;
    uint64_t id = world_send("c@d.example");
    assert_true(id > 0 && id < LEDGER_IDS);
    assert_true(LEDGER_IDS == 9007199254740992);
    world_settle();
    uint64_t next_id = world.queue.ledger.next_id;
    set_next_id(LEDGER_IDS - 1);
    assert_int_equal(open_again(&f), 0);
    set_next_id(LEDGER_IDS);
    assert_int_equal(open_again(&f), -1);
    assert_non_null(strstr(f.text, "no ids left"));
    set_next_id(next_id);
}

static void set_schema(uint64_t schema)
{
    struct buf b = {0};
    wire_put_u64(&b, schema);
    world_damage(TABLE_SYS, span_text("schema"), buf_span(&b));
    buf_free(&b);
}

static void test_a_store_of_another_schema_is_refused(void **state)
{
    struct fail f;
    for (int i = -1; i <= 1; i++) {
        set_schema((uint64_t)(LEDGER_SCHEMA + i));
        assert_int_equal(open_again(&f), i == 0 ? 0 : -1);
        if (i != 0)
            assert_non_null(strstr(f.text, "this program knows"));
    }
    set_schema(LEDGER_SCHEMA);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_store_of_another_schema_is_refused),
        WORLD_TEST(test_ids_are_below_two_to_the_53rd),
    };
    return WORLD_MAIN(argc, argv, tests);
}
