#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "proto_help.h"
#include "proto_secret.h"

static struct scratch scratch;

/* ---- requests ---- */

static void on_no_auth(void *arg, const struct secret_auth *a)
{
}

static void on_no_signature(void *arg, struct span signature, const char *why)
{
}

static void on_no_login(void *arg, const struct secret_login *login, const char *why, bool there)
{
}

static void on_no_keys(void *arg, const struct secret_dkim_key *keys, uint32_t n)
{
}

/* The client's function for a request as the server read it. TLS_SIGN has none that does not wait.
 */
static void ask_again(const struct secret_request *r)
{
    struct ipc *ch = scratch.ch;
    switch (r->type) {
    case MSG_SECRET_AUTH_START:
        (void)secret_auth_start(ch, r->mechanism, r->client_address, r->binding, r->has_initial,
                                r->message, on_no_auth, NULL);
        break;
    case MSG_SECRET_AUTH_STEP:
        (void)secret_auth_step(ch, r->handle, r->message, on_no_auth, NULL);
        break;
    case MSG_SECRET_AUTH_CANCEL:
        secret_auth_cancel(ch, r->handle);
        break;
    case MSG_SECRET_PASSWORD:
        (void)secret_password(ch, r->login, r->message, r->client_address, on_no_auth, NULL);
        break;
    case MSG_SECRET_DKIM_SIGN:
        (void)secret_dkim_sign(ch, r->domain, r->selector, r->message, on_no_signature, NULL);
        break;
    case MSG_SECRET_LOGIN_START:
        (void)secret_login_start(ch, &r->server, on_no_login, NULL);
        break;
    case MSG_SECRET_LOGIN_STEP:
        (void)secret_login_step(ch, r->handle, r->message, on_no_login, NULL);
        break;
    case MSG_SECRET_PROXY_LOGIN:
        (void)secret_proxy_login(ch, on_no_login, NULL);
        break;
    default:
        assert_int_equal(r->type, MSG_SECRET_DKIM_LIST);
        (void)secret_dkim_list(ch, on_no_keys, NULL);
    }
}

/* What secret_tls_sign sends for this request, and gives for the answer that lies ready. */
static int sign_tls(const char *key, uint32_t kind, uint32_t scheme, struct span input,
                    uint16_t answer_type, struct span answer, struct buf *sent,
                    struct buf *signature, struct fail *f)
{
    struct ipc_message m;
    struct buf storage = {0};
    int other, fd = ready_answer(answer_type, answer, &other);
    int rc = secret_tls_sign(fd, key, kind, scheme, input, signature, f);
    assert_int_equal(record_receive(other, &m, &storage, f), 0);
    assert_int_equal(m.type, MSG_SECRET_TLS_SIGN);
    if (sent != NULL)
        buf_put_span(sent, m.payload);
    buf_free(&storage);
    (void)close(fd);
    (void)close(other);
    return rc;
}

static int request_again(uint16_t type, struct span payload, struct buf *out)
{
    struct ipc_message m = message_of(type, payload);
    struct secret_request r;
    struct fail f = {{0}};
    struct buf signature = {0};
    if (secret_read(&m, &r, &f) != 0) {
        assert_true(f.text[0] != '\0');
        return -1;
    }
    if (type == MSG_SECRET_TLS_SIGN) {
        (void)sign_tls(r.key, r.kind, r.scheme, r.message, MSG_SECRET_SIGNATURE,
                       span_of("\0\0\0\x01x", 5), out, &signature, &f);
        buf_free(&signature);
    } else {
        ask_again(&r);
        scratch_take(&scratch);
        assert_int_equal(scratch.m.type, type);
        buf_put_span(out, scratch.m.payload);
    }
    secret_request_clear(&r);
    return 0;
}

static const char *const offered[] = {"SCRAM-SHA-256-PLUS", "PLAIN"};

static const struct secret_request requests[] = {
    {.type = MSG_SECRET_AUTH_START,
     .mechanism = (char *)"SCRAM-SHA-256-PLUS",
     .client_address = (char *)"192.0.2.1",
     .binding = {(const unsigned char *)"0123456789abcdef0123456789abcdef", 32},
     .has_initial = true,
     .message = {(const unsigned char *)"n,,n=user,r=abc\0", 16}},
    {.type = MSG_SECRET_AUTH_STEP,
     .handle = 99,
     .message = {(const unsigned char *)"c=biws,r=abc,p=xyz", 18}},
    {.type = MSG_SECRET_AUTH_CANCEL, .handle = 99},
    {.type = MSG_SECRET_PASSWORD,
     .login = (char *)"user@example.org",
     .client_address = (char *)"2001:db8::1",
     .message = {(const unsigned char *)"pass word", 9}},
    {.type = MSG_SECRET_DKIM_SIGN,
     .domain = (char *)"example.org",
     .selector = (char *)"2026a",
     .message = {(const unsigned char *)"0123456789abcdef0123456789abcdef", 32}},
    {.type = MSG_SECRET_DKIM_LIST},
    {.type = MSG_SECRET_LOGIN_START,
     .server = {.host = "smtp.example.org",
                .port = 587,
                .offered = offered,
                .offered_n = 2,
                .verified = true,
                .exporter = {(const unsigned char *)"0123456789abcdef0123456789abcdef", 32},
                .end_point = {(const unsigned char *)"0123456789abcdef0123456789abcde\0", 32}}},
    {.type = MSG_SECRET_LOGIN_STEP,
     .handle = 98,
     .message = {(const unsigned char *)"r=abc,s=xyz,i=4096", 18}},
    {.type = MSG_SECRET_PROXY_LOGIN},
    {.type = MSG_SECRET_TLS_SIGN,
     .key = (char *)"public",
     .kind = 2,
     .scheme = 0x0804,
     .message = {(const unsigned char *)"digest", 6}},
};

static void test_requests_stand_the_battery(void **state)
{
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        const struct secret_request *r = &requests[i];
        struct buf b = {0}, signature = {0};
        struct fail f;
        if (r->type == MSG_SECRET_TLS_SIGN) {
            (void)sign_tls(r->key, r->kind, r->scheme, r->message, MSG_SECRET_SIGNATURE,
                           span_of("\0\0\0\x01x", 5), &b, &signature, &f);
        } else {
            ask_again(r);
            scratch_take(&scratch);
            buf_put_span(&b, scratch.m.payload);
        }
        char *name = mem_format("request 0x%04x", r->type);
        stand_battery(name, r->type, buf_span(&b), request_again);
        mem_free(&name);
        buf_free(&b);
        buf_free(&signature);
    }
}

static void test_only_requests_of_the_protocol_are_read(void **state)
{
    for (unsigned type = 0; type <= 0x0800; type++) {
        struct ipc_message m = message_of((uint16_t)type, (struct span){0});
        struct secret_request r;
        struct fail f;
        assert_int_equal(secret_read(&m, &r, &f) == 0,
                         type == MSG_SECRET_DKIM_LIST || type == MSG_SECRET_PROXY_LOGIN);
    }
}

static void test_a_request_longer_than_its_fields_may_be_is_refused(void **state)
{
    static const struct {
        uint16_t type;
        size_t max; /* of the last field, which is a span */
    } cases[] = {
        {MSG_SECRET_AUTH_START, IPC_INLINE_MAX},
        {MSG_SECRET_AUTH_STEP, IPC_INLINE_MAX},
        {MSG_SECRET_LOGIN_STEP, IPC_INLINE_MAX},
        {MSG_SECRET_PASSWORD, PROTO_TEXT_MAX},
        {MSG_SECRET_DKIM_SIGN, 32},
    };
    char *text = repeated('x', IPC_INLINE_MAX + 1);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        for (size_t k = 0; k < sizeof requests / sizeof requests[0]; k++) {
            struct secret_request r = requests[k];
            struct buf b = {0};
            if (r.type != cases[i].type)
                continue;
            for (size_t more = 0; more < 2; more++) {
                r.message = span_of(text, cases[i].max + more);
                ask_again(&r);
                scratch_take(&scratch);
                assert_int_equal(request_again(r.type, scratch.m.payload, &b), more == 0 ? 0 : -1);
            }
            buf_free(&b);
        }
    }
    mem_free(&text);
}

/* ---- answers to authentications ---- */

struct heard {
    struct buf *out;
    uint16_t asked, type;
    int calls, rc;
};

static void on_auth(void *arg, const struct secret_auth *a)
{
    struct heard *h = arg;
    h->calls++;
    secret_answer_auth(scratch.ch, 1, a);
    scratch_take(&scratch);
    h->type = scratch.m.type;
    buf_put_span(h->out, scratch.m.payload);
}

static void ask_auth(struct ipc *ch, void *arg)
{
    (void)secret_auth_step(ch, 1, span_text("x"), on_auth, arg);
}

static int auth_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask_auth, &h, type, payload);
    assert_int_equal(h.calls, 1);
    /* What is refused looks to the caller as a vault that cannot tell now. */
    bool unavailable = h.type == MSG_SECRET_AUTH_FAILED && span_is(buf_span(out), "\x04");
    if (unavailable && !(type == MSG_SECRET_AUTH_FAILED && span_is(payload, "\x04")))
        return -1;
    assert_int_equal(h.type, type);
    return 0;
}

static void test_answers_to_authentications_stand_the_battery(void **state)
{
    static const struct secret_auth answers[] = {
        {.state = SECRET_CONTINUE,
         .handle = 12,
         .message = {(const unsigned char *)"r=abcdef,s=xyz,i=4096", 21}},
        {.state = SECRET_OK,
         .message = {(const unsigned char *)"v=abc", 5},
         .account = (char *)"billing",
         .login = (char *)"billing@example.org"},
        {.state = SECRET_DENIED},
        {.state = SECRET_MALFORMED},
        {.state = SECRET_UNAVAILABLE},
        {.state = SECRET_DISABLED},
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct buf b = {0};
        secret_answer_auth(scratch.ch, 1, &answers[i]);
        scratch_take(&scratch);
        uint16_t type = scratch.m.type;
        buf_put_span(&b, scratch.m.payload);
        char *name = mem_format("answer %zu", i);
        stand_battery(name, type, buf_span(&b), auth_again);
        mem_free(&name);
        buf_free(&b);
    }
}

static void test_a_failure_that_says_success_is_refused(void **state)
{
    struct buf out = {0};
    assert_int_equal(auth_again(MSG_SECRET_AUTH_FAILED, span_of("\x02", 1), &out), 0);
    buf_clear(&out);
    assert_int_equal(auth_again(MSG_SECRET_AUTH_FAILED, span_of("\x01", 1), &out), -1);
    buf_clear(&out);
    assert_int_equal(auth_again(MSG_SECRET_AUTH_FAILED, span_of("\x00", 1), &out), -1);
    buf_clear(&out);
    assert_int_equal(auth_again(MSG_SECRET_AUTH_FAILED, span_of("\x06", 1), &out), -1);
    buf_clear(&out);
    assert_int_equal(auth_again(MSG_SECRET_SIGNATURE, span_of("\x02", 1), &out), -1);
    buf_free(&out);
}

static void test_a_vault_that_goes_away_is_unavailable(void **state)
{
    struct scratch s;
    struct buf out = {0};
    struct heard h = {.out = &out};
    scratch_open(&s);
    (void)secret_password(s.ch, "a@b", span_text("p"), "192.0.2.1", on_auth, &h);
    uint64_t id = secret_password(s.ch, "a@b", span_text("p"), "192.0.2.1", on_auth, &h);
    secret_forget(s.ch, id);
    scratch_close(&s);
    assert_int_equal(h.calls, 1);
    assert_true(span_is(buf_span(&out), "\x04"));
    buf_free(&out);
}

/* ---- logins of ours elsewhere ---- */

static void on_login(void *arg, const struct secret_login *login, const char *why, bool there)
{
    struct heard *h = arg;
    h->calls++;
    if (!there) {
        assert_null(login);
        h->rc = -1;
        return;
    }
    if (login != NULL)
        secret_answer_login(scratch.ch, 1, login);
    else
        secret_refuse(scratch.ch, 1, why);
    scratch_take(&scratch);
    h->type = scratch.m.type;
    buf_put_span(h->out, scratch.m.payload);
}

static void ask_login(struct ipc *ch, void *arg)
{
    (void)secret_proxy_login(ch, on_login, arg);
}

static int login_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask_login, &h, type, payload);
    assert_int_equal(h.calls, 1);
    if (h.rc == 0)
        assert_int_equal(h.type, type);
    return h.rc;
}

static void test_answers_to_logins_stand_the_battery(void **state)
{
    static const struct secret_login answers[] = {
        {.handle = 7, .mechanism = (char *)"CRAM-MD5"},
        {.handle = 8,
         .mechanism = (char *)"PLAIN",
         .speaks = true,
         .message = {(const unsigned char *)"\0user\0secret", 12},
         .complete = true},
        {.handle = 9, .mechanism = (char *)"", .speaks = true},
    };
    for (size_t i = 0; i < sizeof answers / sizeof answers[0]; i++) {
        struct buf b = {0};
        secret_answer_login(scratch.ch, 1, &answers[i]);
        scratch_take(&scratch);
        buf_put_span(&b, scratch.m.payload);
        stand_battery("login", MSG_SECRET_LOGIN_IS, buf_span(&b), login_again);
        buf_free(&b);
    }
}

/* ---- signatures ---- */

static void on_signature(void *arg, struct span signature, const char *why)
{
    struct heard *h = arg;
    h->calls++;
    if (strcmp(why, "the vault is not there") == 0) {
        assert_int_equal(signature.n, 0);
        h->rc = -1;
        return;
    }
    if (h->asked == MSG_SECRET_SIGNATURE)
        secret_answer_signature(scratch.ch, 1, signature);
    else
        secret_refuse(scratch.ch, 1, why);
    scratch_take(&scratch);
    buf_put_span(h->out, scratch.m.payload);
}

static void ask_signature(struct ipc *ch, void *arg)
{
    (void)secret_dkim_sign(ch, "example.org", "s", span_text("digest"), on_signature, arg);
}

static int signature_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out, .asked = type};
    answer_with(ask_signature, &h, type, payload);
    assert_int_equal(h.calls, 1);
    return h.rc;
}

static void test_signatures_and_refusals_stand_the_battery(void **state)
{
    struct buf b = {0}, out = {0};
    char *octets = repeated('s', 256);
    secret_answer_signature(scratch.ch, 1, span_text(octets));
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("signature", MSG_SECRET_SIGNATURE, buf_span(&b), signature_again);
    assert_int_equal(signature_again(MSG_SECRET_AUTH_OK, buf_span(&b), &out), -1);
    buf_clear(&b);
    secret_refuse(scratch.ch, 1, "no such DKIM key, and a sentence of some length");
    scratch_take(&scratch);
    buf_put_span(&b, scratch.m.payload);
    stand_battery("refusal", MSG_SECRET_REFUSED, buf_span(&b), signature_again);
    mem_free(&octets);
    buf_free(&b);
    buf_free(&out);
}

static void test_a_signature_of_a_handshake_comes_or_a_sentence(void **state)
{
    struct buf signature = {0};
    struct fail f = {{0}};
    assert_int_equal(sign_tls("public", 1, 2, span_text("d"), MSG_SECRET_SIGNATURE,
                              span_of("\0\0\0\x03sig", 7), NULL, &signature, &f),
                     0);
    assert_true(span_is(buf_span(&signature), "sig"));
    buf_clear(&signature);
    assert_int_equal(sign_tls("public", 1, 2, span_text("d"), MSG_SECRET_REFUSED,
                              span_of("\0\0\0\x0eno such TLS key", 18), NULL, &signature, &f),
                     -1);
    assert_string_equal(f.text, "no such TLS ke");
    assert_int_equal(sign_tls("public", 1, 2, span_text("d"), MSG_SECRET_SIGNATURE,
                              span_of("\0\0\0\x04sig", 7), NULL, &signature, &f),
                     -1);
    assert_string_equal(f.text, "malformed signature");
    assert_int_equal(signature.n, 0);
    buf_free(&signature);
}

/* ---- keys ---- */

static void on_keys(void *arg, const struct secret_dkim_key *keys, uint32_t n)
{
    struct heard *h = arg;
    h->calls++;
    h->rc = keys == NULL ? -1 : 0;
    if (keys == NULL) {
        assert_int_equal(n, 0);
        return;
    }
    secret_answer_dkim_keys(scratch.ch, 1, keys, n);
    scratch_take(&scratch);
    buf_put_span(h->out, scratch.m.payload);
}

static void ask_keys(struct ipc *ch, void *arg)
{
    (void)secret_dkim_list(ch, on_keys, arg);
}

static int keys_again(uint16_t type, struct span payload, struct buf *out)
{
    struct heard h = {.out = out};
    answer_with(ask_keys, &h, type, payload);
    assert_int_equal(h.calls, 1);
    return h.rc;
}

static void test_lists_of_keys_stand_the_battery(void **state)
{
    static const struct secret_dkim_key keys[] = {
        {(char *)"example.net", (char *)"2026a", 0},
        {(char *)"example.net", (char *)"2026b", 1},
        {(char *)"example.org", (char *)"s", 0},
    };
    for (uint32_t n = 0; n <= 3; n += 3) {
        struct buf b = {0};
        secret_answer_dkim_keys(scratch.ch, 1, keys, n);
        scratch_take(&scratch);
        buf_put_span(&b, scratch.m.payload);
        stand_battery("keys", MSG_SECRET_DKIM_KEYS, buf_span(&b), keys_again);
        buf_free(&b);
    }
}

static int open_group(void **state)
{
    scratch_open(&scratch);
    return log_nothing(state);
}

static int close_group(void **state)
{
    scratch_close(&scratch);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_stand_the_battery),
        cmocka_unit_test(test_only_requests_of_the_protocol_are_read),
        cmocka_unit_test(test_a_request_longer_than_its_fields_may_be_is_refused),
        cmocka_unit_test(test_answers_to_authentications_stand_the_battery),
        cmocka_unit_test(test_a_failure_that_says_success_is_refused),
        cmocka_unit_test(test_a_vault_that_goes_away_is_unavailable),
        cmocka_unit_test(test_signatures_and_refusals_stand_the_battery),
        cmocka_unit_test(test_answers_to_logins_stand_the_battery),
        cmocka_unit_test(test_a_signature_of_a_handshake_comes_or_a_sentence),
        cmocka_unit_test(test_lists_of_keys_stand_the_battery),
    };
    return cmocka_run_group_tests(tests, open_group, close_group);
}
