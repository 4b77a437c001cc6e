#ifndef QM_CONFLEX_H
#define QM_CONFLEX_H

#include <stdbool.h>

#include "buf.h"
#include "conferror.h"
#include "confsource.h"

/* The words, braces and line ends of one file, one at a time.
 *
 *     file   = *( word / "{" / "}" / line end / comment )
 *     word   = bare / quoted
 *     bare   = 1*( any character but blank, control, { } " # )
 *     quoted = <"> *( any character but control, " and \ / "\\" / "\"" ) <">     on one line
 *
 * All is UTF-8; a byte order mark at the start is passed over. CR LF ends a line like LF. What
 * breaks these rules is reported here, once, and comes out as a word marked bad. */

enum conflex_kind { CONFLEX_END, CONFLEX_LINE, CONFLEX_OPEN, CONFLEX_CLOSE, CONFLEX_WORD };

struct conflex_token {
    enum conflex_kind kind;
    bool quoted;
    bool bad;         /* already reported */
    struct span text; /* of a word: between the quotes, escapes in place */
    struct confsource_pos at;
};

struct conflex {
    struct span text;
    struct confsource_pos at; /* of the octet read next */
    struct conferror *errors;
    bool peeked;
    struct conflex_token token;
};

/* Starts at the beginning of a file of errors->sources. */
struct conflex conflex_open(struct conferror *errors, uint32_t file);

/* The token that comes next; conflex_take passes over it, conflex_peek does not. At the end of the
 * file both give CONFLEX_END for ever. */
struct conflex_token conflex_peek(struct conflex *lex);
struct conflex_token conflex_take(struct conflex *lex);

/* A word without its escapes. The caller frees it (mem_free). */
char *conflex_word(const struct conflex_token *token);

/* Whether the text can be written as a bare word. */
bool conflex_is_bare(struct span text);
/* Appends the text as a quoted word. It holds no control characters. */
void conflex_quote(struct span text, struct buf *out);

#endif
