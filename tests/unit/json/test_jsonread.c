#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "jsonread.h"

static struct json_doc *parse(const char *text)
{
    struct fail f = {0};
    struct json_doc *doc = jsonread_parse(span_text(text), NULL, &f);
    if (doc == NULL)
        fail_msg("%s: %s", text, f.text);
    return doc;
}

static void refused(const char *text, const char *why)
{
    struct fail f = {0};
    struct json_doc *doc = jsonread_parse(span_text(text), NULL, &f);
    assert_null(doc);
    if (strstr(f.text, why) == NULL)
        fail_msg("%s: %s", text, f.text);
}

static void test_every_kind_is_told_apart(void **state)
{
    static const enum json_kind want[] = {JSON_NULL, JSON_BOOL,  JSON_BOOL,  JSON_NUMBER,
                                          JSON_TEXT, JSON_ARRAY, JSON_OBJECT};
    struct json_doc *doc = parse("[null,true,false,-7,\"x\",[1],{\"a\":2}]");
    const struct json_value *v = jsonread_first(jsonread_root(doc));
    assert_int_equal(jsonread_kind(jsonread_root(doc)), JSON_ARRAY);
    assert_int_equal(jsonread_count(jsonread_root(doc)), 7);
    for (size_t i = 0; i < 7; i++, v = jsonread_next(v))
        assert_int_equal(jsonread_kind(v), want[i]);
    assert_null(v);
    jsonread_free(&doc);
    assert_null(doc);
    jsonread_free(&doc);
}

static void test_values_are_what_was_written(void **state)
{
    struct json_doc *doc =
        parse("{\"t\":true,\"f\":false,\"s\":\"a\\u00e9\\ud83d\\ude00\\n\",\"n\":12}");
    const struct json_value *root = jsonread_root(doc);
    assert_true(jsonread_bool(jsonread_member(root, "t")));
    assert_false(jsonread_bool(jsonread_member(root, "f")));
    assert_false(jsonread_bool(jsonread_member(root, "s")));
    struct span s = jsonread_text(jsonread_member(root, "s"));
    assert_true(span_is(s, "a\xc3\xa9\xf0\x9f\x98\x80\n"));
    assert_int_equal(s.p[s.n], 0);
    assert_int_equal(jsonread_text(root).n, 0);
    assert_true(span_is(jsonread_key(jsonread_first(root)), "t"));
    assert_int_equal(jsonread_key(root).n, 0);
    assert_null(jsonread_member(root, "T"));
    assert_null(jsonread_member(jsonread_member(root, "t"), "x"));
    jsonread_free(&doc);
}

/* Numbers that a double cannot tell apart, spread over a tree so that a slip in the order shows. */
static void test_integers_beyond_a_double_are_exact_wherever_they_stand(void **state)
{
    struct json_doc *doc = parse("[9007199254740993,{\"a\":[9007199254740992,\"1\",{\"b\":"
                                 "9223372036854775807}],\"c\":-9223372036854775808},3]");
    const struct json_value *root = jsonread_root(doc);
    const struct json_value *second = jsonread_next(jsonread_first(root));
    const struct json_value *a = jsonread_member(second, "a");
    int64_t v = 0;
    assert_int_equal(jsonread_int64(doc, jsonread_first(root), &v, NULL), 0);
    assert_int_equal(v, 9007199254740993);
    assert_int_equal(jsonread_int64(doc, jsonread_first(a), &v, NULL), 0);
    assert_int_equal(v, 9007199254740992);
    const struct json_value *b = jsonread_next(jsonread_next(jsonread_first(a)));
    assert_int_equal(jsonread_int64(doc, jsonread_member(b, "b"), &v, NULL), 0);
    assert_int_equal(v, INT64_MAX);
    assert_int_equal(jsonread_int64(doc, jsonread_member(second, "c"), &v, NULL), 0);
    assert_int_equal(v, INT64_MIN);
    assert_int_equal(jsonread_int64(doc, jsonread_next(second), &v, NULL), 0);
    assert_int_equal(v, 3);
    jsonread_free(&doc);
}

static void test_what_is_no_integer_is_refused_with_the_reason(void **state)
{
    struct json_doc *doc = parse("[1.0,1e2,9223372036854775808,\"1\"]");
    static const char *const why[] = {"whole number", "whole number", "out of range",
                                      "not a number"};
    const struct json_value *v = jsonread_first(jsonread_root(doc));
    for (size_t i = 0; i < 4; i++, v = jsonread_next(v)) {
        struct fail f = {0};
        int64_t value = 77;
        assert_int_equal(jsonread_int64(doc, v, &value, &f), -1);
        assert_non_null(strstr(f.text, why[i]));
        assert_int_equal(value, 77);
    }
    jsonread_free(&doc);
}

static void test_duplicate_keys_are_refused_at_any_depth(void **state)
{
    refused("{\"a\":1,\"b\":2,\"a\":3}", "\"a\" is given twice");
    refused("[{\"x\":{\"k\":1,\"k\":1}}]", "\"k\" is given twice");
    refused("{\"a\":1,\"\\u0061\":2}", "\"a\" is given twice");
    struct json_doc *doc = parse("{\"a\":1,\"A\":{\"a\":1},\"\":0}");
    jsonread_free(&doc);
}

static void test_what_is_not_json_is_refused(void **state)
{
    refused("", "a value is missing");
    refused("{} x", "something follows");
    refused("[01]", "start with 0");
    refused("\"\xff\"", "not UTF-8");
    refused("\"\\u0000\"", "u0000");
}

static void test_limits_can_be_set_and_have_defaults(void **state)
{
    struct json_limits limits = {.octets = 5, .values = 2, .depth = 1};
    struct json_doc *doc = jsonread_parse(span_text("[111]"), &limits, NULL);
    assert_non_null(doc);
    jsonread_free(&doc);
    assert_null(jsonread_parse(span_text("[1111]"), &limits, NULL));
    assert_null(jsonread_parse(span_text("[1,2]"), &limits, NULL));
    assert_null(jsonread_parse(span_text("[[]]"), &limits, NULL));
    struct buf text = {0};
    buf_putc(&text, '"');
    while (text.n < (1 << 20) - 1)
        buf_putc(&text, 'x');
    buf_putc(&text, '"');
    doc = jsonread_parse(buf_span(&text), NULL, NULL);
    assert_non_null(doc);
    jsonread_free(&doc);
    buf_putc(&text, ' ');
    assert_null(jsonread_parse(buf_span(&text), NULL, NULL));
    buf_free(&text);
}

/* Quadratic behaviour would make this take minutes and the suite's time limit end it. */
static void test_an_object_of_many_keys_is_read(void **state)
{
    struct buf text = {0};
    struct json_limits limits = {.octets = 4 << 20, .values = 200000};
    buf_putc(&text, '{');
    for (int i = 0; i < 150000; i++)
        buf_putf(&text, "%s\"k%d\":%d", i > 0 ? "," : "", i, i);
    buf_putc(&text, '}');
    struct json_doc *doc = jsonread_parse(buf_span(&text), &limits, NULL);
    assert_non_null(doc);
    int64_t v = 0;
    const struct json_value *last = jsonread_member(jsonread_root(doc), "k149999");
    assert_int_equal(jsonread_int64(doc, last, &v, NULL), 0);
    assert_int_equal(v, 149999);
    jsonread_free(&doc);
    buf_free(&text);
}

static void test_what_is_kept_lives_with_the_document(void **state)
{
    struct json_doc *doc = parse("1");
    char octets[] = "ab\0c";
    struct span kept = jsonread_keep(doc, span_of(octets, 4));
    memset(octets, 'x', sizeof octets);
    assert_memory_equal(kept.p, "ab\0c\0", 5);
    assert_int_equal(kept.n, 4);
    unsigned char *zero = jsonread_alloc(doc, 100);
    for (int i = 0; i < 100; i++)
        assert_int_equal(zero[i], 0);
    jsonread_free(&doc);
}

static void test_every_kind_has_a_name(void **state)
{
    assert_string_equal(jsonread_kind_name(JSON_NULL), "null");
    assert_string_equal(jsonread_kind_name(JSON_BOOL), "bool");
    assert_string_equal(jsonread_kind_name(JSON_NUMBER), "number");
    assert_string_equal(jsonread_kind_name(JSON_TEXT), "string");
    assert_string_equal(jsonread_kind_name(JSON_ARRAY), "array");
    assert_string_equal(jsonread_kind_name(JSON_OBJECT), "object");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_is_told_apart),
        cmocka_unit_test(test_values_are_what_was_written),
        cmocka_unit_test(test_integers_beyond_a_double_are_exact_wherever_they_stand),
        cmocka_unit_test(test_what_is_no_integer_is_refused_with_the_reason),
        cmocka_unit_test(test_duplicate_keys_are_refused_at_any_depth),
        cmocka_unit_test(test_what_is_not_json_is_refused),
        cmocka_unit_test(test_limits_can_be_set_and_have_defaults),
        cmocka_unit_test(test_an_object_of_many_keys_is_read),
        cmocka_unit_test(test_what_is_kept_lives_with_the_document),
        cmocka_unit_test(test_every_kind_has_a_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
