#ifndef QM_HTTPHEADER_H
#define QM_HTTPHEADER_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"

/* Pieces of header field values (RFC 9110 section 5.6). */

/* Whether s is a token: one or more of the letters, digits and marks that names are made of. */
bool httpheader_is_token(struct span s);

/* Takes the word before the parameters off the front of *value, without space around it:
 * "form-data" of "form-data; name=x", "text/plain" of a media type. *value is then what
 * httpheader_param reads. Returns 0, or -1 if it is not a token, or two of them with a slash
 * between. */
int httpheader_word(struct span *value, struct span *word);

/* Takes the next "; name=value" off the front of *rest. *name points into the source; the value,
 * unquoted, replaces what value holds. Within quotes a backslash escapes a quotation mark or a
 * backslash and is otherwise an ordinary character, as file names of some clients have it. Returns
 * 1, or 0 when there is no further parameter, or -1 when what follows is none. */
int httpheader_param(struct span *rest, struct span *name, struct buf *value);

/* Finds the first parameter of that name (in any case) behind the word of a field value. The value
 * replaces what `value` holds. Returns 1 if found, 0 if not, -1 if the field is malformed anywhere.
 */
int httpheader_find_param(struct span field, const char *wanted, struct buf *value);

/* Whether an Accept-Encoding field value takes this coding (RFC 9110 section 12.5.3): it is listed,
 * itself or by "*", with a weight above 0. */
bool httpheader_accepts(struct span accept_encoding, const char *coding);

#endif
