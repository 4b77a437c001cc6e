#ifndef QM_DSNSTATUS_H
#define QM_DSNSTATUS_H

#include <stdbool.h>

#include "buf.h"
#include "dsn.h"

/* The part of a notification for programs: message/delivery-status, RFC 3464 2 and RFC 6533 3. */

/* Appends the fields: those on the message, then a group for each recipient. */
void dsnstatus_write(struct buf *out, const struct dsn *in, bool utf8);

/* Appends a stranger's text as one line of its own: control characters and what is not UTF-8 (or,
 * without utf8, not ASCII) are written as "\xNN", a tab as a space. */
void dsnstatus_escape(struct buf *out, struct span text, bool utf8);

#endif
