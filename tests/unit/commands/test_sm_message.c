#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "sm_message.h"

static void lines_of_a_mailbox_before_the_header_are_found(void **state)
{
    static const struct {
        const char *text;
        size_t n;
    } cases[] = {
        {"From a@b Thu Jan  1 00:00:00 1970\r\nSubject: x\r\n", 35},
        {"From a\r\n>From b\r\nFrom c\r\nx", 25},
        {"From: a\r\n", 0},
        {">>From a\r\n", 0},
        {"\r\nFrom a\r\n", 0},
        {"From a", 6},
        {"From ", 5},
        {"From", 0},
        {">", 0},
        {"", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(sm_message_from_lines(span_text(cases[i].text)), cases[i].n);
}

static void rmail_finds_the_sender_in_the_first_line(void **state)
{
    static const struct {
        const char *line, *sender;
    } cases[] = {
        {"From user Thu Jan  1 00:00:00 1970 remote from hosta", "user@hosta"},
        {"From a!b!user Thu Jan  1 00:00:00 1970 remote from c", "b!user@a"},
        {"From hosta!user Thu Jan  1 00:00:00 1970", "user@hosta"},
        {"From user@d.example Thu Jan  1 00:00:00 1970 remote from c\r\n", "user@d.example"},
        {"From user Thu Jan  1 00:00:00 1970", "user"},
        {"From <> Thu Jan  1 00:00:00 1970 remote from c", ""},
        {"From MAILER-DAEMON Thu Jan  1 00:00:00 1970", ""},
        {"From !user", "!user"},
        {"From ", NULL},
        {"", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *sender = sm_message_rmail_sender(span_text(cases[i].line));
        if (cases[i].sender == NULL) {
            assert_null(sender);
        } else {
            assert_non_null(sender);
            assert_string_equal(sender, cases[i].sender);
        }
        mem_free(&sender);
    }
}

static void header_and_body_are_told_apart_with_and_without_an_empty_line(void **state)
{
    static const struct {
        const char *text, *header, *body;
    } cases[] = {
        {"A: b\r\nC: d\r\n\r\ne\r\n", "A: b\r\nC: d\r\n", "e\r\n"},
        {"A: b\r\n c\r\nno field\r\nC: d\r\n", "A: b\r\n c\r\n", "no field\r\nC: d\r\n"},
        {"no field\r\n\r\nA: b\r\n", "", "no field\r\n\r\nA: b\r\n"},
        {" continues nothing\r\nA: b\r\n", "", " continues nothing\r\nA: b\r\n"},
        {"\r\nA: b\r\n", "", "A: b\r\n"},
        {"A: b\r\n\r\n\r\nc\r\n", "A: b\r\n", "\r\nc\r\n"},
        {"A: b\r\n\r\n", "A: b\r\n", ""},
        {"A: b\r\n", "A: b\r\n", ""},
        {"A b: c\r\nD: e\r\n", "", "A b: c\r\nD: e\r\n"},
        {"A : b\r\n\r\nc\r\n", "A : b\r\n", "c\r\n"},
        {"", "", ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sm_parts parts = sm_message_split(span_text(cases[i].text));
        assert_true(span_is(parts.header, cases[i].header));
        assert_true(span_is(parts.body, cases[i].body));
    }
}

/* "a@b,c@d", or the sentence of the failure behind an exclamation mark. */
static char *recipients_of(const char *header)
{
    struct addrlist list = {0};
    struct buf out = {0};
    struct fail f;
    if (sm_message_recipients(span_text(header), "here.example", &list, &f) != 0)
        buf_putf(&out, "!%s", f.text);
    else
        for (size_t i = 0; i < list.n; i++) {
            buf_puts(&out, i == 0 ? "" : ",");
            address_write(&out, &list.items[i].address);
        }
    addrlist_clear(&list);
    return buf_take_text(&out);
}

static void recipients_are_taken_from_the_header(void **state)
{
    static const struct {
        const char *header, *recipients;
    } cases[] = {
        {"To: a@b.example\r\nCC: Jane Doe <c@d.example>,\r\n e\r\nbcc: f@g.example (there)\r\n",
         "a@b.example,c@d.example,e@here.example,f@g.example"},
        {"To: a\r\nTo: b\r\nSubject: c\r\nX-To: d\r\n", "a@here.example,b@here.example"},
        {"To: undisclosed-recipients:;\r\nBcc: a, , b\r\n", "a@here.example,b@here.example"},
        {"To: friends: a@b.example, \"c, d\" <e@f.example>;\r\n", "a@b.example,e@f.example"},
        {"To: a@b.example\r\nResent-Cc: c@d.example\r\nResent-Bcc: e\r\n",
         "c@d.example,e@here.example"},
        {"To: a@b.example\r\nResent-From: c@d.example\r\n", "a@b.example"},
        {"To: a@b.example\r\nResent-To:\r\n", ""},
        {"Subject: x\r\n", ""},
        {"To : a@b.example\r\n", "a@b.example"},
        {"To: a@b.example\r\nCc: two words\r\n",
         "!the header's Cc field: words stand where an address was expected"},
        {"Bcc: <a@b.example\r\n", "!the header's Bcc field: '>' is missing behind an address"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *recipients = recipients_of(cases[i].header);
        assert_string_equal(recipients, cases[i].recipients);
        mem_free(&recipients);
    }
}

static void expect_header(const char *header, const char *name, const char *wanted)
{
    struct address a;
    struct buf out = {0};
    assert_int_equal(address_parse(span_text("jane@b.example"), &a, NULL), 0);
    /* 2006-01-02 15:04:05 -0700 */
    struct sm_author author = {&a, span_text(name), "here.example", 1136239445000, -420};
    sm_message_header(&out, span_text(header), name == NULL ? NULL : &author);
    assert_string_equal(buf_text(&out), wanted);
    buf_free(&out);
    address_clear(&a);
}

static void bcc_never_leaves_the_machine(void **state)
{
    expect_header("To: a\r\nBcc: b\r\n c\r\nBCC: d\r\nbcc : e\r\nFrom: f\r\nResent-bCc: g\r\n",
                  NULL, "To: a\r\nFrom: f\r\n");
    expect_header("X-Bcc: a\r\nBccx: b\r\n", NULL, "X-Bcc: a\r\nBccx: b\r\n");
}

static void from_is_added_where_it_is_missing(void **state)
{
    expect_header("Subject: x\r\n", "Jane Doe",
                  "Subject: x\r\nFrom: \"Jane Doe\" <jane@b.example>\r\n");
    expect_header("", "", "From: <jane@b.example>\r\n");
    expect_header("", "J\xc3\xbcrgen", "From: =?utf-8?q?J=C3=BCrgen?= <jane@b.example>\r\n");
    expect_header("from: a@b.example\r\n", "Jane Doe", "from: a@b.example\r\n");
    expect_header("Subject: x\r\n", NULL, "Subject: x\r\n");
    expect_header("X-From: a\r\n", "", "X-From: a\r\nFrom: <jane@b.example>\r\n");
}

static void a_message_sent_on_gets_its_own_from_and_date(void **state)
{
    expect_header("From: a@c.example\r\nResent-To: b@c.example\r\n", "",
                  "From: a@c.example\r\nResent-To: b@c.example\r\nResent-From: <jane@b.example>\r\n"
                  "Resent-Date: Mon, 2 Jan 2006 15:04:05 -0700\r\n");
    expect_header("From: a@c.example\r\nResent-Bcc: b\r\nResent-From: c@c.example\r\n"
                  "Resent-Date: d\r\n",
                  "", "From: a@c.example\r\nResent-From: c@c.example\r\nResent-Date: d\r\n");
    expect_header("Resent-To: b\r\n", NULL, "Resent-To: b\r\n");
}

static void nothing_in_a_name_can_begin_a_field(void **state)
{
    expect_header("", "A\r\nBcc: b", "From: =?utf-8?q?A=0D=0ABcc=3A_b?= <jane@b.example>\r\n");
}

static void addresses_in_the_header_get_a_domain(void **state)
{
    static const struct {
        const char *before, *after;
    } cases[] = {
        {"From: root (Cron Daemon)\r\n", "From: \"Cron Daemon\" <root@here.example>\r\n"},
        {"from : root\r\n", "from: <root@here.example>\r\n"},
        {"From: a@b.example\r\nTo: c,\r\n d@e.example, \"F, G\" <h>\r\n",
         "From: a@b.example\r\nTo: <c@here.example>, <d@e.example>, \"F, G\" <h@here.example>\r\n"},
        {"From: =?utf-8?q?J=C3=BCrgen?= <juergen>\r\n",
         "From: =?utf-8?q?J=C3=BCrgen?= <juergen@here.example>\r\n"},
        {"From: J\xc3\xbcrgen <juergen>\r\n",
         "From: =?utf-8?q?J=C3=BCrgen?= <juergen@here.example>\r\n"},
        /* nothing to be done, or nothing that can be done */
        {"From: A (b) <c@d.example> (e)\r\n", "From: A (b) <c@d.example> (e)\r\n"},
        {"From: a@b.example\r\nTo: undisclosed-recipients:;\r\n",
         "From: a@b.example\r\nTo: undisclosed-recipients:;\r\n"},
        {"From: a@b.example\r\nTo: two words\r\n", "From: a@b.example\r\nTo: two words\r\n"},
        {"From: a@b.example\r\nX-To: c\r\n", "From: a@b.example\r\nX-To: c\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        expect_header(cases[i].before, "", cases[i].after);
    expect_header("From: root (Cron Daemon)\r\n", NULL, "From: root (Cron Daemon)\r\n");
}

static void a_header_that_is_not_utf8_is_mended(void **state)
{
    expect_header("From: a@b.example\r\nSubject: caf\xe9 caf\xc3\xa9 \xc3\r\n", "",
                  "From: a@b.example\r\nSubject: caf\xef\xbf\xbd caf\xc3\xa9 \xef\xbf\xbd\r\n");
    expect_header("Subject: caf\xe9\r\n", NULL, "Subject: caf\xe9\r\n");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_of_a_mailbox_before_the_header_are_found),
        cmocka_unit_test(rmail_finds_the_sender_in_the_first_line),
        cmocka_unit_test(header_and_body_are_told_apart_with_and_without_an_empty_line),
        cmocka_unit_test(recipients_are_taken_from_the_header),
        cmocka_unit_test(bcc_never_leaves_the_machine),
        cmocka_unit_test(from_is_added_where_it_is_missing),
        cmocka_unit_test(a_message_sent_on_gets_its_own_from_and_date),
        cmocka_unit_test(nothing_in_a_name_can_begin_a_field),
        cmocka_unit_test(addresses_in_the_header_get_a_domain),
        cmocka_unit_test(a_header_that_is_not_utf8_is_mended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
