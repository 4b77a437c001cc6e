#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "dsnread.h"
#include "mem.h"

static void load(struct buf *message, const char *name)
{
    char path[200];
    size_t n;
    (void)snprintf(path, sizeof path, "tests/fuzz/corpus/dsnread/%s", name);
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    while ((n = fread(buf_room(message, 4096), 1, 4096, file)) > 0)
        buf_grew(message, n);
    (void)fclose(file);
}

static void read_span(struct dsnread *d, struct span message)
{
    struct mimeread m;
    mimeread_parse(&m, message, NULL);
    dsnread_parse(d, &m, NULL);
    mimeread_clear(&m);
}

static void read_file(struct dsnread *d, const char *name)
{
    struct buf message = {0};
    load(&message, name);
    read_span(d, buf_span(&message));
    buf_free(&message);
}

/* Notifications in the forms of well-known programs: what each says of its recipients. */
static const struct {
    const char *name;
    enum dsnread_kind kind;
    const char *recipients; /* "action code enhanced address", one behind the other */
} files[] = {
    {"postfix", DSNREAD_REPORT, "failed 550 5.1.1 nobody@example.org"},
    {"postfix-local", DSNREAD_REPORT, "failed 500 5.1.1 bob@example.net"},
    {"postfix-delayed", DSNREAD_REPORT, "delayed 400 4.4.1 slow@example.org"},
    {"gmail", DSNREAD_REPORT, "failed 550 5.1.1 nobody@gmail.example"},
    {"exchange", DSNREAD_REPORT, "failed 550 5.1.10 nobody@corp.example"},
    {"exchange-2003", DSNREAD_REPORT, "failed 500 5.1.1 nobody@corp.example"},
    {"exim-report", DSNREAD_REPORT, "failed 550 5.0.0 nobody@example.org"},
    {"sendmail", DSNREAD_REPORT, "failed 550 5.1.1 nobody@example.org"},
    {"sendmail-unix", DSNREAD_REPORT, "failed 500 5.2.0 bob@sm.example.net"},
    {"ironport", DSNREAD_REPORT, "failed 550 5.1.1 nobody@corp.example"},
    {"delivered", DSNREAD_REPORT, "delivered 250 2.1.5 ann@example.org"},
    {"two", DSNREAD_REPORT, "failed 552 5.2.2 one@example.org, relayed 0 2.0.0 two@example.org"},
    {"utf8", DSNREAD_REPORT, "failed 550 5.1.1 jörg@bücher.example"},
    {"base64", DSNREAD_REPORT, "failed 554 5.7.1 enc@example.org"},
    {"quoted-printable", DSNREAD_REPORT, "failed 554 5.7.1 enc@example.org"},
    {"wrapped", DSNREAD_REPORT, "failed 554 5.7.1 enc@example.org"},
    {"third", DSNREAD_REPORT, "failed 554 5.7.1 enc@example.org"},
    {"no-reporting-mta", DSNREAD_REPORT, "failed 500 5.1.1 bare@example.org"},
    {"repeated", DSNREAD_REPORT,
     "failed 500 5.1.1 one@example.org, delayed 400 4.2.2 two@example.org"},
    {"bogus-action", DSNREAD_REPORT, " 500 5.0.0 one@example.org"},
    {"empty", DSNREAD_REPORT, ""},
    {"qmail", DSNREAD_BOUNCE,
     "failed 550 5.1.1 nobody@example.org, failed 500 5.1.1 local@qmail.example.net"},
    {"qmail-late", DSNREAD_BOUNCE, "failed 400 4.4.1 slow@example.org"},
    {"exim", DSNREAD_BOUNCE, "failed 550 5.1.1 nobody@example.org, failed 552  full@example.com"},
    {"sendmail-old", DSNREAD_BOUNCE,
     "failed 550 5.1.1 nobody@example.org, failed 550 5.7.1 second@example.org, "
     "delayed 0  slow@example.org"},
    /* Written by the servers themselves: tests/harness/reports.py. */
    {"postfix-3.7-refused", DSNREAD_REPORT, "failed 550 5.1.1 nobody@other.test"},
    {"postfix-3.7-two", DSNREAD_REPORT,
     "failed 552 5.2.2 full@other.test, failed 550 5.1.1 nobody@other.test"},
    {"postfix-3.7-unknown", DSNREAD_REPORT, "failed 500 5.1.1 who@here.test"},
    {"postfix-3.7-delayed", DSNREAD_REPORT, "delayed 451 4.3.0 slow@other.test"},
    {"postfix-3.7-relayed", DSNREAD_REPORT, "relayed 250 2.0.0 fine@other.test"},
    {"exim-4.96-refused", DSNREAD_REPORT, "failed 550 5.1.1 nobody@other.test"},
    {"exim-4.96-two", DSNREAD_REPORT,
     "failed 550 5.1.1 nobody@other.test, failed 552 5.2.2 full@other.test"},
    {"exim-4.96-unknown", DSNREAD_REPORT, "failed 500 5.0.0 who@here.test"},
    {"exim-4.96-delayed", DSNREAD_REPORT, "delayed 400 4.0.0 slow@other.test"},
    {"exim-4.96-relayed", DSNREAD_REPORT, "delivered 250 2.0.0 fine@other.test"},
    {"sendmail-8.17-refused", DSNREAD_REPORT, "failed 550 5.1.1 nobody@other.test"},
    {"sendmail-8.17-two", DSNREAD_REPORT,
     "failed 550 5.1.1 nobody@other.test, failed 552 5.2.2 full@other.test"},
    {"sendmail-8.17-unknown", DSNREAD_REPORT, "failed 500 5.1.1 who@here.test"},
    {"sendmail-8.17-delayed", DSNREAD_REPORT, "delayed 451 4.3.0 slow@other.test"},
    {"sendmail-8.17-relayed", DSNREAD_REPORT, "relayed 250 2.1.5 fine@other.test"},
    {"opensmtpd-6.8-refused", DSNREAD_REPORT, "failed 550 5.1.1 nobody@other.test"},
    {"opensmtpd-6.8-two", DSNREAD_REPORT,
     "failed 552 5.2.2 full@other.test, failed 550 5.1.1 nobody@other.test"},
    {"opensmtpd-6.8-unknown", DSNREAD_REPORT, "failed 500 5.0.0 who@here.test"},
    {"opensmtpd-6.8-delayed", DSNREAD_REPORT, "delayed 451 4.3.0 slow@other.test"},
    {"opensmtpd-6.8-relayed", DSNREAD_REPORT, "relayed 0 2.0.0 fine@other.test"},
    {"vacation", DSNREAD_NONE, ""},
    {"disposition", DSNREAD_NONE, ""},
};

static char *shown(const struct dsnread *d)
{
    struct buf out = {0};
    for (size_t i = 0; i < d->n; i++) {
        const struct dsnread_recipient *r = &d->recipients[i];
        buf_putf(&out, "%s%s %d %s %s", i > 0 ? ", " : "", dsnread_action_name(r->action),
                 r->code.code, r->code.enhanced, r->final);
    }
    return buf_take_text(&out);
}

static void test_notifications_of_well_known_programs_are_read(void **state)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct dsnread d;
        read_file(&d, files[i].name);
        char *text = shown(&d);
        if (d.kind != files[i].kind || strcmp(text, files[i].recipients) != 0)
            print_error("%s: kind %d, \"%s\"\n", files[i].name, d.kind, text);
        assert_int_equal(d.kind, files[i].kind);
        assert_string_equal(text, files[i].recipients);
        mem_free(&text);
        dsnread_clear(&d);
    }
}

static void test_line_ends_make_no_difference(void **state)
{
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        struct buf message = {0}, other = {0};
        struct dsnread d;
        load(&message, files[i].name);
        bool has_cr = span_find(buf_span(&message), '\r') >= 0;
        for (size_t k = 0; k < message.n; k++) {
            int c = buf_span(&message).p[k];
            if (c == '\n' && !has_cr)
                buf_putc(&other, '\r');
            if (c != '\r')
                buf_putc(&other, c);
        }
        read_span(&d, buf_span(&other));
        char *text = shown(&d);
        assert_string_equal(text, files[i].recipients);
        mem_free(&text);
        dsnread_clear(&d);
        buf_free(&message);
        buf_free(&other);
    }
}

static void test_all_that_a_report_says_of_a_recipient_is_kept(void **state)
{
    struct dsnread d;
    read_file(&d, "postfix");
    assert_string_equal(d.reporting_mta, "mx.example.net");
    assert_string_equal(d.envelope_id, "");
    assert_string_equal(d.recipients[0].original, "nobody@example.org");
    assert_string_equal(d.recipients[0].remote_mta, "mail.example.org");
    assert_string_equal(d.recipients[0].diagnostic_type, "smtp");
    assert_string_equal(d.recipients[0].diagnostic,
                        "550 5.1.1 <nobody@example.org>: Recipient address rejected: User "
                        "unknown in local recipient table");
    assert_string_equal(d.recipients[0].status, "5.1.1");
    dsnread_clear(&d);
    assert_null(d.recipients);
    dsnread_clear(&d);
    dsnread_clear(NULL);
    read_file(&d, "delivered");
    assert_string_equal(d.envelope_id, "QQ314159");
    assert_string_equal(d.recipients[0].status, "2.1.5 (Destination address valid)");
    dsnread_clear(&d);
    read_file(&d, "gmail");
    assert_string_equal(d.recipients[0].remote_mta, "gmail-smtp-in.l.google.example.");
    dsnread_clear(&d);
    read_file(&d, "postfix-local");
    assert_string_equal(d.recipients[0].diagnostic_type, "x-postfix");
    assert_string_equal(d.recipients[0].diagnostic, "unknown user: \"bob\"");
    assert_string_equal(d.recipients[0].original, "Bob@example.net");
    dsnread_clear(&d);
}

static void test_a_bounce_without_fields_keeps_what_its_text_says(void **state)
{
    struct dsnread d;
    read_file(&d, "qmail");
    assert_string_equal(d.recipients[0].diagnostic,
                        "192.0.2.25 does not like recipient. Remote host said: 550 5.1.1 "
                        "<nobody@example.org>: User unknown Giving up on 192.0.2.25.");
    dsnread_clear(&d);
    read_file(&d, "exim");
    assert_string_equal(d.recipients[0].diagnostic,
                        "host mail.example.org [192.0.2.25] SMTP error from remote mail server "
                        "after RCPT TO:<nobody@example.org>: 550 5.1.1 <nobody@example.org>: User "
                        "unknown");
    assert_string_equal(d.recipients[1].diagnostic,
                        "SMTP error from remote mail server after end of data: host "
                        "mail.example.com [192.0.2.26]: 552 Mailbox is full");
    dsnread_clear(&d);
}

static void test_recipients_and_texts_are_bounded(void **state)
{
    struct buf message = {0};
    struct dsnread d;
    buf_puts(&message, "Content-Type: message/delivery-status\n\nReporting-MTA: dns; x\n\n");
    for (int i = 0; i < 2 * DSNREAD_RECIPIENTS_MAX; i++)
        buf_puts(&message, "Final-Recipient: rfc822; a@b.example\nAction: failed\n\n");
    read_span(&d, buf_span(&message));
    assert_int_equal(d.n, DSNREAD_RECIPIENTS_MAX);
    dsnread_clear(&d);
    buf_clear(&message);
    buf_puts(&message, "Content-Type: message/delivery-status\n\n"
                       "Final-Recipient: rfc822; a@b.example\nDiagnostic-Code: smtp; 550 ");
    for (int i = 0; i < 10000; i++)
        buf_puts(&message, "é");
    read_span(&d, buf_span(&message));
    assert_int_equal(strlen(d.recipients[0].diagnostic), DSNREAD_TEXT_MAX);
    assert_int_equal(d.recipients[0].code.code, 550);
    dsnread_clear(&d);
    buf_free(&message);
}

static void test_a_report_without_a_diagnostic_is_completed_from_its_text(void **state)
{
    struct dsnread d;
    read_file(&d, "opensmtpd-6.8-refused");
    assert_string_equal(d.recipients[0].diagnostic,
                        "550-5.1.1 <nobody@other.test>: User unknown in local recipient table");
    assert_string_equal(d.recipients[0].status, "5.0.0");
    dsnread_clear(&d);
    read_file(&d, "opensmtpd-6.8-unknown"); /* what it says there is no reply */
    assert_string_equal(d.recipients[0].diagnostic, "");
    dsnread_clear(&d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_notifications_of_well_known_programs_are_read),
        cmocka_unit_test(test_line_ends_make_no_difference),
        cmocka_unit_test(test_all_that_a_report_says_of_a_recipient_is_kept),
        cmocka_unit_test(test_a_bounce_without_fields_keeps_what_its_text_says),
        cmocka_unit_test(test_a_report_without_a_diagnostic_is_completed_from_its_text),
        cmocka_unit_test(test_recipients_and_texts_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
