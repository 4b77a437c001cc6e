#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "httpurl.h"

static void test_escapes_are_decoded_or_refused(void **state)
{
    static const struct {
        const char *in, *plain, *form; /* NULL: refused */
    } cases[] = {
        {"", "", ""},
        {"a+b%20c", "a+b c", "a b c"},
        {"%41%7a%2F", "Az/", "Az/"},
        {"%e2%82%AC", "\xe2\x82\xac", "\xe2\x82\xac"},
        {"%", NULL, NULL},
        {"%4", NULL, NULL},
        {"a%4g", NULL, NULL},
        {"%%41", NULL, NULL},
        {"%25", "%", "%"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int plus = 0; plus < 2; plus++) {
            const char *want = plus ? cases[i].form : cases[i].plain;
            struct buf out = {0};
            buf_puts(&out, ">");
            int rc = httpurl_decode(&out, span_text(cases[i].in), plus);
            assert_int_equal(rc, want == NULL ? -1 : 0);
            assert_string_equal(buf_text(&out) + 1, want == NULL ? "" : want);
            buf_free(&out);
        }
    }
}

static void test_an_escaped_nul_is_an_octet_like_any(void **state)
{
    struct buf out = {0};
    assert_int_equal(httpurl_decode(&out, span_text("a%00b"), false), 0);
    assert_int_equal(out.n, 3);
    assert_memory_equal(buf_span(&out).p, "a\0b", 3);
    buf_free(&out);
}

static void test_every_form_of_a_target_is_split(void **state)
{
    static const struct {
        const char *target, *authority, *path, *query;
    } cases[] = {
        {"/", "", "/", NULL},
        {"/a/b?c=d?e", "", "/a/b", "c=d?e"},
        {"/a?", "", "/a", ""},
        {"http://host:80/a?b", "host:80", "/a", "b"},
        {"HTTPS://host", "host", "/", NULL},
        {"http://host?q", "host", "/", "q"},
        {"*", "", "*", NULL},
        {"//a", "", "//a", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct httpurl_target t;
        assert_int_equal(httpurl_split(span_text(cases[i].target), &t, NULL), 0);
        assert_true(span_is(t.authority, cases[i].authority));
        assert_true(span_is(t.path, cases[i].path));
        assert_true(span_is(t.query, cases[i].query == NULL ? "" : cases[i].query));
        assert_int_equal(t.query.p == NULL, cases[i].query == NULL);
    }
}

static void test_what_is_no_target_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "a",
                                      "?a",
                                      "host:80",
                                      "/a b",
                                      "/a#b",
                                      "/\t",
                                      "/\xc3\xa9",
                                      "http://",
                                      "http:///a",
                                      "**",
                                      "*?a",
                                      "/\x7f",
                                      "http://host/ ",
                                      "ftp://host/",
                                      "http://user@host/"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct httpurl_target t;
        struct fail f = {0};
        assert_int_equal(httpurl_split(span_text(bad[i]), &t, &f), -1);
        assert_true(strlen(f.text) > 0);
    }
}

static void test_a_path_is_cleaned_after_decoding(void **state)
{
    static const char *const cases[][2] = {
        {"/", "/"},
        {"/a", "/a"},
        {"/a/", "/a/"},
        {"/a/b/../c", "/a/c"},
        {"/a/./b/.", "/a/b/"},
        {"/..", "/"},
        {"/../../etc/passwd", "/etc/passwd"},
        {"/a/..", "/"},
        {"/a/../..", "/"},
        {"/a/../../b", "/b"},
        {"//a///b//", "/a/b/"},
        {"/%2e%2e/%2E/a", "/a"},
        {"/a%2f..%2fb", "/b"},
        {"/...", "/..."},
        {"/..a/b..", "/..a/b.."},
        {"/a+b", "/a+b"},
        {"/%e2%82%ac", "/\xe2\x82\xac"},
        {"*", "*"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0};
        buf_puts(&out, "/x"); /* what stands before is no part of the path */
        assert_int_equal(httpurl_path(&out, span_text(cases[i][0]), NULL), 0);
        assert_string_equal(buf_text(&out) + 2, cases[i][1]);
        buf_free(&out);
    }
}

static void test_a_path_that_hides_something_is_refused(void **state)
{
    static const char *const bad[] = {"/%00", "/a%0ab", "/%7f", "/%1F", "/%", "/%zz", "", "a"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf out = {0};
        struct fail f = {0};
        assert_int_equal(httpurl_path(&out, span_text(bad[i]), &f), -1);
        assert_int_equal(out.n, 0);
        assert_true(strlen(f.text) > 0);
        buf_free(&out);
    }
}

static void test_the_fields_of_a_query_are_decoded_one_after_the_other(void **state)
{
    struct span query = span_text("a=1&b%20c=x+y&a=2&flag&bad=%zz&n=");
    static const char *const fields[][2] = {{"a", "1"},   {"b c", "x y"}, {"a", "2"},
                                            {"flag", ""}, {NULL, NULL},   {"n", ""}};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++) {
        struct buf name = {0}, value = {0};
        assert_int_equal(httpurl_next(&query, &name, &value), fields[i][0] == NULL ? -1 : 1);
        if (fields[i][0] != NULL) {
            assert_string_equal(buf_text(&name), fields[i][0]);
            assert_string_equal(buf_text(&value), fields[i][1]);
        }
        buf_free(&name);
        buf_free(&value);
    }
    struct span nothing = {0};
    struct buf out = {0};
    assert_int_equal(httpurl_next(&query, &out, &out), 0);
    assert_int_equal(httpurl_next(&nothing, &out, &out), 0);
    assert_int_equal(out.n, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_escapes_are_decoded_or_refused),
        cmocka_unit_test(test_an_escaped_nul_is_an_octet_like_any),
        cmocka_unit_test(test_every_form_of_a_target_is_split),
        cmocka_unit_test(test_what_is_no_target_is_refused),
        cmocka_unit_test(test_a_path_is_cleaned_after_decoding),
        cmocka_unit_test(test_a_path_that_hides_something_is_refused),
        cmocka_unit_test(test_the_fields_of_a_query_are_decoded_one_after_the_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
