#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "jsonread.h"
#include "jsonwrite.h"

static void written(struct buf *out, const char *want)
{
    assert_string_equal(buf_text(out), want);
    buf_clear(out);
}

static void test_commas_and_colons_come_by_themselves(void **state)
{
    struct buf out = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &out, 0);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "a");
    jsonwrite_array(&w);
    jsonwrite_int64(&w, 1);
    jsonwrite_null(&w);
    jsonwrite_array(&w);
    jsonwrite_array_end(&w);
    jsonwrite_object(&w);
    jsonwrite_object_end(&w);
    jsonwrite_array_end(&w);
    jsonwrite_key_span(&w, span_text("b"));
    jsonwrite_bool(&w, true);
    jsonwrite_key(&w, "c");
    jsonwrite_object(&w);
    jsonwrite_key(&w, "d");
    jsonwrite_text(&w, NULL);
    jsonwrite_object_end(&w);
    jsonwrite_key(&w, "e");
    jsonwrite_bool(&w, false);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    written(&out, "{\"a\":[1,null,[],{}],\"b\":true,\"c\":{\"d\":\"\"},\"e\":false}");
    buf_free(&out);
}

static void put_text(struct buf *out, struct span s, unsigned flags)
{
    struct jsonwrite w;
    jsonwrite_open(&w, out, flags);
    jsonwrite_span(&w, s);
    jsonwrite_close(&w);
}

static void test_texts_are_escaped(void **state)
{
    static const char *const cases[][2] = {
        {"plain", "\"plain\""},
        {"q\"b\\", "\"q\\\"b\\\\\""},
        {"\b\f\n\r\t\x01\x1f\x7f", "\"\\b\\f\\n\\r\\t\\u0001\\u001f\x7f\""},
        {"h\xc3\xa9\xf0\x9f\x98\x80", "\"h\xc3\xa9\xf0\x9f\x98\x80\""},
        {"a\xe2\x80\xa8"
         "b\xe2\x80\xa9",
         "\"a\\u2028b\\u2029\""},
        {"\xe2\x80\xaa", "\"\xe2\x80\xaa\""},
        {"a\xff"
         "b",
         "\"a\\ufffdb\""},
        {"\xc3", "\"\\ufffd\""},
        {"\xed\xa0\x80", "\"\\ufffd\\ufffd\\ufffd\""},
        {"a\xe2\x82", "\"a\\ufffd\\ufffd\""},
        {"<a>&", "\"<a>&\""},
    };
    struct buf out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        put_text(&out, span_text(cases[i][0]), 0);
        written(&out, cases[i][1]);
    }
    put_text(&out, span_of("\0", 1), 0);
    written(&out, "\"\\u0000\"");
    put_text(&out, span_text("<a>&"), JSONWRITE_HTML);
    written(&out, "\"\\u003ca\\u003e\\u0026\"");
    buf_free(&out);
}

static void test_names_are_escaped_too(void **state)
{
    struct buf out = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &out, JSONWRITE_HTML);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "<\n\xff");
    jsonwrite_null(&w);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    written(&out, "{\"\\u003c\\n\\ufffd\":null}");
    buf_free(&out);
}

static void test_numbers_have_all_their_digits(void **state)
{
    struct buf out = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &out, 0);
    jsonwrite_array(&w);
    jsonwrite_int64(&w, INT64_MIN);
    jsonwrite_int64(&w, INT64_MAX);
    jsonwrite_uint64(&w, UINT64_MAX);
    jsonwrite_double(&w, 0.1);
    jsonwrite_double(&w, 1.0 / 3);
    jsonwrite_double(&w, 1e300);
    jsonwrite_double(&w, -5);
    jsonwrite_double(&w, NAN);
    jsonwrite_double(&w, INFINITY);
    jsonwrite_double(&w, -INFINITY);
    jsonwrite_array_end(&w);
    jsonwrite_close(&w);
    written(&out, "[-9223372036854775808,9223372036854775807,18446744073709551615,0.1,"
                  "0.3333333333333333,1e+300,-5,null,null,null]");
    buf_free(&out);
}

static void test_times_and_octets_are_strings(void **state)
{
    struct buf out = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &out, 0);
    jsonwrite_array(&w);
    jsonwrite_time(&w, 482196050520);
    jsonwrite_base64(&w, span_of("\0fo", 3));
    jsonwrite_base64(&w, span_text("f"));
    jsonwrite_array_end(&w);
    jsonwrite_close(&w);
    written(&out, "[\"1985-04-12T23:20:50.520Z\",\"AGZv\",\"Zg==\"]");
    buf_free(&out);
}

static void test_what_stands_in_the_buffer_before_stays(void **state)
{
    struct buf out = {0};
    buf_puts(&out, "x=");
    put_text(&out, span_text("y"), 0);
    written(&out, "x=\"y\"");
    buf_free(&out);
}

/* All octets in all pairs: whatever goes in, what comes out is JSON that our own reader takes. */
static void test_any_octets_come_out_as_json(void **state)
{
    struct buf out = {0};
    for (int a = 0; a < 256; a++) {
        for (int b = 0; b < 256; b++) {
            unsigned char in[4] = {'<', (unsigned char)a, (unsigned char)b, 0x80};
            if (a == 0 || b == 0)
                continue; /* written as \u0000, which the reader refuses by intent */
            put_text(&out, span_of(in, 4), a % 2 == 0 ? JSONWRITE_HTML : 0);
            struct json_doc *doc = jsonread_parse(buf_span(&out), NULL, NULL);
            assert_non_null(doc);
            jsonread_free(&doc);
            buf_clear(&out);
        }
    }
    buf_free(&out);
}

static void value_without_name(struct jsonwrite *w)
{
    jsonwrite_object(w);
    jsonwrite_int64(w, 1);
}

static void name_without_value(struct jsonwrite *w)
{
    jsonwrite_object(w);
    jsonwrite_key(w, "a");
    jsonwrite_object_end(w);
}

static void two_names(struct jsonwrite *w)
{
    jsonwrite_object(w);
    jsonwrite_key(w, "a");
    jsonwrite_key(w, "b");
}

static void name_in_array(struct jsonwrite *w)
{
    jsonwrite_array(w);
    jsonwrite_key(w, "a");
}

static void wrong_end(struct jsonwrite *w)
{
    jsonwrite_array(w);
    jsonwrite_object_end(w);
}

static void one_end_too_many(struct jsonwrite *w)
{
    jsonwrite_array(w);
    jsonwrite_array_end(w);
    jsonwrite_array_end(w);
}

static void missing_end(struct jsonwrite *w)
{
    jsonwrite_array(w);
    jsonwrite_close(w);
}

static void two_values(struct jsonwrite *w)
{
    jsonwrite_null(w);
    jsonwrite_null(w);
}

static void nothing(struct jsonwrite *w)
{
    jsonwrite_close(w);
}

static void too_deep(struct jsonwrite *w)
{
    for (int i = 0; i <= JSONWRITE_DEPTH_MAX; i++)
        jsonwrite_array(w);
}

static void test_a_call_out_of_place_ends_the_process(void **state)
{
    static void (*const wrong[])(struct jsonwrite *) = {
        value_without_name, name_without_value, two_names,  name_in_array, wrong_end,
        one_end_too_many,   missing_end,        two_values, nothing,       too_deep};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct buf out = {0};
            struct jsonwrite w;
            (void)close(STDERR_FILENO);
            (void)signal(SIGABRT, SIG_DFL);
            jsonwrite_open(&w, &out, 0);
            wrong[i](&w);
            _exit(0);
        }
        int status = 0;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_commas_and_colons_come_by_themselves),
        cmocka_unit_test(test_texts_are_escaped),
        cmocka_unit_test(test_names_are_escaped_too),
        cmocka_unit_test(test_numbers_have_all_their_digits),
        cmocka_unit_test(test_times_and_octets_are_strings),
        cmocka_unit_test(test_what_stands_in_the_buffer_before_stays),
        cmocka_unit_test(test_any_octets_come_out_as_json),
        cmocka_unit_test(test_a_call_out_of_place_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
