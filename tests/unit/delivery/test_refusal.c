#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "refusal.h"

static const struct {
    int code;
    const char *stage, *reply;
    bool is_policy;
} cases[] = {
    {550, "rcpt", "550 5.7.1 no", true},
    {550, "rcpt", "550-5.7.26 one\n550 5.7.26 two", true},
    {450, "rcpt", "450 4.7.1 blocked", false},
    {550, "rcpt", "550 5.1.1 user blocked", false},
    {554, "dot", "554 5.6.0 malformed", false},
    {550, "mail", "550 5.1.8 your domain does not resolve", false},
    {554, "greeting", "554 no service", true},
    {554, "dot", "554 transaction failed", true},
    {554, "rcpt", "554 5.0.0 no", true},
    {571, "rcpt", "571 no", true},
    {530, "mail", "530 log in first", true},
    {550, "mail", "550 no", true},
    {550, "ehlo", "550 no", true},
    {554, "ehlo", "554 no", true},
    {550, "ehlo", "550 5.5.2 what", false},
    {502, "ehlo", "502 no", false},
    {553, "mail", "553 what is that", false},
    {550, "rcpt", "550 no such user", false},
    {550, "rcpt", "550", false},
    {550, "rcpt", "550 your mail is BLOCKED", true},
    {550, "rcpt", "550-sorry\n550 see zen.dnsbl.example", true},
    {550, "rcpt", "550 Client host rejected: cannot find your reverse hostname", true},
    {550, "rcpt", "550 no PTR record for 192.0.2.1", true},
    {550, "rcpt", "550 5.0.0 listed: Spamhaus", true},
    /* Not the beginnings of words. */
    {550, "rcpt", "550 terrible user scriptrunner unblocked", false},
    {0, "connect", "", false},
    {252, "rcpt", "252 blocked", false},
};

static void test_what_is_a_matter_of_policy(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (refusal_is_policy(cases[i].code, cases[i].stage, cases[i].reply) != cases[i].is_policy)
            fail_msg("%s: %s", cases[i].stage, cases[i].reply);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_what_is_a_matter_of_policy)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
