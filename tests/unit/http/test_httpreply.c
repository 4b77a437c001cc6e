#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <zlib.h>
#include <cmocka.h>
#include <microhttpd.h>

#include "file.h"
#include "httpreply.h"

static void test_types_worth_compressing_are_known(void **state)
{
    static const struct {
        const char *type;
        bool compressible;
    } cases[] = {
        {"text/plain", true},
        {"TEXT/HTML; charset=utf-8", true},
        {"application/json; charset=utf-8", true},
        {"application/problem+json", true},
        {"image/svg+xml", true},
        {"application/xml", true},
        {"application/javascript", true},
        {"application/octet-stream", false},
        {"image/png", false},
        {"application/jsonx", false},
        {"nonsense here", false},
        {NULL, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(httpreply_is_compressible(cases[i].type), cases[i].compressible);
}

static void make(struct httpreply *reply, unsigned status, const char *type, size_t n,
                 const struct httpreply_field *extra)
{
    struct buf body = {0};
    for (size_t i = 0; i < n; i++)
        buf_putc(&body, 'a' + (int)(i % 26));
    httpreply_set(reply, status, type, &body, extra);
    assert_null(body.p);
    assert_int_equal(reply->size, n);
}

static const char *field(const struct httpreply *reply, const char *name)
{
    for (size_t i = 0; i < reply->n; i++) {
        if (strcmp(reply->fields[i].name, name) == 0)
            return reply->fields[i].value;
    }
    return NULL;
}

static void test_a_body_is_compressed_only_when_all_allows_it(void **state)
{
    static const struct httpreply_field encoded[] = {{"Content-Encoding", "br"}, {0}};
    static const struct {
        unsigned status;
        const char *type;
        size_t n;
        const struct httpreply_field *extra;
        const char *accept;
        bool gzip, vary;
    } cases[] = {
        {200, "text/plain", 5000, NULL, "gzip", true, true},
        {200, "text/plain", 512, NULL, "gzip", true, true},
        {200, "text/plain", 511, NULL, "gzip", false, true},
        {200, "text/plain", 5000, NULL, "", false, true},
        {200, "text/plain", (4 << 20) + 1, NULL, "gzip", false, true},
        {200, "text/plain", 5000, encoded, "gzip", false, false},
        {200, "image/png", 5000, NULL, "gzip", false, false},
        {200, NULL, 5000, NULL, "gzip", false, false},
        {201, "text/plain", 5000, NULL, "gzip", false, false},
        {400, "text/plain", 5000, NULL, "gzip", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct httpreply reply;
        make(&reply, cases[i].status, cases[i].type, cases[i].n, cases[i].extra);
        httpreply_compress(&reply, span_text(cases[i].accept));
        assert_int_equal(reply.gzip, cases[i].gzip);
        assert_int_equal(field(&reply, "Vary") != NULL, cases[i].vary);
        if (cases[i].gzip)
            assert_string_equal(field(&reply, "Content-Encoding"), "gzip");
        assert_int_equal(reply.size, reply.body.n);
        assert_true(cases[i].gzip ? reply.size < cases[i].n : reply.size == cases[i].n);
        httpreply_free(&reply);
    }
}

static void test_what_is_compressed_unpacks_to_what_it_was(void **state)
{
    struct httpreply reply;
    unsigned char out[6000];
    make(&reply, 200, "text/plain", 5000, NULL);
    httpreply_compress(&reply, span_text("gzip"));
    z_stream z = {0};
    assert_int_equal(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)buf_span(&reply.body).p;
    z.avail_in = (uInt)reply.body.n;
    z.next_out = out;
    z.avail_out = sizeof out;
    assert_int_equal(inflate(&z, Z_FINISH), Z_STREAM_END);
    assert_int_equal(z.total_out, 5000);
    assert_memory_equal(out, "abcdefghijklmnopqrstuvwxyzabc", 29);
    assert_int_equal(inflateEnd(&z), Z_OK);
    httpreply_free(&reply);
}

static void test_a_body_that_does_not_shrink_stays_as_it_is(void **state)
{
    struct buf body = {0};
    struct httpreply reply;
    uint32_t x = 1;
    for (int i = 0; i < 2000; i++) {
        x = x * 1664525 + 1013904223;
        buf_putc(&body, (int)(x >> 24));
    }
    httpreply_set(&reply, 200, "text/plain", &body, NULL);
    httpreply_compress(&reply, span_text("gzip"));
    assert_false(reply.gzip);
    assert_int_equal(reply.body.n, 2000);
    assert_null(field(&reply, "Content-Encoding"));
    httpreply_free(&reply);
}

static void test_a_reply_is_written_as_it_goes_over_the_wire(void **state)
{
    struct httpreply reply;
    struct buf out = {0};
    make(&reply, 413, "text/plain", 3,
         (const struct httpreply_field[]){{"X-A", "b"}, {"X-Bad", "c\nd"}, {"X-Del", "\x7f"}, {0}});
    httpreply_write(&reply, &out);
    assert_string_equal(buf_text(&out),
                        "HTTP/1.1 413 Content Too Large\r\n"
                        "X-Frame-Options: deny\r\n"
                        "X-Content-Type-Options: nosniff\r\n"
                        "Content-Security-Policy: default-src 'self' 'unsafe-inline' data:\r\n"
                        "Referrer-Policy: same-origin\r\n"
                        "Content-Type: text/plain\r\n"
                        "X-A: b\r\n"
                        "Connection: close\r\n"
                        "Content-Length: 3\r\n\r\nabc");
    buf_free(&out);
    httpreply_free(&reply);
    assert_null(reply.fields);
    httpreply_free(&reply);
}

static void test_a_type_that_would_break_the_line_is_left_out(void **state)
{
    struct httpreply reply;
    httpreply_set(&reply, 200, "text/plain\r\nX: y", NULL, NULL);
    assert_null(reply.type);
    httpreply_free(&reply);
}

static void test_a_file_is_closed_with_its_reply(void **state)
{
    for (int handed_over = 0; handed_over < 2; handed_over++) {
        struct httpreply reply;
        struct stat st;
        int fd = file_sealed("x", span_text("abc"), NULL);
        assert_true(fd >= 0);
        httpreply_set_fd(&reply, 200, "text/plain", fd, 3, NULL);
        httpreply_compress(&reply, span_text("gzip"));
        assert_false(reply.gzip);
        if (handed_over) {
            struct MHD_Response *response = httpreply_response(&reply);
            assert_int_equal(reply.fd, -1);
            assert_int_equal(reply.size, 3);
            MHD_destroy_response(response);
        }
        httpreply_free(&reply);
        assert_int_equal(fstat(fd, &st), -1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types_worth_compressing_are_known),
        cmocka_unit_test(test_a_body_is_compressed_only_when_all_allows_it),
        cmocka_unit_test(test_what_is_compressed_unpacks_to_what_it_was),
        cmocka_unit_test(test_a_body_that_does_not_shrink_stays_as_it_is),
        cmocka_unit_test(test_a_reply_is_written_as_it_goes_over_the_wire),
        cmocka_unit_test(test_a_type_that_would_break_the_line_is_left_out),
        cmocka_unit_test(test_a_file_is_closed_with_its_reply),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
