#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "encword.h"
#include "mem.h"

static char *decoded(const char *text)
{
    struct buf out = {0};
    encword_decode(&out, span_text(text));
    return buf_take_text(&out);
}

static const char *const decodes[][2] = {
    /* RFC 2047 section 8 */
    {"(=?ISO-8859-1?Q?a?=)", "(a)"},
    {"(=?ISO-8859-1?Q?a?= b)", "(a b)"},
    {"(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)"},
    {"(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)"},
    {"(=?ISO-8859-1?Q?a_b?=)", "(a b)"},
    {"(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a =?ISO-8859-2?Q?_b?=)"}, /* unknown to us */
    {"=?US-ASCII?Q?Keith_Moore?= <moore@cs.utk.edu>", "Keith Moore <moore@cs.utk.edu>"},
    {"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld J\xc3\xb8rn Simonsen"},
    {"=?ISO-8859-1?Q?Andr=E9?= Pirard", "Andr\xc3\xa9 Pirard"},
    {"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?= =?ISO-8859-1?B?dQ==?=",
     "If you can read this you"},
    /* RFC 2231 5 */
    {"=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore"},
    {"=?utf-8?b?4oKs?=", "\xe2\x82\xac"},
    {"=?UTF-8?B?4oKsIQ?=", "\xe2\x82\xac!"},                /* padding left out */
    {"=?utf-8?q?=E2=82?= =?utf-8?q?=AC?=", "\xe2\x82\xac"}, /* a character cut in two */
    {"=?utf-8?q?=E2=82?= x", "\xef\xbf\xbd\xef\xbf\xbd x"},
    {"a=?utf-8?q?b?=c", "abc"},
    {"=?utf-8?q?a=0D=0AX:_b=00?=", "a  X: b "},
    {"=?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?=", "=?utf-8?q?x?="}, /* decoded once */
    {"\xff", "\xef\xbf\xbd"},
    {"  a  b ", "  a  b "},
    /* not encoded words */
    {"", ""},
    {"=?", "=?"},
    {"=?utf-8?", "=?utf-8?"},
    {"=?utf-8?q?", "=?utf-8?q?"},
    {"=?utf-8?q?a", "=?utf-8?q?a"},
    {"=?utf-8?q?a?", "=?utf-8?q?a?"},
    {"=?utf-8?q?a b?=", "=?utf-8?q?a b?="},
    {"=?utf-8?q?=4?=", "=?utf-8?q?=4?="},
    {"=?utf-8?q?=zz?=", "=?utf-8?q?=zz?="},
    {"=?utf-8?b?a?=", "=?utf-8?b?a?="},
    {"=?utf-8?x?abc?=", "=?utf-8?x?abc?="},
    {"=??q?abc?=", "=??q?abc?="},
    {"=?koi8-r?q?=C1?=", "=?koi8-r?q?=C1?="},
};

static void test_words_of_known_charsets_are_decoded_and_nothing_else(void **state)
{
    for (size_t i = 0; i < sizeof decodes / sizeof decodes[0]; i++) {
        char *text = decoded(decodes[i][0]);
        assert_string_equal(text, decodes[i][1]);
        mem_free(&text);
    }
}

static const char *const converted[][2] = {
    {"=?koi8-r?Q?=F0=D2=C9?= =?KOI8-R*ru?B?18XU?=", "Привет"},
    {"=?iso-2022-jp?B?GyRCJUYlOSVIGyhC?=", "テスト"}, /* an escape is no control character here */
    {"=?gb2312?B?xOO6ww==?= =?big5?B?p0Gmbg==?=", "你好你好"},
    {"=?windows-1251?Q?=CF=0A=F0?=", "П р"},
    {"=?x-unknown?Q?=CF?=", "=?x-unknown?Q?=CF?="},
};

static void test_words_are_decoded_in_every_charset_there_is_a_converter_for(void **state)
{
    struct mailcharset *charsets = mailcharset_open();
    for (size_t i = 0; i < sizeof converted / sizeof converted[0]; i++) {
        struct buf out = {0};
        encword_decode_in(charsets, &out, span_text(converted[i][0]));
        assert_string_equal(buf_text(&out), converted[i][1]);
        buf_free(&out);
    }
    mailcharset_close(&charsets);
}

static char *subject(const char *text, bool utf8)
{
    struct buf out = {0};
    struct fold fold;
    fold_begin(&fold, &out, "Subject", " ");
    encword_text(&fold, span_text(text), utf8);
    return buf_take_text(&out);
}

static const struct {
    const char *text;
    bool utf8;
    const char *field;
} encodes[] = {
    {"", false, "Subject:"},
    {"hello", false, "Subject: hello"},
    {" hello  world ", false, "Subject: hello  world"},
    {"h\xc3\xa9llo", false, "Subject: =?utf-8?q?h=C3=A9llo?="},
    {"h\xc3\xa9llo", true, "Subject: h\xc3\xa9llo"},
    {"a \xc3\xa9 b", false, "Subject: a =?utf-8?q?=C3=A9?= b"},
    /* the space between two encoded words goes into the second */
    {"\xc3\xa9 \xc3\xa8", false, "Subject: =?utf-8?q?=C3=A9?= =?utf-8?q?_=C3=A8?="},
    {"a  \xc3\xa8", false, "Subject: a =?utf-8?q?_=C3=A8?="},
    {"\xc3\xa8  a", false, "Subject: =?utf-8?q?=C3=A8?=  a"},
    /* what would be taken for an encoded word is encoded */
    {"=?utf-8?q?x?=", false, "Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?="},
    {"=?utf-8?q?x?=", true, "Subject: =?utf-8?q?=3D=3Futf-8=3Fq=3Fx=3F=3D?="},
    {"a\r\nBcc: x", false, "Subject: =?utf-8?q?a=0D=0ABcc=3A?= x"},
    {"a\tb", true, "Subject: =?utf-8?q?a=09b?="},
    {"\xff", true, "Subject: =?utf-8?q?=EF=BF=BD?="},
    {"The quick brown fox jumps over the lazy dog, and then once more over it again", false,
     "Subject: The quick brown fox jumps over the lazy dog, and then once more over\r\n it again"},
};

static void test_subjects_are_encoded_word_by_word_and_folded(void **state)
{
    for (size_t i = 0; i < sizeof encodes / sizeof encodes[0]; i++) {
        char *field = subject(encodes[i].text, encodes[i].utf8);
        assert_string_equal(field, encodes[i].field);
        mem_free(&field);
    }
}

static void test_a_word_too_long_for_a_line_is_encoded_in_pieces(void **state)
{
    struct buf text = {0};
    for (int i = 0; i < 300; i++)
        buf_puts(&text, "abc\xe2\x82\xac");
    char *field = subject(buf_text(&text), false);
    size_t column = 0;
    for (const char *p = field; *p != '\0'; p++) {
        column = *p == '\n' ? 0 : column + 1;
        assert_true(column <= 76 + (*p == '\r'));
    }
    char *back = decoded(field + strlen("Subject: "));
    assert_string_equal(back, buf_text(&text));
    mem_free(&back);
    mem_free(&field);
    buf_clear(&text);
    for (int i = 0; i < 2000; i++)
        buf_putc(&text, 'a');
    field = subject(buf_text(&text), true);
    assert_non_null(strstr(field, "?=\r\n =?"));
    mem_free(&field);
    buf_free(&text);
}

static const struct {
    const char *name;
    bool utf8;
    const char *written;
} phrases[] = {
    {"", false, ""},
    {"John Q. Public", false, " \"John Q. Public\""},
    {"a\"b\\c", false, " \"a\\\"b\\\\c\""},
    {" x  y ", false, " \" x  y \""},
    {" ", false, " \" \""},
    {"J\xc3\xb8rn Utzon", false, " =?utf-8?q?J=C3=B8rn_Utzon?="},
    {"J\xc3\xb8rn Utzon", true, " \"J\xc3\xb8rn Utzon\""},
    {"=?x?q?y?=", true, " =?utf-8?q?=3D=3Fx=3Fq=3Fy=3F=3D?="},
    {"a\r\nb", false, " =?utf-8?q?a=0D=0Ab?="},
};

static void test_display_names_are_quoted_or_encoded(void **state)
{
    for (size_t i = 0; i < sizeof phrases / sizeof phrases[0]; i++) {
        struct buf out = {0};
        struct fold fold;
        fold_begin(&fold, &out, "From", "\t");
        encword_phrase(&fold, span_text(phrases[i].name), phrases[i].utf8);
        assert_string_equal(buf_text(&out) + strlen("From:"), phrases[i].written);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words_of_known_charsets_are_decoded_and_nothing_else),
        cmocka_unit_test(test_words_are_decoded_in_every_charset_there_is_a_converter_for),
        cmocka_unit_test(test_subjects_are_encoded_word_by_word_and_folded),
        cmocka_unit_test(test_a_word_too_long_for_a_line_is_encoded_in_pieces),
        cmocka_unit_test(test_display_names_are_quoted_or_encoded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
