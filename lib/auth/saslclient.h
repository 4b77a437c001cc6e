#ifndef QM_SASLCLIENT_H
#define QM_SASLCLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* The client side of SASL (RFC 4422): chooses a mechanism among those that a server offers, and
 * speaks it. Messages are octets; how they are carried (RFC 4954: base64) is the caller's matter.
 */

#define SASLCLIENT_MESSAGE_MAX 8192 /* octets of a server's message */

/* Strongest first; lib/conf lists them in this order. */
enum saslclient_mechanism {
    SASLCLIENT_SCRAM_SHA_256_PLUS, /* RFC 7677 */
    SASLCLIENT_SCRAM_SHA_256,
    SASLCLIENT_SCRAM_SHA_1_PLUS, /* RFC 5802 */
    SASLCLIENT_SCRAM_SHA_1,
    SASLCLIENT_CRAM_MD5,    /* RFC 2195 */
    SASLCLIENT_PLAIN,       /* RFC 4616 */
    SASLCLIENT_LOGIN,       /* two questions, never a standard */
    SASLCLIENT_EXTERNAL,    /* RFC 4422 appendix A; only where it is asked for by name */
    SASLCLIENT_OAUTHBEARER, /* RFC 7628 */
    SASLCLIENT_XOAUTH2,     /* what came before it */
    SASLCLIENT_MECHANISMS
};

/* What -PLUS binds to. */
enum saslclient_binding {
    SASLCLIENT_BIND_AUTO, /* EXPORTER if exporter_first, else END_POINT; the other where it lacks */
    SASLCLIENT_BIND_EXPORTER,  /* RFC 9266 */
    SASLCLIENT_BIND_END_POINT, /* RFC 5929 section 4 */
    SASLCLIENT_BIND_NONE,
};

/* Who we are. Nothing is copied: it has to last until saslclient_begin returns. */
struct saslclient_identity {
    const char *user;     /* UTF-8; NULL for none */
    struct span password; /* empty for none */
    struct span token;    /* of OAuth 2.0 (RFC 6750 section 2.1); empty for none */
    const enum saslclient_mechanism *order; /* those allowed, the preferred first */
    size_t order_n;                         /* 0: all that the credentials fit, but EXTERNAL */
    enum saslclient_binding binding;
    bool unverified;     /* a password or token may be shown to whoever answers */
    uint32_t iterations; /* of SCRAM, at most */
    const char *nonce;   /* of SCRAM; NULL for a random one, as it must be but in tests */
};

/* To whom we speak. */
struct saslclient_server {
    const char *host; /* as the operator named it */
    uint16_t port;
    const char *const *offered; /* names of mechanisms, in any case */
    size_t offered_n;
    bool verified; /* TLS proved it to be that host */
    bool exporter_first;
    struct span exporter, end_point; /* data of channel bindings; empty where there is none */
};

struct saslclient;

/* Begins with the first mechanism of the order that the server offers and that can be used. Returns
 * the exchange (saslclient_free), or NULL with a sentence that says what was offered. */
struct saslclient *saslclient_begin(const struct saslclient_identity *identity,
                                    const struct saslclient_server *server, struct fail *f);
void saslclient_free(struct saslclient **x); /* wiped; *x may be NULL */

const char *saslclient_name(const struct saslclient *x); /* "SCRAM-SHA-256" */

/* Appends what we say before the server has said anything; it may be empty. Returns false, and
 * appends nothing, when the mechanism has the server begin. Once, before saslclient_step. */
bool saslclient_initial(struct saslclient *x, struct buf *out);

/* Takes a server's challenge and appends the answer, which may be empty. Returns 0, or -1 with a
 * sentence: the exchange is to be cancelled. */
int saslclient_step(struct saslclient *x, struct span challenge, struct buf *out, struct fail *f);

/* Whether all has been said, so that the server's word that we are authenticated can be believed:
 * with SCRAM it has to prove itself first. */
bool saslclient_is_complete(const struct saslclient *x);

/* The mechanism of this name, in any case; -1 for one that is not known. */
int saslclient_find(struct span name);

#endif
