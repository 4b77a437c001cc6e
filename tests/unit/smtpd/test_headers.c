#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "headers.h"
#include "mem.h"

static struct headers h;
static struct path_refusal why;

static int read_as(enum headers_source source, const char *text)
{
    why = (struct path_refusal){0};
    return headers_read(span_text(text), source, source == HEADERS_LOCAL ? "host.example" : NULL,
                        &h, &why);
}

static int tear_down(void **state)
{
    headers_clear(&h);
    return 0;
}

static void what_it_takes_out_of_a_header(void **state)
{
    assert_int_equal(read_as(HEADERS_ACCOUNT, "Received: a\r\nReceived: b\r\n"
                                              "from: \"Q\" <q@example.org>, r@example.net\r\n"
                                              "Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n all\r\n"
                                              "Message-Id: <1@example.org>\r\n"
                                              "Date: now\r\n\r\n"),
                     0);
    assert_int_equal(h.received, 2);
    assert_int_equal(h.from.n, 2);
    assert_string_equal(h.from.items[0].address.local, "q");
    assert_string_equal(h.from.items[1].address.domain, "example.net");
    assert_string_equal(h.subject, "gr\xc3\xbc\xc3\x9f"
                                   "e all");
    assert_string_equal(h.message_id, "<1@example.org>");
    assert_true(h.has_message_id);
    assert_true(h.has_date);
    assert_false(h.eight_bit);
    assert_false(h.tls_optional);
    assert_int_equal(h.extra_n, 0);
}

static void an_id_that_cannot_be_quoted_is_there_but_not_used(void **state)
{
    assert_int_equal(read_as(HEADERS_STRANGER, "Message-ID: no brackets\r\nMessage-ID: <2@x>\r\n"),
                     0);
    assert_true(h.has_message_id);
    assert_null(h.message_id);
    assert_false(h.has_date);
    assert_null(h.subject);
}

static void extra_keys_are_spelled_in_one_way(void **state)
{
    static const char *const cases[][2] = {
        {"X-Mox-Extra-Test: value", "Test"},
        {"x-mox-extra-a: value", "A"},
        {"x-mox-extra-x-cANONICAL-z: value", "X-Canonical-Z"},
        {"X-Quartermaster-Extra-order-ID:\r\n value", "Order-Id"},
        {"x-quartermaster-extra--a-: value", "-A-"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *text = mem_format("From: a@b.example\r\n%s\r\n\r\n", cases[i][0]);
        assert_int_equal(read_as(HEADERS_ACCOUNT, text), 0);
        assert_int_equal(h.extra_n, 1);
        assert_string_equal(h.extra[0].key, cases[i][1]);
        assert_string_equal(h.extra[0].value, "value");
        headers_clear(&h);
        mem_free(&text);
    }
}

static void a_stranger_has_no_extra_keys_and_no_from_to_look_at(void **state)
{
    assert_int_equal(read_as(HEADERS_STRANGER,
                             "X-Mox-Extra-A: 1\r\nX-Mox-Extra-A: 2\r\nFrom: garbage <\r\n\r\n"),
                     0);
    assert_int_equal(h.extra_n, 0);
    assert_int_equal(h.from.n, 0);
}

static void extra_fields_can_be_taken_out(void **state)
{
    static const char *const cases[][2] = {
        {"From: a@b.example\r\n\r\n", "From: a@b.example\r\n\r\n"},
        {"X-Mox-Extra-A: 1\r\n\r\n", "\r\n"},
        {"A: 1\r\nx-mox-EXTRA-a: 1\r\n folded\r\n\tmore\r\nB: 2\r\n"
         "X-Quartermaster-Extra-B:\r\n\r\n",
         "A: 1\r\nB: 2\r\n\r\n"},
        {"X-Mox-Extra-: no key\r\nX-Mox-Extras: 1\r\n\r\n",
         "X-Mox-Extra-: no key\r\nX-Mox-Extras: 1\r\n\r\n"},
        {"X-Mox-Extra-A: 1\r\nA: no empty line\r\n", "A: no empty line\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0};
        headers_put_without_extra(span_text(cases[i][0]), &out);
        assert_string_equal(buf_text(&out), cases[i][1]);
        buf_free(&out);
    }
}

static void what_is_refused(void **state)
{
    static const struct {
        enum headers_source source;
        const char *header;
        int code;
        const char *enhanced;
    } cases[] = {
        {HEADERS_STRANGER, "no field at all\r\n\r\n", 550, "5.6.0"},
        {HEADERS_STRANGER, " a continuation of nothing\r\n\r\n", 550, "5.6.0"},
        {HEADERS_STRANGER, "Subject: \xff\xfe\r\n\r\n", 550, "5.6.0"},
        {HEADERS_ACCOUNT, "Subject: x\r\n\r\n", 550, "5.6.0"},
        {HEADERS_ACCOUNT, "From:\r\n\r\n", 550, "5.6.0"},
        {HEADERS_ACCOUNT, "From: a@b.example\r\nFrom: a@b.example\r\n\r\n", 550, "5.6.0"},
        {HEADERS_ACCOUNT, "From: a@b.example <\r\n\r\n", 550, "5.6.0"},
        {HEADERS_ACCOUNT, "From: just.a.name\r\n\r\n", 550, "5.6.0"},
        {HEADERS_LOCAL, "From: a@b.example\r\nFrom: a@b.example\r\n\r\n", 550, "5.6.0"},
        {HEADERS_ACCOUNT, "From: a@b.example\r\nX-Mox-Extra-A: 1\r\nx-mox-extra-a: 2\r\n\r\n", 554,
         "5.6.0"},
        {HEADERS_ACCOUNT, "From: a@b.example\r\nX-Mox-Extra-A: 1\r\nX-Quartermaster-Extra-a: 2\r\n",
         554, "5.6.0"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_as(cases[i].source, cases[i].header), -1);
        assert_int_equal(why.code, cases[i].code);
        assert_string_equal(why.enhanced, cases[i].enhanced);
        assert_true(why.text[0] != '\0');
        assert_null(h.from.items);
    }
}

static void a_program_on_this_machine_is_taken_as_it_is(void **state)
{
    assert_int_equal(read_as(HEADERS_LOCAL, "From: root (Cron Daemon)\r\n\r\n"), 0);
    assert_int_equal(h.from.n, 1);
    assert_string_equal(h.from.items[0].address.domain, "host.example");
    headers_clear(&h);
    assert_int_equal(read_as(HEADERS_LOCAL, "From: garbage <\r\n\r\n"), 0);
    assert_int_equal(h.from.n, 0);
    headers_clear(&h);
    assert_int_equal(read_as(HEADERS_LOCAL, "Subject: no From\r\n\r\n"), 0);
}

static void eight_bit_and_tls_required_are_noticed(void **state)
{
    assert_int_equal(read_as(HEADERS_STRANGER, "Subject: \xc3\xa9\r\nTLS-Required:  No\r\n\r\n"),
                     0);
    assert_true(h.eight_bit);
    assert_true(h.tls_optional);
}

static void tls_is_optional_only_when_each_field_says_so(void **state)
{
    static const struct {
        const char *header;
        bool optional;
    } cases[] = {
        {"TLS-Required: No\r\n", true},
        {"TLS-Required: no\r\nSubject: x\r\ntls-required: NO\r\n", true},
        {"TLS-Required: maybe\r\n", false},
        {"TLS-Required:\r\n", false},
        {"TLS-Required: No\r\nTLS-Required: Yes\r\n", false},
        {"TLS-Required: Yes\r\nTLS-Required: No\r\n", false},
        {"TLS-Required: No\r\nTLS-Required: Yes\r\nTLS-Required: No\r\n", false},
        {"Subject: x\r\n", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(read_as(HEADERS_STRANGER, cases[i].header), 0);
        if (h.tls_optional != cases[i].optional)
            fail_msg("taken otherwise: %s", cases[i].header);
        headers_clear(&h);
    }
}

static void long_things_are_cut_or_refused(void **state)
{
    struct buf text = {0};
    buf_puts(&text, "Subject: ");
    for (int i = 0; i < 5000; i++)
        buf_puts(&text, "\xc3\xa9");
    buf_puts(&text, "\r\n");
    assert_int_equal(read_as(HEADERS_STRANGER, buf_text(&text)), 0);
    assert_int_equal(strlen(h.subject), 8192);
    headers_clear(&h);
    buf_clear(&text);
    buf_puts(&text, "From: a@b.example\r\nX-Mox-Extra-A: ");
    for (int i = 0; i <= HEADERS_EXTRA_VALUE_MAX; i++)
        buf_putc(&text, 'x');
    buf_puts(&text, "\r\n");
    assert_int_equal(read_as(HEADERS_ACCOUNT, buf_text(&text)), -1);
    assert_int_equal(why.code, 554);
    buf_clear(&text);
    buf_puts(&text, "From: a@b.example\r\n");
    for (int i = 0; i <= HEADERS_EXTRA_MAX; i++)
        buf_putf(&text, "X-Mox-Extra-%d: 1\r\n", i);
    assert_int_equal(read_as(HEADERS_ACCOUNT, buf_text(&text)), -1);
    assert_int_equal(why.code, 554);
    buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(what_it_takes_out_of_a_header, tear_down),
        cmocka_unit_test_teardown(an_id_that_cannot_be_quoted_is_there_but_not_used, tear_down),
        cmocka_unit_test_teardown(extra_keys_are_spelled_in_one_way, tear_down),
        cmocka_unit_test_teardown(a_stranger_has_no_extra_keys_and_no_from_to_look_at, tear_down),
        cmocka_unit_test_teardown(extra_fields_can_be_taken_out, tear_down),
        cmocka_unit_test_teardown(what_is_refused, tear_down),
        cmocka_unit_test_teardown(a_program_on_this_machine_is_taken_as_it_is, tear_down),
        cmocka_unit_test_teardown(eight_bit_and_tls_required_are_noticed, tear_down),
        cmocka_unit_test_teardown(tls_is_optional_only_when_each_field_says_so, tear_down),
        cmocka_unit_test_teardown(long_things_are_cut_or_refused, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
