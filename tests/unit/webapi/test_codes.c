#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "codes.h"

static void test_codes_are_spelled_as_clients_know_them(void **state)
{
    static const char *const names[CODES] = {
        "protocol",
        "user",
        "server",
        "error",
        "badAddress",
        "missingBody",
        "multipleFrom",
        "badFrom",
        "domainDisabled",
        "noRecipients",
        "messageLimitReached",
        "recipientLimitReached",
        "messageTooLarge",
        "malformedMessageID",
        "sentOverQuota",
        "messageNotFound",
        "partNotFound",
        "idempotencyConflict",
    };
    for (size_t i = 0; i < CODES; i++) {
        assert_string_equal(code_name((enum code)i), names[i]);
        assert_true(strlen(code_meaning((enum code)i)) > 10);
        assert_int_equal(code_status((enum code)i), i == CODE_IDEMPOTENCY_CONFLICT ? 409 : 400);
    }
}

static void test_a_refusal_keeps_its_code_and_sentence(void **state)
{
    struct refusal r;
    assert_int_equal(refuse(&r, CODE_USER, "%d too many", 3), -1);
    assert_int_equal(r.code, CODE_USER);
    assert_string_equal(r.fail.text, "3 too many");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_codes_are_spelled_as_clients_know_them),
        cmocka_unit_test(test_a_refusal_keeps_its_code_and_sentence),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
