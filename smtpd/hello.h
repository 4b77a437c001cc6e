#ifndef QM_SMTPD_HELLO_H
#define QM_SMTPD_HELLO_H

#include "session.h"
#include "verb.h"

/* EHLO and HELO: remembers what the client calls itself, and forgets the transaction (RFC 5321
 * section 4.1.4). Returns 0; -1 when the name is no word, after the reply. */
int hello_take(struct session *s, const struct verb_line *line, bool extended);

#endif
