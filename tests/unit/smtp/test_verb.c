#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "verb.h"

static const struct {
    const char *line;
    enum verb verb;
    const char *argument;
} lines[] = {
    {"EHLO client.example", VERB_EHLO, "client.example"},
    {"ehlo client.example  ", VERB_EHLO, "client.example"},
    {"HELO x", VERB_HELO, "x"},
    {"LHLO x", VERB_LHLO, "x"},
    {"MAIL FROM:<a b@c> SIZE=1", VERB_MAIL, "FROM:<a b@c> SIZE=1"},
    {"MAIL  FROM:<>", VERB_MAIL, "FROM:<>"},
    {"rCpT TO:<a@b>", VERB_RCPT, "TO:<a@b>"},
    {"DATA", VERB_DATA, ""},
    {"DATA \t ", VERB_DATA, ""},
    {"BDAT 10 LAST", VERB_BDAT, "10 LAST"},
    {"RSET", VERB_RSET, ""},
    {"NOOP hello there", VERB_NOOP, "hello there"},
    {"QUIT", VERB_QUIT, ""},
    {"VRFY someone", VERB_VRFY, "someone"},
    {"EXPN list", VERB_EXPN, "list"},
    {"HELP", VERB_HELP, ""},
    {"STARTTLS", VERB_STARTTLS, ""},
    {"AUTH PLAIN", VERB_AUTH, "PLAIN"},
    {"", VERB_UNKNOWN, ""},
    {" DATA", VERB_UNKNOWN, "DATA"},
    {"DATAX", VERB_UNKNOWN, ""},
    {"DAT", VERB_UNKNOWN, ""},
    {"GET / HTTP/1.1", VERB_UNKNOWN, "/ HTTP/1.1"},
    {"MAILFROM:<a@b>", VERB_UNKNOWN, ""},
};

static void test_a_line_is_a_verb_and_an_argument(void **state)
{
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++) {
        struct verb_line got;
        verb_parse(span_text(lines[i].line), &got);
        assert_int_equal(got.verb, lines[i].verb);
        assert_true(span_is(got.argument, lines[i].argument));
        assert_false(got.control || got.eight_bit);
    }
}

static void test_every_verb_is_found_by_its_name(void **state)
{
    for (int v = VERB_UNKNOWN; v <= VERB_AUTH; v++) {
        struct verb_line got;
        verb_parse(span_text(verb_rule((enum verb)v)->name), &got);
        assert_int_equal(got.verb, v);
    }
}

static void test_octets_out_of_place_are_reported(void **state)
{
    static const struct {
        struct span line;
        bool control, eight_bit;
    } cases[] = {
        {{(const unsigned char *)"NOOP a\0b", 8}, true, false},
        {{(const unsigned char *)"NOOP\tb", 6}, true, false},
        {{(const unsigned char *)"NOOP \x1b[2J", 9}, true, false},
        {{(const unsigned char *)"NOOP \x7f", 6}, true, false},
        {{(const unsigned char *)"NOOP \xc3\xa9", 7}, false, true},
        {{(const unsigned char *)"\xff\x01", 2}, true, true},
        {{(const unsigned char *)"NOOP \x80", 6}, false, true},
        {{(const unsigned char *)"NOOP b\t", 7}, false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct verb_line got;
        verb_parse(cases[i].line, &got);
        assert_int_equal(got.control, cases[i].control);
        assert_int_equal(got.eight_bit, cases[i].eight_bit);
    }
}

static void test_arguments_are_there_when_the_verb_wants_them(void **state)
{
    static const struct {
        const char *line;
        bool fits;
    } cases[] = {
        {"EHLO", false}, {"EHLO x", true},      {"DATA", true},    {"DATA x", false},
        {"NOOP", true},  {"NOOP x", true},      {"RSET x", false}, {"QUIT now", false},
        {"AUTH", false}, {"STARTTLS x", false}, {"HELP", true},    {"BOGUS", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct verb_line got;
        verb_parse(span_text(cases[i].line), &got);
        assert_int_equal(verb_argument_fits(&got), cases[i].fits);
    }
}

static void test_a_client_waits_behind_some_verbs(void **state)
{
    /* RFC 2920 section 3.1; LHLO, STARTTLS and AUTH by their own documents. */
    static const enum verb waits[] = {VERB_EHLO, VERB_HELO, VERB_LHLO, VERB_DATA,     VERB_VRFY,
                                      VERB_EXPN, VERB_QUIT, VERB_NOOP, VERB_STARTTLS, VERB_AUTH};
    for (int v = VERB_UNKNOWN; v <= VERB_AUTH; v++) {
        bool listed = false;
        for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++)
            listed = listed || (int)waits[i] == v;
        assert_int_equal(verb_rule((enum verb)v)->ends_group, listed);
    }
}

static void test_bdat_takes_a_size_and_last(void **state)
{
    uint64_t n = 0;
    bool last = false;
    assert_int_equal(verb_bdat(span_text("86"), &n, &last), 0);
    assert_int_equal(n, 86);
    assert_false(last);
    assert_int_equal(verb_bdat(span_text("0 last"), &n, &last), 0);
    assert_int_equal(n, 0);
    assert_true(last);
    assert_int_equal(verb_bdat(span_text("9223372036854775807"), &n, &last), 0);
    static const char *const bad[] = {"",        "LAST",     "-1", "1x",    "9223372036854775808",
                                      "1 LASTS", "1 LAST x", "+1", "1,LAST"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(verb_bdat(span_text(bad[i]), &n, &last), -1);
}

static void test_auth_takes_a_mechanism_and_an_initial_response(void **state)
{
    struct span mechanism, initial;
    bool has;
    assert_int_equal(verb_auth(span_text("PLAIN"), &mechanism, &initial, &has), 0);
    assert_true(span_is(mechanism, "PLAIN") && !has);
    assert_int_equal(verb_auth(span_text("SCRAM-SHA-256 bix1"), &mechanism, &initial, &has), 0);
    assert_true(span_is(mechanism, "SCRAM-SHA-256") && span_is(initial, "bix1") && has);
    /* RFC 4954 section 4: "=" is an initial response of no octets. */
    assert_int_equal(verb_auth(span_text("EXTERNAL ="), &mechanism, &initial, &has), 0);
    assert_true(has && initial.n == 0);
    assert_int_equal(verb_auth(span_text("ABCDEFGHIJKLMNOPQRST"), &mechanism, &initial, &has), 0);
    static const char *const bad[] = {"", "PLAIN a b", "PL/AIN", "ABCDEFGHIJKLMNOPQRSTU"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_int_equal(verb_auth(span_text(bad[i]), &mechanism, &initial, &has), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_line_is_a_verb_and_an_argument),
        cmocka_unit_test(test_every_verb_is_found_by_its_name),
        cmocka_unit_test(test_octets_out_of_place_are_reported),
        cmocka_unit_test(test_arguments_are_there_when_the_verb_wants_them),
        cmocka_unit_test(test_a_client_waits_behind_some_verbs),
        cmocka_unit_test(test_bdat_takes_a_size_and_last),
        cmocka_unit_test(test_auth_takes_a_mechanism_and_an_initial_response),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
