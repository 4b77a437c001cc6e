#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <sysexits.h>
#include <cmocka.h>

#include "sm_exit.h"

static void a_refusal_has_an_exit_code_that_fits(void **state)
{
    static const struct {
        enum sm_stage stage;
        int code;
        const char *enhanced;
        int exit;
    } cases[] = {
        {SM_STAGE_GREETING, 421, "", EX_TEMPFAIL},
        {SM_STAGE_GREETING, 554, "", EX_UNAVAILABLE},
        {SM_STAGE_GREETING, 554, "5.7.1", EX_NOPERM},
        {SM_STAGE_MAIL, 452, "4.3.1", EX_TEMPFAIL}, /* disk full */
        {SM_STAGE_MAIL, 451, "4.7.1", EX_TEMPFAIL},
        {SM_STAGE_MAIL, 552, "5.3.4", EX_UNAVAILABLE}, /* too large */
        {SM_STAGE_MAIL, 550, "5.7.1", EX_NOPERM},
        {SM_STAGE_MAIL, 553, "5.1.7", EX_DATAERR},
        {SM_STAGE_MAIL, 501, "5.5.4", EX_DATAERR},
        {SM_STAGE_MAIL, 550, "", EX_UNAVAILABLE},
        {SM_STAGE_RCPT, 450, "4.2.1", EX_TEMPFAIL},
        {SM_STAGE_RCPT, 550, "5.1.1", EX_NOUSER},
        {SM_STAGE_RCPT, 550, "5.1.2", EX_NOHOST},
        {SM_STAGE_RCPT, 550, "5.1.10", EX_NOUSER},
        {SM_STAGE_RCPT, 550, "", EX_NOUSER},
        {SM_STAGE_RCPT, 553, "", EX_NOUSER},
        {SM_STAGE_RCPT, 550, "5.2.1", EX_UNAVAILABLE}, /* disabled */
        {SM_STAGE_RCPT, 550, "5.7.1", EX_NOPERM},
        {SM_STAGE_RCPT, 554, "", EX_UNAVAILABLE},
        {SM_STAGE_RCPT, 553, "5.6.7", EX_DATAERR}, /* SMTPUTF8 needed */
        {SM_STAGE_DATA, 452, "4.3.1", EX_TEMPFAIL},
        {SM_STAGE_DATA, 554, "5.6.0", EX_DATAERR},
        {SM_STAGE_DATA, 550, "5.7.1", EX_NOPERM},
        {SM_STAGE_DATA, 554, "", EX_UNAVAILABLE},
        {SM_STAGE_DATA, 599, "", EX_UNAVAILABLE},
        {SM_STAGE_DATA, 250, "2.0.0", EX_PROTOCOL},
        {SM_STAGE_MAIL, 354, "", EX_PROTOCOL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct enhanced e = {0};
        if (cases[i].enhanced[0] != '\0')
            assert_int_equal(enhanced_parse(span_text(cases[i].enhanced), &e), 0);
        assert_int_equal(sm_exit_refused(cases[i].stage, cases[i].code, e), cases[i].exit);
    }
}

static void no_refusal_is_a_success(void **state)
{
    for (int stage = 0; stage < SM_STAGES; stage++) {
        for (int code = 200; code <= 599; code++)
            for (int subject = 0; subject <= 8; subject++) {
                struct enhanced e = {.class = (unsigned char)(code / 100),
                                     .subject = (unsigned short)subject};
                int code_of_exit = sm_exit_refused((enum sm_stage)stage, code, e);
                assert_in_range(code_of_exit, EX__BASE, EX__MAX);
                assert_int_equal(code / 100 == 4, code_of_exit == EX_TEMPFAIL);
            }
    }
}

static void a_suite_that_is_not_there_is_a_temporary_failure(void **state)
{
    assert_int_equal(sm_exit_unreachable(ENOENT), EX_TEMPFAIL);
    assert_int_equal(sm_exit_unreachable(ECONNREFUSED), EX_TEMPFAIL);
    assert_int_equal(sm_exit_unreachable(EAGAIN), EX_TEMPFAIL);
    assert_int_equal(sm_exit_unreachable(EMFILE), EX_TEMPFAIL);
    assert_int_equal(sm_exit_unreachable(EACCES), EX_NOPERM);
    assert_int_equal(sm_exit_unreachable(ENAMETOOLONG), EX_CONFIG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refusal_has_an_exit_code_that_fits),
        cmocka_unit_test(no_refusal_is_a_success),
        cmocka_unit_test(a_suite_that_is_not_there_is_a_temporary_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
