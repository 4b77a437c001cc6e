#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "enhanced.h"

static void test_a_code_is_read_and_written(void **state)
{
    static const char *const codes[] = {"2.0.0", "4.7.0", "5.1.10", "5.999.999"};
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        struct enhanced e;
        char out[ENHANCED_SIZE];
        assert_int_equal(enhanced_parse(span_text(codes[i]), &e), 0);
        assert_string_equal(enhanced_format(e, out), codes[i]);
    }
}

static void test_what_is_no_code_is_not_read(void **state)
{
    static const char *const bad[] = {"",        "5",     "5.",    "5.1",      "5.1.",     "5.1.1 ",
                                      "3.1.1",   "1.1.1", "9.0.0", "5.1000.1", "5.1.1000", "5..1",
                                      "5.1.1.1", "a.b.c", "5-1-1", "5.1.x",    " 5.1.1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct enhanced e = {5, 1, 1};
        assert_int_equal(enhanced_parse(span_text(bad[i]), &e), -1);
        assert_int_equal(e.class + e.subject + e.detail, 0);
    }
}

static void test_a_code_ends_at_a_space_or_at_the_end(void **state)
{
    struct enhanced e;
    assert_int_equal(enhanced_scan(span_text("5.7.26 refused"), &e), 6);
    assert_int_equal(e.class * 10000 + e.subject * 100 + e.detail, 50726);
    assert_int_equal(enhanced_scan(span_text("4.2.0\tfull"), &e), 5);
    assert_int_equal(enhanced_scan(span_text("2.1.5"), &e), 5);
    assert_int_equal(enhanced_scan(span_text("2.1.5: ok"), &e), 0);
    assert_int_equal(enhanced_scan(span_text("5.1.1.2 is my address"), &e), 0);
    assert_int_equal(e.class, 0);
    /* Never past the end of the span. */
    assert_int_equal(enhanced_scan(span_of("5.1.1234", 5), &e), 5);
}

static void test_every_basic_code_has_a_default_of_its_class(void **state)
{
    char out[ENHANCED_SIZE];
    for (int code = 200; code < 600; code++) {
        struct enhanced e = enhanced_default(code);
        assert_int_equal(e.class, code / 100 == 3 ? 0 : code / 100);
    }
    assert_int_equal(enhanced_default(199).class, 0);
    assert_int_equal(enhanced_default(600).class, 0);
    assert_string_equal(enhanced_format(enhanced_default(250), out), "2.0.0");
    assert_string_equal(enhanced_format(enhanced_default(354), out), "");
    assert_string_equal(enhanced_format(enhanced_default(421), out), "4.3.2");
    assert_string_equal(enhanced_format(enhanced_default(556), out), "5.1.10");
    assert_string_equal(enhanced_format(enhanced_default(599), out), "5.0.0");
}

static void test_every_code_has_a_text(void **state)
{
    assert_string_equal(enhanced_text((struct enhanced){5, 1, 1}), "no such mailbox");
    assert_string_equal(enhanced_text((struct enhanced){5, 7, 30}), "REQUIRETLS support required");
    assert_string_equal(enhanced_text((struct enhanced){5, 7, 99}), "security or policy trouble");
    assert_string_equal(enhanced_text((struct enhanced){4, 4, 0}), "network or routing trouble");
    assert_string_equal(enhanced_text((struct enhanced){4, 88, 7}), "no further status");
    assert_string_equal(enhanced_text((struct enhanced){0}), "no further status");
}

static void test_a_whole_reply_has_the_last_code_of_its_class(void **state)
{
    static const struct {
        const char *reply, *code;
    } table[] = {{"", ""},
                 {"550", ""},
                 {"550 no", ""},
                 {"550 5.7.1 no", "5.7.1"},
                 {"550-5.7.1 no\n550 5.1.1 never", "5.1.1"},
                 {"550-5.7.1 no\n550 at all", "5.7.1"},
                 {"550-5.7.1 no\n550 4.2.2 odd", "5.7.1"},
                 {"550 as 5.7.1 says", ""},
                 {"550 5.7.1", "5.7.1"},
                 {"550 5.7.1 no\n", "5.7.1"}};
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        char out[ENHANCED_SIZE];
        assert_string_equal(enhanced_format(enhanced_in_reply(table[i].reply, 5), out),
                            table[i].code);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_whole_reply_has_the_last_code_of_its_class),
        cmocka_unit_test(test_a_code_is_read_and_written),
        cmocka_unit_test(test_what_is_no_code_is_not_read),
        cmocka_unit_test(test_a_code_ends_at_a_space_or_at_the_end),
        cmocka_unit_test(test_every_basic_code_has_a_default_of_its_class),
        cmocka_unit_test(test_every_code_has_a_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
