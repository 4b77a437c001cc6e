#include "tlscert.h"

#include <assert.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "tls.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192

void tlscert_free(STACK_OF(X509) * *chain)
{
    sk_X509_pop_free(*chain, X509_free);
    *chain = NULL;
}

/* Nothing in a certificate is encrypted: without this OpenSSL would ask the terminal. */
static int no_passphrase(char *buf, int size, int writing, void *arg)
{
    return -1;
}

STACK_OF(X509) * tlscert_parse(struct span pem, struct fail *f)
{
    if (pem.n > TLSCERT_PEM_MAX) {
        (void)fail_set(f, "certificate file is longer than %d octets", TLSCERT_PEM_MAX);
        return NULL;
    }
    ERR_clear_error();
    BIO *in = BIO_new_mem_buf(pem.n == 0 ? "" : (const void *)pem.p, (int)pem.n);
    STACK_OF(X509) *chain = sk_X509_new_null();
    assert(in != NULL && chain != NULL);
    X509 *cert = NULL;
    while (sk_X509_num(chain) <= TLSCERT_CHAIN_MAX &&
           (cert = PEM_read_bio_X509(in, NULL, no_passphrase, NULL)) != NULL) {
        int pushed = sk_X509_push(chain, cert);
        assert(pushed > 0);
    }
    BIO_free(in);
    int count = sk_X509_num(chain);
    unsigned long last = ERR_peek_last_error();
    bool at_end = ERR_GET_LIB(last) == ERR_LIB_PEM && ERR_GET_REASON(last) == PEM_R_NO_START_LINE;
    if (count > TLSCERT_CHAIN_MAX)
        (void)fail_set(f, "more than %d certificates in one chain", TLSCERT_CHAIN_MAX);
    else if (!at_end)
        (void)tls_error(f, NULL,
                        count == 0 ? "cannot read the certificate"
                                   : "cannot read a later certificate of the chain");
    else if (count == 0)
        (void)fail_set(f, "no certificate found (a PEM file is expected)");
    ERR_clear_error();
    if (count == 0 || count > TLSCERT_CHAIN_MAX || !at_end)
        tlscert_free(&chain);
    return chain;
}

static int64_t time_ms(const ASN1_TIME *when)
{
    struct tm tm;
    if (ASN1_TIME_to_tm(when, &tm) != 1)
        return INT64_MIN;
    return (int64_t)timegm(&tm) * 1000;
}

int tlscert_check_chain(struct span pem, int64_t now_ms, struct fail *f)
{
    STACK_OF(X509) *chain = tlscert_parse(pem, f);
    if (chain == NULL)
        return -1;
    int rc = tlscert_check_dates(sk_X509_value(chain, 0), now_ms, f);
    tlscert_free(&chain);
    return rc;
}

int64_t tlscert_expires_ms(const X509 *cert)
{
    return time_ms(X509_get0_notAfter(cert));
}

static void put_date(int64_t ms, char *text, size_t size)
{
    time_t seconds = (time_t)(ms / 1000);
    struct tm tm;
    *text = '\0';
    if (gmtime_r(&seconds, &tm) != NULL)
        (void)strftime(text, size, "%Y-%m-%d %H:%M:%S UTC", &tm);
}

int tlscert_check_dates(const X509 *cert, int64_t now_ms, struct fail *f)
{
    char name[128], date[64];
    int64_t from = time_ms(X509_get0_notBefore(cert)), to = tlscert_expires_ms(cert);
    tlscert_name(cert, name, sizeof name);
    if (from == INT64_MIN || to == INT64_MIN)
        return fail_set(f, "certificate for %s: unreadable dates", name);
    if (now_ms < from) {
        put_date(from, date, sizeof date);
        return fail_set(f, "certificate for %s is not valid before %s", name, date);
    }
    if (now_ms > to) {
        put_date(to, date, sizeof date);
        return fail_set(f, "certificate for %s expired on %s", name, date);
    }
    return 0;
}

static int refuse_key(struct fail *f, const char *kind)
{
    return fail_set(f,
                    "a key of kind %s is not supported: RSA of %d to %d bits, P-256 and P-384 are",
                    kind, RSA_BITS_MIN, RSA_BITS_MAX);
}

int tlscert_check_key(const EVP_PKEY *key, int *key_type, int *curve, struct fail *f)
{
    char kind[64], group[48];
    int type = EVP_PKEY_get_base_id(key), bits = EVP_PKEY_get_bits(key);
    *key_type = type;
    *curve = NID_undef;
    if (type == EVP_PKEY_RSA) {
        (void)snprintf(kind, sizeof kind, "RSA (%d bits)", bits);
        return bits >= RSA_BITS_MIN && bits <= RSA_BITS_MAX ? 0 : refuse_key(f, kind);
    }
    if (type != EVP_PKEY_EC) {
        const char *name = EVP_PKEY_get0_type_name(key);
        return refuse_key(f, name != NULL ? name : "unknown");
    }
    if (EVP_PKEY_get_group_name(key, group, sizeof group, NULL) != 1) {
        ERR_clear_error();
        return refuse_key(f, "EC with explicit parameters");
    }
    *curve = OBJ_txt2nid(group);
    if (*curve == NID_X9_62_prime256v1 || *curve == NID_secp384r1)
        return 0;
    (void)snprintf(kind, sizeof kind, "EC (%s)", group);
    return refuse_key(f, kind);
}

void tlscert_key_id(const EVP_PKEY *key, unsigned char id[TLSCERT_KEY_ID_SIZE])
{
    unsigned char *der = NULL;
    int n = i2d_PUBKEY(key, &der);
    assert(n > 0);
    int done = EVP_Digest(der, (size_t)n, id, NULL, EVP_sha256(), NULL);
    assert(done == 1);
    OPENSSL_free(der);
}

static bool put_dns_name(const X509 *cert, char *name, size_t size)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    bool found = false;
    for (int i = 0; i < sk_GENERAL_NAME_num(names) && !found; i++) {
        const GENERAL_NAME *one = sk_GENERAL_NAME_value(names, i);
        if (one->type != GEN_DNS)
            continue;
        struct span text = span_of(ASN1_STRING_get0_data(one->d.dNSName),
                                   (size_t)ASN1_STRING_length(one->d.dNSName));
        found = text.n > 0 && span_copy(text, name, size) == 0;
    }
    GENERAL_NAMES_free(names);
    return found;
}

void tlscert_name(const X509 *cert, char *name, size_t size)
{
    if (!put_dns_name(cert, name, size)) {
        BIO *out = BIO_new(BIO_s_mem());
        int n = 0;
        assert(out != NULL && size <= INT_MAX);
        if (X509_NAME_print_ex(out, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0)
            n = BIO_read(out, name, (int)size - 1);
        name[n > 0 ? n : 0] = '\0';
        BIO_free(out);
    }
    for (char *at = name; *at != '\0'; at++)
        *at = *at >= ' ' && *at <= '~' ? *at : '?';
    ERR_clear_error();
}
