#include "world.h"

#include "clock.h"
#include "fail.h"
#include "hookrow.h"
#include "upgrade.h"
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

/* As rows of the history were before schema 5: next_ms was when the next attempt would have been,
 * and no index had them. */
static void put_old(struct store_txn *t, uint64_t id, bool tried)
{
    struct admin_hook_attempt attempts[] = {{1000, 50, 200, (char *)"", (char *)""},
                                            {(int64_t)id, 7, 200, (char *)"", (char *)""}};
    const struct hook_row row = {.recipient = 5,
                                 .account = (char *)"ann",
                                 .url = (char *)"http://192.0.2.1/",
                                 .authorization = (char *)"",
                                 .event = (char *)"failed",
                                 .submitted_ms = 77,
                                 .next_ms = 99999,
                                 .payload = (char *)"{}",
                                 .results = attempts,
                                 .results_n = tried ? 2 : 0,
                                 .keep_until_ms = clock_wall_ms() + 3600000};
    struct key k = key_id(id);
    struct buf b = {0};
    hook_row_put(&b, &row);
    store_put(t, TABLE_HOOKRETIRED, key_span(&k), buf_span(&b));
    buf_free(&b);
}

static bool has_ended(struct store_txn *t, int64_t ended_ms, uint64_t id)
{
    struct key k = key_ended(ended_ms, id);
    struct span value;
    return store_get(t, TABLE_HOOKENDED, key_span(&k), &value);
}

static void test_a_store_of_schema_4_gets_the_order_in_which_webhooks_ended(void **state)
{
    const uint64_t first = world.queue.ledger.next_id;
    enum { OLD = 4500 };
    struct fail f;
    struct ledger l;
    uint64_t schema;
    struct store_txn *t = store_begin(world.queue.store, true);
    for (uint64_t i = 0; i < OLD; i++)
        put_old(t, first + i, i != 3);
    ledger_put_number(t, "schema", 4);
    ledger_put_number(t, "next_id", world.queue.ledger.next_id += OLD);
    assert_int_equal(store_commit(&t, &f), 0);
    for (int again = 0; again < 2; again++) {
        assert_int_equal(open_again(&f), 0);
        t = store_begin(world.queue.store, false);
        assert_true(ledger_get_number(t, "schema", &schema) && schema == LEDGER_SCHEMA);
        assert_int_equal(store_count(t, TABLE_HOOKENDED), OLD);
        for (uint64_t i = 0; i < OLD; i++)
            assert_true(has_ended(t, i == 3 ? 77 : (int64_t)(first + i) + 7, first + i));
        store_abort(&t);
        /* As after a crash in its midst: again. */
        t = store_begin(world.queue.store, true);
        ledger_put_number(t, "schema", 4);
        assert_int_equal(store_commit(&t, &f), 0);
    }
    t = store_begin(world.queue.store, true);
    ledger_put_number(t, "schema", LEDGER_SCHEMA + 1);
    assert_int_equal(store_commit(&t, &f), 0);
    assert_int_equal(ledger_open(&l, world.queue.store, world.queue.dirfd, &f), -1);
    assert_non_null(strstr(f.text, "schema"));
    t = store_begin(world.queue.store, true);
    ledger_put_number(t, "schema", LEDGER_SCHEMA);
    assert_int_equal(store_commit(&t, &f), 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_store_of_schema_4_gets_the_order_in_which_webhooks_ended),
        WORLD_TEST(test_ids_are_below_two_to_the_53rd),
    };
    return WORLD_MAIN(argc, argv, tests);
}
