#include "world.h"

#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "hookq.h"
#include "hookrow.h"
#include "mem.h"
#include "tables.h"

#define MINUTE 60000ll

static void test_waits_are_those_of_the_contract(void **state)
{
    static const double minutes[] = {1, 2, 4, 7.5, 15, 30, 60, 120, 240, 480, 960};
    for (unsigned i = 0; i < 11; i++)
        assert_true(hookq_wait_ms(i + 2) == (int64_t)(minutes[i] * 60000));
    assert_true(hookq_wait_ms(13) == 960 * 60000ll); /* and so on */
    assert_true(hookq_wait_ms(100) == 960 * 60000ll);
    assert_true(hookq_wait_ms(1) == 60000);
    assert_true(hookq_wait_ms(0) == 60000);
}

static const char *payload = "{}";
static bool old_rows;

/* Webhooks put into the store as an event does. */
struct insertion {
    struct change change;
    unsigned n;
    const char *account, *url;
    int64_t due_ms;
    bool *done;
};

static void make_old(struct store_txn *t, uint64_t id, const struct hook_row *row)
{
    static const unsigned char no_secret[16] = {0};
    struct key due = key_due(hookrow_due(id, row)),
               value = due_value((struct stream_id){name_hash(no_secret, row->url), 0});
    store_put(t, TABLE_HOOKDUE, key_span(&due), key_span(&value));
}

static void apply(struct change *change, struct store_txn *t)
{
    struct insertion *x = (struct insertion *)change;
    for (unsigned i = 0; i < x->n; i++) {
        struct hook_row row = {.recipient = 1,
                               .account = (char *)x->account,
                               .url = (char *)x->url,
                               .authorization = (char *)"",
                               .event = (char *)"delivered",
                               .submitted_ms = x->due_ms,
                               .next_ms = x->due_ms,
                               .payload = (char *)payload};
        uint64_t id = world.queue.ledger.next_id++;
        hookrow_insert(t, id, &row);
        if (old_rows)
            make_old(t, id, &row);
    }
    /* The next one that is staged writes next_id. */
}

static void applied(struct change *change, const char *why)
{
    struct insertion *x = (struct insertion *)change;
    assert_null(why);
    *x->done = true;
    mem_free(&x);
}

static void put_hooks_of(const char *account, const char *url, unsigned n)
{
    bool done = false;
    struct insertion *x = mem_zero(sizeof *x);
    *x = (struct insertion){
        {.apply = apply, .done = applied}, n, account, url, clock_wall_ms(), &done};
    int64_t due = x->due_ms;
    commit_add(world.queue.commit, &x->change);
    WORLD_UNTIL(done);
    hookq_poke(world.queue.hookq, due);
}

static void put_hooks(const char *url, unsigned n)
{
    put_hooks_of("box", url, n);
}

static unsigned calls_to(const char *url)
{
    unsigned n = 0;
    for (unsigned i = 0; i < world.hooks.calls_n; i++)
        n += strcmp(world.hooks.calls[i].url, url) == 0;
    return n;
}

static void endpoint_answers_alive(struct endpoint *e, struct call *c)
{
    if (strcmp(c->url, "https://alive.example/") == 0)
        endpoint_answers(e, c);
    else
        endpoint_keeps(e, c);
}

/* Makes next_id true again: at the end the store is checked. */
static void finish(void)
{
    world.direct.on_job = agent_delivers;
    (void)world_send("c@d.example");
    world_settle();
}

static void test_a_url_that_does_not_answer_keeps_no_other_waiting(void **state)
{
    put_hooks("https://dead.example/", 5000);
    WORLD_UNTIL(calls_to("https://dead.example/") == 1); /* per-url */
    put_hooks("https://alive.example/", 3);
    WORLD_UNTIL(calls_to("https://alive.example/") == 1);
    assert_int_equal(world.hooks.calls_n, 2);
    /* One after the other, as they were made. */
    for (unsigned i = 0; i < 3; i++) {
        WORLD_UNTIL(calls_to("https://alive.example/") == 1);
        unsigned place = strcmp(world.hooks.calls[0].url, "https://alive.example/") == 0 ? 0 : 1;
        endpoint_answer(&world.hooks, place, 200);
        world_settle();
    }
    assert_int_equal(world_rows(TABLE_HOOK), 5000);
    assert_int_equal(world_rows(TABLE_HOOKRETIRED), 3);
    /* And all of those for the other, when it answers at last. */
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 200;
    endpoint_answer(&world.hooks, 0, 200);
    WORLD_UNTIL(world_rows(TABLE_HOOK) == 0);
    assert_int_equal(world_rows(TABLE_HOOKDUE), 0);
    assert_int_equal(world.hooks.calls_total, 5003);
    finish();
}

static void test_a_url_that_hangs_for_one_account_keeps_no_other_account_waiting(void **state)
{
    static const char url[] = "https://both.example/";
    put_hooks_of("box", url, 3000);
    WORLD_UNTIL(calls_to(url) == 1);
    put_hooks_of("other", url, 2);
    WORLD_UNTIL(calls_to(url) == 2);
    world_settle();
    assert_int_equal(calls_to(url), 2); /* per-url, of each */
    for (unsigned i = 0; i < 2; i++) {
        WORLD_UNTIL(calls_to(url) == 2);
        endpoint_answer(&world.hooks, 1, 200); /* the later one */
        world_settle();
    }
    assert_int_equal(world_rows(TABLE_HOOK), 3000);
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 200;
    endpoint_answer(&world.hooks, 0, 200);
    WORLD_UNTIL(world_rows(TABLE_HOOK) == 0);
    finish();
}

/* As they were written when the streams were of URLs alone. */
static void test_older_rows_of_the_index_are_read(void **state)
{
    old_rows = true;
    put_hooks("https://a.example/", 3);
    old_rows = false;
    WORLD_UNTIL(calls_to("https://a.example/") == 1);
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 500;
    endpoint_answer(&world.hooks, 0, 500);
    WORLD_UNTIL(world.hooks.calls_total == 3);
    world_settle();
    world.hooks.code = 200;
    world_step(2 * MINUTE);
    WORLD_UNTIL(world_rows(TABLE_HOOK) == 0);
    assert_int_equal(world_rows(TABLE_HOOKDUE), 0);
    finish();
}

static void test_one_behind_many_of_another_url_is_found(void **state)
{
    put_hooks("https://alive.example/", 800); /* more than a URL's share of the window */
    put_hooks("https://dead.example/", 9000);
    put_hooks("https://alive.example/", 1);
    WORLD_UNTIL(calls_to("https://dead.example/") == 1);
    world.hooks.on_call = endpoint_answers_alive;
    world.hooks.code = 200;
    for (unsigned i = 0; i < world.hooks.calls_n; i++) {
        if (strcmp(world.hooks.calls[i].url, "https://alive.example/") == 0)
            endpoint_answer(&world.hooks, i--, 200);
    }
    WORLD_UNTIL(world_rows(TABLE_HOOK) == 9000);
    assert_int_equal(world.hooks.calls_total, 802);
    finish();
}

static void test_concurrency_is_shared_by_all_urls(void **state)
{
    world_open("webhooks { concurrency 10  per-url 2 }\n");
    for (int i = 0; i < 20; i++) {
        char url[40];
        (void)snprintf(url, sizeof url, "https://h%d.example/", i);
        put_hooks(url, 10);
    }
    world_settle();
    assert_int_equal(world.hooks.calls_n, 9); /* an eighth is for those that failed before */
    assert_int_equal(hookq_inflight(world.queue.hookq), 9);
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 204;
    while (world.hooks.calls_n > 0)
        endpoint_answer(&world.hooks, 0, 204);
    WORLD_UNTIL(world_rows(TABLE_HOOK) == 0);
    finish();
}

static void test_urls_that_failed_before_have_half_and_keep_no_new_one_waiting(void **state)
{
    world_open("webhooks { concurrency 8 }\n");
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 500;
    for (int i = 0; i < 20; i++) {
        char url[40];
        (void)snprintf(url, sizeof url, "https://dead%d.example/", i);
        put_hooks(url, 10);
    }
    WORLD_UNTIL(world.hooks.calls_total == 200);
    world_settle();
    world.hooks.on_call = endpoint_keeps;
    world_step(2 * MINUTE);
    assert_int_equal(world.hooks.calls_n, 4);
    put_hooks("https://alive.example/", 1);
    WORLD_UNTIL(calls_to("https://alive.example/") == 1);
    /* Nor do new ones keep those waiting. */
    for (int i = 0; i < 20; i++) {
        char url[40];
        (void)snprintf(url, sizeof url, "https://new%d.example/", i);
        put_hooks(url, 1);
    }
    world_settle();
    assert_int_equal(world.hooks.calls_n, 8);
    world.hooks.on_call = endpoint_answers;
    while (world.hooks.calls_n > 0)
        endpoint_answer(&world.hooks, 0, 200);
    world.hooks.code = 200;
    WORLD_UNTIL(world_rows(TABLE_HOOK) == 0);
    finish();
}

/* More URLs hang than there are places: once known, they keep no other waiting, with new webhooks
 * either. */
static void test_urls_that_hang_keep_no_new_one_waiting(void **state)
{
    char url[40];
    world_open("webhooks { concurrency 16 }\n");
    for (unsigned i = 0; i < 40; i++) {
        (void)snprintf(url, sizeof url, "https://hangs%u.example/", i);
        put_hooks(url, 3);
    }
    WORLD_UNTIL(world.hooks.calls_n == 14);
    while (world.hooks.calls_total < 60 && world.hooks.calls_n > 0) {
        endpoint_answer(&world.hooks, 0, 0);
        world_settle();
    }
    assert_true(world.hooks.calls_n <= 8); /* they have half */
    put_hooks("https://alive.example/", 2);
    world_settle();
    assert_int_equal(calls_to("https://alive.example/"), 1);
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 200;
    while (world.hooks.calls_n > 0)
        endpoint_answer(&world.hooks, 0, 200);
    world_step(5 * MINUTE);
    WORLD_UNTIL(world_rows(TABLE_HOOK) == 0);
    finish();
}

/* However many may be called, what they say is not all in memory at once. */
static void test_large_payloads_are_few_at_once(void **state)
{
    enum { OCTETS = 10 << 20 };
    char url[40], *large = mem_alloc(OCTETS + 1);
    memset(large, 'x', OCTETS);
    large[OCTETS] = '\0';
    payload = large;
    for (unsigned i = 0; i < 12; i++) {
        (void)snprintf(url, sizeof url, "https://%u.example/", i);
        put_hooks(url, 1);
    }
    payload = "{}";
    world_settle();
    assert_int_equal(world.hooks.calls_n, 7);
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 200;
    endpoint_answer(&world.hooks, 0, 200);
    WORLD_UNTIL(world.hooks.calls_total == 12);
    while (world.hooks.calls_n > 0)
        endpoint_answer(&world.hooks, 0, 200);
    mem_free(&large);
    finish();
}

static void expect_next(int64_t wait_ms, unsigned attempts)
{
    struct store_txn *t = store_begin(world.queue.store, false);
    struct store_cursor c = store_cursor(t, TABLE_HOOK);
    struct hook_row row;
    assert_true(store_seek(&c, (struct span){0}));
    assert_int_equal(hook_row_read(c.value, &row), 0);
    assert_int_equal(row.attempts, attempts);
    assert_int_equal(row.results_n, attempts);
    int64_t left = row.next_ms - clock_wall_ms();
    assert_true(left > wait_ms * 98 / 100 - 2000 && left <= wait_ms * 102 / 100);
    hook_row_clear(&row);
    store_cursor_close(&c);
    store_abort(&t);
}

static void test_a_webhook_that_fails_is_tried_again_until_it_is_over(void **state)
{
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 500;
    put_hooks("https://a.example/", 1);
    for (unsigned attempt = 1; attempt < 12; attempt++) {
        WORLD_UNTIL(world.hooks.calls_total == attempt);
        world_settle();
        expect_next(hookq_wait_ms(attempt + 1), attempt);
        world_step(hookq_wait_ms(attempt + 1) * 102 / 100);
    }
    WORLD_UNTIL(world.hooks.calls_total == 12);
    world_settle();
    assert_int_equal(world_rows(TABLE_HOOK), 0);
    assert_int_equal(world_rows(TABLE_HOOKRETIRED), 1);
    finish();
}

static void test_an_endpoint_can_ask_for_time_or_for_no_more(void **state)
{
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 429;
    world.hooks.retry_after_s = 3600;
    put_hooks("https://a.example/", 1);
    WORLD_UNTIL(world.hooks.calls_total == 1);
    world_settle();
    expect_next(60 * MINUTE, 1);
    world.hooks.code = 503;
    world.hooks.retry_after_s = 30 * 86400; /* no longer than a day */
    world_step(62 * MINUTE);
    assert_int_equal(world.hooks.calls_total, 2);
    expect_next(24 * 60 * MINUTE, 2);
    world.hooks.retry_after_s = INT32_MAX;
    world_step(25 * 60 * MINUTE);
    assert_int_equal(world.hooks.calls_total, 3);
    expect_next(24 * 60 * MINUTE, 3);
    world.hooks.code = 410;
    world_step(25 * 60 * MINUTE);
    assert_int_equal(world.hooks.calls_total, 4);
    assert_int_equal(world_rows(TABLE_HOOK), 0);
    finish();
}

static void test_a_call_that_hooks_does_not_survive_counts(void **state)
{
    world_open("webhooks { attempts 3 }\n");
    put_hooks("https://a.example/", 1);
    for (unsigned attempt = 1; attempt <= 3; attempt++) {
        WORLD_UNTIL(world.hooks.calls_n == 1);
        assert_int_equal(world.hooks.calls[0].attempt, attempt);
        endpoint_unlink(&world.hooks);
        world_settle();
        endpoint_link(&world.hooks);
        world_step(3 * MINUTE);
    }
    assert_int_equal(world.hooks.calls_n, 0);
    assert_int_equal(world_rows(TABLE_HOOK), 0);
    finish();
}

/* The attempt of the call that the endpoint has not answered, and of no other. */
static unsigned attempt_under_way(void)
{
    WORLD_UNTIL(world.hooks.calls_n == 1);
    return world.hooks.calls[0].attempt;
}

static void test_a_call_that_the_queue_does_not_survive_counts(void **state)
{
    world_open("queue { keep-retired-webhooks 1h }\n");
    put_hooks("https://a.example/", 2);
    assert_int_equal(attempt_under_way(), 1);
    uint64_t id = world.hooks.calls[0].id;
    finish();
    for (unsigned attempt = 2; attempt <= 3; attempt++) { /* in whatever way it ends */
        world_restart(attempt == 2);
        assert_int_equal(attempt_under_way(), attempt);
        assert_int_equal(world.hooks.calls[0].id, id);
    }
    endpoint_answer(&world.hooks, 0, 200);
    /* The one behind it was not begun. */
    assert_int_equal(attempt_under_way(), 1);
    assert_true(world.hooks.calls[0].id != id);
    endpoint_answer(&world.hooks, 0, 500);
    world_settle();
    /* What was written down does not count twice. */
    world_restart(false);
    world_step(2 * MINUTE);
    assert_int_equal(attempt_under_way(), 2);
    endpoint_answer(&world.hooks, 0, 200);
    world_settle();
    struct key k = key_id(id);
    struct span value;
    struct hook_row row;
    struct store_txn *t = store_begin(world.queue.store, false);
    assert_true(store_get(t, TABLE_HOOKRETIRED, key_span(&k), &value));
    assert_int_equal(hook_row_read(value, &row), 0);
    store_abort(&t);
    assert_int_equal(row.attempts, 3);
    assert_int_equal(row.results_n, 3);
    assert_non_null(strstr(row.results[1].error, "the queue ended"));
    assert_int_equal(row.results[2].code, 200);
    hook_row_clear(&row);
}

static void test_without_hooks_webhooks_wait(void **state)
{
    endpoint_unlink(&world.hooks);
    world_settle();
    put_hooks("https://a.example/", 2);
    world_settle();
    world.hooks.on_call = endpoint_answers;
    world.hooks.code = 200;
    endpoint_link(&world.hooks);
    WORLD_UNTIL(world_rows(TABLE_HOOK) == 0);
    finish();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_waits_are_those_of_the_contract),
        WORLD_TEST(test_a_url_that_does_not_answer_keeps_no_other_waiting),
        WORLD_TEST(test_a_url_that_hangs_for_one_account_keeps_no_other_account_waiting),
        WORLD_TEST(test_older_rows_of_the_index_are_read),
        WORLD_TEST(test_one_behind_many_of_another_url_is_found),
        BARE_TEST(test_concurrency_is_shared_by_all_urls),
        BARE_TEST(test_urls_that_failed_before_have_half_and_keep_no_new_one_waiting),
        WORLD_TEST(test_large_payloads_are_few_at_once),
        BARE_TEST(test_urls_that_hang_keep_no_new_one_waiting),
        WORLD_TEST(test_a_webhook_that_fails_is_tried_again_until_it_is_over),
        WORLD_TEST(test_an_endpoint_can_ask_for_time_or_for_no_more),
        BARE_TEST(test_a_call_that_hooks_does_not_survive_counts),
        BARE_TEST(test_a_call_that_the_queue_does_not_survive_counts),
        WORLD_TEST(test_without_hooks_webhooks_wait),
    };
    return WORLD_MAIN(argc, argv, tests);
}
