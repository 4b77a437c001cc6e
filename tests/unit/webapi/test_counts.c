#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "counts.h"
#include "method_send.h"

static int set_up(void **state)
{
    *state = counts_new("webapi/1");
    return 0;
}

static int tear_down(void **state)
{
    struct counts *c = *state;
    counts_free(&c);
    assert_null(c);
    counts_free(&c);
    return 0;
}

static void expect(struct counts *c, const char *line)
{
    struct buf out = {0};
    counts_write(c, &out);
    if (strstr(buf_text(&out), line) == NULL)
        fail_msg("no \"%s\" in:\n%s", line, buf_text(&out));
    buf_free(&out);
}

static void test_calls_are_counted_by_method_and_result(void **state)
{
    counts_result(*state, &method_send, COUNT_OK, 60000);
    counts_result(*state, &method_send, COUNT_OK, 40000000);
    counts_result(*state, &method_send, COUNT_BAD_AUTH, -1);
    counts_refused(*state, &method_send, CODE_PART_NOT_FOUND, 10000);
    expect(*state, "\nquartermaster_webapi_results_total{method=\"Send\",result=\"ok\",process="
                   "\"webapi/1\"} 2\n");
    expect(*state, "\nquartermaster_webapi_results_total{method=\"Send\",result=\"badauth\","
                   "process=\"webapi/1\"} 1\n");
    expect(*state, "\nquartermaster_webapi_results_total{method=\"Send\",result=\"partNotFound\","
                   "process=\"webapi/1\"} 1\n");
    expect(*state,
           "_duration_seconds_bucket{method=\"Send\",process=\"webapi/1\",le=\"0.01\"} 1\n");
    expect(*state, "_duration_seconds_bucket{method=\"Send\",process=\"webapi/1\",le=\"0.1\"} 2\n");
    expect(*state,
           "_duration_seconds_bucket{method=\"Send\",process=\"webapi/1\",le=\"+Inf\"} 3\n");
}

static void test_submissions_and_failures_are_there_from_the_start(void **state)
{
    expect(
        *state,
        "\nquartermaster_webapi_submission_total{result=\"queueerror\",process=\"webapi/1\"} 0\n");
    expect(*state,
           "\nquartermaster_webapi_errors_total{error=\"submit\",process=\"webapi/1\"} 0\n");
    counts_submission(*state, COUNT_DOMAIN_DISABLED);
    counts_error(*state, COUNT_DKIM_SIGN);
    expect(*state, "\nquartermaster_webapi_submission_total{result=\"domaindisabled\",process="
                   "\"webapi/1\"} 1\n");
    expect(*state,
           "\nquartermaster_webapi_errors_total{error=\"dkimsign\",process=\"webapi/1\"} 1\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_calls_are_counted_by_method_and_result, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_submissions_and_failures_are_there_from_the_start,
                                        set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
