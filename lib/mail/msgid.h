#ifndef QM_MSGID_H
#define QM_MSGID_H

#include <stdbool.h>

#include "buf.h"

/* Message identifiers, RFC 5322 3.6.4. */

enum { MSGID_MAX = 900 }; /* octets of one that we write into a field of ours */

/* Appends a new one: "<", 22 random characters of base64url, "@host>". host is ASCII. */
void msgid_generate(struct buf *out, const char *host);

/* Whether s can be written into a header as it is: begins with < and ends with >, something
 * between, no further angle bracket, white space or control character, ASCII or (with utf8) UTF-8,
 * at most MSGID_MAX octets. Its grammar is not looked at: what others wrote is not judged. */
bool msgid_is_safe(struct span s, bool utf8);

#endif
