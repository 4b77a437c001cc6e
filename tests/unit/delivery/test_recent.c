#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mem.h"
#include "proto_submit.h"
#include "recent.h"

static void note(struct recent *r, uint64_t id, uint16_t attempt, const char *reply)
{
    struct deliver_result result = deliver_result_new(id, DELIVER_DONE);
    submit_set(&result.reply, reply);
    recent_note(r, attempt, &result);
    deliver_result_clear(&result);
}

/* The reply that is remembered, "" for none. mem_free. */
static char *recall(const struct recent *r, uint64_t id, uint16_t attempt)
{
    struct deliver_result result = deliver_result_new(99, DELIVER_DEFERRED);
    bool known = recent_recall(r, id, attempt, &result);
    assert_int_equal(result.id, known ? id : 99);
    assert_int_equal(result.status, known ? DELIVER_DONE : DELIVER_DEFERRED);
    char *reply = mem_text(result.reply);
    deliver_result_clear(&result);
    return reply;
}

static void check(const struct recent *r, uint64_t id, uint16_t attempt, const char *wanted)
{
    char *reply = recall(r, id, attempt);
    assert_string_equal(reply, wanted);
    mem_free(&reply);
}

static void test_a_result_is_known_by_recipient_and_attempt(void **state)
{
    struct recent *r = recent_new(RECENT_OCTETS);
    note(r, 7, 1, "250 one");
    note(r, 7, 2, "250 two");
    note(r, 8, 1, "250 other");
    check(r, 7, 1, "250 one");
    check(r, 7, 2, "250 two");
    check(r, 8, 1, "250 other");
    check(r, 8, 2, "");
    check(r, 9, 1, "");
    recent_free(&r);
    assert_null(r);
    recent_free(&r);
}

static void test_what_is_told_again_is_not_noted_anew(void **state)
{
    struct recent *r = recent_new(RECENT_OCTETS);
    note(r, 7, 1, "250 first");
    note(r, 7, 1, "250 second");
    check(r, 7, 1, "250 first");
    recent_free(&r);
}

static void test_the_oldest_make_room(void **state)
{
    struct recent *r = recent_new(100000);
    for (uint64_t id = 1; id <= 10000; id++)
        note(r, id, 1, "250 ok");
    check(r, 1, 1, "");
    check(r, 9000, 1, "");
    check(r, 10000, 1, "250 ok");
    check(r, 9900, 1, "250 ok");
    recent_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_result_is_known_by_recipient_and_attempt),
        cmocka_unit_test(test_what_is_told_again_is_not_noted_anew),
        cmocka_unit_test(test_the_oldest_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
