#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>
#include <arpa/inet.h>

#include "dnsname.h"
#include "mem.h"

#define L63 "abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz0"

static void test_text_is_put_in_normal_form(void **state)
{
    static const struct {
        const char *text, *normal; /* NULL: no name */
    } cases[] = {
        {"example.org", "example.org"},
        {"Example.ORG.", "example.org"},
        {"x", "x"},
        {"_25._tcp.mx-1.example.org", "_25._tcp.mx-1.example.org"},
        {"xn--bcher-kva.example", "xn--bcher-kva.example"},
        {"192.0.2.1", "192.0.2.1"},
        {L63 ".org", L63 ".org"},
        {L63 "x.org", NULL},
        {L63 "." L63 "." L63 ".abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy",
         L63 "." L63 "." L63 ".abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxy"},
        {L63 "." L63 "." L63 ".abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz",
         NULL},
        {"", NULL},
        {".", NULL},
        {"..", NULL},
        {".org", NULL},
        {"a..org", NULL},
        {"org..", NULL},
        {"a b", NULL},
        {"a/b", NULL},
        {"*.org", NULL},
        {"b\xc3\xbc"
         "cher.example",
         NULL},
        {"a\nb", NULL},
        {"[192.0.2.1]", NULL},
        {"2001:db8::1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[DNSNAME_TEXT];
        int done = dnsname_normal(cases[i].text, out);
        assert_int_equal(done, cases[i].normal == NULL ? -1 : 0);
        assert_string_equal(out, cases[i].normal == NULL ? "" : cases[i].normal);
    }
}

static void test_text_and_wire_form_are_one(void **state)
{
    static const char wire[] = "\3mx1\7example\3org"; /* and the NUL is the root */
    struct dnsname name, again;
    char text[DNSNAME_TEXT];
    assert_int_equal(dnsname_parse("MX1.Example.org.", &name), 0);
    assert_int_equal(name.n, sizeof wire);
    assert_memory_equal(name.p, wire, sizeof wire);
    assert_int_equal(dnsname_text(&name, text), 0);
    assert_string_equal(text, "mx1.example.org");
    assert_int_equal(dnsname_take(span_of("\3MX1\7exAMPle\3org", sizeof wire), &again), 0);
    assert_true(dnsname_equal(&name, &again));
    assert_int_equal(dnsname_compare(&name, &again), 0);
    assert_int_equal(dnsname_parse("mx2.example.org", &again), 0);
    assert_false(dnsname_equal(&name, &again));
    assert_true(dnsname_compare(&name, &again) < 0 && dnsname_compare(&again, &name) > 0);
    assert_int_equal(dnsname_parse("a..b", &name), -1);
}

static void test_the_longest_name_fits(void **state)
{
    unsigned char wire[256];
    struct dnsname name;
    char text[DNSNAME_TEXT];
    for (size_t i = 0; i < sizeof wire; i++)
        wire[i] = i % 64 == 0 ? 63 : 'x';
    wire[192] = 61;
    wire[254] = 0;
    assert_int_equal(dnsname_take(span_of(wire, 255), &name), 0);
    assert_int_equal(dnsname_text(&name, text), 0);
    assert_int_equal(strlen(text), 253);
    wire[192] = 62;
    wire[254] = 'x';
    wire[255] = 0;
    assert_int_equal(dnsname_take(span_of(wire, 256), &name), -1);
}

static void test_malformed_wire_forms_are_refused(void **state)
{
    static const struct {
        const char *p;
        size_t n;
    } cases[] = {
        {"", 0},        {"\1", 1},     {"\1x", 2},      {"\2x\0", 3},
        {"\0x", 2},     {"\1x\0y", 4}, {"\300\014", 2}, {"\1x\300\014", 4},
        {"\100x\0", 3}, {"\5ab\0", 4}, {"\1x\1", 3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dnsname name;
        unsigned char *exact = mem_copy(cases[i].p, cases[i].n);
        assert_int_equal(dnsname_take(span_of(exact, cases[i].n), &name), -1);
        mem_free(&exact);
    }
}

static void test_names_with_other_octets_are_not_shown(void **state)
{
    static const char *const labels[] = {"\3a b\1c", "\3a.b\1c", "\3a\0b\1c",
                                         "\3a\nb",   "\3a/b",    "\1\377"};
    struct dnsname name;
    char text[DNSNAME_TEXT];
    for (size_t i = 0; i < sizeof labels / sizeof labels[0]; i++) {
        size_t n = i == 2 ? 7 : strlen(labels[i]) + 1;
        assert_int_equal(dnsname_take(span_of(labels[i], n), &name), 0);
        assert_int_equal(dnsname_text(&name, text), -1);
        assert_string_equal(text, "");
    }
    assert_int_equal(dnsname_take(span_of("", 1), &name), 0);
    assert_int_equal(dnsname_text(&name, text), 0);
    assert_string_equal(text, ""); /* the root */
}

static void test_addresses_as_text_are_no_hosts(void **state)
{
    assert_true(dnsname_is_host("mx1.example.org"));
    assert_true(dnsname_is_host("localhost"));
    assert_true(dnsname_is_host("1.2.3.4.example"));
    assert_true(dnsname_is_host("example.1a"));
    assert_false(dnsname_is_host("192.0.2.1"));
    assert_false(dnsname_is_host("1"));
    assert_false(dnsname_is_host("example.127"));
    assert_false(dnsname_is_host(""));
}

static void test_reverse_names(void **state)
{
    unsigned char four[4], six[16];
    char out[DNSNAME_TEXT];
    assert_int_equal(inet_pton(AF_INET, "192.0.2.99", four), 1);
    assert_int_equal(inet_pton(AF_INET6, "2001:db8:1:2:3:4:567:89ab", six), 1);
    assert_int_equal(dnsname_reverse(AF_INET, four, NULL, out), 0);
    assert_string_equal(out, "99.2.0.192.in-addr.arpa");
    /* RFC 5782 sections 2.1 and 2.4 have these */
    assert_int_equal(dnsname_reverse(AF_INET, four, "Bad.Example.com.", out), 0);
    assert_string_equal(out, "99.2.0.192.bad.example.com");
    assert_int_equal(dnsname_reverse(AF_INET6, six, "ugly.example.com", out), 0);
    assert_string_equal(out, "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2."
                             "ugly.example.com");
    assert_int_equal(dnsname_reverse(AF_INET6, six, NULL, out), 0);
    assert_string_equal(out + 64, "ip6.arpa");
    assert_int_equal(dnsname_reverse(AF_INET, four, "not a zone", out), -1);
    assert_string_equal(out, "");
    assert_int_equal(dnsname_reverse(AF_INET6, six, L63 "." L63 "." L63, out), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_put_in_normal_form),
        cmocka_unit_test(test_text_and_wire_form_are_one),
        cmocka_unit_test(test_the_longest_name_fits),
        cmocka_unit_test(test_malformed_wire_forms_are_refused),
        cmocka_unit_test(test_names_with_other_octets_are_not_shown),
        cmocka_unit_test(test_addresses_as_text_are_no_hosts),
        cmocka_unit_test(test_reverse_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
