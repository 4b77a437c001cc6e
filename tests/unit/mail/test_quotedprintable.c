#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "quotedprintable.h"

#define S10 "0123456789"
#define S70 S10 S10 S10 S10 S10 S10 S10

static const struct {
    const char *text, *encoded;
} pairs[] = {
    {"", ""},
    {"plain text\r\n", "plain text\r\n"},
    {"a=b\r\n", "a=3Db\r\n"},
    {"caf\xc3\xa9", "caf=C3=A9"},
    {"end \r\nend\t\r\n \r\n ", "end=20\r\nend=09\r\n=20\r\n=20"},
    {" in the\tmiddle", " in the\tmiddle"},
    {"bare\rcr\nlf\r", "bare=0Dcr=0Alf=0D"},
    {"\r\r\n", "=0D\r\n"},
    {S70 "abcdef\r\n", S70 "abcdef\r\n"},
    {S70 "abcdefg\r\n", S70 "abcde=\r\nfg\r\n"},
    {S70 "abc\xc3\xa9", S70 "abc=\r\n=C3=A9"},
    {S70 "abc=\r\n", S70 "abc=3D\r\n"},
    {S70 "abc==\r\n", S70 "abc=\r\n=3D=3D\r\n"},
    {S70 "abcde ", S70 "abcde=\r\n=20"},
};

static void test_text_is_encoded_in_lines_of_76_and_comes_back(void **state)
{
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        struct buf out = {0}, back = {0};
        quotedprintable_encode(&out, span_text(pairs[i].text));
        assert_string_equal(buf_text(&out), pairs[i].encoded);
        quotedprintable_decode(&back, buf_span(&out));
        assert_string_equal(buf_text(&back), pairs[i].text);
        buf_free(&out);
        buf_free(&back);
    }
}

static const struct {
    const char *encoded, *text;
} sloppy[] = {
    {"a=3db", "a=b"}, {"a=zz", "a=zz"},       {"a=4", "a=4"},    {"a=", "a"},  {"a= \t\r\nb", "ab"},
    {"a=\nb", "ab"},  {"a  \r\nb", "a\r\nb"}, {"a \nb", "a\nb"}, {"a  ", "a"}, {"a  b", "a  b"},
    {"\xe9", "\xe9"}, {"==41", "=A"},         {"a=\r", "a=\r"},
};

static void test_what_sloppy_writers_write_is_read(void **state)
{
    for (size_t i = 0; i < sizeof sloppy / sizeof sloppy[0]; i++) {
        struct buf back = {0};
        quotedprintable_decode(&back, span_text(sloppy[i].encoded));
        assert_string_equal(buf_text(&back), sloppy[i].text);
        buf_free(&back);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_encoded_in_lines_of_76_and_comes_back),
        cmocka_unit_test(test_what_sloppy_writers_write_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
