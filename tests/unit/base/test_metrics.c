#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "metrics.h"

enum { CALLS, RESULTS, OPEN, TIME, ALL };

static const char *const methods[] = {"Send", "List", "Get", NULL};
static const char *const results[] = {"ok", "error", NULL};
static const uint64_t bounds[] = {10, 100};

static const struct metrics_family families[ALL] = {
    [CALLS] = {"calls_total", "Calls.", METRICS_COUNTER},
    [RESULTS] = {"results_total",
                 "Results.",
                 METRICS_COUNTER,
                 {{"method", methods}, {"result", results}}},
    [OPEN] = {"open", "Open.", METRICS_GAUGE, {{"result", results}}},
    [TIME] = {"seconds", "Time.", METRICS_HISTOGRAM, {{"method", methods}}, bounds, 2, 1000},
};

static uint64_t slot(const struct metrics *m, size_t family, size_t series, size_t i)
{
    return metrics_slots(m, family, series)[i];
}

static void test_a_counter_adds_up_in_its_own_series_alone(void **state)
{
    struct metrics *m = metrics_new(families, ALL);
    metrics_add(m, CALLS, METRICS_AT(0), 1);
    metrics_add(m, CALLS, METRICS_AT(0), 4);
    metrics_add(m, RESULTS, METRICS_AT(1, 1), 7);
    assert_int_equal(slot(m, CALLS, 0, 0), 5);
    assert_int_equal(metrics_series(m, CALLS), 1);
    assert_int_equal(metrics_series(m, RESULTS), 6);
    for (size_t i = 0; i < 6; i++) {
        struct metrics_at at = metrics_series_at(m, RESULTS, i);
        assert_int_equal(slot(m, RESULTS, i, 0), at.label[0] == 1 && at.label[1] == 1 ? 7 : 0);
        assert_int_equal(at.label[0], i / 2);
        assert_int_equal(at.label[1], i % 2);
    }
    metrics_free(&m);
    assert_null(m);
    metrics_free(&m);
}

static void test_a_gauge_is_set_and_moves_both_ways(void **state)
{
    struct metrics *m = metrics_new(families, ALL);
    metrics_set(m, OPEN, METRICS_AT(1), -5);
    metrics_add(m, OPEN, METRICS_AT(1), 3);
    assert_int_equal((int64_t)slot(m, OPEN, 1, 0), -2);
    metrics_sub(m, OPEN, METRICS_AT(1), 1);
    assert_int_equal((int64_t)slot(m, OPEN, 1, 0), -3);
    assert_int_equal(slot(m, OPEN, 0, 0), 0);
    metrics_free(&m);
}

static void test_an_observation_falls_into_the_first_bucket_that_holds_it(void **state)
{
    struct metrics *m = metrics_new(families, ALL);
    static const uint64_t seen[] = {0, 10, 11, 100, 101, 5000};
    for (size_t i = 0; i < 6; i++)
        metrics_observe(m, TIME, METRICS_AT(2), seen[i]);
    assert_int_equal(slot(m, TIME, 2, 0), 2);
    assert_int_equal(slot(m, TIME, 2, 1), 2);
    assert_int_equal(slot(m, TIME, 2, 2), 2);
    assert_int_equal(slot(m, TIME, 2, 3), 5222);
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(slot(m, TIME, 1, i), 0);
    metrics_free(&m);
}

static void report(const struct metrics *m, struct buf *out)
{
    buf_clear(out);
    metrics_save(m, out);
}

static void test_reports_of_two_processes_add_up(void **state)
{
    struct metrics *total = metrics_new(families, ALL), *a = metrics_new(families, ALL),
                   *b = metrics_new(families, ALL), *last_a = metrics_new(families, ALL),
                   *last_b = metrics_new(families, ALL);
    struct buf out = {0};
    metrics_add(a, CALLS, METRICS_AT(0), 10);
    metrics_set(a, OPEN, METRICS_AT(0), 4);
    metrics_add(b, CALLS, METRICS_AT(0), 1);
    metrics_set(b, OPEN, METRICS_AT(0), 2);
    metrics_observe(b, TIME, METRICS_AT(0), 500);
    report(a, &out);
    assert_int_equal(metrics_fold(total, last_a, buf_span(&out), NULL), 0);
    assert_int_equal(metrics_fold(total, last_a, buf_span(&out), NULL), 0); /* adds nothing twice */
    report(b, &out);
    assert_int_equal(metrics_fold(total, last_b, buf_span(&out), NULL), 0);
    assert_int_equal(slot(total, CALLS, 0, 0), 11);
    assert_int_equal(slot(total, OPEN, 0, 0), 6);
    assert_int_equal(slot(total, TIME, 0, 3), 500);
    metrics_set(a, OPEN, METRICS_AT(0), 1);
    report(a, &out);
    assert_int_equal(metrics_fold(total, last_a, buf_span(&out), NULL), 0);
    assert_int_equal(slot(total, OPEN, 0, 0), 3);
    metrics_free(&total);
    metrics_free(&a);
    metrics_free(&b);
    metrics_free(&last_a);
    metrics_free(&last_b);
    buf_free(&out);
}

static void test_what_a_process_counted_outlives_it(void **state)
{
    struct metrics *total = metrics_new(families, ALL), *one = metrics_new(families, ALL),
                   *last = metrics_new(families, ALL);
    struct buf out = {0};
    metrics_add(one, CALLS, METRICS_AT(0), 10);
    metrics_set(one, OPEN, METRICS_AT(1), 4);
    report(one, &out);
    assert_int_equal(metrics_fold(total, last, buf_span(&out), NULL), 0);
    metrics_gone(total, last);
    assert_int_equal(slot(total, CALLS, 0, 0), 10);
    assert_int_equal(slot(total, OPEN, 1, 0), 0);
    struct metrics *successor = metrics_new(families, ALL);
    metrics_add(successor, CALLS, METRICS_AT(0), 2);
    metrics_set(successor, OPEN, METRICS_AT(1), 1);
    report(successor, &out);
    assert_int_equal(metrics_fold(total, last, buf_span(&out), NULL), 0);
    assert_int_equal(slot(total, CALLS, 0, 0), 12);
    assert_int_equal(slot(total, OPEN, 1, 0), 1);
    metrics_free(&total);
    metrics_free(&one);
    metrics_free(&successor);
    metrics_free(&last);
    buf_free(&out);
}

static void test_a_report_is_its_fingerprint_and_what_is_not_zero(void **state)
{
    struct metrics *m = metrics_new(families, ALL);
    struct buf out = {0};
    metrics_save(m, &out);
    assert_int_equal(out.n, 8);
    metrics_add(m, RESULTS, METRICS_AT(0, 1), 0x0102);
    report(m, &out);
    assert_int_equal(out.n, 20);
    assert_memory_equal(buf_span(&out).p + 8, "\0\0\0\2\0\0\0\0\0\0\1\2", 12);
    buf_free(&out);
    metrics_free(&m);
}

static void refused(struct metrics *total, struct metrics *last, struct span saved, const char *why)
{
    struct fail f = {0};
    assert_int_equal(metrics_fold(total, last, saved, &f), -1);
    assert_non_null(strstr(f.text, why));
    assert_int_equal(slot(total, CALLS, 0, 0), 0);
    assert_int_equal(slot(last, CALLS, 0, 0), 0);
}

static void test_octets_that_are_no_report_change_nothing(void **state)
{
    struct metrics *m = metrics_new(families, ALL), *total = metrics_new(families, ALL),
                   *last = metrics_new(families, ALL), *other = metrics_new(families, TIME);
    struct buf out = {0};
    metrics_add(m, CALLS, METRICS_AT(0), 3);
    metrics_save(m, &out);
    for (size_t n = 0; n < out.n; n++) {
        if (n != 8)
            refused(total, last, span_of(buf_span(&out).p, n), "wrong length");
    }
    buf_put(&out, "\0\0\0\x15\0\0\0\0\0\0\0\1", 12); /* there are 21 slots */
    refused(total, last, buf_span(&out), "names slot 21");
    report(other, &out);
    refused(total, last, buf_span(&out), "another table");
    metrics_free(&m);
    metrics_free(&total);
    metrics_free(&last);
    metrics_free(&other);
    buf_free(&out);
}

static void test_tables_that_differ_anywhere_do_not_mix(void **state)
{
    static const char *const other_results[] = {"ok", "errors", NULL};
    static const uint64_t other_bounds[] = {10, 101};
    struct metrics_family changed[ALL];
    struct buf out = {0};
    for (int i = 0; i < 4; i++) {
        memcpy(changed, families, sizeof families);
        if (i == 0)
            changed[CALLS].name = "call_total";
        if (i == 1)
            changed[CALLS].type = METRICS_GAUGE;
        if (i == 2)
            changed[OPEN].labels[0].values = other_results;
        if (i == 3)
            changed[TIME].bounds = other_bounds;
        struct metrics *m = metrics_new(changed, ALL), *total = metrics_new(families, ALL),
                       *last = metrics_new(families, ALL);
        report(m, &out);
        refused(total, last, buf_span(&out), "another table");
        metrics_free(&m);
        metrics_free(&total);
        metrics_free(&last);
    }
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_counter_adds_up_in_its_own_series_alone),
        cmocka_unit_test(test_a_gauge_is_set_and_moves_both_ways),
        cmocka_unit_test(test_an_observation_falls_into_the_first_bucket_that_holds_it),
        cmocka_unit_test(test_reports_of_two_processes_add_up),
        cmocka_unit_test(test_what_a_process_counted_outlives_it),
        cmocka_unit_test(test_a_report_is_its_fingerprint_and_what_is_not_zero),
        cmocka_unit_test(test_octets_that_are_no_report_change_nothing),
        cmocka_unit_test(test_tables_that_differ_anywhere_do_not_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
