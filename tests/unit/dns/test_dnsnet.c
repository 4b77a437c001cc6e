#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>

#include "dnsnet.h"

/* The edges of each net are in test_target.c of hooks, which asks for public ones alone. */
static const struct {
    const char *address;
    enum dnsnet net;
} cases[] = {
    {"10.1.2.3", DNSNET_PRIVATE},
    {"172.16.0.1", DNSNET_PRIVATE},
    {"172.31.255.255", DNSNET_PRIVATE},
    {"192.168.0.1", DNSNET_PRIVATE},
    {"100.64.0.1", DNSNET_PRIVATE},
    {"100.127.255.255", DNSNET_PRIVATE},
    {"169.254.1.1", DNSNET_PRIVATE},
    {"192.0.0.8", DNSNET_PRIVATE},
    {"fc00::1", DNSNET_PRIVATE},
    {"fd12:3456::1", DNSNET_PRIVATE},
    {"fe80::1", DNSNET_PRIVATE},
    {"fec0::1", DNSNET_PRIVATE},
    {"::ffff:10.1.2.3", DNSNET_PRIVATE},
    {"64:ff9b::192.168.1.1", DNSNET_PRIVATE},
    {"2002:a00:1::", DNSNET_PRIVATE},
    {"0.0.0.0", DNSNET_SELF},
    {"127.0.0.1", DNSNET_SELF},
    {"::", DNSNET_SELF},
    {"::1", DNSNET_SELF},
    {"::ffff:127.0.0.1", DNSNET_SELF},
    {"2002:7f00:1::", DNSNET_SELF},
    {"224.0.0.1", DNSNET_NONE},
    {"240.0.0.1", DNSNET_NONE},
    {"255.255.255.255", DNSNET_NONE},
    {"ff02::1", DNSNET_NONE},
    {"192.0.2.1", DNSNET_SPECIAL},
    {"198.18.0.1", DNSNET_SPECIAL},
    {"203.0.113.1", DNSNET_SPECIAL},
    {"2001:db8::1", DNSNET_SPECIAL},
    {"2001::1", DNSNET_SPECIAL},
    {"64:ff9b:1::1", DNSNET_SPECIAL},
    {"4000::1", DNSNET_SPECIAL},
    {"fe00::1", DNSNET_SPECIAL},
    {"1.1.1.1", DNSNET_PUBLIC},
    {"172.32.0.0", DNSNET_PUBLIC},
    {"192.0.3.1", DNSNET_PUBLIC},
    {"2600::1", DNSNET_PUBLIC},
    {"::ffff:1.1.1.1", DNSNET_PUBLIC},
    {"2002:101:101::1", DNSNET_PUBLIC},
};

static void test_every_kind_of_network_is_told(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dnsaddr a = {.family = AF_INET};
        if (inet_pton(AF_INET, cases[i].address, a.octets) != 1) {
            a.family = AF_INET6;
            assert_int_equal(inet_pton(AF_INET6, cases[i].address, a.octets), 1);
        }
        if (dnsnet_of(&a) != cases[i].net)
            fail_msg("%s: %d", cases[i].address, (int)dnsnet_of(&a));
    }
}

static void test_private_addresses_and_those_that_lead_back_are_let_in_apart(void **state)
{
    static const struct dnsaddr private = {AF_INET, {10, 0, 0, 1}},
                                self = {AF_INET, {127, 0, 0, 1}}, other = {AF_INET, {192, 0, 2, 1}};
    static const struct {
        struct dnsaddr_options options;
        bool private, self;
    } options[] = {
        {{.max = 1}, false, false},
        {{.any_target = true}, false, true},
        {{.private_target = true}, true, false},
        {{.any_target = true, .private_target = true}, true, true},
    };
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        assert_int_equal(dnsaddr_is_allowed(&private, &options[i].options), options[i].private);
        assert_int_equal(dnsaddr_is_allowed(&self, &options[i].options), options[i].self);
        assert_true(dnsaddr_is_allowed(&other, &options[i].options));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_kind_of_network_is_told),
        cmocka_unit_test(test_private_addresses_and_those_that_lead_back_are_let_in_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
