#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "dnshosts.h"
#include "responder.h"

/* What hosts a domain has is tested against a real name server: check_resolvers.py. */

static void test_every_outcome_has_its_enhanced_code(void **state)
{
    static const struct {
        enum dnshosts_status status;
        const char *enhanced;
    } cases[] = {
        {DNSHOSTS_OK, "2.0.0"},      {DNSHOSTS_NULL_MX, "5.1.10"}, {DNSHOSTS_NO_DOMAIN, "5.1.2"},
        {DNSHOSTS_NO_HOST, "5.4.4"}, {DNSHOSTS_SELF, "5.4.6"},     {DNSHOSTS_TEMPORARY, "4.4.3"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(dnshosts_enhanced(cases[i].status), cases[i].enhanced);
}

struct got {
    unsigned called;
    enum dnshosts_status status;
};

static void on_hosts(struct dnshosts_result *result, void *arg)
{
    struct got *got = arg;
    got->called++;
    got->status = result->status;
    dnshosts_result_free(&result);
    assert_null(result);
    dnshosts_result_free(&result);
}

static void test_a_refusal_comes_after_the_call_has_returned(void **state)
{
    struct responder *r = *state;
    struct dnshosts_options options = {0};
    struct got got = {0};
    assert_non_null(dnshosts_find(r->dns, "a..b", &options, on_hosts, &got));
    assert_int_equal(got.called, 0);
    responder_run(r, &got.called, 1);
    assert_int_equal(got.status, DNSHOSTS_NO_DOMAIN);
    assert_int_equal(r->queries, 0);
}

static void test_a_cancelled_search_is_never_called_back(void **state)
{
    struct responder *r = *state;
    const char *own[] = {"mail.example", "not a name"};
    struct dnshosts_options options = {.own_names = own, .own_count = 2};
    struct got got = {0}, later = {0};
    struct dnshosts_lookup *l = dnshosts_find(r->dns, "a.example", &options, on_hosts, &got);
    dnshosts_cancel(&l);
    assert_null(l);
    dnshosts_cancel(&l);
    (void)dnshosts_find(r->dns, "a..b", &options, on_hosts, &later);
    responder_run(r, &later.called, 1);
    assert_int_equal(got.called, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_outcome_has_its_enhanced_code),
        cmocka_unit_test_setup_teardown(test_a_refusal_comes_after_the_call_has_returned,
                                        responder_open, responder_close),
        cmocka_unit_test_setup_teardown(test_a_cancelled_search_is_never_called_back,
                                        responder_open, responder_close),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
