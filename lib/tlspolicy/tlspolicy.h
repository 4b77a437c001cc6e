#ifndef QM_TLSPOLICY_H
#define QM_TLSPOLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mtasts.h"
#include "tlsa.h"

/* What TLS has to be like with one host for one message. All that has a say in it is gathered
 * first; then tlspolicy_new decides, once, and what it made never changes. Whoever speaks to the
 * host asks the policy what may follow on what happened (tlspolicy_after) and has no opinion of its
 * own: so nothing goes out in clear where the policy does not say so.
 *
 * Pure: nothing here waits, looks anything up or reads a clock. */

/* What the message asks for (RFC 8689). */
enum tlspolicy_wish {
    TLSPOLICY_UNSET,
    TLSPOLICY_REQUIRE,  /* MAIL FROM with REQUIRETLS */
    TLSPOLICY_OPTIONAL, /* "TLS-Required: No": what the receiver's side published does not count */
    TLSPOLICY_WISHES
};

/* What the operator says of this destination. All but the first replace what the receiver's side
 * published. */
enum tlspolicy_level {
    TLSPOLICY_PUBLISHED,   /* nothing: DANE and MTA-STS, and else whatever the host offers */
    TLSPOLICY_NONE,        /* no TLS at all */
    TLSPOLICY_MAY,         /* TLS when offered, with any certificate */
    TLSPOLICY_ENCRYPT,     /* TLS or nothing, with any certificate */
    TLSPOLICY_VERIFY,      /* a certificate that is good for the host's name */
    TLSPOLICY_DANE_ONLY,   /* usable TLSA records that DNSSEC secures, and one that matches */
    TLSPOLICY_FINGERPRINT, /* one of these certificates or keys */
    TLSPOLICY_LEVELS
};

/* What came of looking for TLSA records (dnstlsa.h). */
enum tlspolicy_tlsa {
    TLSPOLICY_TLSA_OFF,    /* not asked: a resolver whose word on DNSSEC does not count */
    TLSPOLICY_TLSA_NONE,   /* there are none, or not ones that DNSSEC secures */
    TLSPOLICY_TLSA_FOUND,  /* there are, and DNSSEC secures all that led there */
    TLSPOLICY_TLSA_FAILED, /* that could not be found out: somebody may be keeping them back */
};

#define TLSPOLICY_NAMES_MAX 4
#define TLSPOLICY_DIGEST 32

/* All that the decision rests on. Everything stays the caller's; names are A-labels in lower case
 * without a final dot; texts may be NULL where they are said not to be known. */
struct tlspolicy_facts {
    /* the message and its sender */
    enum tlspolicy_wish wish;

    /* the operator */
    enum tlspolicy_level level;
    bool always_encrypt; /* the transport's way is TLS or nothing, whatever was published */
    /* fingerprints_n of SHA-256, each of a certificate or of a SubjectPublicKeyInfo */
    const unsigned char (*fingerprints)[TLSPOLICY_DIGEST];
    size_t fingerprints_n;
    /* A host whose name DNSSEC secures, with a certificate of a trusted authority for that name, is
     * enough for REQUIRETLS (RFC 8689 section 4.2.1), without DANE or MTA-STS. */
    bool require_by_dnssec;

    /* the way to the host */
    const char *next_hop; /* the recipient's domain, or the server the operator named */
    const char *expanded; /* that with its aliases followed; NULL: the same */
    const char *host;     /* as the MX record has it; without MX records the next hop, expanded */
    bool is_mx;           /* an MX record led to the host */
    bool is_address;      /* the host is an IP address: no name, no DANE, no MTA-STS */
    bool route_secure;    /* DNSSEC secures all from the next hop to the host's name */

    /* TLSA records; looked for only where route_secure and the host's addresses are secure, and at
     * a next hop that is a secure alias of a host which is not */
    enum tlspolicy_tlsa tlsa;
    const char *tlsa_base;     /* FOUND: the name they were found at */
    const struct tlsa *usable; /* FOUND: those that can be used (tlsdane_usable), usable_n */
    size_t usable_n;

    /* MTA-STS of the recipient's domain, never of another name; NULL: there is none, or the way
     * does not lead over MX records */
    const struct mtasts_policy *sts;
    /* Whether there is one could not be found out now, and none was known from before. */
    bool sts_unknown;
};

/* What is to become of the host for this message. */
enum tlspolicy_verdict {
    TLSPOLICY_TRY,
    TLSPOLICY_SKIP,   /* not now: on to the next host; if none is left, deferred */
    TLSPOLICY_REFUSE, /* it cannot have what REQUIRETLS asks for: as SKIP, but permanent (554
                         5.7.30) if it is so of every host */
};

enum tlspolicy_tls {
    TLSPOLICY_CLEAR,        /* STARTTLS is not to be used */
    TLSPOLICY_WHEN_OFFERED, /* and in clear where STARTTLS or the handshake fails */
    TLSPOLICY_ALWAYS,       /* nothing of the message goes out in clear, whatever happens */
};

/* The decision. Read it as it is; it is changed by nobody. */
struct tlspolicy {
    unsigned references;
    enum tlspolicy_verdict verdict;
    enum tlspolicy_tls tls;
    bool requiretls; /* the host must announce REQUIRETLS under TLS, and is told it with MAIL */
    /* What the certificate must be like; all of them together. Neither: anything will do. */
    bool dane; /* one of tlsa matches; of usage 2, for one of the names too */
    bool pkix; /* a trusted authority says that it is for pkix_name */
    struct tlsa_set tlsa;
    size_t names_n;
    char *names[TLSPOLICY_NAMES_MAX]; /* of dane; the first is sent as SNI */
    char *pkix_name;
    char *sni; /* NULL: none is sent, the host is an address */
    /* What it rests on, in a word for logs and the history: "none" "may" "encrypt" "verify" "dane"
     * "dane-unusable" "sts" "dane+sts" "fingerprint" "dnssec", or why there is no try:
     * "dane-failed" "dane-missing" "sts-mismatch" "sts-unknown" "no-policy". With "requiretls " or
     * "optional " before it where the message asked for that. */
    char label[40];
    char why[200]; /* a sentence, when verdict is not TLSPOLICY_TRY; else "" */
};

/* Decides, with one reference for the caller. The rules: delivery/DESIGN.md. */
const struct tlspolicy *tlspolicy_new(const struct tlspolicy_facts *facts);

/* One more reference. */
const struct tlspolicy *tlspolicy_hold(const struct tlspolicy *p);

/* Gives back one reference to *p (NULL is let pass) and sets *p to NULL. */
void tlspolicy_drop(const struct tlspolicy **p);

/* Whether a connection made under the one may carry mail that is to go under the other: both demand
 * the same of TLS. REQUIRETLS does not count: it concerns messages, not connections. */
bool tlspolicy_same_connection(const struct tlspolicy *a, const struct tlspolicy *b);

/* What a host did. */
enum tlspolicy_event {
    TLSPOLICY_GREETED,          /* EHLO was answered in clear, and STARTTLS is in the answer */
    TLSPOLICY_NOT_OFFERED,      /* the same, and it is not; or only HELO was understood */
    TLSPOLICY_STARTTLS_REFUSED, /* STARTTLS was answered with anything but 220 */
    TLSPOLICY_HANDSHAKE_FAILED, /* or the connection broke in it, or the certificate is not good */
    TLSPOLICY_SECURE,           /* EHLO was answered under TLS, and REQUIRETLS is in the answer */
    TLSPOLICY_SECURE_PLAIN,     /* the same, and it is not */
    TLSPOLICY_EVENTS
};

enum tlspolicy_action {
    TLSPOLICY_START_TLS,      /* say STARTTLS, also where it was not offered */
    TLSPOLICY_SEND_IN_CLEAR,  /* on this connection */
    TLSPOLICY_SEND,           /* under TLS */
    TLSPOLICY_RETRY_IN_CLEAR, /* on another connection to the host, and no STARTTLS there */
    TLSPOLICY_NEXT_HOST,      /* a temporary failure of this host */
    TLSPOLICY_NO_REQUIRETLS,  /* this host cannot: as TLSPOLICY_REFUSE */
};

/* What follows. retrying: this is the connection that TLSPOLICY_RETRY_IN_CLEAR asked for. Of a
 * policy whose verdict is not TLSPOLICY_TRY nothing may be asked. */
enum tlspolicy_action tlspolicy_after(const struct tlspolicy *p, bool retrying,
                                      enum tlspolicy_event event);

/* How the hosts of a destination ended, for a message with REQUIRETLS: all-zero is a start. */
struct tlspolicy_tally {
    unsigned refused, other;
};

/* Counts a host that came to nothing: refused because of TLSPOLICY_REFUSE or
 * TLSPOLICY_NO_REQUIRETLS, or for any other reason. */
void tlspolicy_tally_add(struct tlspolicy_tally *t, bool refused);

/* Whether the message can be returned at once with 554 5.7.30: there were hosts, and none can have
 * what it asks for. */
bool tlspolicy_tally_is_final(const struct tlspolicy_tally *t);

#endif
