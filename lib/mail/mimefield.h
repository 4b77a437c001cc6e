#ifndef QM_MIMEFIELD_H
#define QM_MIMEFIELD_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "mailcharset.h"

/* The fields "Content-Type: word; name=value" and "Content-Disposition: ..." of strangers: RFC
 * 2045 5.1, RFC 2183, RFC 2231. Nothing is refused: what cannot be read is passed over. */

enum {
    MIMEFIELD_MAX = 16384,    /* octets of a field that are read: eight file names at their longest,
                                 written in RFC 2231's form, still fit */
    MIMEFIELD_PARAMS = 40,    /* parameters kept; the most that real mail has is about ten */
    MIMEFIELD_SECTIONS = 100, /* parameters read, each section of a continued one counted */
    MIMEFIELD_VALUE_MAX = 1024 /* octets of a value that are kept: a file name has at most 255 */
};

struct mimefield_param {
    char *name;  /* lower case, not empty, without RFC 2231's asterisks */
    char *value; /* quoting undone, RFC 2231 decoded to UTF-8; else as it stands, perhaps not UTF-8;
                    control characters are spaces */
};

/* All-zero is an empty field. */
struct mimefield {
    char *word; /* what stands before the parameters, lower case, without comments; never NULL once
                   read */
    struct mimefield_param *params; /* in the order of their first appearance, no name twice */
    size_t n;
};

/* Reads a field's value, folded or not. Of a name that comes twice the first counts; RFC 2231's
 * form goes before the plain one. *field is overwritten, and the caller's to clear. */
void mimefield_parse(struct mimefield *field, struct span value,
                     const struct mailcharset *charsets);

/* The value of that parameter (name in lower case), or NULL. Valid until field is cleared. */
const char *mimefield_get(const struct mimefield *field, const char *name);

bool mimefield_is_token(struct span s); /* RFC 2045 5.1 */
/* Whether the word of a Content-Type is "type/subtype", two tokens (RFC 2045 5.1). */
bool mimefield_is_media_type(const char *word);

void mimefield_clear(struct mimefield *field); /* frees what it holds; all-zero again */

#endif
