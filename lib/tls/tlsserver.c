#include "tlsserver.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>

#include "clock.h"
#include "mem.h"
#include "tls.h"
#include "tlscert.h"

#define CIPHERS_TLS12 "ECDHE+AESGCM:ECDHE+CHACHA20:ECDHE+AES:!aNULL:!eNULL:!PSK:!SRP"
/* AES-128 first: as good for this, and with its SHA-256 in place of SHA-384 a full handshake takes
 * the server 350 us and not 380 (OpenSSL 3.0, a processor with SHA instructions). */
#define CIPHERS_TLS13 "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
#define GROUPS "X25519:P-256:P-384:P-521"
#define SIGNATURES                                                                                 \
    "ECDSA+SHA256:ECDSA+SHA384:ECDSA+SHA512:RSA-PSS+SHA256:RSA-PSS+SHA384:RSA-PSS+SHA512:"         \
    "RSA+SHA256:RSA+SHA384:RSA+SHA512"

struct ticket_key {
    unsigned char name[16], hmac[32], aes[32];
};

struct ticket_keys {
    size_t count;
    struct ticket_key key[TLSSERVER_TICKET_KEYS_MAX];
};

_Static_assert(sizeof(struct ticket_key) == TLSSERVER_TICKET_KEY_SIZE, "a ticket key has no gaps");

/* OpenSSL hands out the index under which a context keeps its ticket keys once in a process. */
static CRYPTO_ONCE index_once = CRYPTO_ONCE_STATIC_INIT;
static int keys_index;

static void free_keys(void *parent, void *keys, CRYPTO_EX_DATA *data, int index, long argl,
                      void *argp)
{
    if (keys != NULL)
        mem_wipe(keys, sizeof(struct ticket_keys));
    mem_free(&keys);
}

static void make_index(void)
{
    keys_index = SSL_CTX_get_ex_new_index(0, NULL, NULL, NULL, free_keys);
}

static int use_key(const struct ticket_key *key, unsigned char *iv, EVP_CIPHER_CTX *cipher,
                   EVP_MAC_CTX *mac, int encrypt)
{
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, (void *)key->hmac, sizeof key->hmac),
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, "SHA256", 0),
        OSSL_PARAM_construct_end(),
    };
    return EVP_MAC_CTX_set_params(mac, params) == 1 &&
           EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, key->aes, iv, encrypt) == 1;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb wants it: -1 error, 0 no such key, 1 taken, 2 taken and
 * to be replaced by a new ticket. */
static int on_ticket(SSL *ssl, unsigned char name[16], unsigned char iv[EVP_MAX_IV_LENGTH],
                     EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int encrypt)
{
    const struct ticket_keys *keys = SSL_CTX_get_ex_data(SSL_get_SSL_CTX(ssl), keys_index);
    if (encrypt) {
        if (keys->count == 0)
            return 0;
        memcpy(name, keys->key[0].name, sizeof keys->key[0].name);
        if (RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
            return -1;
        return use_key(&keys->key[0], iv, cipher, mac, 1) ? 1 : -1;
    }
    for (size_t i = 0; i < keys->count; i++) {
        if (memcmp(keys->key[i].name, name, sizeof keys->key[i].name) != 0)
            continue;
        if (!use_key(&keys->key[i], iv, cipher, mac, 0))
            return -1;
        /* A TLS 1.3 client uses a ticket once (RFC 8446 appendix C.4), so it gets another. */
        return i > 0 || SSL_version(ssl) >= TLS1_3_VERSION ? 2 : 1;
    }
    return 0;
}

int tlsserver_set_ticket_keys(SSL_CTX *ctx, struct span keys, struct fail *f)
{
    struct ticket_keys *to = SSL_CTX_get_ex_data(ctx, keys_index);
    size_t count = keys.n / TLSSERVER_TICKET_KEY_SIZE;
    if (keys.n % TLSSERVER_TICKET_KEY_SIZE != 0 || count > TLSSERVER_TICKET_KEYS_MAX)
        return fail_set(f, "%zu octets are not 0 to %d session ticket keys of %d octets", keys.n,
                        TLSSERVER_TICKET_KEYS_MAX, TLSSERVER_TICKET_KEY_SIZE);
    mem_wipe(to, sizeof *to);
    to->count = count;
    if (count > 0) {
        memcpy(to->key, keys.p, keys.n);
        SSL_CTX_clear_options(ctx, SSL_OP_NO_TICKET);
    } else {
        SSL_CTX_set_options(ctx, SSL_OP_NO_TICKET);
    }
    /* With SSL_OP_NO_TICKET alone TLS 1.3 would still hand out tickets, which name a cached
     * session. */
    SSL_CTX_set_num_tickets(ctx, count > 0 ? 1 : 0);
    return 0;
}

static bool set_resumption(SSL_CTX *ctx, struct span context)
{
    unsigned char id[EVP_MAX_MD_SIZE];
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_timeout(ctx, TLSSERVER_TICKET_SECONDS);
    return EVP_Digest(context.p, context.n, id, NULL, EVP_sha256(), NULL) == 1 &&
           SSL_CTX_set_session_id_context(ctx, id, 32) == 1 &&
           SSL_CTX_set_ex_data(ctx, keys_index, mem_zero(sizeof(struct ticket_keys))) == 1 &&
           SSL_CTX_set_tlsext_ticket_key_evp_cb(ctx, on_ticket) == 1 &&
           tlsserver_set_ticket_keys(ctx, span_of(NULL, 0), NULL) == 0;
}

SSL_CTX *tlsserver_new(const struct tlsserver_options *options, struct fail *f)
{
    assert(options->security_level >= 0 && options->security_level <= 5 && options->context.n > 0);
    if (CRYPTO_THREAD_run_once(&index_once, make_index) != 1 || keys_index < 0)
        abort();
    ERR_clear_error();
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    if (ctx != NULL) {
        tls_context_defaults(ctx);
        SSL_CTX_set_security_level(ctx, options->security_level);
        SSL_CTX_set_options(ctx, SSL_OP_CIPHER_SERVER_PREFERENCE | SSL_OP_PRIORITIZE_CHACHA);
    }
    if (ctx == NULL || SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(ctx, 0) != 1 ||
        SSL_CTX_set_cipher_list(ctx, CIPHERS_TLS12) != 1 ||
        SSL_CTX_set_ciphersuites(ctx, CIPHERS_TLS13) != 1 ||
        SSL_CTX_set1_groups_list(ctx, GROUPS) != 1 ||
        SSL_CTX_set1_sigalgs_list(ctx, SIGNATURES) != 1 || !set_resumption(ctx, options->context)) {
        (void)tls_error(f, NULL, "cannot make a TLS server context");
        tlsserver_free(&ctx);
    }
    return ctx;
}

void tlsserver_free(SSL_CTX **ctx)
{
    SSL_CTX_free(*ctx);
    *ctx = NULL;
}

int tlsserver_add_certificate(SSL_CTX *ctx, struct span pem, const struct tls_remote *remote,
                              struct fail *f)
{
    return tlsremote_use(ctx, pem, remote, f);
}

SSL *tlsserver_accept(SSL_CTX *ctx)
{
    SSL *ssl = SSL_new(ctx);
    if (ssl == NULL)
        abort();
    SSL_set_accept_state(ssl);
    return ssl;
}
