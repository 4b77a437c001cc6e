#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "mem.h"
#include "tide.h"

static void test_memory_goes_back_when_a_fourth_of_a_crowd_is_left(void **state)
{
    struct tide t = {0};
    for (int i = 0; i < 2 * TIDE_CROWD; i++)
        tide_rise(&t);
    for (unsigned left = 2 * TIDE_CROWD - 1; left > TIDE_CROWD / 2; left--)
        assert_false(tide_fall(&t));
    assert_true(tide_fall(&t));
    /* What is left is no crowd. */
    for (int i = 0; i < TIDE_CROWD / 2; i++)
        assert_false(tide_fall(&t));
    assert_int_equal(t.n, 0);
}

static void test_few_that_come_and_go_cost_nothing(void **state)
{
    struct tide t = {0};
    for (int i = 0; i < 10 * TIDE_CROWD; i++) {
        for (int n = 0; n < TIDE_CROWD - 1; n++)
            tide_rise(&t);
        for (int n = 0; n < TIDE_CROWD - 1; n++)
            assert_false(tide_fall(&t));
    }
}

#ifndef __SANITIZE_ADDRESS__ /* which has an allocator of its own */

static long resident_kib(void)
{
    long size, resident;
    FILE *f = fopen("/proc/self/statm", "re");
    assert_non_null(f);
    assert_int_equal(fscanf(f, "%ld %ld", &size, &resident), 2);
    (void)fclose(f);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static void test_memory_between_what_stays_goes_back_too(void **state)
{
    enum { MANY = 2000, LARGE = 32768, SMALL = 200 };
    static char *large[MANY], *small[MANY];
    struct tide t = {0};
    for (int i = 0; i < MANY; i++) {
        tide_rise(&t);
        large[i] = mem_zero(LARGE);
        small[i] = mem_zero(SMALL);
        for (int n = 0; n < LARGE; n += 1024)
            large[i][n] = 1;
    }
    long high = resident_kib();
    for (int i = 0; i < MANY; i++) {
        mem_free(&large[i]);
        (void)tide_fall(&t);
    }
    assert_true(high - resident_kib() > (long)MANY * LARGE / 1024 / 2);
    for (int i = 0; i < MANY; i++)
        mem_free(&small[i]);
}

#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_memory_goes_back_when_a_fourth_of_a_crowd_is_left),
        cmocka_unit_test(test_few_that_come_and_go_cost_nothing),
#ifndef __SANITIZE_ADDRESS__
        cmocka_unit_test(test_memory_between_what_stays_goes_back_too),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
