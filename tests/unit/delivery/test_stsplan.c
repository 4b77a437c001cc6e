#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "stsplan.h"

#define NOW 1800000000000
#define LATER (NOW + 1)

static char *mx[] = {(char *)"*.example"};
static struct mtasts_policy cached = {MTASTS_ENFORCE, 86400, 1, mx};
static struct mtasts_policy fresh = {MTASTS_TESTING, 86400, 1, mx};

static const struct sts_known nothing = {.policy = NULL}, put_off = {"", NULL, 0, LATER},
                              put_off_before = {"", NULL, 0, NOW}, valid = {"1", &cached, LATER, 0},
                              stale = {"1", &cached, NOW, 0},
                              stale_put_off = {"1", &cached, NOW, LATER};

#define NO_FAULT TLSRESULT_TYPES
#define NO_NEWS STS_WHATS

static void check(size_t i, const struct stsplan *p, const struct mtasts_policy *policy,
                  bool unknown, enum sts_what what, enum tlsresult_type type, const char *reason)
{
    bool good = p->next == STSPLAN_DONE && p->policy == policy && p->unknown == unknown &&
                p->tell == (what != NO_NEWS) && p->fault == (type != NO_FAULT) &&
                strcmp(p->reason, reason) == 0;
    good = good && (what == NO_NEWS || p->what == what) && (type == NO_FAULT || p->type == type);
    if (!good)
        fail_msg("case %zu: next %d, policy %d, unknown %d, tell %d %d, fault %d %d %s", i, p->next,
                 p->policy != NULL, p->unknown, p->tell, p->what, p->fault, p->type, p->reason);
}

static void test_what_is_known_and_the_record_say_what_comes_next(void **state)
{
    static const struct {
        const struct sts_known *known;
        enum stsplan_record record;
        const char *id;
        const struct mtasts_policy *policy;
        bool unknown;
        enum sts_what what;
        enum tlsresult_type type;
        const char *reason;
    } cases[] = {
        {&nothing, STSPLAN_ABSENT, "", NULL, false, NO_NEWS, NO_FAULT, ""},
        {&nothing, STSPLAN_BROKEN, "", NULL, false, NO_NEWS, TLSRESULT_STS_POLICY_INVALID,
         "malformed-record"},
        /* No reason to wait for a record that never was there (RFC 8461 section 3.3). */
        {&nothing, STSPLAN_FAILED, "", NULL, true, NO_NEWS, NO_FAULT, ""},
        {&put_off, STSPLAN_GOOD, "1", NULL, true, NO_NEWS, TLSRESULT_STS_POLICY_FETCH_ERROR,
         "back-off-after-recent-fetch-error"},
        {&put_off, STSPLAN_ABSENT, "", NULL, false, STS_NO_RECORD, NO_FAULT, ""},
        /* What is cached outlives its record. */
        {&valid, STSPLAN_ABSENT, "", &cached, false, STS_NO_RECORD, NO_FAULT, ""},
        {&valid, STSPLAN_BROKEN, "", &cached, false, STS_NO_RECORD, TLSRESULT_STS_POLICY_INVALID,
         "fallback-to-cached-policy"},
        {&valid, STSPLAN_FAILED, "", &cached, false, NO_NEWS, NO_FAULT, ""},
        {&stale, STSPLAN_FAILED, "", &cached, false, NO_NEWS, NO_FAULT, ""},
        {&valid, STSPLAN_GOOD, "1", &cached, false, STS_USED, NO_FAULT, ""},
        {&stale_put_off, STSPLAN_GOOD, "1", &cached, false, NO_NEWS,
         TLSRESULT_STS_POLICY_FETCH_ERROR, "fallback-to-cached-policy"},
        {&stale_put_off, STSPLAN_GOOD, "2", &cached, false, NO_NEWS,
         TLSRESULT_STS_POLICY_FETCH_ERROR, "fallback-to-cached-policy"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct stsplan p = stsplan_begin(cases[i].known, cases[i].record, cases[i].id, NOW);
        check(i, &p, cases[i].policy, cases[i].unknown, cases[i].what, cases[i].type,
              cases[i].reason);
    }
}

static void test_a_new_id_or_an_old_policy_is_fetched(void **state)
{
    static const struct {
        const struct sts_known *known;
        const char *id;
    } cases[] = {
        {&nothing, "1"}, {&put_off_before, "1"}, {&valid, "2"}, {&stale, "1"}, {&stale, "2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(stsplan_begin(cases[i].known, STSPLAN_GOOD, cases[i].id, NOW).next,
                         STSPLAN_FETCH);
}

static void test_a_fetch_that_fails_takes_nothing_away(void **state)
{
    static const struct {
        const struct sts_known *known;
        int end; /* -1: hooks went away */
        const struct mtasts_policy *policy;
        bool unknown;
        enum sts_what what;
        enum tlsresult_type type;
        const char *reason;
    } cases[] = {
        {&nothing, FETCH_POLICY_GOOD, &fresh, false, STS_FETCHED, NO_FAULT, ""},
        {&valid, FETCH_POLICY_GOOD, &fresh, false, STS_FETCHED, NO_FAULT, ""},
        {&nothing, FETCH_POLICY_FAILED, NULL, true, STS_FETCH_FAILED,
         TLSRESULT_STS_POLICY_FETCH_ERROR, ""},
        {&nothing, FETCH_POLICY_UNTRUSTED, NULL, true, STS_FETCH_FAILED,
         TLSRESULT_STS_WEBPKI_INVALID, ""},
        {&nothing, FETCH_POLICY_INVALID, NULL, true, STS_FETCH_FAILED, TLSRESULT_STS_POLICY_INVALID,
         ""},
        {&valid, FETCH_POLICY_UNTRUSTED, &cached, false, STS_FETCH_FAILED,
         TLSRESULT_STS_WEBPKI_INVALID, "fallback-to-cached-policy"},
        {&nothing, -1, NULL, true, NO_NEWS, NO_FAULT, ""},
        {&valid, -1, &cached, false, NO_NEWS, NO_FAULT, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fetched_policy got = {.end = (enum fetch_policy_end)cases[i].end};
        got.policy = got.end == FETCH_POLICY_GOOD ? &fresh : NULL;
        struct stsplan p = stsplan_fetched(cases[i].known, cases[i].end < 0 ? NULL : &got);
        check(i, &p, cases[i].policy, cases[i].unknown, cases[i].what, cases[i].type,
              cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_known_and_the_record_say_what_comes_next),
        cmocka_unit_test(test_a_new_id_or_an_old_policy_is_fetched),
        cmocka_unit_test(test_a_fetch_that_fails_takes_nothing_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
