#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "ehlo.h"
#include "reply.h"

/* lines: separated by "|", the first being the one with the domain. */
static void parse(struct ehlo *e, const char *lines)
{
    struct span rest = span_text(lines);
    ehlo_clear(e);
    for (;;) {
        ssize_t bar = span_find(rest, '|');
        ehlo_line(e, span_of(rest.p, bar < 0 ? rest.n : (size_t)bar));
        if (bar < 0)
            return;
        rest = span_of(rest.p + bar + 1, rest.n - (size_t)bar - 1);
    }
}

static void test_a_real_server_s_extensions_are_read(void **state)
{
    struct ehlo e;
    parse(&e, "mx.example.org Hello [192.0.2.1]|PIPELINING|SIZE 36700160|STARTTLS|"
              "AUTH PLAIN LOGIN SCRAM-SHA-256|ENHANCEDSTATUSCODES|8BITMIME|DSN|SMTPUTF8|CHUNKING|"
              "BINARYMIME|REQUIRETLS|LIMITS MAILMAX=10 RCPTMAX=100 RCPTDOMAINMAX=1|"
              "FUTURERELEASE 5184000 2026-12-01T00:00:00Z|ETRN|VRFY|X-EXPS GSSAPI");
    assert_string_equal(e.domain, "mx.example.org");
    assert_true(e.pipelining && e.starttls && e.enhancedstatuscodes && e.eightbitmime && e.dsn);
    assert_true(e.smtputf8 && e.chunking && e.binarymime && e.requiretls);
    assert_true(e.size && e.size_max == 36700160);
    assert_true(e.auth);
    assert_int_equal(e.mechanisms, 3);
    assert_true(ehlo_has_mechanism(&e, "scram-sha-256"));
    assert_false(ehlo_has_mechanism(&e, "SCRAM-SHA-1"));
    assert_true(e.limits);
    assert_int_equal(e.mailmax, 10);
    assert_int_equal(e.rcptmax, 100);
    assert_int_equal(e.rcptdomainmax, 1);
    assert_true(e.futurerelease);
    assert_int_equal(e.futurerelease_seconds, 5184000);
    assert_string_equal(e.futurerelease_until, "2026-12-01T00:00:00Z");
}

static void test_the_first_line_announces_nothing(void **state)
{
    struct ehlo e;
    parse(&e, "STARTTLS");
    assert_false(e.starttls);
    assert_string_equal(e.domain, "STARTTLS");
    parse(&e, "|STARTTLS");
    assert_true(e.starttls);
    assert_string_equal(e.domain, "");
    parse(&e, "\x1b[2J hi|PIPELINING");
    assert_string_equal(e.domain, "");
    assert_true(e.pipelining);
}

static void test_keywords_are_read_in_any_case_and_only_whole(void **state)
{
    struct ehlo e;
    parse(&e, "x|StartTLS|pipelining |8bitmime\t| dsn|size 10|auth plain");
    assert_true(e.starttls && e.pipelining && e.eightbitmime && e.dsn && e.size);
    assert_true(ehlo_has_mechanism(&e, "PLAIN"));
    parse(&e, "x|XSTARTTLS|STARTTLSX|START TLS|STARTTLS=1|SIZE=10|-DSN||\x01");
    assert_false(e.starttls || e.size || e.dsn);
    /* Parameters that nobody defined change nothing. */
    parse(&e, "x|SMTPUTF8 a b|STARTTLS required");
    assert_true(e.smtputf8 && e.starttls);
    /* Nor does a CR too many at the end of a line. */
    parse(&e, "mx.example\r|PIPELINING\r|SIZE 10\r");
    assert_string_equal(e.domain, "mx.example");
    assert_true(e.pipelining && e.size_max == 10);
}

static void test_size_may_be_without_a_number(void **state)
{
    static const struct {
        const char *line;
        bool has;
        uint64_t max;
    } sizes[] = {
        {"x|SIZE", true, 0},
        {"x|SIZE 0", true, 0},
        {"x|SIZE 18446744073709551615", true, UINT64_MAX},
        {"x|SIZE 18446744073709551616", true, 0},
        {"x|SIZE 1000 2000", true, 1000},
        {"x|SIZE many", false, 0},
        {"x|SIZE -1", false, 0},
        {"x|SIZE 10MB", false, 0},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct ehlo e;
        parse(&e, sizes[i].line);
        assert_int_equal(e.size, sizes[i].has);
        assert_true(e.size_max == sizes[i].max);
    }
}

static void test_mechanisms_come_from_both_spellings_once_each(void **state)
{
    struct ehlo e;
    parse(&e,
          "x|AUTH plain LOGIN PL/AIN ABCDEFGHIJKLMNOPQRSTU|AUTH=LOGIN CRAM-MD5 PLAIN|auth=|AUTH");
    assert_int_equal(e.mechanisms, 3);
    assert_string_equal(e.mechanism[0], "PLAIN");
    assert_string_equal(e.mechanism[1], "LOGIN");
    assert_string_equal(e.mechanism[2], "CRAM-MD5");
    parse(&e, "x|AUTH=");
    assert_true(e.auth && e.mechanisms == 0);
}

static void test_there_is_an_end_to_mechanisms(void **state)
{
    struct buf line = {0};
    struct ehlo e;
    buf_puts(&line, "AUTH");
    for (int i = 0; i < 100; i++)
        buf_putf(&line, " M%d", i);
    ehlo_clear(&e);
    ehlo_line(&e, span_text("x"));
    ehlo_line(&e, buf_span(&line));
    assert_int_equal(e.mechanisms, EHLO_MECHANISMS);
    assert_true(ehlo_has_mechanism(&e, "M31"));
    assert_false(ehlo_has_mechanism(&e, "M32"));
    assert_int_equal(ehlo_add_mechanism(&e, span_text("NEW")), -1);
    assert_int_equal(ehlo_add_mechanism(&e, span_text("m7")), 0);
    buf_free(&line);
}

static void test_limits_are_read_as_rfc_9422_says(void **state)
{
    static const struct {
        const char *lines;
        bool has;
        unsigned mail, rcpt, domain;
    } limits[] = {
        {"x|LIMITS RCPTMAX=20", true, 0, 20, 0},
        {"x|limits rcptmax=20 MailMax=3", true, 3, 20, 0},
        {"x|LIMITS", true, 0, 0, 0},
        /* A bad number counts for nothing, but alone. */
        {"x|LIMITS RCPTMAX=0 MAILMAX=3", true, 3, 0, 0},
        {"x|LIMITS RCPTMAX=999999 MAILMAX=1000000", true, 0, 999999, 0},
        {"x|LIMITS RCPTMAX=020 MAILMAX=x RCPTDOMAINMAX=5", true, 0, 0, 5},
        {"x|LIMITS RCPTMAX MAILMAX=3", true, 3, 0, 0},
        {"x|LIMITS RCPTMAX=99999999999999999999 MAILMAX=3", true, 3, 0, 0},
        /* Names that nobody knows may be there. */
        {"x|LIMITS NEW-ONE_2=a=b FLAG RCPTMAX=7", true, 0, 7, 0},
        /* A syntax error, or a name given twice, spoils all of it. */
        {"x|LIMITS RCPTMAX=", false, 0, 0, 0},
        {"x|LIMITS RCPTMAX=7 =3", false, 0, 0, 0},
        {"x|LIMITS RCPTMAX=7 MAIL.MAX=3", false, 0, 0, 0},
        {"x|LIMITS RCPTMAX=7;MAILMAX=3", false, 0, 0, 0},
        {"x|LIMITS RCPTMAX=7 MAILMAX=\xc3\xa9", false, 0, 0, 0},
        {"x|LIMITS RCPTMAX=7 MAILMAX=\x7f", false, 0, 0, 0},
        {"x|LIMITS RCPTMAX=7 rcptmax=7", false, 0, 0, 0},
        {"x|LIMITS RCPTMAX=7 A=1 a=2", false, 0, 0, 0},
        {"x|LIMITS RCPTMAX=7|LIMITS MAILMAX=3", false, 0, 0, 0},
        {"x|LIMITS RCPTMAX=|LIMITS MAILMAX=3", false, 0, 0, 0},
    };
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        struct ehlo e;
        parse(&e, limits[i].lines);
        if (e.limits != limits[i].has || e.mailmax != limits[i].mail ||
            e.rcptmax != limits[i].rcpt || e.rcptdomainmax != limits[i].domain)
            fail_msg("%s: %d %u %u %u", limits[i].lines, e.limits, e.mailmax, e.rcptmax,
                     e.rcptdomainmax);
    }
}

static void test_there_is_an_end_to_limits(void **state)
{
    struct buf line = {0};
    struct ehlo e;
    buf_puts(&line, "LIMITS");
    for (int i = 0; i < 65; i++) {
        buf_putf(&line, " N%d", i);
        ehlo_clear(&e);
        ehlo_line(&e, span_text("x"));
        ehlo_line(&e, buf_span(&line));
        assert_int_equal(e.limits, i < 64);
    }
    buf_free(&line);
}

static void test_futurerelease_may_say_less(void **state)
{
    struct ehlo e;
    parse(&e, "x|FUTURERELEASE");
    assert_true(e.futurerelease && e.futurerelease_seconds == 0);
    parse(&e, "x|FUTURERELEASE 60");
    assert_true(e.futurerelease && e.futurerelease_seconds == 60);
    parse(&e, "x|FUTURERELEASE 99999999999 0123456789012345678901234567890123456789");
    assert_true(e.futurerelease && e.futurerelease_seconds == 0);
    assert_string_equal(e.futurerelease_until, "");
}

static void test_starttls_forgets_what_was_announced(void **state)
{
    struct ehlo e;
    parse(&e, "x|AUTH PLAIN|SIZE 1|LIMITS RCPTMAX=");
    ehlo_clear(&e);
    assert_false(e.auth || e.size || ehlo_has_mechanism(&e, "PLAIN"));
    ehlo_line(&e, span_text("x"));
    ehlo_line(&e, span_text("LIMITS RCPTMAX=5"));
    assert_int_equal(e.rcptmax, 5);
}

static struct ehlo server(void)
{
    struct ehlo e = {.pipelining = true, .size = true, .size_max = 104857600};
    e.starttls = e.enhancedstatuscodes = e.eightbitmime = e.smtputf8 = true;
    e.rcptmax = 1000;
    (void)ehlo_add_mechanism(&e, span_text("plain"));
    (void)ehlo_add_mechanism(&e, span_text("LOGIN"));
    return e;
}

static void test_a_server_announces(void **state)
{
    struct ehlo e = server(), none = {0};
    struct buf out = {0};
    ehlo_write(&out, "mx.example", &e);
    assert_string_equal(buf_text(&out), "250-mx.example\r\n"
                                        "250-STARTTLS\r\n"
                                        "250-PIPELINING\r\n"
                                        "250-8BITMIME\r\n"
                                        "250-SMTPUTF8\r\n"
                                        "250-ENHANCEDSTATUSCODES\r\n"
                                        "250-SIZE 104857600\r\n"
                                        "250-AUTH PLAIN LOGIN\r\n"
                                        "250 LIMITS RCPTMAX=1000\r\n");
    buf_clear(&out);
    ehlo_write(&out, "mx.example", &none);
    assert_string_equal(buf_text(&out), "250 mx.example\r\n");
    buf_free(&out);
}

static void test_a_server_says_of_futurerelease_what_it_knows(void **state)
{
    static const struct {
        uint32_t seconds;
        const char *until, *out;
    } cases[] = {
        {0, "", "250-x\r\n250 FUTURERELEASE\r\n"},
        {60, "", "250-x\r\n250 FUTURERELEASE 60\r\n"},
        {60, "2026-01-01T00:00:00Z", "250-x\r\n250 FUTURERELEASE 60 2026-01-01T00:00:00Z\r\n"},
        /* The date is the second parameter: without the first it would be read as that. */
        {0, "2026-01-01T00:00:00Z", "250-x\r\n250 FUTURERELEASE\r\n"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct ehlo e = {.futurerelease = true, .futurerelease_seconds = cases[i].seconds};
        struct buf out = {0};
        assert_int_equal(span_copy(span_text(cases[i].until), e.futurerelease_until,
                                   sizeof e.futurerelease_until),
                         0);
        ehlo_write(&out, "x", &e);
        assert_string_equal(buf_text(&out), cases[i].out);
        buf_free(&out);
    }
}

static void test_a_mechanism_makes_auth_announced(void **state)
{
    struct ehlo e = {0};
    assert_int_equal(ehlo_add_mechanism(&e, span_text("")), -1);
    assert_int_equal(ehlo_add_mechanism(&e, span_text("PLAIN")), 0);
    assert_true(e.auth);
}

static void read_back(struct ehlo *e, struct span in)
{
    struct reply_parser p;
    struct fail f;
    ehlo_clear(e);
    reply_open(&p);
    p.each = ehlo_each;
    p.arg = e;
    assert_int_equal(reply_feed(&p, &in, &f), REPLY_DONE);
    assert_int_equal(p.reply.code, 250);
    reply_close(&p);
}

static void test_a_client_reads_what_a_server_announces(void **state)
{
    struct ehlo e = server(), back;
    struct buf out = {0}, again = {0};
    e.starttls = false;
    e.requiretls = e.chunking = e.binarymime = e.dsn = e.futurerelease = true;
    e.mailmax = 5;
    e.rcptdomainmax = EHLO_LIMIT_MAX;
    e.futurerelease_seconds = 5184000;
    assert_int_equal(span_copy(span_text("2026-01-01T00:00:00Z"), e.futurerelease_until,
                               sizeof e.futurerelease_until),
                     0);
    for (int i = 0; i < 20; i++) {
        char name[8] = {'M', (char)('A' + i)};
        assert_int_equal(ehlo_add_mechanism(&e, span_text(name)), 0);
    }
    ehlo_write(&out, "mx.example", &e);
    read_back(&back, buf_span(&out));
    assert_string_equal(back.domain, "mx.example");
    assert_true(back.requiretls && back.chunking && back.binarymime && back.dsn);
    assert_true(back.pipelining && back.smtputf8 && back.eightbitmime && !back.starttls);
    assert_int_equal(back.mechanisms, 22);
    assert_string_equal(back.mechanism[21], "MT");
    assert_int_equal(back.size_max, 104857600);
    assert_int_equal(back.mailmax, 5);
    assert_int_equal(back.rcptmax, 1000);
    assert_int_equal(back.rcptdomainmax, EHLO_LIMIT_MAX);
    assert_int_equal(back.futurerelease_seconds, 5184000);
    assert_string_equal(back.futurerelease_until, "2026-01-01T00:00:00Z");
    ehlo_write(&again, back.domain, &back);
    assert_string_equal(buf_text(&again), buf_text(&out));
    buf_free(&again);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_real_server_s_extensions_are_read),
        cmocka_unit_test(test_the_first_line_announces_nothing),
        cmocka_unit_test(test_keywords_are_read_in_any_case_and_only_whole),
        cmocka_unit_test(test_size_may_be_without_a_number),
        cmocka_unit_test(test_mechanisms_come_from_both_spellings_once_each),
        cmocka_unit_test(test_there_is_an_end_to_mechanisms),
        cmocka_unit_test(test_limits_are_read_as_rfc_9422_says),
        cmocka_unit_test(test_there_is_an_end_to_limits),
        cmocka_unit_test(test_futurerelease_may_say_less),
        cmocka_unit_test(test_starttls_forgets_what_was_announced),
        cmocka_unit_test(test_a_server_announces),
        cmocka_unit_test(test_a_server_says_of_futurerelease_what_it_knows),
        cmocka_unit_test(test_a_mechanism_makes_auth_announced),
        cmocka_unit_test(test_a_client_reads_what_a_server_announces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
