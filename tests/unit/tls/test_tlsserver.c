#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <openssl/err.h>

#include "peer.h"
#include "rand.h"
#include "tls.h"
#include "tlsserver.h"

static struct identity rsa, ec;

static struct span chain_of(const struct identity *id)
{
    return buf_span(&id->chain_pem);
}

static struct tls_remote local(const struct identity *id)
{
    return (struct tls_remote){sign_here, id->key};
}

static SSL_CTX *bare_context(const char *context)
{
    struct tlsserver_options options = {.security_level = 2, .context = span_text(context)};
    SSL_CTX *ctx = tlsserver_new(&options, NULL);
    assert_non_null(ctx);
    return ctx;
}

static int shake(SSL_CTX *server, SSL_CTX *client, struct tls_info *info, struct fail *f)
{
    struct pair pair;
    pair_open(&pair, tlsserver_accept(server), SSL_new(client));
    SSL_set_connect_state(pair.client);
    int rc = pair_shake(&pair, f);
    if (rc == 0 && info != NULL)
        tls_info_fill(info, pair.client);
    pair_close(&pair);
    return rc;
}

static void test_three_hundred_handshakes_of_each_kind_with_the_key_in_another_process(void **state)
{
    static const struct {
        struct identity *id;
        int version;
        const char *name;
    } kinds[] = {
        {&rsa, TLS1_2_VERSION, "TLSv1.2"},
        {&rsa, TLS1_3_VERSION, "TLSv1.3"},
        {&ec, TLS1_2_VERSION, "TLSv1.2"},
        {&ec, TLS1_3_VERSION, "TLSv1.3"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct signer signer;
        signer_start(&signer, kinds[i].id->key);
        SSL_CTX *server =
            server_context(chain_of(kinds[i].id), (struct tls_remote){sign_there, &signer});
        SSL_CTX *client = plain_client(chain_of(kinds[i].id), kinds[i].version);
        for (int n = 0; n < 300; n++) {
            struct fail f = {""};
            struct tls_info info;
            if (shake(server, client, &info, &f) != 0)
                fail_msg("%s, handshake %d: %s", kinds[i].name, n, f.text);
            assert_string_equal(info.version, kinds[i].name);
            assert_true(info.verified);
            assert_false(info.resumed);
        }
        tlsserver_free(&server);
        SSL_CTX_free(client);
        signer_stop(&signer);
    }
}

static void test_larger_keys_work_too(void **state)
{
    static const char *const kinds[] = {"RSA-3072", "P-384"};
    for (size_t i = 0; i < 2; i++) {
        struct identity id;
        identity_make(&id, kinds[i]);
        SSL_CTX *server = server_context(chain_of(&id), local(&id));
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            SSL_CTX *client = plain_client(chain_of(&id), version);
            assert_int_equal(shake(server, client, NULL, NULL), 0);
            SSL_CTX_free(client);
        }
        tlsserver_free(&server);
        identity_free(&id);
    }
}

static void test_every_hash_and_padding_that_a_client_may_ask_for_is_signed(void **state)
{
    static const struct {
        struct identity *id;
        int version;
        const char *signature;
    } asked[] = {
        {&rsa, TLS1_2_VERSION, "RSA+SHA256"},     {&rsa, TLS1_2_VERSION, "RSA+SHA384"},
        {&rsa, TLS1_2_VERSION, "RSA+SHA512"},     {&rsa, TLS1_2_VERSION, "RSA-PSS+SHA256"},
        {&rsa, TLS1_3_VERSION, "RSA-PSS+SHA256"}, {&rsa, TLS1_3_VERSION, "RSA-PSS+SHA384"},
        {&rsa, TLS1_3_VERSION, "RSA-PSS+SHA512"}, {&ec, TLS1_2_VERSION, "ECDSA+SHA256"},
        {&ec, TLS1_2_VERSION, "ECDSA+SHA384"},    {&ec, TLS1_2_VERSION, "ECDSA+SHA512"},
        {&ec, TLS1_3_VERSION, "ECDSA+SHA256"},
    };
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        struct fail f = {""};
        SSL_CTX *server = server_context(chain_of(asked[i].id), local(asked[i].id));
        SSL_CTX *client = plain_client(chain_of(asked[i].id), asked[i].version);
        SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
        assert_int_equal(SSL_CTX_set1_sigalgs_list(client, asked[i].signature), 1);
        if (shake(server, client, NULL, &f) != 0)
            fail_msg("%s: %s", asked[i].signature, f.text);
        SSL_CTX_free(client);
        tlsserver_free(&server);
    }
}

/* At security level 0, so that what refuses is what the context offers and not OpenSSL's level. */
static void test_what_a_signing_oracle_could_decrypt_or_forge_is_not_offered(void **state)
{
    static const struct {
        int version;
        const char *ciphers, *signatures;
    } refused[] = {
        {TLS1_2_VERSION, "kRSA", NULL},     {TLS1_2_VERSION, "DHE", NULL},
        {TLS1_2_VERSION, NULL, "RSA+SHA1"}, {TLS1_2_VERSION, NULL, "RSA+SHA224"},
        {TLS1_1_VERSION, "ALL", NULL},      {TLS1_2_VERSION, "aNULL", NULL},
    };
    struct tlsserver_options options = {.security_level = 0, .context = span_text("test")};
    struct tls_remote remote = local(&rsa);
    SSL_CTX *server = tlsserver_new(&options, NULL);
    assert_int_equal(tlsserver_add_certificate(server, chain_of(&rsa), &remote, NULL), 0);
    for (size_t i = 0; i < sizeof refused / sizeof refused[0]; i++) {
        SSL_CTX *client = plain_client(chain_of(&rsa), refused[i].version);
        SSL_CTX_set_security_level(client, 0);
        if (refused[i].ciphers != NULL)
            assert_int_equal(SSL_CTX_set_cipher_list(client, refused[i].ciphers), 1);
        if (refused[i].signatures != NULL)
            assert_int_equal(SSL_CTX_set1_sigalgs_list(client, refused[i].signatures), 1);
        struct fail f = {""};
        /* Nor is the key asked, which would refuse. */
        if (shake(server, client, NULL, &f) == 0 || strstr(f.text, "key process") != NULL)
            fail_msg("case %zu was taken: %s", i, f.text);
        SSL_CTX_free(client);
    }
    const STACK_OF(SSL_CIPHER) *ciphers = SSL_CTX_get_ciphers(server);
    assert_true(sk_SSL_CIPHER_num(ciphers) > 8);
    for (int i = 0; i < sk_SSL_CIPHER_num(ciphers); i++) {
        const char *name = SSL_CIPHER_get_name(sk_SSL_CIPHER_value(ciphers, i));
        if (strncmp(name, "TLS_", 4) != 0 && strncmp(name, "ECDHE-RSA-", 10) != 0 &&
            strncmp(name, "ECDHE-ECDSA-", 12) != 0)
            fail_msg("%s is offered", name);
    }
    tlsserver_free(&server);
}

static void test_of_two_certificates_the_elliptic_one_is_preferred(void **state)
{
    struct tls_remote remote = local(&ec);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        SSL_CTX *server = server_context(chain_of(&rsa), local(&rsa));
        assert_int_equal(tlsserver_add_certificate(server, chain_of(&ec), &remote, NULL), 0);
        SSL_CTX *takes_both = plain_client(chain_of(&ec), version);
        SSL_CTX *takes_rsa = plain_client(chain_of(&rsa), version);
        assert_int_equal(SSL_CTX_set1_sigalgs_list(takes_both, "RSA-PSS+SHA256:ECDSA+SHA256"), 1);
        assert_int_equal(SSL_CTX_set1_sigalgs_list(takes_rsa, "RSA-PSS+SHA256:RSA+SHA256"), 1);
        assert_int_equal(shake(server, takes_both, NULL, NULL), 0);
        assert_int_equal(shake(server, takes_rsa, NULL, NULL), 0);
        SSL_CTX_free(takes_both);
        SSL_CTX_free(takes_rsa);
        tlsserver_free(&server);
    }
}

static void refuse_certificate(struct span pem, struct tls_remote remote, const char *sentence)
{
    struct fail f = {""};
    SSL_CTX *ctx = bare_context("test");
    assert_int_equal(tlsserver_add_certificate(ctx, pem, &remote, &f), -1);
    if (strstr(f.text, sentence) == NULL)
        fail_msg("said \"%s\" and not \"%s\"", f.text, sentence);
    assert_int_equal(ERR_peek_error(), 0);
    tlsserver_free(&ctx);
}

static void test_a_certificate_out_of_its_time_is_refused(void **state)
{
    struct buf expired = {0}, early = {0};
    certificate_make(buf_span(&ec.key_pem), -7200, -3600, &expired);
    certificate_make(buf_span(&ec.key_pem), 3600, 7200, &early);
    refuse_certificate(buf_span(&expired), local(&ec),
                       "certificate for CN=old.example expired on 20");
    refuse_certificate(buf_span(&early), local(&ec),
                       "certificate for CN=old.example is not valid before 20");
    buf_free(&expired);
    buf_free(&early);
}

static void test_a_certificate_of_an_unsupported_kind_is_refused_by_name(void **state)
{
    static const char *const kinds[][2] = {
        {"ED25519", "kind ED25519 is not supported: RSA of 2048 to 8192 bits, P-256 and P-384 are"},
        {"RSA-1024", "kind RSA (1024 bits) is not supported"},
        {"P-521", "kind EC (secp521r1) is not supported"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct identity id;
        struct buf chain = {0};
        identity_make(&id, kinds[i][0]);
        assert_null(id.key);
        certificate_make(buf_span(&id.key_pem), 0, 3600, &chain);
        refuse_certificate(buf_span(&chain), local(&ec), kinds[i][1]);
        buf_free(&chain);
        identity_free(&id);
    }
}

static int sign_short(void *arg, int key_type, int nid_or_padding, struct span input,
                      struct buf *out, struct fail *f)
{
    assert_int_equal(sign_here(arg, key_type, nid_or_padding, input, out, f), 0);
    buf_cut(out, out->n - 1);
    return 0;
}

static int sign_long(void *arg, int key_type, int nid_or_padding, struct span input,
                     struct buf *out, struct fail *f)
{
    static const unsigned char more[512];
    assert_int_equal(sign_here(arg, key_type, nid_or_padding, input, out, f), 0);
    buf_put(out, more, sizeof more);
    return 0;
}

static int sign_never(void *arg, int key_type, int nid_or_padding, struct span input,
                      struct buf *out, struct fail *f)
{
    return fail_set(f, "the key is on holiday");
}

static void test_a_key_that_does_not_fit_its_certificate_is_refused(void **state)
{
    struct identity other_rsa, other_ec;
    identity_make(&other_rsa, "RSA-2048");
    identity_make(&other_ec, "P-256");
    refuse_certificate(chain_of(&rsa), local(&other_rsa),
                       "certificate for mail.example: the private key does not belong to");
    refuse_certificate(chain_of(&ec), local(&other_ec), "the private key does not belong to");
    refuse_certificate(chain_of(&rsa), local(&ec), "asked for with another kind of key");
    refuse_certificate(chain_of(&rsa), (struct tls_remote){sign_short, rsa.key},
                       "a signature of 255 octets instead of 256");
    refuse_certificate(chain_of(&rsa), (struct tls_remote){sign_long, rsa.key},
                       "a signature of 768 octets instead of 256");
    refuse_certificate(chain_of(&ec), (struct tls_remote){sign_long, ec.key},
                       "octets, more than 72");
    refuse_certificate(
        chain_of(&ec), (struct tls_remote){sign_never, NULL},
        "the private key cannot sign: the key process did not sign: the key is on holiday");
    identity_free(&other_rsa);
    identity_free(&other_ec);
}

static void test_a_file_without_a_readable_certificate_is_refused(void **state)
{
    refuse_certificate(span_text(""), local(&ec), "no certificate found");
    refuse_certificate(span_text("hello\n"), local(&ec), "no certificate found");
    refuse_certificate(buf_span(&ec.key_pem), local(&ec), "no certificate found");
    refuse_certificate(span_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
                       local(&ec), "cannot read the certificate");
}

struct toggled {
    struct tlskey *key;
    bool broken;
};

static int sign_toggled(void *arg, int key_type, int nid_or_padding, struct span input,
                        struct buf *out, struct fail *f)
{
    struct toggled *t = arg;
    return t->broken ? sign_never(NULL, key_type, nid_or_padding, input, out, f)
                     : sign_here(t->key, key_type, nid_or_padding, input, out, f);
}

static void test_when_the_key_process_fails_the_handshake_fails_and_says_so(void **state)
{
    struct identity *ids[] = {&rsa, &ec};
    for (size_t i = 0; i < 2; i++) {
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            struct toggled toggled = {ids[i]->key, false};
            struct fail f = {""};
            SSL_CTX *server =
                server_context(chain_of(ids[i]), (struct tls_remote){sign_toggled, &toggled});
            SSL_CTX *client = plain_client(chain_of(ids[i]), version);
            toggled.broken = true;
            assert_int_equal(shake(server, client, NULL, &f), -1);
            assert_string_equal(
                f.text, "handshake failed: the key process did not sign: the key is on holiday");
            toggled.broken = false;
            assert_int_equal(shake(server, client, NULL, &f), 0);
            SSL_CTX_free(client);
            tlsserver_free(&server);
        }
    }
}

static void test_a_connection_outlives_its_context(void **state)
{
    struct fail f = {""};
    SSL_CTX *server = server_context(chain_of(&ec), local(&ec));
    SSL_CTX *client = plain_client(chain_of(&ec), TLS1_3_VERSION);
    struct pair pair;
    pair_open(&pair, tlsserver_accept(server), SSL_new(client));
    SSL_set_connect_state(pair.client);
    tlsserver_free(&server);
    assert_null(server);
    assert_int_equal(pair_shake(&pair, &f), 0);
    pair_close(&pair);
    SSL_CTX_free(client);
}

static void count_tickets(int sent, int version, int type, const void *p, size_t n, SSL *ssl,
                          void *arg)
{
    const unsigned char *message = p;
    if (type == SSL3_RT_HANDSHAKE && n > 0 && message[0] == SSL3_MT_NEWSESSION_TICKET)
        ++*(int *)arg;
}

/* Whether a session got from one context is resumed by another, and how many tickets come with
 * that. */
static bool resumes_with(SSL_CTX *from, SSL_CTX *at, int version, int *tickets)
{
    SSL_CTX *client = plain_client(chain_of(&ec), version);
    struct pair pair;
    pair_open(&pair, tlsserver_accept(from), SSL_new(client));
    SSL_set_connect_state(pair.client);
    assert_int_equal(pair_shake(&pair, NULL), 0);
    assert_int_equal(pair_deliver(&pair), 0);
    SSL_SESSION *session = SSL_get1_session(pair.client);
    pair_close(&pair);
    pair_open(&pair, tlsserver_accept(at), SSL_new(client));
    SSL_set_connect_state(pair.client);
    assert_int_equal(SSL_set_session(pair.client, session), 1);
    SSL_set_msg_callback(pair.client, count_tickets);
    SSL_set_msg_callback_arg(pair.client, tickets);
    *tickets = 0;
    assert_int_equal(pair_shake(&pair, NULL), 0);
    assert_int_equal(pair_deliver(&pair), 0);
    struct tls_info at_server, at_client;
    tls_info_fill(&at_server, pair.server);
    tls_info_fill(&at_client, pair.client);
    assert_int_equal(at_server.resumed, at_client.resumed);
    SSL_SESSION_free(session);
    pair_close(&pair);
    SSL_CTX_free(client);
    return at_server.resumed;
}

static bool resumes(SSL_CTX *from, SSL_CTX *at, int version)
{
    int tickets;
    return resumes_with(from, at, version, &tickets);
}

static SSL_CTX *ticket_context(const char *context, const unsigned char *keys, size_t count)
{
    struct tls_remote remote = local(&ec);
    SSL_CTX *ctx = bare_context(context);
    assert_int_equal(tlsserver_add_certificate(ctx, chain_of(&ec), &remote, NULL), 0);
    assert_int_equal(
        tlsserver_set_ticket_keys(ctx, span_of(keys, count * TLSSERVER_TICKET_KEY_SIZE), NULL), 0);
    return ctx;
}

static void test_workers_that_share_ticket_keys_resume_each_others_sessions(void **state)
{
    unsigned char keys[3 * TLSSERVER_TICKET_KEY_SIZE];
    rand_bytes(keys, sizeof keys);
    unsigned char *old = keys, *both = keys, *other = keys + 2 * TLSSERVER_TICKET_KEY_SIZE;
    SSL_CTX *a = ticket_context("mail", old, 1);
    SSL_CTX *same = ticket_context("mail", old, 1);
    SSL_CTX *elsewhere = ticket_context("web", old, 1);
    SSL_CTX *unknown = ticket_context("mail", other, 1);
    SSL_CTX *off = ticket_context("mail", NULL, 0);
    /* The new key first, the old one behind it. */
    unsigned char rotated_keys[2 * TLSSERVER_TICKET_KEY_SIZE];
    memcpy(rotated_keys, both + TLSSERVER_TICKET_KEY_SIZE, TLSSERVER_TICKET_KEY_SIZE);
    memcpy(rotated_keys + TLSSERVER_TICKET_KEY_SIZE, both, TLSSERVER_TICKET_KEY_SIZE);
    SSL_CTX *rotated = ticket_context("mail", rotated_keys, 2);
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        assert_true(resumes(a, a, version));
        assert_true(resumes(a, same, version));
        assert_true(resumes(a, rotated, version));
        assert_false(resumes(rotated, a, version));
        assert_false(resumes(a, unknown, version));
        assert_false(resumes(a, off, version));
        assert_false(resumes(off, off, version));
    }
    /* A ticket of an old key is replaced, and in TLS 1.3 every one that was used. */
    int tickets;
    assert_true(resumes_with(a, rotated, TLS1_2_VERSION, &tickets) && tickets == 1);
    assert_true(resumes_with(a, a, TLS1_2_VERSION, &tickets) && tickets == 0);
    assert_true(resumes_with(a, a, TLS1_3_VERSION, &tickets) && tickets == 1);
    /* OpenSSL refuses a TLS 1.3 session of another context with an alert, and falls back in 1.2. */
    assert_false(resumes(a, elsewhere, TLS1_2_VERSION));
    SSL_CTX *all[] = {a, same, elsewhere, unknown, off, rotated};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        tlsserver_free(&all[i]);
}

static void test_without_a_key_no_ticket_is_sent_and_with_one_exactly_one(void **state)
{
    unsigned char key[TLSSERVER_TICKET_KEY_SIZE] = {1};
    for (int count = 0; count <= 1; count++) {
        for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
            int tickets = 0;
            SSL_CTX *server = ticket_context("mail", key, (size_t)count);
            SSL_CTX *client = plain_client(chain_of(&ec), version);
            struct pair pair;
            SSL_CTX_set_msg_callback(client, count_tickets);
            SSL_CTX_set_msg_callback_arg(client, &tickets);
            pair_open(&pair, tlsserver_accept(server), SSL_new(client));
            SSL_set_connect_state(pair.client);
            assert_int_equal(pair_shake(&pair, NULL), 0);
            assert_int_equal(pair_deliver(&pair), 0);
            assert_int_equal(tickets, count);
            pair_close(&pair);
            SSL_CTX_free(client);
            tlsserver_free(&server);
        }
    }
}

static void test_ticket_keys_can_be_replaced_while_the_server_runs(void **state)
{
    unsigned char keys[2 * TLSSERVER_TICKET_KEY_SIZE];
    struct fail f = {""};
    rand_bytes(keys, sizeof keys);
    SSL_CTX *a = ticket_context("mail", keys, 1), *b = ticket_context("mail", keys, 2);
    assert_true(resumes(a, b, TLS1_3_VERSION));
    assert_int_equal(
        tlsserver_set_ticket_keys(
            b, span_of(keys + TLSSERVER_TICKET_KEY_SIZE, TLSSERVER_TICKET_KEY_SIZE), &f),
        0);
    assert_false(resumes(a, b, TLS1_3_VERSION));
    assert_true(resumes(b, b, TLS1_3_VERSION));
    assert_int_equal(tlsserver_set_ticket_keys(b, span_of(keys, 79), &f), -1);
    assert_non_null(strstr(f.text, "79 octets are not"));
    assert_true(resumes(b, b, TLS1_3_VERSION));
    tlsserver_free(&a);
    tlsserver_free(&b);
}

static void test_renegotiation_is_refused(void **state)
{
    SSL_CTX *server = server_context(chain_of(&ec), local(&ec));
    SSL_CTX *client = plain_client(chain_of(&ec), TLS1_2_VERSION);
    struct pair pair;
    pair_open(&pair, tlsserver_accept(server), SSL_new(client));
    SSL_set_connect_state(pair.client);
    assert_int_equal(pair_shake(&pair, NULL), 0);
    assert_int_equal(SSL_renegotiate(pair.client), 1);
    (void)SSL_do_handshake(pair.client);
    char octet;
    assert_int_equal(SSL_read(pair.server, &octet, 1), -1);
    assert_int_equal(SSL_do_handshake(pair.client), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    pair_close(&pair);
    SSL_CTX_free(client);
    tlsserver_free(&server);
}

static void test_a_peer_that_just_hangs_up_ends_the_connection_in_order(void **state)
{
    SSL_CTX *server = server_context(chain_of(&ec), local(&ec));
    SSL_CTX *client = plain_client(chain_of(&ec), TLS1_3_VERSION);
    struct pair pair;
    char octet;
    pair_open(&pair, tlsserver_accept(server), SSL_new(client));
    SSL_set_connect_state(pair.client);
    assert_int_equal(pair_shake(&pair, NULL), 0);
    assert_int_equal(close(pair.fd[1]), 0);
    pair.fd[1] = -1;
    int rc = SSL_read(pair.server, &octet, 1);
    assert_int_equal(SSL_get_error(pair.server, rc), SSL_ERROR_ZERO_RETURN);
    SSL_set_quiet_shutdown(pair.client, 1);
    pair_close(&pair);
    SSL_CTX_free(client);
    tlsserver_free(&server);
}

static int set_up(void **state)
{
    (void)signal(SIGPIPE, SIG_IGN);
    if (tls_init(NULL) != 0)
        return -1;
    identity_make(&rsa, "RSA-2048");
    identity_make(&ec, "P-256");
    return 0;
}

static int tear_down(void **state)
{
    identity_free(&rsa);
    identity_free(&ec);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_three_hundred_handshakes_of_each_kind_with_the_key_in_another_process),
        cmocka_unit_test(test_larger_keys_work_too),
        cmocka_unit_test(test_every_hash_and_padding_that_a_client_may_ask_for_is_signed),
        cmocka_unit_test(test_what_a_signing_oracle_could_decrypt_or_forge_is_not_offered),
        cmocka_unit_test(test_of_two_certificates_the_elliptic_one_is_preferred),
        cmocka_unit_test(test_a_certificate_out_of_its_time_is_refused),
        cmocka_unit_test(test_a_certificate_of_an_unsupported_kind_is_refused_by_name),
        cmocka_unit_test(test_a_key_that_does_not_fit_its_certificate_is_refused),
        cmocka_unit_test(test_a_file_without_a_readable_certificate_is_refused),
        cmocka_unit_test(test_when_the_key_process_fails_the_handshake_fails_and_says_so),
        cmocka_unit_test(test_a_connection_outlives_its_context),
        cmocka_unit_test(test_workers_that_share_ticket_keys_resume_each_others_sessions),
        cmocka_unit_test(test_without_a_key_no_ticket_is_sent_and_with_one_exactly_one),
        cmocka_unit_test(test_ticket_keys_can_be_replaced_while_the_server_runs),
        cmocka_unit_test(test_renegotiation_is_refused),
        cmocka_unit_test(test_a_peer_that_just_hangs_up_ends_the_connection_in_order),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
