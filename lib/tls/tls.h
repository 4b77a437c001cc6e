#ifndef QM_TLS_H
#define QM_TLS_H

#include <stdbool.h>

#include <openssl/ssl.h>

#include "buf.h"
#include "fail.h"

/* What the TLS server side, the TLS client side and the process that holds the keys have in common:
 * starting OpenSSL, saying why it failed, and saying what was negotiated. */

/* What a finished handshake agreed on. Every text is NUL-terminated and holds printable ASCII only,
 * so it may go into a log line or a header field as it is. */
struct tls_info {
    char version[12]; /* "TLSv1.3" */
    char cipher[64];  /* name in the IANA registry: "TLS_AES_256_GCM_SHA384" */
    char group[24];   /* name in the IANA registry: "x25519"; "" when no group took part */
    int bits;         /* strength of the symmetric cipher */
    bool verified;    /* the peer's certificate and name were required to be good, and were */
    bool resumed;     /* no full handshake took place */
    char peer[256];   /* subject of the peer's certificate (RFC 2253), cut; "" if it sent none */
};

/* Starts OpenSSL for this process: reads openssl.cnf, loads the error texts, seeds the random
 * number generator and looks up every algorithm. After it no TLS operation opens a file, so it is
 * called once, before the process changes its root or limits its system calls. May be called again.
 * Returns 0, or -1 with a sentence when the configuration file is broken or there is no entropy. */
int tls_init(struct fail *f);

/* The options and modes of every SSL_CTX here: no renegotiation, a missing close_notify is an
 * ordinary end (SMTP frames itself), plaintext is wiped after use, buffers are released while a
 * connection idles, a write may take less than it was given and may be repeated from another
 * address. */
void tls_context_defaults(SSL_CTX *ctx);

/* Writes "<what>: <why>" from OpenSSL's error queue, which is emptied. ssl may be NULL; with it the
 * reason why a peer's certificate was refused is named. An empty queue gives "<what>: connection
 * closed". Always returns -1. */
int tls_error(struct fail *f, const SSL *ssl, const char *what);

/* Writes the subject of a certificate (RFC 2253), cut: printable ASCII; "" for NULL. */
void tls_subject(const X509 *cert, char *out, size_t size);

/* Fills *info from a connection whose handshake is finished. */
void tls_info_fill(struct tls_info *info, SSL *ssl);

/* Appends the log form: "TLSv1.3 TLS_AES_256_GCM_SHA384 x25519 verified". */
void tls_info_text(const struct tls_info *info, struct buf *out);

/* Appends the clause for a Received header field, without white space around it:
 * "tls TLS_AES_256_GCM_SHA384 group x25519" (RFC 8314 section 4.3). */
void tls_info_received(const struct tls_info *info, struct buf *out);

#define TLS_EXPORTER_SIZE 32

/* The tls-exporter channel binding of a finished handshake (RFC 9266). Returns 0; -1 when there is
 * none that binds: before TLS 1.3 it needs the extended master secret. */
int tls_exporter(SSL *ssl, unsigned char out[TLS_EXPORTER_SIZE]);

#define TLS_END_POINT_MAX 64

/* The tls-server-end-point channel binding of a finished handshake, on the client's side: the hash
 * of the server's certificate (RFC 5929 section 4.1). Returns its size, or 0 when there is none: no
 * certificate, or one whose signature has no hash of its own. */
size_t tls_server_end_point(SSL *ssl, unsigned char out[TLS_END_POINT_MAX]);

#endif
