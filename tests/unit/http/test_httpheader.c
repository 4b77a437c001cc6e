#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "httpheader.h"

static void test_tokens_are_told_from_other_text(void **state)
{
    assert_true(httpheader_is_token(span_text("X-Foo_9!#$%&'*+-.^`|~")));
    static const char *const bad[] = {"", "a b", "a:", "a\t", "\"a\"", "a(b", "\x80", "a/b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(httpheader_is_token(span_text(bad[i])));
    assert_false(httpheader_is_token(span_of("a\0b", 3)));
}

static void test_the_word_is_taken_off_the_front(void **state)
{
    static const char *const cases[][3] = {
        {"text/plain", "text/plain", ""},
        {" multipart/form-data ; boundary=x", "multipart/form-data", "; boundary=x"},
        {"form-data;name=a", "form-data", ";name=a"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span value = span_text(cases[i][0]), word;
        assert_int_equal(httpheader_word(&value, &word), 0);
        assert_true(span_is(word, cases[i][1]));
        assert_true(span_is(value, cases[i][2]));
    }
    static const char *const bad[] = {"",      ";a=b", "text/", "/plain", "text/plain x",
                                      "a/b/c", "a,b"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct span value = span_text(bad[i]), word;
        assert_int_equal(httpheader_word(&value, &word), -1);
    }
}

static void test_parameters_are_taken_one_by_one(void **state)
{
    struct span rest = span_text("; a=1;B=\"x; \\\"y\\\\z\" ;; c=\"C:\\dir\\f\";d=\"\";");
    static const char *const want[][2] = {
        {"a", "1"}, {"B", "x; \"y\\z"}, {"c", "C:\\dir\\f"}, {"d", ""}};
    struct span name;
    struct buf value = {0};
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(httpheader_param(&rest, &name, &value), 1);
        assert_true(span_is(name, want[i][0]));
        assert_string_equal(buf_text(&value), want[i][1]);
    }
    assert_int_equal(httpheader_param(&rest, &name, &value), 0);
    buf_free(&value);
}

static void test_what_is_no_parameter_is_refused(void **state)
{
    static const char *const bad[] = {"; a",       "; a=",       "; =b",    "; a=\"b", "; a=\"b\\",
                                      "; a=b c=d", "; a=\"b\"c", "; a = b", "x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct span rest = span_text(bad[i]), name;
        struct buf value = {0};
        assert_int_equal(httpheader_param(&rest, &name, &value), -1);
        buf_free(&value);
    }
}

static void test_a_parameter_is_found_only_in_a_sound_field(void **state)
{
    struct buf value = {0};
    struct span field = span_text("multipart/form-data; Boundary=x; boundary=y");
    assert_int_equal(httpheader_find_param(field, "boundary", &value), 1);
    assert_string_equal(buf_text(&value), "x");
    assert_int_equal(httpheader_find_param(field, "charset", &value), 0);
    field = span_text("multipart/form-data; boundary=x; boundary");
    assert_int_equal(httpheader_find_param(field, "boundary", &value), -1);
    assert_int_equal(httpheader_find_param(span_text(""), "a", &value), -1);
    buf_free(&value);
}

static void test_a_coding_is_accepted_as_its_weight_says(void **state)
{
    static const struct {
        const char *field;
        bool accepted;
    } cases[] = {
        {"gzip", true},
        {"GZIP", true},
        {"deflate, gzip;q=0.5, br", true},
        {"gzip;q=0", false},
        {"gzip; q=0.000, *", false},
        {"gzip;q=0.001", true},
        {"*", true},
        {"*;q=0", false},
        {"*, gzip;q=0", false},
        {"identity", false},
        {"gzipped", false},
        {"", false},
        {", ,", false},
        {"x gzip", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(httpheader_accepts(span_text(cases[i].field), "gzip"), cases[i].accepted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tokens_are_told_from_other_text),
        cmocka_unit_test(test_the_word_is_taken_off_the_front),
        cmocka_unit_test(test_parameters_are_taken_one_by_one),
        cmocka_unit_test(test_what_is_no_parameter_is_refused),
        cmocka_unit_test(test_a_parameter_is_found_only_in_a_sound_field),
        cmocka_unit_test(test_a_coding_is_accepted_as_its_weight_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
