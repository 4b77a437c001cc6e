#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/socket.h>

#include "welcome.h"

#define NOW INT64_C(1000000)

static void test_a_verdict_is_for_a_host_and_some_hours(void **state)
{
    struct memo *w = welcome_new(10);
    assert_int_equal(welcome_last(w, "a", NOW), 0);
    welcome_refused(w, "a", AF_INET6, NOW);
    assert_int_equal(welcome_last(w, "a", NOW), AF_INET6);
    assert_int_equal(welcome_last(w, "b", NOW), 0);
    assert_int_equal(welcome_last(w, "a", NOW + WELCOME_MS - 1), AF_INET6);
    assert_int_equal(welcome_last(w, "a", NOW + WELCOME_MS), 0);
    welcome_refused(w, "a", AF_INET, NOW + WELCOME_MS);
    assert_int_equal(welcome_last(w, "a", NOW + WELCOME_MS), AF_INET);
    memo_free(&w);
    assert_null(w);
    memo_free(&w);
}

static void test_mail_that_was_taken_takes_it_back(void **state)
{
    struct memo *w = welcome_new(10);
    welcome_refused(w, "a", AF_INET6, NOW);
    welcome_taken(w, "a", AF_INET);
    welcome_taken(w, "b", AF_INET6);
    assert_int_equal(welcome_last(w, "a", NOW), AF_INET6);
    welcome_taken(w, "a", AF_INET6);
    assert_int_equal(welcome_last(w, "a", NOW), 0);
    welcome_refused(w, "a", AF_INET6, NOW);
    memo_clear(w);
    assert_int_equal(welcome_last(w, "a", NOW), 0);
    memo_free(&w);
}

static void test_the_oldest_make_room(void **state)
{
    struct memo *w = welcome_new(2);
    welcome_refused(w, "a", AF_INET6, NOW);
    welcome_refused(w, "b", AF_INET6, NOW);
    welcome_refused(w, "a", AF_INET6, NOW); /* is younger now */
    welcome_refused(w, "c", AF_INET6, NOW);
    assert_int_equal(welcome_last(w, "a", NOW), AF_INET6);
    assert_int_equal(welcome_last(w, "b", NOW), 0);
    assert_int_equal(welcome_last(w, "c", NOW), AF_INET6);
    memo_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_verdict_is_for_a_host_and_some_hours),
        cmocka_unit_test(test_mail_that_was_taken_takes_it_back),
        cmocka_unit_test(test_the_oldest_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
