#ifndef QM_DKIMCANON_H
#define QM_DKIMCANON_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "header.h"

/* Canonicalization, RFC 6376 3.4: what of a message is hashed. */

enum dkimcanon { DKIMCANON_SIMPLE, DKIMCANON_RELAXED };

/* A body as it passes, in any pieces. What comes out goes to put in pieces of its own. */
struct dkimcanon_body {
    enum dkimcanon how;
    void (*put)(void *arg, struct span octets);
    void *arg;
    uint64_t line_ends; /* that have come and not gone out: they may be the last ones */
    bool space;         /* relaxed: white space likewise */
    bool after_cr;
    bool begun; /* something has gone out */
    size_t n;   /* octets gathered in out */
    unsigned char out[4096];
};

/* Begins a body. Line ends may be CRLF or a bare LF (which goes out as CRLF, as it would be sent);
 * a bare CR is an octet like others. */
void dkimcanon_body_begin(struct dkimcanon_body *b, enum dkimcanon how,
                          void (*put)(void *arg, struct span octets), void *arg);
/* The next octets of it, any number. */
void dkimcanon_body_update(struct dkimcanon_body *b, struct span octets);
/* Its end: what was held back goes to put, if it belongs to the canonical body. */
void dkimcanon_body_end(struct dkimcanon_body *b);

/* Appends a field: simple as it is, relaxed by section 3.4.2; with the CRLF at its end. */
void dkimcanon_field(struct buf *out, enum dkimcanon how, const struct header_field *field);

#endif
