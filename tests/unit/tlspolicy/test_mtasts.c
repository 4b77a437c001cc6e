#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "mem.h"
#include "mtasts.h"

static void test_records_of_the_text_record(void **state)
{
    static const struct {
        const char *texts[3];
        enum mtasts_record found;
        const char *id;
    } cases[] = {
        {{"v=STSv1; id=20160831085700Z;"},
         MTASTS_RECORD_GOOD,
         "20160831085700Z"}, /* RFC 8461 3.1 */
        {{"v=STSv1;id=1"}, MTASTS_RECORD_GOOD, "1"},
        {{"v=STSv1 ;\t id=a ; "}, MTASTS_RECORD_GOOD, "a"},
        {{"v=STSv1; id=12345678901234567890123456789012;"},
         MTASTS_RECORD_GOOD,
         "12345678901234567890123456789012"},
        {{"v=STSv1; future=x-y; id=2;"}, MTASTS_RECORD_GOOD, "2"},
        {{"v=spf1 -all", "v=STSv1; id=3"}, MTASTS_RECORD_GOOD, "3"},
        {{"v=STSv10; id=3"}, MTASTS_RECORD_NONE, ""},
        {{"v=STSv1x", "V=STSv1; id=1", " v=STSv1; id=1"}, MTASTS_RECORD_NONE, ""},
        {{""}, MTASTS_RECORD_NONE, ""},
        {{NULL}, MTASTS_RECORD_NONE, ""},
        {{"v=STSv1"}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1;"}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1; id="}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1; id=a-b"}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1; id=123456789012345678901234567890123"}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1; id=1; id=2"}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1; id=1; ; x=y"}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1; id=1; x"}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1; id=1; -x=y"}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1; id=1; x=a=b"}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1; id=1;", "v=STSv1; id=1;"}, MTASTS_RECORD_BROKEN, ""},
        {{"v=STSv1; id=1;", "v=STSv1"}, MTASTS_RECORD_BROKEN, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span texts[3];
        char id[MTASTS_ID_MAX + 1];
        struct fail f = {""};
        size_t n = 0;
        while (n < 3 && cases[i].texts[n] != NULL) {
            texts[n] = span_text(cases[i].texts[n]);
            n++;
        }
        enum mtasts_record found = mtasts_record_find(texts, n, id, &f);
        if (found != cases[i].found)
            fail_msg("case %zu: %d, %s", i, found, f.text);
        assert_string_equal(id, cases[i].id);
        assert_int_equal(f.text[0] != '\0', found == MTASTS_RECORD_BROKEN);
    }
}

static void test_a_nul_in_a_record_is_malformed(void **state)
{
    struct span text = span_of("v=STSv1; id=1; x\0=y", 19);
    char id[MTASTS_ID_MAX + 1];
    assert_int_equal(mtasts_record_find(&text, 1, id, NULL), MTASTS_RECORD_BROKEN);
}

static void test_a_policy_is_read(void **state)
{
    static const struct {
        const char *text;
        enum mtasts_mode mode;
        uint32_t max_age_s;
        const char *mx;
    } cases[] = {
        /* RFC 8461 section 3.2 */
        {"version: STSv1\nmode: enforce\nmx: mail.example.com\nmx: *.example.net\n"
         "mx: backupmx.example.com\nmax_age: 604800\n",
         MTASTS_ENFORCE, 604800, "mail.example.com *.example.net backupmx.example.com "},
        {"version:STSv1\r\nmode:  testing \r\nmax_age:\t1\r\nmx:MX.Example.\r\n\r\n",
         MTASTS_TESTING, 1, "mx.example "},
        {"max_age: 0\nmode: none\nversion: STSv1", MTASTS_NONE, 0, ""},
        {"version: STSv1\nmode: none\nmode: enforce\nmax_age: 1\nmax_age: x\nversion: STSv2\n",
         MTASTS_NONE, 1, ""},
        {"version: STSv1\nmode: none\nmax_age: 9999999999\nnew_key: a:b\nmode2: x\n", MTASTS_NONE,
         MTASTS_AGE_MAX, ""},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fail f = {""};
        struct buf mx = {0};
        struct mtasts_policy *p = mtasts_policy_parse(span_text(cases[i].text), &f);
        if (p == NULL)
            fail_msg("case %zu: %s", i, f.text);
        for (size_t k = 0; k < p->mx_n; k++)
            buf_putf(&mx, "%s ", p->mx[k]);
        assert_int_equal(p->mode, cases[i].mode);
        assert_int_equal(p->max_age_s, cases[i].max_age_s);
        assert_string_equal(buf_text(&mx), cases[i].mx);
        buf_free(&mx);
        mtasts_policy_free(&p);
        assert_null(p);
    }
}

static void test_what_is_no_policy_is_refused_with_a_reason(void **state)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        {"", "no version"},
        {"<html>\n", "a line without a colon"},
        {"version: STSv2\nmode: none\nmax_age: 1\n", "the version is not STSv1"},
        {"version: stsv1\nmode: none\nmax_age: 1\n", "the version is not STSv1"},
        {"mode: none\nmax_age: 1\n", "no version"},
        {"version: STSv1\nmax_age: 1\n", "no mode"},
        {"version: STSv1\nmode: report\nmax_age: 1\n", "the mode is not"},
        {"version: STSv1\nmode: none\n", "no max_age"},
        {"version: STSv1\nmode: none\nmax_age: 12345678901\n", "max_age is not"},
        {"version: STSv1\nmode: none\nmax_age: -1\n", "max_age is not"},
        {"version: STSv1\nmode: none\nmax_age: \n", "max_age is not"},
        {"version: STSv1\nmode: testing\nmax_age: 1\n", "no mx"},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: \n", "an mx that is no domain"},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: *\n", "an mx that is no domain"},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: *.\n", "an mx that is no domain"},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: a.*.b\n", "an mx that is no domain"},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: a..b\n", "an mx that is no domain"},
        {"version: STSv1\nmode: enforce\nmax_age: 1\nmx: m\xc3\xbc.example\n",
         "an mx that is no domain"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fail f = {""};
        struct mtasts_policy *p = mtasts_policy_parse(span_text(cases[i].text), &f);
        assert_null(p);
        if (strstr(f.text, cases[i].why) == NULL)
            fail_msg("case %zu: said \"%s\"", i, f.text);
    }
}

static struct buf with_patterns(unsigned n)
{
    struct buf text = {0};
    buf_puts(&text, "version: STSv1\nmode: enforce\nmax_age: 1\n");
    for (unsigned i = 0; i < n; i++)
        buf_putf(&text, "mx: mx%u.example\n", i);
    return text;
}

static void test_limits_hold(void **state)
{
    struct fail f;
    struct buf text = with_patterns(MTASTS_MX_MAX);
    struct mtasts_policy *p = mtasts_policy_parse(buf_span(&text), &f);
    assert_int_equal(p->mx_n, MTASTS_MX_MAX);
    mtasts_policy_free(&p);
    buf_free(&text);
    text = with_patterns(MTASTS_MX_MAX + 1);
    assert_null(mtasts_policy_parse(buf_span(&text), &f));
    buf_free(&text);
    text = with_patterns(1);
    while (text.n < MTASTS_POLICY_MAX)
        buf_putc(&text, '\n');
    p = mtasts_policy_parse(buf_span(&text), &f);
    assert_non_null(p);
    mtasts_policy_free(&p);
    buf_putc(&text, '\n');
    assert_null(mtasts_policy_parse(buf_span(&text), &f));
    buf_free(&text);
}

static void test_a_wildcard_is_one_label(void **state)
{
    static const struct {
        const char *host;
        bool has;
    } cases[] = {
        {"mail.example.com", true},    {"MAIL.Example.com.", true},
        {"a.mail.example.com", false}, {"x.example.net", true},
        {"example.net", false},        {"a.b.example.net", false},
        {".example.net", false},       {"", false},
        {"xexample.net", false},
    };
    struct mtasts_policy *p = mtasts_policy_parse(
        span_text("version: STSv1\nmode: enforce\nmax_age: 1\nmx: mail.example.com\nmx: "
                  "*.example.net\n"),
        NULL);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_int_equal(mtasts_policy_has(p, cases[i].host), cases[i].has);
    mtasts_policy_free(&p);
}

static void test_octets_give_the_same_policy_back(void **state)
{
    struct mtasts_policy *p = mtasts_policy_parse(
        span_text("version: STSv1\nmode: testing\nmax_age: 7\nmx: a.example\nmx: *.b.example\n"),
        NULL);
    struct buf octets = {0};
    mtasts_policy_put(&octets, p);
    for (size_t n = 0; n <= octets.n; n++) {
        struct wire w = wire_open(span_of(buf_span(&octets).p, n));
        struct mtasts_policy *back = mtasts_policy_get(&w);
        assert_int_equal(wire_end(&w), n == octets.n ? 0 : -1);
        assert_int_equal(mtasts_policy_equal(p, back), n == octets.n);
        mtasts_policy_free(&back);
    }
    struct mtasts_policy *copy = mtasts_policy_copy(p);
    assert_true(mtasts_policy_equal(p, copy));
    copy->max_age_s++;
    assert_false(mtasts_policy_equal(p, copy));
    assert_false(mtasts_policy_equal(p, NULL));
    assert_true(mtasts_policy_equal(NULL, NULL));
    mtasts_policy_free(&copy);
    mtasts_policy_free(&p);
    buf_free(&octets);
}

static void test_octets_of_no_policy_are_refused(void **state)
{
    static const char *const cases[] = {
        "\x03\0\0\0\x01\0\0\0\0",              /* a fourth mode */
        "\0\x01\xe1\x87\xe1\0\0\0\0",          /* more than a year */
        "\x02\0\0\0\x01\0\0\0\0",              /* enforce without a host */
        "\x02\0\0\0\x01\0\0\0\x01\0\0\0\x01*", /* a pattern that is none */
        "\x02\0\0\0\x01\0\0\0\x01\0\0\0\x01"
        "A", /* upper case */
    };
    static const size_t sizes[] = {9, 9, 9, 14, 14};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct wire w = wire_open(span_of(cases[i], sizes[i]));
        struct mtasts_policy *p = mtasts_policy_get(&w);
        assert_int_equal(wire_end(&w), -1);
        mtasts_policy_free(&p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records_of_the_text_record),
        cmocka_unit_test(test_a_nul_in_a_record_is_malformed),
        cmocka_unit_test(test_a_policy_is_read),
        cmocka_unit_test(test_what_is_no_policy_is_refused_with_a_reason),
        cmocka_unit_test(test_limits_hold),
        cmocka_unit_test(test_a_wildcard_is_one_label),
        cmocka_unit_test(test_octets_give_the_same_policy_back),
        cmocka_unit_test(test_octets_of_no_policy_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
