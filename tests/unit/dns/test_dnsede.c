#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dnsede.h"
#include "mem.h"

static void test_the_first_extended_error_is_found(void **state)
{
    static const struct {
        const char *p;
        size_t n;
        int code;
    } cases[] = {
        {"", 0, DNSEDE_NONE},
        {"\0\x0f\0\2\0\6", 6, 6},
        {"\0\x0f\0\5\0\x16xyz", 9, 22},
        {"\0\x0a\0\3abc\0\x0f\0\2\1\1", 13, 257},
        {"\0\x0f\0\2\0\6\0\x0f\0\2\0\7", 12, 6},
        {"\0\x0f\0\1\0", 5, DNSEDE_NONE},      /* too short for a code */
        {"\0\x0f\0\1\0\0\x0f\0\2\0\7", 11, 7}, /* and the next is not */
        {"\0\x0f\0\2\0", 5, DNSEDE_NONE},      /* goes beyond the end */
        {"\0\x0a\0\x09"
         "a\0\x0f\0\2\0\6",
         11, DNSEDE_NONE},
        {"\0\x0f\0", 3, DNSEDE_NONE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned char *exact = mem_copy(cases[i].p, cases[i].n);
        assert_int_equal(dnsede_find(span_of(exact, cases[i].n)), cases[i].code);
        mem_free(&exact);
    }
}

static void test_codes_have_names(void **state)
{
    assert_string_equal(dnsede_name(0), "Other Error");
    assert_string_equal(dnsede_name(6), "DNSSEC Bogus");
    assert_string_equal(dnsede_name(24), "Invalid Data");
    assert_string_equal(dnsede_name(29), "Synthesized");
    assert_string_equal(dnsede_name(30), "Unknown Error");
    assert_string_equal(dnsede_name(DNSEDE_NONE), "Unknown Error");
}

static void test_failed_validation_is_told_from_the_rest(void **state)
{
    static const bool authentication[25] = {
        [1] = true, [2] = true, [5] = true,  [6] = true,  [7] = true,
        [8] = true, [9] = true, [10] = true, [11] = true, [12] = true};
    for (int code = 0; code < 25; code++)
        assert_int_equal(dnsede_is_authentication(code), authentication[code]);
    assert_false(dnsede_is_authentication(DNSEDE_NONE));
    assert_false(dnsede_is_authentication(65535));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_extended_error_is_found),
        cmocka_unit_test(test_codes_have_names),
        cmocka_unit_test(test_failed_validation_is_told_from_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
