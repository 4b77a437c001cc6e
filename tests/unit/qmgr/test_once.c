#include "world.h"

#include <string.h>

#include "clock.h"
#include "mem.h"
#include "once.h"
#include "tables.h"

#define HOUR 3600000ll

static uint64_t submit(const char *account, const char *key, unsigned char request)
{
    struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
    e->origin = SUBMIT_WEBAPI;
    submit_set(&e->account, account);
    submit_set(&e->once_key, key);
    memset(e->once_digest, request, SUBMIT_DIGEST);
    return world_submit(e, "Subject: x\r\n\r\n");
}

static void test_the_same_again_is_answered_as_before_and_not_sent(void **state)
{
    world.direct.on_job = agent_keeps;
    uint64_t first = submit("app", "order 1042", 1);
    assert_null(world_reply.message_id);
    assert_int_equal(submit("app", "order 1042", 1), first);
    assert_string_equal(world_reply.message_id, "<1@b.example>");
    assert_int_equal(world_rows(TABLE_MSG), 1);
    /* And after a crash. */
    world_restart(false);
    assert_int_equal(submit("app", "order 1042", 1), first);
    assert_int_equal(world_rows(TABLE_MSG), 1);
    /* Other keys and other accounts are not concerned, nor is mail without a key. */
    assert_true(submit("app", "order 1043", 1) > first);
    assert_true(submit("shop", "order 1042", 2) > first);
    (void)world_send("c@d.example");
    (void)world_send("c@d.example");
    assert_int_equal(world_rows(TABLE_MSG), 5);
}

static void test_another_request_with_the_same_key_is_refused(void **state)
{
    world.direct.on_job = agent_keeps;
    uint64_t first = submit("app", "order 1042", 1);
    assert_int_equal(submit("app", "order 1042", 2), 0);
    assert_int_equal(world_reply.why, SUBMIT_WHY_CONFLICT);
    assert_int_equal(world_rows(TABLE_MSG), 1);
    assert_int_equal(submit("app", "order 1042", 1), first);
}

static void test_a_key_is_forgotten_when_its_time_is_over(void **state)
{
    world_open("queue { keep-idempotency-keys 2h }\n");
    world.direct.on_job = agent_keeps;
    uint64_t first = submit("app", "order 1042", 1);
    assert_int_equal(world_rows(TABLE_IDEM), 2);
    clock_step(2 * HOUR - 1000);
    assert_int_equal(submit("app", "order 1042", 1), first);
    clock_step(2000);
    uint64_t second = submit("app", "order 1042", 2);
    assert_true(second > first);
    WORLD_UNTIL(world_rows(TABLE_IDEM) == 2);
    clock_step(HOUR);
    assert_int_equal(submit("app", "order 1042", 2), second);
    clock_step(2 * HOUR);
    WORLD_UNTIL(world_rows(TABLE_IDEM) == 0);
}

static void test_a_large_message_again_leaves_no_file(void **state)
{
    world_open("queue { large-body 4K }\n");
    world.direct.on_job = agent_keeps;
    char *text = mem_alloc(10001);
    memset(text, 'x', 10000);
    text[10000] = '\0';
    for (int i = 0; i < 3; i++) {
        struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
        submit_set(&e->account, "app");
        submit_set(&e->once_key, "k");
        assert_true(world_submit(e, text) != 0);
    }
    mem_free(&text);
    world_settle();
    world_check(); /* no file without a row, among other things */
    assert_int_equal(world_rows(TABLE_MSG), 1);
}

static void test_rows_decode_as_they_were_written(void **state)
{
    struct once_row r = {.until_ms = 5,
                         .id = 7,
                         .taken_ms = 6,
                         .copied = true,
                         .key = (char *)"k",
                         .message_id = (char *)"<m>"},
                    got;
    struct buf b = {0};
    r.digest[31] = 9;
    once_row_put(&b, &r);
    assert_int_equal(once_row_read(buf_span(&b), &got), 0);
    assert_int_equal(got.until_ms, 5);
    assert_int_equal(got.id, 7);
    assert_int_equal(got.taken_ms, 6);
    assert_true(got.copied);
    assert_memory_equal(got.digest, r.digest, SUBMIT_DIGEST);
    assert_string_equal(got.key, "k");
    assert_string_equal(got.message_id, "<m>");
    once_row_clear(&got);
    for (size_t n = 0; n < b.n; n++)
        assert_int_equal(once_row_read(span_of(b.p, n), &got), -1);
    buf_free(&b);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_the_same_again_is_answered_as_before_and_not_sent),
        WORLD_TEST(test_another_request_with_the_same_key_is_refused),
        BARE_TEST(test_a_key_is_forgotten_when_its_time_is_over),
        BARE_TEST(test_a_large_message_again_leaves_no_file),
        WORLD_TEST(test_rows_decode_as_they_were_written),
    };
    return WORLD_MAIN(argc, argv, tests);
}
