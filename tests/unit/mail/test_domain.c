#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "domain.h"
#include "mem.h"

#define L63 "a23456789012345678901234567890123456789012345678901234567890123"

/* Each name and its stored form; NULL where it is refused. */
static const char *const names[][2] = {
    {"example.org", "example.org"},
    {"Mail.EXAMPLE.org", "mail.example.org"},
    {"localhost", "localhost"},
    {"b\xc3\xbc"
     "cher.example",
     "xn--bcher-kva.example"},
    {"B\xc3\x9c"
     "CHER.example",
     "xn--bcher-kva.example"},
    {"fa\xc3\x9f.de", "xn--fa-hia.de"}, /* non-transitional: not fass.de */
    {"\xe4\xbe\x8b\xe3\x81\x88\xe3\x80\x82\xe4\xbe\x8b",
     "xn--r8jz45g.xn--fsq"}, /* full stop U+3002 */
    {"xn--r8jz45g.xn--fsq", "xn--r8jz45g.xn--fsq"},
    {"\xe2\x98\xba.example", "xn--74h.example"}, /* a symbol */
    {"I\xe2\x9d\xa4.B\xc3\xbc"
     "cher.example",
     "xn--i-7iq.xn--bcher-kva.example"},
    {"xn--nonsense-that-decodes-to-nothing-0000.example",
     "xn--nonsense-that-decodes-to-nothing-0000.example"},
    {"a--b.example", "a--b.example"},
    {"stra\xc3\x9f"
     "e\xe2\x98\xba.example",
     NULL}, /* the mapping that knows symbols would make it another name */
    {"", NULL},
    {".", NULL},
    {"example.org.", NULL},
    {".example.org", NULL},
    {"example..org", NULL},
    {"-a.example", NULL},
    {"a-.example", NULL},
    {"a_b.example", NULL},
    {"ex ample.com", NULL},
    {"ex\xc3\xbc mple.com", NULL},           /* libidn2 lets the space pass */
    {"\xc3\xbc_b.example", NULL},            /* and this one */
    {"\xc3\xbc\xef\xbc\xa0x.example", NULL}, /* a fullwidth @ maps to one */
    {"\xc3\xbc\xef\xbc\x8fx.example", NULL}, /* a fullwidth / likewise */
    {"\xff.example", NULL},
    {"a\x7f.example", NULL},
    {L63 ".example", L63 ".example"},
    {L63 "4.example", NULL},
};

static void test_names_become_lower_case_a_labels(void **state)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char *domain;
        struct fail f = {""};
        int rc = domain_parse(span_text(names[i][0]), &domain, &f);
        if (names[i][1] == NULL) {
            assert_int_equal(rc, -1);
            assert_null(domain);
            assert_true(f.text[0] != '\0');
        } else {
            assert_int_equal(rc, 0);
            assert_string_equal(domain, names[i][1]);
        }
        mem_free(&domain);
    }
}

static void test_length_is_limited_to_what_dns_can_hold(void **state)
{
    struct buf b = {0};
    char *domain;
    for (int i = 0; i < 126; i++)
        buf_puts(&b, "a.");
    buf_puts(&b, "b");
    assert_int_equal(b.n, 253);
    assert_int_equal(domain_parse(buf_span(&b), &domain, NULL), 0);
    mem_free(&domain);
    buf_puts(&b, "b");
    assert_int_equal(domain_parse(buf_span(&b), &domain, NULL), -1);
    buf_free(&b);
    assert_int_equal(domain_parse(span_of("a\0b", 3), &domain, NULL), -1);
}

static const char *const literals[][2] = {
    {"[127.0.0.1]", "[127.0.0.1]"},
    {"[IPv6:2001:DB8::1]", "[IPv6:2001:db8::1]"},
    {"[ipv6:2001:db8:0:0:0:0:0:1]", "[IPv6:2001:db8::1]"},
    {"[IPv6:::ffff:192.0.2.1]", "[IPv6:::ffff:192.0.2.1]"},
    {"[2001:db8::1]", NULL},
    {"[127.0.0]", NULL},
    {"[127.0.0.256]", NULL},
    {"[127.0.0.1", NULL},
    {"127.0.0.1]", NULL},
    {"[]", NULL},
    {"[", NULL},
    {"[x-tag:content]", NULL},
    {"[ 127.0.0.1]", NULL},
};

static void test_literals_have_one_spelling(void **state)
{
    for (size_t i = 0; i < sizeof literals / sizeof literals[0]; i++) {
        char *domain;
        int rc = domain_parse_literal(span_text(literals[i][0]), &domain, NULL);
        assert_int_equal(rc, literals[i][1] == NULL ? -1 : 0);
        if (rc == 0) {
            assert_string_equal(domain, literals[i][1]);
            assert_true(domain_is_literal(domain));
        } else {
            assert_null(domain);
        }
        mem_free(&domain);
    }
    assert_false(domain_is_literal("example.org"));
}

static const char *const readable[][2] = {
    {"xn--bcher-kva.example", "b\xc3\xbc"
                              "cher.example"},
    {"xn--74h.example", "\xe2\x98\xba.example"},
    {"example.org", "example.org"},
    {"[127.0.0.1]", "[127.0.0.1]"},
    {"xn--nonsense-that-decodes-to-nothing-0000.example",
     "xn--nonsense-that-decodes-to-nothing-0000.example"},
    {"xn--a.example", "xn--a.example"}, /* decodes to what does not encode back */
};

static void test_u_labels_are_for_reading(void **state)
{
    for (size_t i = 0; i < sizeof readable / sizeof readable[0]; i++) {
        struct buf out = {0};
        domain_write_unicode(&out, readable[i][0]);
        assert_string_equal(buf_text(&out), readable[i][1]);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_become_lower_case_a_labels),
        cmocka_unit_test(test_length_is_limited_to_what_dns_can_hold),
        cmocka_unit_test(test_literals_have_one_spelling),
        cmocka_unit_test(test_u_labels_are_for_reading),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
