#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "boxwords.h"
#include "mem.h"
#include "proto_mailbox.h"
#include "qid.h"

static void no_name_leads_out_of_the_mailbox(void **state)
{
    static const struct {
        const char *name;
        bool account, folder, file;
    } cases[] = {
        {"", false, true, false},          {"anna", true, true, true},
        {".", false, false, false},        {"..", false, false, false},
        {"../anna", false, false, false},  {"a/b", false, false, false},
        {"/etc", false, false, false},     {"Archive.2026", true, true, true},
        {".Archive", false, false, false}, {"Archive.", true, false, true},
        {"a..b", true, false, true},       {"a\nb", true, false, true},
        {":2,S", true, true, false},       {"Entw&APw-rfe", true, true, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (boxname_is_account(cases[i].name) != cases[i].account ||
            boxname_is_folder(cases[i].name) != cases[i].folder ||
            boxname_is_file(cases[i].name) != cases[i].file)
            fail_msg("\"%s\"", cases[i].name);
    }
    char longest[257];
    memset(longest, 'x', 256);
    longest[256] = '\0';
    assert_false(boxname_is_file(longest));
    longest[255] = '\0';
    assert_true(boxname_is_file(longest));
    assert_false(boxname_is_folder(longest)); /* on disk a period stands before it */
    longest[254] = '\0';
    assert_true(boxname_is_folder(longest));
}

static void flags_stand_behind_the_base(void **state)
{
    static const struct {
        const char *file;
        unsigned flags;
        const char *again; /* with the same info */
    } cases[] = {
        {"1.M2.mail,S=4", 0, "1.M2.mail,S=4:2,"},
        {"1.M2.mail:2,", 0, "1.M2.mail:2,"},
        {"1.M2.mail:2,SR", MAILBOX_SEEN | MAILBOX_REPLIED, "1.M2.mail:2,RS"},
        {"1.M2.mail:2,DFPRST", MAILBOX_FLAGS, "1.M2.mail:2,DFPRST"},
        {"1.M2.mail:2,TabS", MAILBOX_SEEN | MAILBOX_TRASHED, "1.M2.mail:2,STab"},
        {"1.M2.mail:2,XS9", MAILBOX_SEEN, "1.M2.mail:2,SX"},
        {"1.M2.mail:1,S", 0, "1.M2.mail:2,"},
        {"1.M2.mail:2", 0, "1.M2.mail:2,"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char again[64];
        struct boxname_info info = boxname_info(cases[i].file);
        assert_int_equal(boxname_flags(info.capitals), cases[i].flags);
        assert_int_equal(
            boxname_write(again, sizeof again, cases[i].file, boxname_base(cases[i].file), &info),
            0);
        assert_string_equal(again, cases[i].again);
    }
    assert_int_equal(boxname_flags(boxname_capitals(MAILBOX_DRAFT | MAILBOX_PASSED)),
                     MAILBOX_DRAFT | MAILBOX_PASSED);
    assert_true(boxname_has_base("1.M2:2,S", "1.M2"));
    assert_true(boxname_has_base("1.M2", "1.M2"));
    assert_false(boxname_has_base("1.M23:2,S", "1.M2"));
    assert_false(boxname_has_base("1.M", "1.M2"));
}

static void the_number_of_a_copy_is_in_the_second_part(void **state)
{
    static const struct {
        const char *file;
        uint64_t number;
    } cases[] = {
        {"17.M12P34Rff00C78.mail,S=812:2,S", 78},
        {"17.C18446744073709551615.mail", UINT64_MAX},
        {"17.C18446744073709551616.mail", 0},
        {"17.M12P34.C78.mail", 0},
        {"17.M12:2,C78.", 0},
        {"17.M12,C78.mail", 0},
        {"17.MC.mail", 0},
        {"17.C07.mail", 0},
        {"17.C7x.mail", 0},
        {"17.C7", 0},
        {"17", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (boxname_number(cases[i].file) != cases[i].number)
            fail_msg("\"%s\"", cases[i].file);
    }
}

static void a_name_that_gets_too_long_is_not_made(void **state)
{
    const struct boxname_info info = {0x3ffffff, 0x3ffffff};
    char base[256], name[MAILPLACE_NAME_MAX + 1], small[8];
    memset(base, 'x', 255);
    base[255] = '\0';
    assert_int_equal(boxname_write(name, sizeof name, base, 200, &info), 0);
    assert_int_equal(strlen(name), 255);
    assert_int_equal(boxname_write(name, sizeof name, base, 201, &info), -1);
    assert_int_equal(boxname_write(small, sizeof small, base, 5, &info), -1);
}

static void only_the_lines_of_delivery_at_the_very_head_tell_an_id(void **state)
{
    struct buf b = {0};
    char id[QID_SIZE];
    boxname_head_write(&b, "a@b.example", "c@d.example", 0x64000000000001);
    buf_puts(&b, "Subject: x\n\n");
    struct boxname_head h = boxname_head(buf_span(&b));
    assert_int_equal(h.id, 0x64000000000001);
    assert_true(span_is(h.sender, "a@b.example") && span_is(h.recipient, "c@d.example"));
    buf_free(&b);
    static const struct {
        const char *before, *after, *sender, *recipient;
    } cases[] = {
        {"X-Quartermaster-ID: ", "\n", "", ""},
        {"Return-Path: <a@b>\nX-Quartermaster-ID: ", "\n", "a@b", ""},
        {"Return-Path: <>\nDelivered-To: c@d\nReceived: x\nX-Quartermaster-ID: ", "\n", "", "c@d"},
        {"Received: x\nReturn-Path: <a@b>\nDelivered-To: c@d\nX-Quartermaster-ID: ", "\n", "", ""},
        {"Return-Path: <a@b>\nDelivered-To: c@d\nX-Quartermaster-ID: ", "", "a@b", "c@d"},
        {"Return-Path: <a@b>\nDelivered-To: c@d\nX-Quartermaster-ID: !", "\n", "a@b", "c@d"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_putf(&b, "%s%s%s", cases[i].before, qid_text(7, id), cases[i].after);
        h = boxname_head(buf_span(&b));
        assert_int_equal(h.id, 0);
        assert_true(span_is(h.sender, cases[i].sender));
        assert_true(span_is(h.recipient, cases[i].recipient));
        buf_free(&b);
    }
    /* With the line ends of a message that another program put there. */
    h = boxname_head(
        span_text("Return-Path: <a@b>\r\nDelivered-To: c@d\r\nX-Quartermaster-ID: 7\r\n"));
    assert_int_equal(h.id, 7);
    assert_true(span_is(h.recipient, "c@d"));
}

static void keywords_are_read_as_dovecot_writes_them(void **state)
{
    struct boxwords w;
    char *names[] = {(char *)"$JUNK", (char *)"green", (char *)"red"};
    const struct mail_words keywords = {names, 3};
    struct mail_words rest = {0}, found = {0};
    boxwords_parse(&w,
                   span_text("0 $Junk\n1 blue\n\n3 red\n3 again\n26 late\n4\n5 a(b\nx y\n6  \n"));
    assert_string_equal(w.names[0], "$Junk");
    assert_string_equal(w.names[3], "red");
    for (int i = 4; i < BOXNAME_KEYWORDS; i++)
        assert_null(w.names[i]);
    assert_int_equal(boxwords_letters(&w, &keywords, &rest), 1u << 0 | 1u << 3);
    assert_int_equal(rest.n, 1);
    assert_string_equal(rest.list[0], "green");
    boxwords_names(&w, 1u << 1 | 1u << 2 | 1u << 3, &found);
    assert_int_equal(found.n, 2);
    assert_string_equal(found.list[0], "blue");
    mail_words_clear(&rest);
    mail_words_clear(&found);
    boxwords_clear(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_name_leads_out_of_the_mailbox),
        cmocka_unit_test(flags_stand_behind_the_base),
        cmocka_unit_test(the_number_of_a_copy_is_in_the_second_part),
        cmocka_unit_test(a_name_that_gets_too_long_is_not_made),
        cmocka_unit_test(only_the_lines_of_delivery_at_the_very_head_tell_an_id),
        cmocka_unit_test(keywords_are_read_as_dovecot_writes_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
