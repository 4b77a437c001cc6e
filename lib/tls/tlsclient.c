#include "tlsclient.h"

#include <assert.h>
#include <arpa/inet.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

#include "tls.h"

#define HOST_MAX 253

/* What each mode asks of a peer. */
static const struct mode {
    int security_level, min_version, verify;
    uint64_t options;
} modes[] = {
    [TLSCLIENT_OPPORTUNISTIC] = {0, TLS1_VERSION, SSL_VERIFY_NONE, SSL_OP_LEGACY_SERVER_CONNECT},
    [TLSCLIENT_VERIFIED] = {1, TLS1_2_VERSION, SSL_VERIFY_PEER, 0},
};

X509_STORE *tlsclient_roots(const char *path, struct fail *f)
{
    if (path == NULL)
        path = TLSCLIENT_ROOTS;
    ERR_clear_error();
    X509_STORE *store = X509_STORE_new();
    if (store == NULL)
        abort();
    if (X509_STORE_load_file(store, path) != 1) {
        (void)tls_error(f, NULL, "cannot load trusted certificates");
        (void)fail_prefix(f, "%s", path);
        X509_STORE_free(store);
        return NULL;
    }
    return store;
}

SSL_CTX *tlsclient_new(const struct tlsclient_options *options, struct fail *f)
{
    const struct mode *mode = &modes[options->mode];
    int min = options->min_version == 0 ? mode->min_version : options->min_version;
    assert(min >= TLS1_VERSION && min <= TLS1_3_VERSION);
    assert(options->mode != TLSCLIENT_VERIFIED || options->roots != NULL);
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, min) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, 0) != 1 ||
        SSL_CTX_set_cipher_list(ctx, OSSL_default_cipher_list()) != 1) {
        (void)tls_error(f, NULL, "cannot make a TLS client context");
        tlsclient_free(&ctx);
        return NULL;
    }
    tls_context_defaults(ctx);
    SSL_CTX_set_security_level(ctx, mode->security_level);
    SSL_CTX_set_options(ctx, mode->options);
    SSL_CTX_set_verify(ctx, mode->verify, NULL);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    if (mode->verify != SSL_VERIFY_NONE)
        SSL_CTX_set1_cert_store(ctx, options->roots);
    return ctx;
}

void tlsclient_free(SSL_CTX **ctx)
{
    SSL_CTX_free(*ctx);
    *ctx = NULL;
}

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return inet_pton(AF_INET, host, address) == 1 || inet_pton(AF_INET6, host, address) == 1;
}

static bool expect_name(SSL *ssl, const char *name, bool address)
{
    X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
    X509_VERIFY_PARAM_set_hostflags(param, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
                                               X509_CHECK_FLAG_NEVER_CHECK_SUBJECT);
    return address ? X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1
                   : X509_VERIFY_PARAM_set1_host(param, name, 0) == 1;
}

SSL *tlsclient_connect(SSL_CTX *ctx, const char *host, struct fail *f)
{
    char name[HOST_MAX + 1];
    struct span from = span_text(host);
    bool address = is_address(host);
    if (!address && from.n > 1 && from.p[from.n - 1] == '.')
        from.n--;
    if (from.n == 0 || span_copy(from, name, sizeof name) != 0) {
        (void)fail_set(f, "a host name has 1 to %d octets", HOST_MAX);
        return NULL;
    }
    ERR_clear_error();
    SSL *ssl = SSL_new(ctx);
    if (ssl == NULL)
        abort();
    if ((!address && SSL_set_tlsext_host_name(ssl, name) != 1) ||
        (SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE && !expect_name(ssl, name, address))) {
        (void)tls_error(f, NULL, "cannot name the server");
        SSL_free(ssl);
        return NULL;
    }
    SSL_set_connect_state(ssl);
    return ssl;
}
