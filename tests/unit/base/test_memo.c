#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "memo.h"

static unsigned released;

static void on_release(void *value)
{
    released += *(unsigned *)value;
}

static void put(struct memo *m, const char *name, unsigned value, int64_t now_ms, int64_t until_ms)
{
    unsigned *v = memo_write(m, name, now_ms, until_ms);
    *v = value;
}

static unsigned get(const struct memo *m, const char *name, int64_t now_ms)
{
    const unsigned *v = memo_find(m, name, now_ms);
    return v == NULL ? 0 : *v;
}

static void test_what_was_written_is_there_until_its_time_is_over(void **state)
{
    struct memo *m = memo_new(10, sizeof(unsigned), NULL);
    assert_null(memo_find(m, "a", 0));
    put(m, "a", 7, 100, 200);
    put(m, "", 8, 100, 300);
    assert_int_equal(get(m, "a", 199), 7);
    assert_int_equal(get(m, "a", 200), 0);
    assert_int_equal(get(m, "b", 100), 0);
    assert_int_equal(get(m, "", 299), 8);
    memo_free(&m);
    assert_null(m);
    memo_free(&m);
}

static void test_a_value_stays_when_it_is_written_again_in_time(void **state)
{
    struct memo *m = memo_new(10, sizeof(unsigned), on_release);
    released = 0;
    put(m, "a", 7, 100, 200);
    assert_int_equal(*(unsigned *)memo_write(m, "a", 199, 300), 7);
    assert_int_equal(get(m, "a", 299), 7);
    assert_int_equal(released, 0);
    /* What is over does not come back with what is new. */
    assert_int_equal(*(unsigned *)memo_write(m, "a", 300, 400), 0);
    assert_int_equal(released, 7);
    memo_free(&m);
}

static void test_the_one_written_longest_ago_makes_room(void **state)
{
    struct memo *m = memo_new(3, sizeof(unsigned), on_release);
    released = 0;
    put(m, "a", 1, 0, 100);
    put(m, "b", 10, 0, 50);
    put(m, "c", 100, 0, 100);
    put(m, "a", 1, 0, 100);
    put(m, "d", 1000, 0, 100);
    assert_int_equal(released, 10);
    assert_int_equal(get(m, "a", 0) + get(m, "b", 0) + get(m, "c", 0) + get(m, "d", 0), 1101);
    (void)memo_find(m, "c", 0); /* looking does not make it younger */
    put(m, "e", 10000, 0, 100);
    assert_int_equal(released, 110);
    memo_free(&m);
    assert_int_equal(released, 11111);
}

static void test_what_is_forgotten_is_given_back(void **state)
{
    struct memo *m = memo_new(100, sizeof(unsigned), on_release);
    released = 0;
    for (unsigned i = 1; i <= 10; i++) {
        char name[8];
        (void)snprintf(name, sizeof name, "%u", i);
        put(m, name, i, 0, 100);
    }
    memo_forget(m, "3");
    memo_forget(m, "3");
    memo_forget(m, "none");
    assert_int_equal(released, 3);
    assert_int_equal(get(m, "3", 0), 0);
    assert_int_equal(get(m, "4", 0), 4);
    memo_clear(m);
    assert_int_equal(released, 55);
    assert_int_equal(get(m, "4", 0), 0);
    put(m, "4", 4, 0, 100);
    assert_int_equal(get(m, "4", 0), 4);
    memo_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_written_is_there_until_its_time_is_over),
        cmocka_unit_test(test_a_value_stays_when_it_is_written_again_in_time),
        cmocka_unit_test(test_the_one_written_longest_ago_makes_room),
        cmocka_unit_test(test_what_is_forgotten_is_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
