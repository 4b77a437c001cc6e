#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "dkimkey.h"
#include "log.h"
#include "mem.h"
#include "proto_secret.h"
#include "proto_types.h"
#include "signer.h"

/* The vault is played by the test. */

static struct event_base *base;
static struct event *alarm_;
static struct signer *signer;
static struct ipc *ours, *vaults;
static EVP_PKEY *rsa;
static struct secret_dkim_key *keys;
static uint32_t keys_n;
static unsigned lists, signatures;
static bool refuse, silent;

static int on_ask(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct secret_request r;
    assert_int_equal(secret_read(m, &r, f), 0);
    if (r.type == MSG_SECRET_DKIM_LIST) {
        lists++;
        secret_answer_dkim_keys(ch, m->id, keys, keys_n);
    } else if (!silent) {
        struct buf s = {0};
        assert_int_equal(r.type, MSG_SECRET_DKIM_SIGN);
        signatures++;
        assert_int_equal(dkimkey_sign(rsa, DKIM_RSA_SHA256, r.message.p, &s, f), 0);
        if (refuse)
            secret_refuse(ch, m->id, "no such DKIM key");
        else
            secret_answer_signature(ch, m->id, buf_span(&s));
        buf_free(&s);
    }
    secret_request_clear(&r);
    return 0;
}

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    fail_msg("waited in vain");
}

static void link_vault(void)
{
    static const struct ipc_handler asks = {NULL, NULL}, answers = {on_ask, NULL};
    struct fail f;
    int fd[2];
    assert_int_equal(ipc_pair(fd, &f), 0);
    ours = ipc_new(base, fd[0], "vault", &asks, NULL);
    vaults = ipc_new(base, fd[1], "signer", &answers, NULL);
}

static void turn(void)
{
    for (int i = 0; i < 8; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static void unlink_vault(void)
{
    signer_use(signer, NULL);
    ipc_free(&ours);
    ipc_free(&vaults);
}

static int setup(void **state)
{
    static struct secret_dkim_key some[] = {
        {(char *)"b.example", (char *)"two", DKIM_RSA_SHA256},
        {(char *)"a.example", (char *)"s", DKIM_RSA_SHA256},
        {(char *)"b.example", (char *)"one", DKIM_RSA_SHA256},
    };
    const struct timeval patience = {20, 0};
    log_open("test", (enum log_level)(LOG_ERROR_ + 1));
    base = event_base_new();
    alarm_ = evtimer_new(base, on_alarm, NULL);
    evtimer_add(alarm_, &patience);
    keys = some;
    keys_n = 3;
    lists = signatures = 0;
    refuse = silent = false;
    signer = signer_new(base);
    link_vault();
    return 0;
}

static int teardown(void **state)
{
    unlink_vault();
    turn();
    signer_free(&signer);
    event_free(alarm_);
    event_base_free(base);
    return 0;
}

struct heard {
    int calls;
    bool never;
    struct buf fields;
    char why[200];
};

static void on_fields(void *arg, struct span fields, const char *why, bool never)
{
    struct heard *h = arg;
    h->calls++;
    h->never = never;
    buf_clear(&h->fields);
    buf_put_span(&h->fields, fields);
    (void)snprintf(h->why, sizeof h->why, "%s", why == NULL ? "" : why);
}

static const char header[] = "From: a@b.example\r\nSubject: x\r\n";

static struct signer_job *sign_header(const char *domain, struct span text, struct heard *h)
{
    static const unsigned char hash[DKIM_DIGEST];
    memset(h, 0, sizeof *h);
    struct signer_job *job = signer_sign(signer, domain, text, hash, 1732700000, on_fields, h);
    assert_int_equal(h->calls, 0); /* never before it returns */
    return job;
}

static struct signer_job *sign(const char *domain, struct heard *h)
{
    return sign_header(domain, span_text(header), h);
}

static void test_every_key_of_the_domain_signs_in_its_order(void **state)
{
    struct heard h;
    signer_use(signer, ours);
    assert_true(signer_has_key(signer, "c.example")); /* while it is not known */
    turn();
    assert_true(signer_has_key(signer, "a.example"));
    assert_true(signer_has_key(signer, "b.example"));
    assert_false(signer_has_key(signer, "c.example"));
    assert_false(signer_has_key(signer, "a.exampl"));
    (void)sign("b.example", &h);
    while (h.calls == 0)
        (void)event_base_loop(base, EVLOOP_ONCE);
    assert_string_equal(h.why, "");
    const char *text = buf_text(&h.fields), *two = strstr(text, "s=two"),
               *one = strstr(text, "s=one");
    assert_non_null(two);
    assert_non_null(one);
    assert_true(two < one); /* as the vault gave them */
    assert_int_equal(signatures, 2);
    assert_true(strncmp(text, "DKIM-Signature:", 15) == 0);
    assert_true(strcmp(text + h.fields.n - 2, "\r\n") == 0);
    buf_free(&h.fields);
}

static void test_a_domain_without_a_key_gets_nothing_and_no_complaint(void **state)
{
    struct heard h;
    signer_use(signer, ours);
    turn();
    (void)sign("c.example", &h);
    turn();
    assert_int_equal(h.calls, 1);
    assert_string_equal(h.why, "");
    assert_int_equal(h.fields.n, 0);
}

static void test_without_the_vault_nothing_goes_out_unsigned(void **state)
{
    struct heard h;
    (void)sign("a.example", &h);
    turn();
    assert_string_equal(h.why, "cannot sign: the vault is not there");
    signer_use(signer, ours); /* which has not told its keys yet */
    (void)sign("a.example", &h);
    turn();
    assert_string_equal(h.why, "cannot sign: the vault is not there");
    silent = true;
    (void)sign("a.example", &h);
    turn();
    assert_int_equal(h.calls, 0);
    ipc_free(&vaults);
    turn();
    assert_int_equal(h.calls, 1);
    assert_string_equal(h.why, "cannot sign: the vault is not there");
    assert_false(h.never);
    unlink_vault();
    silent = false;
    link_vault();
    signer_use(signer, ours);
    turn();
    (void)sign("a.example", &h);
    while (h.calls == 0)
        (void)event_base_loop(base, EVLOOP_ONCE);
    assert_string_equal(h.why, "");
    buf_free(&h.fields);
}

static void test_a_header_that_can_never_be_signed_is_told_apart(void **state)
{
    struct buf text = {0};
    struct heard h;
    signer_use(signer, ours);
    turn();
    buf_puts(&text, header);
    for (int i = 0; i < DKIM_SAME_MAX; i++)
        buf_puts(&text, "To: x@b.example\r\n");
    (void)sign_header("b.example", buf_span(&text), &h);
    while (h.calls == 0)
        (void)event_base_loop(base, EVLOOP_ONCE);
    assert_string_equal(h.why, "");
    buf_free(&h.fields);
    buf_puts(&text, "To: x@b.example\r\n");
    (void)sign_header("b.example", buf_span(&text), &h);
    turn();
    assert_int_equal(h.calls, 1);
    assert_string_equal(h.why, "cannot sign: header has more than 20 To fields");
    assert_true(h.never);
    buf_free(&text);
}

static void test_after_a_refusal_the_keys_are_asked_for_again(void **state)
{
    struct heard h;
    signer_use(signer, ours);
    turn();
    assert_int_equal(lists, 1);
    refuse = true; /* the vault has other keys by now */
    keys_n = 1;
    (void)sign("a.example", &h);
    turn();
    assert_string_equal(h.why, "cannot sign: no such DKIM key");
    assert_false(h.never);
    assert_int_equal(lists, 2);
    assert_false(signer_has_key(signer, "a.example"));
    assert_true(signer_has_key(signer, "b.example"));
}

static void test_a_cancelled_job_is_not_heard_of(void **state)
{
    struct heard h;
    signer_use(signer, ours);
    turn();
    struct signer_job *job = sign("b.example", &h), *none = NULL;
    signer_cancel(&job);
    assert_null(job);
    signer_cancel(&none);
    turn();
    assert_int_equal(h.calls, 0);
}

static void test_a_hundred_thousand_keys_are_no_burden(void **state)
{
    struct heard h;
    keys_n = SECRET_DKIM_KEYS_MAX;
    keys = mem_array(keys_n, sizeof *keys);
    for (uint32_t i = 0; i < keys_n; i++)
        keys[i] = (struct secret_dkim_key){mem_format("d%u.example", (i * 7919u) % keys_n),
                                           mem_text("s"), DKIM_RSA_SHA256};
    signer_use(signer, ours);
    while (!signer_has_key(signer, "d0.example") || signer_has_key(signer, "none.example"))
        (void)event_base_loop(base, EVLOOP_ONCE);
    for (unsigned i = 0; i < keys_n; i += 1000) {
        char domain[40];
        (void)snprintf(domain, sizeof domain, "d%u.example", i);
        assert_true(signer_has_key(signer, domain));
    }
    (void)sign("d77777.example", &h);
    while (h.calls == 0)
        (void)event_base_loop(base, EVLOOP_ONCE);
    assert_string_equal(h.why, "");
    assert_int_equal(signatures, 1);
    buf_free(&h.fields);
    for (uint32_t i = 0; i < keys_n; i++) {
        mem_free(&keys[i].domain);
        mem_free(&keys[i].selector);
    }
    mem_free(&keys);
}

static int make_key(void **state)
{
    struct fail f;
    rsa = dkimkey_generate(DKIM_RSA_SHA256, &f);
    return rsa != NULL ? 0 : -1;
}

static int free_key(void **state)
{
    EVP_PKEY_free(rsa);
    return 0;
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(test_every_key_of_the_domain_signs_in_its_order),
        EACH(test_a_domain_without_a_key_gets_nothing_and_no_complaint),
        EACH(test_without_the_vault_nothing_goes_out_unsigned),
        EACH(test_a_header_that_can_never_be_signed_is_told_apart),
        EACH(test_after_a_refusal_the_keys_are_asked_for_again),
        EACH(test_a_cancelled_job_is_not_heard_of),
        EACH(test_a_hundred_thousand_keys_are_no_burden),
    };
    return cmocka_run_group_tests(tests, make_key, free_key);
}
