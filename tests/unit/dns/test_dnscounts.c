#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dnscounts.h"

static void test_each_type_and_result_has_a_sum_and_a_count(void **state)
{
    static const struct {
        enum dns_type type;
        enum dns_status status;
        const char *labels;
    } cases[] = {
        {DNS_A, DNS_OK, " type=A result=ok"},
        {DNS_AAAA, DNS_NODATA, " type=AAAA result=nodata"},
        {DNS_CNAME, DNS_NXDOMAIN, " type=CNAME result=nxdomain"},
        {DNS_MX, DNS_TEMPORARY, " type=MX result=temporary"},
        {DNS_PTR, DNS_BAD, " type=PTR result=malformed"},
        {DNS_TXT, DNS_OK, " type=TXT result=ok"},
        {DNS_TLSA, DNS_BAD, " type=TLSA result=malformed"},
    };
    char name[DNSCOUNTS_NAME];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned at = dnscounts_at(cases[i].type, cases[i].status);
        dnscounts_name(at, name);
        assert_memory_equal(name, "dns:lookup_duration_seconds_sum", 31);
        assert_string_equal(name + 31, cases[i].labels);
        dnscounts_name(at + 1, name);
        assert_memory_equal(name, "dns:lookup_duration_seconds_count", 33);
        assert_string_equal(name + 33, cases[i].labels);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_type_and_result_has_a_sum_and_a_count),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
