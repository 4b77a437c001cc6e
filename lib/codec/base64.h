#ifndef QM_BASE64_H
#define QM_BASE64_H

#include <stddef.h>

#include "buf.h"

/* RFC 4648. */

void base64_encode(struct buf *out, struct span in); /* section 4, padded, no line breaks */
void base64_encode_lines(struct buf *out,
                         struct span in); /* as MIME wants it: 76 columns, each line CRLF-ended */
void base64url_encode(struct buf *out, struct span in); /* section 5, without padding */
/* Strict section 4: padding required, nothing else allowed. Returns 0, or -1 leaving out as it was.
 */
int base64_decode(struct buf *out, struct span in);
/* As base64_decode, but spaces, tabs, CR and LF between characters are passed over. */
int base64_decode_loose(struct buf *out, struct span in);
/* Whether base64_decode_loose would take it: 0 or -1. */
int base64_check_loose(struct span in);

/* Section 6 in lower case, without padding: for what must survive hosts that fold case. */
void base32_encode(struct buf *out, struct span in);
/* Either case; one spelling otherwise: no padding, no spare bits set, no digits that make no octet.
 * Returns 0, or -1 leaving out as it was. */
int base32_decode(struct buf *out, struct span in);

void hex_encode(struct buf *out, struct span in); /* lower case */
int hex_decode(struct buf *out, struct span in);  /* either case; 0 or -1 */

#endif
