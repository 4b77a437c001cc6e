#include "lab.h"

#include <string.h>

#include "mem.h"
#include "metrics.h"
#include "process.h"

/* Everybody's counters, for webapi to serve. */

static int setup(void **state)
{
    lab_open("listen web { address 127.0.0.1  http %d }\n", lab_port());
    lab.world.metrics_interval_ms = 20;
    lab_start();
    lab.world.metrics = metrics_new(&lab.world);
    return 0;
}

static int teardown(void **state)
{
    while (!TAILQ_EMPTY(&lab.world.processes) && !TAILQ_EMPTY(&lab.children))
        lab_reap(TAILQ_FIRST(&lab.children), 0);
    metrics_free(&lab.world.metrics);
    lab_close();
    return 0;
}

static const char *text(void)
{
    return buf_text(&lab_child("webapi/0")->metrics);
}

static void webapi_gets_all_of_them_by_name(void **state)
{
    RUN_UNTIL(text()[0] != '\0');
    assert_non_null(strstr(text(), "# TYPE quartermaster_smtpd_things_total counter\n"
                                   "quartermaster_smtpd_things_total{process=\"smtpd/0\"} 7\n"
                                   "quartermaster_smtpd_things_total{process=\"smtpd/1\"} 7\n"));
    assert_non_null(strstr(
        text(),
        "# TYPE quartermaster_qmgr_level gauge\nquartermaster_qmgr_level{process=\"qmgr\"} 3\n"));
    assert_non_null(strstr(text(), "quartermaster_process_restarts_total{process=\"hooks\"} 0\n"));
    assert_non_null(
        strstr(text(), "quartermaster_delivery_level{process=\"delivery/direct\"} 3\n"));
}

static void a_name_can_have_a_scope_and_a_label(void **state)
{
    RUN_UNTIL(text()[0] != '\0');
    assert_non_null(strstr(text(), "# TYPE quartermaster_own_of_all_total counter\n"
                                   "quartermaster_own_of_all_total{process="));
    assert_non_null(
        strstr(text(), "quartermaster_own_of_all_total{process=\"hooks\",code=\"404\"} 2\n"));
    assert_null(strstr(text(), "code=\"500\"")); /* which is zero */
    assert_non_null(strstr(text(), "# TYPE quartermaster_own_took_seconds histogram\n"
                                   "quartermaster_own_took_seconds_bucket{process="));
    assert_non_null(
        strstr(text(), "quartermaster_own_took_seconds_bucket{process=\"hooks\",le=\"0.5\"} 0\n"));
    assert_non_null(
        strstr(text(), "quartermaster_own_took_seconds_bucket{process=\"hooks\",le=\"+Inf\"} 4\n"));
    assert_non_null(
        strstr(text(), "\nquartermaster_own_took_seconds_sum{process=\"hooks\"} 1.500001\n"));
    assert_null(strstr(text(), "TYPE quartermaster_own_took_seconds_sum"));
    assert_non_null(strstr(text(), "# TYPE quartermaster_own_asked_seconds summary\n"
                                   "quartermaster_own_asked_seconds_sum{process="));
    assert_non_null(strstr(text(), "\nquartermaster_own_asked_seconds_sum{process=\"hooks\","
                                   "cmd=\"mail\",class=\"2\"} 0.250000\n"));
    assert_non_null(strstr(text(), "\nquartermaster_own_asked_seconds_count{process=\"hooks\","
                                   "cmd=\"mail\",class=\"2\"} 2\n"));
    assert_null(strstr(text(), "class=\"5\""));
    assert_null(strstr(text(), "bad"));
}

static void one_that_does_not_answer_keeps_nobody_from_being_heard(void **state)
{
    RUN_UNTIL(text()[0] != '\0');
    struct child *hooks = lab_child("hooks"), *qmgr = lab_child("qmgr");
    hooks->silent = true;
    unsigned before = hooks->counters;
    RUN_UNTIL(hooks->counters == before + 1);
    unsigned rounds = qmgr->counters;
    RUN_UNTIL(qmgr->counters >= rounds + 5);
    assert_null(strstr(text(), "quartermaster_hooks_level"));
    assert_non_null(strstr(text(), "quartermaster_qmgr_level"));
    /* It is not asked again and again. */
    assert_int_equal(hooks->counters, before + 1);
}

static void one_that_ends_is_left_out_until_it_is_back(void **state)
{
    RUN_UNTIL(text()[0] != '\0');
    lab_child("hooks")->silent = true;
    RUN_UNTIL(strstr(text(), "quartermaster_hooks_level") == NULL);
    lab_reap(lab_child("hooks"), 1 << 8);
    RUN_UNTIL(strstr(text(), "quartermaster_process_restarts_total{process=\"hooks\"} 1\n") !=
              NULL);
    RUN_UNTIL(strstr(text(), "quartermaster_hooks_level") != NULL);
}

static void questions_still_open_at_the_end_hurt_nobody(void **state)
{
    struct child *c;
    TAILQ_FOREACH (c, &lab.children, next)
        c->silent = true;
    struct child *qmgr = lab_child("qmgr");
    unsigned before = qmgr->counters;
    RUN_UNTIL(qmgr->counters > before);
    /* As main.c cleans up. */
    process_free_all(&lab.world);
    metrics_free(&lab.world.metrics);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(webapi_gets_all_of_them_by_name),
        TEST(a_name_can_have_a_scope_and_a_label),
        TEST(one_that_does_not_answer_keeps_nobody_from_being_heard),
        TEST(one_that_ends_is_left_out_until_it_is_back),
        TEST(questions_still_open_at_the_end_hurt_nobody),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
