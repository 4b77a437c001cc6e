#include "lab.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"
#include "tlsseen.h"

#define TODAY 20000

/* Appends "example.net at mx.example.net: tlsa 1/0 2 details\n" of each. */
static void describe(const struct learned *l, struct buf *out)
{
    for (uint32_t i = 0; i < l->results_n; i++) {
        const struct tlsresult *r = l->results[i];
        assert_int_equal(r->day, TODAY);
        assert_true(r->is_wanted);
        assert_int_equal(r->entries_n, 1);
        buf_putf(out, "%s%s%s: %s %u/%u %u\n", r->recipient_domain, r->is_host ? " at " : "",
                 r->is_host ? r->policy_domain : "", tlsresult_policy_name(r->entries[0].policy),
                 (unsigned)r->entries[0].success, (unsigned)r->entries[0].failure,
                 (unsigned)r->entries[0].details_n);
    }
}

static struct dnstlsa_result *records(enum tlspolicy_tlsa status, const char *base)
{
    struct dnstlsa_result *r = mem_zero(sizeof *r);
    const struct tlsa one = {3, 1, 1, span_text("12345678901234567890123456789012")};
    r->status = status;
    r->ede = DNSEDE_NONE;
    memcpy(r->base, base, strlen(base) + 1);
    if (status == TLSPOLICY_TLSA_FOUND)
        tlsa_set_add(&r->records, &one);
    return r;
}

static struct stsfound enforcing(void)
{
    struct fail f;
    struct stsfound found = {
        .policy = mtasts_policy_parse(
            span_text("version: STSv1\nmode: enforce\nmax_age: 9\nmx: mx.example.net\n"), &f)};
    assert_non_null(found.policy);
    return found;
}

static const struct tlsresult_detail detail = {
    .type = TLSRESULT_CERTIFICATE_EXPIRED, .sessions = 1, .mx = (char *)"mx.example.net"};

static void a_session_counts_for_the_domain_and_for_the_host(void **state)
{
    struct tlsseen s;
    struct learned l = {0};
    struct buf text = {0};
    struct stsfound sts = enforcing();
    struct dnstlsa_result *tlsa = records(TLSPOLICY_TLSA_FOUND, "mx.example.net");
    tlsseen_open(&s, "example.net", &sts, TODAY);
    tlsseen_host(&s, "mx.example.net", tlsa, &l);
    tlsseen_session(&s, TLSSEEN_GOOD, &detail);
    tlsseen_session(&s, TLSSEEN_FAILED, &detail);
    tlsseen_host(&s, "mx2.example.net", NULL, &l);
    tlsseen_session(&s, TLSSEEN_DOUBTFUL, &detail);
    tlsseen_session(&s, TLSSEEN_WITHOUT, &detail);
    tlsseen_close(&s, &l);
    describe(&l, &text);
    assert_string_equal(buf_text(&text), "example.net at mx.example.net: tlsa 1/1 1\n"
                                         "example.net: sts 2/1 1\n"
                                         "example.net at mx2.example.net: no-policy-found 1/0 1\n");
    assert_string_equal(l.results[1]->entries[0].strings[0], "version: STSv1");
    assert_string_equal(l.results[1]->entries[0].strings[3], "mx: mx.example.net");
    assert_string_equal(l.results[0]->entries[0].strings[0],
                        "3 1 1 3132333435363738393031323334353637383930313233343536373839303132");
    learned_clear(&l);
    buf_free(&text);
    dnstlsa_result_free(&tlsa);
    mtasts_policy_free(&sts.policy);
}

/* Both would stand in one place, and one of them says nothing. */
static void a_domain_that_is_its_own_host_is_told_of_its_policy_alone(void **state)
{
    static const struct {
        bool sts, tlsa;
        const char *expected;
    } cases[] = {
        {false, false, "example.net: no-policy-found 1/0 0\n"},
        {true, false, "example.net: sts 1/0 0\n"},
        {false, true, "example.net at example.net: tlsa 1/0 0\n"},
        {true, true, "example.net: sts 1/0 0\nexample.net at example.net: tlsa 1/0 0\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct tlsseen s;
        struct learned l = {0};
        struct buf text = {0};
        struct stsfound sts = enforcing();
        struct dnstlsa_result *tlsa = records(TLSPOLICY_TLSA_FOUND, "example.net");
        tlsseen_open(&s, "example.net", cases[i].sts ? &sts : NULL, TODAY);
        tlsseen_host(&s, "example.net", cases[i].tlsa ? tlsa : NULL, &l);
        tlsseen_session(&s, TLSSEEN_GOOD, &detail);
        tlsseen_close(&s, &l);
        describe(&l, &text);
        assert_string_equal(buf_text(&text), cases[i].expected);
        learned_clear(&l);
        buf_free(&text);
        dnstlsa_result_free(&tlsa);
        mtasts_policy_free(&sts.policy);
    }
}

static void what_went_wrong_with_the_policy_itself_is_told_without_a_session(void **state)
{
    struct tlsseen s;
    struct learned l = {0};
    struct buf text = {0};
    struct stsfound sts = {.fault = true, .type = TLSRESULT_STS_POLICY_FETCH_ERROR};
    struct dnstlsa_result *tlsa = records(TLSPOLICY_TLSA_FAILED, "mx.example.net");
    struct tlspolicy skipped = {.verdict = TLSPOLICY_SKIP};
    (void)snprintf(sts.reason, sizeof sts.reason, "http-status-404");
    tlsa->ede = 6; /* DNSSEC Bogus */
    tlsseen_open(&s, "example.net", &sts, TODAY);
    tlsseen_host(&s, "mx.example.net", tlsa, &l);
    tlsseen_policy(&s, &skipped, "mx.example.net", tlsa);
    tlsseen_close(&s, &l);
    describe(&l, &text);
    assert_string_equal(buf_text(&text), "example.net: no-policy-found 0/0 1\n"
                                         "example.net at mx.example.net: tlsa 0/1 1\n");
    assert_string_equal(l.results[0]->entries[0].details[0].reason, "http-status-404");
    assert_int_equal(l.results[1]->entries[0].details[0].type, TLSRESULT_DNSSEC_INVALID);
    assert_string_equal(l.results[1]->entries[0].details[0].reason,
                        "extended-dns-error-6-dnssec-bogus");
    learned_clear(&l);
    buf_free(&text);
    dnstlsa_result_free(&tlsa);
}

static void who_counts_nothing_tells_nothing(void **state)
{
    struct tlsseen s = {.domain = NULL};
    struct learned l = {0};
    tlsseen_host(&s, "mx.example.net", NULL, &l);
    tlsseen_session(&s, TLSSEEN_GOOD, &detail);
    tlsseen_close(&s, &l);
    assert_int_equal(l.results_n, 0);
    tlsseen_open(&s, "example.net", NULL, TODAY);
    tlsseen_host(&s, "mx.example.net", NULL, &l); /* it could not be reached */
    tlsseen_close(&s, &l);
    assert_int_equal(l.results_n, 0);
}

/* Nothing here needs an agent; but whoever links with it has the frame of a process from there. */
static int setup(void **state)
{
    lab_open_direct("tls none");
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_session_counts_for_the_domain_and_for_the_host),
        cmocka_unit_test(a_domain_that_is_its_own_host_is_told_of_its_policy_alone),
        cmocka_unit_test(what_went_wrong_with_the_policy_itself_is_told_without_a_session),
        cmocka_unit_test(who_counts_nothing_tells_nothing),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
