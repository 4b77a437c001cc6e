#include "lab.h"

#include <stdio.h>

/* New mail beside mail that was put off before, of domains whose name servers do not answer. */

#define DEAD 600

static struct order dead[DEAD];
static char domains[DEAD][24];

/* Each is of a domain of its own. */
static void send_dead_ones(void)
{
    for (unsigned i = 0; i < DEAD; i++) {
        (void)snprintf(domains[i], sizeof domains[i], "d%u.dead.test", i);
        dead[i] = (struct order){.destination = domains[i], .attempt = 2};
        order_send(&dead[i]);
    }
    RUN_UNTIL(lab.agent.jobs == DEAD);
}

static void send_a_new_one(void)
{
    struct order o = {0};
    names_add(&lab.names, "example.net", "MX", "10 mx1.test");
    names_add(&lab.names, "mx1.test", "A", "127.0.0.1");
    order_run(&o);
    assert_int_equal(o.results[0].status, DELIVER_DONE);
    order_free(&o);
}

static void end_dead_ones(void)
{
    names_catch_up(&lab.names);
    for (unsigned i = 0; i < DEAD; i++) {
        RUN_UNTIL(dead[i].done);
        assert_int_equal(dead[i].results[0].status, DELIVER_FAILED);
        order_free(&dead[i]);
    }
}

static void new_mail_does_not_wait_for_domains_that_are_looked_up_again(void **state)
{
    lab.names.late = ".dead.test";
    send_dead_ones();
    send_a_new_one();
    assert_in_range(lab.names.queries, 1, DEAD); /* not all of them were even asked */
    end_dead_ones();
}

static void new_mail_does_not_wait_for_hosts_that_are_looked_up_again(void **state)
{
    lab.names.late = ".dead.test";
    lab.names.late_but_mx = true;
    send_dead_ones();
    RUN_UNTIL(lab.names.queries >= DEAD + 1); /* the MX records, and the first addresses */
    send_a_new_one();
    assert_in_range(lab.names.queries, DEAD + 1, 3 * DEAD); /* of either family */
    end_dead_ones();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(new_mail_does_not_wait_for_domains_that_are_looked_up_again,
                                        lab_setup, lab_teardown),
        cmocka_unit_test_setup_teardown(new_mail_does_not_wait_for_hosts_that_are_looked_up_again,
                                        lab_setup, lab_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
