#include "tlskey.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "ascii.h"
#include "mem.h"
#include "rand.h"
#include "tls.h"
#include "tlspadding.h"

struct tlskey {
    EVP_PKEY *key;
    int type, curve;
};

/* OpenSSL asks for a passphrase here, and would otherwise ask the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    *(bool *)arg = true;
    return -1;
}

static struct tlskey *wrap(EVP_PKEY *key, struct fail *f)
{
    struct tlskey k = {.key = key};
    if (tlscert_check_key(key, &k.type, &k.curve, f) != 0) {
        EVP_PKEY_free(key);
        return NULL;
    }
    return mem_copy(&k, sizeof k);
}

struct tlskey *tlskey_load(struct span pem, struct fail *f)
{
    bool asked = false;
    if (pem.n == 0 || pem.n > TLSCERT_PEM_MAX) {
        (void)fail_set(f, "a private key file has 1 to %d octets", TLSCERT_PEM_MAX);
        return NULL;
    }
    ERR_clear_error();
    BIO *in = BIO_new_mem_buf(pem.p, (int)pem.n);
    if (in == NULL)
        abort();
    EVP_PKEY *key = PEM_read_bio_PrivateKey(in, NULL, no_passphrase, &asked);
    BIO_free(in);
    if (key != NULL) {
        ERR_clear_error();
        return wrap(key, f);
    }
    if (asked)
        (void)fail_set(f, "the private key is protected by a passphrase; store it without one");
    else
        (void)fail_set(f, "no private key found (a PEM file is expected)");
    ERR_clear_error();
    return NULL;
}

struct tlskey *tlskey_generate(void)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    struct tlskey *made = key == NULL ? NULL : wrap(key, NULL);
    if (made == NULL)
        abort();
    return made;
}

void tlskey_free(struct tlskey **key)
{
    if (*key != NULL)
        EVP_PKEY_free((*key)->key);
    mem_free(key);
}

void tlskey_write(const struct tlskey *key, struct buf *pem)
{
    char *text;
    /* Memory that OpenSSL wipes when it is freed, which an ordinary memory BIO's is not. */
    BIO *out = BIO_new(BIO_s_secmem());
    if (out == NULL || PEM_write_bio_PrivateKey(out, key->key, NULL, NULL, 0, NULL, NULL) != 1)
        abort();
    long n = BIO_get_mem_data(out, &text);
    buf_put(pem, text, (size_t)n);
    BIO_free(out);
}

void tlskey_id(const struct tlskey *key, unsigned char id[TLSCERT_KEY_ID_SIZE])
{
    tlscert_key_id(key->key, id);
}

/* Comparing public halves alone would let pass a file whose private half is another key's. */
static int prove(const struct tlskey *key, EVP_PKEY *public_key, struct fail *f)
{
    static const unsigned char digest[32] = "does the private half match it?";
    struct buf signature = {0};
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(public_key, NULL);
    int result = -1;
    bool rsa = key->type == EVP_PKEY_RSA;
    unsigned char info[TLSPADDING_INFO_MAX];
    size_t n = tlspadding_put_sha256(info, digest);
    struct span input = rsa ? span_of(info, n) : span_of(digest, sizeof digest);
    if (ctx == NULL)
        abort();
    if (tlskey_sign(key, key->type, rsa ? RSA_PKCS1_PADDING : key->curve, input, &signature, f) ==
        0) {
        struct span made = buf_span(&signature);
        if (EVP_PKEY_verify_init(ctx) == 1 &&
            EVP_PKEY_CTX_set_signature_md(ctx, EVP_sha256()) == 1 &&
            EVP_PKEY_verify(ctx, made.p, made.n, digest, sizeof digest) == 1)
            result = 0;
        else
            (void)fail_set(f, "its private half does not match its public half");
    }
    EVP_PKEY_CTX_free(ctx);
    buf_free(&signature);
    ERR_clear_error();
    return result;
}

int tlskey_fits(const struct tlskey *key, struct span chain_pem, struct fail *f)
{
    char name[128];
    STACK_OF(X509) *chain = tlscert_parse(chain_pem, f);
    int result = -1;
    if (chain == NULL)
        return -1;
    X509 *own = sk_X509_value(chain, 0);
    EVP_PKEY *public_key = X509_get0_pubkey(own);
    tlscert_name(own, name, sizeof name);
    if (public_key == NULL || X509_check_private_key(own, key->key) != 1)
        (void)fail_set(f, "the private key does not belong to the certificate for %s", name);
    else if ((result = prove(key, public_key, f)) != 0)
        (void)fail_prefix(f, "the private key of the certificate for %s", name);
    tlscert_free(&chain);
    ERR_clear_error();
    return result;
}

/* Whether a request is one that a TLS 1.2 or 1.3 handshake makes of this key. */
static int check_request(const struct tlskey *key, int key_type, int nid_or_padding,
                         struct span input, struct fail *f)
{
    if (key_type != key->type)
        return fail_set(f, "a signature was asked for with another kind of key");
    if (key_type == EVP_PKEY_EC) {
        if (nid_or_padding != key->curve)
            return fail_set(f, "a signature was asked for on another curve");
        return input.n == 32 || input.n == 48 || input.n == 64
                   ? 0
                   : fail_set(f, "%zu octets are no digest to be signed", input.n);
    }
    if (nid_or_padding == RSA_PKCS1_PADDING)
        return tlspadding_is_digest_info(input)
                   ? 0
                   : fail_set(f, "not a DigestInfo of SHA-256, -384 or -512");
    if (nid_or_padding == RSA_NO_PADDING)
        return tlspadding_is_pss(input, (size_t)EVP_PKEY_get_bits(key->key))
                   ? 0
                   : fail_set(f, "not a block that is PSS-encoded for this key");
    return fail_set(f, "no such padding");
}

int tlskey_sign(const struct tlskey *key, int key_type, int nid_or_padding, struct span input,
                struct buf *out, struct fail *f)
{
    if (check_request(key, key_type, nid_or_padding, input, f) != 0)
        return -1;
    ERR_clear_error();
    size_t n = (size_t)EVP_PKEY_get_size(key->key);
    unsigned char *to = buf_room(out, n);
    EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new(key->key, NULL);
    /* No digest is set, so OpenSSL signs the input as it is. */
    bool done =
        ctx != NULL && EVP_PKEY_sign_init(ctx) == 1 &&
        (key->type != EVP_PKEY_RSA || EVP_PKEY_CTX_set_rsa_padding(ctx, nid_or_padding) == 1) &&
        EVP_PKEY_sign(ctx, to, &n, input.p, input.n) == 1;
    EVP_PKEY_CTX_free(ctx);
    if (!done)
        return tls_error(f, NULL, "cannot sign");
    buf_grew(out, n);
    return 0;
}

static bool is_domain_name(const char *name)
{
    size_t n = strlen(name);
    for (size_t i = 0; i < n; i++) {
        if (!ascii_is_alnum(name[i]) && name[i] != '-' && name[i] != '.')
            return false;
    }
    return n >= 1 && n <= 253;
}

static int add_name(GENERAL_NAMES *names, const char *text, struct fail *f)
{
    GENERAL_NAME *name = GENERAL_NAME_new();
    ASN1_OCTET_STRING *address = a2i_IPADDRESS(text);
    ASN1_IA5STRING *domain = ASN1_IA5STRING_new();
    if (name == NULL || domain == NULL || ASN1_STRING_set(domain, text, -1) != 1)
        abort();
    if (address == NULL && !is_domain_name(text)) {
        ASN1_IA5STRING_free(domain);
        GENERAL_NAME_free(name);
        return fail_set(f, "\"%.253s\" is neither a domain name nor an address", text);
    }
    if (address != NULL) {
        GENERAL_NAME_set0_value(name, GEN_IPADD, address);
        ASN1_IA5STRING_free(domain);
    } else {
        GENERAL_NAME_set0_value(name, GEN_DNS, domain);
    }
    if (sk_GENERAL_NAME_push(names, name) <= 0)
        abort();
    return 0;
}

static bool add_usage(X509 *cert)
{
    static const struct {
        int nid;
        const char *value;
    } usages[] = {
        {NID_basic_constraints, "critical,CA:FALSE"},
        {NID_key_usage, "critical,digitalSignature"},
        {NID_ext_key_usage, "serverAuth"},
    };
    for (size_t i = 0; i < sizeof usages / sizeof usages[0]; i++) {
        X509_EXTENSION *one = X509V3_EXT_conf_nid(NULL, NULL, usages[i].nid, usages[i].value);
        bool added = one != NULL && X509_add_ext(cert, one, -1) == 1;
        X509_EXTENSION_free(one);
        if (!added)
            return false;
    }
    return true;
}

/* The common name says only for people what the certificate is; it has at most 64 octets. */
static bool set_subject(X509 *cert, const char *name)
{
    const char *shown = strlen(name) <= 64 ? name : "self-signed";
    X509_NAME *subject = X509_get_subject_name(cert);
    return X509_NAME_add_entry_by_NID(subject, NID_commonName, MBSTRING_ASC,
                                      (const unsigned char *)shown, -1, -1, 0) == 1 &&
           X509_set_issuer_name(cert, subject) == 1;
}

static bool set_serial(X509 *cert)
{
    unsigned char octets[16];
    rand_bytes(octets, sizeof octets);
    octets[0] = (octets[0] & 0x7f) | 0x40; /* positive, and no zeros at the front */
    BIGNUM *number = BN_bin2bn(octets, sizeof octets, NULL);
    bool set = number != NULL && BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL;
    BN_free(number);
    return set;
}

int tlskey_self_sign(const struct tlskey *key, const char *const *names, size_t n, int days,
                     struct buf *pem, struct fail *f)
{
    assert(n >= 1 && n <= 32 && days >= 1 && days <= 36500);
    X509 *cert = X509_new();
    GENERAL_NAMES *list = sk_GENERAL_NAME_new_null();
    BIO *out = BIO_new(BIO_s_mem());
    char *text;
    int result = -1;
    if (cert == NULL || list == NULL || out == NULL)
        abort();
    for (size_t i = 0; i < n; i++) {
        if (add_name(list, names[i], f) != 0)
            goto done;
    }
    if (X509_set_version(cert, X509_VERSION_3) != 1 || !set_serial(cert) ||
        !set_subject(cert, names[0]) || X509_set_pubkey(cert, key->key) != 1 ||
        X509_time_adj_ex(X509_getm_notBefore(cert), -1, 0, NULL) == NULL ||
        X509_time_adj_ex(X509_getm_notAfter(cert), days, 0, NULL) == NULL || !add_usage(cert) ||
        X509_add1_ext_i2d(cert, NID_subject_alt_name, list, 0, X509V3_ADD_DEFAULT) != 1 ||
        X509_sign(cert, key->key, EVP_sha256()) == 0 || PEM_write_bio_X509(out, cert) != 1) {
        (void)tls_error(f, NULL, "cannot make a certificate");
        goto done;
    }
    long size = BIO_get_mem_data(out, &text);
    buf_put(pem, text, (size_t)size);
    result = 0;
done:
    BIO_free(out);
    sk_GENERAL_NAME_pop_free(list, GENERAL_NAME_free);
    X509_free(cert);
    ERR_clear_error();
    return result;
}
