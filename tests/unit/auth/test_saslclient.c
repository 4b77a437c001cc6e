#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <gsasl.h>

#include "mem.h"
#include "saslclient.h"

/* The other side is libgsasl's server, which has nothing in common with this client. */

#define USER "tim"
#define PASSWORD "tanstaaftanstaaf"
#define OCTETS "thirty-two octets of an exporter"

static const struct saslclient_identity who = {
    .user = USER, .password = {(const unsigned char *)PASSWORD, 16}, .iterations = 100000};

static struct saslclient_server offering(const char *const *names, size_t n)
{
    return (struct saslclient_server){.host = "mx.example.org",
                                      .port = 587,
                                      .offered = names,
                                      .offered_n = n,
                                      .verified = true,
                                      .exporter_first = true,
                                      .exporter = span_text(OCTETS),
                                      .end_point = span_text("the hash of a certificate")};
}

#define ALL                                                                                        \
    "LOGIN", "PLAIN", "cram-md5", "SCRAM-SHA-1", "SCRAM-SHA-1-PLUS", "SCRAM-SHA-256",              \
        "SCRAM-SHA-256-PLUS", "EXTERNAL", "XOAUTH2", "OAUTHBEARER", "GSSAPI"
static const char *const all[] = {ALL};
#define ALL_N (sizeof all / sizeof all[0])

static void expect_choice(const struct saslclient_identity *identity,
                          const struct saslclient_server *server, const char *name)
{
    struct fail f = {{0}};
    struct saslclient *x = saslclient_begin(identity, server, &f);
    if (x == NULL)
        assert_null(name);
    else
        assert_string_equal(saslclient_name(x), name);
    assert_int_equal(f.text[0] != '\0', x == NULL);
    saslclient_free(&x);
}

static void test_the_strongest_that_is_offered_and_fits_is_chosen(void **state)
{
    struct saslclient_server server = offering(all, ALL_N);
    struct saslclient_identity identity = who;
    expect_choice(&identity, &server, "SCRAM-SHA-256-PLUS");
    server.offered_n = 6;
    expect_choice(&identity, &server, "SCRAM-SHA-256");
    server.offered_n = 5;
    expect_choice(&identity, &server, "SCRAM-SHA-1-PLUS");
    server.exporter.n = server.end_point.n = 0;
    expect_choice(&identity, &server, "SCRAM-SHA-1");
    server.offered_n = 3;
    expect_choice(&identity, &server, "CRAM-MD5");
    server.offered_n = 2;
    expect_choice(&identity, &server, "PLAIN");
    server.offered_n = 1;
    expect_choice(&identity, &server, "LOGIN");
    server.offered_n = 0;
    expect_choice(&identity, &server, NULL);
    server = offering(all, ALL_N);
    identity.binding = SASLCLIENT_BIND_NONE;
    expect_choice(&identity, &server, "SCRAM-SHA-256");
    identity = (struct saslclient_identity){.user = USER, .token = span_text("token")};
    expect_choice(&identity, &server, "OAUTHBEARER");
    identity = (struct saslclient_identity){.user = USER};
    expect_choice(&identity, &server, NULL); /* not EXTERNAL by itself */
}

static void test_an_order_of_ones_own_goes_before(void **state)
{
    static const enum saslclient_mechanism order[] = {SASLCLIENT_XOAUTH2, SASLCLIENT_PLAIN,
                                                      SASLCLIENT_EXTERNAL};
    struct saslclient_server server = offering(all, ALL_N);
    struct saslclient_identity identity = who;
    identity.order = order;
    identity.order_n = 3;
    expect_choice(&identity, &server, "PLAIN"); /* there is no token */
    server.verified = false;
    expect_choice(&identity, &server, "EXTERNAL");
    identity.order_n = 2;
    expect_choice(&identity, &server, NULL);
    identity.unverified = true;
    expect_choice(&identity, &server, "PLAIN");
    server.offered_n = 1; /* LOGIN, which is not in it */
    expect_choice(&identity, &server, NULL);
}

static void test_why_none_would_do_is_said(void **state)
{
    static const char *const weak[] = {"PLAIN", "LOGIN"};
    struct saslclient_server server = offering(weak, 2);
    struct fail f = {{0}};
    server.verified = false;
    assert_null(saslclient_begin(&who, &server, &f));
    assert_string_equal(f.text,
                        "no mechanism that can be used is among those that the server offers, "
                        "as TLS did not prove it to be the host: PLAIN LOGIN");
    server.offered_n = 0;
    assert_null(saslclient_begin(&who, &server, &f));
    assert_string_equal(f.text, "the server offers no authentication");
}

/* ---- against libgsasl ---- */

struct peer {
    const char *mechanism, *password;
    bool binds; /* it knows the exporter, whether or not it offers -PLUS */
};

static int answer(Gsasl *g, Gsasl_session *session, Gsasl_property property)
{
    const struct peer *p = gsasl_session_hook_get(session);
    switch (property) {
    case GSASL_PASSWORD:
        return gsasl_property_set(session, property, p->password);
    case GSASL_SCRAM_ITER:
        return gsasl_property_set(session, property, "4096");
    case GSASL_CB_TLS_EXPORTER:
        return p->binds ? gsasl_property_set(session, property,
                                             "dGhpcnR5LXR3byBvY3RldHMgb2YgYW4gZXhwb3J0ZXI=")
                        : GSASL_NO_CALLBACK;
    case GSASL_VALIDATE_SIMPLE:
        return strcmp(gsasl_property_fast(session, GSASL_AUTHID), USER) == 0 &&
                       strcmp(gsasl_property_fast(session, GSASL_PASSWORD), p->password) == 0
                   ? GSASL_OK
                   : GSASL_AUTHENTICATION_ERROR;
    case GSASL_VALIDATE_EXTERNAL:
        return GSASL_OK;
    default:
        return GSASL_NO_CALLBACK;
    }
}

/* Speaks to the end; what libgsasl says of it. *complete: what the client does. */
static int talk(struct saslclient *x, Gsasl_session *session, bool *complete)
{
    struct buf ours = {0};
    struct fail f;
    int rc = GSASL_NEEDS_MORE;
    bool speaks = saslclient_initial(x, &ours);
    char *theirs = NULL;
    size_t n = 0;
    for (int turn = 0; turn < 10 && rc == GSASL_NEEDS_MORE; turn++) {
        gsasl_free(theirs);
        theirs = NULL;
        rc = gsasl_step(session, speaks ? (const char *)buf_span(&ours).p : NULL, ours.n, &theirs,
                        &n);
        speaks = true;
        buf_wipe(&ours);
        /* The server's last word is a challenge too. */
        if (rc == GSASL_NEEDS_MORE || (rc == GSASL_OK && n > 0)) {
            if (saslclient_step(x, span_of(theirs, n), &ours, &f) != 0)
                rc = GSASL_UNKNOWN_MECHANISM;
        }
    }
    gsasl_free(theirs);
    buf_wipe(&ours);
    *complete = saslclient_is_complete(x);
    return rc;
}

static int meet(const struct saslclient_identity *identity, const struct saslclient_server *server,
                struct peer *p, bool *complete)
{
    Gsasl *g = NULL;
    Gsasl_session *session = NULL;
    struct fail f = {{0}};
    assert_int_equal(gsasl_init(&g), GSASL_OK);
    gsasl_callback_set(g, answer);
    struct saslclient *x = saslclient_begin(identity, server, &f);
    assert_non_null(x);
    assert_string_equal(saslclient_name(x), p->mechanism);
    assert_int_equal(gsasl_server_start(g, p->mechanism, &session), GSASL_OK);
    gsasl_session_hook_set(session, p);
    int rc = talk(x, session, complete);
    gsasl_finish(session);
    gsasl_done(g);
    saslclient_free(&x);
    return rc;
}

static void test_libgsasl_lets_us_in_with_the_right_password_alone(void **state)
{
    static const struct {
        enum saslclient_mechanism mechanism;
        const char *name;
    } cases[] = {{SASLCLIENT_SCRAM_SHA_256_PLUS, "SCRAM-SHA-256-PLUS"},
                 {SASLCLIENT_SCRAM_SHA_256, "SCRAM-SHA-256"},
                 {SASLCLIENT_SCRAM_SHA_1_PLUS, "SCRAM-SHA-1-PLUS"},
                 {SASLCLIENT_SCRAM_SHA_1, "SCRAM-SHA-1"},
                 {SASLCLIENT_CRAM_MD5, "CRAM-MD5"},
                 {SASLCLIENT_PLAIN, "PLAIN"},
                 {SASLCLIENT_LOGIN, "LOGIN"},
                 {SASLCLIENT_EXTERNAL, "EXTERNAL"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct saslclient_server server = offering(all, ALL_N);
        struct saslclient_identity identity = who;
        struct peer p = {cases[i].name, PASSWORD, true};
        bool complete = false;
        identity.order = &cases[i].mechanism;
        identity.order_n = 1;
        assert_int_equal(meet(&identity, &server, &p, &complete), GSASL_OK);
        assert_true(complete);
        p.password = "another";
        if (cases[i].mechanism != SASLCLIENT_EXTERNAL)
            assert_int_not_equal(meet(&identity, &server, &p, &complete), GSASL_OK);
    }
}

static void test_a_binding_that_somebody_took_away_is_missed(void **state)
{
    static const char *const stripped[] = {"SCRAM-SHA-256", "PLAIN"};
    struct saslclient_server server = offering(stripped, 2);
    struct peer p = {"SCRAM-SHA-256", PASSWORD, true};
    struct saslclient_identity identity = who;
    bool complete = false;
    /* It offered -PLUS, and we say that we saw no such thing. */
    assert_int_not_equal(meet(&who, &server, &p, &complete), GSASL_OK);
    assert_false(complete);
    /* It did not. */
    p.binds = false;
    assert_int_equal(meet(&who, &server, &p, &complete), GSASL_OK);
    /* We had no mind to bind. */
    p.binds = true;
    identity.binding = SASLCLIENT_BIND_NONE;
    assert_int_equal(meet(&identity, &server, &p, &complete), GSASL_OK);
    assert_true(complete);
}

static void test_another_channel_is_refused(void **state)
{
    struct saslclient_server server = offering(all, ALL_N);
    struct peer p = {"SCRAM-SHA-256-PLUS", PASSWORD, true};
    bool complete = false;
    server.exporter = span_text("thirty-two octets of another one");
    assert_int_not_equal(meet(&who, &server, &p, &complete), GSASL_OK);
    assert_false(complete);
}

/* ---- messages ---- */

static void expect_initial(const char *name, enum saslclient_mechanism m, struct span expected)
{
    const struct saslclient_server server = offering(&name, 1);
    struct saslclient_identity identity = {
        .user = "someuser@example.com",
        .token = span_text("vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg=="),
        .password = span_text("secret"),
        .order = &m,
        .order_n = 1};
    struct buf out = {0};
    struct saslclient *x = saslclient_begin(&identity, &server, NULL);
    assert_true(saslclient_initial(x, &out));
    assert_int_equal(out.n, expected.n);
    assert_memory_equal(buf_span(&out).p, expected.p, expected.n);
    buf_free(&out);
    saslclient_free(&x);
}

/* RFC 7628 section 4.1, RFC 4616 section 2, and what the providers of XOAUTH2 write of it. */
static void test_messages_are_those_of_the_rfcs(void **state)
{
    expect_initial("OAUTHBEARER", SASLCLIENT_OAUTHBEARER,
                   span_text("n,a=someuser@example.com,\001host=mx.example.org\001port=587\001"
                             "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\001\001"));
    expect_initial("XOAUTH2", SASLCLIENT_XOAUTH2,
                   span_text("user=someuser@example.com\001"
                             "auth=Bearer vF9dft4qmTc2Nvb3RlckBhbHRhdmlzdGEuY29tCg==\001\001"));
    expect_initial("PLAIN", SASLCLIENT_PLAIN, span_of("\0someuser@example.com\0secret", 28));
    expect_initial("EXTERNAL", SASLCLIENT_EXTERNAL, span_text("someuser@example.com"));
}

/* RFC 2195 section 2. */
static void test_cram_md5_is_that_of_its_rfc(void **state)
{
    static const char *const name = "CRAM-MD5";
    const struct saslclient_server server = offering(&name, 1);
    struct buf out = {0};
    struct fail f = {{0}};
    struct saslclient *x = saslclient_begin(&who, &server, NULL);
    assert_false(saslclient_initial(x, &out));
    assert_false(saslclient_is_complete(x));
    assert_int_equal(
        saslclient_step(x, span_text("<1896.697170952@postoffice.reston.mci.net>"), &out, &f), 0);
    assert_string_equal(buf_text(&out), "tim b913a602c7eda7a495b4e6e7334d3890");
    assert_true(saslclient_is_complete(x));
    assert_int_equal(saslclient_step(x, span_text("<1>"), &out, &f), -1);
    buf_free(&out);
    saslclient_free(&x);
}

static void test_cram_md5_answers_no_other_challenge(void **state)
{
    static const struct {
        struct span challenge;
        bool answered;
    } cases[] = {
#define ROW(text, answered) {{(const unsigned char *)(text), sizeof(text) - 1}, answered}
        ROW("<1896.697170952@postoffice.reston.mci.net>", true),
        ROW("<1.2@h>", true),
        ROW("<7f3A-19@mx.example>", true), /* no digits, and taken all the same */
        ROW("<1.2@[192.0.2.1]>", true),
        ROW("", false),
        ROW("<>", false),
        ROW("<@>", false),
        ROW("<@mx.example>", false),
        ROW("<1.2@>", false),
        ROW("1.2@mx.example", false),
        ROW("<1.2@mx.example", false),
        ROW("1.2@mx.example>", false),
        ROW("<1.2.mx.example>", false),
        ROW("<1.2@mx@example>", false),
        ROW("<1.2@mx.example>>", false),
        ROW("<<1.2@mx.example>", false),
        ROW("<1.2@mx.example> ", false),
        ROW("<1.2 @mx.example>", false),
        ROW("<1.2\0@mx.example>", false),
        ROW("<1.2\x7f@mx.example>", false),
        ROW("<1.2@mx.ex\xc3\xa4mple>", false),
#undef ROW
    };
    static const char *const name = "CRAM-MD5";
    const struct saslclient_server server = offering(&name, 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0};
        struct fail f = {{0}};
        struct saslclient *x = saslclient_begin(&who, &server, NULL);
        int rc = saslclient_step(x, cases[i].challenge, &out, &f);
        if ((rc == 0) != cases[i].answered || saslclient_is_complete(x) != cases[i].answered ||
            (out.n > 0) != cases[i].answered)
            fail_msg("%zu: %s", i, f.text);
        if (rc != 0)
            assert_string_equal(f.text, "the challenge is none of CRAM-MD5");
        buf_free(&out);
        saslclient_free(&x);
    }
}

static void test_a_token_that_is_refused_is_acknowledged_once(void **state)
{
    static const struct {
        const char *name, *answer;
    } cases[] = {{"OAUTHBEARER", "\001"}, {"XOAUTH2", ""}};
    for (size_t i = 0; i < 2; i++) {
        const struct saslclient_server server = offering(&cases[i].name, 1);
        struct saslclient_identity identity = {.user = USER, .token = span_text("t")};
        struct buf out = {0};
        struct fail f = {{0}};
        struct saslclient *x = saslclient_begin(&identity, &server, NULL);
        assert_true(saslclient_initial(x, &out));
        assert_true(saslclient_is_complete(x));
        buf_clear(&out);
        assert_int_equal(saslclient_step(x, span_text("{\"status\":\"401\"}"), &out, &f), 0);
        assert_string_equal(buf_text(&out), cases[i].answer);
        assert_false(saslclient_is_complete(x)); /* a 235 now would be a lie */
        assert_int_equal(saslclient_step(x, span_text("{}"), &out, &f), -1);
        buf_free(&out);
        saslclient_free(&x);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_strongest_that_is_offered_and_fits_is_chosen),
        cmocka_unit_test(test_an_order_of_ones_own_goes_before),
        cmocka_unit_test(test_why_none_would_do_is_said),
        cmocka_unit_test(test_libgsasl_lets_us_in_with_the_right_password_alone),
        cmocka_unit_test(test_a_binding_that_somebody_took_away_is_missed),
        cmocka_unit_test(test_another_channel_is_refused),
        cmocka_unit_test(test_messages_are_those_of_the_rfcs),
        cmocka_unit_test(test_cram_md5_is_that_of_its_rfc),
        cmocka_unit_test(test_cram_md5_answers_no_other_challenge),
        cmocka_unit_test(test_a_token_that_is_refused_is_acknowledged_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
