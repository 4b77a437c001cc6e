#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "esmtp.h"

static struct ehlo everything(void)
{
    struct ehlo e = {.size = true, .size_max = 1000, .auth = true, .futurerelease = true};
    e.eightbitmime = e.smtputf8 = e.chunking = e.binarymime = e.dsn = e.requiretls = true;
    return e;
}

/* Parses "SIZE=1 ..." as the parameters of MAIL. */
static int parse_mail(const char *params, const struct ehlo *offered, struct esmtp_mail *out,
                      struct path_refusal *why)
{
    struct buf b = {0};
    struct path path;
    buf_putf(&b, "FROM:<a@b> %s", params);
    int rc = path_parse(PATH_MAIL, buf_span(&b), &path, why);
    if (rc == 0)
        rc = esmtp_mail(&path, offered, out, why);
    buf_free(&b);
    return rc;
}

static int parse_rcpt(const char *params, const struct ehlo *offered, struct esmtp_rcpt *out,
                      struct path_refusal *why)
{
    struct buf b = {0};
    struct path path;
    buf_putf(&b, "TO:<a@b> %s", params);
    int rc = path_parse(PATH_RCPT, buf_span(&b), &path, why);
    if (rc == 0)
        rc = esmtp_rcpt(&path, offered, out, why);
    buf_free(&b);
    return rc;
}

static void test_the_parameters_of_mail_are_read(void **state)
{
    struct ehlo offered = everything();
    struct esmtp_mail m;
    struct path_refusal why;
    assert_int_equal(parse_mail("SIZE=1000 body=8bitmime SMTPUTF8 REQUIRETLS RET=hdrs "
                                "ENVID=QQ314159+2B1 AUTH=e+3Dmc2@example.com HOLDFOR=86400",
                                &offered, &m, &why),
                     0);
    assert_true(m.has_size && m.size == 1000);
    assert_int_equal(m.body, ESMTP_BODY_8BITMIME);
    assert_true(m.smtputf8 && m.requiretls);
    assert_int_equal(m.ret, ESMTP_RET_HDRS);
    assert_true(m.has_envid && m.has_auth);
    assert_string_equal(m.envid, "QQ314159+1");
    assert_string_equal(m.auth, "e=mc2@example.com");
    assert_true(m.has_hold_for && m.hold_for_s == 86400 && !m.has_hold_until);

    assert_int_equal(parse_mail("AUTH=<> BODY=BINARYMIME RET=FULL HOLDUNTIL=2026-11-27T15:30:00Z",
                                &offered, &m, &why),
                     0);
    assert_true(m.has_auth && m.auth[0] == '\0' && !m.has_size && !m.smtputf8 && !m.has_envid);
    assert_int_equal(m.body, ESMTP_BODY_BINARYMIME);
    assert_int_equal(m.ret, ESMTP_RET_FULL);
    assert_true(m.has_hold_until && m.hold_until_s == 1795793400);

    assert_int_equal(parse_mail("HOLDFOR=999999999 ENVID=a+20b", &offered, &m, &why), 0);
    assert_int_equal(m.hold_for_s, 999999999);
    assert_string_equal(m.envid, "a b");

    assert_int_equal(parse_mail("", &offered, &m, &why), 0);
    assert_true(!m.has_size && m.body == ESMTP_BODY_NONE && m.ret == ESMTP_RET_NONE);
}

static void test_the_parameters_of_rcpt_are_read(void **state)
{
    static const struct {
        const char *params;
        unsigned notify;
        const char *type, *address;
    } cases[] = {
        {"", 0, "", ""},
        {"NOTIFY=NEVER", ESMTP_NOTIFY_NEVER, "", ""},
        {"notify=success,Failure,DELAY",
         ESMTP_NOTIFY_SUCCESS | ESMTP_NOTIFY_FAILURE | ESMTP_NOTIFY_DELAY, "", ""},
        {"NOTIFY=DELAY,DELAY", ESMTP_NOTIFY_DELAY, "", ""},
        {"ORCPT=rfc822;Carol@Ivory.EDU", 0, "rfc822", "Carol@Ivory.EDU"},
        {"ORCPT=RFC822;George+40Tax+2DME.GOV", 0, "rfc822", "George@Tax-ME.GOV"},
        {"NOTIFY=FAILURE ORCPT=utf-8;J\\x{FC}ri@b", ESMTP_NOTIFY_FAILURE, "utf-8", "J\xc3\xbcri@b"},
        {"ORCPT=UTF-8;J\xc3\xbcri@b", 0, "utf-8", "J\xc3\xbcri@b"},
        {"ORCPT=x-other;a;b", 0, "x-other", "a;b"},
        {"ORCPT=x;a", 0, "x", "a"},
    };
    struct ehlo offered = everything();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct esmtp_rcpt r;
        struct path_refusal why;
        if (parse_rcpt(cases[i].params, &offered, &r, &why) != 0)
            fail_msg("%s: %s", cases[i].params, why.text);
        assert_int_equal(r.notify, cases[i].notify);
        assert_int_equal(r.has_orcpt, cases[i].type[0] != '\0');
        assert_string_equal(r.orcpt_type, cases[i].type);
        assert_string_equal(r.orcpt, cases[i].address);
    }
}

static const struct {
    bool rcpt;
    const char *params;
    int code;
    const char *enhanced, *text;
} refused[] = {
    {false, "SIZE=1001", 552, "5.3.4", "message bigger than 1000 octets"},
    {false, "SIZE=99999999999999999999", 552, "5.3.4", NULL},
    {false, "SIZE=100000000000000000000", 501, "5.5.4", "bad value of parameter SIZE"},
    {false, "SIZE=-1", 501, "5.5.4", NULL},
    {false, "SIZE=1k", 501, "5.5.4", NULL},
    {false, "SIZE", 501, "5.5.4", "parameter SIZE takes a value"},
    {false, "BODY=9BIT", 501, "5.5.4", NULL},
    {false, "BODY", 501, "5.5.4", NULL},
    {false, "SMTPUTF8=1", 501, "5.5.4", "parameter SMTPUTF8 takes no value"},
    {false, "REQUIRETLS=yes", 501, "5.5.4", NULL},
    {false, "RET=ALL", 501, "5.5.4", NULL},
    {false, "ENVID=a=b", 501, "5.5.4", NULL},
    {false, "ENVID=a+0D+0Ab", 501, "5.5.4", NULL},
    {false, "ENVID=+C3+A9", 501, "5.5.4", NULL},
    {false, "ENVID=+00", 501, "5.5.4", NULL},
    {false, "AUTH=a+0Ab", 501, "5.5.4", NULL},
    {false, "AUTH=+FF", 501, "5.5.4", NULL},
    {false, "AUTH=<a@b> AUTH=<>", 501, "5.5.4", "parameter AUTH given twice"},
    {false, "HOLDFOR=0", 501, "5.5.4", NULL},
    {false, "HOLDFOR=1000000000", 501, "5.5.4", NULL},
    {false, "HOLDFOR=1h", 501, "5.5.4", NULL},
    {false, "HOLDUNTIL=tomorrow", 501, "5.5.4", NULL},
    {false, "HOLDFOR=1 HOLDUNTIL=2026-11-27T15:30:00Z", 501, "5.5.4",
     "HOLDFOR and HOLDUNTIL exclude each other"},
    {false, "MT-PRIORITY=3", 555, "5.5.4", "parameter MT-PRIORITY not supported"},
    {false, "NOTIFY=NEVER", 555, "5.5.4", NULL},
    {true, "SIZE=1", 555, "5.5.4", NULL},
    {true, "NOTIFY=NEVER,DELAY", 501, "5.5.4", NULL},
    {true, "NOTIFY=SOMETIMES", 501, "5.5.4", NULL},
    {true, "NOTIFY=DELAY,", 501, "5.5.4", NULL},
    {true, "NOTIFY=,DELAY", 501, "5.5.4", NULL},
    {true, "NOTIFY=,", 501, "5.5.4", NULL},
    {true, "ORCPT=a@b", 501, "5.5.4", NULL},
    {true, "ORCPT=;a@b", 501, "5.5.4", NULL},
    {true, "ORCPT=rfc822;", 501, "5.5.4", NULL},
    {true, "ORCPT=rfc 822;a", 501, "5.5.4", NULL},
    {true, "ORCPT=rfc_822;a", 501, "5.5.4", NULL},
    {true, "ORCPT=rfc822;a+0D+0AX: y", 501, "5.5.4", NULL},
    {true, "ORCPT=rfc822;a+0D+0AX", 501, "5.5.4", NULL},
    {true, "ORCPT=rfc822;\xc3\xa9", 501, "5.5.4", NULL},
    {true, "ORCPT=utf-8;\\x{0A}", 501, "5.5.4", NULL},
    {true, "ORCPT=utf-8;\\x{D800}", 501, "5.5.4", NULL},
    {true, "ORCPT=a-type-of-address-longer-than-forty-chars;a", 501, "5.5.4", NULL},
};

static void test_a_bad_parameter_is_refused_with_its_code(void **state)
{
    struct ehlo offered = everything();
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        struct esmtp_mail m;
        struct esmtp_rcpt r;
        struct path_refusal why = {0};
        int rc = refused[i].rcpt ? parse_rcpt(refused[i].params, &offered, &r, &why)
                                 : parse_mail(refused[i].params, &offered, &m, &why);
        if (rc != -1 || why.code != refused[i].code ||
            strcmp(why.enhanced, refused[i].enhanced) != 0 ||
            (refused[i].text != NULL && strcmp(why.text, refused[i].text) != 0))
            fail_msg("%s: %d, %d %s", refused[i].params, rc, why.code, why.text);
    }
}

static void test_a_parameter_needs_its_extension_announced(void **state)
{
    static const struct {
        bool rcpt;
        const char *param;
        size_t flag;
    } cases[] = {
        {false, "SIZE=1", offsetof(struct ehlo, size)},
        {false, "BODY=8BITMIME", offsetof(struct ehlo, eightbitmime)},
        {false, "SMTPUTF8", offsetof(struct ehlo, smtputf8)},
        {false, "REQUIRETLS", offsetof(struct ehlo, requiretls)},
        {false, "RET=FULL", offsetof(struct ehlo, dsn)},
        {false, "ENVID=a", offsetof(struct ehlo, dsn)},
        {false, "AUTH=<>", offsetof(struct ehlo, auth)},
        {false, "HOLDFOR=1", offsetof(struct ehlo, futurerelease)},
        {false, "HOLDUNTIL=2026-11-27T15:30:00Z", offsetof(struct ehlo, futurerelease)},
        {true, "NOTIFY=NEVER", offsetof(struct ehlo, dsn)},
        {true, "ORCPT=rfc822;a", offsetof(struct ehlo, dsn)},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (int has = 0; has < 2; has++) {
            struct ehlo offered = everything();
            struct esmtp_mail m;
            struct esmtp_rcpt r;
            struct path_refusal why = {0};
            *(bool *)((char *)&offered + cases[i].flag) = has == 1;
            int rc = cases[i].rcpt ? parse_rcpt(cases[i].param, &offered, &r, &why)
                                   : parse_mail(cases[i].param, &offered, &m, &why);
            assert_int_equal(rc, has == 1 ? 0 : -1);
            assert_int_equal(why.code, has == 1 ? 0 : 555);
        }
    }
}

static void test_binarymime_needs_more_than_8bitmime(void **state)
{
    struct ehlo offered = {.eightbitmime = true};
    struct esmtp_mail m;
    struct path_refusal why;
    assert_int_equal(parse_mail("BODY=8BITMIME", &offered, &m, &why), 0);
    assert_int_equal(parse_mail("BODY=BINARYMIME", &offered, &m, &why), -1);
    assert_int_equal(why.code, 501);
}

static void test_requiretls_in_the_clear_is_told_what_it_needs(void **state)
{
    struct ehlo offered = {.starttls = true, .requiretls_later = true};
    struct esmtp_mail m;
    struct path_refusal why;
    assert_int_equal(parse_mail("REQUIRETLS", &offered, &m, &why), -1);
    assert_int_equal(why.code, 523);
    assert_string_equal(why.enhanced, "5.7.10");
    offered.requiretls_later = false; /* nor is it offered under TLS */
    assert_int_equal(parse_mail("REQUIRETLS", &offered, &m, &why), -1);
    assert_int_equal(why.code, 555);
}

static void test_no_maximum_lets_any_size_through(void **state)
{
    struct ehlo offered = {.size = true};
    struct esmtp_mail m;
    struct path_refusal why;
    assert_int_equal(parse_mail("SIZE=99999999999999999999", &offered, &m, &why), 0);
    assert_true(m.size == UINT64_MAX);
}

/* "KEY=" or "KEY=TYPE;" and n letters. */
static int with_length(bool rcpt, const char *start, size_t n)
{
    struct buf b = {0};
    struct ehlo offered = everything();
    struct esmtp_mail m;
    struct esmtp_rcpt r;
    struct path_refusal why;
    buf_puts(&b, start);
    for (size_t i = 0; i < n; i++)
        buf_putc(&b, 'a');
    int rc = rcpt ? parse_rcpt(buf_text(&b), &offered, &r, &why)
                  : parse_mail(buf_text(&b), &offered, &m, &why);
    buf_free(&b);
    return rc;
}

static void test_values_have_a_greatest_length(void **state)
{
    assert_int_equal(with_length(false, "ENVID=", 100), 0);
    assert_int_equal(with_length(false, "ENVID=", 101), -1);
    /* As encoded: three octets for one count three. */
    assert_int_equal(with_length(false, "ENVID=+2B", 97), 0);
    assert_int_equal(with_length(false, "ENVID=+2B", 98), -1);
    assert_int_equal(with_length(false, "AUTH=", 500), 0);
    assert_int_equal(with_length(false, "AUTH=", 501), -1);
    assert_int_equal(with_length(true, "ORCPT=rfc822;", 493), 0);
    assert_int_equal(with_length(true, "ORCPT=rfc822;", 494), -1);
}

static void write_mail(const char *params, const struct ehlo *peer, const char *out)
{
    struct ehlo offered = everything();
    struct esmtp_mail m;
    struct path_refusal why;
    struct buf b = {0};
    assert_int_equal(parse_mail(params, &offered, &m, &why), 0);
    esmtp_mail_write(&b, &m, peer);
    assert_string_equal(buf_text(&b), out);
    buf_free(&b);
}

static void write_rcpt(const char *params, const struct ehlo *peer, const char *out)
{
    struct ehlo offered = everything();
    struct esmtp_rcpt r;
    struct path_refusal why;
    struct buf b = {0};
    assert_int_equal(parse_rcpt(params, &offered, &r, &why), 0);
    esmtp_rcpt_write(&b, &r, peer);
    assert_string_equal(buf_text(&b), out);
    buf_free(&b);
}

static void test_a_client_writes_what_the_server_takes(void **state)
{
    struct ehlo all = everything(), none = {0}, eight = {.eightbitmime = true};
    const char *params =
        "SIZE=1 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=FULL ENVID=a+2Bb AUTH=a+3D@b "
        "HOLDUNTIL=2026-11-27T15:30:00Z";
    write_mail(params, &all,
               " SIZE=1 BODY=8BITMIME SMTPUTF8 REQUIRETLS RET=FULL ENVID=a+2Bb "
               "AUTH=a+3D@b HOLDUNTIL=2026-11-27T15:30:00Z");
    write_mail(params, &none, "");
    write_mail(params, &eight, " BODY=8BITMIME");
    write_mail("BODY=BINARYMIME", &eight, "");
    write_mail("BODY=7BIT AUTH=<> HOLDFOR=5 RET=HDRS", &all,
               " BODY=7BIT RET=HDRS AUTH=<> HOLDFOR=5");
    write_mail("", &all, "");
    write_rcpt("ORCPT=RFC822;a+2B@b NOTIFY=DELAY,SUCCESS", &all,
               " NOTIFY=SUCCESS,DELAY ORCPT=rfc822;a+2B@b");
    write_rcpt("ORCPT=rfc822;a@b NOTIFY=NEVER", &none, "");
    write_rcpt("ORCPT=utf-8;J\xc3\xbcri@b", &all, " ORCPT=utf-8;J\xc3\xbcri@b");
    all.smtputf8 = false;
    write_rcpt("ORCPT=utf-8;J\xc3\xbcri@b", &all, " ORCPT=utf-8;J\\x{FC}ri@b");
    write_rcpt("", &all, "");
}

static const struct {
    const char *text;
    int64_t seconds;
} times[] = {
    {"1970-01-01T00:00:00Z", 0},
    {"2000-02-29T23:59:59Z", 951868799},
    {"2024-02-29t12:00:00z", 1709208000},
    {"2026-11-27T15:30:00.999Z", 1795793400},
    {"2026-11-27T16:30:00+01:00", 1795793400},
    {"2026-11-27T10:00:00-05:30", 1795793400},
    {"2026-11-28T15:29:00+23:59", 1795793400},
    {"1990-12-31T23:59:60Z", 662688000}, /* RFC 3339 section 5.8 */
    {"9999-12-31T23:59:59Z", 253402300799},
};

static void test_times_are_read(void **state)
{
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++) {
        int64_t s = -1;
        assert_int_equal(esmtp_time(span_text(times[i].text), &s), 0);
        assert_int_equal(s, times[i].seconds);
    }
}

static void test_what_is_no_time_is_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "2026",
        "2026-11-27",
        "2026-11-27T15:30:00",
        "2026-11-27 15:30:00Z",
        "2026-13-01T00:00:00Z",
        "2026-00-01T00:00:00Z",
        "2026-02-29T00:00:00Z",
        "1900-02-29T00:00:00Z",
        "2026-04-31T00:00:00Z",
        "2026-01-00T00:00:00Z",
        "2026-01-01T24:00:00Z",
        "2026-01-01T00:60:00Z",
        "2026-01-01T00:00:61Z",
        "1969-12-31T23:59:59Z",
        "1970-01-01T00:00:00+00:01",
        "2026-01-01T00:00:00ZZ",
        "2026-01-01T00:00:00.Z",
        "2026-01-01T00:00:00+0100",
        "2026-01-01T00:00:00+24:00",
        "2026-01-01T00:00:00*01:00",
        "2026-1-01T00:00:00Z",
        "+026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.",
        "9999-12-31T23:59:59-00:01",
    };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        int64_t s;
        if (esmtp_time(span_text(bad[i]), &s) != -1)
            fail_msg("%s was taken", bad[i]);
    }
}

static void test_times_are_written_as_they_are_read(void **state)
{
    for (int64_t s = 0; s <= 253402300799; s += 86399 * 1234) {
        struct buf b = {0};
        int64_t back;
        esmtp_time_write(&b, s);
        assert_int_equal(esmtp_time(buf_span(&b), &back), 0);
        assert_int_equal(back, s);
        buf_free(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_parameters_of_mail_are_read),
        cmocka_unit_test(test_the_parameters_of_rcpt_are_read),
        cmocka_unit_test(test_a_bad_parameter_is_refused_with_its_code),
        cmocka_unit_test(test_a_parameter_needs_its_extension_announced),
        cmocka_unit_test(test_binarymime_needs_more_than_8bitmime),
        cmocka_unit_test(test_requiretls_in_the_clear_is_told_what_it_needs),
        cmocka_unit_test(test_no_maximum_lets_any_size_through),
        cmocka_unit_test(test_values_have_a_greatest_length),
        cmocka_unit_test(test_a_client_writes_what_the_server_takes),
        cmocka_unit_test(test_times_are_read),
        cmocka_unit_test(test_what_is_no_time_is_refused),
        cmocka_unit_test(test_times_are_written_as_they_are_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
