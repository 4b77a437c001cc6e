#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "mem.h"
#include "peer.h"
#include "tls.h"
#include "tlsserver.h"

/* ---- where the octets of a private key are ---- */

/* Octets to be looked for, kept with every bit turned so that they are not found in themselves. */
struct secret {
    const char *what;
    unsigned char turned[512];
    size_t n;
};

static void keep(struct secret *s, const char *what, const unsigned char *p, size_t n,
                 bool backwards)
{
    assert_true(n <= sizeof s->turned && n >= 16);
    s->what = what;
    s->n = n;
    for (size_t i = 0; i < n; i++)
        s->turned[i] = (unsigned char)~p[backwards ? n - 1 - i : i];
}

static bool occurs_in(const unsigned char *p, size_t n, const struct secret *s)
{
    const unsigned char *end = p + n;
    while ((size_t)(end - p) >= s->n) {
        p = memchr(p, (unsigned char)~s->turned[0], (size_t)(end - p) - s->n + 1);
        if (p == NULL)
            return false;
        size_t same = 1;
        while (same < s->n && (p[same] ^ s->turned[same]) == 0xff)
            same++;
        if (same == s->n)
            return true;
        p++;
    }
    return false;
}

static bool occurs_between(int fd, uint64_t from, uint64_t to, const struct secret *s)
{
    static unsigned char chunk[1 << 20];
    while (from < to) {
        size_t want = to - from < sizeof chunk ? (size_t)(to - from) : sizeof chunk;
        ssize_t got = pread(fd, chunk, want, (off_t)from);
        if (got <= 0)
            return false;
        if (occurs_in(chunk, (size_t)got, s))
            return true;
        if ((size_t)got < sizeof chunk)
            return false;
        from += sizeof chunk - sizeof s->turned;
    }
    return false;
}

/* Whether the octets lie anywhere in the memory of a process. */
static bool occurs(pid_t pid, const struct secret *s)
{
    char path[64], line[512];
    bool found = false;
    (void)snprintf(path, sizeof path, "/proc/%d/maps", (int)pid);
    FILE *maps = fopen(path, "re");
    (void)snprintf(path, sizeof path, "/proc/%d/mem", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    assert_true(maps != NULL && fd >= 0);
    while (!found && fgets(line, sizeof line, maps) != NULL) {
        uint64_t from, to;
        char mode[8];
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s", &from, &to, mode) != 3 || mode[0] != 'r')
            continue;
        /* The shadow memory of AddressSanitizer, terabytes of it. */
        if (to - from > 512u << 20 || strstr(line, "[v") != NULL)
            continue;
        found = occurs_between(fd, from, to, s);
    }
    (void)fclose(maps);
    (void)close(fd);
    return found;
}

#define SECRETS_MAX 8

/* The numbers of the private key, in both orders of octets, and a line of its PEM form. */
static size_t keep_secrets(const struct identity *id, struct secret secrets[SECRETS_MAX])
{
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1,
                                        OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_PRIV_KEY};
    struct span pem = buf_span(&id->key_pem);
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    size_t n = 0;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        unsigned char octets[512];
        BIGNUM *number = NULL;
        /* For EC keys "d" is no name, and for RSA keys "priv" is none. */
        if (EVP_PKEY_get_bn_param(key, names[i], &number) != 1)
            continue;
        int size = BN_bn2bin(number, octets);
        keep(&secrets[n++], names[i], octets, (size_t)size, false);
        keep(&secrets[n++], names[i], octets, (size_t)size, true);
        mem_wipe(octets, sizeof octets);
        BN_clear_free(number);
    }
    keep(&secrets[n++], "PEM", (const unsigned char *)memchr(pem.p, '\n', pem.n) + 1, 64, false);
    BIO_free(in);
    EVP_PKEY_free(key);
    ERR_clear_error();
    return n;
}

#define CONNECTIONS 8

/* The lines to a server process that is started before there is any key. */
struct lines {
    int control[2], sign[2], tls[CONNECTIONS][2];
};

static int version_of(int connection)
{
    return connection % 2 == 0 ? TLS1_2_VERSION : TLS1_3_VERSION;
}

static void serve(const struct lines *lines)
{
    static unsigned char pem[65536];
    struct signer signer = {.fd = lines->sign[0]};
    SSL *open[CONNECTIONS];
    ssize_t n = recv(lines->control[0], pem, sizeof pem, 0);
    if (n <= 0)
        _exit(3);
    SSL_CTX *ctx =
        server_context(span_of(pem, (size_t)n), (struct tls_remote){sign_there, &signer});
    for (int i = 0; i < CONNECTIONS; i++) {
        open[i] = tlsserver_accept(ctx);
        if (SSL_set_fd(open[i], lines->tls[i][0]) != 1 || SSL_accept(open[i]) != 1 ||
            SSL_write(open[i], "x", 1) != 1)
            _exit(4);
    }
    (void)close(lines->sign[0]);
    /* Everything is still open when the memory is looked through. */
    (void)recv(lines->control[0], pem, 1, 0);
    _exit(0);
}

static void connect_all(const struct lines *lines, struct span chain_pem)
{
    for (int i = 0; i < CONNECTIONS; i++) {
        SSL *ssl = SSL_new(plain_client(chain_pem, version_of(i)));
        char octet;
        if (SSL_set_fd(ssl, lines->tls[i][1]) != 1 || SSL_connect(ssl) != 1 ||
            SSL_read(ssl, &octet, 1) != 1)
            _exit(5);
    }
    _exit(0);
}

static void lines_open(struct lines *lines)
{
    int ok = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, lines->control);
    ok |= socketpair(AF_UNIX, SOCK_SEQPACKET, 0, lines->sign);
    for (int i = 0; i < CONNECTIONS; i++)
        ok |= socketpair(AF_UNIX, SOCK_STREAM, 0, lines->tls[i]);
    assert_int_equal(ok, 0);
}

static void close_ends(const struct lines *lines, int end)
{
    (void)close(lines->control[end]);
    (void)close(lines->sign[end]);
    for (int i = 0; i < CONNECTIONS; i++)
        (void)close(lines->tls[i][end]);
}

static void assert_ended_well(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

static void look_through(const char *kind)
{
    struct lines lines;
    struct identity id;
    struct secret secrets[SECRETS_MAX], certificate;
    lines_open(&lines);
    pid_t server = fork();
    assert_true(server >= 0);
    if (server == 0) {
        close_ends(&lines, 1);
        serve(&lines);
    }
    close_ends(&lines, 0);
    identity_make(&id, kind);
    size_t count = keep_secrets(&id, secrets);
    struct span chain = buf_span(&id.chain_pem);
    assert_int_equal(send(lines.control[1], chain.p, chain.n, 0), chain.n);
    pid_t client = fork();
    assert_true(client >= 0);
    if (client == 0)
        connect_all(&lines, chain);
    signer_serve(lines.sign[1], id.key);
    assert_ended_well(client);

    /* The search works, in that process too: its certificate is found there. */
    keep(&certificate, "certificate", (const unsigned char *)memchr(chain.p, '\n', chain.n) + 1, 64,
         false);
    assert_true(occurs(server, &certificate));
    for (size_t i = 0; i < count; i++) {
        if (occurs(server, &secrets[i]))
            fail_msg("%s: %s is in the memory of the process that serves TLS", kind,
                     secrets[i].what);
    }
    /* In the process that holds the key a number lies in one order of octets or in the other. */
    for (size_t i = 0; i + 1 < count; i += 2) {
        if (!occurs(getpid(), &secrets[i]) && !occurs(getpid(), &secrets[i + 1]))
            fail_msg("%s: %s is not where it should be", kind, secrets[i].what);
    }
    assert_true(occurs(getpid(), &secrets[count - 1]));
    close_ends(&lines, 1);
    assert_ended_well(server);
    identity_free(&id);
}

static void test_no_octets_of_an_rsa_key_get_into_the_process_that_serves_tls(void **state)
{
    look_through("RSA-2048");
}

static void test_no_octets_of_an_ec_key_get_into_the_process_that_serves_tls(void **state)
{
    look_through("P-256");
}

/* ---- a peer that is not this project ---- */

/* openssl s_client, which checks the certificate and name and copies to out what it receives. */
static pid_t start_s_client(int port, struct span chain_pem, const char *version, int out)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid != 0)
        return pid;
    char address[32], trusted[32];
    int fd = memfd_create("trusted", 0), null = open("/dev/null", O_RDWR);
    (void)snprintf(address, sizeof address, "127.0.0.1:%d", port);
    (void)snprintf(trusted, sizeof trusted, "/dev/fd/%d", fd);
    if (write(fd, chain_pem.p, chain_pem.n) != (ssize_t)chain_pem.n || dup2(null, 0) != 0 ||
        dup2(out, 1) != 1 || dup2(null, 2) != 2)
        _exit(120);
    (void)execlp("openssl", "openssl", "s_client", version, "-connect", address, "-CAfile", trusted,
                 "-verify_return_error", "-verify_hostname", "mail.example", "-servername",
                 "mail.example", "-quiet", (char *)NULL);
    _exit(121);
}

static int listen_here(int *port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0 && bind(fd, (struct sockaddr *)&at, sizeof at) == 0 && listen(fd, 1) == 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &n), 0);
    *port = ntohs(at.sin_port);
    return fd;
}

static void greet_s_client(const char *kind, const char *version, const char *expected)
{
    struct identity id;
    struct signer signer;
    int port, listener = listen_here(&port), out[2];
    char said[64] = "";
    identity_make(&id, kind);
    signer_start(&signer, id.key);
    struct span chain = buf_span(&id.chain_pem);
    SSL_CTX *ctx = server_context(chain, (struct tls_remote){sign_there, &signer});
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    pid_t client = start_s_client(port, chain, version, out[1]);
    (void)close(out[1]);
    int fd = accept(listener, NULL, NULL);
    SSL *ssl = tlsserver_accept(ctx);
    assert_true(fd >= 0 && SSL_set_fd(ssl, fd) == 1);
    assert_int_equal(SSL_accept(ssl), 1);
    assert_string_equal(SSL_get_version(ssl), expected);
    assert_string_equal(SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name), "mail.example");
    assert_int_equal(SSL_write(ssl, "220 mail.example\r\n", 18), 18);
    (void)SSL_shutdown(ssl);
    (void)close(fd);
    for (size_t n = 0; n < sizeof said - 1;) {
        ssize_t got = read(out[0], said + n, sizeof said - 1 - n);
        if (got <= 0)
            break;
        n += (size_t)got;
    }
    assert_string_equal(said, "220 mail.example\r\n");
    assert_ended_well(client);
    SSL_free(ssl);
    tlsserver_free(&ctx);
    signer_stop(&signer);
    identity_free(&id);
    (void)close(out[0]);
    (void)close(listener);
}

static void test_openssl_s_client_is_content(void **state)
{
    greet_s_client("RSA-2048", "-tls1_2", "TLSv1.2");
    greet_s_client("RSA-2048", "-tls1_3", "TLSv1.3");
    greet_s_client("P-256", "-tls1_2", "TLSv1.2");
    greet_s_client("P-256", "-tls1_3", "TLSv1.3");
    greet_s_client("P-384", "-tls1_3", "TLSv1.3");
}

/* ---- the key itself ---- */

static void test_a_remote_key_never_decrypts(void **state)
{
    struct identity id;
    unsigned char sealed[512], opened[512];
    size_t n = sizeof sealed, m = sizeof opened;
    identity_make(&id, "RSA-2048");
    STACK_OF(X509) *chain = tlscert_parse(buf_span(&id.chain_pem), NULL);
    EVP_PKEY *public_key = X509_get0_pubkey(sk_X509_value(chain, 0));
    struct tls_remote remote = {sign_here, id.key};
    EVP_PKEY *key = tlsremote_key(public_key, &remote, NULL);
    assert_int_equal(tlsremote_prove(key, public_key, NULL), 0);
    EVP_PKEY_CTX *seal = EVP_PKEY_CTX_new(public_key, NULL), *unseal = EVP_PKEY_CTX_new(key, NULL);
    assert_int_equal(EVP_PKEY_encrypt_init(seal), 1);
    assert_int_equal(EVP_PKEY_encrypt(seal, sealed, &n, (const unsigned char *)"secret", 6), 1);
    assert_int_equal(EVP_PKEY_decrypt_init(unseal), 1);
    assert_true(EVP_PKEY_decrypt(unseal, opened, &m, sealed, n) <= 0);
    EVP_PKEY_CTX_free(seal);
    EVP_PKEY_CTX_free(unseal);
    EVP_PKEY_free(key);
    tlscert_free(&chain);
    identity_free(&id);
    ERR_clear_error();
}

static int set_up(void **state)
{
    return tls_init(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_octets_of_an_rsa_key_get_into_the_process_that_serves_tls),
        cmocka_unit_test(test_no_octets_of_an_ec_key_get_into_the_process_that_serves_tls),
        cmocka_unit_test(test_openssl_s_client_is_content),
        cmocka_unit_test(test_a_remote_key_never_decrypts),
    };
    return cmocka_run_group_tests(tests, set_up, NULL);
}
