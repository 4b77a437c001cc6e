#ifndef QM_SMTPD_HEADERS_H
#define QM_SMTPD_HEADERS_H

#include <stdbool.h>
#include <stddef.h>

#include "addrlist.h"
#include "buf.h"
#include "path.h"

/* What the server has to know of a message's header. */

enum {
    HEADERS_EXTRA_MAX = 1000,       /* values for webhooks in one message */
    HEADERS_EXTRA_VALUE_MAX = 8192, /* octets of one */
    HEADERS_EXTRA_KEY_MAX = 255,
};

/* Who wrote it. */
enum headers_source {
    HEADERS_STRANGER,
    HEADERS_LOCAL, /* a user of this machine */
    HEADERS_ACCOUNT,
};

struct headers_extra {
    char *key, *value;
};

/* All-zero is empty. */
struct headers {
    size_t received; /* trace fields: hosts it went through */
    unsigned from_fields;
    struct addrlist from; /* what they say; empty when a local one cannot be read */
    char *message_id;     /* with < and >; NULL when there is none that could be quoted */
    bool has_message_id, has_date;
    char *subject;  /* decoded; NULL when there is none */
    bool eight_bit; /* octets above 127; they are well-formed UTF-8 */
    /* Whether there is TLS-Required: no (RFC 8689 section 5), and no such field with another
     * value. */
    bool tls_optional;
    bool tls_unclear; /* there is one with another value */
    struct headers_extra *extra;
    size_t extra_n;
};

/* Reads a header, the empty line at its end included or not. A stranger's From is not looked at,
 * and neither are X-Mox-Extra-* and X-Quartermaster-Extra-*. An account's message must have exactly
 * one From field that can be read; a local one may have none, and its addresses without a domain
 * get that of default_domain (else NULL). Returns 0; -1 with *why filled and *out all-zero when the
 * message must be refused: a line that is no field (550 5.6.0), octets that are not UTF-8
 * (550 5.6.0), From not as demanded (550 5.6.0), one extra key twice (554 5.6.0). headers_clear. */
int headers_read(struct span header, enum headers_source source, const char *default_domain,
                 struct headers *out, struct path_refusal *why);
/* Appends the header as it is, but for the fields that gave extra. */
void headers_put_without_extra(struct span header, struct buf *out);
void headers_clear(struct headers *h); /* frees what it holds; all-zero again */

#endif
