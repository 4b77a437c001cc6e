#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "xtext.h"

static void test_every_octet_survives(void **state)
{
    unsigned char all[256];
    struct buf value = {0}, back = {0};
    for (int i = 0; i < 256; i++)
        all[i] = (unsigned char)i;
    xtext_encode(&value, span_of(all, sizeof all));
    for (size_t i = 0; i < value.n; i++)
        assert_in_range(buf_span(&value).p[i], '!', '~');
    assert_int_equal(span_find(buf_span(&value), '='), -1);
    assert_int_equal(xtext_decode(&back, buf_span(&value)), 0);
    assert_int_equal(back.n, sizeof all);
    assert_memory_equal(buf_span(&back).p, all, sizeof all);
    buf_free(&value);
    buf_free(&back);
}

static const struct {
    const char *text, *value;
} plain[] = {
    {"", ""},
    {"Joe.User@example.com", "Joe.User@example.com"},
    {"a+b=c d", "a+2Bb+3Dc+20d"},
    {"\xc3\xa9\n", "+C3+A9+0A"},
};

static void test_text_is_encoded_and_decoded(void **state)
{
    for (size_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
        struct buf out = {0};
        xtext_encode(&out, span_text(plain[i].text));
        assert_string_equal(buf_text(&out), plain[i].value);
        buf_clear(&out);
        assert_int_equal(xtext_decode(&out, span_text(plain[i].value)), 0);
        assert_string_equal(buf_text(&out), plain[i].text);
        buf_free(&out);
    }
}

static void test_what_is_no_xtext_is_refused(void **state)
{
    static const char *const bad[] = {"a b", "a=b", "+",        "+2",    "a+2",
                                      "+2G", "+G2", "\xc3\xa9", "a\x7f", "a\tb"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf out = {0};
        buf_puts(&out, "x");
        assert_int_equal(xtext_decode(&out, span_text(bad[i])), -1);
        assert_string_equal(buf_text(&out), "x");
        buf_free(&out);
    }
    /* Nor is anything read behind the end. */
    struct buf out = {0};
    assert_int_equal(xtext_decode(&out, span_of("a+2B", 3)), -1);
    assert_int_equal(xtext_decode(&out, span_text("+2b")), 0);
    assert_string_equal(buf_text(&out), "+");
    buf_free(&out);
}

static const struct {
    const char *text, *ascii, *unicode;
} international[] = {
    {"j@example.com", "j@example.com", "j@example.com"},
    {"a+b=c\\d e", "a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}e", "a\\x{2B}b\\x{3D}c\\x{5C}d\\x{20}e"},
    {"J\xc3\xbcri@\xe6\x97\xa5.example", "J\\x{FC}ri@\\x{65E5}.example",
     "J\xc3\xbcri@\xe6\x97\xa5.example"},
    {"\xf0\x9f\x93\xa7@x", "\\x{1F4E7}@x", "\xf0\x9f\x93\xa7@x"},
    {"\xf4\x8f\xbf\xbf", "\\x{10FFFF}", "\xf4\x8f\xbf\xbf"},
    {"\xc2\x80", "\\x{80}", "\xc2\x80"},
    {"\xdf\xbf\xe0\xa0\x80", "\\x{7FF}\\x{800}", "\xdf\xbf\xe0\xa0\x80"},
    {"\xed\x9f\xbf\xee\x80\x80", "\\x{D7FF}\\x{E000}", "\xed\x9f\xbf\xee\x80\x80"},
    {"\xef\xbf\xbf\xf0\x90\x80\x80", "\\x{FFFF}\\x{10000}", "\xef\xbf\xbf\xf0\x90\x80\x80"},
    {"a\tb", "a\\x{09}b", "a\\x{09}b"},
};

static void test_addresses_of_type_utf_8_have_two_spellings(void **state)
{
    for (size_t i = 0; i < sizeof international / sizeof international[0]; i++) {
        struct buf out = {0};
        xtext_encode_utf8(&out, span_text(international[i].text), true);
        assert_string_equal(buf_text(&out), international[i].ascii);
        buf_clear(&out);
        xtext_encode_utf8(&out, span_text(international[i].text), false);
        assert_string_equal(buf_text(&out), international[i].unicode);
        buf_clear(&out);
        assert_int_equal(xtext_decode_utf8(&out, span_text(international[i].ascii)), 0);
        assert_string_equal(buf_text(&out), international[i].text);
        buf_clear(&out);
        assert_int_equal(xtext_decode_utf8(&out, span_text(international[i].unicode)), 0);
        assert_string_equal(buf_text(&out), international[i].text);
        buf_free(&out);
    }
}

static void test_plus_codes_are_understood_there_too(void **state)
{
    struct buf out = {0};
    assert_int_equal(xtext_decode_utf8(&out, span_text("J+C3+BCri+2B1")), 0);
    assert_string_equal(buf_text(&out), "J\xc3\xbcri+1");
    buf_clear(&out);
    assert_int_equal(xtext_decode_utf8(&out, span_text("+00")), 0);
    assert_int_equal(out.n, 1);
    buf_free(&out);
}

static void test_what_is_no_utf_8_address_is_refused(void **state)
{
    static const char *const bad[] = {
        "\\",        "\\x",         "\\x{",         "\\x{}", "\\x{2}",
        "\\x{2B",    "\\x{2G}",     "\\y{2B}",      "\\\\",  "\\x{D800}",
        "\\x{DFFF}", "\\x{110000}", "\\x{0000041}", "\xff",  "\xc3",
        "+C3",       "+C3x",        "a b",          "a=b",   "+",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf out = {0};
        buf_puts(&out, "x");
        if (xtext_decode_utf8(&out, span_text(bad[i])) != -1)
            fail_msg("%s was taken for %s", bad[i], buf_text(&out));
        assert_string_equal(buf_text(&out), "x");
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_octet_survives),
        cmocka_unit_test(test_text_is_encoded_and_decoded),
        cmocka_unit_test(test_what_is_no_xtext_is_refused),
        cmocka_unit_test(test_addresses_of_type_utf_8_have_two_spellings),
        cmocka_unit_test(test_plus_codes_are_understood_there_too),
        cmocka_unit_test(test_what_is_no_utf_8_address_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
