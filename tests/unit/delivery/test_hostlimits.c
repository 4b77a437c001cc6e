#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "hostlimits.h"

static void what_a_host_has_shown_is_kept_for_a_while(void **state)
{
    struct memo *h = hostlimits_new();
    assert_int_equal(hostlimits_recipients(h, "a", 0), 0);
    hostlimits_note_recipients(h, "a", 30, 1000);
    hostlimits_note_no_chunking(h, "b", 1000);
    assert_int_equal(hostlimits_recipients(h, "a", 2000), 30);
    assert_int_equal(hostlimits_recipients(h, "b", 2000), 0);
    assert_false(hostlimits_no_chunking(h, "a", 2000));
    assert_true(hostlimits_no_chunking(h, "b", 2000));
    hostlimits_note_no_chunking(h, "a", 3000);
    assert_int_equal(hostlimits_recipients(h, "a", 4000), 30);
    assert_true(hostlimits_no_chunking(h, "a", 4000));
    assert_false(hostlimits_no_chunking(h, "b", 1000 + HOSTLIMITS_MS));
    assert_int_equal(hostlimits_recipients(h, "a", 3000 + HOSTLIMITS_MS - 1), 30);
    assert_int_equal(hostlimits_recipients(h, "a", 3000 + HOSTLIMITS_MS), 0);
    /* What is over does not come back with what is new. */
    hostlimits_note_recipients(h, "a", 7, 3000 + HOSTLIMITS_MS);
    assert_int_equal(hostlimits_recipients(h, "a", 3000 + HOSTLIMITS_MS), 7);
    assert_false(hostlimits_no_chunking(h, "a", 3000 + HOSTLIMITS_MS));
    memo_free(&h);
    memo_free(&h);
}

static void the_oldest_makes_room(void **state)
{
    struct memo *h = hostlimits_new();
    char host[20];
    for (unsigned i = 0; i < HOSTLIMITS + 10; i++) {
        (void)snprintf(host, sizeof host, "h%u", i);
        hostlimits_note_recipients(h, host, i + 1, i);
        hostlimits_note_recipients(h, "h0", 1, i); /* which is heard of again and again */
    }
    for (unsigned i = 0; i < HOSTLIMITS + 10; i++) {
        (void)snprintf(host, sizeof host, "h%u", i);
        unsigned known = hostlimits_recipients(h, host, HOSTLIMITS + 10);
        assert_int_equal(known, i > 0 && i < 11 ? 0 : i + 1);
    }
    memo_free(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_host_has_shown_is_kept_for_a_while),
        cmocka_unit_test(the_oldest_makes_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
