#ifndef QM_QUOTEDPRINTABLE_H
#define QM_QUOTEDPRINTABLE_H

#include "buf.h"

/* Quoted-printable, RFC 2045 6.7. */

/* Appends "=XX". Not by printf: a text in many a script is made of these. */
void quotedprintable_octet(struct buf *out, unsigned char octet);

/* Appends text whose lines end in CRLF, in lines of at most 76 columns; those line ends stay line
 * ends, a CR or LF by itself is encoded, and so is a "-" where a line was broken. */
void quotedprintable_encode(struct buf *out, struct span text);

/* Goes on with a line that was broken before text, as quotedprintable_encode breaks them. */
void quotedprintable_go_on(struct buf *out, struct span text);

/* Appends the octets that encoded text stands for. Lenient, as section 6.7 recommends: a "=" that
 * begins no valid sequence stays as it is, white space before a line end is dropped, line ends stay
 * what they are. */
void quotedprintable_decode(struct buf *out, struct span encoded);

#endif
