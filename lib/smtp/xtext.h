#ifndef QM_XTEXT_H
#define QM_XTEXT_H

#include <stdbool.h>

#include "buf.h"

/* The encodings of parameter values that may hold any text. */

/* Appends text as xtext (RFC 3461 section 4): printable ASCII but "+" and "=" as it is, every other
 * octet as +HH. */
void xtext_encode(struct buf *out, struct span text);

/* Appends what an xtext stands for. Hexadecimal digits in lower case are tolerated. Returns 0, or
 * -1 leaving out as it was, if an octet is in it that may not be, or "+" without two digits behind
 * it. */
int xtext_decode(struct buf *out, struct span value);

/* Appends an address as a value of type utf-8 (RFC 6533 section 3): with ascii every character
 * outside printable ASCII, and in any case "\", "+", "=", space and control characters, as \x{HEX};
 * other characters as they are. text must be well-formed UTF-8. */
void xtext_encode_utf8(struct buf *out, struct span text, bool ascii);

/* Appends what a value of type utf-8 stands for, in UTF-8: \x{HEX} with 2..6 digits, well-formed
 * UTF-8, and +HH as xtext has it, since a sender that knows the type only as any other writes that.
 * Returns 0, or -1 leaving out as it was, if it is none or its text is not well-formed UTF-8. */
int xtext_decode_utf8(struct buf *out, struct span value);

#endif
