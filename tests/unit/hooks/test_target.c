#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "target.h"

static bool is_public(const char *text)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &v4.sin_addr) == 1)
        return target_is_public((struct sockaddr *)&v4);
    if (inet_pton(AF_INET6, text, &v6.sin6_addr) != 1)
        fail_msg("%s is no address", text);
    return target_is_public((struct sockaddr *)&v6);
}

static const struct {
    const char *address;
    bool is_public;
} cases[] = {
    /* IPv4: each net's edges, and what is next to it */
    {"0.0.0.0", false},
    {"0.255.255.255", false},
    {"1.0.0.0", true},
    {"9.255.255.255", true},
    {"10.0.0.0", false},
    {"10.255.255.255", false},
    {"11.0.0.0", true},
    {"100.63.255.255", true},
    {"100.64.0.0", false},
    {"100.127.255.255", false},
    {"100.128.0.0", true},
    {"126.255.255.255", true},
    {"127.0.0.0", false},
    {"127.0.0.1", false},
    {"127.255.255.255", false},
    {"128.0.0.0", true},
    {"169.253.255.255", true},
    {"169.254.0.0", false},
    {"169.254.169.254", false}, /* metadata services */
    {"169.254.255.255", false},
    {"169.255.0.0", true},
    {"172.15.255.255", true},
    {"172.16.0.0", false},
    {"172.31.255.255", false},
    {"172.32.0.0", true},
    {"191.255.255.255", true},
    {"192.0.0.0", false},
    {"192.0.0.255", false},
    {"192.0.1.0", true},
    {"192.0.2.1", false},
    {"192.0.3.0", true},
    {"192.88.99.1", false},
    {"192.167.255.255", true},
    {"192.168.0.0", false},
    {"192.168.255.255", false},
    {"192.169.0.0", true},
    {"198.17.255.255", true},
    {"198.18.0.0", false},
    {"198.19.255.255", false},
    {"198.20.0.0", true},
    {"198.51.100.7", false},
    {"203.0.113.7", false},
    {"203.0.114.0", true},
    {"223.255.255.255", true},
    {"224.0.0.1", false},
    {"239.255.255.255", false},
    {"240.0.0.1", false},
    {"255.255.255.255", false},
    {"8.8.8.8", true},
    /* IPv6 */
    {"::", false},
    {"::1", false},
    {"::2", false},
    {"fe80::1", false},
    {"febf::1", false},
    {"fec0::1", false}, /* site-local of old */
    {"fc00::1", false},
    {"fd12:3456::1", false},
    {"ff02::1", false},
    {"ff0e::1", false},
    {"100::1", false},  /* discard */
    {"5f00::1", false}, /* segment routing */
    {"2000::1", true},
    {"2606:4700::1111", true},
    {"2a00:1450:4001::1", true},
    {"3ffe::1", true},
    {"3fff::1", false}, /* documentation, RFC 9637 */
    {"3fff:fff::1", false},
    {"3fff:1000::1", true},
    {"2001:db8::1", false},
    {"2001:db9::1", true},
    {"2001:200::1", true},
    /* the special block 2001::/23: Teredo, benchmarks, ORCHID */
    {"2001::1", false},
    {"2001:0:4136:e378:8000:63bf:3fff:fdd2", false},
    {"2001:2::1", false},
    {"2001:10::1", false},
    {"2001:20::1", false},
    {"2001:1ff::1", false},
    /* IPv6 addresses that stand for IPv4 ones */
    {"::ffff:127.0.0.1", false},
    {"::ffff:10.1.2.3", false},
    {"::ffff:169.254.169.254", false},
    {"::ffff:8.8.8.8", true},
    {"::127.0.0.1", false},
    {"::8.8.8.8", true},
    {"::ffff:0:127.0.0.1", false}, /* translated, RFC 2765 */
    {"::ffff:0:8.8.8.8", false},
    {"64:ff9b::127.0.0.1", false},
    {"64:ff9b::192.168.1.1", false},
    {"64:ff9b::8.8.8.8", true},
    {"64:ff9b:1::8.8.8.8", false},
    {"64:ff9b:0:1::8.8.8.8", false},
    {"2002:7f00:1::", false},
    {"2002:a00:1::1", false},
    {"2002:c0a8:101::1", false},
    {"2002:a9fe:a9fe::1", false},
    {"2002:808:808::1", true},
};

static void test_only_addresses_of_the_public_network_are_public(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (is_public(cases[i].address) != cases[i].is_public ||
            target_is_public_text(cases[i].address) != cases[i].is_public)
            fail_msg("%s is taken for %s", cases[i].address,
                     cases[i].is_public ? "private" : "public");
    }
}

static void test_other_families_are_never_public(void **state)
{
    for (int family = 0; family < 50; family++) {
        struct sockaddr_storage sa;
        memset(&sa, 8, sizeof sa);
        sa.ss_family = (sa_family_t)family;
        assert_int_equal(target_is_public((struct sockaddr *)&sa), family == AF_INET);
    }
}

static void test_text_that_is_no_address_is_not_public(void **state)
{
    static const char *const texts[] = {
        "", "8.8.8", "8.8.8.8.", "example.org", "2600::%eth0", "[2600::]"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        assert_false(target_is_public_text(texts[i]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_that_is_no_address_is_not_public),
        cmocka_unit_test(test_only_addresses_of_the_public_network_are_public),
        cmocka_unit_test(test_other_families_are_never_public),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
