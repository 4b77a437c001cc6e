#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>

#include "mem.h"
#include "peer.h"
#include "tls.h"
#include "tlsclient.h"
#include "tlsserver.h"

static struct identity good, stranger;

static X509_STORE *trust(struct span chain_pem)
{
    struct fail f = {""};
    int fd = memfd_create("roots", MFD_CLOEXEC);
    assert_int_equal(write(fd, chain_pem.p, chain_pem.n), chain_pem.n);
    char *path = mem_format("/proc/self/fd/%d", fd);
    X509_STORE *roots = tlsclient_roots(path, &f);
    if (roots == NULL)
        fail_msg("%s", f.text);
    mem_free(&path);
    (void)close(fd);
    return roots;
}

static SSL_CTX *client_of(enum tlsclient_mode mode, int min_version)
{
    X509_STORE *roots = trust(buf_span(&good.chain_pem));
    struct tlsclient_options options = {.mode = mode, .min_version = min_version, .roots = roots};
    SSL_CTX *ctx = tlsclient_new(&options, NULL);
    X509_STORE_free(roots);
    assert_non_null(ctx);
    return ctx;
}

static int shake_as(const struct identity *server, SSL_CTX *client, const char *host,
                    struct tls_info *info, struct fail *f)
{
    SSL_CTX *ctx =
        server_context(buf_span(&server->chain_pem), (struct tls_remote){sign_here, server->key});
    struct pair pair;
    SSL *ssl = tlsclient_connect(client, host, f);
    if (ssl == NULL) {
        tlsserver_free(&ctx);
        return -1;
    }
    pair_open(&pair, tlsserver_accept(ctx), ssl);
    int rc = 0;
    /* The client's view decides: a TLS 1.3 server is done before it hears of the client's refusal.
     */
    struct fail at_server = {""};
    rc = pair_shake(&pair, &at_server);
    long verify = SSL_get_verify_result(pair.client);
    if (rc != 0)
        (void)fail_set(f, "%s / %s", at_server.text, X509_verify_cert_error_string(verify));
    else if (info != NULL)
        tls_info_fill(info, pair.client);
    pair_close(&pair);
    tlsserver_free(&ctx);
    return rc;
}

static void test_a_verified_connection_needs_a_trusted_root_and_the_right_name(void **state)
{
    static const struct {
        bool trusted;
        const char *host, *why; /* why NULL: it works */
    } cases[] = {
        {true, "mail.example", NULL},
        {true, "MAIL.example.", NULL},
        {true, "localhost", NULL},
        {true, "127.0.0.1", NULL},
        {true, "other.example", "hostname mismatch"},
        {true, "sub.mail.example", "hostname mismatch"},
        {true, "mail.exampl", "hostname mismatch"},
        {true, "127.0.0.2", "IP address mismatch"},
        {true, "::1", "IP address mismatch"},
        {false, "mail.example", "self-signed certificate"},
    };
    SSL_CTX *client = client_of(TLSCLIENT_VERIFIED, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fail f = {""};
        struct tls_info info = {0};
        int rc = shake_as(cases[i].trusted ? &good : &stranger, client, cases[i].host, &info, &f);
        if (rc != (cases[i].why == NULL ? 0 : -1))
            fail_msg("%s: %d, %s", cases[i].host, rc, f.text);
        if (cases[i].why == NULL)
            assert_true(info.verified);
        else if (strstr(f.text, cases[i].why) == NULL)
            fail_msg("%s: said \"%s\"", cases[i].host, f.text);
    }
    tlsclient_free(&client);
}

static void test_a_common_name_is_no_name(void **state)
{
    struct identity old = {0};
    struct fail f = {""};
    identity_make(&old, "P-256");
    buf_free(&old.chain_pem);
    certificate_make(buf_span(&old.key_pem), -60, 3600,
                     &old.chain_pem); /* CN=old.example, no SAN */
    X509_STORE *roots = trust(buf_span(&old.chain_pem));
    struct tlsclient_options options = {.mode = TLSCLIENT_VERIFIED, .roots = roots};
    SSL_CTX *client = tlsclient_new(&options, NULL);
    assert_int_equal(shake_as(&old, client, "old.example", NULL, &f), -1);
    assert_non_null(strstr(f.text, "hostname mismatch"));
    tlsclient_free(&client);
    X509_STORE_free(roots);
    identity_free(&old);
}

static void test_an_opportunistic_connection_takes_any_certificate_and_says_it_did(void **state)
{
    SSL_CTX *client = client_of(TLSCLIENT_OPPORTUNISTIC, 0);
    const struct identity *ids[] = {&good, &stranger};
    for (size_t i = 0; i < 2; i++) {
        struct tls_info info;
        assert_int_equal(shake_as(ids[i], client, "what.example", &info, NULL), 0);
        assert_false(info.verified);
        assert_string_equal(info.version, "TLSv1.3");
        assert_string_equal(info.peer, "CN=mail.example");
    }
    tlsclient_free(&client);
}

/* A server of OpenSSL's own making with a key that level 2 would refuse, and this protocol only. */
static SSL_CTX *old_server(const char *key_kind, int version)
{
    struct identity id;
    struct buf chain = {0};
    identity_make(&id, key_kind);
    certificate_make(buf_span(&id.key_pem), -60, 3600, &chain);
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    SSL_CTX_set_security_level(ctx, 0);
    BIO *key = BIO_new_mem_buf(buf_span(&id.key_pem).p, (int)id.key_pem.n);
    BIO *cert = BIO_new_mem_buf(buf_span(&chain).p, (int)chain.n);
    EVP_PKEY *pkey = PEM_read_bio_PrivateKey(key, NULL, NULL, NULL);
    X509 *x509 = PEM_read_bio_X509(cert, NULL, NULL, NULL);
    assert_int_equal(SSL_CTX_use_certificate(ctx, x509), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(ctx, pkey), 1);
    assert_int_equal(SSL_CTX_set_min_proto_version(ctx, version), 1);
    assert_int_equal(SSL_CTX_set_max_proto_version(ctx, version), 1);
    EVP_PKEY_free(pkey);
    X509_free(x509);
    BIO_free(key);
    BIO_free(cert);
    buf_free(&chain);
    identity_free(&id);
    return ctx;
}

static bool works_with(SSL_CTX *server, SSL_CTX *client)
{
    struct pair pair;
    pair_open(&pair, SSL_new(server), tlsclient_connect(client, "old.example", NULL));
    SSL_set_accept_state(pair.server);
    bool works = pair_shake(&pair, NULL) == 0;
    pair_close(&pair);
    return works;
}

static void
test_old_servers_are_put_up_with_when_opportunistic_and_no_limit_says_otherwise(void **state)
{
    SSL_CTX *any = client_of(TLSCLIENT_OPPORTUNISTIC, 0);
    SSL_CTX *modern = client_of(TLSCLIENT_OPPORTUNISTIC, TLS1_2_VERSION);
    SSL_CTX *newest = client_of(TLSCLIENT_OPPORTUNISTIC, TLS1_3_VERSION);
    SSL_CTX *verified = client_of(TLSCLIENT_VERIFIED, 0);
    static const struct {
        const char *key;
        int version;
        bool any, modern, newest;
    } servers[] = {
        {"RSA-1024", TLS1_VERSION, true, false, false},
        {"RSA-1024", TLS1_1_VERSION, true, false, false},
        {"RSA-512", TLS1_2_VERSION, true, true, false},
        {"RSA-1024", TLS1_3_VERSION, true, true, true},
    };
    for (size_t i = 0; i < sizeof servers / sizeof servers[0]; i++) {
        SSL_CTX *server = old_server(servers[i].key, servers[i].version);
        assert_int_equal(works_with(server, any), servers[i].any);
        assert_int_equal(works_with(server, modern), servers[i].modern);
        assert_int_equal(works_with(server, newest), servers[i].newest);
        assert_false(works_with(server, verified));
        SSL_CTX_free(server);
    }
    tlsclient_free(&any);
    tlsclient_free(&modern);
    tlsclient_free(&newest);
    tlsclient_free(&verified);
}

static void test_a_server_that_wants_to_renegotiate_is_refused(void **state)
{
    SSL_CTX *server = old_server("RSA-2048", TLS1_2_VERSION);
    SSL_CTX *client = client_of(TLSCLIENT_OPPORTUNISTIC, 0);
    struct pair pair;
    char octet;
    pair_open(&pair, SSL_new(server), tlsclient_connect(client, "old.example", NULL));
    SSL_set_accept_state(pair.server);
    assert_int_equal(pair_shake(&pair, NULL), 0);
    assert_int_equal(SSL_renegotiate(pair.server), 1);
    (void)SSL_do_handshake(pair.server);
    assert_int_equal(SSL_read(pair.client, &octet, 1), -1);
    assert_int_equal(SSL_read(pair.server, &octet, 1), -1);
    assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
    pair_close(&pair);
    SSL_CTX_free(server);
    tlsclient_free(&client);
}

static void test_the_host_is_sent_as_sni_unless_it_is_an_address(void **state)
{
    static const char *const cases[][2] = {
        {"mail.example", "mail.example"},
        {"mail.example.", "mail.example"},
        {"127.0.0.1", NULL},
        {"2001:db8::1", NULL},
    };
    SSL_CTX *client = client_of(TLSCLIENT_OPPORTUNISTIC, 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct pair pair;
        SSL_CTX *server =
            server_context(buf_span(&good.chain_pem), (struct tls_remote){sign_here, good.key});
        pair_open(&pair, tlsserver_accept(server), tlsclient_connect(client, cases[i][0], NULL));
        assert_int_equal(pair_shake(&pair, NULL), 0);
        const char *sni = SSL_get_servername(pair.server, TLSEXT_NAMETYPE_host_name);
        if (cases[i][1] == NULL)
            assert_null(sni);
        else
            assert_string_equal(sni, cases[i][1]);
        pair_close(&pair);
        tlsserver_free(&server);
    }
    tlsclient_free(&client);
}

static void test_what_is_no_host_is_refused(void **state)
{
    char name[256];
    struct fail f = {""};
    SSL_CTX *client = client_of(TLSCLIENT_VERIFIED, 0);
    memset(name, 'a', sizeof name);
    name[254] = '\0';
    assert_null(tlsclient_connect(client, name, &f));
    assert_string_equal(f.text, "a host name has 1 to 253 octets");
    assert_null(tlsclient_connect(client, "", &f));
    name[253] = '\0';
    SSL *ssl = tlsclient_connect(client, name, NULL);
    assert_non_null(ssl);
    SSL_free(ssl);
    tlsclient_free(&client);
}

static void test_roots_that_cannot_be_loaded_are_a_failure(void **state)
{
    struct fail f = {""};
    assert_null(tlsclient_roots("/nonexistent/roots.pem", &f));
    assert_string_equal(f.text, "/nonexistent/roots.pem: cannot load trusted certificates: "
                                "No such file or directory");
    assert_null(tlsclient_roots("/dev/null", &f));
    assert_non_null(strstr(f.text, "/dev/null: cannot load trusted certificates: "));
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_the_systems_roots_load(void **state)
{
    if (access(TLSCLIENT_ROOTS, R_OK) != 0)
        skip();
    X509_STORE *roots = tlsclient_roots(NULL, NULL);
    assert_non_null(roots);
    assert_true(sk_X509_OBJECT_num(X509_STORE_get0_objects(roots)) > 50);
    X509_STORE_free(roots);
}

static int set_up(void **state)
{
    int rc = tls_init(NULL);
    identity_make(&good, "P-256");
    identity_make(&stranger, "P-256");
    return rc;
}

static int tear_down(void **state)
{
    identity_free(&good);
    identity_free(&stranger);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_verified_connection_needs_a_trusted_root_and_the_right_name),
        cmocka_unit_test(test_a_common_name_is_no_name),
        cmocka_unit_test(test_an_opportunistic_connection_takes_any_certificate_and_says_it_did),
        cmocka_unit_test(
            test_old_servers_are_put_up_with_when_opportunistic_and_no_limit_says_otherwise),
        cmocka_unit_test(test_a_server_that_wants_to_renegotiate_is_refused),
        cmocka_unit_test(test_the_host_is_sent_as_sni_unless_it_is_an_address),
        cmocka_unit_test(test_what_is_no_host_is_refused),
        cmocka_unit_test(test_roots_that_cannot_be_loaded_are_a_failure),
        cmocka_unit_test(test_the_systems_roots_load),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
