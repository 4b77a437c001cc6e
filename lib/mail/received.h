#ifndef QM_RECEIVED_H
#define QM_RECEIVED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "address.h"
#include "buf.h"

/* The trace field that each host puts before a message it takes, RFC 5321 4.4. */

enum received_via {
    RECEIVED_SMTP,  /* HELO */
    RECEIVED_ESMTP, /* EHLO */
    RECEIVED_LMTP,
    RECEIVED_HTTP, /* the HTTP API */
    RECEIVED_LOCAL /* a program on this host */
};

struct received {
    const char *ehlo;      /* what the client called itself; NULL: no from clause */
    const char *client_ip; /* its address as inet_ntop writes it; NULL: not shown */
    const char *by;        /* our host name */
    enum received_via via;
    bool tls, authenticated, smtputf8; /* for the protocol's name, RFC 3848 and RFC 6531 4.3 */
    bool requiretls;                   /* the client asked for REQUIRETLS (RFC 8689) */
    const char *tls_version;           /* "TLSv1.3"; NULL: no comment */
    const char *tls_cipher;            /* "TLS_AES_256_GCM_SHA384" */
    const char *id;                    /* the message's id here */
    const struct address *recipient;   /* the only one; NULL when there are several */
    int64_t date_ms;                   /* with its offset, as for maildate_write */
    int zone_min;
};

/* Appends a name that somebody else chose, as one word: octets that a domain or literal cannot have
 * are written as "?", and no more than 255 of them. */
void received_put_name(struct buf *out, const char *name);

/* Appends the whole field, folded, CRLF at its end; ehlo and the TLS names as received_put_name
 * does. */
void received_write(struct buf *out, const struct received *r);

/* The name for the with clause: "ESMTPSA", "UTF8LMTP", ... A static string. */
const char *received_protocol(const struct received *r);

/* How many Received fields a header has: some 100 of them tell a mail loop (section 6.3). */
size_t received_count(struct span header);

#endif
