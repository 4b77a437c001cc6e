#include "tls.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/rand.h>
#include <openssl/x509.h>

#include "tlsremote.h"

#define EXPORTER_LABEL "EXPORTER-Channel-Binding"

int tls_init(struct fail *f)
{
    const uint64_t load =
        OPENSSL_INIT_LOAD_SSL_STRINGS | OPENSSL_INIT_LOAD_CRYPTO_STRINGS | OPENSSL_INIT_LOAD_CONFIG;
    unsigned char octet;
    tzset(); /* or the first certificate's date would have the C library look for /etc/localtime */
    if (OPENSSL_init_ssl(load, NULL) != 1)
        return tls_error(f, NULL, "cannot start OpenSSL");
    if (RAND_status() != 1 || RAND_bytes(&octet, 1) != 1 || RAND_priv_bytes(&octet, 1) != 1)
        return tls_error(f, NULL, "cannot seed OpenSSL");
    SSL_CTX *ctx = SSL_CTX_new(TLS_method());
    if (ctx == NULL)
        return tls_error(f, NULL, "cannot make a TLS context");
    SSL_CTX_free(ctx);
    tlsremote_init();
    return 0;
}

void tls_context_defaults(SSL_CTX *ctx)
{
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_IGNORE_UNEXPECTED_EOF |
                                 SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE |
                              SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_NO_AUTO_CHAIN);
    /* Or each record would be two calls of the system: one for its head, one for the rest. */
    SSL_CTX_set_read_ahead(ctx, 1);
}

/* The oldest entry is the cause and the later ones its consequences, except that a sentence of our
 * own (raised where a key process refused) tells more than any of OpenSSL's. */
static void take_reason(char *text, size_t size)
{
    const char *data;
    int flags;
    unsigned long code;
    while ((code = ERR_get_error_all(NULL, NULL, NULL, &data, &flags)) != 0) {
        const char *said = (flags & ERR_TXT_STRING) != 0 ? data : "";
        if (ERR_GET_LIB(code) == ERR_LIB_USER && *said != '\0') {
            (void)snprintf(text, size, "%s", said);
            break;
        }
        if (*text != '\0')
            continue;
        if (ERR_SYSTEM_ERROR(code)) {
            (void)snprintf(text, size, "%s", strerror(ERR_GET_REASON(code)));
            continue;
        }
        const char *reason = ERR_reason_error_string(code);
        (void)snprintf(text, size, "%s%s%s%s", reason != NULL ? reason : "unknown error",
                       *said != '\0' ? " (" : "", said, *said != '\0' ? ")" : "");
    }
    ERR_clear_error();
}

int tls_error(struct fail *f, const SSL *ssl, const char *what)
{
    char reason[256] = "";
    take_reason(reason, sizeof reason);
    long verify = ssl == NULL || SSL_get_verify_mode(ssl) == SSL_VERIFY_NONE
                      ? X509_V_OK
                      : SSL_get_verify_result(ssl);
    if (*reason == '\0')
        return fail_set(f, "%s: connection closed", what);
    if (verify != X509_V_OK)
        return fail_set(f, "%s: %s: %s", what, reason, X509_verify_cert_error_string(verify));
    return fail_set(f, "%s: %s", what, reason);
}

static void put_text(char *dst, size_t size, const char *src)
{
    (void)snprintf(dst, size, "%s", src != NULL ? src : "");
}

/* RFC 2253 escapes control characters, and OpenSSL all that is not ASCII. */
void tls_subject(const X509 *cert, char *out, size_t size)
{
    BIO *text = cert == NULL ? NULL : BIO_new(BIO_s_mem());
    char raw[1024] = "";
    if (text != NULL &&
        X509_NAME_print_ex(text, X509_get_subject_name(cert), 0, XN_FLAG_RFC2253) >= 0) {
        int n = BIO_read(text, raw, sizeof raw - 1);
        raw[n > 0 ? n : 0] = '\0';
    }
    put_text(out, size, raw);
    BIO_free(text);
    ERR_clear_error();
}

void tls_info_fill(struct tls_info *info, SSL *ssl)
{
    const SSL_CIPHER *cipher = SSL_get_current_cipher(ssl);
    *info = (struct tls_info){0};
    put_text(info->version, sizeof info->version, SSL_get_version(ssl));
    if (cipher != NULL) {
        put_text(info->cipher, sizeof info->cipher, SSL_CIPHER_standard_name(cipher));
        info->bits = SSL_CIPHER_get_bits(cipher, NULL);
    }
    int group = (int)SSL_get_negotiated_group(ssl);
    if (group != NID_undef)
        put_text(info->group, sizeof info->group, SSL_group_to_name(ssl, group));
    info->resumed = SSL_session_reused(ssl) == 1;
    info->verified = SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE &&
                     SSL_get0_peer_certificate(ssl) != NULL &&
                     SSL_get_verify_result(ssl) == X509_V_OK;
    tls_subject(SSL_get0_peer_certificate(ssl), info->peer, sizeof info->peer);
}

void tls_info_text(const struct tls_info *info, struct buf *out)
{
    buf_putf(out, "%s %s", info->version, info->cipher);
    if (info->group[0] != '\0')
        buf_putf(out, " %s", info->group);
    if (info->resumed)
        buf_puts(out, " resumed");
    if (info->verified)
        buf_puts(out, " verified");
}

void tls_info_received(const struct tls_info *info, struct buf *out)
{
    buf_putf(out, "tls %s", info->cipher);
    if (info->group[0] != '\0')
        buf_putf(out, " group %s", info->group);
}

int tls_exporter(SSL *ssl, unsigned char out[TLS_EXPORTER_SIZE])
{
    assert(SSL_is_init_finished(ssl));
    /* RFC 9266 section 4.2: without the extended master secret two connections can share one value.
     */
    if (SSL_version(ssl) < TLS1_3_VERSION && SSL_get_extms_support(ssl) != 1)
        return -1;
    if (SSL_export_keying_material(ssl, out, TLS_EXPORTER_SIZE, EXPORTER_LABEL,
                                   sizeof EXPORTER_LABEL - 1, NULL, 0, 0) != 1) {
        ERR_clear_error();
        return -1;
    }
    return 0;
}

size_t tls_server_end_point(SSL *ssl, unsigned char out[TLS_END_POINT_MAX])
{
    int hash = NID_undef;
    unsigned n = 0;
    assert(SSL_is_init_finished(ssl));
    X509 *certificate = SSL_get1_peer_certificate(ssl);
    if (certificate == NULL)
        return 0;
    if (X509_get_signature_info(certificate, &hash, NULL, NULL, NULL) == 1 && hash != NID_undef) {
        /* MD5 and SHA-1 are replaced, as the RFC says. */
        const EVP_MD *md =
            hash == NID_md5 || hash == NID_sha1 ? EVP_sha256() : EVP_get_digestbynid(hash);
        if (md == NULL || EVP_MD_get_size(md) > TLS_END_POINT_MAX ||
            X509_digest(certificate, md, out, &n) != 1)
            n = 0;
    }
    ERR_clear_error();
    X509_free(certificate);
    return n;
}
