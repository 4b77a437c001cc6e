#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <cmocka.h>

#include "httpform.h"

#define URLENCODED "application/x-www-form-urlencoded"

static enum httpform_error run(const char *type, struct span body, size_t piece,
                               const struct httpform_limits *limits, struct httpform **form,
                               struct fail *f)
{
    enum httpform_error error = HTTPFORM_FINE;
    *form = httpform_new(span_text(type), limits, f);
    assert_non_null(*form);
    for (size_t i = 0; i < body.n && error == HTTPFORM_FINE; i += piece)
        error =
            httpform_feed(*form, span_of(body.p + i, body.n - i < piece ? body.n - i : piece), f);
    return error == HTTPFORM_FINE ? httpform_end(*form, f) : error;
}

/* "name=value;" of every part, in order. */
static void story_of(struct httpform *form, struct buf *out)
{
    for (size_t i = 0; i < httpform_count(form); i++) {
        buf_putf(out, "%s=", httpform_part(form, i)->name);
        buf_put_span(out, buf_span(&httpform_part(form, i)->value));
        buf_putc(out, ';');
    }
}

static void test_urlencoded_fields_are_read_however_the_body_is_cut(void **state)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"a=1", "a=1;"},
        {"a=1&b=2&a=3", "a=1;b=2;a=3;"},
        {"a%20b+c=%7B%22x%22%3a1%7d+y", "a b c={\"x\":1} y;"},
        {"a", "a=;"},
        {"a=", "a=;"},
        {"=b", "=b;"},
        {"a=b=c", "a=b=c;"},
        {"&&a=1&&", "a=1;"},
        {"a=%e2%82%ac%ff", "a=\xe2\x82\xac\xff;"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t piece = 1; piece <= strlen(cases[i][0]) + 1; piece++) {
            struct httpform *form;
            struct buf story = {0};
            assert_int_equal(run(URLENCODED, span_text(cases[i][0]), piece, NULL, &form, NULL),
                             HTTPFORM_FINE);
            story_of(form, &story);
            assert_string_equal(buf_text(&story), cases[i][1]);
            assert_int_equal(httpform_held(form), strlen(cases[i][0]));
            buf_free(&story);
            httpform_free(&form);
            assert_null(form);
        }
    }
}

static void test_urlencoded_text_that_is_none_is_malformed(void **state)
{
    static const char *const bad[] = {"a=%", "a=%4", "%zz=1", "a=1;b=2", "a%00b=1", "a=1&b=%&c=2"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        for (size_t piece = 1; piece <= strlen(bad[i]); piece++) {
            struct httpform *form;
            struct fail f = {0}, again = {0};
            assert_int_equal(run(URLENCODED, span_text(bad[i]), piece, NULL, &form, &f),
                             HTTPFORM_MALFORMED);
            assert_int_equal(httpform_feed(form, span_text("x"), &again), HTTPFORM_MALFORMED);
            assert_true(strlen(f.text) > 0);
            assert_string_equal(f.text, again.text);
            httpform_free(&form);
        }
    }
}

static void test_an_escaped_nul_stays_in_a_value(void **state)
{
    struct httpform *form;
    assert_int_equal(run(URLENCODED, span_text("a=x%00y"), 2, NULL, &form, NULL), HTTPFORM_FINE);
    assert_int_equal(httpform_part(form, 0)->value.n, 3);
    assert_memory_equal(buf_span(&httpform_part(form, 0)->value).p, "x\0y", 3);
    httpform_free(&form);
}

static const char multipart[] =
    "--b\r\nContent-Disposition: form-data; name=\"request\"\r\n\r\n{}\r\n"
    "--b\r\nContent-Disposition: form-data; name=\"inlinefile\"; filename=\"l.png\"\r\n"
    "Content-Type: image/png\r\nContent-ID: <logo@x>\r\n\r\nPNG\r\n"
    "--b\r\nContent-Disposition: form-data; name=\"request\"; filename=\"r\"\r\n\r\nfile\r\n"
    "--b\r\nContent-Disposition: form-data; name=\"empty\"; filename=\"\"\r\n"
    "Content-Type: application/octet-stream\r\n\r\n\r\n--b--\r\n";

static void test_multipart_fields_and_files_are_kept_with_their_heads(void **state)
{
    for (size_t piece = 1; piece <= sizeof multipart; piece += 11) {
        struct httpform *form;
        assert_int_equal(run("Multipart/Form-Data; boundary=\"b\"", span_text(multipart), piece,
                             NULL, &form, NULL),
                         HTTPFORM_FINE);
        assert_int_equal(httpform_count(form), 4);
        struct httpform_part *logo = httpform_part(form, 1);
        assert_string_equal(logo->name, "inlinefile");
        assert_string_equal(logo->filename, "l.png");
        assert_string_equal(logo->type, "image/png");
        assert_string_equal(logo->content_id, "<logo@x>");
        assert_string_equal(buf_text(&logo->value), "PNG");
        assert_null(httpform_part(form, 0)->filename);
        assert_null(httpform_part(form, 0)->type);
        assert_null(httpform_part(form, 0)->content_id);
        assert_null(httpform_part(form, 3)->filename); /* an empty name is none */
        assert_non_null(httpform_part(form, 3)->type);
        assert_string_equal(buf_text(&httpform_field(form, "request")->value), "{}");
        assert_ptr_equal(httpform_field(form, "request"), httpform_part(form, 0));
        assert_null(httpform_field(form, "inlinefile"));
        assert_null(httpform_field(form, "Request"));
        httpform_free(&form);
    }
}

static void test_a_value_can_be_taken_out(void **state)
{
    struct httpform *form;
    assert_int_equal(run(URLENCODED, span_text("a=1"), 9, NULL, &form, NULL), HTTPFORM_FINE);
    struct buf mine = httpform_part(form, 0)->value;
    httpform_part(form, 0)->value = (struct buf){0};
    httpform_free(&form);
    assert_string_equal(buf_text(&mine), "1");
    buf_free(&mine);
}

static void test_another_type_yields_nothing(void **state)
{
    static const char *const types[] = {"application/json; charset=utf-8", "text/plain",
                                        "multipart/mixed; boundary=b"};
    for (size_t i = 0; i < 3; i++) {
        struct httpform *form;
        assert_int_equal(run(types[i], span_text("{\"a\":%zz}"), 3, NULL, &form, NULL),
                         HTTPFORM_FINE);
        assert_int_equal(httpform_count(form), 0);
        httpform_free(&form);
    }
}

static void test_a_type_that_is_none_is_refused(void **state)
{
    static const char *const bad[] = {"",
                                      "nonsense",
                                      "application/",
                                      "multipart/form-data",
                                      "multipart/form-data; boundary=",
                                      "multipart/form-data; boundary=\"\"",
                                      "multipart/form-data; boundary=\"a ",
                                      "application/x-www-form-urlencoded; charset"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct fail f = {0};
        assert_null(httpform_new(span_text(bad[i]), NULL, &f));
        assert_true(strlen(f.text) > 0);
    }
}

static void test_every_limit_holds_and_only_beyond_it(void **state)
{
    static const struct {
        const char *type, *body;
        struct httpform_limits limits;
        const char *why; /* NULL: within */
    } cases[] = {
        {URLENCODED, "a=1&b=2", {.parts = 2}, NULL},
        {URLENCODED, "a=1&b=2&c=3", {.parts = 2}, "too many parts"},
        {URLENCODED, "a=1&b=2", {.fields = 7}, NULL},
        {URLENCODED, "a=1&b=2", {.fields = 6}, "fields are too large"},
        {"multipart/form-data; boundary=b", multipart, {.parts = 4}, NULL},
        {"multipart/form-data; boundary=b", multipart, {.parts = 3}, "too many parts"},
        {"multipart/form-data; boundary=b", multipart, {.files = 7}, NULL},
        {"multipart/form-data; boundary=b", multipart, {.files = 6}, "files are too large"},
        /* names, file names, types, ids and the one value: 7+2, 10+5+9+8, 7+1, 5+24 */
        {"multipart/form-data; boundary=b", multipart, {.fields = 78}, NULL},
        {"multipart/form-data; boundary=b", multipart, {.fields = 77}, "fields are too large"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t piece = 1; piece < 40; piece += 3) {
            struct httpform *form;
            struct fail f = {0};
            enum httpform_error error =
                run(cases[i].type, span_text(cases[i].body), piece, &cases[i].limits, &form, &f);
            assert_int_equal(error, cases[i].why == NULL ? HTTPFORM_FINE : HTTPFORM_TOO_LARGE);
            if (cases[i].why != NULL)
                assert_non_null(strstr(f.text, cases[i].why));
            httpform_free(&form);
        }
    }
}

static void test_a_thousand_parts_are_the_usual_limit(void **state)
{
    for (int over = 0; over < 2; over++) {
        struct buf body = {0};
        struct httpform *form;
        for (int i = 0; i < 1000 + over; i++)
            buf_puts(&body,
                     "--b\r\nContent-Disposition: form-data; name=a; filename=f\r\n\r\nx\r\n");
        buf_puts(&body, "--b--\r\n");
        assert_int_equal(
            run("multipart/form-data; boundary=b", buf_span(&body), 4096, NULL, &form, NULL),
            over ? HTTPFORM_TOO_LARGE : HTTPFORM_FINE);
        assert_int_equal(httpform_count(form), 1000);
        httpform_free(&form);
        buf_free(&body);
    }
}

/* A form of files, all octets of each being one letter: "a5b300" has five a and 300 b. */
static void put_files(struct buf *body, const char *sizes)
{
    while (*sizes != '\0') {
        char letter = *sizes++, *end;
        unsigned long n = strtoul(sizes, &end, 10);
        sizes = end;
        buf_putf(body, "--b\r\nContent-Disposition: form-data; name=%c; filename=f\r\n\r\n",
                 letter);
        for (; n > 0; n--)
            buf_putc(body, letter);
        buf_puts(body, "\r\n");
    }
    buf_puts(body, "--b--\r\n");
}

/* "a5 b300@0 " : what is in memory, and what is in the memory file from where on. */
static void tell_files(struct httpform *form, struct buf *out)
{
    for (size_t i = 0; i < httpform_count(form); i++) {
        struct httpform_part *p = httpform_part(form, i);
        unsigned char octets[1024];
        struct span content = buf_span(&p->value);
        if (p->spilled) {
            assert_int_equal(p->value.n, 0);
            assert_int_equal(pread(httpform_spill(form), octets, p->n, (off_t)p->at), p->n);
            content = span_of(octets, p->n);
        }
        assert_int_equal(content.n, p->n);
        for (size_t k = 0; k < content.n; k++)
            assert_int_equal(content.p[k], p->name[0]);
        buf_putf(out, "%s%zu", p->name, content.n);
        if (p->spilled)
            buf_putf(out, "@%d", (int)p->at);
        buf_putc(out, ' ');
    }
}

static void test_files_beyond_what_memory_may_hold_go_into_one_memory_file(void **state)
{
    static const char *const cases[][2] = {
        {"a100", "a100 "},
        {"a101", "a101@0 "},
        {"a60b40", "a60 b40 "},
        {"a60b41", "a60 b41@0 "},
        {"a60b41c40", "a60 b41@0 c40 "}, /* there is room again */
        {"a60b300c41d0e40", "a60 b300@0 c41@300 d0 e40 "},
        {"a1000b1000", "a1000@0 b1000@1000 "},
    };
    const struct httpform_limits limits = {.memory = 100};
    static const size_t pieces[] = {1, 7, 100, 5000};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0] * 4; i++) {
        struct httpform *form;
        struct buf body = {0}, told = {0};
        put_files(&body, cases[i / 4][0]);
        assert_int_equal(run("multipart/form-data; boundary=b", buf_span(&body), pieces[i % 4],
                             &limits, &form, NULL),
                         HTTPFORM_FINE);
        tell_files(form, &told);
        assert_string_equal(buf_text(&told), cases[i / 4][1]);
        assert_int_equal(httpform_spill(form) >= 0, strchr(cases[i / 4][1], '@') != NULL);
        httpform_free(&form);
        buf_free(&body);
        buf_free(&told);
    }
}

static void test_without_a_descriptor_left_it_is_busy(void **state)
{
    const struct httpform_limits limits = {.memory = 100};
    struct rlimit before, none;
    struct httpform *form;
    struct buf body = {0};
    struct fail f = {0};
    put_files(&body, "a101");
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = (struct rlimit){0, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    enum httpform_error error =
        run("multipart/form-data; boundary=b", buf_span(&body), 50, &limits, &form, &f);
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(error, HTTPFORM_BUSY);
    assert_non_null(strstr(f.text, "no room"));
    httpform_free(&form);
    buf_free(&body);
}

static void test_multipart_that_is_none_is_malformed(void **state)
{
    struct httpform *form;
    struct fail f = {0};
    assert_int_equal(
        run("multipart/form-data; boundary=b", span_text("nothing"), 2, NULL, &form, &f),
        HTTPFORM_MALFORMED);
    assert_non_null(strstr(f.text, "closing delimiter"));
    httpform_free(&form);
    assert_int_equal(run("multipart/form-data; boundary=b",
                         span_text("--b\r\nContent-Disposition: x\r\n\r\n\r\n--b--"), 2, NULL,
                         &form, &f),
                     HTTPFORM_MALFORMED);
    assert_non_null(strstr(f.text, "form-data"));
    httpform_free(&form);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_urlencoded_fields_are_read_however_the_body_is_cut),
        cmocka_unit_test(test_urlencoded_text_that_is_none_is_malformed),
        cmocka_unit_test(test_an_escaped_nul_stays_in_a_value),
        cmocka_unit_test(test_multipart_fields_and_files_are_kept_with_their_heads),
        cmocka_unit_test(test_a_value_can_be_taken_out),
        cmocka_unit_test(test_another_type_yields_nothing),
        cmocka_unit_test(test_a_type_that_is_none_is_refused),
        cmocka_unit_test(test_every_limit_holds_and_only_beyond_it),
        cmocka_unit_test(test_a_thousand_parts_are_the_usual_limit),
        cmocka_unit_test(test_files_beyond_what_memory_may_hold_go_into_one_memory_file),
        cmocka_unit_test(test_without_a_descriptor_left_it_is_busy),
        cmocka_unit_test(test_multipart_that_is_none_is_malformed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
