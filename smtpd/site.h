#ifndef QM_SMTPD_SITE_H
#define QM_SMTPD_SITE_H

#include <stdbool.h>
#include <stdint.h>

#include <openssl/ssl.h>

#include "buf.h"
#include "fail.h"

/* The TLS identity of a listener: its certificate is here, its private key in the vault. */

/* The channel on which the vault signs. A handshake waits for its signature, so it has a channel of
 * its own on which this process may block. */
struct signing {
    int fd; /* -1 while there is none */
};

struct site;

/* Reads the certificate chain of the listener block of that label from a file, which stays the
 * caller's. signing must outlive the site, and the site every handshake begun with it. NULL with a
 * sentence when it holds no certificate that can be used now; whether the vault has its key shows
 * later, since the vault may not be there yet. */
struct site *site_new(const char *label, int fd, struct signing *signing, struct fail *f);
void site_free(struct site **s); /* NULL is let be */

/* The label it was made with; valid as long as the site. */
const char *site_label(const struct site *s);

/* A new connection that waits for a ClientHello (SSL_free), or NULL with a sentence while the vault
 * cannot sign. */
SSL *site_accept(struct site *s, struct fail *f);

#endif
