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
    /* Tags: behind the last plus sign, and whole. */
    {"you+bounce-550-5.1.1", SIMULATE_DATA, SIMULATE_REPLY, 550},
    {"a+b+bounce-452-4.2.2", SIMULATE_DATA, SIMULATE_REPLY, 452},
    {"+bounce-599-5.999.999", SIMULATE_DATA, SIMULATE_REPLY, 599},
    {"rcptto+bounce-550-5.1.1", SIMULATE_RCPT, SIMULATE_REPLY, 550},
    {"mailfrom+bounce-553-5.1.8", SIMULATE_MAIL, SIMULATE_REPLY, 553},
    {"you+bounce-550-5.7.509", SIMULATE_DATA, SIMULATE_REPLY, 550},
    {"you+bounce-550", SIMULATE_DATA, SIMULATE_REPLY, 550}, /* no tag, and an ending */
    {"you+bounce-550-4.1.1", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"you+bounce-250-2.1.1", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"you+bounce-600-6.1.1", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"you+bounce-550-5.1", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"you+bounce-550-5.1.1x", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"you+bounce-550 5.1.1", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"you+bounce-55-5.1.1", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"bounce-550-5.1.1", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"you+defer3", SIMULATE_DATA, SIMULATE_DEFER, 451},
    {"you+defer9", SIMULATE_DATA, SIMULATE_DEFER, 451},
    {"you+defer0", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"you+defer", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"you+defer10", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"rcptto+defer3", SIMULATE_RCPT, SIMULATE_NONE, 0},
    {"you+slow", SIMULATE_DATA, SIMULATE_SLOW, 0},
    {"you+slower", SIMULATE_DATA, SIMULATE_NONE, 0},
    {"mailfrom+slow", SIMULATE_MAIL, SIMULATE_NONE, 0},
    {"you+complaint", SIMULATE_DATA, SIMULATE_COMPLAINT, 0},
    {"you+Complaint", SIMULATE_DATA, SIMULATE_NONE, 0},
    /* At submission: endings at once, the rest later. */
    {"you+550", SIMULATE_SUBMISSION, SIMULATE_REPLY, 550},
    {"rcpttotimeout", SIMULATE_SUBMISSION, SIMULATE_TIMEOUT, 0},
    {"queue550", SIMULATE_SUBMISSION, SIMULATE_NONE, 0},
    {"queue550", SIMULATE_DATA, SIMULATE_REPLY, 550},
    {"queuetimeout", SIMULATE_SUBMISSION, SIMULATE_NONE, 0},
    {"xqueue550", SIMULATE_SUBMISSION, SIMULATE_REPLY, 550},
    {"you+bounce-550-5.1.1", SIMULATE_SUBMISSION, SIMULATE_NONE, 0},
    {"you+defer3", SIMULATE_SUBMISSION, SIMULATE_NONE, 0},
    {"you+slow", SIMULATE_SUBMISSION, SIMULATE_NONE, 0},
    {"you+complaint", SIMULATE_SUBMISSION, SIMULATE_NONE, 0},
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

static void test_a_bounce_has_the_enhanced_code_that_was_asked_for(void **state)
{
    char out[ENHANCED_SIZE];
    struct simulate s = simulate_at(SIMULATE_DATA, span_text("you+bounce-550-5.1.10"));
    assert_string_equal(enhanced_format(s.enhanced, out), "5.1.10");
    s = simulate_at(SIMULATE_DATA, span_text("you+defer3"));
    assert_string_equal(enhanced_format(s.enhanced, out), "4.0.0");
    assert_int_equal(s.times, 3);
}

static void test_a_message_is_deferred_so_often_and_then_anew(void **state)
{
    static struct simulate_memory m;
    uint64_t one = simulate_key("a@x", "b+defer3@x", "<1@x>"),
             other = simulate_key("a@x", "b+defer3@x", "<2@x>");
    assert_true(one != other);
    assert_true(simulate_key("a", "bc", "") != simulate_key("ab", "c", ""));
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 3; i++)
            assert_true(simulate_defers(&m, one, 3));
        assert_true(simulate_defers(&m, other, 1));
        assert_false(simulate_defers(&m, one, 3));
        assert_false(simulate_defers(&m, other, 1));
    }
}

static void test_of_too_many_messages_the_oldest_is_forgotten(void **state)
{
    static struct simulate_memory m;
    assert_true(simulate_defers(&m, 1, 1));
    for (uint64_t i = 0; i < SIMULATE_MEMORY; i++)
        assert_true(simulate_defers(&m, 100 + i, 1));
    assert_true(simulate_defers(&m, 1, 1));
    assert_false(simulate_defers(&m, 100 + SIMULATE_MEMORY - 1, 1));
    assert_false(simulate_defers(&m, 1, 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_localpart_says_which_failure_and_when),
        cmocka_unit_test(test_the_enhanced_code_says_no_more_than_the_class),
        cmocka_unit_test(test_a_bounce_has_the_enhanced_code_that_was_asked_for),
        cmocka_unit_test(test_a_message_is_deferred_so_often_and_then_anew),
        cmocka_unit_test(test_of_too_many_messages_the_oldest_is_forgotten),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
