#include "lab.h"

#include <string.h>

#include "mem.h"
#include "stslookup.h"

/* How mail comes by the MTA-STS policy of its domain. Seen from outside: the peer has a certificate
 * that no authority stands for, so that a policy that is enforced keeps mail from it. */

#define DELIVERED "delivered 250 2.0.0 dot [250 2.0.0 queued]"
#define ENFORCE "version: STSv1\nmode: enforce\nmax_age: 86400\nmx: mx1.test\n"
#define NONE "version: STSv1\nmode: none\nmax_age: 86400\n"

static int setup(void **state)
{
    lab_open_direct("tls opportunistic  idle-timeout 0  tls-results no");
    names_add(&lab.names, "example.net", "MX", "10 mx1.test");
    names_add(&lab.names, "mx1.test", "A", "127.0.0.1");
    lab.peer.tls = lab.untrusted;
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

static void publish(const char *record)
{
    names_add(&lab.names, "_mta-sts.example.net", "TXT", record);
}

static void expect(struct order *o, const char *policy, const char *learned)
{
    assert_true(o->done);
    if (strcmp(policy, "sts") == 0)
        assert_string_equal(o->results[0].tls, "policy sts");
    else
        assert_outcome(o, 0, DELIVERED);
    assert_string_equal(buf_text(&lab.learned), learned);
    buf_clear(&lab.learned);
    order_free(o);
}

static void assert_counted(enum counts_sts result, unsigned n)
{
    assert_int_equal(lab.counters[COUNT_STS_LOOKUPS + result], n);
}

static void a_policy_is_fetched_and_told_of(void **state)
{
    struct order o = {0};
    lab_link_hooks();
    publish("v=STSv1; id=7;");
    lab.policy = ENFORCE;
    order_run(&o);
    expect(&o, "sts", "fetched example.net 7\n");
    assert_int_equal(lab.fetches, 1);
    assert_counted(COUNTS_STS_FETCHED, 1);
}

static void one_that_is_known_is_not_fetched_again(void **state)
{
    struct order o = {.sts = ENFORCE};
    lab_link_hooks();
    publish("v=STSv1; id=1;");
    order_run(&o);
    expect(&o, "sts", "used example.net 1\n");
    assert_int_equal(lab.fetches, 0);
    assert_counted(COUNTS_STS_CACHED, 1);
    assert_counted(COUNTS_STS_FETCHED, 0);
}

static void another_id_has_it_fetched_anew(void **state)
{
    struct order o = {.sts = ENFORCE};
    lab_link_hooks();
    publish("v=STSv1; id=2;");
    lab.policy = NONE;
    order_run(&o);
    expect(&o, "none", "fetched example.net 2\n");
}

static void what_was_known_outlives_a_fetch_that_fails_and_a_record_that_is_gone(void **state)
{
    struct order o = {.sts = ENFORCE};
    order_run(&o);
    expect(&o, "sts", "no-record example.net \n");
    lab_reload_direct("tls opportunistic  idle-timeout 0  tls-results no"); /* an empty cache */
    lab_link_hooks();
    publish("v=STSv1; id=2;");
    order_run(&o);
    expect(&o, "sts", "failed example.net 2\n");
}

static void without_a_policy_mail_goes_on(void **state)
{
    static const char *const records[] = {NULL, "v=STSv1; id=;", "v=spf1 -all", "v=STSv1; id=3;"};
    static const char *const learned[] = {"", "", "", "failed example.net 3\n"};
    lab_link_hooks();
    for (size_t i = 0; i < 4; i++) {
        struct order o = {0};
        lab.names.n = 2;
        if (records[i] != NULL)
            publish(records[i]);
        lab_reload_direct("tls opportunistic  idle-timeout 0  tls-results no");
        order_run(&o);
        expect(&o, "none", learned[i]);
    }
    lab.names.n = 2;
    names_add(&lab.names, "_mta-sts.example.net", "FAIL", "TXT");
    lab_reload_direct("tls opportunistic  idle-timeout 0  tls-results no");
    struct order o = {0};
    order_run(&o);
    expect(&o, "none", "");
    assert_counted(COUNTS_STS_NOT_FOUND, 3);
    assert_counted(COUNTS_STS_ERROR, 1);
    assert_counted(COUNTS_STS_LOOKUP, 1);
}

static void one_that_could_not_be_fetched_a_moment_ago_is_not_tried(void **state)
{
    struct order o = {.sts_retry_ms = INT64_MAX};
    lab_link_hooks();
    publish("v=STSv1; id=7;");
    order_run(&o);
    expect(&o, "none", "");
    assert_int_equal(lab.fetches, 0);
    assert_counted(COUNTS_STS_BACKOFF, 1);
    assert_counted(COUNTS_STS_CACHED, 0);
}

static void who_needs_the_same_policy_waits_for_one_fetch(void **state)
{
    struct order orders[5] = {{0}};
    lab_link_hooks();
    lab.policy = ENFORCE;
    publish("v=STSv1; id=7;");
    for (size_t i = 0; i < 5; i++)
        order_send(&orders[i]);
    for (size_t i = 0; i < 5; i++) {
        RUN_UNTIL(orders[i].done);
        assert_string_equal(orders[i].results[0].tls, "policy sts");
        order_free(&orders[i]);
    }
    assert_int_equal(lab.fetches, 1);
}

static void hooks_that_is_not_there_yet_is_waited_for(void **state)
{
    struct order o = {0};
    lab.policy = ENFORCE;
    publish("v=STSv1; id=7;");
    order_send(&o);
    RUN_UNTIL(!LIST_EMPTY(&lab.agent.fetches));
    lab_settle();
    assert_false(o.done);
    lab_link_hooks();
    RUN_UNTIL(o.done);
    expect(&o, "sts", "fetched example.net 7\n");
}

static void but_not_for_ever(void **state)
{
    struct order o = {0};
    publish("v=STSv1; id=7;");
    order_send(&o);
    RUN_UNTIL(!LIST_EMPTY(&lab.agent.fetches));
    assert_true(lab_expire(1));
    RUN_UNTIL(o.done);
    expect(&o, "none", "");
}

static void hooks_that_goes_away_over_it_is_asked_once_more(void **state)
{
    struct order o = {0};
    lab_link_hooks();
    lab.policy = ENFORCE;
    lab.mute = true;
    publish("v=STSv1; id=7;");
    order_send(&o);
    RUN_UNTIL(lab.fetches == 1);
    ipc_free(&lab.hooks);
    RUN_UNTIL(lab.links_lost == 1);
    assert_null(lab.agent.hooks);
    lab.mute = false;
    lab_link_hooks();
    RUN_UNTIL(o.done);
    assert_int_equal(lab.fetches, 2);
    expect(&o, "sts", "fetched example.net 7\n");
    /* Whoever ends it again and again does not keep mail back. */
    lab_reload_direct("tls opportunistic  idle-timeout 0  tls-results no");
    lab.mute = true;
    order_send(&o);
    for (unsigned i = 3; i <= 4; i++) {
        RUN_UNTIL(lab.fetches == i);
        lab_link_hooks();
    }
    RUN_UNTIL(o.done);
    expect(&o, "none", "");
}

/* RFC 8461 section 5.1: the policy is that of the recipients' domain, and an alias that somebody
 * slipped in has mail for it go to no other host than those it names. */
static void an_alias_does_not_bring_its_own_policy(void **state)
{
    struct order o = {.destination = "alias.net", .sts = ENFORCE};
    lab_link_hooks();
    lab.names.n = 0;
    names_add(&lab.names, "alias.net", "CNAME", "evil.net");
    names_add(&lab.names, "evil.net", "MX", "10 mx2.test");
    names_add(&lab.names, "mx2.test", "A", "127.0.0.1");
    names_add(&lab.names, "_mta-sts.evil.net", "TXT", "v=STSv1; id=7;");
    names_add(&lab.names, "_mta-sts.alias.net", "TXT", "v=STSv1; id=1;");
    lab.peer.tls = lab.trusted;
    order_run(&o);
    assert_string_equal(o.results[0].tls, "policy sts-mismatch");
    assert_string_equal(buf_text(&lab.learned), "used alias.net 1\n");
    assert_int_equal(lab.peer.opened, 0);
    order_free(&o);
    /* Nor does it help to hide the MX records. */
    lab.names.n = 0;
    names_add(&lab.names, "alias.net", "A", "127.0.0.1");
    lab_reload_direct("tls opportunistic  idle-timeout 0  tls-results no");
    order_run(&o);
    assert_string_equal(o.results[0].tls, "policy sts-mismatch");
    order_free(&o);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_policy_is_fetched_and_told_of),
        TEST(one_that_is_known_is_not_fetched_again),
        TEST(another_id_has_it_fetched_anew),
        TEST(what_was_known_outlives_a_fetch_that_fails_and_a_record_that_is_gone),
        TEST(without_a_policy_mail_goes_on),
        TEST(one_that_could_not_be_fetched_a_moment_ago_is_not_tried),
        TEST(who_needs_the_same_policy_waits_for_one_fetch),
        TEST(hooks_that_is_not_there_yet_is_waited_for),
        TEST(but_not_for_ever),
        TEST(hooks_that_goes_away_over_it_is_asked_once_more),
        TEST(an_alias_does_not_bring_its_own_policy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
