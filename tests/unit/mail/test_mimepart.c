#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mimepart.h"

#define S10 "0123456789"
#define S70 S10 S10 S10 S10 S10 S10 S10

static const struct {
    const char *octets;
    size_t n;
    const char *type;
} sniffs[] = {
    {"%PDF-", 5, "application/pdf"},
    {"%PDF", 4, "text/plain; charset=utf-8"},
    {"\x89PNG\r\n\x1a\n\0", 9, "image/png"},
    {"\xff\xd8\xff\xe0", 4, "image/jpeg"},
    {"GIF87a..", 8, "image/gif"},
    {"GIF89a..", 8, "image/gif"},
    {"RIFF\0\0\0\0WEBPVP8 ", 16, "image/webp"},
    {"PK\x03\x04", 4, "application/zip"},
    {"\x1f\x8b\x08", 3, "application/gzip"},
    {"<!doctype html><p>", 18, "text/html; charset=utf-8"},
    {"\r\n <html>", 9, "text/html; charset=utf-8"},
    {"<!--x-->", 8, "text/html; charset=utf-8"},
    {"<htmlx>", 7, "text/plain; charset=utf-8"},
    {"", 0, "text/plain; charset=utf-8"},
    {"h\xc3\xa9llo\n", 7, "text/plain; charset=utf-8"},
    {"h\xe9llo\n", 6, "application/octet-stream"},
    {"a\0b", 3, "application/octet-stream"},
    {"\x7f"
     "ELF\x02",
     5, "application/octet-stream"},
};

static void test_content_types_are_told_by_the_first_octets(void **state)
{
    for (size_t i = 0; i < sizeof sniffs / sizeof sniffs[0]; i++)
        assert_string_equal(mimepart_sniff(span_of(sniffs[i].octets, sniffs[i].n)), sniffs[i].type);
}

static void test_a_character_may_be_cut_where_the_look_ends(void **state)
{
    char octets[600];
    memset(octets, 'a', sizeof octets);
    memcpy(octets + 510, "\xe2\x82\xac", 3);
    assert_string_equal(mimepart_sniff(span_of(octets, sizeof octets)),
                        "text/plain; charset=utf-8");
    memcpy(octets + 500, "\xe2\x82", 2);
    assert_string_equal(mimepart_sniff(span_of(octets, sizeof octets)), "application/octet-stream");
}

static const struct {
    const char *text, *body, *charset, *encoding;
} texts[] = {
    {"hello", "hello\r\n", "us-ascii", "7bit"},
    {"a\nb\n", "a\r\nb\r\n", "us-ascii", "7bit"},
    {"a\r\nb\r\n", "a\r\nb\r\n", "us-ascii", "7bit"}, /* not doubled */
    {"a\r\n\nb", "a\r\n\r\nb\r\n", "us-ascii", "7bit"},
    {"h\xc3\xa9\n", "h\xc3\xa9\r\n", "utf-8", "8bit"},
    {"tab\tok\n", "tab\tok\r\n", "us-ascii", "7bit"},
    {"a\rb\n", "a\rb\r\n", "us-ascii", "quoted-printable"},
    {"a\r", "a\r\r\n", "us-ascii", "quoted-printable"},
    {"\r\r\n", "\r\r\n", "us-ascii", "quoted-printable"},
    {"a\x1b[2J\n", "a\x1b[2J\r\n", "us-ascii", "quoted-printable"},
    {S70 "123456\n", S70 "123456\r\n", "us-ascii", "7bit"},
    {S70 "1234567\n", S70 "1234567\r\n", "us-ascii", "quoted-printable"},
    {"", "\r\n", "us-ascii", "7bit"},
};

static void test_texts_get_crlf_and_the_lightest_encoding_that_holds_them(void **state)
{
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct mimepart_text t;
        mimepart_text_prepare(&t, span_text(texts[i].text));
        assert_string_equal(buf_text(&t.body), texts[i].body);
        assert_string_equal(t.charset, texts[i].charset);
        assert_string_equal(t.encoding, texts[i].encoding);
        buf_free(&t.body);
    }
    struct mimepart_text t;
    struct buf out = {0};
    mimepart_text_prepare(&t, span_text("a\rb=\n"));
    mimepart_text_write(&out, &t, "plain");
    assert_string_equal(buf_text(&out), "Content-Type: text/plain; charset=us-ascii\r\n"
                                        "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                                        "a=0Db=3D\r\n");
    buf_free(&t.body);
    buf_free(&out);
}

static const struct {
    const char *value, *field;
} parameters[] = {
    {"", "X: a; p=\"\"\r\n"},
    {"file.txt", "X: a; p=\"file.txt\"\r\n"},
    {"a \"b\"\\c", "X: a; p=\"a \\\"b\\\"\\\\c\"\r\n"},
    {"r\xc3\xa9sum\xc3\xa9 1.pdf", "X: a; p*=utf-8''r%C3%A9sum%C3%A9%201.pdf\r\n"},
    {"a\r\nb", "X: a; p*=utf-8''a%0D%0Ab\r\n"},
    {"\xff", "X: a; p*=utf-8''%EF%BF%BD\r\n"},
    {S70, "X: a;\r\n p*0*=utf-8''" S10 S10 S10 S10 S10 S10 ";\r\n p*1*=" S10 "\r\n"},
    {S10 S10 S10 S10 S10 "1234567\xe2\x82\xac",
     "X: a; p*0*=utf-8''" S10 S10 S10 S10 S10 "1234567;\r\n p*1*=%E2%82%AC\r\n"},
};

static void test_parameters_are_quoted_or_split_as_rfc_2231_says(void **state)
{
    for (size_t i = 0; i < sizeof parameters / sizeof parameters[0]; i++) {
        struct buf out = {0};
        struct fold fold;
        fold_begin(&fold, &out, "X", " ");
        fold_words(&fold, "a");
        mimepart_parameter(&fold, "p", span_text(parameters[i].value));
        fold_end(&fold);
        assert_string_equal(buf_text(&out), parameters[i].field);
        buf_free(&out);
    }
}

static void test_files_are_written_with_their_fields(void **state)
{
    struct mimepart_file file = {
        .name = span_text("x.pdf"), .content_id = span_text("<c@x>"), .data = span_text("%PDF-")};
    struct buf out = {0};
    mimepart_file_begin(&out, &file, "inline");
    assert_string_equal(buf_text(&out), "Content-Type: application/pdf\r\n"
                                        "Content-Transfer-Encoding: base64\r\n"
                                        "Content-Disposition: inline; filename=\"x.pdf\"\r\n"
                                        "Content-ID: <c@x>\r\n\r\n");
    buf_free(&out);
}

static const struct {
    const char *type, *id;
    int rc;
} files[] = {
    {"", "", 0},
    {"text/plain", "<a@b>", 0},
    {"text/plain; charset=\"utf-8\"", "", 0},
    {"text/plain ;charset=utf-8", "", 0},
    {"application/vnd.oasis.opendocument.text", "", 0},
    {"text", "", -1},
    {"text/", "", -1},
    {"/plain", "", -1},
    {"text/plain charset=utf-8", "", -1},
    {"te xt/plain", "", -1},
    {"text/plain\r\nBcc: x", "", -1},
    {"text/pl\xc3\xa9in", "", -1},
    {"Multipart/mixed; boundary=x", "", -1},
    {"", "<a@b>\r\nBcc: x", -1},
    {"", "<\xc3\xa9@b>", -1},
    {"", "a\tb", -1},
};

static void test_types_and_ids_that_would_break_the_header_are_refused(void **state)
{
    char name[MIMEPART_FIELD_MAX + 2] = {0};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct mimepart_file file = {.content_type = span_text(files[i].type),
                                     .content_id = span_text(files[i].id)};
        assert_int_equal(mimepart_check_file(&file, NULL), files[i].rc);
    }
    memset(name, 'a', sizeof name - 1);
    struct mimepart_file file = {.name = span_text(name)};
    assert_int_equal(mimepart_check_file(&file, NULL), -1);
    file.name.n--;
    assert_int_equal(mimepart_check_file(&file, NULL), 0);
}

static void test_a_boundary_is_in_none_of_the_contents(void **state)
{
    struct buf b = {0}, other = {0};
    const struct span with[] = {span_text("a"), span_text("x --=_abc y"), span_of(NULL, 0)};
    assert_false(mimepart_boundary_fits(span_text("=_abc"), with, 3));
    assert_true(mimepart_boundary_fits(span_text("=_abd"), with, 3));
    mimepart_boundary(&b, with, 3);
    mimepart_boundary(&other, with, 3);
    assert_int_equal(b.n, 24);
    assert_memory_equal(buf_text(&b), "=_", 2);
    assert_false(span_equal(buf_span(&b), buf_span(&other)));
    buf_free(&b);
    buf_free(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_types_are_told_by_the_first_octets),
        cmocka_unit_test(test_a_character_may_be_cut_where_the_look_ends),
        cmocka_unit_test(test_texts_get_crlf_and_the_lightest_encoding_that_holds_them),
        cmocka_unit_test(test_parameters_are_quoted_or_split_as_rfc_2231_says),
        cmocka_unit_test(test_files_are_written_with_their_fields),
        cmocka_unit_test(test_types_and_ids_that_would_break_the_header_are_refused),
        cmocka_unit_test(test_a_boundary_is_in_none_of_the_contents),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
