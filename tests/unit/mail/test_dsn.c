#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "dsn.h"
#include "header.h"
#include "mem.h"
#include "utf8.h"

static struct address postmaster, sender, bob, jose;

static int set_up(void **state)
{
    assert_int_equal(address_parse(span_text("postmaster@mail.example.org"), &postmaster, NULL), 0);
    assert_int_equal(address_parse(span_text("sender@example.org"), &sender, NULL), 0);
    assert_int_equal(address_parse(span_text("bob@example.net"), &bob, NULL), 0);
    assert_int_equal(address_parse(span_text("jos\xc3\xa9+x@example.net"), &jose, NULL), 0);
    return 0;
}

static int tear_down(void **state)
{
    address_clear(&postmaster);
    address_clear(&sender);
    address_clear(&bob);
    address_clear(&jose);
    return 0;
}

#define AT INT64_C(1136239445678)
#define AT_TEXT "Mon, 2 Jan 2006 22:04:05 +0000"

static const struct span reply_lines[] = {
    {(const unsigned char *)"550-5.1.1 no such user", 22},
    {(const unsigned char *)"550 5.1.1 (see https://example.net/)", 36},
};

static struct dsn_recipient failed(void)
{
    return (struct dsn_recipient){
        .address = &bob,
        .action = DSN_FAILED,
        .status = span_text("5.1.1"),
        .reason = span_text("recipient refused (permanent)"),
        .reply = reply_lines,
        .n_reply = 2,
        .remote_host = span_text("mx.example.net"),
        .remote_ip = span_text("192.0.2.25"),
        .last_attempt_ms = AT,
        .retry_until_ms = AT, /* told of delayed ones alone */
    };
}

static struct dsn report(const struct dsn_recipient *recipients, size_t n)
{
    return (struct dsn){
        .hostname = "mail.example.org",
        .from = &postmaster,
        .to = &sender,
        .recipients = recipients,
        .n_recipients = n,
        .header = span_text("From: <sender@example.org>\r\nMessage-ID: <1@example.org>\r\n"
                            "Subject: hi\r\n\r\n"),
        .arrival_ms = AT,
        .now_ms = AT,
    };
}

/* The message, with its boundary replaced by B and its id by M. */
static char *shown(const struct dsn *in, bool *has_8bit, bool *smtputf8)
{
    struct dsn_message out;
    struct buf seen = {0};
    dsn_compose(in, &out);
    const char *p = buf_text(&out.message), *at = strstr(p, "boundary=\"");
    char boundary[25] = {0};
    assert_non_null(at);
    memcpy(boundary, at + 10, 24);
    while (*p != '\0') {
        bool is_boundary = strncmp(p, boundary, 24) == 0;
        bool is_id = strncmp(p, out.message_id, strlen(out.message_id)) == 0;
        buf_putc(&seen, is_boundary ? 'B' : is_id ? 'M' : *p);
        p += is_boundary ? 24 : is_id ? strlen(out.message_id) : 1;
    }
    *has_8bit = out.has_8bit;
    *smtputf8 = out.needs_smtputf8;
    assert_true(out.has_8bit || utf8_is_ascii(buf_span(&out.message)));
    dsn_clear(&out);
    assert_null(out.message_id);
    return buf_take_text(&seen);
}

static void test_a_failure_is_reported_to_people_and_programs(void **state)
{
    const struct dsn_recipient r = failed();
    struct dsn in = report(&r, 1);
    bool has_8bit, smtputf8;
    char *text = shown(&in, &has_8bit, &smtputf8);
    assert_string_equal(
        text, "From: \"Mail Delivery System\" <postmaster@mail.example.org>\r\n"
              "To: <sender@example.org>\r\n"
              "Subject: Message not delivered\r\n"
              "Date: " AT_TEXT "\r\n"
              "Message-Id: M\r\n"
              "In-Reply-To: <1@example.org>\r\n"
              "References: <1@example.org>\r\n"
              "Auto-Submitted: auto-replied\r\n"
              "MIME-Version: 1.0\r\n"
              "Content-Type: multipart/report; report-type=delivery-status;\r\n"
              " boundary=\"B\"\r\n"
              "\r\n"
              "--B\r\n"
              "Content-Type: text/plain; charset=us-ascii\r\n"
              "Content-Transfer-Encoding: 7bit\r\n"
              "\r\n"
              "This is the mail system at mail.example.org.\r\n"
              "\r\n"
              "It reports on a message that was sent from your address.\r\n"
              "What became of it is told below for each recipient; the message's header follows\r\n"
              "at the end.\r\n"
              "\r\n"
              "<bob@example.net>\r\n"
              "    was not delivered, and will not be tried again.\r\n"
              "    recipient refused (permanent)\r\n"
              "    Last tried: " AT_TEXT ", at mx.example.net [192.0.2.25]\r\n"
              "\r\n"
              "    The full SMTP response of mx.example.net [192.0.2.25] is:\r\n"
              "\r\n"
              "\t550-5.1.1 no such user\r\n"
              "\t550 5.1.1 (see https://example.net/)\r\n"
              "\r\n--B\r\n"
              "Content-Type: message/delivery-status\r\n"
              "Content-Transfer-Encoding: 7bit\r\n"
              "\r\n"
              "Reporting-MTA: dns; mail.example.org\r\n"
              "Arrival-Date: " AT_TEXT "\r\n"
              "\r\n"
              "Final-Recipient: rfc822; bob@example.net\r\n"
              "Action: failed\r\n"
              "Status: 5.1.1 (recipient refused [permanent])\r\n"
              "Remote-MTA: dns; mx.example.net (192.0.2.25)\r\n"
              "Diagnostic-Code: smtp; 550-5.1.1 no such user 550 5.1.1 (see\r\n"
              " https://example.net/)\r\n"
              "Last-Attempt-Date: " AT_TEXT "\r\n"
              "\r\n--B\r\n"
              "Content-Type: text/rfc822-headers\r\n"
              "Content-Transfer-Encoding: 7bit\r\n"
              "\r\n"
              "From: <sender@example.org>\r\nMessage-ID: <1@example.org>\r\nSubject: hi\r\n"
              "\r\n--B--\r\n");
    assert_false(has_8bit);
    assert_false(smtputf8);
    mem_free(&text);
}

static void has(const struct dsn *in, const char *part)
{
    bool has_8bit, smtputf8;
    char *text = shown(in, &has_8bit, &smtputf8);
    if (strstr(text, part) == NULL)
        print_message("missing:\n%s\nin:\n%s\n", part, text);
    assert_non_null(strstr(text, part));
    mem_free(&text);
}

static void has_not(const struct dsn *in, const char *part)
{
    bool has_8bit, smtputf8;
    char *text = shown(in, &has_8bit, &smtputf8);
    assert_null(strstr(text, part));
    mem_free(&text);
}

static void test_several_recipients_share_a_notification(void **state)
{
    struct dsn_recipient r[3] = {failed(), failed(), failed()};
    r[1].action = DSN_DELAYED;
    r[1].retry_until_ms = AT + 3600000;
    r[2].action = DSN_RELAYED;
    r[2].status = span_text("");
    r[2].reason = span_text("");
    r[2].n_reply = 0;
    r[2].remote_host = span_text("");
    struct dsn in = report(r, 3);
    has(&in, "Subject: Message not delivered\r\n");
    has(&in, "\r\n\r\nFinal-Recipient: rfc822; bob@example.net\r\nAction: delayed\r\n"
             "Status: 4.1.1 (recipient refused [permanent])\r\n");
    has(&in, "Last-Attempt-Date: " AT_TEXT "\r\n"
             "Will-Retry-Until: Mon, 2 Jan 2006 23:04:05 +0000\r\n"
             "\r\n"
             "Final-Recipient: rfc822; bob@example.net\r\nAction: relayed\r\nStatus: 2.0.0\r\n"
             "Last-Attempt-Date: " AT_TEXT "\r\n");
    has(&in, "    Will be tried until: Mon, 2 Jan 2006 23:04:05 +0000\r\n");
    in = report(r + 1, 2);
    has(&in, "Subject: Message delayed\r\n");
}

static void test_status_codes_keep_their_detail_and_get_the_actions_class(void **state)
{
    static const char *const codes[][2] = {
        {"4.7.1", "5.7.1"},    {"5.123.456", "5.123.456"}, {"", "5.0.0"},
        {"5.1", "5.0.0"},      {"5.1.", "5.0.0"},          {"5..1", "5.0.0"},
        {"5.1.1234", "5.0.0"}, {"5.1.0001", "5.0.0"},      {"5.1234.1", "5.0.0"},
        {"5.1.1 ", "5.0.0"},   {"5x1.1", "5.0.0"},         {"5.1.1\r\n", "5.0.0"},
    };
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct dsn_recipient r = failed();
        struct buf line = {0};
        r.status = span_text(codes[i][0]);
        struct dsn in = report(&r, 1);
        buf_putf(&line, "\r\nStatus: %s (", codes[i][1]);
        has(&in, buf_text(&line));
        buf_free(&line);
    }
}

static void test_what_the_sender_asked_to_be_told_is_told(void **state)
{
    struct dsn_recipient r = failed();
    r.original = span_text("rfc822;Bob@example.net");
    struct dsn in = report(&r, 1);
    in.envelope_id = span_text("QQ314159");
    in.received_from = span_text("client.example");
    in.future_release = span_text("until;2006-01-02T15:04:05Z");
    has(&in, "\r\n\r\nOriginal-Envelope-Id: QQ314159\r\nReporting-MTA: dns; mail.example.org\r\n"
             "Received-From-MTA: dns; client.example\r\nArrival-Date: " AT_TEXT "\r\n"
             "Future-Release-Request: until;2006-01-02T15:04:05Z\r\n\r\n"
             "Original-Recipient: rfc822; Bob@example.net\r\nFinal-Recipient:");
    in.received_ip = span_text("192.0.2.7");
    has(&in, "\r\nReceived-From-MTA: dns; client.example (192.0.2.7)\r\nArrival-Date: ");
    in.received_from = (struct span){0};
    has_not(&in, "Received-From-MTA");
    r.original = span_text("no type");
    has(&in, "Original-Recipient: unknown; no type\r\n");
    r.original = span_text("x\r\ny;a\r\nAction: delivered");
    has(&in, "Original-Recipient: x--y; a\\x0D\\x0AAction: delivered\r\n");
}

static void test_remote_text_can_neither_add_fields_nor_break_lines(void **state)
{
    struct buf long_line = {0};
    for (int i = 0; i < 700; i++)
        buf_puts(&long_line, "\xe3\x81\x82");
    const struct span lines[] = {
        span_text("550 a\r\nAction: delivered\r\n\r\nFinal-Recipient: x"),
        span_of("550 nul\0esc\x1b[2J", 15),
        span_text("550 latin \xe9 tab\there (unbalanced"),
        buf_span(&long_line),
    };
    struct dsn_recipient r = failed();
    r.reply = lines;
    r.n_reply = 4;
    r.reason = span_text("a) \\ (b\r\nAction: x \xc3\xa9");
    r.remote_host = span_text("mx\r\nX: y");
    struct dsn in = report(&r, 1);
    has(&in, "Status: 5.1.1 (a] / [b/x0D/x0AAction: x /xC3/xA9)\r\n");
    has(&in, "Remote-MTA: dns; mx\\x0D\\x0AX: y (192.0.2.25)\r\n");
    has(&in, "\t550 a\\x0D\\x0AAction: delivered\\x0D\\x0A\\x0D\\x0AFinal-Recipient: x\r\n"
             "\t550 nul\\x00esc\\x1B[2J\r\n"
             "\t550 latin \\xE9 tab here (unbalanced\r\n"
             "\t\\xE3\\x81\\x82");
    has_not(&in, "\r\nAction: delivered");
    struct dsn_message out;
    dsn_compose(&in, &out);
    size_t column = 0;
    struct span s = buf_span(&out.message);
    for (size_t i = 0; i < s.n; i++) {
        column = s.p[i] == '\n' ? 0 : column + 1;
        assert_true(column <= 999);
        assert_int_equal(s.p[i] == '\n', i > 0 && s.p[i - 1] == '\r');
    }
    dsn_clear(&out);
    buf_free(&long_line);
}

static void test_an_endless_reply_is_cut(void **state)
{
    struct span lines[100];
    char line[1000];
    memset(line, 'x', sizeof line);
    for (size_t i = 0; i < 100; i++)
        lines[i] = span_of(line, sizeof line);
    struct dsn_recipient r = failed();
    r.reply = lines;
    r.n_reply = 100;
    struct dsn in = report(&r, 1);
    has(&in, "xxx\r\n\t[the rest is left out]\r\n");
    has(&in, "xxx\r\n [...]\r\n");
    struct dsn_message out;
    dsn_compose(&in, &out);
    assert_true(out.message.n < 2 * DSN_REPLY_MAX + 4000);
    dsn_clear(&out);
    r.n_reply = 65;
    has_not(&in, "[...]");
}

static void test_a_message_that_needed_smtputf8_gets_utf8_forms(void **state)
{
    const struct span lines[] = {span_text("550 5.1.1 \xe3\x81\x82\xc2\x85\xff")};
    struct dsn_recipient r = failed();
    bool has_8bit, smtputf8;
    r.address = &jose;
    r.original = span_text("utf-8;Jos\xc3\xa9@example.net");
    r.reply = lines;
    r.n_reply = 1;
    struct dsn in = report(&r, 1);
    in.header = span_text("Subject: \xc3\xa9\r\nMessage-ID: <\xc3\xa9@x>\r\n");
    in.smtputf8 = true;
    char *text = shown(&in, &has_8bit, &smtputf8);
    assert_true(has_8bit);
    assert_true(smtputf8);
    assert_non_null(strstr(text, "\r\nIn-Reply-To: <\xc3\xa9@x>\r\n"));
    assert_non_null(strstr(text, "Content-Type: text/plain; charset=utf-8\r\n"
                                 "Content-Transfer-Encoding: 8bit\r\n"));
    assert_non_null(strstr(text, "<jos\xc3\xa9+x@example.net>\r\n"));
    assert_non_null(strstr(text, "\t550 5.1.1 \xe3\x81\x82\\xC2\\x85\\xFF\r\n"));
    assert_non_null(strstr(text, "Content-Type: message/global-delivery-status\r\n"
                                 "Content-Transfer-Encoding: 8bit\r\n"));
    assert_non_null(strstr(text, "Original-Recipient: utf-8; Jos\xc3\xa9@example.net\r\n"
                                 "Final-Recipient: utf-8; jos\xc3\xa9+x@example.net\r\n"));
    assert_non_null(strstr(text, "Content-Type: message/global-headers\r\n"
                                 "Content-Transfer-Encoding: 8bit\r\n\r\nSubject: \xc3\xa9\r\n"));
    mem_free(&text);
}

static void test_a_utf8_address_can_be_told_in_ascii(void **state)
{
    struct dsn_recipient r = failed();
    bool has_8bit, smtputf8;
    r.address = &jose;
    r.original = span_text("utf-8;Jos\xc3\xa9@example.net");
    struct dsn in = report(&r, 1);
    in.header = span_text("Subject: \xc3\xa9\r\nMessage-ID: <\xc3\xa9@x>\r\n");
    char *text = shown(&in, &has_8bit, &smtputf8);
    assert_false(has_8bit);
    assert_false(smtputf8);
    assert_null(strstr(text, "In-Reply-To"));
    assert_non_null(strstr(text, "Original-Recipient: utf-8; Jos\\x{E9}@example.net\r\n"
                                 "Final-Recipient: utf-8; jos\\x{E9}\\x{2B}x@example.net\r\n"));
    assert_non_null(strstr(text, "Content-Type: text/rfc822-headers; charset=utf-8\r\n"
                                 "Content-Transfer-Encoding: quoted-printable\r\n\r\n"
                                 "Subject: =C3=A9\r\n"));
    mem_free(&text);
    in.to = &jose;
    text = shown(&in, &has_8bit, &smtputf8);
    assert_true(smtputf8);
    mem_free(&text);
}

static void test_the_original_is_returned_whole_when_asked_for_and_small(void **state)
{
    const struct dsn_recipient r = failed();
    struct dsn in = report(&r, 1);
    struct buf big = {0};
    in.message = span_text("Subject: hi\r\n\r\n--body\r\n");
    has(&in, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 7bit\r\n\r\n"
             "Subject: hi\r\n\r\n--body\r\n\r\n--B--\r\n");
    in.message = span_text("Subject: hi\r\n\r\nb\xc3\xb6 dy\r\n");
    has(&in, "Content-Type: message/rfc822\r\nContent-Transfer-Encoding: 8bit\r\n");
    in.smtputf8 = true;
    has(&in, "Content-Type: message/global\r\nContent-Transfer-Encoding: 8bit\r\n");
    in.smtputf8 = false;
    in.message = span_text("Subject: hi\n\nbare line ends\n");
    has(&in, "Content-Type: text/rfc822-headers\r\n");
    in.message = span_of("A: b\r\n\r\n\0\r\n", 11);
    has(&in, "Content-Type: text/rfc822-headers\r\n");
    for (int i = 0; i <= DSN_RETURN_MAX / 4; i++)
        buf_puts(&big, "A: b c\r\n");
    in.message = buf_span(&big);
    has(&in, "Content-Type: text/rfc822-headers\r\n");
    in.message = span_text("");
    in.header = buf_span(&big);
    struct dsn_message out;
    dsn_compose(&in, &out);
    assert_true(out.message.n < DSN_RETURN_MAX + 4000 && out.message.n > DSN_RETURN_MAX);
    dsn_clear(&out);
    buf_free(&big);
}

static void test_a_message_with_utf8_in_its_header_is_not_returned_whole_in_ascii(void **state)
{
    const struct dsn_recipient r = failed();
    struct dsn in = report(&r, 1);
    in.header = span_text("Subject: gr\xc3\xbc\xc3\x9f"
                          "e\r\n\r\n");
    in.message = span_text("Subject: gr\xc3\xbc\xc3\x9f"
                           "e\r\n\r\nits text\r\n");
    has(&in, "\r\nContent-Type: text/rfc822-headers; charset=utf-8\r\n");
    has_not(&in, "its text");
    in.smtputf8 = true;
    has(&in, "\r\nContent-Type: message/global\r\n");
    has(&in, "its text");
}

static void test_somebody_else_is_told_who_sent_it(void **state)
{
    const struct dsn_recipient r = failed();
    struct dsn in = report(&r, 1);
    has(&in, "\r\nSubject: Message not delivered\r\n");
    in.to = &postmaster;
    in.sender = "gr\xc3\xbc\xc3\x9f@example.org";
    has(&in, "\r\nIt reports on a message that was sent from "
             "<gr\\xC3\\xBC\\xC3\\x9F@example.org>, who was told.\r\n");
    has(&in, "\r\nSubject: For postmaster: Message not delivered\r\n");
    in.sender = "";
    has(&in, "\r\nIt reports on a message that was sent without a sender to be told.\r\n");
}

static void test_a_broken_header_is_returned_in_an_encoding(void **state)
{
    const struct dsn_recipient r = failed();
    struct dsn in = report(&r, 1);
    in.header = span_text("A: b\nC: d\re\n\nbody");
    has(&in, "Content-Transfer-Encoding: quoted-printable\r\n\r\nA: b\r\nC: d=0De\r\n\r\n--B--");
    in.header = span_text("A: \xe9");
    has(&in, "Content-Type: text/rfc822-headers\r\nContent-Transfer-Encoding: quoted-printable\r\n"
             "\r\nA: =E9\r\n");
    in.smtputf8 = true;
    has(&in, "Content-Type: message/global-headers\r\n"
             "Content-Transfer-Encoding: quoted-printable\r\n");
    in.header = span_text("Message-ID: <a@b>\r\n <c@d>\r\nMessage-ID: <e@f>\r\n");
    has_not(&in, "In-Reply-To");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_failure_is_reported_to_people_and_programs),
        cmocka_unit_test(test_several_recipients_share_a_notification),
        cmocka_unit_test(test_status_codes_keep_their_detail_and_get_the_actions_class),
        cmocka_unit_test(test_what_the_sender_asked_to_be_told_is_told),
        cmocka_unit_test(test_remote_text_can_neither_add_fields_nor_break_lines),
        cmocka_unit_test(test_an_endless_reply_is_cut),
        cmocka_unit_test(test_a_message_that_needed_smtputf8_gets_utf8_forms),
        cmocka_unit_test(test_a_utf8_address_can_be_told_in_ascii),
        cmocka_unit_test(test_the_original_is_returned_whole_when_asked_for_and_small),
        cmocka_unit_test(test_a_message_with_utf8_in_its_header_is_not_returned_whole_in_ascii),
        cmocka_unit_test(test_somebody_else_is_told_who_sent_it),
        cmocka_unit_test(test_a_broken_header_is_returned_in_an_encoding),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
