#include "world.h"

#include <stdio.h>
#include <string.h>

#include "act.h"
#include "clock.h"
#include "hookq.h"
#include "hookrow.h"
#include "mem.h"
#include "tables.h"

#define HOUR 3600000ll
#define SUPERSEDES                                                                                 \
    "account app { address app@example.org  webhook outgoing { url \"https://a.example/\"  "       \
    "supersede yes } }\n"

/* A webhook put into the queue as an event does it. */
struct insertion {
    struct change change;
    const char *account, *event;
    uint64_t recipient, id;
    int64_t next_ms;
    bool done;
};

static void apply(struct change *change, struct store_txn *t)
{
    struct insertion *x = (struct insertion *)change;
    struct hook_row row = {.recipient = x->recipient,
                           .account = (char *)x->account,
                           .url = (char *)"https://a.example/",
                           .authorization = (char *)"",
                           .event = (char *)x->event,
                           .submitted_ms = x->next_ms,
                           .next_ms = x->next_ms,
                           .payload = (char *)"{}"};
    x->id = ledger_take_id(&world.queue.ledger, t);
    hookrow_add(t, world.queue.settings, x->id, &row, clock_wall_ms());
}

static void applied(struct change *change, const char *why)
{
    assert_null(why);
    ((struct insertion *)change)->done = true;
}

static uint64_t put(const char *account, const char *event, uint64_t recipient, int64_t in_ms)
{
    struct insertion x = {.change = {.apply = apply, .done = applied},
                          .account = account,
                          .event = event,
                          .recipient = recipient,
                          .next_ms = clock_wall_ms() + in_ms};
    commit_add(world.queue.commit, &x.change);
    WORLD_UNTIL(x.done);
    hookq_poke(world.queue.hookq, x.next_ms);
    return x.id;
}

static uint64_t acted;
static bool done;

static void on_done(void *arg, const struct admin_acted *a, const char *why)
{
    assert_null(why);
    acted = a->count;
    done = true;
}

static uint64_t act(enum admin_hook_action action, int64_t by_ms, struct admin_filter filter)
{
    const struct act what = {.hooks = true, .hook_action = action, .by_ms = by_ms};
    done = false;
    act_start(&world.queue, &what, &filter, on_done, NULL);
    WORLD_UNTIL(done);
    return acted;
}

static bool get(unsigned table, uint64_t id, struct hook_row *row)
{
    struct key k = key_id(id);
    struct span value;
    struct store_txn *t = store_begin(world.queue.store, false);
    bool there = store_get(t, table, key_span(&k), &value) && hook_row_read(value, row) == 0;
    store_abort(&t);
    return there;
}

static int64_t left(uint64_t id)
{
    struct hook_row row;
    assert_true(get(TABLE_HOOK, id, &row));
    int64_t ms = row.next_ms - clock_wall_ms();
    hook_row_clear(&row);
    return ms;
}

static void expect_past(uint64_t id, uint16_t attempts, uint64_t superseded_by, const char *last)
{
    struct hook_row row;
    assert_true(get(TABLE_HOOKRETIRED, id, &row));
    assert_false(row.success);
    assert_int_equal(row.attempts, attempts);
    assert_true(row.superseded_by == superseded_by);
    assert_string_equal(row.results_n == 0 ? "" : row.results[row.results_n - 1].error, last);
    assert_true(row.keep_until_ms > clock_wall_ms() + 71 * HOUR);
    hook_row_clear(&row);
}

static void test_a_kick_is_now_or_when_it_is_said(void **state)
{
    uint64_t a = put("box", "delivered", 1, HOUR), b = put("box", "failed", 2, 2 * HOUR);
    uint64_t ids[] = {b};
    assert_int_equal(act(ADMIN_HOOK_KICK, 0,
                         (struct admin_filter){.ids = mem_copy(ids, sizeof ids), .ids_n = 1}),
                     1);
    WORLD_UNTIL(world.hooks.calls_n == 1);
    assert_true(world.hooks.calls[0].id == b);
    assert_int_equal(
        act(ADMIN_HOOK_DELAY, HOUR, (struct admin_filter){.event = mem_text("delivered")}), 1);
    assert_true(left(a) > 119 * HOUR / 60 && left(a) <= 2 * HOUR);
    assert_int_equal(
        act(ADMIN_HOOK_KICK, HOUR, (struct admin_filter){.event = mem_text("delivered")}), 1);
    assert_true(left(a) > 59 * HOUR / 60 && left(a) <= HOUR);
    endpoint_answer(&world.hooks, 0, 200);
    world_settle();
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 200;
    world_step(HOUR + 1000);
    WORLD_UNTIL(world_rows(TABLE_HOOK) == 0);
}

/* What waits in the window is moved there, too, and found when it is due. */
static void test_one_that_waits_its_turn_can_be_put_off(void **state)
{
    (void)put("box", "delivered", 1, 0);
    uint64_t b = put("box", "failed", 2, 0);
    WORLD_UNTIL(world.hooks.calls_n == 1); /* the other waits: there is one call to a URL */
    assert_int_equal(
        act(ADMIN_HOOK_DELAY, HOUR, (struct admin_filter){.event = mem_text("failed")}), 1);
    endpoint_answer(&world.hooks, 0, 200);
    world_settle();
    assert_int_equal(world.hooks.calls_total, 1);
    world_step(HOUR + 1000);
    WORLD_UNTIL(world.hooks.calls_n == 1);
    assert_true(world.hooks.calls[0].id == b);
    endpoint_answer(&world.hooks, 0, 200);
    world_settle();
}

static void test_canceled_ones_are_in_the_history(void **state)
{
    uint64_t a = put("box", "incoming", 0, 0), b = put("other", "incoming", 0, HOUR);
    uint64_t c = put("box", "failed", 3, HOUR);
    WORLD_UNTIL(world.hooks.calls_n == 1);
    assert_int_equal(act(ADMIN_HOOK_CANCEL, 0, (struct admin_filter){.account = mem_text("box")}),
                     2);
    expect_past(a, 0, 0, "canceled by admin");
    expect_past(c, 0, 0, "canceled by admin");
    assert_true(left(b) > 0);
    endpoint_answer(&world.hooks, 0, 500); /* of one that is not in the queue any more */
    world_settle();
    struct hook_row row;
    assert_true(get(TABLE_HOOKRETIRED, a, &row));
    assert_int_equal(row.attempts, 1);
    assert_int_equal(row.results_n, 2);
    assert_non_null(strstr(row.results[1].error, "(canceled)"));
    hook_row_clear(&row);
    assert_int_equal(
        act(ADMIN_HOOK_CANCEL, 0, (struct admin_filter){.event = mem_text("incoming")}), 1);
    assert_int_equal(world_rows(TABLE_HOOK), 0);
}

static void test_nothing_gives_way_unless_the_account_wants_it(void **state)
{
    (void)put("box", "delayed", 7, HOUR);
    (void)put("box", "delivered", 7, HOUR);
    assert_int_equal(world_rows(TABLE_HOOK), 2);
    assert_int_equal(world_rows(TABLE_HOOKLAST), 0);
}

static void test_the_latest_news_of_a_recipient_is_all_that_is_sent(void **state)
{
    world_open(SUPERSEDES);
    uint64_t first = put("app", "delayed", 7, 0);
    WORLD_UNTIL(world.hooks.calls_n == 1);
    uint64_t second = put("app", "delayed", 7, HOUR), other = put("app", "delayed", 8, HOUR);
    uint64_t mail = put("app", "incoming", 0, HOUR), more = put("app", "incoming", 0, HOUR);
    expect_past(first, 0, second, "");
    endpoint_answer(&world.hooks, 0, 500);
    world_settle();
    struct hook_row row;
    assert_true(get(TABLE_HOOKRETIRED, first, &row));
    assert_int_equal(row.attempts, 1);
    assert_non_null(strstr(row.results[0].error, "(superseded)"));
    hook_row_clear(&row);
    uint64_t third = put("app", "delivered", 7, HOUR);
    expect_past(second, 0, third, "");
    assert_true(left(other) > 0 && left(mail) > 0 && left(more) > 0 && left(third) > 0);
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 200;
    world_step(HOUR + 1000);
    WORLD_UNTIL(world_rows(TABLE_HOOK) == 0);
    assert_int_equal(world_rows(TABLE_HOOKLAST), 0);
    (void)put("app", "failed", 7, HOUR); /* the one before was sent: nothing gives way */
    world_settle();
    assert_int_equal(world_rows(TABLE_HOOK), 1);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_kick_is_now_or_when_it_is_said),
        WORLD_TEST(test_one_that_waits_its_turn_can_be_put_off),
        WORLD_TEST(test_canceled_ones_are_in_the_history),
        WORLD_TEST(test_nothing_gives_way_unless_the_account_wants_it),
        BARE_TEST(test_the_latest_news_of_a_recipient_is_all_that_is_sent),
    };
    return WORLD_MAIN(argc, argv, tests);
}
