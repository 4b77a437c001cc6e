#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include <time.h>

#include "ctl_when.h"

#define NOW 1732700000123
#define HOUR 3600000ll

static void test_bounds_are_before_or_after_a_time(void **state)
{
    static const struct {
        const char *text;
        int64_t after, before;
    } cases[] = {
        {"<now", 0, NOW},
        {">now", NOW, 0},
        {"<-1h", 0, NOW - HOUR},
        {">-1h30m", NOW - 3 * HOUR / 2, 0},
        {"<+2d", 0, NOW + 48 * HOUR},
        {">+0", NOW, 0},
        {">-1ms", NOW - 1, 0},
        {">2024-11-27", 1732665600000, 0},
        {"<2024-11-27 09:33", 0, 1732699980000},
        {"<2024-11-27 09:33:20", 0, 1732700000000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        int64_t after = 0, before = 0;
        struct fail f;
        assert_int_equal(ctl_when_read(cases[i].text, NOW, &after, &before, &f), 0);
        assert_true(after == cases[i].after);
        assert_true(before == cases[i].before);
    }
}

static void test_both_ends_are_kept(void **state)
{
    int64_t after = 0, before = 0;
    struct fail f;
    assert_int_equal(ctl_when_read(">-2h", NOW, &after, &before, &f), 0);
    assert_int_equal(ctl_when_read("<-1h", NOW, &after, &before, &f), 0);
    assert_true(after == NOW - 2 * HOUR);
    assert_true(before == NOW - HOUR);
}

static void test_what_is_no_bound_is_told(void **state)
{
    static const char *const texts[] = {
        "",
        "now",
        "-1h",
        "<",
        "<1h",
        "<->1h",
        "<-",
        "<--1h",
        "<-1x",
        "<-h",
        "=now",
        "<today",
        "<2024-13-01",
        "<2024-11-27T09:33",
        "<now ",
        "<-1 h",
        "<-30m1h",
        "<1960-01-01",
        "<-90000d",
        "<+99999999999999999999d",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        int64_t after = 0, before = 0;
        struct fail f = {{0}};
        if (ctl_when_read(texts[i], NOW, &after, &before, &f) != -1)
            fail_msg("taken: %s", texts[i]);
        assert_true(f.text[0] != '\0');
        assert_true(after == 0 && before == 0);
    }
}

static void test_times_are_now_or_to_come_or_added(void **state)
{
    static const struct {
        const char *text;
        bool add;
        int64_t ms;
    } cases[] = {
        {"now", false, NOW},
        {"now+1h", false, NOW + HOUR},
        {"now+1h30m", false, NOW + 3 * HOUR / 2},
        {"2024-11-27 09:33:20", false, 1732700000000},
        {"+1h", true, HOUR},
        {"+0", true, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ctl_time t;
        struct fail f;
        assert_int_equal(ctl_time_read(cases[i].text, NOW, &t, &f), 0);
        assert_int_equal(t.add, cases[i].add);
        assert_true(t.ms == cases[i].ms);
    }
}

static void test_what_is_no_time_is_told(void **state)
{
    static const char *const texts[] = {"",   "-1h", "now-1h", "now+", "+",
                                        "+x", "1h",  "soon",   "<now"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct ctl_time t;
        struct fail f = {{0}};
        assert_int_equal(ctl_time_read(texts[i], NOW, &t, &f), -1);
        assert_true(f.text[0] != '\0');
    }
}

int main(void)
{
    (void)setenv("TZ", "UTC", 1);
    tzset();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_are_before_or_after_a_time),
        cmocka_unit_test(test_both_ends_are_kept),
        cmocka_unit_test(test_what_is_no_bound_is_told),
        cmocka_unit_test(test_times_are_now_or_to_come_or_added),
        cmocka_unit_test(test_what_is_no_time_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
