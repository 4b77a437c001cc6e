#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>
#include <cmocka.h>

#include "rfc3339.h"

static const struct {
    const char *text;
    int64_t ms;
} good[] = {
    /* RFC 3339 section 5.8 */
    {"1985-04-12T23:20:50.52Z", 482196050520},
    {"1996-12-19T16:39:57-08:00", 851042397000},
    {"1937-01-01T12:00:27.87+00:20", -1041337172130},
    /* the edges */
    {"1970-01-01T00:00:00Z", 0},
    {"1969-12-31T23:59:59.999Z", -1},
    {"0000-01-01T00:00:00Z", RFC3339_MIN},
    {"9999-12-31T23:59:59.999Z", RFC3339_MAX},
    {"2024-02-29T00:00:00Z", 1709164800000},
    {"2000-02-29T00:00:00Z", 951782400000},
    {"2024-03-01T01:59:59.000+02:00", 1709251199000},
    {"2024-01-01T00:00:00.123456789Z", 1704067200123},
    {"2024-01-01T00:00:00.999999999999999999Z", 1704067200999},
};

static void test_a_time_is_read_exactly(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t ms = 77;
        assert_int_equal(rfc3339_parse(span_text(good[i].text), &ms), 0);
        assert_int_equal(ms, good[i].ms);
    }
}

static void test_anything_else_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2024-01-01",
        "2024-01-01T00:00:00",
        "2024-01-01 00:00:00Z",
        "2024-01-01t00:00:00Z",
        "2024-01-01T00:00:00z",
        "2024-00-01T00:00:00Z",
        "2024-13-01T00:00:00Z",
        "2024-01-00T00:00:00Z",
        "2023-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2024-04-31T00:00:00Z",
        "2024-01-01T24:00:00Z",
        "2024-01-01T00:60:00Z",
        "1990-12-31T23:59:60Z",
        "2024-01-01T00:00:00.Z",
        "2024-01-01T00:00:00,5Z",
        "2024-01-01T00:00:00+0100",
        "2024-01-01T00:00:00+24:00",
        "2024-01-01T00:00:00+01:60",
        "2024-01-01T00:00:00Z ",
        " 2024-01-01T00:00:00Z",
        "24-01-01T00:00:00Z",
        "2024-1-01T00:00:00Z",
        "+2024-01-01T00:00:00Z",
        "2024-01-01T00:00:00.1234567890123456789Z",
        "2024-01-01T00:00:0/Z",
        "2024-01-01T00:00:00+-1:00",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms = 77;
        assert_int_equal(rfc3339_parse(span_text(bad[i]), &ms), -1);
        assert_int_equal(ms, 77);
    }
}

static void test_every_cut_of_a_time_is_refused(void **state)
{
    struct span whole = span_text("1937-01-01T12:00:27.87+00:20");
    int64_t ms;
    for (size_t n = 0; n < whole.n; n++)
        assert_int_equal(rfc3339_parse(span_of(whole.p, n), &ms), -1);
}

/* Against the C library's calendar, a prime number of milliseconds apart. */
static void test_what_is_written_is_right_and_reads_back(void **state)
{
    for (int64_t ms = RFC3339_MIN; ms <= RFC3339_MAX; ms += 100000000003 / 7) {
        struct buf out = {0};
        rfc3339_format(&out, ms);
        int64_t back;
        assert_int_equal(rfc3339_parse(buf_span(&out), &back), 0);
        assert_int_equal(back, ms);
        time_t seconds = (time_t)((ms - RFC3339_MIN) / 1000 + RFC3339_MIN / 1000);
        struct tm tm;
        char text[32];
        assert_non_null(gmtime_r(&seconds, &tm));
        assert_int_equal(snprintf(text, sizeof text, "%04d-%02d-%02dT%02d:%02d:%02d",
                                  tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                                  tm.tm_min, tm.tm_sec),
                         19);
        assert_memory_equal(buf_text(&out), text, 19);
        buf_free(&out);
    }
}

static void test_a_whole_second_has_no_fraction(void **state)
{
    struct buf out = {0};
    rfc3339_format(&out, 1704067200000);
    assert_string_equal(buf_text(&out), "2024-01-01T00:00:00Z");
    buf_clear(&out);
    rfc3339_format(&out, 1704067200020);
    assert_string_equal(buf_text(&out), "2024-01-01T00:00:00.020Z");
    buf_free(&out);
}

static void test_a_time_beyond_four_digits_is_written_as_the_bound(void **state)
{
    struct buf out = {0};
    rfc3339_format(&out, INT64_MIN);
    assert_string_equal(buf_text(&out), "0000-01-01T00:00:00Z");
    buf_clear(&out);
    rfc3339_format(&out, INT64_MAX);
    assert_string_equal(buf_text(&out), "9999-12-31T23:59:59.999Z");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_time_is_read_exactly),
        cmocka_unit_test(test_anything_else_is_refused),
        cmocka_unit_test(test_every_cut_of_a_time_is_refused),
        cmocka_unit_test(test_what_is_written_is_right_and_reads_back),
        cmocka_unit_test(test_a_whole_second_has_no_fraction),
        cmocka_unit_test(test_a_time_beyond_four_digits_is_written_as_the_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
