#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "jsonscan.h"

static const struct jsonscan_limits wide = {.octets = 1 << 20, .values = 1000, .depth = 64};

static int check(struct span text, const struct jsonscan_limits *limits, struct fail *f)
{
    struct jsonscan scan = {0};
    int rc = jsonscan_check(text, limits, &scan, f);
    jsonscan_free(&scan);
    return rc;
}

static void test_json_is_taken(void **state)
{
    static const char *const good[] = {
        "null",
        " true ",
        "\t\r\nfalse\n",
        "0",
        "-0",
        "-1",
        "10",
        "0.0",
        "1.5e3",
        "1E+2",
        "1e-2",
        "\"\"",
        "\"a\"",
        "[]",
        "[ ]",
        "{}",
        "{ }",
        "[1,2]",
        "[[],{}]",
        "{\"a\":1}",
        "{\"a\":{\"b\":[null]},\"c\":\"d\"}",
        "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
        "\"\\u00e9\"",
        "\"\\uD83D\\ude00\"",
        "\"\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80\"",
        "\"\x7f\"",
        "\"\\uffff\\ud7ff\\ue000\"",
        "9223372036854775808",
        "1e999",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct fail f = {0};
        if (check(span_text(good[i]), &wide, &f) != 0)
            fail_msg("%s: %s", good[i], f.text);
    }
}

static void test_anything_else_is_refused_with_the_octet(void **state)
{
    static const struct {
        const char *text;
        size_t octet;
        const char *why;
    } bad[] = {
        {"", 0, "a value is missing"},
        {" ", 1, "a value is missing"},
        {"nul", 0, "a value is missing"},
        {"True", 0, "a value is missing"},
        {"'a'", 0, "a value is missing"},
        {"\xef\xbb\xbf{}", 0, "a value is missing"},
        {"// x\n1", 0, "a value is missing"},
        {"+1", 0, "a value is missing"},
        {".5", 0, "a value is missing"},
        {"NaN", 0, "a value is missing"},
        {"1 2", 2, "something follows"},
        {"{}}", 2, "something follows"},
        {"[01]", 2, "may not start with 0"},
        {"-01", 2, "may not start with 0"},
        {"-", 1, "a digit is missing"},
        {"-a", 1, "a digit is missing"},
        {"[1.]", 3, "missing after the point"},
        {"1.e5", 2, "missing after the point"},
        {"1e", 2, "missing in the exponent"},
        {"1e+", 3, "missing in the exponent"},
        {"0x10", 1, "something follows"},
        {"[", 1, "a value is missing"},
        {"[1", 2, "a comma or ]"},
        {"[1}", 2, "a comma or ]"},
        {"[1,]", 3, "a value is missing"},
        {"[,1]", 1, "a value is missing"},
        {"{", 1, "a field name"},
        {"{a:1}", 1, "a field name"},
        {"{1:1}", 1, "a field name"},
        {"{\"a\"}", 4, "a colon"},
        {"{\"a\":}", 5, "a value is missing"},
        {"{\"a\":1,}", 7, "a field name"},
        {"{\"a\":1]", 6, "a comma or }"},
        {"\"a", 2, "does not end"},
        {"\"\\", 2, "does not end"},
        {"\"\\x\"", 3, "unknown escape"},
        {"\"\\U0041\"", 3, "unknown escape"},
        {"\"a\nb\"", 2, "a control character"},
        {"\"\x1f\"", 1, "a control character"},
        {"\"\\u00g0\"", 5, "four hexadecimal"},
        {"\"\\u00", 5, "four hexadecimal"},
        {"\"\\u0000\"", 7, "\\u0000"},
        {"\"\\udc00\"", 7, "a low surrogate"},
        {"\"\\ud800\"", 7, "a high surrogate"},
        {"\"\\ud800x\"", 7, "a high surrogate"},
        {"\"\\ud800\\n\"", 8, "a high surrogate"},
        {"\"\\ud800\\u0041\"", 13, "a high surrogate"},
        {"\"\\ud800\\ud800\"", 13, "a high surrogate"},
        {"\"\xff\"", 1, "not UTF-8"},
        {"\"\xc0\x80\"", 1, "not UTF-8"},
        {"\"\xed\xa0\x80\"", 1, "not UTF-8"},
        {"\"\xe2\x82\"", 1, "not UTF-8"},
        {"\xc2\xa0"
         "1",
         0, "a value is missing"},
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fail f = {0};
        char octet[40];
        (void)snprintf(octet, sizeof octet, "at octet %zu: ", bad[i].octet);
        if (check(span_text(bad[i].text), &wide, &f) != -1)
            fail_msg("taken: %s", bad[i].text);
        if (strstr(f.text, octet) == NULL || strstr(f.text, bad[i].why) == NULL)
            fail_msg("%s: %s, not %s%s", bad[i].text, f.text, octet, bad[i].why);
    }
}

static void test_a_nul_ends_nothing(void **state)
{
    struct fail f;
    assert_int_equal(check(span_of("1\0", 2), &wide, &f), -1);
    assert_int_equal(check(span_of("\"a\0b\"", 5), &wide, &f), -1);
    assert_int_equal(check(span_of("\"\\\0\"", 4), &wide, &f), -1);
    assert_int_equal(check(span_of("\0001", 2), &wide, &f), -1);
}

static void test_every_cut_of_a_text_is_refused(void **state)
{
    struct span whole = span_text("{\"a\":[1.5e3,\"\\ud83d\\ude00\xc3\xa9\",{\"b\":null}]}");
    struct fail f;
    assert_int_equal(check(whole, &wide, &f), 0);
    for (size_t n = 0; n < whole.n; n++)
        assert_int_equal(check(span_of(whole.p, n), &wide, &f), -1);
}

static void test_integers_are_exact_and_others_say_so(void **state)
{
    static const struct {
        const char *text;
        enum jsonscan_kind kind;
        int64_t value;
    } cases[] = {
        {"0", JSONSCAN_INT64, 0},
        {"-0", JSONSCAN_INT64, 0},
        {"-1", JSONSCAN_INT64, -1},
        {"9007199254740993", JSONSCAN_INT64, 9007199254740993},
        {"9223372036854775807", JSONSCAN_INT64, INT64_MAX},
        {"-9223372036854775808", JSONSCAN_INT64, INT64_MIN},
        {"9223372036854775808", JSONSCAN_RANGE, 0},
        {"-9223372036854775809", JSONSCAN_RANGE, 0},
        {"92233720368547758070", JSONSCAN_RANGE, 0},
        {"1.0", JSONSCAN_REAL, 0},
        {"1e3", JSONSCAN_REAL, 0},
        {"-1E-3", JSONSCAN_REAL, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct jsonscan scan = {0};
        assert_int_equal(jsonscan_check(span_text(cases[i].text), &wide, &scan, NULL), 0);
        assert_int_equal(scan.n, 1);
        assert_int_equal(scan.numbers[0].kind, cases[i].kind);
        assert_int_equal(scan.numbers[0].value, cases[i].value);
        jsonscan_free(&scan);
        assert_null(scan.numbers);
    }
}

static void test_numbers_are_noted_in_the_order_of_the_text(void **state)
{
    struct jsonscan scan = {0};
    struct span text = span_text("{\"a\":[1,{\"x\":2,\"y\":[3]}],\"4\":4,\"s\":\"5\",\"b\":[[6]]}");
    assert_int_equal(jsonscan_check(text, &wide, &scan, NULL), 0);
    static const int64_t want[] = {1, 2, 3, 4, 6};
    assert_int_equal(scan.n, 5);
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(scan.numbers[i].value, want[i]);
    assert_int_equal(scan.values, 12);
    jsonscan_free(&scan);
}

static void test_every_limit_holds_and_only_beyond_it(void **state)
{
    struct fail f = {0};
    struct jsonscan_limits limits = wide;
    limits.depth = 3;
    assert_int_equal(check(span_text("[[[1]]]"), &limits, &f), 0);
    assert_int_equal(check(span_text("[[[[]]]]"), &limits, &f), -1);
    assert_non_null(strstr(f.text, "nested too deeply"));
    assert_int_equal(check(span_text("[{\"a\":[{}]}]"), &limits, &f), -1);
    limits = wide;
    limits.values = 4;
    assert_int_equal(check(span_text("[1,[2]]"), &limits, &f), 0);
    assert_int_equal(check(span_text("[1,[2,3]]"), &limits, &f), -1);
    assert_non_null(strstr(f.text, "too many values"));
    limits = wide;
    limits.octets = 4;
    assert_int_equal(check(span_text("1234"), &limits, &f), 0);
    assert_int_equal(check(span_text("1234 "), &limits, &f), -1);
    assert_non_null(strstr(f.text, "longer than 4 octets"));
    char digits[] = "123456789012345678901234567890123456789012345678901234567890.123";
    assert_int_equal(check(span_of(digits, 63), &wide, &f), 0);
    assert_int_equal(check(span_of(digits, 64), &wide, &f), -1);
    assert_non_null(strstr(f.text, "number is too long"));
}

static void test_the_deepest_level_allowed_is_64(void **state)
{
    struct buf text = {0};
    struct fail f;
    for (int i = 0; i < 64; i++)
        buf_putc(&text, '[');
    for (int i = 0; i < 64; i++)
        buf_putc(&text, ']');
    assert_int_equal(check(buf_span(&text), &wide, &f), 0);
    struct buf deeper = {0};
    buf_putc(&deeper, '[');
    buf_put_span(&deeper, buf_span(&text));
    buf_putc(&deeper, ']');
    assert_int_equal(check(buf_span(&deeper), &wide, &f), -1);
    buf_free(&text);
    buf_free(&deeper);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_is_taken),
        cmocka_unit_test(test_anything_else_is_refused_with_the_octet),
        cmocka_unit_test(test_a_nul_ends_nothing),
        cmocka_unit_test(test_every_cut_of_a_text_is_refused),
        cmocka_unit_test(test_integers_are_exact_and_others_say_so),
        cmocka_unit_test(test_numbers_are_noted_in_the_order_of_the_text),
        cmocka_unit_test(test_every_limit_holds_and_only_beyond_it),
        cmocka_unit_test(test_the_deepest_level_allowed_is_64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
