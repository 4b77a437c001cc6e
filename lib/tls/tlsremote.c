/* OpenSSL 3.0 has no other door for a key that is elsewhere than the method tables of before 3.0,
 * or a whole provider. */
#define OPENSSL_SUPPRESS_DEPRECATED

#include "tlsremote.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bn.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/rsa.h>

#include "clock.h"
#include "mem.h"
#include "tls.h"
#include "tlscert.h"

/* OpenSSL hands out its ex_data indices and takes its method tables once in a process; so these are
 * global. They are written by make_methods alone. */
static CRYPTO_ONCE methods_once = CRYPTO_ONCE_STATIC_INIT;
static RSA_METHOD *rsa_method;
static EC_KEY_METHOD *ec_method;
static int rsa_index, ec_index;

/* For what can fail only when memory is out or OpenSSL is not the one we were built for. */
static void must(bool done)
{
    if (!done)
        abort();
}

static int ask(const struct tls_remote *remote, int key_type, int nid_or_padding, struct span input,
               struct buf *out)
{
    struct fail f = {""};
    if (remote != NULL && remote->sign(remote->arg, key_type, nid_or_padding, input, out, &f) == 0)
        return 0;
    ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL, "the key process did not sign: %s", f.text);
    return -1;
}

static int rsa_sign(int n, const unsigned char *from, unsigned char *to, RSA *rsa, int padding)
{
    struct buf out = {0};
    int size = RSA_size(rsa), result = -1;
    if ((padding != RSA_PKCS1_PADDING && padding != RSA_NO_PADDING) || n < 0)
        return -1;
    if (ask(RSA_get_ex_data(rsa, rsa_index), EVP_PKEY_RSA, padding, span_of(from, (size_t)n),
            &out) == 0) {
        if (out.n == (size_t)size) {
            memcpy(to, buf_span(&out).p, out.n);
            result = size;
        } else {
            ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL,
                           "the key process gave a signature of %zu octets instead of %d", out.n,
                           size);
        }
    }
    buf_free(&out);
    return result;
}

static int ec_sign(int type, const unsigned char *digest, int n, unsigned char *to,
                   unsigned int *size, const BIGNUM *kinv, const BIGNUM *r, EC_KEY *key)
{
    struct buf out = {0};
    int most = ECDSA_size(key), result = 0;
    int curve = EC_GROUP_get_curve_name(EC_KEY_get0_group(key));
    if (n < 0 || most <= 0)
        return 0;
    if (ask(EC_KEY_get_ex_data(key, ec_index), EVP_PKEY_EC, curve, span_of(digest, (size_t)n),
            &out) == 0) {
        if (out.n > 0 && out.n <= (size_t)most) {
            memcpy(to, buf_span(&out).p, out.n);
            *size = (unsigned int)out.n;
            result = 1;
        } else {
            ERR_raise_data(ERR_LIB_USER, ERR_R_OPERATION_FAIL,
                           "the key process gave a signature of %zu octets, more than %d", out.n,
                           most);
        }
    }
    buf_free(&out);
    return result;
}

static void free_remote(void *parent, void *remote, CRYPTO_EX_DATA *data, int index, long argl,
                        void *argp)
{
    mem_free(&remote);
}

static int copy_remote(CRYPTO_EX_DATA *to, const CRYPTO_EX_DATA *from, void **remote, int index,
                       long argl, void *argp)
{
    if (*remote != NULL)
        *remote = mem_copy(*remote, sizeof(struct tls_remote));
    return 1;
}

static void make_methods(void)
{
    rsa_method = RSA_meth_dup(RSA_PKCS1_OpenSSL());
    ec_method = EC_KEY_METHOD_new(EC_KEY_OpenSSL());
    rsa_index = RSA_get_ex_new_index(0, NULL, NULL, copy_remote, free_remote);
    ec_index = EC_KEY_get_ex_new_index(0, NULL, NULL, copy_remote, free_remote);
    must(rsa_method != NULL && ec_method != NULL && rsa_index >= 0 && ec_index >= 0);
    must(RSA_meth_set_priv_enc(rsa_method, rsa_sign) == 1);
    EC_KEY_METHOD_set_sign(ec_method, ec_sign, NULL, NULL);
}

void tlsremote_init(void)
{
    must(CRYPTO_THREAD_run_once(&methods_once, make_methods) == 1);
}

static EVP_PKEY *remote_rsa(const EVP_PKEY *public_key, const struct tls_remote *remote)
{
    const BIGNUM *n, *e;
    RSA *rsa = RSA_new();
    EVP_PKEY *key = EVP_PKEY_new();
    RSA_get0_key(EVP_PKEY_get0_RSA(public_key), &n, &e, NULL);
    /* The method comes first: OpenSSL looks at it once, when the key is put into its envelope. */
    must(rsa != NULL && key != NULL && RSA_set_method(rsa, rsa_method) == 1);
    must(RSA_set0_key(rsa, BN_dup(n), BN_dup(e), NULL) == 1);
    must(RSA_set_ex_data(rsa, rsa_index, mem_copy(remote, sizeof *remote)) == 1);
    must(EVP_PKEY_assign_RSA(key, rsa) == 1);
    return key;
}

static EVP_PKEY *remote_ec(const EVP_PKEY *public_key, const struct tls_remote *remote)
{
    const EC_KEY *from = EVP_PKEY_get0_EC_KEY(public_key);
    EC_KEY *ec = EC_KEY_new();
    EVP_PKEY *key = EVP_PKEY_new();
    must(from != NULL && ec != NULL && key != NULL && EC_KEY_set_method(ec, ec_method) == 1);
    must(EC_KEY_set_group(ec, EC_KEY_get0_group(from)) == 1);
    must(EC_KEY_set_public_key(ec, EC_KEY_get0_public_key(from)) == 1);
    must(EC_KEY_set_ex_data(ec, ec_index, mem_copy(remote, sizeof *remote)) == 1);
    must(EVP_PKEY_assign_EC_KEY(key, ec) == 1);
    return key;
}

EVP_PKEY *tlsremote_key(const EVP_PKEY *public_key, const struct tls_remote *remote, struct fail *f)
{
    int key_type, curve;
    tlsremote_init();
    if (tlscert_check_key(public_key, &key_type, &curve, f) != 0)
        return NULL;
    return key_type == EVP_PKEY_RSA ? remote_rsa(public_key, remote)
                                    : remote_ec(public_key, remote);
}

int tlsremote_prove(EVP_PKEY *remote_key, EVP_PKEY *public_key, struct fail *f)
{
    static const unsigned char text[] = "the private key belongs to this certificate";
    unsigned char signature[1024]; /* RSA of 8192 bits */
    size_t n = sizeof signature;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int result = -1;
    ERR_clear_error();
    assert(ctx != NULL && (size_t)EVP_PKEY_get_size(remote_key) <= sizeof signature);
    if (EVP_DigestSignInit(ctx, NULL, EVP_sha256(), NULL, remote_key) != 1 ||
        EVP_DigestSign(ctx, signature, &n, text, sizeof text) != 1)
        (void)tls_error(f, NULL, "the private key cannot sign");
    else if (EVP_MD_CTX_reset(ctx) != 1 ||
             EVP_DigestVerifyInit(ctx, NULL, EVP_sha256(), NULL, public_key) != 1 ||
             EVP_DigestVerify(ctx, signature, n, text, sizeof text) != 1)
        (void)fail_set(f, "the private key does not belong to the certificate");
    else
        result = 0;
    EVP_MD_CTX_free(ctx);
    ERR_clear_error();
    return result;
}

static int install(SSL_CTX *ctx, STACK_OF(X509) * chain, EVP_PKEY *key)
{
    if (SSL_CTX_use_certificate(ctx, sk_X509_value(chain, 0)) != 1 ||
        SSL_CTX_use_PrivateKey(ctx, key) != 1 || SSL_CTX_clear_chain_certs(ctx) != 1)
        return -1;
    for (int i = 1; i < sk_X509_num(chain); i++) {
        if (SSL_CTX_add1_chain_cert(ctx, sk_X509_value(chain, i)) != 1)
            return -1;
    }
    return 0;
}

int tlsremote_use(SSL_CTX *ctx, struct span pem, const struct tls_remote *remote, struct fail *f)
{
    char name[128];
    int result = -1;
    EVP_PKEY *key = NULL;
    STACK_OF(X509) *chain = tlscert_parse(pem, f);
    if (chain == NULL)
        return -1;
    X509 *own = sk_X509_value(chain, 0);
    EVP_PKEY *public_key = X509_get0_pubkey(own);
    tlscert_name(own, name, sizeof name);
    if (public_key == NULL) {
        (void)tls_error(f, NULL, "cannot read the certificate's key");
        goto named;
    }
    if (tlscert_check_dates(own, clock_wall_ms(), f) != 0)
        goto done;
    if ((key = tlsremote_key(public_key, remote, f)) == NULL ||
        tlsremote_prove(key, public_key, f) != 0)
        goto named;
    if (install(ctx, chain, key) == 0) {
        result = 0;
        goto done;
    }
    (void)tls_error(f, NULL, "cannot use it");
named:
    (void)fail_prefix(f, "certificate for %s", name);
done:
    EVP_PKEY_free(key);
    tlscert_free(&chain);
    return result;
}
