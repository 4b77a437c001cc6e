#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "base64.h"
#include "mimedecode.h"

static const struct {
    const char *message, *content, *text;
} parts[] = {
    {"\na\nb\r\nc", "a\r\nb\r\nc", "a\nb\nc"},
    {"Content-Type: text/html\n\na\rb\n\n", "a\rb\r\n\r\n", "a\rb\n\n"},
    {"Content-Type: a/b\n\na\nb\r\n", "a\nb\r\n", "a\nb\n"},
    {"Content-Type: a/b\nContent-Transfer-Encoding: base64\n\nSGkK\nSG8=", "Hi\nHo", "Hi\nHo"},
    {"Content-Transfer-Encoding: base64\n\nSGkK\nSG8=", "Hi\r\nHo", "Hi\nHo"},
    {"Content-Transfer-Encoding: base64\n\nYQ0KYg==", "a\r\nb", "a\nb"},
    /* No padding; padding in the middle; strays; a digit alone. */
    {"Content-Transfer-Encoding: base64\n\nSGk", "Hi", "Hi"},
    {"Content-Transfer-Encoding: base64\n\nSGk=SG8=", "HiHo", "HiHo"},
    {"Content-Transfer-Encoding: base64\n\n<S!G*k>-.,\r\n\r\n", "Hi", "Hi"},
    {"Content-Transfer-Encoding: base64\n\nSGkKS", "Hi\r\n", "Hi\n"},
    {"Content-Transfer-Encoding: base64\n\n====", "", ""},
    {"Content-Transfer-Encoding: quoted-printable\n\na=3Db =\n  c =20\nd=\r\n\ne=0D=0A",
     "a=b   c  \r\nd\r\ne\r\n", "a=b   c  \nd\ne\n"},
    {"Content-Transfer-Encoding: x-unknown\n\na=3D", "a=3D", "a=3D"},
    {"Content-Type: text/plain; charset=iso-8859-1\nContent-Transfer-Encoding: quoted-printable\n\n"
     "caf=E9",
     "caf\xe9", "café"},
    {"Content-Type: text/plain; charset=\"koi8-r\"\n\n\xf0\xd2\xc9\n", "\xf0\xd2\xc9\r\n", "При\n"},
    {"Content-Type: text/plain\n\ncaf\xc3\xa9 \xe9", "caf\xc3\xa9 \xe9", "café \xef\xbf\xbd"},
    {"Content-Type: text/plain; charset=utf-16\nContent-Transfer-Encoding: base64\n\n/v8ACgBh",
     NULL, "\na"},
};

static void test_content_is_decoded_and_shown(void **state)
{
    struct mailcharset *charsets = mailcharset_open();
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        struct mimeread m;
        struct buf content = {0}, text = {0};
        mimeread_parse(&m, span_text(parts[i].message), charsets);
        mimedecode_part(&m.parts[0], SIZE_MAX, &content);
        if (parts[i].content != NULL)
            assert_string_equal(buf_text(&content), parts[i].content);
        else
            assert_int_equal(content.n, 6); /* UTF-16 has no CRs put in */
        assert_int_equal(mimedecode_size(&m.parts[0]), content.n);
        mimedecode_text(&m.parts[0], charsets, &text);
        assert_string_equal(buf_text(&text), parts[i].text);
        buf_free(&content);
        buf_free(&text);
        mimeread_clear(&m);
    }
    mailcharset_close(&charsets);
}

static void test_a_multipart_is_its_body_and_counts_nothing(void **state)
{
    static const char message[] = "Content-Type: multipart/mixed; boundary=b\n"
                                  "Content-Transfer-Encoding: base64\n\n--b\n\nx\n--b--\n";
    struct mimeread m;
    struct buf content = {0};
    mimeread_parse(&m, span_text(message), NULL);
    mimedecode_part(&m.parts[0], SIZE_MAX, &content);
    assert_string_equal(buf_text(&content), "--b\n\nx\n--b--\n");
    assert_int_equal(mimedecode_size(&m.parts[0]), 0);
    buf_free(&content);
    mimeread_clear(&m);
}

/* A part of that encoding with 1 MB of lines, several pieces long. */
static void long_message(struct buf *message, const char *encoding, struct buf *content)
{
    for (int i = 0; content->n < 1000000; i++)
        buf_putf(content, "line %d =====\r\n", i);
    buf_putf(message, "Content-Type: text/plain\r\nContent-Transfer-Encoding: %s\r\n\r\n",
             encoding);
    if (strcmp(encoding, "base64") == 0)
        base64_encode_lines(message, buf_span(content));
    for (size_t i = 0; strcmp(encoding, "base64") != 0 && i < content->n; i++) {
        int c = buf_span(content).p[i];
        if (c == '=' && encoding[0] == 'q')
            buf_puts(message, "=3D");
        else
            buf_putc(message, c);
    }
}

static void test_long_content_comes_in_pieces_without_a_seam(void **state)
{
    static const char *const encodings[] = {"8bit", "base64", "quoted-printable"};
    for (size_t i = 0; i < sizeof encodings / sizeof encodings[0]; i++) {
        struct buf message = {0}, content = {0}, out = {0};
        struct mimeread m;
        long_message(&message, encodings[i], &content);
        mimeread_parse(&m, buf_span(&message), NULL);
        mimedecode_part(&m.parts[0], SIZE_MAX, &out);
        assert_true(span_equal(buf_span(&out), buf_span(&content)));
        assert_int_equal(mimedecode_size(&m.parts[0]), content.n);
        buf_clear(&out);
        mimedecode_part(&m.parts[0], 70001, &out);
        assert_true(span_equal(buf_span(&out), span_of(buf_span(&content).p, 70001)));
        mimeread_clear(&m);
        buf_free(&message);
        buf_free(&content);
        buf_free(&out);
    }
}

static void test_a_text_is_cut_after_a_mebibyte_of_content(void **state)
{
    struct buf message = {0}, text = {0};
    struct mimeread m;
    buf_puts(&message, "Content-Type: text/plain; charset=utf-8\n\n12345");
    for (int i = 0; i < 400000; i++)
        buf_puts(&message, "ab\n€"); /* 7 octets with the CR */
    mimeread_parse(&m, buf_span(&message), NULL);
    mimedecode_text(&m.parts[0], NULL, &text);
    /* 5 + 7 * 149795 is 1048570; then "ab", CR LF and two octets of a character, left out. */
    assert_int_equal(text.n, 5 + 6 * 149795 + 3);
    assert_memory_equal(buf_span(&text).p + text.n - 6, "€ab\n", 6);
    mimeread_clear(&m);
    buf_free(&message);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_content_is_decoded_and_shown),
        cmocka_unit_test(test_a_multipart_is_its_body_and_counts_nothing),
        cmocka_unit_test(test_long_content_comes_in_pieces_without_a_seam),
        cmocka_unit_test(test_a_text_is_cut_after_a_mebibyte_of_content),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
