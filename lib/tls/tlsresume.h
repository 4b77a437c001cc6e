#ifndef QM_TLSRESUME_H
#define QM_TLSRESUME_H

#include <openssl/ssl.h>

#include "tlspolicy.h"

/* Sessions of TLS, kept by a client to be resumed: a handshake without certificates and without
 * their verification (RFC 8446 section 2.2, RFC 5246 section 7.3). So a session serves only for the
 * peer it was made with, and only where the policy still demands what it had met: the same TLSA
 * records, names and authority. Each is used once (RFC 8446 appendix C.4) and for an hour at most,
 * or less where the server says so. */

#define TLSRESUME_SECONDS 3600

struct tlsresume;

/* An empty store for so many sessions, of which the oldest gives way; one reference. */
struct tlsresume *tlsresume_new(unsigned limit);
struct tlsresume *tlsresume_hold(struct tlsresume *r);
/* Gives back one reference to *r (NULL is let pass) and sets *r to NULL. */
void tlsresume_drop(struct tlsresume **r);

/* Keeps the session, taking over the caller's reference, in place of an older one for this peer. */
void tlsresume_put(struct tlsresume *r, const char *peer, const struct tlspolicy *policy,
                   SSL_SESSION *session);
/* Takes out what there is for this peer. Returns the session (SSL_SESSION_free) when it was made
 * under a policy that demands the same and is still good, else NULL. */
SSL_SESSION *tlsresume_take(struct tlsresume *r, const char *peer, const struct tlspolicy *policy);

#endif
