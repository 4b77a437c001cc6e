#ifndef QM_MUTF7_H
#define QM_MUTF7_H

#include "buf.h"

/* Names of mailboxes as IMAP 4rev1 writes them in ASCII, and as they stand in file systems by that:
 * "Entw&APw-rfe" (RFC 3501 5.1.3, a modified UTF-7). */

/* Appends the name as UTF-8. Returns 0, or -1 with out as it was when it is not written so: an
 * octet that is not printable ASCII, bits left over, half a pair of surrogates, what could have
 * been written plainly. */
int mutf7_decode(struct buf *out, struct span name);
/* Appends a name of well-formed UTF-8 without control characters in that form. Returns 0, or -1
 * with out as it was for any other. */
int mutf7_encode(struct buf *out, struct span name);

#endif
