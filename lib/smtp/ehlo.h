#ifndef QM_EHLO_H
#define QM_EHLO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* The extensions that a server announces in its reply to EHLO (RFC 5321 section 4.1.1.1): read by a
 * client, written by a server, and the measure of which parameters a server takes (esmtp.h). */

enum {
    EHLO_MECHANISMS = 32,     /* SASL mechanisms that are kept */
    EHLO_MECHANISM_SIZE = 21, /* RFC 4422: at most 20 characters, and a NUL */
    EHLO_DOMAIN_SIZE = 256,
    EHLO_DATE_SIZE = 36,
    EHLO_LIMIT_MAX = 999999, /* RFC 9422: six digits */
};

/* All-zero: a server that announces nothing. */
struct ehlo {
    char domain[EHLO_DOMAIN_SIZE]; /* client: what the server calls itself; "" if that is no word */
    bool starttls;                 /* RFC 3207 */
    bool pipelining;               /* RFC 2920 */
    bool eightbitmime;             /* RFC 6152 */
    bool smtputf8;                 /* RFC 6531 */
    bool enhancedstatuscodes;      /* RFC 2034 */
    bool chunking;                 /* RFC 3030 */
    bool binarymime;               /* RFC 3030 */
    bool dsn;                      /* RFC 3461 */
    bool requiretls;               /* RFC 8689 */
    bool requiretls_later;         /* server: it is announced after STARTTLS */
    bool size;                     /* RFC 1870 */
    uint64_t size_max;             /* octets; 0: no fixed maximum */
    bool auth;                     /* RFC 4954 */
    size_t mechanisms;             /* names in mechanism[], upper case, none twice */
    char mechanism[EHLO_MECHANISMS][EHLO_MECHANISM_SIZE];
    bool futurerelease;                       /* RFC 4865 */
    uint32_t futurerelease_seconds;           /* longest hold; 0: not said */
    char futurerelease_until[EHLO_DATE_SIZE]; /* latest date and time (RFC 3339); "": not said */
    bool limits;                              /* RFC 9422, well-formed */
    uint32_t mailmax, rcptmax, rcptdomainmax; /* 1..EHLO_LIMIT_MAX; 0: no limit announced */
    /* private, for ehlo_line */
    bool started, limits_spoilt;
};

/* Makes *e ready for the first line of a reply; whatever was known is forgotten, as it must be
 * after STARTTLS (RFC 3207 section 4.2). */
void ehlo_clear(struct ehlo *e);

/* Takes in one line of a 250 reply to EHLO or LHLO, without code and separator: first the one with
 * the domain, then the extensions. Keywords are read in any case; what is unknown or malformed is
 * passed over, each extension for itself. "AUTH=" is read as "AUTH ". LIMITS with a syntax error, a
 * name given twice, or given twice itself, counts as not announced; a number out of range is passed
 * over alone. */
void ehlo_line(struct ehlo *e, struct span text);

/* ehlo_line in the shape of a reply_each; e is a struct ehlo. */
void ehlo_each(void *e, struct span text);

/* Whether this SASL mechanism is announced; name in any case. */
bool ehlo_has_mechanism(const struct ehlo *e, const char *name);

/* Adds a mechanism, in upper case, unless it is there. Returns 0, or -1 if the name is not 1..20 of
 * the characters A-Z 0-9 - _ (RFC 4422 section 3.1) or there is no room. Sets e->auth. */
int ehlo_add_mechanism(struct ehlo *e, struct span name);

/* Appends the complete 250 reply that announces e, with domain as the name of this server: 1..255
 * characters without spaces or control characters. Asserts what the RFCs demand of a server:
 * SMTPUTF8 only with 8BITMIME, BINARYMIME only with CHUNKING, REQUIRETLS never together with
 * STARTTLS (it is announced under TLS alone), limits in range. */
void ehlo_write(struct buf *out, const char *domain, const struct ehlo *e);

#endif
