#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "welcome.h"

#define NOW INT64_C(1000000)

/* The addresses of a host, each a family and its last octet: "6a 4a 6b", in the order in which they
 * are tried. */
static const char *order_of(const struct memo *w, const char *host, const char *addresses,
                            int64_t now_ms)
{
    static char text[64];
    struct dnsaddr list[8];
    size_t n = 0;
    for (const char *p = addresses; *p != '\0'; p += p[2] == ' ' ? 3 : 2) {
        list[n] = (struct dnsaddr){.family = p[0] == '6' ? AF_INET6 : AF_INET};
        list[n++].octets[p[0] == '6' ? 15 : 3] = (unsigned char)p[1];
    }
    welcome_order(w, host, list, n, now_ms);
    text[0] = '\0';
    for (size_t i = 0; i < n; i++) {
        bool six = list[i].family == AF_INET6;
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), "%s%c%c", i > 0 ? " " : "",
                       six ? '6' : '4', list[i].octets[six ? 15 : 3]);
    }
    return text;
}

static void defer(struct memo *w, const char *address, bool again)
{
    struct dnsaddr a = {.family = address[0] == '6' ? AF_INET6 : AF_INET};
    a.octets[address[0] == '6' ? 15 : 3] = (unsigned char)address[1];
    welcome_deferred(w, "a", &a, again, NOW);
}

static void test_a_verdict_is_for_a_host_and_some_hours(void **state)
{
    struct memo *w = welcome_new(10);
    assert_int_equal(welcome_last(w, "a", NOW), 0);
    welcome_refused(w, "a", AF_INET6, NOW);
    assert_int_equal(welcome_last(w, "a", NOW), AF_INET6);
    assert_int_equal(welcome_last(w, "b", NOW), 0);
    assert_int_equal(welcome_last(w, "a", NOW + WELCOME_MS - 1), AF_INET6);
    assert_int_equal(welcome_last(w, "a", NOW + WELCOME_MS), 0);
    welcome_refused(w, "a", AF_INET, NOW + WELCOME_MS);
    assert_int_equal(welcome_last(w, "a", NOW + WELCOME_MS), AF_INET);
    memo_free(&w);
    assert_null(w);
    memo_free(&w);
}

static void test_mail_that_was_taken_takes_it_back(void **state)
{
    struct memo *w = welcome_new(10);
    welcome_refused(w, "a", AF_INET6, NOW);
    welcome_taken(w, "a", AF_INET);
    welcome_taken(w, "b", AF_INET6);
    assert_int_equal(welcome_last(w, "a", NOW), AF_INET6);
    welcome_taken(w, "a", AF_INET6);
    assert_int_equal(welcome_last(w, "a", NOW), 0);
    welcome_refused(w, "a", AF_INET6, NOW);
    memo_clear(w);
    assert_int_equal(welcome_last(w, "a", NOW), 0);
    memo_free(&w);
}

static void test_the_oldest_make_room(void **state)
{
    struct memo *w = welcome_new(2);
    welcome_refused(w, "a", AF_INET6, NOW);
    welcome_refused(w, "b", AF_INET6, NOW);
    welcome_refused(w, "a", AF_INET6, NOW); /* is younger now */
    welcome_refused(w, "c", AF_INET6, NOW);
    assert_int_equal(welcome_last(w, "a", NOW), AF_INET6);
    assert_int_equal(welcome_last(w, "b", NOW), 0);
    assert_int_equal(welcome_last(w, "c", NOW), AF_INET6);
    memo_free(&w);
}

static void test_a_family_that_puts_off_has_two_attempts_before_the_other(void **state)
{
    /* What put mail off, one after the other; "!" a first attempt, "+" took mail. */
    static const struct {
        const char *said, *order; /* of "6a 4a 6b 4b" */
    } rows[] = {
        {"", "6a 4a 6b 4b"},
        {"6a", "6a 4a 6b 4b"},
        {"6b", "6b 4a 6a 4b"}, /* the same one once more: it may be greylisting */
        {"6a 6a", "4a 4b 6a 6b"},
        {"6a 6b", "4a 4b 6a 6b"},
        {"6a 6a 4b", "4b 4a 6a 6b"},
        {"6a 6a 4a 4a", "6a 4a 6b 4b"},
        {"6a 6a 4a 4a 6b", "6b 4a 6a 4b"},
        {"6a 6a 4a 4a 6b 6b", "4a 4b 6a 6b"},
        {"4a 4a", "6a 6b 4a 4b"},
        /* Those for want of the other are not made up for. */
        {"6a 6a 6a 6a 6a 6a 4a 4a", "6a 4a 6b 4b"},
        /* Many that are new are as one. */
        {"6a! 6a! 6a!", "6a 4a 6b 4b"},
        {"6a! 6a! 6a! 6a", "4a 4b 6a 6b"},
        {"6a! 6a 4a! 4a! 4a", "6a 4a 6b 4b"},
        {"6a 6a 6a+", "6a 4a 6b 4b"},
        {"6a 6a 4a+", "4a 4b 6a 6b"},
        {"6a 6a 4a 4a+", "4a 4b 6a 6b"},
        {"6b 4a+", "6b 4a 6a 4b"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct memo *w = welcome_new(10);
        for (const char *p = rows[i].said; *p != '\0'; p += strspn(p, " ")) {
            if (p[2] == '+')
                welcome_taken(w, "a", p[0] == '6' ? AF_INET6 : AF_INET);
            else
                defer(w, p, p[2] != '!');
            p += strcspn(p, " ");
        }
        assert_string_equal(order_of(w, "a", "6a 4a 6b 4b", NOW), rows[i].order);
        assert_string_equal(order_of(w, "b", "6a 4a 6b 4b", NOW), "6a 4a 6b 4b");
        assert_string_equal(order_of(w, "a", "6a 4a 6b 4b", NOW + WELCOME_MS), "6a 4a 6b 4b");
        memo_free(&w);
    }
}

static void test_where_one_family_is_tried_it_stays(void **state)
{
    struct memo *w = welcome_new(10);
    defer(w, "6a", true);
    defer(w, "6a", true);
    assert_string_equal(order_of(w, "a", "6a 6b", NOW), "6a 6b");
    assert_string_equal(order_of(w, "a", "6c", NOW), "6c");
    defer(w, "4z", true); /* which the host no longer has */
    assert_string_equal(order_of(w, "a", "6a 4a 4b", NOW), "4a 4b 6a");
    memo_free(&w);
}

static void test_a_refusal_counts_for_more_than_being_put_off(void **state)
{
    struct memo *w = welcome_new(10);
    welcome_refused(w, "a", AF_INET6, NOW);
    defer(w, "4a", true);
    defer(w, "4a", true);
    assert_int_equal(welcome_last(w, "a", NOW), AF_INET6);
    welcome_taken(w, "a", AF_INET6);
    assert_int_equal(welcome_last(w, "a", NOW), AF_INET);
    memo_free(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_verdict_is_for_a_host_and_some_hours),
        cmocka_unit_test(test_mail_that_was_taken_takes_it_back),
        cmocka_unit_test(test_the_oldest_make_room),
        cmocka_unit_test(test_a_family_that_puts_off_has_two_attempts_before_the_other),
        cmocka_unit_test(test_where_one_family_is_tried_it_stays),
        cmocka_unit_test(test_a_refusal_counts_for_more_than_being_put_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
