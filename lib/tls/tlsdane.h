#ifndef QM_TLSDANE_H
#define QM_TLSDANE_H

#include <stdbool.h>
#include <stddef.h>

#include <openssl/ssl.h>

#include "fail.h"
#include "tlsa.h"
#include "tlspolicy.h"
#include "tlsremote.h"
#include "tlsresult.h"

/* The client side of TLS under a policy (tlspolicy.h): DANE (RFC 7671, RFC 7672), a certificate of
 * a trusted authority (RFC 8461 section 4.2), both, or neither. What is demanded is checked inside
 * the handshake: one that comes to its end has met it all. TLS 1.2 is the least where the message
 * may not go out in clear; where it may, TLS 1.0 is better than nothing. */

#define TLSDANE_RECORDS_MAX 64 /* usable records that are looked at; more are left out */

/* The contexts that connections under any policy are made from. */
struct tlsdane;

/* roots: for policies that want a trusted authority; NULL where none will. Holds its own reference.
 * sessions: how many sessions of TLS are kept to be resumed (tlsresume.h). Returns it
 * (tlsdane_free), or NULL with a sentence. */
struct tlsdane *tlsdane_new(X509_STORE *roots, unsigned sessions, struct fail *f);

/* From now on its connections show this certificate to servers that ask for one (tlsremote_use).
 * Returns 0, or -1 with a sentence. */
int tlsdane_identify(struct tlsdane *d, struct span pem, const struct tls_remote *remote,
                     struct fail *f);

/* Connections made from it stay good until they end. *d may be NULL, and is NULL afterwards. */
void tlsdane_free(struct tlsdane **d);

/* Writes to out, which has room for n, those of the records that SMTP can use and that are well
 * formed (RFC 7672 section 3.1): usage DANE-TA or DANE-EE, a selector and a matching type that are
 * known, data of the digest's length or, in full, a certificate or key that can be read. Their data
 * stays that of list. Returns how many, TLSDANE_RECORDS_MAX at most. */
size_t tlsdane_usable(struct tlsdane *d, const struct tlsa *list, size_t n, struct tlsa *out);

/* A new connection that will open the handshake with a host as the policy demands, for the caller
 * (SSL_free). policy: its verdict is TLSPOLICY_TRY and its tls not TLSPOLICY_CLEAR; the connection
 * holds on to it. peer: whom it leads to and for whom it is, in words that are nobody else's: a
 * session of a connection before with the same words, under a policy that demands the same, is
 * resumed. NULL: none is, or kept. Returns NULL with a sentence when OpenSSL will not have the
 * policy's names or records; then the host is passed over, not spoken to in another way. */
SSL *tlsdane_connect(struct tlsdane *d, const struct tlspolicy *policy, const char *peer,
                     struct fail *f);

/* Whether the connection offers, or offered, to resume a session: if its handshake fails, one
 * without that may do. */
bool tlsdane_offers_session(const SSL *ssl);

/* Why the certificate was not good, when the handshake of a connection from tlsdane_connect failed:
 * true with the type and reason code for a report (RFC 8460 section 4.3; reason "" or a constant),
 * or false when it failed for some other reason. */
bool tlsdane_fault(const SSL *ssl, enum tlsresult_type *type, const char **reason);

/* The subject of that certificate (tls_subject); "" where it failed for some other reason. Valid as
 * long as the connection. */
const char *tlsdane_refused(const SSL *ssl);

/* Writes the record of the policy that the certificate of a finished handshake matched, as
 * tlsa_text has it and cut where it does not fit in size octets: true; or false and "" where none
 * had to, or the handshake resumed an earlier one, in which that was seen to. */
bool tlsdane_matched(const SSL *ssl, char *out, size_t size);

/* Judges the certificates that the host showed in a finished handshake as if a trusted authority
 * had to vouch for name, a policy in testing mode for one (RFC 8461 section 5). Returns true when
 * it would do, or false with type and reason as tlsdane_fault gives them. */
bool tlsdane_would_verify(struct tlsdane *d, SSL *ssl, const char *name, enum tlsresult_type *type,
                          const char **reason);

/* Judges the same certificates, and the protocol, as if the connection had been made under that
 * policy, one as for tlsdane_connect. */
bool tlsdane_would_meet(struct tlsdane *d, SSL *ssl, const struct tlspolicy *policy);

#endif
