#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dsncode.h"

static const struct {
    const char *text;
    int code;
    const char *enhanced;
} texts[] = {
    {"", 0, ""},
    {"User unknown", 0, ""},
    {"550 5.1.1 No such user", 550, "5.1.1"},
    {"550-5.1.1 No such 550-5.1.1 user 550 5.1.1 here", 550, "5.1.1"},
    {"550-No such user 550 5.7.1 here", 550, "5.7.1"},
    {"550 #5.1.0 Address rejected", 550, "5.1.0"},
    {"550 [5.1.2] x", 550, "5.1.2"},
    {"550 No such user", 550, ""},
    {"550 No such user (#5.1.1)", 550, "5.1.1"},
    {"550", 550, ""},
    {"452 4.2.2 full", 452, "4.2.2"},
    {"550 4.4.7 expired", 550, "5.4.7"}, /* the class is the code's */
    {"250 2.1.5 Ok", 250, "2.1.5"},
    {"host mx.example[192.0.2.1] said: 554 5.7.1 no (in reply to end of DATA)", 554, "5.7.1"},
    {"host mx.example said: 554 no", 554, ""},
    {"Remote host said: 451 later", 451, ""},
    {"host mx.example [192.0.2.1]: 552 full", 552, ""},
    {"5.1.0 - Unknown address error 550-'5.1.1 User unknown'", 550, "5.1.1"},
    {"Sorry, no mailbox here by that name. (#5.1.1)", 500, "5.1.1"},
    {"could not connect (#4.4.1)", 400, "4.4.1"},
    /* What only looks like one. */
    {"connect to mx.example[192.0.2.1]:587: Connection timed out", 0, ""},
    {"refused by 5.1.1.1 and 10.5.1.1", 0, ""},
    {"Exim 4.96.2 and version 5.1.2-rc1, v5.1.1", 0, ""},
    {"5500 5.1.1x", 0, ""},
    {"message of 550 octets", 0, ""},
    {"600 5.1.1", 500, "5.1.1"},
    {"101 x", 0, ""},
    {"550.5.1.1", 0, ""},
};

static void test_codes_are_found_in_texts(void **state)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct dsncode c = dsncode_scan(span_text(texts[i].text));
        if (c.code != texts[i].code || strcmp(c.enhanced, texts[i].enhanced) != 0)
            print_error("\"%s\": %d \"%s\"\n", texts[i].text, c.code, c.enhanced);
        assert_int_equal(c.code, texts[i].code);
        assert_string_equal(c.enhanced, texts[i].enhanced);
    }
}

static void test_a_status_gives_a_code_by_its_class(void **state)
{
    static const struct {
        const char *value;
        int code;
        const char *enhanced;
    } values[] = {
        {"5.1.1", 500, "5.1.1"}, {" 4.4.7 (expired) ", 400, "4.4.7"},
        {"2.0.0", 0, "2.0.0"},   {"5.1.10", 500, "5.1.10"},
        {"5.001.001", 0, ""},    {"5", 0, ""},
        {"3.1.1", 0, ""},        {"5.1.1.1", 0, ""},
        {"5.1", 0, ""},          {"5.7.708", 500, "5.7.708"},
        {"5.1.1111", 0, ""},     {"", 0, ""},
    };
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        struct dsncode c = dsncode_status(span_text(values[i].value));
        assert_int_equal(c.code, values[i].code);
        assert_string_equal(c.enhanced, values[i].enhanced);
    }
}

static void test_a_diagnostic_goes_before_a_status(void **state)
{
    const struct dsncode none = {0}, status = dsncode_status(span_text("5.1.1"));
    struct dsncode c = dsncode_merge(none, status);
    assert_int_equal(c.code, 500);
    assert_string_equal(c.enhanced, "5.1.1");
    c = dsncode_merge(dsncode_scan(span_text("552 full")), status);
    assert_int_equal(c.code, 552);
    assert_string_equal(c.enhanced, "5.1.1");
    c = dsncode_merge(dsncode_scan(span_text("552 5.2.2 full")), status);
    assert_string_equal(c.enhanced, "5.2.2");
    c = dsncode_merge(dsncode_scan(span_text("452 full")), status);
    assert_int_equal(c.code, 452);
    assert_string_equal(c.enhanced, "");
    c = dsncode_merge(dsncode_scan(span_text("452 full")), none);
    assert_int_equal(c.code, 452);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_are_found_in_texts),
        cmocka_unit_test(test_a_status_gives_a_code_by_its_class),
        cmocka_unit_test(test_a_diagnostic_goes_before_a_status),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
