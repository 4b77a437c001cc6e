#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "header.h"
#include "received.h"

static struct received usual(void)
{
    return (struct received){
        .ehlo = "client.example",
        .client_ip = "192.0.2.1",
        .by = "mail.example.org",
        .via = RECEIVED_ESMTP,
        .id = "abc",
        .date_ms = INT64_C(1136239445678),
        .zone_min = -420,
    };
}

static void check(const struct received *r, const char *expected)
{
    struct buf out = {0};
    received_write(&out, r);
    assert_string_equal(buf_text(&out), expected);
    buf_free(&out);
}

static void test_the_field_names_client_server_protocol_and_date(void **state)
{
    struct received r = usual();
    check(&r, "Received: from client.example ([192.0.2.1]) by mail.example.org with ESMTP id\r\n"
              "\tabc; Mon, 2 Jan 2006 15:04:05 -0700\r\n");
    struct address a;
    assert_int_equal(address_parse(span_text("\"a b\"@example.net"), &a, NULL), 0);
    r.client_ip = "2001:db8::1";
    r.tls = r.authenticated = true;
    r.tls_version = "TLSv1.3";
    r.tls_cipher = "TLS_AES_256_GCM_SHA384";
    r.recipient = &a;
    check(&r, "Received: from client.example ([IPv6:2001:db8::1]) by mail.example.org with\r\n"
              "\tESMTPSA (TLSv1.3 TLS_AES_256_GCM_SHA384) id abc for <\"a b\"@example.net>;\r\n"
              "\tMon, 2 Jan 2006 15:04:05 -0700\r\n");
    address_clear(&a);
}

static void test_a_message_that_requires_tls_shows_that_it_was_asked_for(void **state)
{
    struct received r = usual();
    r.tls = r.requiretls = true;
    check(&r, "Received: from client.example ([192.0.2.1]) by mail.example.org with ESMTPS\r\n"
              "\t(requiretls) id abc; Mon, 2 Jan 2006 15:04:05 -0700\r\n");
    r.tls_version = "TLSv1.3";
    check(&r, "Received: from client.example ([192.0.2.1]) by mail.example.org with ESMTPS\r\n"
              "\t(requiretls) (TLSv1.3) id abc; Mon, 2 Jan 2006 15:04:05 -0700\r\n");
}

static void test_mail_from_this_host_has_no_client_address(void **state)
{
    struct received r = usual();
    r.ehlo = r.client_ip = NULL;
    r.via = RECEIVED_LOCAL;
    check(&r, "Received: by mail.example.org with local id abc;\r\n"
              "\tMon, 2 Jan 2006 15:04:05 -0700\r\n");
    r.ehlo = "mail.example.org";
    r.via = RECEIVED_HTTP;
    check(&r, "Received: from mail.example.org by mail.example.org with HTTP id abc;\r\n"
              "\tMon, 2 Jan 2006 15:04:05 -0700\r\n");
}

static void test_what_a_client_calls_itself_cannot_break_the_field(void **state)
{
    struct received r = usual();
    r.ehlo = "a b(c)\r\nBcc: x;\xc3\xa9";
    check(&r, "Received: from a?b?c???Bcc:?x??? ([192.0.2.1]) by mail.example.org with ESMTP\r\n"
              "\tid abc; Mon, 2 Jan 2006 15:04:05 -0700\r\n");
    r.ehlo = "";
    check(&r, "Received: from ? ([192.0.2.1]) by mail.example.org with ESMTP id abc;\r\n"
              "\tMon, 2 Jan 2006 15:04:05 -0700\r\n");
    char longest[2000];
    memset(longest, 'a', sizeof longest);
    longest[sizeof longest - 1] = '\0';
    struct buf out = {0};
    r.ehlo = longest;
    received_write(&out, &r);
    assert_true(out.n < 500);
    buf_free(&out);
}

static const struct {
    enum received_via via;
    bool tls, authenticated, smtputf8;
    const char *name;
} protocols[] = {
    {RECEIVED_SMTP, false, false, false, "SMTP"},
    {RECEIVED_ESMTP, false, false, false, "ESMTP"},
    {RECEIVED_ESMTP, true, false, false, "ESMTPS"},
    {RECEIVED_ESMTP, false, true, false, "ESMTPA"},
    {RECEIVED_ESMTP, true, true, false, "ESMTPSA"},
    {RECEIVED_ESMTP, false, false, true, "UTF8SMTP"},
    {RECEIVED_ESMTP, true, false, true, "UTF8SMTPS"},
    {RECEIVED_ESMTP, false, true, true, "UTF8SMTPA"},
    {RECEIVED_ESMTP, true, true, true, "UTF8SMTPSA"},
    {RECEIVED_LMTP, true, false, false, "LMTPS"},
    {RECEIVED_LMTP, false, false, true, "UTF8LMTP"},
    {RECEIVED_HTTP, true, true, false, "HTTP"},
    {RECEIVED_LOCAL, false, false, false, "local"},
};

static void test_protocols_are_named_as_registered(void **state)
{
    for (size_t i = 0; i < sizeof protocols / sizeof protocols[0]; i++) {
        struct received r = {.via = protocols[i].via,
                             .tls = protocols[i].tls,
                             .authenticated = protocols[i].authenticated,
                             .smtputf8 = protocols[i].smtputf8};
        assert_string_equal(received_protocol(&r), protocols[i].name);
    }
}

static void test_trace_fields_are_counted(void **state)
{
    assert_int_equal(received_count(span_text("Received: a\r\n b\r\nX: Received: c\r\n"
                                              "RECEIVED : d\r\n\r\nReceived: body\r\n")),
                     2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_field_names_client_server_protocol_and_date),
        cmocka_unit_test(test_a_message_that_requires_tls_shows_that_it_was_asked_for),
        cmocka_unit_test(test_mail_from_this_host_has_no_client_address),
        cmocka_unit_test(test_what_a_client_calls_itself_cannot_break_the_field),
        cmocka_unit_test(test_protocols_are_named_as_registered),
        cmocka_unit_test(test_trace_fields_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
