#include "peer.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls.h"
#include "tlsserver.h"

static void must(int done, const char *what)
{
    if (!done) {
        (void)fprintf(stderr, "cannot set up: %s\n", what);
        exit(2);
    }
}

static EVP_PKEY *generate(const char *what)
{
    if (strncmp(what, "RSA-", 4) == 0)
        return EVP_RSA_gen((unsigned)atoi(what + 4));
    if (what[0] == 'P')
        return EVP_EC_gen(what);
    return EVP_PKEY_Q_keygen(NULL, NULL, what);
}

void identity_make(struct identity *id, const char *what)
{
    static const char *const names[] = {"mail.example", "localhost", "127.0.0.1"};
    EVP_PKEY *key = generate(what);
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    *id = (struct identity){0};
    must(key != NULL && PEM_write_bio_PrivateKey(out, key, NULL, NULL, 0, NULL, NULL) == 1, what);
    long n = BIO_get_mem_data(out, &text);
    buf_put(&id->key_pem, text, (size_t)n);
    BIO_free(out);
    EVP_PKEY_free(key);
    id->key = tlskey_load(buf_span(&id->key_pem), NULL);
    if (id->key != NULL)
        must(tlskey_self_sign(id->key, names, 3, 30, &id->chain_pem, NULL) == 0, what);
}

void identity_free(struct identity *id)
{
    tlskey_free(&id->key);
    buf_wipe(&id->key_pem);
    buf_free(&id->chain_pem);
}

void certificate_make(struct span key_pem, long from, long to, struct buf *chain_pem)
{
    BIO *in = BIO_new_mem_buf(key_pem.p, (int)key_pem.n), *out = BIO_new(BIO_s_mem());
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, NULL, NULL);
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    char *text;
    must(key != NULL && X509_set_version(cert, X509_VERSION_3) == 1, "certificate");
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"old.example",
                                    -1, -1, 0) == 1,
         "name");
    must(X509_set_issuer_name(cert, name) == 1 && X509_set_pubkey(cert, key) == 1, "public key");
    must(X509_gmtime_adj(X509_getm_notBefore(cert), from) != NULL &&
             X509_gmtime_adj(X509_getm_notAfter(cert), to) != NULL,
         "dates");
    const EVP_MD *md = EVP_PKEY_is_a(key, "ED25519") ? NULL : EVP_sha256();
    must(X509_sign(cert, key, md) > 0 && PEM_write_bio_X509(out, cert) == 1, "signature");
    long n = BIO_get_mem_data(out, &text);
    buf_put(chain_pem, text, (size_t)n);
    X509_free(cert);
    EVP_PKEY_free(key);
    BIO_free(in);
    BIO_free(out);
}

int sign_here(void *arg, int key_type, int nid_or_padding, struct span input, struct buf *out,
              struct fail *f)
{
    return tlskey_sign(arg, key_type, nid_or_padding, input, out, f);
}

/* A request is two ints and the input; an answer is one octet, 0 or 1, and the signature or
 * sentence. */
#define RECORD_MAX 4096

void signer_serve(int fd, const struct tlskey *key)
{
    unsigned char in[RECORD_MAX];
    int head[2];
    ssize_t n;
    while ((n = recv(fd, in, sizeof in, 0)) >= (ssize_t)sizeof head) {
        struct buf out = {0}, answer = {0};
        struct fail f = {""};
        memcpy(head, in, sizeof head);
        struct span input = span_of(in + sizeof head, (size_t)n - sizeof head);
        int rc = tlskey_sign(key, head[0], head[1], input, &out, &f);
        buf_putc(&answer, rc == 0 ? 0 : 1);
        if (rc == 0)
            buf_put_span(&answer, buf_span(&out));
        else
            buf_puts(&answer, f.text);
        must(send(fd, buf_span(&answer).p, answer.n, MSG_NOSIGNAL) == (ssize_t)answer.n, "answer");
        buf_free(&out);
        buf_free(&answer);
    }
}

void signer_start(struct signer *signer, const struct tlskey *key)
{
    int fd[2];
    must(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fd) == 0, "socketpair");
    signer->pid = fork();
    must(signer->pid >= 0, "fork");
    if (signer->pid == 0) {
        (void)close(fd[0]);
        signer_serve(fd[1], key);
        _exit(0);
    }
    (void)close(fd[1]);
    signer->fd = fd[0];
}

void signer_stop(struct signer *signer)
{
    int status;
    (void)close(signer->fd);
    must(waitpid(signer->pid, &status, 0) == signer->pid && status == 0, "end of the signer");
}

int sign_there(void *arg, int key_type, int nid_or_padding, struct span input, struct buf *out,
               struct fail *f)
{
    const struct signer *signer = arg;
    struct buf request = {0};
    unsigned char answer[RECORD_MAX];
    int head[2] = {key_type, nid_or_padding};
    buf_put(&request, head, sizeof head);
    buf_put_span(&request, input);
    ssize_t sent = send(signer->fd, buf_span(&request).p, request.n, MSG_NOSIGNAL);
    buf_free(&request);
    if (sent < 0)
        return fail_errno(f, "cannot ask");
    ssize_t n = recv(signer->fd, answer, sizeof answer, 0);
    if (n < 1)
        return fail_set(f, "no answer");
    if (answer[0] != 0)
        return fail_set(f, "%.*s", (int)n - 1, (const char *)answer + 1);
    buf_put(out, answer + 1, (size_t)n - 1);
    return 0;
}

SSL_CTX *server_context(struct span chain_pem, struct tls_remote remote)
{
    struct fail f = {""};
    struct tlsserver_options options = {.security_level = 2, .context = span_text("test")};
    SSL_CTX *ctx = tlsserver_new(&options, &f);
    must(ctx != NULL && tlsserver_add_certificate(ctx, chain_pem, &remote, &f) == 0, f.text);
    return ctx;
}

SSL_CTX *plain_client(struct span chain_pem, int version)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    BIO *in = BIO_new_mem_buf(chain_pem.p, (int)chain_pem.n);
    X509 *cert = PEM_read_bio_X509(in, NULL, NULL, NULL);
    must(ctx != NULL && cert != NULL, "client");
    must(X509_STORE_add_cert(SSL_CTX_get_cert_store(ctx), cert) == 1, "trust");
    must(SSL_CTX_set_min_proto_version(ctx, version) == 1 &&
             SSL_CTX_set_max_proto_version(ctx, version) == 1,
         "version");
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    X509_free(cert);
    BIO_free(in);
    return ctx;
}

void pair_open(struct pair *pair, SSL *server, SSL *client)
{
    must(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, pair->fd) == 0, "pair");
    pair->server = server;
    pair->client = client;
    must(SSL_set_fd(server, pair->fd[0]) == 1 && SSL_set_fd(client, pair->fd[1]) == 1, "fd");
}

/* 1 done, 0 waiting for the other side, -1 failed. */
static int shake_one(SSL *ssl, struct fail *f)
{
    ERR_clear_error();
    int rc = SSL_do_handshake(ssl);
    if (rc == 1)
        return 1;
    int why = SSL_get_error(ssl, rc);
    if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
        return 0;
    return tls_error(f, ssl, "handshake failed");
}

int pair_shake(struct pair *pair, struct fail *f)
{
    for (int turn = 0; turn < 20; turn++) {
        struct fail at_client = {""};
        int client = shake_one(pair->client, &at_client);
        int server = shake_one(pair->server, f);
        if (server < 0)
            return -1;
        if (client < 0)
            return fail_set(f, "%s", at_client.text);
        if (client == 1 && server == 1)
            return 0;
    }
    return fail_set(f, "the handshake does not end");
}

int pair_deliver(struct pair *pair)
{
    char octet = 'x';
    if (SSL_write(pair->server, &octet, 1) != 1)
        return -1;
    octet = 0;
    return SSL_read(pair->client, &octet, 1) == 1 && octet == 'x' ? 0 : -1;
}

void pair_close(struct pair *pair)
{
    /* A session can be resumed only if its connection ended with a close_notify. */
    (void)SSL_shutdown(pair->client);
    SSL_free(pair->client);
    SSL_free(pair->server);
    (void)close(pair->fd[0]);
    (void)close(pair->fd[1]);
    ERR_clear_error();
}
