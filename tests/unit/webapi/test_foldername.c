#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "foldername.h"
#include "mem.h"

static void folders_have_two_names(void **state)
{
    static const struct {
        const char *shown, *stored;
    } cases[] = {
        {"Inbox", ""},
        {"Archive", "Archive"},
        {"Archive/2026", "Archive.2026"},
        {"Entw\xc3\xbcrfe", "Entw&APw-rfe"},
        {"a&b", "a&-b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *shown = foldername_shown(cases[i].stored),
             *stored = foldername_stored(span_text(cases[i].shown));
        assert_string_equal(shown, cases[i].shown);
        assert_string_equal(stored, cases[i].stored);
        mem_free(&shown);
        mem_free(&stored);
    }
    char *inbox = foldername_stored(span_text("INBOX")),
         *odd = foldername_shown("made\xff&by.hand");
    assert_string_equal(inbox, "");
    assert_string_equal(odd, "made\xff&by/hand");
    mem_free(&inbox);
    mem_free(&odd);
}

static void a_name_that_no_folder_can_have_is_none(void **state)
{
    char longest[300];
    static const char *const bad[] = {"", "Archive.2026", "..", "a\tb", "\xff"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_null(foldername_stored(span_text(bad[i])));
    memset(longest, 'x', sizeof longest);
    assert_null(foldername_stored(span_of(longest, 255)));
    char *stored = foldername_stored(span_of(longest, 254));
    assert_non_null(stored);
    mem_free(&stored);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(folders_have_two_names),
        cmocka_unit_test(a_name_that_no_folder_can_have_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
