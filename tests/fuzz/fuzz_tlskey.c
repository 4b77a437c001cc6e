/* themes: tls base */

/* What a process that faces the network may send to the one that holds the keys: one octet that
 * chooses key and padding, the rest is the input to be signed. Whatever is signed must have a shape
 * that TLS uses, and the signature must be one of exactly this input. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include "tls.h"
#include "tlskey.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct pair {
    struct tlskey *key;
    EVP_PKEY *public_key;
};

static struct pair make(EVP_PKEY *from)
{
    char *text;
    BIO *out = BIO_new(BIO_s_mem());
    assert(from != NULL && PEM_write_bio_PrivateKey(out, from, NULL, NULL, 0, NULL, NULL) == 1);
    long n = BIO_get_mem_data(out, &text);
    struct pair pair = {tlskey_load(span_of(text, (size_t)n), NULL), from};
    assert(pair.key != NULL);
    BIO_free(out);
    return pair;
}

static void check_rsa(const struct pair *rsa, struct span input, struct span made, int padding)
{
    unsigned char block[256];
    size_t n = sizeof block;
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(rsa->public_key, NULL);
    assert(made.n == sizeof block && EVP_PKEY_verify_recover_init(ctx) == 1);
    assert(EVP_PKEY_CTX_set_rsa_padding(ctx, padding) == 1);
    assert(EVP_PKEY_verify_recover(ctx, block, &n, made.p, made.n) == 1);
    assert(n == input.n && memcmp(block, input.p, n) == 0);
    if (padding == RSA_NO_PADDING)
        assert(n == 256 && block[255] == 0xbc && block[0] < 0x80);
    else
        assert((n == 51 || n == 67 || n == 83) && block[0] == 0x30 && block[1] == n - 2);
    EVP_PKEY_CTX_free(ctx);
}

static void check_ec(const struct pair *ec, struct span input, struct span made)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(ec->public_key, NULL);
    assert(input.n == 32 || input.n == 48 || input.n == 64);
    assert(made.n <= 72 && EVP_PKEY_verify_init(ctx) == 1);
    assert(EVP_PKEY_verify(ctx, made.p, made.n, input.p, input.n) == 1);
    EVP_PKEY_CTX_free(ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int types[] = {EVP_PKEY_RSA, EVP_PKEY_EC, EVP_PKEY_ED25519, -1};
    static const int details[] = {RSA_PKCS1_PADDING,
                                  RSA_NO_PADDING,
                                  NID_X9_62_prime256v1,
                                  NID_secp384r1,
                                  0,
                                  RSA_PKCS1_PSS_PADDING,
                                  -1,
                                  RSA_X931_PADDING};
    static struct pair rsa, ec;
    struct buf out = {0};
    struct fail f = {""};
    if (rsa.key == NULL) {
        rsa = make(EVP_RSA_gen(2048));
        ec = make(EVP_EC_gen("P-256"));
    }
    if (size == 0)
        return 0;
    const struct pair *pair = (data[0] & 1) != 0 ? &ec : &rsa;
    int type = types[data[0] >> 1 & 3], detail = details[data[0] >> 3 & 7];
    /* A copy of its own, so that reading past its end is seen. */
    unsigned char *copy = size == 1 ? NULL : malloc(size - 1);
    if (copy != NULL)
        memcpy(copy, data + 1, size - 1);
    struct span input = span_of(copy, size - 1);
    if (tlskey_sign(pair->key, type, detail, input, &out, &f) != 0) {
        assert(out.n == 0 && f.text[0] != '\0');
    } else if (pair == &rsa) {
        assert(type == EVP_PKEY_RSA);
        check_rsa(pair, input, buf_span(&out), detail);
    } else {
        assert(type == EVP_PKEY_EC && detail == NID_X9_62_prime256v1);
        check_ec(pair, input, buf_span(&out));
    }
    buf_free(&out);
    free(copy);
    return 0;
}
