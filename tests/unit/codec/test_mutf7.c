#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mutf7.h"

static void names_go_there_and_back(void **state)
{
    static const struct {
        const char *utf8, *ascii;
    } cases[] = {
        {"", ""},
        {"Archive/2026", "Archive/2026"},
        {"a&b", "a&-b"},
        {"Entw\xc3\xbcrfe", "Entw&APw-rfe"},
        {"~peter/mail/\xe5\x8f\xb0\xe5\x8c\x97/\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
         "~peter/mail/&U,BTFw-/&ZeVnLIqe-"}, /* RFC 3501 5.1.3 */
        {"\xf0\x9f\x93\xac", "&2D3c7A-"},    /* a pair of surrogates */
        {"\xc3\xa4&\xc3\xb6", "&AOQ-&-&APY-"},
        {"-\xc3\xa4-", "-&AOQ--"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf b = {0};
        assert_int_equal(mutf7_encode(&b, span_text(cases[i].utf8)), 0);
        assert_string_equal(buf_text(&b), cases[i].ascii);
        buf_clear(&b);
        assert_int_equal(mutf7_decode(&b, span_text(cases[i].ascii)), 0);
        assert_string_equal(buf_text(&b), cases[i].utf8);
        buf_free(&b);
    }
}

static void what_is_not_written_so_is_refused(void **state)
{
    static const char *const bad[] = {
        "&",          "a&b",      "&APw", "&A-",   "&AP-",  "&APx-", /* bits left over */
        "&2D0-",                                                     /* half a pair */
        "&3Kw-",      "&2D0AQQ-",                                    /* not a pair */
        "&AEE-",                                                     /* a plain A */
        "&AAo-",                                                     /* a line feed */
        "&APw-&AOQ-", "\xc3\xbc", "\t",   "&A*w-", "&/Pw-",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf b = {0};
        buf_puts(&b, "kept");
        if (mutf7_decode(&b, span_text(bad[i])) == 0)
            fail_msg("%s is taken", bad[i]);
        assert_string_equal(buf_text(&b), "kept");
        buf_free(&b);
    }
}

static void no_name_has_control_characters_or_octets_that_are_no_utf_8(void **state)
{
    static const char *const bad[] = {"a\tb", "\x7f", "\xc3", "\xff", "\xed\xa0\x80"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct buf b = {0};
        assert_int_equal(mutf7_encode(&b, span_text(bad[i])), -1);
        assert_int_equal(b.n, 0);
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_go_there_and_back),
        cmocka_unit_test(what_is_not_written_so_is_refused),
        cmocka_unit_test(no_name_has_control_characters_or_octets_that_are_no_utf_8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
