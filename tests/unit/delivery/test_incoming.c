#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "incoming.h"
#include "jsonread.h"

static const char bounce[] =
    "From: MAILER-DAEMON@example.net\r\nTo: <b+id@shop.example>\r\n"
    "Content-Type: multipart/report; report-type=delivery-status; boundary=b\r\n\r\n"
    "--b\r\n\r\n1 < 2\r\n--b\r\nContent-Type: message/delivery-status\r\n\r\n"
    "Reporting-MTA: dns; example.net\r\n\r\nFinal-Recipient: rfc822; x@example.org\r\n"
    "Action: failed\r\nStatus: 5.1.1\r\n--b--\r\n";

static void test_the_members_are_those_of_the_incoming_webhook(void **state)
{
    struct buf json = {0};
    struct dsnread report;
    bool automated = false;
    buf_puts(&json, "{\"Version\":0,");
    incoming_describe(span_text(bounce), false, NULL, &json, &automated, &report);
    buf_puts(&json, ",\"Meta\":{}}");
    assert_non_null(strstr(buf_text(&json), "\"Text\":\"1 \\u003c 2\""));
    struct json_doc *doc = jsonread_parse(buf_span(&json), NULL, NULL);
    assert_non_null(doc);
    assert_int_equal(jsonread_count(jsonread_root(doc)), 15);
    assert_non_null(jsonread_member(jsonread_root(doc), "From"));
    assert_non_null(jsonread_member(jsonread_root(doc), "Structure"));
    jsonread_free(&doc);
    assert_true(automated);
    assert_int_equal(report.kind, DSNREAD_REPORT);
    assert_int_equal(report.n, 1);
    assert_string_equal(report.recipients[0].final, "x@example.org");
    dsnread_clear(&report);
    buf_free(&json);
}

static void test_plain_mail_is_no_report(void **state)
{
    struct buf json = {0};
    struct dsnread report;
    bool automated = true;
    incoming_describe(span_text("Subject: x\n\nhi"), false, NULL, &json, &automated, &report);
    assert_false(automated);
    assert_int_equal(report.kind, DSNREAD_NONE);
    dsnread_clear(&report);
    incoming_describe(span_text("Subject: x\n\nhi"), true, NULL, &json, &automated, &report);
    assert_true(automated);
    dsnread_clear(&report);
    buf_free(&json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_members_are_those_of_the_incoming_webhook),
        cmocka_unit_test(test_plain_mail_is_no_report),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
