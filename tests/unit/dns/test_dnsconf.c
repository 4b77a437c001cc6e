#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "dnsconf.h"

static const char *shown(const struct sockaddr_storage *address, char out[80])
{
    char host[INET6_ADDRSTRLEN];
    const struct sockaddr_in *four = (const struct sockaddr_in *)address;
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)address;
    if (address->ss_family == AF_INET)
        (void)snprintf(out, 80, "%s %u", inet_ntop(AF_INET, &four->sin_addr, host, sizeof host),
                       ntohs(four->sin_port));
    else
        (void)snprintf(out, 80, "%s %u", inet_ntop(AF_INET6, &six->sin6_addr, host, sizeof host),
                       ntohs(six->sin6_port));
    return out;
}

static void test_servers_are_addresses_with_or_without_port(void **state)
{
    static const struct {
        const char *text, *shown; /* NULL: refused */
    } cases[] = {
        {"127.0.0.1", "127.0.0.1 53"},
        {"192.0.2.53:5353", "192.0.2.53 5353"},
        {"2001:db8::53", "2001:db8::53 53"},
        {"[2001:db8::53]", "2001:db8::53 53"},
        {"[::1]:1053", "::1 1053"},
        {"fe80::1%lo", "fe80::1 53"},
        {"", NULL},
        {"localhost", NULL},
        {"127.0.0.1:", NULL},
        {"127.0.0.1:0", NULL},
        {"127.0.0.1:65536", NULL},
        {"127.0.0.1:5x", NULL},
        {"127.0.0", NULL},
        {"[::1", NULL},
        {"[::1]53", NULL},
        {"[]", NULL},
        {"fe80::1%no-such-interface", NULL},
        {"::1:", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dns_settings settings = {0};
        struct fail f = {""};
        char out[80];
        int done = dnsconf_server(&settings, cases[i].text, &f);
        assert_int_equal(done, cases[i].shown == NULL ? -1 : 0);
        assert_int_equal(settings.server_count, cases[i].shown == NULL ? 0 : 1);
        if (cases[i].shown != NULL)
            assert_string_equal(shown(&settings.servers[0], out), cases[i].shown);
        else
            assert_string_not_equal(f.text, "");
    }
}

static void test_the_number_of_servers_is_bounded(void **state)
{
    struct dns_settings settings = {0};
    struct fail f;
    for (int i = 0; i < DNS_SERVERS_MAX; i++)
        assert_int_equal(dnsconf_server(&settings, "127.0.0.1", &f), 0);
    assert_int_equal(dnsconf_server(&settings, "127.0.0.1", &f), -1);
    assert_int_equal(
        dnsconf_resolv(&settings, span_text("nameserver 127.0.0.9\noptions trust-ad"), &f), -1);
}

static void test_a_resolv_conf_is_taken_over(void **state)
{
    struct dns_settings settings = {0};
    struct fail f;
    char out[80];
    assert_int_equal(dnsconf_resolv(&settings,
                                    span_text("# nameserver 192.0.2.1\n"
                                              ";nameserver 192.0.2.2\n"
                                              "domain example.org\n\n"
                                              "nameserver 192.0.2.3\r\n"
                                              "  nameserver\t2001:db8::4 # the second\n"
                                              "options edns0 timeout:3 attempts:4 ndots:2\n"
                                              "options trust-ad rotate"),
                                    &f),
                     0);
    assert_int_equal(settings.server_count, 2);
    assert_string_equal(shown(&settings.servers[0], out), "192.0.2.3 53");
    assert_string_equal(shown(&settings.servers[1], out), "2001:db8::4 53");
    assert_int_equal(settings.timeout_ms, 3000);
    assert_int_equal(settings.tries, 4);
    assert_true(settings.trust_ad);
}

static void test_options_out_of_range_are_brought_into_it(void **state)
{
    struct dns_settings settings = {0};
    assert_int_equal(dnsconf_resolv(&settings, span_text("options timeout:99 attempts:99\n"), NULL),
                     0);
    assert_int_equal(settings.timeout_ms, 30000);
    assert_int_equal(settings.tries, 5);
    settings = (struct dns_settings){0};
    assert_int_equal(
        dnsconf_resolv(&settings,
                       span_text("options timeout:0 attempts:x timeout: timeouts:4 trust-adx"),
                       NULL),
        0);
    assert_int_equal(settings.timeout_ms, 0);
    assert_int_equal(settings.tries, 0);
    assert_false(settings.trust_ad);
}

static void test_no_nameserver_is_the_local_one(void **state)
{
    struct dns_settings settings = {0};
    char out[80];
    assert_int_equal(dnsconf_resolv(&settings, span_text(""), NULL), 0);
    assert_int_equal(settings.server_count, 1);
    assert_string_equal(shown(&settings.servers[0], out), "127.0.0.1 53");
}

static void test_a_bad_line_is_named(void **state)
{
    struct dns_settings settings = {0};
    struct fail f;
    assert_int_equal(dnsconf_resolv(&settings, span_text("\nnameserver ns.example.org\n"), &f), -1);
    assert_string_equal(
        f.text, "resolv.conf line 2: \"ns.example.org\" is not the address of a DNS server");
    assert_int_equal(dnsconf_resolv(&settings, span_text("nameserver"), &f), -1);
    assert_string_equal(f.text, "resolv.conf line 1: a nameserver line without an address");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_servers_are_addresses_with_or_without_port),
        cmocka_unit_test(test_the_number_of_servers_is_bounded),
        cmocka_unit_test(test_a_resolv_conf_is_taken_over),
        cmocka_unit_test(test_options_out_of_range_are_brought_into_it),
        cmocka_unit_test(test_no_nameserver_is_the_local_one),
        cmocka_unit_test(test_a_bad_line_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
