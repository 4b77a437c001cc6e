#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "msgid.h"

static void test_generated_ids_have_their_form_and_differ(void **state)
{
    struct buf a = {0}, b = {0};
    msgid_generate(&a, "mail.example.org");
    msgid_generate(&b, "mail.example.org");
    assert_int_equal(a.n, 1 + 22 + 1 + 16 + 1);
    assert_int_equal(strspn(buf_text(&a) + 1, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                              "0123456789-_"),
                     22);
    assert_string_equal(buf_text(&a) + 23, "@mail.example.org>");
    assert_true(msgid_is_safe(buf_span(&a), false));
    assert_false(span_equal(buf_span(&a), buf_span(&b)));
    buf_free(&a);
    buf_free(&b);
}

static const struct {
    const char *id;
    bool ascii, utf8;
} ids[] = {
    {"<a@b>", true, true},
    {"<no-at-sign>", true, true},
    {"<a!b/c+d=@[127.0.0.1]>", true, true},
    {"<\xc3\xa9@b>", false, true},
    {"<\xe9@b>", false, false},
    {"<>", false, false},
    {"", false, false},
    {"a@b", false, false},
    {"<a@b", false, false},
    {"a@b>", false, false},
    {"<a @b>", false, false},
    {"<a><b>", false, false},
    {"<a<b>", false, false},
    {"<a@b>\r\nBcc: x>", false, false},
    {"<a\x7f@b>", false, false},
    {"<a@b> ", false, false},
};

static void test_only_ids_that_can_do_no_harm_are_safe(void **state)
{
    for (size_t i = 0; i < sizeof ids / sizeof ids[0]; i++) {
        assert_int_equal(msgid_is_safe(span_text(ids[i].id), false), ids[i].ascii);
        assert_int_equal(msgid_is_safe(span_text(ids[i].id), true), ids[i].utf8);
    }
    assert_false(msgid_is_safe(span_of("<a\0b>", 5), true));
    char longest[MSGID_MAX + 1];
    memset(longest, 'a', sizeof longest);
    longest[0] = '<';
    longest[MSGID_MAX - 1] = longest[MSGID_MAX] = '>';
    assert_true(msgid_is_safe(span_of(longest, MSGID_MAX), false));
    longest[MSGID_MAX - 1] = 'a';
    assert_false(msgid_is_safe(span_of(longest, MSGID_MAX + 1), false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_generated_ids_have_their_form_and_differ),
        cmocka_unit_test(test_only_ids_that_can_do_no_harm_are_safe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
