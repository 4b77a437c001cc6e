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

/* Where one is in the lines of a reply; all-zero at the beginning. */
struct dsnstatus_lines {
    size_t next, octets;
    bool cut; /* there is more than DSN_REPLY_MAX octets */
};

/* The next line of the recipient's reply, the last that has room being cut, at no place within a
 * character. False when there is none. */
bool dsnstatus_next_line(const struct dsn_recipient *r, struct dsnstatus_lines *at,
                         struct span *line);

#endif
