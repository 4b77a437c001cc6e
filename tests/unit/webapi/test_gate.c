#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "clock.h"
#include "gate.h"

#define PLACES 12

struct place {
    struct gate_entry entry;
    struct fixture *fx;
    unsigned called;
    enum gate_pass pass;
    bool leave_at_once;
};

struct fixture {
    struct gate *gate;
    struct place places[PLACES];
};

static void on_pass(void *arg, enum gate_pass pass)
{
    struct place *p = arg;
    p->called++;
    p->pass = pass;
    if (p->leave_at_once && pass == GATE_GO)
        gate_leave(p->fx->gate, &p->entry, GATE_UNKNOWN);
}

static void enter(struct fixture *fx, size_t i, const char *address)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
    bool is_v4 = inet_pton(AF_INET, address, &v4.sin_addr) == 1;
    if (!is_v4)
        assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
    fx->places[i].called = 0;
    gate_enter(fx->gate, &fx->places[i].entry,
               is_v4 ? (struct sockaddr *)&v4 : (struct sockaddr *)&v6, on_pass, &fx->places[i]);
}

static bool goes(const struct fixture *fx, size_t i)
{
    return fx->places[i].called == 1 && fx->places[i].pass == GATE_GO;
}

static bool is_refused(const struct fixture *fx, size_t i)
{
    return fx->places[i].called == 1 && fx->places[i].pass == GATE_REFUSED;
}

static void leave(struct fixture *fx, size_t i, enum gate_outcome outcome)
{
    gate_leave(fx->gate, &fx->places[i].entry, outcome);
}

/* One attempt that fails; whether it was let in. */
static bool fail_once(struct fixture *fx, const char *address)
{
    enter(fx, PLACES - 1, address);
    if (!goes(fx, PLACES - 1))
        return false;
    leave(fx, PLACES - 1, GATE_WRONG);
    return true;
}

/* Three failures a minute, ten a day. The minute has just begun, whatever the clock says. */
static int set_up(void **state)
{
    static struct fixture fx;
    memset(&fx, 0, sizeof fx);
    fx.gate = gate_new(3, 10);
    for (size_t i = 0; i < PLACES; i++)
        fx.places[i].fx = &fx;
    int64_t day = 24 * 3600 * 1000;
    clock_step(day - clock_wall_ms() % day);
    *state = &fx;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fx = *state;
    for (size_t i = 0; i < PLACES; i++)
        gate_leave(fx->gate, &fx->places[i].entry, GATE_UNKNOWN);
    gate_free(&fx->gate);
    assert_null(fx->gate);
    gate_free(&fx->gate);
    return 0;
}

static void test_who_failed_too_often_waits_for_the_next_minute(void **state)
{
    struct fixture *fx = *state;
    for (int i = 0; i < 3; i++)
        assert_true(fail_once(fx, "192.0.2.1"));
    enter(fx, 0, "192.0.2.1");
    assert_true(is_refused(fx, 0));
    assert_true(fail_once(fx, "192.0.2.2")); /* another address of the same /26 */
    clock_step(60 * 1000);
    assert_true(fail_once(fx, "192.0.2.1"));
}

static void test_the_day_has_a_limit_too(void **state)
{
    struct fixture *fx = *state;
    for (int i = 0; i < 10; i++) {
        assert_true(fail_once(fx, "192.0.2.1"));
        clock_step(60 * 1000);
    }
    assert_false(fail_once(fx, "192.0.2.1"));
}

static void test_the_right_password_clears_the_count(void **state)
{
    struct fixture *fx = *state;
    for (int i = 0; i < 2; i++)
        assert_true(fail_once(fx, "192.0.2.1"));
    enter(fx, 0, "192.0.2.1");
    leave(fx, 0, GATE_RIGHT);
    for (int i = 0; i < 3; i++)
        assert_true(fail_once(fx, "192.0.2.1"));
    assert_false(fail_once(fx, "192.0.2.1"));
}

static void test_an_attempt_without_an_outcome_counts_for_nothing(void **state)
{
    struct fixture *fx = *state;
    for (int i = 0; i < 20; i++) {
        enter(fx, 0, "192.0.2.1");
        assert_true(goes(fx, 0));
        leave(fx, 0, GATE_UNKNOWN);
    }
}

static void test_attempts_at_the_same_time_are_no_way_around(void **state)
{
    struct fixture *fx = *state;
    for (size_t i = 0; i < 6; i++)
        enter(fx, i, "192.0.2.1");
    for (size_t i = 0; i < 6; i++)
        assert_int_equal(fx->places[i].called, i < 3 ? 1 : 0); /* the rest wait */
    leave(fx, 0, GATE_WRONG);
    leave(fx, 1, GATE_WRONG);
    for (size_t i = 3; i < 6; i++)
        assert_int_equal(fx->places[i].called, 0);
    leave(fx, 2, GATE_WRONG);
    for (size_t i = 3; i < 6; i++)
        assert_true(is_refused(fx, i));
}

/* Three from one address, nine from its /26 (IPv6: /48) and 27 from its /21. */
static void test_nor_are_they_from_many_addresses_of_one_network(void **state)
{
    struct fixture *fx = *state;
    char address[40];
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(address, sizeof address, "192.0.2.%u", i / 2 + 1);
        enter(fx, i, address);
        assert_int_equal(fx->places[i].called, i < 9 ? 1 : 0);
    }
    enter(fx, 10, "192.0.2.64"); /* the next /26 */
    assert_true(goes(fx, 10));
    for (unsigned i = 0; i < 9; i++) {
        assert_int_equal(fx->places[9].called, 0);
        leave(fx, i, GATE_WRONG);
    }
    assert_true(is_refused(fx, 9));
}

static void test_who_waits_for_a_neighbour_goes_on_after_it(void **state)
{
    struct fixture *fx = *state;
    char address[40];
    for (unsigned i = 0; i < 10; i++) {
        (void)snprintf(address, sizeof address, "2001:db8:0:%u::1", i / 2 + 1);
        enter(fx, i, address);
    }
    assert_int_equal(fx->places[9].called, 0);
    leave(fx, 0, GATE_RIGHT);
    assert_true(goes(fx, 9));
}

static void test_who_waits_goes_on_when_the_others_were_right(void **state)
{
    struct fixture *fx = *state;
    for (size_t i = 0; i < 6; i++)
        enter(fx, i, "2001:db8:0:1::1");
    enter(fx, 6, "2001:db8:0:2::1"); /* another /64 */
    assert_true(goes(fx, 6));
    assert_int_equal(fx->places[3].called, 0);
    leave(fx, 0, GATE_RIGHT);
    assert_true(goes(fx, 3));
    assert_int_equal(fx->places[4].called, 0);
    leave(fx, 1, GATE_RIGHT);
    leave(fx, 2, GATE_UNKNOWN);
    assert_true(goes(fx, 4));
    assert_true(goes(fx, 5));
}

static void test_who_gives_up_waiting_is_not_called(void **state)
{
    struct fixture *fx = *state;
    for (size_t i = 0; i < 5; i++)
        enter(fx, i, "192.0.2.1");
    leave(fx, 3, GATE_UNKNOWN);
    leave(fx, 0, GATE_UNKNOWN);
    assert_int_equal(fx->places[3].called, 0);
    assert_true(goes(fx, 4));
}

static void test_one_that_comes_back_from_within_its_turn_is_fine(void **state)
{
    struct fixture *fx = *state;
    for (size_t i = 3; i < 8; i++)
        fx->places[i].leave_at_once = true;
    for (size_t i = 0; i < 8; i++)
        enter(fx, i, "192.0.2.1");
    leave(fx, 0, GATE_UNKNOWN);
    for (size_t i = 3; i < 8; i++)
        assert_true(goes(fx, i));
}

static void test_ipv4_counts_the_same_inside_ipv6(void **state)
{
    struct fixture *fx = *state;
    enter(fx, 0, "192.0.2.1");
    enter(fx, 1, "::ffff:192.0.2.1");
    enter(fx, 2, "192.0.2.1");
    enter(fx, 3, "::ffff:192.0.2.1");
    assert_int_equal(fx->places[3].called, 0);
    leave(fx, 0, GATE_UNKNOWN);
    assert_true(goes(fx, 3));
}

static void test_other_limits_begin_at_nothing(void **state)
{
    struct fixture *fx = *state;
    while (fail_once(fx, "192.0.2.1"))
        ;
    gate_limit(fx->gate, 3, 10); /* the same */
    assert_false(fail_once(fx, "192.0.2.1"));
    gate_limit(fx->gate, 1, 10);
    assert_true(fail_once(fx, "192.0.2.1"));
    assert_false(fail_once(fx, "192.0.2.1"));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(test_who_failed_too_often_waits_for_the_next_minute),
        TEST(test_the_day_has_a_limit_too),
        TEST(test_the_right_password_clears_the_count),
        TEST(test_an_attempt_without_an_outcome_counts_for_nothing),
        TEST(test_attempts_at_the_same_time_are_no_way_around),
        TEST(test_nor_are_they_from_many_addresses_of_one_network),
        TEST(test_who_waits_for_a_neighbour_goes_on_after_it),
        TEST(test_who_waits_goes_on_when_the_others_were_right),
        TEST(test_who_gives_up_waiting_is_not_called),
        TEST(test_one_that_comes_back_from_within_its_turn_is_fine),
        TEST(test_ipv4_counts_the_same_inside_ipv6),
        TEST(test_other_limits_begin_at_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
