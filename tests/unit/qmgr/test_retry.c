#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "retry.h"

static const struct settings_retry defaults = {.first_retry_ms = 450000,
                                               .longest_wait_ms = 7ll * 86400000,
                                               .lifetime_ms = 5ll * 86400000,
                                               .attempts = 8,
                                               .jitter_percent = 1};

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

static void test_a_wait_is_never_longer_than_the_longest(void **state)
{
    struct settings_retry s = defaults;
    s.first_retry_ms = 86400000;
    s.jitter_percent = 0;
    assert_true(retry_wait_ms(&s, 3) == 4ll * 86400000);
    for (int i = 4; i <= 100; i++)
        assert_true(retry_wait_ms(&s, i) == 7ll * 86400000);
    s.jitter_percent = 50;
    for (int i = 0; i < 1000; i++)
        assert_true(retry_wait_ms(&s, 100) <= 7ll * 86400000 * 3 / 2);
    s.jitter_percent = 0;
    s.longest_wait_ms = 5ll * 3600000;
    assert_true(retry_wait_ms(&s, 1) == s.longest_wait_ms);
    assert_true(retry_wait_ms(&s, 9) == s.longest_wait_ms);
    s.jitter_percent = 50;
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

/* A fault seen elsewhere: 28 hours were promised where there were 14. */
static void test_the_last_attempt_is_where_the_schedule_has_it(void **state)
{
    static const struct {
        int attempts;
        double next, until, lifetime; /* minutes since the message arrived */
    } cases[] = {
        {7, 952.5, 952.5, 7200}, /* the next one is the last */
        {5, 232.5, 952.5, 7200}, {1, 7.5, 952.5, 7200},
        {1, 9, 954, 7200},                             /* from when the next one will really be */
        {5, 232.5, 232.5, 100},                        /* too old by then */
        {1, 7.5, 112.5, 60},                           /* the first attempt past the lifetime */
        {1, 7.5, 22.5, 22},      {1, 7.5, 52.5, 22.5}, /* at its very age it may be put off */
        {9, 5, 5, 7200},                               /* the setting was lowered meanwhile */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct settings_retry s = defaults;
        s.lifetime_ms = minutes(cases[i].lifetime);
        int64_t since = 1700000000000;
        int64_t until =
            retry_until_ms(&s, cases[i].attempts, since + minutes(cases[i].next), since);
        assert_int_equal(until - since, minutes(cases[i].until));
    }
}

static void test_a_message_ages_from_when_it_may_be_sent(void **state)
{
    const struct {
        int64_t received, not_before, since;
    } cases[] = {{1000, 0, 1000}, {1000, 5000, 5000}, {1000, 500, 1000}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct submit_envelope e = {.received_ms = cases[i].received,
                                    .not_before_ms = cases[i].not_before};
        assert_int_equal(retry_since_ms(&e), cases[i].since);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_wait_is_seven_and_a_half_minutes_doubled),
        cmocka_unit_test(test_the_spread_stays_within_its_percent_on_both_sides),
        cmocka_unit_test(test_a_wait_is_never_longer_than_the_longest),
        cmocka_unit_test(test_it_is_over_with_the_last_attempt),
        cmocka_unit_test(test_the_last_attempt_is_where_the_schedule_has_it),
        cmocka_unit_test(test_a_message_ages_from_when_it_may_be_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
