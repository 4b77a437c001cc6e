#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "mem.h"
#include "tlsresult.h"

static struct tlsresult_detail detail_of(enum tlsresult_type type, const char *mx, uint64_t n)
{
    return (struct tlsresult_detail){.type = type, .mx = (char *)mx, .sessions = n};
}

static struct tlsresult *sample(void)
{
    static const char *const lines[] = {"version: STSv1", "mode: testing", "max_age: 1"};
    struct tlsresult *r = tlsresult_new(20000, "example.com", "example.com", false);
    struct tlsresult_entry *e = tlsresult_entry(r, TLSRESULT_STS, lines, 3);
    struct tlsresult_detail d = detail_of(TLSRESULT_CERTIFICATE_EXPIRED, "mx1.example.com", 2);
    e->success = 5;
    e->failure = 3;
    tlsresult_detail_add(e, &d);
    d = detail_of(TLSRESULT_STARTTLS_NOT_SUPPORTED, "mx2.example.com", 1);
    d.reason = (char *)"smtp-starttls-reply-code-454";
    tlsresult_detail_add(e, &d);
    r->is_wanted = true;
    return r;
}

static struct buf octets_of(const struct tlsresult *r)
{
    struct buf b = {0};
    tlsresult_put(&b, r);
    return b;
}

static void test_names_are_those_of_the_rfc(void **state)
{
    assert_string_equal(tlsresult_type_name(TLSRESULT_STARTTLS_NOT_SUPPORTED),
                        "starttls-not-supported");
    assert_string_equal(tlsresult_type_name(TLSRESULT_STS_WEBPKI_INVALID), "sts-webpki-invalid");
    for (int i = 0; i < TLSRESULT_TYPES; i++)
        assert_non_null(tlsresult_type_name((enum tlsresult_type)i));
    assert_string_equal(tlsresult_policy_name(TLSRESULT_NO_POLICY), "no-policy-found");
    assert_string_equal(tlsresult_policy_name(TLSRESULT_STS), "sts");
    assert_string_equal(tlsresult_policy_name(TLSRESULT_TLSA), "tlsa");
}

static void test_days_begin_at_midnight_utc(void **state)
{
    assert_int_equal(tlsresult_day(0), 0);
    assert_int_equal(tlsresult_day(86399999), 0);
    assert_int_equal(tlsresult_day(86400000), 1);
    assert_int_equal(tlsresult_day(1700000000000), 19675);
    assert_int_equal(tlsresult_day(-1), 0);
}

static void test_octets_give_the_same_back(void **state)
{
    struct tlsresult *r = sample();
    struct buf octets = octets_of(r);
    for (size_t n = 0; n <= octets.n; n++) {
        struct wire w = wire_open(span_of(buf_span(&octets).p, n));
        struct tlsresult *back = tlsresult_get(&w);
        assert_int_equal(wire_end(&w), n == octets.n ? 0 : -1);
        if (n == octets.n) {
            struct buf again = octets_of(back);
            assert_true(span_equal(buf_span(&octets), buf_span(&again)));
            buf_free(&again);
        }
        tlsresult_free(&back);
    }
    buf_free(&octets);
    tlsresult_free(&r);
}

static void test_same_policies_and_failures_are_counted_together(void **state)
{
    struct tlsresult *to = sample(), *from = sample();
    struct tlsresult_detail d = detail_of(TLSRESULT_CERTIFICATE_EXPIRED, "mx3.example.com", 7);
    static const char *const others[] = {"3 1 1 bb", "3 1 1 aa"}, *const turned[] = {"3 1 1 aa",
                                                                                     "3 1 1 bb"};
    tlsresult_detail_add(&from->entries[0], &d);
    tlsresult_entry(from, TLSRESULT_TLSA, others, 2)->success = 1;
    tlsresult_add(to, from);
    tlsresult_entry(to, TLSRESULT_TLSA, turned, 2)->success++; /* their order is no matter */
    assert_int_equal(to->entries_n, 2);
    assert_int_equal(to->entries[0].success, 10);
    assert_int_equal(to->entries[0].failure, 6);
    assert_int_equal(to->entries[0].details_n, 3);
    assert_int_equal(to->entries[0].details[0].sessions, 4);
    assert_int_equal(to->entries[0].details[1].sessions, 2);
    assert_int_equal(to->entries[0].details[2].sessions, 7);
    assert_int_equal(to->entries[1].policy, TLSRESULT_TLSA);
    assert_int_equal(to->entries[1].success, 2);
    assert_string_equal(to->entries[1].strings[0], "3 1 1 aa");
    tlsresult_free(&to);
    tlsresult_free(&from);
}

static void test_what_strangers_sent_is_cut_and_made_printable(void **state)
{
    char greeting[400];
    struct tlsresult *r = sample();
    struct tlsresult_detail d = detail_of(TLSRESULT_VALIDATION_FAILURE, "mx\r\n\x1b[2J\xff", 1);
    memset(greeting, 'x', sizeof greeting);
    greeting[sizeof greeting - 1] = '\0';
    d.helo = greeting;
    tlsresult_detail_add(&r->entries[0], &d);
    assert_string_equal(r->entries[0].details[2].mx, "mx???[2J?");
    assert_int_equal(strlen(r->entries[0].details[2].helo), TLSRESULT_TEXT_MAX);
    tlsresult_free(&r);
}

static void test_whatever_comes_the_row_stays_bounded_and_nothing_goes_uncounted(void **state)
{
    struct tlsresult *r = tlsresult_new(1, "example.com", "example.com", false), *back;
    uint64_t success = 0, sessions = 0;
    for (unsigned i = 0; i < 40; i++) {
        char *line = mem_format("3 1 1 %u", i);
        struct tlsresult_entry *e =
            tlsresult_entry(r, TLSRESULT_TLSA, (const char *const *)&line, 1);
        e->success++;
        mem_free(&line);
    }
    for (unsigned i = 0; i < 200; i++) {
        char *mx = mem_format("mx%u.example.com", i);
        struct tlsresult_detail d = detail_of(TLSRESULT_CERTIFICATE_EXPIRED, mx, 1);
        tlsresult_detail_add(&r->entries[0], &d);
        mem_free(&mx);
    }
    assert_int_equal(r->entries_n, TLSRESULT_ENTRIES_MAX);
    for (size_t i = 0; i < r->entries_n; i++)
        success += r->entries[i].success;
    assert_int_equal(success, 40);
    assert_int_equal(r->entries[0].details_n, TLSRESULT_DETAILS_MAX);
    for (size_t i = 0; i < TLSRESULT_DETAILS_MAX; i++)
        sessions += r->entries[0].details[i].sessions;
    assert_int_equal(sessions, 200);
    assert_string_equal(r->entries[0].details[TLSRESULT_DETAILS_MAX - 1].mx, "");
    struct buf octets = octets_of(r);
    struct wire w = wire_open(buf_span(&octets));
    back = tlsresult_get(&w);
    assert_int_equal(wire_end(&w), 0);
    tlsresult_free(&back);
    tlsresult_free(&r);
    buf_free(&octets);
}

static void test_counters_stop_where_json_does(void **state)
{
    struct tlsresult *to = sample(), *from = sample();
    to->entries[0].success = TLSRESULT_COUNT_MAX - 2;
    tlsresult_add(to, from);
    assert_true(to->entries[0].success == TLSRESULT_COUNT_MAX);
    tlsresult_free(&to);
    tlsresult_free(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_are_those_of_the_rfc),
        cmocka_unit_test(test_days_begin_at_midnight_utc),
        cmocka_unit_test(test_octets_give_the_same_back),
        cmocka_unit_test(test_same_policies_and_failures_are_counted_together),
        cmocka_unit_test(test_what_strangers_sent_is_cut_and_made_printable),
        cmocka_unit_test(test_whatever_comes_the_row_stays_bounded_and_nothing_goes_uncounted),
        cmocka_unit_test(test_counters_stop_where_json_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
