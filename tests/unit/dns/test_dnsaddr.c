#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dnsaddr.h"
#include "responder.h"

static void test_targets_are_told_from_addresses_that_lead_back(void **state)
{
    static const struct {
        const char *text;
        bool good;
    } cases[] = {
        {"192.0.2.1", true},
        {"10.0.0.1", true},
        {"1.0.0.0", true},
        {"223.255.255.255", true},
        {"0.0.0.0", false},
        {"0.255.255.255", false},
        {"127.0.0.1", false},
        {"127.255.255.255", false},
        {"224.0.0.1", false},
        {"239.255.255.255", false},
        {"240.0.0.1", false},
        {"255.255.255.255", false},
        {"2001:db8::1", true},
        {"fd00::1", true},
        {"fe80::1", true},
        {"::", false},
        {"::1", false},
        {"ff02::1", false},
        {"::ffff:127.0.0.1", false},
        {"::ffff:0.0.0.0", false},
        {"::ffff:224.0.0.1", false},
        {"::ffff:192.0.2.1", true},
        {"::127.0.0.1", false},
        {"64:ff9b::127.0.0.1", false},
        {"64:ff9b::192.0.2.1", true},
        {"64:ff9b:1::127.0.0.1", true}, /* some other network's */
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct dnsaddr a = {.family = AF_INET};
        if (inet_pton(AF_INET, cases[i].text, a.octets) != 1) {
            a.family = AF_INET6;
            assert_int_equal(inet_pton(AF_INET6, cases[i].text, a.octets), 1);
        }
        assert_int_equal(dnsaddr_is_target(&a), cases[i].good);
    }
}

static void test_socket_addresses(void **state)
{
    struct dnsaddr four = {AF_INET, {192, 0, 2, 1}};
    struct dnsaddr six = {AF_INET6, {0x20, 1, 0xd, 0xb8, [15] = 7}};
    struct sockaddr_storage out;
    struct sockaddr_in *in = (struct sockaddr_in *)&out;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&out;
    assert_int_equal(dnsaddr_sockaddr(&four, 25, &out), sizeof *in);
    assert_int_equal(in->sin_family, AF_INET);
    assert_int_equal(ntohs(in->sin_port), 25);
    assert_int_equal(ntohl(in->sin_addr.s_addr), 0xc0000201);
    assert_int_equal(dnsaddr_sockaddr(&six, 587, &out), sizeof *in6);
    assert_int_equal(in6->sin6_family, AF_INET6);
    assert_int_equal(ntohs(in6->sin6_port), 587);
    assert_memory_equal(&in6->sin6_addr, six.octets, 16);
    assert_int_equal(in6->sin6_scope_id, 0);
}

struct got {
    unsigned called;
    struct dnsaddr_result *result;
};

static void on_addresses(struct dnsaddr_result *result, void *arg)
{
    struct got *got = arg;
    got->called++;
    got->result = result;
}

static void test_a_host_is_found_after_the_call_has_returned(void **state)
{
    struct responder *r = *state;
    struct dnsaddr_options options = {.family = DNSADDR_ONLY_4};
    struct got got = {0};
    static const char *const hosts[] = {"a.example", "a.example",
                                        "192.0.2.1"}; /* asked, cached, refused */
    for (unsigned i = 0; i < 3; i++) {
        assert_non_null(dnsaddr_find(r->dns, hosts[i], &options, on_addresses, &got));
        assert_int_equal(got.called, i);
        responder_run(r, &got.called, i + 1);
        assert_int_equal(got.result->status, i < 2 ? DNSADDR_OK : DNSADDR_NONE);
        dnsaddr_result_free(&got.result);
        assert_null(got.result);
    }
    dnsaddr_result_free(&got.result);
    assert_int_equal(r->queries, 1);
}

static void test_a_cancelled_search_is_never_called_back(void **state)
{
    struct responder *r = *state;
    struct dnsaddr_options options = {0};
    struct got got = {0}, later = {0};
    struct dnsaddr_lookup *l = dnsaddr_find(r->dns, "a.example", &options, on_addresses, &got);
    dnsaddr_cancel(&l);
    assert_null(l);
    dnsaddr_cancel(&l);
    l = dnsaddr_find(r->dns, "b..c", &options, on_addresses, &got);
    dnsaddr_cancel(&l);
    options.family = DNSADDR_ONLY_4;
    (void)dnsaddr_find(r->dns, "b.example", &options, on_addresses, &later);
    responder_run(r, &later.called, 1);
    dnsaddr_result_free(&later.result);
    assert_int_equal(got.called, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_targets_are_told_from_addresses_that_lead_back),
        cmocka_unit_test(test_socket_addresses),
        cmocka_unit_test_setup_teardown(test_a_host_is_found_after_the_call_has_returned,
                                        responder_open, responder_close),
        cmocka_unit_test_setup_teardown(test_a_cancelled_search_is_never_called_back,
                                        responder_open, responder_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
