#include "dkimkey.h"

#include <assert.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "base64.h"
#include "mem.h"

enum {
    RSA_BITS = 2048,
    RSA_BITS_LEAST = 1024,
    RSA_BITS_MOST = 4096,
    PEM_MAX = 16384,
    STRING = 255
};

/* Writes the sentence and OpenSSL's reason, and empties its queue of errors. */
static int fail_openssl(struct fail *f, const char *what)
{
    unsigned long code = ERR_peek_last_error();
    const char *reason = ERR_reason_error_string(code);
    ERR_clear_error();
    return fail_set(f, "%s: %s", what, reason != NULL ? reason : "OpenSSL gives no reason");
}

EVP_PKEY *dkimkey_generate(enum dkim_algorithm algorithm, struct fail *f)
{
    EVP_PKEY *key = algorithm == DKIM_RSA_SHA256
                        ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)RSA_BITS)
                        : EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    if (key == NULL)
        (void)fail_openssl(f, "cannot make a key");
    return key;
}

void dkimkey_write_pem(EVP_PKEY *key, struct buf *out)
{
    char *text = NULL;
    BIO *bio = BIO_new(BIO_s_secmem());
    int ok = bio != NULL && PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    assert(ok == 1);
    long n = BIO_get_mem_data(bio, &text);
    buf_put(out, text, (size_t)n);
    BIO_free(bio);
}

static int no_passphrase(char *out, int size, int writing, void *arg)
{
    return 0;
}

static int check_key(const EVP_PKEY *key, struct fail *f)
{
    if (EVP_PKEY_is_a(key, "ED25519"))
        return 0;
    if (!EVP_PKEY_is_a(key, "RSA"))
        return fail_set(f, "key is neither RSA nor Ed25519");
    int bits = EVP_PKEY_get_bits(key);
    if (bits < RSA_BITS_LEAST || bits > RSA_BITS_MOST)
        return fail_set(f, "RSA key has %d bits, not %d to %d", bits, RSA_BITS_LEAST,
                        RSA_BITS_MOST);
    return 0;
}

EVP_PKEY *dkimkey_read_pem(struct span pem, struct fail *f)
{
    if (pem.n > PEM_MAX) {
        fail_set(f, "key file is longer than %d octets", PEM_MAX);
        return NULL;
    }
    BIO *bio = BIO_new_mem_buf(pem.n > 0 ? (const void *)pem.p : "", (int)pem.n);
    assert(bio != NULL);
    EVP_PKEY *key = PEM_read_bio_PrivateKey(bio, NULL, no_passphrase, NULL);
    if (key == NULL) {
        (void)BIO_reset(bio);
        key = PEM_read_bio_PUBKEY(bio, NULL, no_passphrase, NULL);
    }
    BIO_free(bio);
    if (key == NULL) {
        (void)fail_openssl(f, "cannot read a key in PEM");
    } else if (check_key(key, f) < 0) {
        EVP_PKEY_free(key);
        key = NULL;
    }
    ERR_clear_error();
    return key;
}

enum dkim_algorithm dkimkey_algorithm(const EVP_PKEY *key)
{
    return EVP_PKEY_is_a(key, "RSA") ? DKIM_RSA_SHA256 : DKIM_ED25519_SHA256;
}

static void put_rsa_public(EVP_PKEY *key, struct buf *out)
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    assert(n > 0);
    base64_encode(out, span_of(der, (size_t)n));
    OPENSSL_free(der);
}

static void put_ed25519_public(EVP_PKEY *key, struct buf *out)
{
    unsigned char raw[32];
    size_t n = sizeof raw;
    int ok = EVP_PKEY_get_raw_public_key(key, raw, &n);
    assert(ok == 1 && n == sizeof raw);
    base64_encode(out, span_of(raw, n));
}

void dkimkey_record(EVP_PKEY *key, struct buf *out)
{
    bool rsa = dkimkey_algorithm(key) == DKIM_RSA_SHA256;
    buf_putf(out, "v=DKIM1; h=sha256; k=%s; p=", rsa ? "rsa" : "ed25519");
    if (rsa)
        put_rsa_public(key, out);
    else
        put_ed25519_public(key, out);
}

void dkimkey_record_quoted(EVP_PKEY *key, struct buf *out)
{
    struct buf record = {0};
    dkimkey_record(key, &record);
    for (bool first = true; record.n > 0; first = false) {
        size_t n = record.n < STRING ? record.n : STRING;
        buf_puts(out, first ? "\"" : " \"");
        buf_put(out, buf_span(&record).p, n);
        buf_putc(out, '"');
        buf_drop(&record, n);
    }
    buf_free(&record);
}

static int sign_rsa(EVP_PKEY *key, const unsigned char *digest, struct buf *out)
{
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key, NULL);
    size_t n = (size_t)EVP_PKEY_get_size(key);
    int ok = ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
             EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PADDING) == 1 &&
             EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
             EVP_PKEY_sign(ctx, buf_room(out, n), &n, digest, DKIM_DIGEST) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!ok)
        return -1;
    buf_grew(out, n);
    return 0;
}

static int sign_ed25519(EVP_PKEY *key, const unsigned char *digest, struct buf *out)
{
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = 64;
    int ok = ctx != NULL && EVP_DigestSignInit(ctx, NULL, NULL, NULL, key) == 1 &&
             EVP_DigestSign(ctx, buf_room(out, n), &n, digest, DKIM_DIGEST) == 1;
    EVP_MD_CTX_free(ctx);
    if (!ok)
        return -1;
    buf_grew(out, n);
    return 0;
}

int dkimkey_sign(EVP_PKEY *key, enum dkim_algorithm algorithm,
                 const unsigned char digest[DKIM_DIGEST], struct buf *signature, struct fail *f)
{
    if (dkimkey_algorithm(key) != algorithm)
        return fail_set(f, "key is not for %s", dkim_algorithm_name(algorithm));
    int rc = algorithm == DKIM_RSA_SHA256 ? sign_rsa(key, digest, signature)
                                          : sign_ed25519(key, digest, signature);
    return rc < 0 ? fail_openssl(f, "cannot sign") : 0;
}
