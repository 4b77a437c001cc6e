#include "lab.h"

#include <stdio.h>
#include <string.h>

#include "counts.h"

/* What is counted, by the names under which it is shown. */

static uint64_t counted(const char *name)
{
    const char *const *names = counts_names();
    for (size_t i = 0; names[i] != NULL; i++) {
        if (strcmp(names[i], name) == 0)
            return lab.counters[i];
    }
    fail_msg("no counter: %s", name);
    return 0;
}

static void every_counter_has_a_name_of_its_own(void **state)
{
    const char *const *names = counts_names();
    for (size_t i = 0; i < DELIVERY_COUNTERS; i++) {
        assert_true(names[i] != NULL && names[i][0] != '\0' && names[i][0] != '(');
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(names[i], names[k]);
    }
    assert_null(names[DELIVERY_COUNTERS]);
    /* One of each kind stands where it is counted. */
    lab.counters[COUNT_COMMANDS + (COMMAND_MAIL * 4 + 3) * 2 + 1] = 7;
    assert_int_equal(counted("command_duration_seconds_count cmd=mail class=5"), 7);
    lab.counters[COUNT_TLS_OPTIONAL + TLSASK_TLS] = 8;
    assert_int_equal(counted("tls_optional_total ignored=tls_failure"), 8);
    lab.counters[GAUGE_SESSIONS] = 9;
    assert_int_equal(counted("connections"), 9);
    lab.counters[GAUGE_SESSIONS] = 0;
}

static void a_policy_is_counted_by_its_label(void **state)
{
    static const struct {
        const char *label, *name;
    } cases[] = {
        {"none", "none"},
        {"may", "may"},
        {"optional may", "may"},
        {"encrypt", "encrypt"},
        {"verify", "verify"},
        {"dane", "dane"},
        {"requiretls dane", "dane"},
        {"dane-unusable", "dane_unusable"},
        {"sts", "sts"},
        {"requiretls dane+sts", "dane+sts"},
        {"fingerprint", "fingerprint"},
        {"requiretls dnssec", "dnssec"},
        {"dane-failed", "refused"},
        {"dane-missing", "refused"},
        {"sts-mismatch", "refused"},
        {"requiretls no-policy", "refused"},
        {"", "unknown"},
    };
    char name[120];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        (void)snprintf(name, sizeof name,
                       "attempt_duration_seconds_count attempt=2 tls=%s result=timeout",
                       cases[i].name);
        memset(lab.counters, 0, sizeof lab.counters);
        counts_attempt(NULL, 2, counts_tls_of(cases[i].label), COUNTS_TIMEOUT, 1500);
        if (counted(name) != 1)
            fail_msg("%s is not counted as %s", cases[i].label, cases[i].name);
    }
    assert_int_equal(counted("attempt_duration_seconds_sum attempt=2 tls=unknown result=timeout"),
                     1500000);
}

static void an_attempt_is_counted_by_what_it_came_to(void **state)
{
    static const struct {
        const char *destination;
        uint32_t attempt;
        const char *replies[2]; /* to the RCPT of two recipients */
        const char *name;
    } cases[] = {
        {"[127.0.0.1]", 1, {"250 yes", "250 yes"}, "attempt=1 tls=none result=ok"},
        {"[127.0.0.1]", 2, {"250 yes", "550 no"}, "attempt=2 tls=none result=okpartial"},
        {"[127.0.0.1]", 3, {"450 later", "550 no"}, "attempt=3+ tls=none result=temperror"},
        {"[127.0.0.1]", 9, {"550 no", "550 no"}, "attempt=3+ tls=none result=permerror"},
        {"[127.0.0.2]", 1, {"250 yes", "250 yes"}, "attempt=1 tls=none result=error"},
        {"nowhere.test", 1, {"250 yes", "250 yes"}, "attempt=1 tls=unknown result=permerror"},
    };
    char name[120];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = cases[i].destination, .attempt = cases[i].attempt, .n = 2};
        peer_reset(&lab.peer);
        peer_say(&lab.peer, SAY_RCPT, cases[i].replies[0], cases[i].replies[1], NULL);
        memset(lab.counters, 0, sizeof lab.counters);
        order_run(&o);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
        (void)snprintf(name, sizeof name, "attempt_duration_seconds_count %s", cases[i].name);
        if (counted(name) != 1)
            fail_msg("%s: %s", cases[i].name, order_text(&o, 0));
        order_free(&o);
    }
    assert_int_equal(counted("dns:lookup_duration_seconds_count type=MX result=nxdomain"), 1);
}

/* In the middle of it, too. */
static void one_that_ends_in_silence_is_counted_as_that(void **state)
{
    static const struct {
        enum say say;
        int minutes;
    } cases[] = {{SAY_GREETING, 20}, {SAY_MAIL, 25}, {SAY_RCPT, 25}};
    lab_reload_direct("idle-timeout 0  greeting-timeout 20m  command-timeout 25m");
    for (size_t i = 0; i < 3; i++) {
        struct order o = {.destination = "[127.0.0.1]"};
        peer_reset(&lab.peer);
        peer_say(&lab.peer, cases[i].say, "~", NULL);
        order_send(&o);
        RUN_UNTIL(lab.peer.silent > 0);
        lab_settle();
        lab.passed_ms += 60000;
        assert_true(lab_expire(cases[i].minutes));
        RUN_UNTIL(o.done && lab.peer.closed == lab.peer.opened);
        assert_int_equal(
            counted("attempt_duration_seconds_count attempt=1 tls=none result=timeout"), i + 1);
        uint64_t us = counted("attempt_duration_seconds_sum attempt=1 tls=none result=timeout");
        assert_in_range(us, (i + 1) * 60000000, (i + 1) * 60000000 + 20000000);
        order_free(&o);
    }
}

static void a_code_that_nobody_knows_is_counted_by_its_first_digit(void **state)
{
    struct order o = {.destination = "[127.0.0.1]", .n = 3};
    peer_say(&lab.peer, SAY_RCPT, "550 5.1.1 no", "599 5.9.9 what", "250 yes", NULL);
    order_run(&o);
    assert_int_equal(counted("replies_total cmd=rcpt code=550"), 1);
    assert_int_equal(counted("replies_total cmd=rcpt code=5xx"), 1);
    assert_int_equal(counted("replies_total cmd=rcpt code=250"), 1);
    assert_int_equal(counted("replies_total cmd=greeting code=220"), 1);
    assert_int_equal(counted("replies_total cmd=data code=354"), 1);
    assert_int_equal(counted("replies_total cmd=dot code=250"), 1);
    counts_reply(NULL, COMMAND_RCPT, 199, 1);
    counts_reply(NULL, COMMAND_RCPT, 600, 1);
    assert_int_equal(counted("command_duration_seconds_count cmd=rcpt class=5"), 2);
    order_free(&o);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lab_setup, lab_teardown)
    const struct CMUnitTest tests[] = {
        TEST(every_counter_has_a_name_of_its_own),
        TEST(a_policy_is_counted_by_its_label),
        TEST(an_attempt_is_counted_by_what_it_came_to),
        TEST(one_that_ends_in_silence_is_counted_as_that),
        TEST(a_code_that_nobody_knows_is_counted_by_its_first_digit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
