#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/un.h>
#include <cmocka.h>

#include "httplimit.h"

static const struct sockaddr *ip(const char *text)
{
    static struct sockaddr_storage ss;
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)&ss;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)&ss;
    ss = (struct sockaddr_storage){0};
    if (inet_pton(AF_INET, text, &v4->sin_addr) == 1)
        v4->sin_family = AF_INET;
    else if (inet_pton(AF_INET6, text, &v6->sin6_addr) == 1)
        v6->sin6_family = AF_INET6;
    else
        fail_msg("%s", text);
    return (const struct sockaddr *)(const void *)&ss;
}

/* How often one may be added for this address before it is refused, at most 100 000. */
static unsigned room(struct httplimit *l, const char *address, int64_t now)
{
    unsigned n = 0;
    while (n < 100000 && httplimit_add(l, ip(address), now, 1))
        n++;
    assert_int_equal(httplimit_allows(l, ip(address), now, 1), n == 100000);
    return n;
}

#define MINUTE 60000
#define DAY (24 * 60 * MINUTE)

static void test_each_network_has_its_own_limit(void **state)
{
    static const struct {
        const char *address;
        unsigned room;
    } cases[] = {
        {"192.0.2.1", 10}, /* /32 */
        {"192.0.2.1", 0},
        {"192.0.2.2", 10},  /* the same /26 */
        {"192.0.2.63", 10}, /* 30 in it by now */
        {"192.0.2.3", 0},
        {"192.0.2.64", 10}, /* the next /26, the same /21 */
        {"192.0.2.65", 10},
        {"192.0.2.66", 10},
        {"192.0.7.255", 10},
        {"192.0.6.254", 10},
        {"192.0.5.1", 10}, /* 90 in the /21 by now */
        {"192.0.4.1", 0},
        {"192.0.8.1", 10}, /* the next /21 */
        {"::ffff:192.0.8.1", 0} /* is the same address */,
        {"2001:db8::1", 10},
        {"2001:db8::2", 0}, /* the same /64 */
        {"2001:db8:0:1::1", 10},
        {"2001:db8:0:ffff::1", 10},
        {"2001:db8:0:2::1", 0}, /* the same /48 */
        {"2001:db8:1::1", 10},
        {"2001:db9::1", 10}, /* another /32 */
    };
    struct httplimit *l = httplimit_new(httplimit_failed_auth, 1000);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(room(l, cases[i].address, 1000), cases[i].room);
    httplimit_free(&l);
    assert_null(l);
    httplimit_free(&l);
}

static void test_windows_begin_when_the_clock_says_so(void **state)
{
    struct httplimit *l = httplimit_new(httplimit_failed_auth, 100);
    int64_t now = 1700000000000 / DAY * DAY + 59999;
    assert_int_equal(room(l, "192.0.2.1", now), 10);
    assert_int_equal(room(l, "192.0.2.1", now + 1), 10); /* a new minute, not sliding */
    assert_int_equal(room(l, "192.0.2.1", now + MINUTE), 0);
    assert_int_equal(room(l, "192.0.2.1", now + MINUTE + 1), 10);
    assert_int_equal(room(l, "192.0.2.1", now + 10 * MINUTE), 10);
    assert_int_equal(room(l, "192.0.2.1", now + 20 * MINUTE), 10); /* 50 on this day */
    assert_int_equal(room(l, "192.0.2.1", now + 30 * MINUTE), 0);
    assert_int_equal(room(l, "192.0.2.2", now + 30 * MINUTE), 10);
    assert_int_equal(room(l, "192.0.2.1", now + DAY - MINUTE), 0);
    assert_int_equal(room(l, "192.0.2.1", now + DAY - MINUTE + 1), 10); /* the next day */
    httplimit_free(&l);
}

static void test_a_clock_that_goes_back_locks_nobody_out(void **state)
{
    struct httplimit *l = httplimit_new(httplimit_failed_auth, 100);
    assert_int_equal(room(l, "192.0.2.1", 10 * (int64_t)DAY), 10);
    assert_int_equal(room(l, "192.0.2.1", 5 * (int64_t)DAY), 10);
    httplimit_free(&l);
}

static void test_a_success_takes_its_own_failures_off_all_networks(void **state)
{
    struct httplimit *l = httplimit_new(httplimit_failed_auth, 100);
    assert_int_equal(room(l, "192.0.2.1", 0), 10);
    assert_int_equal(room(l, "192.0.2.2", 0), 10);
    assert_true(httplimit_add(l, ip("192.0.2.3"), 0, 4));
    httplimit_reset(l, ip("192.0.2.1"), 0);
    assert_int_equal(room(l, "192.0.2.2", 0), 0);
    assert_int_equal(room(l, "192.0.2.1", 0), 10);
    assert_int_equal(room(l, "192.0.2.4", 0), 6); /* 10 + 10 + 4 of 30 */
    httplimit_reset(l, ip("198.51.100.1"), 0);    /* never seen */
    assert_int_equal(room(l, "192.0.2.2", 0), 0);
    httplimit_free(&l);
}

static void test_asking_counts_nothing(void **state)
{
    struct httplimit *l = httplimit_new(httplimit_failed_auth, 100);
    for (int i = 0; i < 1000; i++)
        assert_true(httplimit_allows(l, ip("192.0.2.1"), 0, 10));
    assert_false(httplimit_allows(l, ip("192.0.2.1"), 0, 11));
    assert_false(httplimit_add(l, ip("192.0.2.1"), 0, 11));
    assert_int_equal(room(l, "192.0.2.1", 0), 10);
    httplimit_free(&l);
}

/* Eight places, so that all share one set. */
static void test_ipv4_and_ipv6_networks_of_one_number_are_two(void **state)
{
    struct httplimit *l = httplimit_new(httplimit_failed_auth, 8);
    assert_int_equal(room(l, "192.0.2.1", 0), 10);
    assert_int_equal(room(l, "0:0:c000:201::1", 0), 10);
    httplimit_free(&l);
}

static void test_requests_have_their_own_limits(void **state)
{
    struct httplimit *l = httplimit_new(httplimit_requests, 100);
    assert_int_equal(room(l, "192.0.2.1", 0), 1000);
    assert_int_equal(room(l, "192.0.2.1", MINUTE), 1000);
    for (int i = 2; i < 5; i++)
        assert_int_equal(room(l, "192.0.2.1", i * MINUTE), 1000);
    assert_int_equal(room(l, "192.0.2.1", 5 * MINUTE), 0);
    assert_int_equal(room(l, "192.0.2.1", 60 * MINUTE), 1000);
    httplimit_free(&l);
}

static void test_a_local_socket_is_never_limited(void **state)
{
    struct httplimit *l = httplimit_new(httplimit_failed_auth, 8);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    for (int i = 0; i < 1000; i++)
        assert_true(httplimit_add(l, (const struct sockaddr *)(const void *)&un, 0, 5));
    httplimit_free(&l);
}

static const char *address_number(unsigned i)
{
    static char text[40];
    (void)snprintf(text, sizeof text, "2001:%x:%x::1", i >> 16 & 0xffff, i & 0xffff);
    return text;
}

/* A table of 64 networks and 50 000 that fail three times each. */
static void test_a_flood_of_networks_ends_in_refusals(void **state)
{
    struct httplimit *l = httplimit_new(httplimit_failed_auth, 64);
    unsigned failures = 0;
    assert_int_equal(room(l, "192.0.2.1", 0), 10); /* heavy, before the flood */
    for (unsigned i = 0; i < 50000; i++) {
        for (int k = 0; k < 3; k++)
            failures += httplimit_add(l, ip(address_number(i << 16)), 0, 1);
    }
    assert_int_equal(room(l, "192.0.2.1", 0), 0); /* and not forgotten during it */
    /* All that got through: what the table's places hold and what newcomers share. */
    assert_true(failures <= 64 * 10 + 90 + 10);
    assert_int_equal(room(l, "203.0.113.1", MINUTE), 10); /* the next minute has room again */
    httplimit_free(&l);
}

/* Networks seen once make room for others: no flood of single failures shuts out newcomers. */
static void test_networks_seen_once_are_forgotten_first(void **state)
{
    struct httplimit *l = httplimit_new(httplimit_failed_auth, 64);
    for (unsigned i = 0; i < 5000; i++)
        assert_true(httplimit_add(l, ip(address_number(i << 16)), 0, 1));
    assert_int_equal(room(l, "203.0.113.1", 0), 10);
    httplimit_free(&l);
}

static void test_addresses_have_networks_in_common(void **state)
{
    static const struct {
        const char *a, *b;
        unsigned n;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", 3},
        {"192.0.2.1", "::ffff:192.0.2.1", 3},
        {"192.0.2.1", "192.0.2.63", 2},
        {"192.0.2.1", "192.0.2.64", 1},
        {"192.0.0.0", "192.0.7.255", 1},
        {"192.0.7.255", "192.0.8.0", 0},
        {"2001:db8:1:1::1", "2001:db8:1:1:ffff::", 3},
        {"2001:db8:1:1::1", "2001:db8:1:2::1", 2},
        {"2001:db8:1:1::1", "2001:db8:2:1::1", 1},
        {"2001:db8:1:1::1", "2001:db9:1:1::1", 0},
        {"::1", "0.0.0.1", 0},
    };
    const struct sockaddr local = {.sa_family = AF_UNIX};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct sockaddr_storage a = *(const struct sockaddr_storage *)(const void *)ip(cases[i].a);
        const struct sockaddr *b = ip(cases[i].b);
        if (httplimit_common((struct sockaddr *)&a, b) != cases[i].n)
            fail_msg("%s and %s", cases[i].a, cases[i].b);
        assert_int_equal(httplimit_common(b, (struct sockaddr *)&a), cases[i].n);
        assert_int_equal(httplimit_common(b, &local), 0);
    }
    assert_int_equal(httplimit_common(&local, &local), 0);
}

static void test_each_network_can_be_asked_for_another_number(void **state)
{
    struct httplimit *l = httplimit_new(httplimit_failed_auth, 100);
    const uint32_t most[] = {10, 30, 90};
    assert_true(httplimit_allows_each(l, ip("192.0.2.1"), 0, most));
    for (size_t i = 0; i < HTTPLIMIT_NETWORKS; i++) {
        uint32_t more[] = {10, 30, 90};
        more[i]++;
        assert_false(httplimit_allows_each(l, ip("192.0.2.1"), 0, more));
    }
    httplimit_free(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_network_has_its_own_limit),
        cmocka_unit_test(test_addresses_have_networks_in_common),
        cmocka_unit_test(test_each_network_can_be_asked_for_another_number),
        cmocka_unit_test(test_windows_begin_when_the_clock_says_so),
        cmocka_unit_test(test_a_clock_that_goes_back_locks_nobody_out),
        cmocka_unit_test(test_a_success_takes_its_own_failures_off_all_networks),
        cmocka_unit_test(test_asking_counts_nothing),
        cmocka_unit_test(test_ipv4_and_ipv6_networks_of_one_number_are_two),
        cmocka_unit_test(test_requests_have_their_own_limits),
        cmocka_unit_test(test_a_local_socket_is_never_limited),
        cmocka_unit_test(test_a_flood_of_networks_ends_in_refusals),
        cmocka_unit_test(test_networks_seen_once_are_forgotten_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
