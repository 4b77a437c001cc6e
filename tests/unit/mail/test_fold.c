#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "fold.h"

static void test_lines_break_before_the_word_that_passes_column_77(void **state)
{
    struct buf out = {0};
    struct fold fold;
    fold_begin(&fold, &out, "X", "\t");
    fold_words(&fold, "a234567890123456789012345678901234567 b23456789012345678901234567890123456");
    assert_int_equal(out.n, 77);
    fold_word(&fold, span_of(NULL, 0));
    fold_word(&fold, span_text("c"));
    fold_end(&fold);
    assert_string_equal(buf_text(&out), "X: a234567890123456789012345678901234567 "
                                        "b23456789012345678901234567890123456\r\n\tc\r\n");
    buf_clear(&out);
    fold_begin(&fold, &out, "X", "\t");
    fold_words(&fold,
               "a234567890123456789012345678901234567 b234567890123456789012345678901234567");
    assert_string_equal(buf_text(&out), "X: a234567890123456789012345678901234567\r\n\t"
                                        "b234567890123456789012345678901234567");
    buf_free(&out);
}

static void test_the_first_word_stays_beside_the_name(void **state)
{
    struct buf out = {0}, word = {0};
    struct fold fold;
    for (int i = 0; i < 100; i++)
        buf_putc(&word, 'w');
    fold_begin(&fold, &out, "X", " ");
    fold_word(&fold, buf_span(&word));
    fold_word(&fold, span_text("v"));
    assert_memory_equal(buf_text(&out), "X: ww", 5);
    assert_string_equal(buf_text(&out) + 103, "\r\n v");
    buf_free(&out);
    buf_free(&word);
}

static void test_a_strangers_text_cannot_end_the_field_or_make_a_long_line(void **state)
{
    struct buf out = {0}, text = {0};
    struct fold fold;
    buf_put(&text, "a\r\nBcc: x\0\x1b\x7f y\x7fz\r\n\r\n", 21);
    fold_begin(&fold, &out, "X", " ");
    fold_text(&fold, buf_span(&text));
    fold_end(&fold);
    assert_string_equal(buf_text(&out), "X: a Bcc: x y z\r\n");
    buf_clear(&out);
    buf_clear(&text);
    buf_puts(&text, "xx");
    for (int i = 0; i < 2000; i++)
        buf_puts(&text, "\xe2\x82\xac");
    fold_begin(&fold, &out, "X", " ");
    fold_text(&fold, buf_span(&text));
    fold_end(&fold);
    size_t column = 0, lines = 0;
    struct span s = buf_span(&out);
    for (size_t i = 0; i < s.n; i++) {
        column = s.p[i] == '\n' ? 0 : column + 1;
        lines += s.p[i] == '\n';
        assert_true(column <= 998);
        if (column == 2 && lines > 0)
            assert_int_equal(s.p[i], 0xe2); /* never within a character */
    }
    assert_int_equal(lines, 7);
    buf_free(&out);
    buf_free(&text);
}

static char const *mailbox(struct buf *out, const char *name, const char *text, bool utf8,
                           bool last)
{
    struct address a;
    struct fold fold;
    buf_clear(out);
    assert_int_equal(address_parse(span_text(text), &a, NULL), 0);
    fold_begin(&fold, out, "To", "\t");
    fold_mailbox(&fold, span_text(name), &a, utf8, last);
    address_clear(&a);
    return buf_text(out);
}

static void test_mailboxes_are_written_with_and_without_names(void **state)
{
    struct buf out = {0};
    assert_string_equal(mailbox(&out, "", "a@example.org", false, true), "To: <a@example.org>");
    assert_string_equal(mailbox(&out, "A B", "a@example.org", false, false),
                        "To: \"A B\" <a@example.org>,");
    assert_string_equal(mailbox(&out, "\xc3\xa9", "a@\xc3\xbc.example", false, true),
                        "To: =?utf-8?q?=C3=A9?= <a@xn--tda.example>");
    assert_string_equal(mailbox(&out, "\xc3\xa9", "\xc3\xa9@\xc3\xbc.example", true, true),
                        "To: \"\xc3\xa9\" <\xc3\xa9@\xc3\xbc.example>");
    assert_string_equal(mailbox(&out, "", "\"a b\"@example.org", false, true),
                        "To: <\"a b\"@example.org>");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines_break_before_the_word_that_passes_column_77),
        cmocka_unit_test(test_the_first_word_stays_beside_the_name),
        cmocka_unit_test(test_a_strangers_text_cannot_end_the_field_or_make_a_long_line),
        cmocka_unit_test(test_mailboxes_are_written_with_and_without_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
