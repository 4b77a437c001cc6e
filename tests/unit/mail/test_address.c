#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "address.h"
#include "mem.h"

#define A64 "0123456789012345678901234567890123456789012345678901234567890123"

struct good {
    const char *text, *local, *domain, *written;
};

static const struct good good[] = {
    {"user@Example.ORG", "user", "example.org", "user@example.org"},
    {"User.Name+tag@example.org", "User.Name+tag", "example.org", "User.Name+tag@example.org"},
    {"!#$%&'*+-/=?^_`{|}~@example.org", "!#$%&'*+-/=?^_`{|}~", "example.org",
     "!#$%&'*+-/=?^_`{|}~@example.org"},
    {"\"user\"@example.org", "user", "example.org", "user@example.org"},
    {"\"a b\"@example.org", "a b", "example.org", "\"a b\"@example.org"},
    {"\"a\\\"b\\\\c\"@example.org", "a\"b\\c", "example.org", "\"a\\\"b\\\\c\"@example.org"},
    {"\"a@b\"@[127.0.0.1]", "a@b", "[127.0.0.1]", "\"a@b\"@[127.0.0.1]"},
    {"\"a..b\"@example.org", "a..b", "example.org", "\"a..b\"@example.org"},
    {"\".a\"@example.org", ".a", "example.org", "\".a\"@example.org"},
    {"\"a.\"@example.org", "a.", "example.org", "\"a.\"@example.org"},
    {"\"x\\y\"@example.org", "xy", "example.org", "xy@example.org"},
    {"x@[IPv6:2001:DB8::1]", "x", "[IPv6:2001:db8::1]", "x@[IPv6:2001:db8::1]"},
    {A64 "@example.org", A64, "example.org", A64 "@example.org"},
    {"Pel\xc3\xa9@example.org", "Pel\xc3\xa9", "example.org", "Pel\xc3\xa9@example.org"},
    {"a@b\xc3\xbc"
     "cher.example",
     "a", "xn--bcher-kva.example", "a@xn--bcher-kva.example"},
};

static void test_mailboxes_are_read_and_written_back(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct address a, copy;
        assert_int_equal(address_parse(span_text(good[i].text), &a, NULL), 0);
        assert_string_equal(a.local, good[i].local);
        assert_string_equal(a.domain, good[i].domain);
        char *written = address_text(&a);
        assert_string_equal(written, good[i].written);
        mem_free(&written);
        address_copy(&copy, &a);
        assert_true(address_equal(&copy, &a));
        address_clear(&copy);
        address_clear(&a);
        assert_null(a.local);
    }
}

static const char *const bad[] = {
    "",
    "@",
    "user",
    "user@",
    "@example.org",
    "a b@example.org",
    "a..b@example.org",
    ".a@example.org",
    "a.@example.org",
    "a@b@example.org",
    "<a@example.org>",
    " a@example.org",
    "a@example.org ",
    "\"\"@example.org",
    "\"a@example.org",
    "\"a\\\"@example.org",
    "\"a\"b@example.org",
    "\"a\tb\"@example.org",
    "\"a\\\tb\"@example.org",
    "\"a\r\nb\"@example.org",
    "\"a\x7f\"@example.org",
    "a\xc2\x85@example.org", /* U+0085 NEXT LINE */
    "a\xff@example.org",
    "a(comment)@example.org",
    "a@example.org(comment)",
    "a@[127.0.0.1]x",
    A64 "4@example.org",
};

static void test_anything_else_is_refused_with_a_reason(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct address a = {(char *)1, (char *)1, true};
        struct fail f = {""};
        assert_int_equal(address_parse(span_text(bad[i]), &a, &f), -1);
        assert_null(a.local);
        assert_null(a.domain);
        assert_true(f.text[0] != '\0');
    }
    struct address a;
    assert_int_equal(address_parse(span_of("a\0b@example.org", 15), &a, NULL), -1);
    assert_int_equal(address_parse(span_of("\"a\0b\"@example.org", 17), &a, NULL), -1);
}

static void test_only_the_local_part_makes_an_address_need_smtputf8(void **state)
{
    struct address a;
    assert_int_equal(address_parse(span_text("a@b\xc3\xbc.example"), &a, NULL), 0);
    assert_false(a.utf8);
    struct buf out = {0};
    address_write_unicode(&out, &a);
    assert_string_equal(buf_text(&out), "a@b\xc3\xbc.example");
    buf_free(&out);
    address_clear(&a);
    assert_int_equal(address_parse(span_text("\xc3\xbc@example.org"), &a, NULL), 0);
    assert_true(a.utf8);
    address_clear(&a);
}

static bool equal(const char *x, const char *y)
{
    struct address a, b;
    assert_int_equal(address_parse(span_text(x), &a, NULL), 0);
    assert_int_equal(address_parse(span_text(y), &b, NULL), 0);
    bool same = address_equal(&a, &b);
    address_clear(&a);
    address_clear(&b);
    return same;
}

static void test_comparison_sees_through_spelling_but_not_case(void **state)
{
    assert_true(equal("\"a\"@EXAMPLE.org", "a@example.org"));
    assert_false(equal("A@example.org", "a@example.org"));
    assert_false(equal("a@example.org", "a@example.com"));
    assert_true(equal("e\xcc\x81@example.org", "\xc3\xa9@example.org")); /* NFD, NFC */
    assert_true(equal("\xe2\x84\xaa@example.org", "K@example.org"));     /* KELVIN SIGN */
    assert_false(equal("e@example.org", "\xc3\xa9@example.org"));
}

static const struct {
    const char *local, *separator, *base, *detail;
    bool found;
} splits[] = {
    {"mjl+lists", "+", "mjl", "lists", true}, {"mjl+a+b", "+", "mjl", "a+b", true},
    {"mjl+", "+", "mjl", "", true},           {"mjl", "+", "mjl", "", false},
    {"+lists", "+", "+lists", "", false},     {"+a+b", "+", "+a", "b", true},
    {"a--b-c", "--", "a", "b-c", true},
};

static void test_a_local_part_is_cut_at_the_first_separator(void **state)
{
    for (size_t i = 0; i < sizeof splits / sizeof splits[0]; i++) {
        struct span base, detail;
        assert_int_equal(address_split(splits[i].local, splits[i].separator, &base, &detail),
                         splits[i].found);
        assert_true(span_is(base, splits[i].base));
        assert_true(span_is(detail, splits[i].detail));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mailboxes_are_read_and_written_back),
        cmocka_unit_test(test_anything_else_is_refused_with_a_reason),
        cmocka_unit_test(test_only_the_local_part_makes_an_address_need_smtputf8),
        cmocka_unit_test(test_comparison_sees_through_spelling_but_not_case),
        cmocka_unit_test(test_a_local_part_is_cut_at_the_first_separator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
