#ifndef QM_MIMEDECODE_H
#define QM_MIMEDECODE_H

#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "mailcharset.h"
#include "mimeread.h"

/* The content of a part: its transfer encoding undone (RFC 2045 6). Tolerant: in base64 whatever is
 * no digit of it is passed over, as 6.8 says, padding or not; quoted-printable as
 * quotedprintable.h has it; an encoding nobody knows counts as none. A multipart has none. */

enum { MIMEDECODE_TEXT_MAX = 1048576 }; /* octets of a text that are decoded for showing it */

/* Appends the content, at most max octets of it. A text's line ends are CRLF, whatever they were,
 * unless its charset is one of two or four octets to a character; its charset stays. That of a
 * multipart is its body as it stands. */
void mimedecode_part(const struct mimeread_part *part, size_t max, struct buf *out);

/* How many octets mimedecode_part appends without a limit; 0 for a multipart. Keeps none of them.
 */
uint64_t mimedecode_size(const struct mimeread_part *part);

/* Appends a text as UTF-8 with LF line ends: what MIMEDECODE_TEXT_MAX octets of its content come
 * to. May hold any character, NUL included. */
void mimedecode_text(const struct mimeread_part *part, const struct mailcharset *charsets,
                     struct buf *out);

#endif
