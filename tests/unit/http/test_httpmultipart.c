#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "httpmultipart.h"

/* What the sink was told, as text: "<name|filename|type|id:" data ">". */
struct story {
    struct buf text;
    size_t stop_at; /* data fails once this many octets are told; 0: never */
};

static int begin(void *arg, const struct httpmultipart_head *head, struct fail *f)
{
    struct story *s = arg;
    buf_putc(&s->text, '<');
    buf_put_span(&s->text, buf_span(&head->name));
    buf_putc(&s->text, '|');
    buf_put_span(&s->text, buf_span(&head->filename));
    buf_putc(&s->text, '|');
    buf_put_span(&s->text, buf_span(&head->type));
    buf_putc(&s->text, '|');
    buf_put_span(&s->text, buf_span(&head->content_id));
    buf_putc(&s->text, ':');
    return 0;
}

static int data(void *arg, struct span octets, struct fail *f)
{
    struct story *s = arg;
    buf_put_span(&s->text, octets);
    return s->stop_at > 0 && s->text.n >= s->stop_at ? fail_set(f, "enough") : 0;
}

static void end(void *arg)
{
    struct story *s = arg;
    buf_putc(&s->text, '>');
}

/* Feeds the body in pieces of the given size. Returns 0 with the story, or -1 with the sentence. */
static int run(struct span body, const char *boundary, size_t piece, struct story *s,
               struct fail *f)
{
    struct httpmultipart_sink sink = {.begin = begin, .data = data, .end = end, .arg = s};
    struct httpmultipart *m = httpmultipart_new(span_text(boundary), &sink, f);
    assert_non_null(m);
    int rc = 0;
    for (size_t i = 0; i < body.n && rc == 0; i += piece)
        rc = httpmultipart_feed(m, span_of(body.p + i, body.n - i < piece ? body.n - i : piece), f);
    if (rc == 0)
        rc = httpmultipart_end(m, f);
    httpmultipart_free(&m);
    assert_null(m);
    return rc;
}

static void tells(const char *body, const char *want)
{
    for (size_t piece = 1; piece <= strlen(body); piece++) {
        struct story s = {{0}};
        struct fail f = {0};
        if (run(span_text(body), "b", piece, &s, &f) != 0)
            fail_msg("%s: %s", body, f.text);
        assert_string_equal(buf_text(&s.text), want);
        buf_free(&s.text);
    }
}

static void refuses(const char *body, const char *why)
{
    for (size_t piece = 1; piece <= strlen(body) + 1; piece++) {
        struct story s = {{0}};
        struct fail f = {0};
        if (run(span_text(body), "b", piece, &s, &f) != -1)
            fail_msg("taken: %s", body);
        if (strstr(f.text, why) == NULL)
            fail_msg("%s: %s", body, f.text);
        buf_free(&s.text);
    }
}

#define A "Content-Disposition: form-data; name=\"a\"\r\n"

static void test_parts_are_told_however_the_body_is_cut(void **state)
{
    tells("--b\r\n" A "\r\nvalue\r\n--b--\r\n", "<a|||:value>");
    tells("--b\r\n" A "\r\nvalue\r\n--b--", "<a|||:value>");
    tells("--b\r\n" A "\r\n1\r\n--b\r\n" A "\r\n2\r\n--b--\r\n", "<a|||:1><a|||:2>");
    tells("--b--\r\n", "");
}

static void test_every_head_field_is_kept(void **state)
{
    tells(
        "--b\r\nContent-Type: image/png; x=y\r\ncontent-disposition:form-data;NAME=a;FileName=\"f "
        "g.png\"\r\nX-Other: 1\r\nContent-Id: <i@d>\r\ncontent-transfer-encoding: "
        "Binary\r\n\r\nx\r\n"
        "--b--",
        "<a|f g.png|image/png; x=y|<i@d>:x>");
    tells("--b\r\nContent-Disposition: form-data;\r\n name=a;\r\n\tfilename=f\r\n\r\n\r\n--b--",
          "<a|f||:>");
}

static void test_an_empty_value_may_be_written_both_ways(void **state)
{
    tells("--b\r\n" A "\r\n\r\n--b--", "<a|||:>");
    tells("--b\r\n" A "\r\n--b--", "<a|||:>");
    tells("--b\r\n" A "\r\n\r\n\r\n--b--", "<a|||:\r\n>");
}

static void test_what_only_looks_like_a_delimiter_is_data(void **state)
{
    tells("--b\r\n" A "\r\n--bc\r\n\r\n--b \t-\r\n--b-\r\n-b\r\n--a\r\n\n--b--\r\r\n--b--",
          "<a|||:--bc\r\n\r\n--b \t-\r\n--b-\r\n-b\r\n--a\r\n\n--b--\r>");
    tells("--b\r\n" A "\r\n\r\n--b\r \r\n--b--", "<a|||:\r\n--b\r >");
}

static void test_padding_preamble_and_epilogue_are_passed_over(void **state)
{
    tells("--bx\r\nwords\r\n--b \t \r\n" A "\r\n1\r\n--b--  \r\n--b\r\nwords", "<a|||:1>");
    tells("\r\n--b\r\n" A "\r\n1\r\n--b--", "<a|||:1>");
}

static void test_data_may_be_any_octets(void **state)
{
    unsigned char text[600];
    struct buf body = {0};
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (unsigned char)(i * 7);
    buf_puts(&body, "--b\r\n" A "\r\n");
    buf_put(&body, text, sizeof text);
    buf_puts(&body, "\r\n--b--");
    for (size_t piece = 1; piece < 700; piece += 3) {
        struct story s = {{0}};
        assert_int_equal(run(buf_span(&body), "b", piece, &s, NULL), 0);
        assert_int_equal(s.text.n, sizeof text + 7);
        assert_memory_equal(buf_span(&s.text).p + 6, text, sizeof text);
        buf_free(&s.text);
    }
    buf_free(&body);
}

static void test_file_names_lose_their_folders_and_may_be_extended(void **state)
{
    static const char *const cases[][2] = {
        {"filename=\"/etc/passwd\"", "passwd"},
        {"filename=\"a/b/\"", "b"},
        {"filename=\"/\"", ""},
        {"filename=\"\"", ""},
        {"filename=\"q\\\"b\\\\.txt\"", "q\"b\\.txt"},
        {"filename=\"C:\\dir\\f.txt\"", "C:\\dir\\f.txt"},
        {"filename*=UTF-8''%e2%82%ac%20rates", "\xe2\x82\xac rates"},
        {"filename=x; filename*=utf-8'en'%2Fy", "y"},
        {"filename*=utf-8''y; filename=x", "y"},
        {"filename=x; filename*=iso-8859-1''y", "x"},
        {"filename=x; filename*=utf-8''%zz", "x"},
        {"filename=x; filename*=utf-8'y", "x"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[300], want[100];
        (void)snprintf(body, sizeof body,
                       "--b\r\nContent-Disposition: form-data; name=a; %s\r\n\r\n\r\n--b--",
                       cases[i][0]);
        (void)snprintf(want, sizeof want, "<a|%s||:>", cases[i][1]);
        tells(body, want);
    }
}

static void test_what_is_no_form_is_refused(void **state)
{
    refuses("", "before its closing delimiter");
    refuses("hello", "before its closing delimiter");
    refuses("--b\r\n" A "\r\nvalue", "before its closing delimiter");
    refuses("--b\r\n" A "\r\nvalue\r\n--b", "before its closing delimiter");
    refuses("--b\r\n" A "\r\nvalue\r\n--b-", "before its closing delimiter");
    refuses("--b\r\n" A "\r\nvalue\r\n--b\r\n", "before its closing delimiter");
    refuses("--b\n" A "\n\nvalue\n--b--\n", "before its closing delimiter");
    refuses("--b\r\n\r\nvalue\r\n--b--", "has no name");
    refuses("--b\r\nContent-Type: a/b\r\n\r\nvalue\r\n--b--", "has no name");
    refuses("--b\r\nContent-Disposition: form-data\r\n\r\nvalue\r\n--b--", "has no name");
    refuses("--b\r\nContent-Disposition: form-data; name=\"\"\r\n\r\nvalue\r\n--b--",
            "has no name");
    refuses("--b\r\nContent-Disposition: attachment; name=a\r\n\r\nv\r\n--b--", "not form-data");
    refuses("--b\r\nContent-Disposition: form-data; name\r\n\r\nv\r\n--b--", "malformed");
    refuses("--b\r\n" A A "\r\nv\r\n--b--", "two Content-Disposition");
    refuses("--b\r\n" A "Content-ID: a\r\nContent-ID: b\r\n\r\nv\r\n--b--", "two Content-ID");
    refuses("--b\r\n" A "nonsense\r\n\r\nv\r\n--b--", "no field");
    refuses("--b\r\n" A "a b: c\r\n\r\nv\r\n--b--", "no field");
    refuses("--b\r\n a: b\r\n" A "\r\nv\r\n--b--", "no field");
    refuses("--b\r\n" A "Content-Type: a\rb\r\n\r\nv\r\n--b--", "stray line end");
    refuses("--b\r\n" A "Content-Type: a\nb\r\n\r\nv\r\n--b--", "stray line end");
    refuses("--b\r\n" A "Content-Transfer-Encoding: base64\r\n\r\ndg==\r\n--b--",
            "Content-Transfer-Encoding");
    refuses(
        "--b\r\nContent-Disposition: form-data; name=a; filename*=utf-8''a%0ab\r\n\r\nv\r\n--b--",
        "line end or a NUL");
}

static void test_a_nul_in_a_head_is_refused(void **state)
{
    static const char body[] = "--b\r\n" A "X: a\0b\r\n\r\nv\r\n--b--";
    struct story s = {{0}};
    struct fail f = {0};
    assert_int_equal(run(span_of(body, sizeof body - 1), "b", 1000, &s, &f), -1);
    assert_non_null(strstr(f.text, "stray line end or a NUL"));
    buf_free(&s.text);
}

static void test_a_head_may_not_grow_without_end(void **state)
{
    for (int over = 0; over < 2; over++) {
        struct buf body = {0};
        buf_puts(&body, "--b\r\n" A "X: ");
        while (body.n < 5 + HTTPMULTIPART_HEAD_MAX - 2 + (size_t)over)
            buf_putc(&body, 'x');
        buf_puts(&body, "\r\n\r\nv\r\n--b--");
        for (size_t piece = 1; piece < 20000; piece = piece * 5 + 1) {
            struct story s = {{0}};
            assert_int_equal(run(buf_span(&body), "b", piece, &s, NULL), over ? -1 : 0);
            buf_free(&s.text);
        }
        buf_free(&body);
    }
}

static void test_a_delimiter_line_may_not_be_padded_without_end(void **state)
{
    for (int over = 0; over < 2; over++) {
        struct buf body = {0};
        buf_puts(&body, "--b\r\n" A "\r\nv\r\n--b");
        for (int i = 0; i < 100 + over; i++)
            buf_putc(&body, ' ');
        buf_puts(&body, "\r\n" A "\r\nw\r\n--b--");
        for (size_t piece = 1; piece < 300; piece += 7) {
            struct story s = {{0}};
            assert_int_equal(run(buf_span(&body), "b", piece, &s, NULL), 0);
            if (over)
                assert_null(strstr(buf_text(&s.text), "><"));
            else
                assert_string_equal(buf_text(&s.text), "<a|||:v><a|||:w>");
            buf_free(&s.text);
        }
        buf_free(&body);
    }
}

static void test_a_sink_can_stop_it(void **state)
{
    struct story s = {.stop_at = 8};
    struct fail f = {0};
    assert_int_equal(run(span_text("--b\r\n" A "\r\n12345\r\n--b--"), "b", 1, &s, &f), -1);
    assert_string_equal(f.text, "enough");
    buf_free(&s.text);
}

static void test_boundaries_are_checked(void **state)
{
    struct httpmultipart_sink sink = {.begin = begin, .data = data, .end = end};
    static const char *const bad[] = {
        "",
        " ",
        "a ",
        "a\n",
        "\x80",
        "a\x7f",
        "12345678901234567890123456789012345678901234567890123456789012345678901"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_null(httpmultipart_new(span_text(bad[i]), &sink, NULL));
    struct story s = {{0}};
    const char *body = "----a b'()+_,-./:=?\r\n" A "\r\n1\r\n----a b'()+_,-./:=?--";
    assert_int_equal(run(span_text(body), "--a b'()+_,-./:=?", 3, &s, NULL), 0);
    assert_string_equal(buf_text(&s.text), "<a|||:1>");
    buf_free(&s.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parts_are_told_however_the_body_is_cut),
        cmocka_unit_test(test_every_head_field_is_kept),
        cmocka_unit_test(test_an_empty_value_may_be_written_both_ways),
        cmocka_unit_test(test_what_only_looks_like_a_delimiter_is_data),
        cmocka_unit_test(test_padding_preamble_and_epilogue_are_passed_over),
        cmocka_unit_test(test_data_may_be_any_octets),
        cmocka_unit_test(test_file_names_lose_their_folders_and_may_be_extended),
        cmocka_unit_test(test_what_is_no_form_is_refused),
        cmocka_unit_test(test_a_nul_in_a_head_is_refused),
        cmocka_unit_test(test_a_head_may_not_grow_without_end),
        cmocka_unit_test(test_a_delimiter_line_may_not_be_padded_without_end),
        cmocka_unit_test(test_a_sink_can_stop_it),
        cmocka_unit_test(test_boundaries_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
