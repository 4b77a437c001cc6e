#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "simulate.h"

static const struct {
    const char *localpart;
    enum simulate_stage stage;
    enum simulate_kind kind;
    int code;
} cases[] = {
    /* The suffixes, at the end of DATA. */
    {"usertemperror", SIMULATE_DATA, SIMULATE_REPLY, 451},
    {"temperror", SIMULATE_DATA, SIMULATE_REPLY, 451},
    {"userpermerror", SIMULATE_DATA, SIMULATE_REPLY, 550},
    {"usertimeout", SIMULATE_DATA, SIMULATE_TIMEOUT, 0},
    {"user452", SIMULATE_DATA, SIMULATE_REPLY, 452},
    {"452", SIMULATE_DATA, SIMULATE_REPLY, 452},
    {"qm+550", SIMULATE_DATA, SIMULATE_REPLY, 550},
    {"qm+1400", SIMULATE_DATA, SIMULATE_REPLY, 400},
    {"user400", SIMULATE_DATA, SIMULATE_REPLY, 400},
    {"user599", SIMULATE_DATA, SIMULATE_REPLY, 599},
    {"user600", SIMULATE_DATA, SIMULATE_REPLY, 451},
    /* No failure. */
    {"user", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"50", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"user399", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"user601", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"user550x", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"user+50", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"temperrors", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"userTempError", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"USERTIMEOUT", SIMULATE_DATA, SIMULATE_NONE, 0},
    /* At RCPT only with the prefix; at DATA with and without. */
    {"rcptto550", SIMULATE_RCPT, SIMULATE_REPLY, 550},
    {"rcpttotimeout", SIMULATE_RCPT, SIMULATE_TIMEOUT, 0},
    {"rcptto550", SIMULATE_DATA, SIMULATE_REPLY, 550},
    {"user550", SIMULATE_RCPT, SIMULATE_NONE, 0},
    {"RCPTTO550", SIMULATE_RCPT, SIMULATE_NONE, 0},
    {"xrcptto550", SIMULATE_RCPT, SIMULATE_NONE, 0},
    {"mailfrom550", SIMULATE_RCPT, SIMULATE_NONE, 0},
    {"rcptto", SIMULATE_RCPT, SIMULATE_NONE, 0},
    /* At MAIL likewise. */
    {"mailfrompermerror", SIMULATE_MAIL, SIMULATE_REPLY, 550},
    {"mailfrom+421", SIMULATE_MAIL, SIMULATE_REPLY, 421},
    {"sender421", SIMULATE_MAIL, SIMULATE_NONE, 0},
    {"rcptto421", SIMULATE_MAIL, SIMULATE_NONE, 0},
    {"mailfrom", SIMULATE_MAIL, SIMULATE_NONE, 0},
};

static void test_the_localpart_says_which_failure_and_when(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct simulate s = simulate_at(cases[i].stage, span_text(cases[i].localpart));
        if (s.kind != cases[i].kind || s.code != cases[i].code)
            fail_msg("%s at stage %d: kind %d, code %d", cases[i].localpart, cases[i].stage, s.kind,
                     s.code);
    }
}

static void test_the_enhanced_code_says_no_more_than_the_class(void **state)
{
    char out[ENHANCED_SIZE];
    struct simulate s = simulate_at(SIMULATE_DATA, span_text("user452"));
    assert_string_equal(enhanced_format(s.enhanced, out), "4.0.0");
    s = simulate_at(SIMULATE_DATA, span_text("permerror"));
    assert_string_equal(enhanced_format(s.enhanced, out), "5.0.0");
    s = simulate_at(SIMULATE_DATA, span_text("timeout"));
    assert_string_equal(enhanced_format(s.enhanced, out), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_localpart_says_which_failure_and_when),
        cmocka_unit_test(test_the_enhanced_code_says_no_more_than_the_class),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
