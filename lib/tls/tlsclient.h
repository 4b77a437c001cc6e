#ifndef QM_TLSCLIENT_H
#define QM_TLSCLIENT_H

#include <openssl/ssl.h>

#include "fail.h"

/* The client side of TLS: a context for each way of treating the server's certificate, and
 * connections made from it. No session is resumed. */

enum tlsclient_mode {
    /* Encrypt with whoever answers (RFC 7435): any certificate will do, old protocols, small keys
     * and servers without secure renegotiation are put up with, as the alternative is no TLS at
     * all. */
    TLSCLIENT_OPPORTUNISTIC,
    /* The certificate must lead to a trusted root and carry the host's name as a subjectAltName
     * (RFC 9525: the common name does not count, and a wildcard stands for one whole label). */
    TLSCLIENT_VERIFIED,
};

/* The certification authorities that Debian's ca-certificates package keeps. */
#define TLSCLIENT_ROOTS "/etc/ssl/certs/ca-certificates.crt"

/* Loads trusted roots from a PEM file (NULL: TLSCLIENT_ROOTS) into memory. Takes some 20 ms; done
 * once, before the process changes its root, and shared by all contexts. Returns the store
 * (X509_STORE_free), or NULL with a sentence. */
X509_STORE *tlsclient_roots(const char *path, struct fail *f);

struct tlsclient_options {
    enum tlsclient_mode mode;
    /* TLS1_VERSION to TLS1_3_VERSION; 0: TLS 1.0 if opportunistic, TLS 1.2 if verified. */
    int min_version;
    /* Verified mode needs it, the other ignores it. The context holds its own reference. */
    X509_STORE *roots;
};

/* A client context. Returns it (tlsclient_free), or NULL with a sentence. */
SSL_CTX *tlsclient_new(const struct tlsclient_options *options, struct fail *f);

/* Releases the context; connections that use it keep it until they end. *ctx may be NULL, and is
 * NULL afterwards. */
void tlsclient_free(SSL_CTX **ctx);

/* A new connection that will open the handshake with the server called host: a domain name of
 * A-labels (a dot at the end is taken off) or a numeric address. A name is sent as SNI (RFC 6066
 * section 3). If the context verifies, host is what the certificate must be for. The caller owns
 * the connection (SSL_free). Returns NULL with a sentence when host is neither. */
SSL *tlsclient_connect(SSL_CTX *ctx, const char *host, struct fail *f);

#endif
