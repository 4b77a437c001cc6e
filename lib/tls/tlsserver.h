#ifndef QM_TLSSERVER_H
#define QM_TLSSERVER_H

#include <openssl/ssl.h>

#include "buf.h"
#include "fail.h"
#include "tlsremote.h"

/* The server side of TLS 1.2 and 1.3, without private keys: certificates are public and signatures
 * come from the process that holds the keys. Only key exchanges that are ephemeral on an elliptic
 * curve are offered, and only signatures over SHA-256 and better, so that signing is all that is
 * ever asked of a key, and a key process that signs gives nobody the means to decrypt. */

/* Octets of one session ticket key: 16 of name, 32 for HMAC-SHA-256, 32 for AES-256. All random. */
#define TLSSERVER_TICKET_KEY_SIZE 80
#define TLSSERVER_TICKET_KEYS_MAX 4
/* How long a ticket is good for, unless its key goes earlier. */
#define TLSSERVER_TICKET_SECONDS 7200

struct tlsserver_options {
    /* OpenSSL's security level, 0 to 5. Debian's own default is 2. */
    int security_level;
    /* What a resumed session must have been made for, a listener's name for example; any length,
     * but not empty. */
    struct span context;
};

/* A server context without a certificate; session tickets are off. Returns it (tlsserver_free), or
 * NULL with a sentence. */
SSL_CTX *tlsserver_new(const struct tlsserver_options *options, struct fail *f);

/* Releases the context; connections that use it keep it until they end. *ctx may be NULL, and is
 * NULL afterwards. */
void tlsserver_free(SSL_CTX **ctx);

/* Adds a certificate (tlsremote_use). At most one RSA and one EC certificate; the EC one is
 * preferred where the peer takes both. */
int tlsserver_add_certificate(SSL_CTX *ctx, struct span pem, const struct tls_remote *remote,
                              struct fail *f);

/* Replaces the session ticket keys: 0 to TLSSERVER_TICKET_KEYS_MAX keys end to end, which are
 * copied. The first makes new tickets; tickets of the others are still taken, and renewed. Workers
 * that are given the same keys take each other's tickets. No key: tickets are off, and no session
 * is ever resumed. Connections made before keep the setting "off" but see new keys. Returns 0, or
 * -1 with a sentence when the length fits no whole number of keys. */
int tlsserver_set_ticket_keys(SSL_CTX *ctx, struct span keys, struct fail *f);

/* A new connection that waits for a ClientHello. The caller owns it (SSL_free). */
SSL *tlsserver_accept(SSL_CTX *ctx);

#endif
