#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "path.h"

/* How a path was written, as one letter each. */
enum { NULL_PATH = 1, POSTMASTER = 2, SPACED = 4, BARE = 8, ROUTED = 16, EIGHT_BIT = 32 };

static int marks(const struct path *p)
{
    return (p->null ? NULL_PATH : 0) | (p->postmaster ? POSTMASTER : 0) | (p->spaced ? SPACED : 0) |
           (p->bare ? BARE : 0) | (p->routed ? ROUTED : 0) | (p->eight_bit ? EIGHT_BIT : 0);
}

static const struct {
    enum path_kind kind;
    const char *argument, *mailbox;
    int marks;
    size_t params;
} good[] = {
    {PATH_MAIL, "FROM:<a@b.example>", "a@b.example", 0, 0},
    {PATH_MAIL, "from:<a@b.example>", "a@b.example", 0, 0},
    {PATH_MAIL, "FROM:<>", "", NULL_PATH, 0},
    {PATH_MAIL, "FROM:<> SIZE=10", "", NULL_PATH, 1},
    {PATH_MAIL, "FROM: <a@b>", "a@b", SPACED, 0},
    {PATH_MAIL, "FROM: \t <a@b>  SIZE=1  BODY=7BIT ", "a@b", SPACED, 2},
    {PATH_MAIL, "FROM:a@b", "a@b", BARE, 0},
    {PATH_MAIL, "FROM: a@b SIZE=1", "a@b", SPACED | BARE, 1},
    {PATH_RCPT, "TO:<a@b.example>", "a@b.example", 0, 0},
    {PATH_RCPT, "TO:<postmaster>", "postmaster", POSTMASTER, 0},
    {PATH_RCPT, "TO:<PostMaster> NOTIFY=NEVER", "PostMaster", POSTMASTER, 1},
    {PATH_RCPT, "TO:<postmaster@b>", "postmaster@b", 0, 0},
    {PATH_RCPT, "TO:<user>", "user", 0, 0},
    /* Quoted localparts (RFC 5321 section 4.1.2). */
    {PATH_RCPT, "TO:<\"a b\"@c>", "\"a b\"@c", 0, 0},
    {PATH_RCPT, "TO:<\"a>b<\"@c> X=1", "\"a>b<\"@c", 0, 1},
    {PATH_RCPT, "TO:<\"a\\\"> b\"@c>", "\"a\\\"> b\"@c", 0, 0},
    {PATH_RCPT, "TO:<\"\\\\\"@c>", "\"\\\\\"@c", 0, 0},
    {PATH_RCPT, "TO:<\"@x:y\"@c>", "\"@x:y\"@c", 0, 0},
    {PATH_RCPT, "TO:\"a b\"@c X=1", "\"a b\"@c", BARE, 1},
    /* Address literals. */
    {PATH_RCPT, "TO:<a@[192.0.2.1]>", "a@[192.0.2.1]", 0, 0},
    {PATH_RCPT, "TO:<a@[IPv6:2001:db8::1]>", "a@[IPv6:2001:db8::1]", 0, 0},
    /* Source routes (RFC 5321 appendix C). */
    {PATH_RCPT, "TO:<@a.example:c@d>", "c@d", ROUTED, 0},
    {PATH_RCPT, "TO:<@a,@b:c@d> X", "c@d", ROUTED, 1},
    {PATH_RCPT, "TO:<@[IPv6:::1],@b:\"@e:f\"@d>", "\"@e:f\"@d", ROUTED, 0},
    {PATH_RCPT, "TO:<@a:postmaster>", "postmaster", ROUTED | POSTMASTER, 0},
    {PATH_MAIL, "FROM:<J\xc3\xbcri@b> SMTPUTF8", "J\xc3\xbcri@b", EIGHT_BIT, 1},
};

static void test_a_path_is_cut_out_whole(void **state)
{
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct path p;
        struct path_refusal why;
        if (path_parse(good[i].kind, span_text(good[i].argument), &p, &why) != 0)
            fail_msg("%s: %s", good[i].argument, why.text);
        if (!span_is(p.mailbox, good[i].mailbox) || marks(&p) != good[i].marks ||
            p.count != good[i].params)
            fail_msg("%s: mailbox %.*s, marks %d, parameters %zu", good[i].argument,
                     (int)p.mailbox.n, (const char *)p.mailbox.p, marks(&p), p.count);
    }
}

static const struct {
    enum path_kind kind;
    const char *argument, *enhanced;
} bad[] = {
    {PATH_MAIL, "", "5.5.4"},
    {PATH_MAIL, "<a@b>", "5.5.4"},
    {PATH_MAIL, "TO:<a@b>", "5.5.4"},
    {PATH_RCPT, "FROM:<a@b>", "5.5.4"},
    {PATH_MAIL, "FROM <a@b>", "5.5.4"},
    {PATH_MAIL, "FROM", "5.5.4"},
    {PATH_MAIL, "FROM:", "5.5.4"},
    {PATH_MAIL, "FROM:  ", "5.5.4"},
    {PATH_MAIL, "FROM:<a@b>SIZE=1", "5.5.4"},
    {PATH_MAIL, "FROM:<a@b>>", "5.5.4"},
    {PATH_MAIL, "FROM:<a@b>\tSIZE=1", "5.5.4"},
    {PATH_MAIL, "FROM:<a@b", "5.1.7"},
    {PATH_MAIL, "FROM:a@b>", "5.1.7"},
    {PATH_MAIL, "FROM:<<a@b>>", "5.1.7"},
    {PATH_MAIL, "FROM:<a b@c>", "5.1.7"},
    {PATH_MAIL, "FROM:< >", "5.1.7"},
    {PATH_MAIL, "FROM:<\"a@b>", "5.1.7"},
    {PATH_MAIL, "FROM:<\"a\\\"@b>", "5.1.7"},
    {PATH_MAIL, "FROM:<\"a\\", "5.1.7"},
    {PATH_MAIL, "FROM:<a\tb@c>", "5.1.7"},
    {PATH_MAIL, "FROM:<\"a\tb\"@c>", "5.1.7"},
    {PATH_MAIL, "FROM:<\"a\\\tb\"@c>", "5.1.7"},
    {PATH_MAIL, "FROM:<a\x7f@c>", "5.1.7"},
    {PATH_RCPT, "TO:<>", "5.1.3"},
    {PATH_RCPT, "TO:<@a,@b>", "5.1.3"},
    {PATH_RCPT, "TO:<@a:>", "5.1.3"},
    {PATH_RCPT, "TO:<@>", "5.1.3"},
    {PATH_RCPT, "TO:<@:c@d>", "5.1.3"},
    {PATH_RCPT, "TO:<@a,b:c@d>", "5.1.3"},
    {PATH_RCPT, "TO:<@a,:c@d>", "5.1.3"},
    {PATH_RCPT, "TO:<@a:@b:c@d>", "5.1.3"},
    {PATH_RCPT, "TO:<@a@b:c@d>", "5.1.3"},
    {PATH_RCPT, "TO:<@[a:c@d>", "5.1.3"},
    /* Parameters. */
    {PATH_MAIL, "FROM:<> =1", "5.5.4"},
    {PATH_MAIL, "FROM:<> SIZE=", "5.5.4"},
    {PATH_MAIL, "FROM:<> -SIZE=1", "5.5.4"},
    {PATH_MAIL, "FROM:<> SI_ZE=1", "5.5.4"},
    {PATH_MAIL, "FROM:<> SIZE=1\t", "5.5.4"},
    {PATH_MAIL, "FROM:<> X=\x7f", "5.5.4"},
    {PATH_MAIL, "FROM:<> \xc3\xa9=1", "5.5.4"},
    {PATH_MAIL, "FROM:<> SIZE=1 BODY=7BIT size=1", "5.5.4"},
    {PATH_MAIL, "FROM:<> X X", "5.5.4"},
};

static void test_what_is_malformed_is_refused_with_its_code(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct path p;
        struct path_refusal why = {0};
        if (path_parse(bad[i].kind, span_text(bad[i].argument), &p, &why) != -1)
            fail_msg("%s was taken", bad[i].argument);
        assert_int_equal(why.code, 501);
        if (strcmp(why.enhanced, bad[i].enhanced) != 0)
            fail_msg("%s: %s %s", bad[i].argument, why.enhanced, why.text);
        assert_true(strlen(why.text) > 5);
    }
}

static void test_a_nul_is_refused_wherever_it_stands(void **state)
{
    static const char argument[] = "FROM:<\"a\\b\"@c> SIZE=1";
    for (size_t i = 0; i < sizeof argument - 1; i++) {
        char copy[sizeof argument];
        struct path p;
        struct path_refusal why;
        memcpy(copy, argument, sizeof argument);
        copy[i] = '\0';
        assert_int_equal(path_parse(PATH_MAIL, span_of(copy, sizeof argument - 1), &p, &why), -1);
    }
}

static void test_parameters_are_a_keyword_and_perhaps_a_value(void **state)
{
    struct path p;
    struct path_refusal why;
    assert_int_equal(
        path_parse(PATH_MAIL, span_text("FROM:<> SMTPUTF8 A-1=b=c X=\xc3\xa9<>"), &p, &why), 0);
    assert_int_equal(p.count, 3);
    assert_true(span_is(p.params[0].keyword, "SMTPUTF8") && !p.params[0].has_value);
    assert_true(span_is(p.params[1].keyword, "A-1") && span_is(p.params[1].value, "b=c"));
    assert_true(span_is(p.params[2].value, "\xc3\xa9<>") && p.params[2].has_value);
}

static void test_there_is_an_end_to_parameters(void **state)
{
    struct buf b = {0};
    struct path p;
    struct path_refusal why;
    buf_puts(&b, "FROM:<>");
    for (int i = 0; i < PATH_PARAMS; i++)
        buf_putf(&b, " P%d", i);
    assert_int_equal(path_parse(PATH_MAIL, buf_span(&b), &p, &why), 0);
    assert_int_equal(p.count, PATH_PARAMS);
    buf_puts(&b, " ONEMORE");
    assert_int_equal(path_parse(PATH_MAIL, buf_span(&b), &p, &why), -1);
    assert_string_equal(why.text, "more than 32 parameters");
    buf_free(&b);
}

static void test_there_is_an_end_to_mailboxes(void **state)
{
    for (size_t n = PATH_MAILBOX_MAX - 1; n <= PATH_MAILBOX_MAX + 1; n++) {
        struct buf b = {0};
        struct path p;
        struct path_refusal why;
        /* The source route does not count. */
        buf_puts(&b, "TO:<@route.example:");
        for (size_t i = 0; i < n; i++)
            buf_putc(&b, 'a');
        buf_putc(&b, '>');
        assert_int_equal(path_parse(PATH_RCPT, buf_span(&b), &p, &why),
                         n <= PATH_MAILBOX_MAX ? 0 : -1);
        buf_free(&b);
    }
}

static void test_a_long_keyword_does_not_fill_the_sentence(void **state)
{
    struct buf b = {0};
    struct path p;
    struct path_refusal why;
    buf_puts(&b, "FROM:<>");
    for (int k = 0; k < 2; k++) {
        buf_putc(&b, ' ');
        for (int i = 0; i < 1000; i++)
            buf_putc(&b, 'K');
    }
    assert_int_equal(path_parse(PATH_MAIL, buf_span(&b), &p, &why), -1);
    assert_int_equal(strlen(why.text), strlen("parameter  given twice") + 40);
    buf_free(&b);
}

static void test_addresses_beyond_ascii_need_smtputf8(void **state)
{
    struct path p;
    struct path_refusal why;
    assert_int_equal(path_parse(PATH_RCPT, span_text("TO:<J\xc3\xbcri@b>"), &p, &why), 0);
    assert_int_equal(path_check_eight_bit(PATH_RCPT, &p, true, &why), 0);
    assert_int_equal(path_check_eight_bit(PATH_RCPT, &p, false, &why), -1);
    assert_int_equal(why.code, 553);
    assert_string_equal(why.enhanced, "5.6.7");
    assert_int_equal(path_parse(PATH_RCPT, span_text("TO:<J\xfcri@b>"), &p, &why), 0);
    assert_int_equal(path_check_eight_bit(PATH_RCPT, &p, true, &why), -1);
    assert_int_equal(why.code, 501);
    assert_string_equal(why.enhanced, "5.1.3");
    assert_int_equal(path_parse(PATH_RCPT, span_text("TO:<a@b>"), &p, &why), 0);
    assert_int_equal(path_check_eight_bit(PATH_RCPT, &p, false, &why), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_path_is_cut_out_whole),
        cmocka_unit_test(test_what_is_malformed_is_refused_with_its_code),
        cmocka_unit_test(test_a_nul_is_refused_wherever_it_stands),
        cmocka_unit_test(test_parameters_are_a_keyword_and_perhaps_a_value),
        cmocka_unit_test(test_there_is_an_end_to_parameters),
        cmocka_unit_test(test_there_is_an_end_to_mailboxes),
        cmocka_unit_test(test_a_long_keyword_does_not_fill_the_sentence),
        cmocka_unit_test(test_addresses_beyond_ascii_need_smtputf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
