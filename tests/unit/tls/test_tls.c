#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/x509.h>

#include "peer.h"
#include "tls.h"
#include "tlsserver.h"

static struct identity ec;

static void shaken(struct pair *pair, int version, SSL_CTX **server, SSL_CTX **client)
{
    *server = server_context(buf_span(&ec.chain_pem), (struct tls_remote){sign_here, ec.key});
    *client = plain_client(buf_span(&ec.chain_pem), version);
    pair_open(pair, tlsserver_accept(*server), SSL_new(*client));
    SSL_set_connect_state(pair->client);
    assert_int_equal(pair_shake(pair, NULL), 0);
}

static void put_away(struct pair *pair, SSL_CTX **server, SSL_CTX **client)
{
    pair_close(pair);
    tlsserver_free(server);
    SSL_CTX_free(*client);
}

static void test_what_was_negotiated_is_told_by_registered_names(void **state)
{
    static const struct {
        int version;
        const char *log, *received;
    } cases[] = {
        {TLS1_2_VERSION, "TLSv1.2 TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 x25519",
         "tls TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384 group x25519"},
        {TLS1_3_VERSION, "TLSv1.3 TLS_AES_128_GCM_SHA256 x25519",
         "tls TLS_AES_128_GCM_SHA256 group x25519"},
    };
    for (size_t i = 0; i < 2; i++) {
        struct pair pair;
        struct tls_info at_client, at_server;
        struct buf text = {0};
        SSL_CTX *server, *client;
        shaken(&pair, cases[i].version, &server, &client);
        tls_info_fill(&at_client, pair.client);
        tls_info_fill(&at_server, pair.server);
        tls_info_text(&at_server, &text);
        assert_string_equal(buf_text(&text), cases[i].log);
        buf_clear(&text);
        tls_info_received(&at_server, &text);
        assert_string_equal(buf_text(&text), cases[i].received);
        buf_clear(&text);
        tls_info_text(&at_client, &text);
        buf_drop(&text, strlen(cases[i].log));
        assert_string_equal(buf_text(&text), " verified");
        assert_int_equal(at_server.bits, strstr(cases[i].received, "_128_") != NULL ? 128 : 256);
        assert_string_equal(at_server.peer, "");
        assert_string_equal(at_client.peer, "CN=mail.example");
        buf_free(&text);
        put_away(&pair, &server, &client);
    }
}

static void test_text_of_a_resumed_connection_without_a_group(void **state)
{
    struct tls_info info = {.version = "TLSv1.2", .cipher = "TLS_X", .resumed = true};
    struct buf text = {0};
    tls_info_text(&info, &text);
    assert_string_equal(buf_text(&text), "TLSv1.2 TLS_X resumed");
    buf_clear(&text);
    tls_info_received(&info, &text);
    assert_string_equal(buf_text(&text), "tls TLS_X");
    buf_free(&text);
}

static void test_both_ends_export_the_same_binding_and_each_connection_another(void **state)
{
    unsigned char last[TLS_EXPORTER_SIZE] = {0};
    for (int version = TLS1_2_VERSION; version <= TLS1_3_VERSION; version++) {
        unsigned char a[TLS_EXPORTER_SIZE], b[TLS_EXPORTER_SIZE];
        struct pair pair;
        SSL_CTX *server, *client;
        shaken(&pair, version, &server, &client);
        assert_int_equal(tls_exporter(pair.server, a), 0);
        assert_int_equal(tls_exporter(pair.client, b), 0);
        assert_memory_equal(a, b, sizeof a);
        assert_memory_not_equal(a, last, sizeof a);
        memcpy(last, a, sizeof a);
        put_away(&pair, &server, &client);
    }
}

/* RFC 5929 section 4.1: the hash of the certificate by its signature's own. */
static void test_the_end_point_is_the_servers_certificate(void **state)
{
    unsigned char binding[TLS_END_POINT_MAX], digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    struct pair pair;
    SSL_CTX *server, *client;
    shaken(&pair, TLS1_3_VERSION, &server, &client);
    assert_int_equal(X509_digest(SSL_get_certificate(pair.server), EVP_sha256(), digest, &n), 1);
    assert_int_equal(tls_server_end_point(pair.client, binding), n);
    assert_memory_equal(binding, digest, n);
    assert_int_equal(tls_server_end_point(pair.server, binding), 0); /* the client has none */
    put_away(&pair, &server, &client);
}

/* RFC 9266 section 4.2. */
static void test_without_the_extended_master_secret_nothing_is_exported(void **state)
{
    unsigned char binding[TLS_EXPORTER_SIZE];
    struct pair pair;
    SSL_CTX *server =
        server_context(buf_span(&ec.chain_pem), (struct tls_remote){sign_here, ec.key});
    SSL_CTX *client = plain_client(buf_span(&ec.chain_pem), TLS1_2_VERSION);
    SSL_CTX_set_options(client, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    pair_open(&pair, tlsserver_accept(server), SSL_new(client));
    SSL_set_connect_state(pair.client);
    assert_int_equal(pair_shake(&pair, NULL), 0);
    assert_int_equal(tls_exporter(pair.server, binding), -1);
    assert_int_equal(tls_exporter(pair.client, binding), -1);
    put_away(&pair, &server, &client);
}

static void test_an_error_names_its_cause_and_empties_the_queue(void **state)
{
    struct fail f = {""};
    ERR_clear_error();
    assert_int_equal(tls_error(&f, NULL, "handshake failed"), -1);
    assert_string_equal(f.text, "handshake failed: connection closed");
    ERR_raise(ERR_LIB_SSL, SSL_R_WRONG_VERSION_NUMBER);
    ERR_raise(ERR_LIB_SSL, ERR_R_INTERNAL_ERROR);
    (void)tls_error(&f, NULL, "handshake failed");
    assert_string_equal(f.text, "handshake failed: wrong version number");
    ERR_raise_data(ERR_LIB_SSL, SSL_R_TLSV1_ALERT_UNKNOWN_CA, "SSL alert number 48");
    (void)tls_error(&f, NULL, "handshake failed");
    assert_string_equal(f.text, "handshake failed: tlsv1 alert unknown ca (SSL alert number 48)");
    ERR_raise(ERR_LIB_RSA, ERR_R_INTERNAL_ERROR);
    ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "%s", "no key");
    (void)tls_error(&f, NULL, "handshake failed");
    assert_string_equal(f.text, "handshake failed: no key");
    ERR_raise(ERR_LIB_SYS, ECONNRESET);
    (void)tls_error(&f, NULL, "handshake failed");
    assert_string_equal(f.text, "handshake failed: Connection reset by peer");
    assert_int_equal(ERR_peek_error(), 0);
}

static void test_an_error_says_why_a_certificate_was_refused(void **state)
{
    struct identity stranger;
    struct pair pair;
    struct fail f = {""};
    identity_make(&stranger, "P-256");
    SSL_CTX *server =
        server_context(buf_span(&stranger.chain_pem), (struct tls_remote){sign_here, stranger.key});
    SSL_CTX *client = plain_client(buf_span(&ec.chain_pem), TLS1_2_VERSION);
    pair_open(&pair, tlsserver_accept(server), SSL_new(client));
    SSL_set_connect_state(pair.client);
    (void)SSL_do_handshake(pair.client);
    (void)SSL_do_handshake(pair.server);
    ERR_clear_error();
    assert_int_equal(SSL_do_handshake(pair.client), -1);
    (void)tls_error(&f, pair.client, "handshake failed");
    assert_string_equal(f.text,
                        "handshake failed: certificate verify failed: self-signed certificate");
    put_away(&pair, &server, &client);
    identity_free(&stranger);
}

static void test_a_peers_subject_is_cut_and_printable(void **state)
{
    struct tls_info info;
    struct pair pair;
    char name[65];
    memset(name, '\n', sizeof name - 1);
    name[64] = '\0';
    /* 64 line feeds become 64 times "\0A", which is 192 octets; twice that does not fit. */
    STACK_OF(X509) *parsed = tlscert_parse(buf_span(&ec.chain_pem), NULL);
    X509 *cert = sk_X509_value(parsed, 0);
    X509_NAME *subject = X509_NAME_dup(X509_get_subject_name(cert));
    for (int i = 0; i < 2; i++)
        assert_int_equal(X509_NAME_add_entry_by_txt(subject, "O", MBSTRING_ASC,
                                                    (const unsigned char *)name, -1, -1, 0),
                         1);
    assert_int_equal(X509_set_subject_name(cert, subject), 1);
    assert_true(i2d_re_X509_tbs(cert, NULL) > 0);
    X509_NAME_free(subject);
    SSL_CTX *server = SSL_CTX_new(TLS_server_method());
    SSL_CTX *client = plain_client(buf_span(&ec.chain_pem), TLS1_3_VERSION);
    SSL_CTX_set_verify(client, SSL_VERIFY_NONE, NULL);
    struct tls_remote remote = {sign_here, ec.key};
    EVP_PKEY *key = tlsremote_key(X509_get0_pubkey(cert), &remote, NULL);
    assert_int_equal(SSL_CTX_use_certificate(server, cert), 1);
    assert_int_equal(SSL_CTX_use_PrivateKey(server, key), 1);
    pair_open(&pair, tlsserver_accept(server), SSL_new(client));
    SSL_set_connect_state(pair.client);
    assert_int_equal(pair_shake(&pair, NULL), 0);
    tls_info_fill(&info, pair.client);
    assert_int_equal(strlen(info.peer), sizeof info.peer - 1);
    for (const char *at = info.peer; *at != '\0'; at++)
        assert_in_range(*at, ' ', '~');
    EVP_PKEY_free(key);
    tlscert_free(&parsed);
    put_away(&pair, &server, &client);
}

/* A process that is begun anew, so that nothing has been read before, and is killed if it opens a
 * file from here on. */
static int be_sealed(void)
{
    struct sock_filter filter[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat, 1, 0),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
    };
    struct sock_fprog program = {sizeof filter / sizeof filter[0], filter};
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
                   prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0
               ? 0
               : -1;
}

static int shake_sealed(void)
{
    struct pair pair;
    SSL_CTX *server, *client;
    if (tls_init(NULL) != 0 || be_sealed() != 0)
        return 2;
    for (int i = 0; i < 2; i++) {
        identity_make(&ec, i == 0 ? "P-256" : "RSA-2048");
        shaken(&pair, i == 0 ? TLS1_2_VERSION : TLS1_3_VERSION, &server, &client);
        put_away(&pair, &server, &client);
        identity_free(&ec);
    }
    return 0;
}

static void test_after_the_start_no_file_is_opened(void **state)
{
    pid_t pid = fork();
    int status;
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)execl("/proc/self/exe", "sealed", "sealed", (char *)NULL);
        _exit(120);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static int set_up(void **state)
{
    struct fail f = {""};
    int rc = tls_init(&f);
    identity_make(&ec, "P-256");
    return rc != 0 ? rc : tls_init(&f);
}

static int tear_down(void **state)
{
    identity_free(&ec);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        _exit(shake_sealed());
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_was_negotiated_is_told_by_registered_names),
        cmocka_unit_test(test_text_of_a_resumed_connection_without_a_group),
        cmocka_unit_test(test_both_ends_export_the_same_binding_and_each_connection_another),
        cmocka_unit_test(test_the_end_point_is_the_servers_certificate),
        cmocka_unit_test(test_without_the_extended_master_secret_nothing_is_exported),
        cmocka_unit_test(test_an_error_names_its_cause_and_empties_the_queue),
        cmocka_unit_test(test_an_error_says_why_a_certificate_was_refused),
        cmocka_unit_test(test_a_peers_subject_is_cut_and_printable),
        cmocka_unit_test(test_after_the_start_no_file_is_opened),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
