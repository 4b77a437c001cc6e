#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "dnscache.h"

static struct dnsname named(const char *text)
{
    struct dnsname name;
    assert_int_equal(dnsname_parse(text, &name), 0);
    return name;
}

/* Puts a fresh result whose ede is a mark to know it by. */
static void put(struct dnscache *c, const char *text, enum dns_type type, int mark,
                int64_t expires_ms)
{
    struct dnsname name = named(text);
    struct dns_result *r = dnsresult_new(type);
    const struct dns_result *own = r;
    r->ede = mark;
    r->expires_ms = expires_ms;
    dnscache_put(c, &name, type, r, 1000);
    dnsresult_release(&own);
}

/* The mark of what is found, or -1. */
static int found(struct dnscache *c, const char *text, enum dns_type type, int64_t now_ms)
{
    struct dnsname name = named(text);
    const struct dns_result *r = dnscache_find(c, &name, type, now_ms);
    return r == NULL ? -1 : r->ede;
}

static void test_what_was_put_is_found_until_it_expires(void **state)
{
    struct dnscache *c = dnscache_open(10);
    put(c, "a.example", DNS_A, 1, 5000);
    put(c, "a.example", DNS_AAAA, 2, 5000);
    put(c, "b.example", DNS_A, 3, 9000);
    assert_int_equal(found(c, "A.Example", DNS_A, 1000), 1);
    assert_int_equal(found(c, "a.example", DNS_AAAA, 4999), 2);
    assert_int_equal(found(c, "b.example", DNS_A, 1000), 3);
    assert_int_equal(found(c, "b.example", DNS_AAAA, 1000), -1);
    assert_int_equal(found(c, "c.example", DNS_A, 1000), -1);
    assert_int_equal(dnscache_count(c), 3);
    assert_int_equal(found(c, "a.example", DNS_A, 5000), -1);
    assert_int_equal(dnscache_count(c), 2); /* and it is gone */
    dnscache_close(&c);
    assert_null(c);
    dnscache_close(&c);
}

static void test_the_least_recently_used_goes_first(void **state)
{
    struct dnscache *c = dnscache_open(3);
    put(c, "a", DNS_A, 1, 9000);
    put(c, "b", DNS_A, 2, 9000);
    put(c, "c", DNS_A, 3, 9000);
    assert_int_equal(found(c, "a", DNS_A, 1000), 1);
    put(c, "d", DNS_A, 4, 9000);
    assert_int_equal(dnscache_count(c), 3);
    assert_int_equal(found(c, "b", DNS_A, 1000), -1);
    assert_int_equal(found(c, "a", DNS_A, 1000), 1);
    assert_int_equal(found(c, "c", DNS_A, 1000), 3);
    assert_int_equal(found(c, "d", DNS_A, 1000), 4);
    dnscache_close(&c);
}

static void test_a_newer_result_takes_the_place_of_the_older(void **state)
{
    struct dnscache *c = dnscache_open(2);
    put(c, "a", DNS_A, 1, 9000);
    put(c, "b", DNS_A, 2, 9000);
    put(c, "a", DNS_A, 3, 9000);
    assert_int_equal(dnscache_count(c), 2);
    assert_int_equal(found(c, "a", DNS_A, 1000), 3);
    assert_int_equal(found(c, "b", DNS_A, 1000), 2);
    dnscache_close(&c);
}

static void test_what_cannot_be_kept_is_not(void **state)
{
    struct dnscache *c = dnscache_open(2), *none = dnscache_open(0);
    struct dnsname name = named("large");
    put(none, "a", DNS_A, 1, 9000);
    assert_int_equal(dnscache_count(none), 0);
    put(c, "a", DNS_A, 1, 1000); /* no lifetime */
    assert_int_equal(dnscache_count(c), 0);
    for (int extra = 1; extra >= 0; extra--) {
        struct dns_result *r = dnsresult_new(DNS_TXT);
        const struct dns_result *own = r;
        r->octets = DNSCACHE_OCTETS_MAX + (size_t)extra;
        r->expires_ms = 9000;
        dnscache_put(c, &name, DNS_TXT, r, 1000);
        dnsresult_release(&own);
        assert_int_equal(dnscache_count(c), extra == 1 ? 0 : 1);
    }
    dnscache_close(&c);
    dnscache_close(&none);
}

static void test_a_held_result_outlives_its_place(void **state)
{
    struct dnscache *c = dnscache_open(1);
    struct dnsname name = named("a");
    put(c, "a", DNS_A, 7, 9000);
    const struct dns_result *mine = dnsresult_hold(dnscache_find(c, &name, DNS_A, 1000));
    put(c, "b", DNS_A, 8, 9000);
    dnscache_close(&c);
    assert_int_equal(mine->ede, 7);
    dnsresult_release(&mine);
    assert_null(mine);
    dnsresult_release(&mine);
}

static void test_thousands_of_names_are_kept_apart(void **state)
{
    struct dnscache *c = dnscache_open(5000);
    for (int i = 0; i < 10000; i++) {
        char text[32];
        (void)snprintf(text, sizeof text, "n%d.example", i);
        put(c, text, DNS_MX, i, 9000);
    }
    assert_int_equal(dnscache_count(c), 5000);
    assert_int_equal(found(c, "n4999.example", DNS_MX, 1000), -1);
    assert_int_equal(found(c, "n5000.example", DNS_MX, 1000), 5000);
    assert_int_equal(found(c, "n9999.example", DNS_MX, 1000), 9999);
    dnscache_close(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_put_is_found_until_it_expires),
        cmocka_unit_test(test_the_least_recently_used_goes_first),
        cmocka_unit_test(test_a_newer_result_takes_the_place_of_the_older),
        cmocka_unit_test(test_what_cannot_be_kept_is_not),
        cmocka_unit_test(test_a_held_result_outlives_its_place),
        cmocka_unit_test(test_thousands_of_names_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
