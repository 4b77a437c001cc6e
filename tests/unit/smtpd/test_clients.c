#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "clients.h"

static struct client *enter(struct clients *c, const char *address, unsigned max)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
        return clients_enter(c, (struct sockaddr *)&v4, max);
    assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
    return clients_enter(c, (struct sockaddr *)&v6, max);
}

static void an_address_has_so_many_connections_and_no_more(void **state)
{
    struct clients *c = clients_new();
    struct client *first = enter(c, "192.0.2.1", 2), *second = enter(c, "192.0.2.1", 2);
    assert_non_null(first);
    assert_ptr_equal(first, second);
    assert_null(enter(c, "192.0.2.1", 2));
    clients_leave(c, &second);
    assert_null(second);
    second = enter(c, "192.0.2.1", 2);
    assert_non_null(second);
    clients_leave(c, &first);
    clients_leave(c, &second);
    assert_int_equal(clients_count(c), 0);
    clients_free(&c);
}

static void who_shares_a_count(void **state)
{
    static const struct {
        const char *a, *b;
        bool same;
    } cases[] = {
        {"192.0.2.1", "192.0.2.1", true},
        {"192.0.2.1", "192.0.2.2", false},
        {"2001:db8:0:1::1", "2001:db8:0:1:ffff::2", true},
        {"2001:db8:0:1::1", "2001:db8:0:2::1", false},
        {"192.0.2.1", "c000:201::", false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct clients *c = clients_new();
        struct client *a = enter(c, cases[i].a, 10), *b = enter(c, cases[i].b, 10);
        assert_int_equal(a == b, cases[i].same);
        clients_leave(c, &a);
        clients_leave(c, &b);
        clients_free(&c);
    }
}

static void users_of_this_machine_are_counted_by_number(void **state)
{
    struct clients *c = clients_new();
    struct client *root = clients_enter_user(c, 0, 1), *other = clients_enter_user(c, 1000, 1);
    struct client *address = enter(c, "0.0.0.0", 1);
    assert_non_null(root);
    assert_non_null(other);
    assert_non_null(address);
    assert_null(clients_enter_user(c, 1000, 1));
    assert_int_equal(clients_count(c), 3);
    clients_leave(c, &root);
    clients_leave(c, &other);
    clients_leave(c, &address);
    clients_leave(c, &address);
    clients_free(&c);
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_address_has_so_many_connections_and_no_more),
        cmocka_unit_test(who_shares_a_count),
        cmocka_unit_test(users_of_this_machine_are_counted_by_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
