#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "mailflags.h"
#include "proto_mailbox.h"

static int read_one(struct mailflags *flags, const char *name, struct refusal *why)
{
    struct span list[] = {span_text(name)};
    const struct jsonbind_array names = {list, 1};
    return mailflags_read(flags, &names, why);
}

static void names_are_letters_or_words_whatever_their_case(void **state)
{
    struct span list[] = {span_text("\\Seen"), span_text("$FORWARDED"), span_text("$Junk"),
                          span_text("Blue"), span_text("blue")};
    const struct jsonbind_array names = {list, 5};
    struct mailflags flags;
    struct refusal why;
    assert_int_equal(mailflags_read(&flags, &names, &why), 0);
    assert_int_equal(flags.letters, MAILBOX_SEEN | MAILBOX_PASSED);
    assert_int_equal(flags.words.n, 2);
    assert_string_equal(flags.words.list[0], "$junk");
    assert_string_equal(flags.words.list[1], "blue");
    mailflags_clear(&flags);
}

static void what_is_no_atom_is_no_keyword(void **state)
{
    static const char *const bad[] = {"",  " ",  "a b", "(",        ")", "{",        "%",
                                      "*", "\"", "\\",  "\\recent", "]", "\xc3\xbc", "\x7f"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mailflags flags;
        struct refusal why;
        if (read_one(&flags, bad[i], &why) == 0)
            fail_msg("\"%s\" is taken", bad[i]);
        assert_int_equal(why.code, CODE_USER);
    }
}

static void flags_are_written_in_a_fixed_order(void **state)
{
    char *one_list[] = {(char *)"Zebra", (char *)"$NotJunk", (char *)"$junk"},
         *other_list[] = {(char *)"apple", (char *)"zebra", (char *)"$phishing",
                          (char *)"$mdnsent"};
    const struct mail_words one = {one_list, 3}, other = {other_list, 4};
    struct buf out = {0};
    struct jsonwrite w;
    jsonwrite_open(&w, &out, 0);
    mailflags_write(&w, MAILBOX_FLAGS, &one, &other);
    jsonwrite_close(&w);
    assert_string_equal(buf_text(&out),
                        "[\"$forwarded\",\"$junk\",\"$mdnsent\",\"$notjunk\",\"$phishing\","
                        "\"\\\\answered\",\"\\\\deleted\",\"\\\\draft\",\"\\\\flagged\","
                        "\"\\\\seen\",\"apple\",\"zebra\"]");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_letters_or_words_whatever_their_case),
        cmocka_unit_test(what_is_no_atom_is_no_keyword),
        cmocka_unit_test(flags_are_written_in_a_fixed_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
