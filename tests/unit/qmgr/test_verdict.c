#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "mem.h"
#include "verdict.h"

static const struct {
    uint16_t code;
    const char *enhanced, *text;
    enum verdict_when when;
    enum suppress_class class;
} permanent[] = {
    /* there is no such mailbox */
    {550, "5.1.1", "user unknown", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {550, "", "no such user", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {550, "5.1.10", "null MX", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {550, "5.2.1", "disabled", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {554, "5.1.1", "user unknown", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {500, "5.1.2", "no such host", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {554, "5.1.3", "bad syntax", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {554, "5.1.6", "moved", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {554, "5.2.1", "disabled", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {521, "", "takes no mail", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {551, "", "try elsewhere", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {553, "", "no such name", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {556, "", "domain takes no mail", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {550, "5.4.1", "recipient address rejected", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {550, "5.0.0", "rejected", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    {550, "5.1.1", "see http://antispam.example/unknown", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
    /* it is full */
    {552, "5.2.2", "over quota", VERDICT_COUNT, SUPPRESS_FULL},
    {550, "5.2.2", "over quota", VERDICT_NOW, SUPPRESS_FULL},
    {552, "", "over quota", VERDICT_COUNT, SUPPRESS_FULL},
    {452, "4.2.2", "over quota", VERDICT_COUNT, SUPPRESS_FULL},
    {452, "", "no room", VERDICT_COUNT, SUPPRESS_FULL},
    /* they do not like us, or what we send */
    {550, "5.7.1", "denied", VERDICT_NEVER, SUPPRESS_POLICY},
    {554, "5.7.0", "denied", VERDICT_NEVER, SUPPRESS_POLICY},
    {550, "5.7.26", "DMARC", VERDICT_NEVER, SUPPRESS_POLICY},
    {550, "5.1.8", "your domain does not exist", VERDICT_NEVER, SUPPRESS_POLICY},
    {553, "5.1.7", "bad sender", VERDICT_NEVER, SUPPRESS_POLICY},
    {450, "4.7.1", "greylisted", VERDICT_NEVER, SUPPRESS_POLICY},
    {530, "", "authenticate", VERDICT_NEVER, SUPPRESS_POLICY},
    {535, "", "no", VERDICT_NEVER, SUPPRESS_POLICY},
    {550, "5.7.1", "this looks like SPAM", VERDICT_NEVER, SUPPRESS_SPAM},
    {550, "", "listed at a DNSBL", VERDICT_NEVER, SUPPRESS_SPAM},
    {554, "", "your IP is blacklisted", VERDICT_NEVER, SUPPRESS_SPAM},
    {554, "5.6.0", "virus found", VERDICT_NEVER, SUPPRESS_SPAM},
    /* the rest */
    {554, "", "transaction failed", VERDICT_COUNT, SUPPRESS_OTHER},
    {500, "5.0.0", "", VERDICT_COUNT, SUPPRESS_OTHER},
    {554, "5.6.3", "conversion required", VERDICT_COUNT, SUPPRESS_OTHER},
    /* a code that speaks for itself */
    {550, "5.6.3", "conversion required", VERDICT_NOW, SUPPRESS_OTHER},
    {551, "5.5.0", "no", VERDICT_NOW, SUPPRESS_OTHER},
    {553, "5.2.3", "too large", VERDICT_NOW, SUPPRESS_OTHER},
    {556, "5.3.4", "too large", VERDICT_NOW, SUPPRESS_OTHER},
    {550, "5.6.0", "a virus", VERDICT_NEVER, SUPPRESS_SPAM},
    {550, "5.7.1", "no", VERDICT_NEVER, SUPPRESS_POLICY},
    {550, "4.4.1", "no answer", VERDICT_NEVER, SUPPRESS_OTHER},
    {552, "5.3.4", "too large", VERDICT_COUNT, SUPPRESS_OTHER},
    {552, "5.2.3", "too large", VERDICT_COUNT, SUPPRESS_OTHER},
    {451, "4.3.0", "later", VERDICT_COUNT, SUPPRESS_OTHER},
    {450, "4.1.1", "unknown so far", VERDICT_COUNT, SUPPRESS_BAD_ADDRESS},
    {400, "4.4.7", "expired", VERDICT_NEVER, SUPPRESS_OTHER},
    {421, "4.4.2", "bye", VERDICT_NEVER, SUPPRESS_OTHER},
    {421, "", "bye", VERDICT_NEVER, SUPPRESS_OTHER},
    {0, "5.1.1", "", VERDICT_NEVER, SUPPRESS_OTHER},
    {250, "2.0.0", "", VERDICT_NEVER, SUPPRESS_OTHER},
    {550, "x", "no such user", VERDICT_NOW, SUPPRESS_BAD_ADDRESS},
};

static void expect(struct verdict v, enum verdict_when when, enum suppress_class class, size_t i)
{
    if (v.when != when || v.class != class)
        fail_msg("case %zu: %d/%d", i, v.when, v.class);
}

static void test_what_codes_say_of_an_address(void **state)
{
    for (size_t i = 0; i < sizeof permanent / sizeof permanent[0]; i++) {
        expect(verdict_of_report(permanent[i].code, permanent[i].enhanced, permanent[i].text),
               permanent[i].when, permanent[i].class, i);
        const struct deliver_result r = {.status = DELIVER_FAILED,
                                         .code = permanent[i].code,
                                         .enhanced = (char *)permanent[i].enhanced,
                                         .reply = (char *)permanent[i].text,
                                         .remote_host = (char *)"mx.example",
                                         .stage = (char *)"rcpt"};
        expect(verdict_of_result(&r), permanent[i].when, permanent[i].class, i);
    }
}

static void test_only_a_remote_hosts_word_on_the_recipient_counts(void **state)
{
    static const struct {
        const char *host, *stage;
        enum deliver_status status;
        uint16_t code;
        enum verdict_when when;
    } cases[] = {
        {"mx.example", "rcpt", DELIVER_FAILED, 550, VERDICT_NOW},
        {"mx.example", "data", DELIVER_FAILED, 550, VERDICT_NOW},
        {"mx.example", "dot", DELIVER_FAILED, 550, VERDICT_NOW},
        {"mx.example", "rcpt", DELIVER_DEFERRED, 550, VERDICT_COUNT}, /* tried until it was over */
        {"mx.example", "mail", DELIVER_FAILED, 550, VERDICT_NEVER},
        {"mx.example", "ehlo", DELIVER_FAILED, 550, VERDICT_NEVER},
        {"mx.example", "connect", DELIVER_FAILED, 554, VERDICT_NEVER},
        {"mx.example", "connect", DELIVER_FAILED, 521, VERDICT_NOW},
        {"mx.example", "mail", DELIVER_FAILED, 556, VERDICT_NOW},
        {"relay.example", "connect", DELIVER_DEFERRED, 521, VERDICT_NEVER},
        {"", "transport", DELIVER_FAILED, 550, VERDICT_NEVER},
        {"", "admin", DELIVER_FAILED, 0, VERDICT_NEVER},
        {"mx.example", "connect", DELIVER_DEFERRED, 0, VERDICT_NEVER},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct deliver_result r = {.status = cases[i].status,
                                         .code = cases[i].code,
                                         .enhanced = (char *)"",
                                         .reply = (char *)"no",
                                         .remote_host = (char *)cases[i].host,
                                         .stage = (char *)cases[i].stage};
        struct verdict v = verdict_of_result(&r);
        if (v.when != cases[i].when)
            fail_msg("case %zu: %d", i, v.when);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_codes_say_of_an_address),
        cmocka_unit_test(test_only_a_remote_hosts_word_on_the_recipient_counts),
    };
    return cmocka_run_group_tests_name("verdict", tests, NULL, NULL);
}
