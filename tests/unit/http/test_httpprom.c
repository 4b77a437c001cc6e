#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "httpprom.h"

static const char *const results[] = {"ok", "a\"b\\c\n", NULL};
static const uint64_t bounds_us[] = {10000, 500000, 1000000, 2500000};

enum { PLAIN, LABELLED, PRESET, GAUGE, TIME, ALL };

static const struct metrics_family families[ALL] = {
    [PLAIN] = {"plain_total", "One\nline \\ two.", METRICS_COUNTER},
    [LABELLED] = {"labelled_total",
                  "Two.",
                  METRICS_COUNTER,
                  {{"result", results}, {"again", results}}},
    [PRESET] = {"preset_total", "Three.", METRICS_COUNTER, {{"result", results}}, .preset = true},
    [GAUGE] = {"open", "Four.", METRICS_GAUGE},
    [TIME] =
        {"time_seconds", "Five.", METRICS_HISTOGRAM, {{"result", results}}, bounds_us, 4, 1000000},
};

static void test_the_whole_text_is_as_prometheus_reads_it(void **state)
{
    struct metrics *m = metrics_new(families, ALL);
    struct buf out = {0};
    metrics_add(m, LABELLED, METRICS_AT(1, 0), 18446744073709551615u);
    metrics_set(m, GAUGE, METRICS_AT(0), -3);
    metrics_observe(m, TIME, METRICS_AT(0), 10000);
    metrics_observe(m, TIME, METRICS_AT(0), 700000);
    metrics_observe(m, TIME, METRICS_AT(0), 3000001);
    httpprom_metrics(&out, m);
    assert_string_equal(
        buf_text(&out),
        "# HELP plain_total One\\nline \\\\ two.\n"
        "# TYPE plain_total counter\n"
        "plain_total 0\n"
        "# HELP labelled_total Two.\n"
        "# TYPE labelled_total counter\n"
        "labelled_total{result=\"a\\\"b\\\\c\\n\",again=\"ok\"} 18446744073709551615\n"
        "# HELP preset_total Three.\n"
        "# TYPE preset_total counter\n"
        "preset_total{result=\"ok\"} 0\n"
        "preset_total{result=\"a\\\"b\\\\c\\n\"} 0\n"
        "# HELP open Four.\n"
        "# TYPE open gauge\n"
        "open -3\n"
        "# HELP time_seconds Five.\n"
        "# TYPE time_seconds histogram\n"
        "time_seconds_bucket{result=\"ok\",le=\"0.01\"} 1\n"
        "time_seconds_bucket{result=\"ok\",le=\"0.5\"} 1\n"
        "time_seconds_bucket{result=\"ok\",le=\"1\"} 2\n"
        "time_seconds_bucket{result=\"ok\",le=\"2.5\"} 2\n"
        "time_seconds_bucket{result=\"ok\",le=\"+Inf\"} 3\n"
        "time_seconds_sum{result=\"ok\"} 3.710001\n"
        "time_seconds_count{result=\"ok\"} 3\n");
    buf_free(&out);
    metrics_free(&m);
}

static void test_single_samples_can_be_written(void **state)
{
    struct buf out = {0};
    httpprom_family(&out, "up", "Is up.", METRICS_GAUGE);
    httpprom_sample(&out, "up", NULL, INT64_MIN);
    httpprom_sample(&out, "up", (const struct httpprom_label[]){{"p", "a\xff"}, {"q", ""}, {0}}, 1);
    assert_string_equal(buf_text(&out), "# HELP up Is up.\n"
                                        "# TYPE up gauge\n"
                                        "up -9223372036854775808\n"
                                        "up{p=\"a\xef\xbf\xbd\",q=\"\"} 1\n");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_whole_text_is_as_prometheus_reads_it),
        cmocka_unit_test(test_single_samples_can_be_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
