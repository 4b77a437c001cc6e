#ifndef QM_UTF8_H
#define QM_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* Length (1..4) of the well-formed UTF-8 sequence at p[n], or 0 if there is none (RFC 3629: no
 * overlong forms, no surrogates, nothing above U+10FFFF). A NUL counts as a sequence of one. */
size_t utf8_sequence(const unsigned char *p, size_t n);

bool utf8_valid(struct span s);
bool utf8_is_ascii(struct span s); /* every octet below 0x80 */

#endif
