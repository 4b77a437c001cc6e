#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mailfields.h"
#include "mem.h"

static void read_header(struct mailfields *fields, struct span header)
{
    struct mimeread m;
    struct mailcharset *charsets = mailcharset_open();
    mimeread_parse(&m, header, charsets);
    mailfields_read(fields, &m, charsets);
    mimeread_clear(&m);
    mailcharset_close(&charsets);
}

static const char *const mailboxes[][2] = {
    {"", ""},
    {"To: a@b.example\n", "<a@b.example>"},
    {"To: Ann <a@b.example>, \"B, C\" <\"x y\"@d.example>\n",
     "Ann<a@b.example> B, C<\"x y\"@d.example>"},
    {"To: =?utf-8?Q?J=C3=BCrgen?= <j@xn--bcher-kva.example>\n", "Jürgen<j@bücher.example>"},
    {"To: =?koi8-r?B?8NLJ?= <j@[192.0.2.1]>\n", "При<j@[192.0.2.1]>"},
    {"To: a@b.example (Ann)\n", "Ann<a@b.example>"},
    {"To: Team: a@b.example, c@d.example;, e@f.example\n",
     "<a@b.example> <c@d.example> <e@f.example>"},
    {"To: undisclosed-recipients:;\n", ""},
    {"To: a@b.example\nX: y\nTO: c@d.example\n", "<a@b.example> <c@d.example>"},
    /* Some that cannot be read, among others that can. */
    {"To: root\n", "<root>"},
    {"To: <>\n", "<>"},
    {"To: a@b.example, Ann <broken@>, =?utf-8?Q?=C3=A9?= <two words>, \"x\n",
     "<a@b.example> Ann<broken@> é<two words> <\"x>"},
    {"To: Team: broken@, \"a,b\" <c@d.example>; root, Other:;\n",
     "<broken@> a,b<c@d.example> <root>"},
    {"To: a@b.example,, (a, comment) @, c@d.example\n",
     "<a@b.example> <(a, comment) @> <c@d.example>"},
    {"To: bad@@\x01x\xff\n", "<bad@@ x\xef\xbf\xbd>"},
};

static char *shown(const struct mailfields_mailboxes *list)
{
    struct buf out = {0};
    for (size_t i = 0; i < list->n; i++)
        buf_putf(&out, "%s%s<%s>", i > 0 ? " " : "", list->items[i].name, list->items[i].address);
    return buf_take_text(&out);
}

static void test_address_lists_are_shown_whatever_is_in_them(void **state)
{
    for (size_t i = 0; i < sizeof mailboxes / sizeof mailboxes[0]; i++) {
        struct mailfields fields;
        read_header(&fields, span_text(mailboxes[i][0]));
        char *text = shown(&fields.to);
        assert_string_equal(text, mailboxes[i][1]);
        mem_free(&text);
        mailfields_clear(&fields);
    }
}

static void test_each_list_comes_from_its_own_field(void **state)
{
    struct mailfields fields;
    read_header(&fields, span_text("Reply-To: r@x.example\nBcc: b@x.example\nCC: c@x.example\n"
                                   "To: t@x.example\nFrom: f@x.example\nSender: s@x.example\n"));
    assert_string_equal(fields.from.items[0].address, "f@x.example");
    assert_string_equal(fields.to.items[0].address, "t@x.example");
    assert_string_equal(fields.cc.items[0].address, "c@x.example");
    assert_string_equal(fields.bcc.items[0].address, "b@x.example");
    assert_string_equal(fields.reply_to.items[0].address, "r@x.example");
    mailfields_clear(&fields);
    assert_null(fields.from.items);
    mailfields_clear(&fields);
    mailfields_clear(NULL);
}

static void test_texts_are_unfolded_and_only_the_subject_is_decoded(void **state)
{
    struct mailfields fields;
    read_header(&fields, span_text("Subject: =?utf-8?Q?=C3=A9?=\r\n =?utf-8?Q?t=C3=A9?= on\r\n"
                                   "Message-ID:\r\n <A.b@C>\r\nIn-Reply-To: <X@y>  <Z@y>\r\n"));
    assert_string_equal(fields.subject, "été on");
    assert_string_equal(fields.message_id, "<A.b@C>");
    assert_string_equal(fields.in_reply_to, "<X@y>  <Z@y>");
    assert_false(fields.has_date);
    mailfields_clear(&fields);
    read_header(&fields, span_text("Subject: nul\tand \xff\n"));
    assert_string_equal(fields.subject, "nul and \xef\xbf\xbd");
    assert_string_equal(fields.message_id, "");
    assert_string_equal(fields.in_reply_to, "");
    mailfields_clear(&fields);
}

static void test_a_date_keeps_its_offset(void **state)
{
    struct mailfields fields;
    read_header(&fields, span_text("Date: Mon, 2 Jan 2006 15:04:05 -0700 (MST)\n"));
    assert_true(fields.has_date);
    assert_int_equal(fields.date_ms, INT64_C(1136239445000));
    assert_int_equal(fields.zone_min, -420);
    mailfields_clear(&fields);
    read_header(&fields, span_text("Date: yesterday\n"));
    assert_false(fields.has_date);
    mailfields_clear(&fields);
}

static const struct {
    const char *header, *references, *ids;
} references[] = {
    {"", "", ""},
    {"References: <A@b> <C@d>\n", "<A@b> <C@d>", "<a@b> <c@d>"},
    {"References: <a@b>\n <c@d>\nIn-Reply-To: <c@d>\n", "<a@b> <c@d>", "<a@b> <c@d>"},
    {"References: <a@b>\nIn-Reply-To: <x@y>\nReferences: <c@d>\n", "<x@y> <a@b> <c@d>",
     "<a@b> <c@d>"},
    {"In-Reply-To: <X@y>\n", "<X@y>", "<x@y>"},
    {"In-Reply-To: <x@y> <z@y>\n", "<x@y> <z@y>", "<x@y>"},
    {"References: no brackets\nIn-Reply-To: text <x@y>\n", "text <x@y> no brackets", "<x@y>"},
    /* One cut off, one with needless quoting, one broken by a line's end, an empty one. */
    {"References: <cut <\"a.b\"@C> <d\n @e> <> <f>\n", "<cut <\"a.b\"@C> <d @e> <> <f>",
     "<a.b@c> <d@e> <f>"},
};

static char *joined(const struct mailfields_texts *list)
{
    struct buf out = {0};
    for (size_t i = 0; i < list->n; i++)
        buf_putf(&out, "%s%s", i > 0 ? " " : "", list->items[i]);
    return buf_take_text(&out);
}

static void test_references_come_in_two_forms(void **state)
{
    for (size_t i = 0; i < sizeof references / sizeof references[0]; i++) {
        struct mailfields fields;
        read_header(&fields, span_text(references[i].header));
        char *words = joined(&fields.references), *ids = joined(&fields.referenced_ids);
        assert_string_equal(words, references[i].references);
        assert_string_equal(ids, references[i].ids);
        mem_free(&words);
        mem_free(&ids);
        mailfields_clear(&fields);
    }
}

static void test_lists_are_bounded(void **state)
{
    struct mailfields fields;
    struct buf header = {0};
    buf_puts(&header, "Cc: broken");
    for (int i = 0; i < 3000; i++)
        buf_puts(&header, ",a@b.example");
    buf_puts(&header, "\nTo: x@y.example");
    for (int i = 0; i < 3000; i++)
        buf_puts(&header, ",a@b.example");
    buf_puts(&header, "\nReferences:");
    for (int i = 0; i < 3000; i++)
        buf_puts(&header, " <a@b>");
    buf_puts(&header, "\n");
    read_header(&fields, buf_span(&header));
    assert_int_equal(fields.to.n, MAILFIELDS_ADDRESSES_MAX);
    assert_int_equal(fields.cc.n, MAILFIELDS_ADDRESSES_MAX);
    assert_int_equal(fields.references.n, MAILFIELDS_REFERENCES_MAX);
    assert_int_equal(fields.referenced_ids.n, MAILFIELDS_REFERENCES_MAX);
    mailfields_clear(&fields);
    buf_free(&header);
}

static const struct {
    const char *header;
    bool null_sender, automated;
} automated[] = {
    {"Subject: x\n", false, false},
    {"Subject: x\n", true, true},
    {"List-Id: <l.example>\n", false, true},
    {"list-unsubscribe: <mailto:l@x.example>\n", false, true},
    {"List-Unsubscribe-Post: List-Unsubscribe=One-Click\n", false, true},
    {"Precedence: bulk\n", false, true},
    {"Precedence: \n", false, false},
    {"Auto-Submitted: auto-replied\n", false, true},
    {"Auto-Submitted: No\n", false, false},
    {"Auto-Submitted: no (a human did)\n", false, false},
    {"Auto-Submitted: auto-generated; type=x\n", false, true},
    {"Auto-Submitted:\n", false, false},
    {"Content-Type: multipart/report; boundary=x\n", false, true},
    {"Content-Type: multipart/mixed; boundary=x\n", false, false},
};

static void test_what_programs_send_is_told_apart(void **state)
{
    for (size_t i = 0; i < sizeof automated / sizeof automated[0]; i++) {
        struct mimeread m;
        mimeread_parse(&m, span_text(automated[i].header), NULL);
        assert_int_equal(mailfields_automated(&m, automated[i].null_sender),
                         automated[i].automated);
        mimeread_clear(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_address_lists_are_shown_whatever_is_in_them),
        cmocka_unit_test(test_each_list_comes_from_its_own_field),
        cmocka_unit_test(test_texts_are_unfolded_and_only_the_subject_is_decoded),
        cmocka_unit_test(test_a_date_keeps_its_offset),
        cmocka_unit_test(test_references_come_in_two_forms),
        cmocka_unit_test(test_lists_are_bounded),
        cmocka_unit_test(test_what_programs_send_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
