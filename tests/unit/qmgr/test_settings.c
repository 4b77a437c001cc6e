#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "settings.h"

static struct settings *settings_of(const char *text)
{
    struct conf_errors errors;
    struct conf *conf = conf_parse("test.conf", span_text(text), &errors);
    assert_non_null(conf);
    conf_errors_free(&errors);
    return settings_new(conf);
}

static void expect(const struct settings *s, const char *transport, int64_t first_s, int attempts,
                   bool final)
{
    struct settings_retry r = settings_retry(s, transport);
    assert_int_equal(r.first_retry_ms, first_s * 1000);
    assert_int_equal(r.attempts, attempts);
    assert_int_equal(r.jitter_percent, 3);
    assert_int_equal(settings_is_final(s, transport), final);
}

static void test_a_transport_may_have_a_schedule_of_its_own(void **state)
{
    struct settings *s =
        settings_of("hostname a.test\n"
                    "queue { first-retry 100s  attempts 9  retry-jitter 3 }\n"
                    "transport relay { submission { host b.test  first-retry 10s } }\n"
                    "transport slow { direct { first-retry 1h  attempts 3 } }\n"
                    "transport store { lmtp { host c.test  attempts 50 } }\n"
                    "transport block { fail { code 450 } }\n");
    expect(s, "direct", 100, 9, false);
    expect(s, "local", 100, 9, true);
    expect(s, "relay", 10, 9, false);
    expect(s, "slow", 3600, 3, false);
    expect(s, "store", 100, 50, true);
    expect(s, "block", 100, 9, false);
    expect(s, "gone", 100, 9, false);
    settings_drop(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_transport_may_have_a_schedule_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
