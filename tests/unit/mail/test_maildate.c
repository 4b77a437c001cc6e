#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "maildate.h"

static const char *written(struct buf *out, void (*write)(struct buf *, int64_t, int), int64_t ms,
                           int zone)
{
    buf_clear(out);
    write(out, ms, zone);
    return buf_text(out);
}

static void test_dates_are_written_at_their_offset(void **state)
{
    struct buf b = {0};
    int64_t t = INT64_C(1136239445678); /* 2006-01-02T22:04:05.678Z */
    assert_string_equal(written(&b, maildate_write, t, -7 * 60), "Mon, 2 Jan 2006 15:04:05 -0700");
    assert_string_equal(written(&b, maildate_write, t, 0), "Mon, 2 Jan 2006 22:04:05 +0000");
    assert_string_equal(written(&b, maildate_write, t, 330), "Tue, 3 Jan 2006 03:34:05 +0530");
    assert_string_equal(written(&b, maildate_write_short, t, -7 * 60), "2 Jan 2006 15:04:05 -0700");
    assert_string_equal(written(&b, maildate_write_rfc3339, t, 0), "2006-01-02T22:04:05.678Z");
    assert_string_equal(written(&b, maildate_write_rfc3339, t, -210),
                        "2006-01-02T18:34:05.678-03:30");
    assert_string_equal(written(&b, maildate_write_rfc3339, -1, 0), "1969-12-31T23:59:59.999Z");
    assert_string_equal(written(&b, maildate_write, 0, 0), "Thu, 1 Jan 1970 00:00:00 +0000");
    assert_string_equal(written(&b, maildate_write_rfc3339, INT64_MIN, 0),
                        "0001-01-01T00:00:00.000Z");
    assert_string_equal(written(&b, maildate_write_rfc3339, INT64_MAX, 60),
                        "9999-12-31T23:59:59.999+01:00");
    buf_free(&b);
}

static void test_every_day_of_three_centuries_agrees_with_the_c_library(void **state)
{
    static const char names[] = "SunMonTueWedThuFriSat";
    struct buf b = {0};
    for (int64_t day = -150 * 366; day < 150 * 366; day++) {
        time_t t = (time_t)(day * 86400 + 86399);
        struct tm tm;
        char want[64];
        int64_t back;
        gmtime_r(&t, &tm);
        snprintf(want, sizeof want, "%04d-%02d-%02dT23:59:59.000Z", tm.tm_year + 1900,
                 tm.tm_mon + 1, tm.tm_mday);
        assert_string_equal(written(&b, maildate_write_rfc3339, t * INT64_C(1000), 0), want);
        assert_int_equal(maildate_parse_rfc3339(buf_span(&b), &back, NULL, NULL), 0);
        assert_true(back == t * INT64_C(1000));
        written(&b, maildate_write, t * INT64_C(1000), 0);
        assert_memory_equal(buf_text(&b), names + 3 * tm.tm_wday, 3);
        assert_int_equal(maildate_parse(buf_span(&b), &back, NULL, NULL), 0);
        assert_true(back == t * INT64_C(1000));
    }
    buf_free(&b);
}

static const struct {
    const char *text;
    int64_t seconds;
    int zone;
} good[] = {
    /* RFC 5322 appendix A */
    {"Fri, 21 Nov 1997 09:55:06 -0600", 880127706, -360},
    {"Tue, 1 Jul 2003 10:52:37 +0200", 1057049557, 120},
    {"Thu, 13 Feb 1969 23:32:54 -0330", -27723426, -210},
    {"Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n"
     "               -0330 (Newfoundland Time)",
     -27723480, -210},
    {"21 Nov 97 09:55:06 GMT", 880106106, 0},
    {"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", 880127706, -360},
    {"2 Jan 2006 15:04:05 -0700", 1136239445, -420},
    {"mon, 2 jan 06 22:04:05 ut", 1136239445, 0},
    {"Mon, 2 Jan 2006 17:04:05 EST", 1136239445, -300},
    {"Mon, 2 Jan 2006 15:04:05 PDT", 1136239445, -420},
    {"Mon, 2 Jan 2006 22:04:05 Z", 1136239445, 0},
    {"Mon, 2 Jan 2006 22:04:05 B", 1136239445, 0},
    {"Mon, 2 Jan 2006 22:04:05 CEST", 1136239445, 0},
    {"Mon, 2 Jan 106 22:04:05 -0000", 1136239445, 0},
    {"Sun, 2 Jan 2006 22:04:05 +0000", 1136239445, 0}, /* it was a Monday */
    {"2 Jan 2006 2:04 +0000", 1136167440, 0},
    {"31 Dec 2016 23:59:60 +0000", 1483228800, 0},
    {"29 Feb 2000 00:00:00 +0000", 951782400, 0},
    {"1 Jan 49 00:00:00 +0000", 2493072000, 0},
    {"1 Jan 50 00:00:00 +0000", -631152000, 0},
    {"(a (nested) comment) 1 Jan 1970 00:00:00 +0000", 0, 0},
    {"1 Jan 1970 00:00:00 +0000 (never closed", 0, 0},
};

static void test_header_dates_are_read_old_forms_included(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        int64_t ms;
        int zone;
        assert_int_equal(maildate_parse(span_text(good[i].text), &ms, &zone, NULL), 0);
        assert_true(ms == good[i].seconds * 1000);
        assert_int_equal(zone, good[i].zone);
    }
}

static const char *const bad[] = {
    "",
    "yesterday",
    "Mon 2 Jan 2006 22:04:05 +0000",
    "Foo, 2 Jan 2006 22:04:05 +0000",
    "2 Foo 2006 22:04:05 +0000",
    "32 Jan 2006 22:04:05 +0000",
    "0 Jan 2006 22:04:05 +0000",
    "29 Feb 1900 22:04:05 +0000",
    "30 Feb 2000 22:04:05 +0000",
    "31 Apr 2006 22:04:05 +0000",
    "2 Jan 20066 22:04:05 +0000",
    "2 Jan 6 22:04:05 +0000",
    "2 Jan 0000 22:04:05 +0000",
    "2 Jan 2006 24:04:05 +0000",
    "2 Jan 2006 22:60:05 +0000",
    "2 Jan 2006 22:04:61 +0000",
    "2 Jan 2006 22:4:05 +0000",
    "2 Jan 2006 22:04:05",
    "2 Jan 2006 22:04:05 +00",
    "2 Jan 2006 22:04:05 +0060",
    "2 Jan 2006 22:04:05 +2400",
    "2 Jan 2006 22:04:05 +0000 x",
    "2006-01-02T22:04:05Z",
};

static void test_what_is_no_date_is_refused(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t ms = 42;
        int zone = 42;
        struct fail f = {""};
        assert_int_equal(maildate_parse(span_text(bad[i]), &ms, &zone, &f), -1);
        assert_int_equal(ms, 42);
        assert_int_equal(zone, 42);
        assert_true(f.text[0] != '\0');
    }
}

static const struct {
    const char *text;
    int64_t ms;
    int zone;
} rfc3339[] = {
    /* RFC 3339 5.8 */
    {"1985-04-12T23:20:50.52Z", INT64_C(482196050520), 0},
    {"1996-12-19T16:39:57-08:00", INT64_C(851042397000), -480},
    {"1990-12-31T23:59:60Z", INT64_C(662688000000), 0},
    {"1937-01-01T12:00:27.87+00:20", INT64_C(-1041337172130), 20},
    {"2006-01-02t22:04:05z", INT64_C(1136239445000), 0},
    {"2006-01-02T22:04:05.123456789Z", INT64_C(1136239445123), 0},
    {"2006-01-02T22:04:05.1Z", INT64_C(1136239445100), 0},
};

static const char *const bad3339[] = {
    "",
    "2006-01-02",
    "2006-01-02T22:04:05",
    "2006-01-02 22:04:05Z",
    "2006-1-02T22:04:05Z",
    "2006-01-02T22:04Z",
    "2006-01-02T22:04:05.Z",
    "2006-01-02T22:04:05,1Z",
    "2006-13-02T22:04:05Z",
    "2006-00-02T22:04:05Z",
    "2006-02-29T22:04:05Z",
    "2006-01-02T24:00:00Z",
    "2006-01-02T22:04:05+0100",
    "2006-01-02T22:04:05+24:00",
    "2006-01-02T22:04:05+01:60",
    "2006-01-02T22:04:05Zx",
    " 2006-01-02T22:04:05Z",
    "-006-01-02T22:04:05Z",
    "0000-01-02T22:04:05Z",
    "0001-01-01T00:00:00+01:00",
    "9999-12-31T23:59:59-01:00",
};

static void test_rfc_3339_times_are_read_strictly(void **state)
{
    for (size_t i = 0; i < sizeof rfc3339 / sizeof rfc3339[0]; i++) {
        int64_t ms;
        int zone;
        assert_int_equal(maildate_parse_rfc3339(span_text(rfc3339[i].text), &ms, &zone, NULL), 0);
        assert_true(ms == rfc3339[i].ms);
        assert_int_equal(zone, rfc3339[i].zone);
    }
    for (size_t i = 0; i < sizeof bad3339 / sizeof bad3339[0]; i++) {
        int64_t ms = 42;
        assert_int_equal(maildate_parse_rfc3339(span_text(bad3339[i]), &ms, NULL, NULL), -1);
        assert_int_equal(ms, 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dates_are_written_at_their_offset),
        cmocka_unit_test(test_every_day_of_three_centuries_agrees_with_the_c_library),
        cmocka_unit_test(test_header_dates_are_read_old_forms_included),
        cmocka_unit_test(test_what_is_no_date_is_refused),
        cmocka_unit_test(test_rfc_3339_times_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
