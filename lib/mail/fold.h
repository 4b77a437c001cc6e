#ifndef QM_FOLD_H
#define QM_FOLD_H

#include <stdbool.h>
#include <stddef.h>

#include "address.h"
#include "buf.h"

/* Writes one header field, breaking it at spaces so that its lines stay within 77 columns where
 * they can (RFC 5322 2.1.1, 2.2.3). The field's words come in one after the other. */

enum {
    FOLD_COLUMNS = 77,  /* columns a line should have at most */
    FOLD_WORD_MAX = 900 /* octets in one word that still make no line of over 998 */
};

struct fold {
    struct buf *out;
    size_t column;   /* octets in the line so far */
    const char *cut; /* what a broken line goes on with: " " or "\t" */
    bool first;      /* no word written yet: it stays beside the name however long it is */
};

/* Begins a field: appends "Name:". cut is " " or "\t", a literal. */
void fold_begin(struct fold *fold, struct buf *out, const char *name, const char *cut);

/* Appends a space and the word, or starts a new line with it when it would pass the 77th column and
 * is not the field's first. An empty word adds nothing. The word is taken as it is: the caller has
 * seen to its characters. */
void fold_word(struct fold *fold, struct span word);
void fold_words(struct fold *fold, const char *text); /* each word of a text of our own */

/* Appends a stranger's text word by word, runs of white space becoming one space; words of over
 * FOLD_WORD_MAX octets are cut there. CR, LF and all other control characters count as white space,
 * so nothing in the text can end the field. */
void fold_text(struct fold *fold, struct span text);

/* Appends a mailbox: `"Name" <local@domain>` or, without a name, `<local@domain>`; then a comma
 * unless it is the list's last. The name is UTF-8 and may be empty; with utf8 (an SMTPUTF8 message)
 * name and domain go in as UTF-8, else encoded (RFC 2047, A-labels). Local parts are always as they
 * are. */
void fold_mailbox(struct fold *fold, struct span name, const struct address *a, bool utf8,
                  bool last);

void fold_end(struct fold *fold); /* ends the field with CRLF */

#endif
