#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <sys/resource.h>

#include "fdlimit.h"

/* A soft limit can be lowered and raised again, so the tests do not get into each other's way. */
static void limit_to(rlim_t n)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = n;
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
}

static void test_there_is_room_for_what_the_limit_leaves(void **state)
{
    static const struct {
        rlim_t limit;
        unsigned wanted, each, room;
    } cases[] = {
        {1024, 100, 2, 100},  {1024, 1000, 2, 412}, {1024, 412, 2, 412}, {1024, 413, 2, 412},
        {1024, 1000, 1, 824}, {100, 1000, 1, 75},   {100, 1000, 2, 37},  {64, 1000, 100, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        limit_to(cases[i].limit);
        assert_int_equal(fdlimit_room(cases[i].wanted, cases[i].each), cases[i].room);
        assert_int_equal(fdlimit_fit("x", cases[i].wanted, cases[i].each), cases[i].room);
    }
}

static void test_it_is_raised_to_what_the_machine_allows(void **state)
{
    struct rlimit limit;
    limit_to(100);
    fdlimit_raise();
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
    assert_int_equal(limit.rlim_cur, limit.rlim_max < 65536 ? limit.rlim_max : 65536);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_there_is_room_for_what_the_limit_leaves),
        cmocka_unit_test(test_it_is_raised_to_what_the_machine_allows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
