#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "retry.h"

static const struct settings_retry defaults = {
    .first_retry_ms = 450000, .attempts = 8, .jitter_percent = 1};

static int64_t minutes(double m)
{
    return (int64_t)(m * 60000);
}

static void test_the_wait_is_seven_and_a_half_minutes_doubled(void **state)
{
    static const double waits[] = {7.5, 15, 30, 60, 120, 240, 480, 960, 1920};
    struct settings_retry s = defaults;
    s.jitter_percent = 0;
    for (int i = 0; i < 9; i++)
        assert_true(retry_wait_ms(&s, i + 1) == minutes(waits[i]));
}

static void test_the_spread_stays_within_its_percent_on_both_sides(void **state)
{
    static const int percents[] = {1, 5, 50};
    for (int p = 0; p < 3; p++) {
        struct settings_retry s = defaults;
        s.jitter_percent = percents[p];
        int64_t plain = minutes(7.5), spread = plain * percents[p] / 100, least = INT64_MAX,
                most = 0;
        for (int i = 0; i < 20000; i++) {
            int64_t w = retry_wait_ms(&s, 1);
            assert_true(w >= plain - spread && w <= plain + spread);
            least = w < least ? w : least;
            most = w > most ? w : most;
        }
        /* And uses nearly all of it. */
        assert_true(least < plain - spread * 9 / 10);
        assert_true(most > plain + spread * 9 / 10);
    }
}

static void test_a_wait_is_never_longer_than_a_week(void **state)
{
    struct settings_retry s = {.first_retry_ms = 86400000, .attempts = 100, .jitter_percent = 0};
    assert_true(retry_wait_ms(&s, 3) == 4ll * 86400000);
    for (int i = 4; i <= 100; i++)
        assert_true(retry_wait_ms(&s, i) == 7ll * 86400000);
    s.jitter_percent = 50;
    for (int i = 0; i < 1000; i++)
        assert_true(retry_wait_ms(&s, 100) <= 7ll * 86400000 * 3 / 2);
    s.first_retry_ms = 1; /* so little that there is nothing to spread */
    assert_true(retry_wait_ms(&s, 1) == 1);
}

static void test_it_is_over_with_the_last_attempt(void **state)
{
    for (int n = 1; n < 8; n++)
        assert_false(retry_is_over(&defaults, n));
    assert_true(retry_is_over(&defaults, 8));
    assert_true(retry_is_over(&defaults, 9)); /* the setting was lowered meanwhile */
}

static void test_what_remains_is_the_sum_of_the_waits_to_come(void **state)
{
    assert_true(retry_remaining_ms(&defaults, 8) == 0);
    assert_true(retry_remaining_ms(&defaults, 9) == 0);
    assert_true(retry_remaining_ms(&defaults, 7) == minutes(480));
    assert_true(retry_remaining_ms(&defaults, 5) == minutes(120 + 240 + 480));
    assert_true(retry_remaining_ms(&defaults, 1) == minutes(952.5));
    struct settings_retry s = {.first_retry_ms = 86400000, .attempts = 100};
    assert_true(retry_remaining_ms(&s, 1) == (1ll + 2 + 4 + 96 * 7) * 86400000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_wait_is_seven_and_a_half_minutes_doubled),
        cmocka_unit_test(test_the_spread_stays_within_its_percent_on_both_sides),
        cmocka_unit_test(test_a_wait_is_never_longer_than_a_week),
        cmocka_unit_test(test_it_is_over_with_the_last_attempt),
        cmocka_unit_test(test_what_remains_is_the_sum_of_the_waits_to_come),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
