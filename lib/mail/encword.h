#ifndef QM_ENCWORD_H
#define QM_ENCWORD_H

#include <stdbool.h>

#include "buf.h"
#include "fold.h"
#include "mailcharset.h"

/* Encoded words, RFC 2047: UTF-8 text in a header that has only ASCII. What is written is charset
 * utf-8, encoding Q, never within a UTF-8 sequence; what is read may be any of B and Q. */

/* Writes an unstructured value (a Subject) into a field begun with fold_begin whose cut is " ".
 * Words that are not printable ASCII are encoded each by itself; with utf8 (an SMTPUTF8 message)
 * only those that hold control characters, could be taken for encoded words or are too long for a
 * line. Decoded and unfolded the text comes back as it was, less spaces at its ends; octets that
 * are not UTF-8 come back as U+FFFD. A line break in text is encoded like any control character. */
void encword_text(struct fold *fold, struct span text, bool utf8);

/* Writes a display name: a quoted string where that can hold it, else encoded words (RFC 2047
 * section 5 rule 3). An empty name adds nothing. */
void encword_phrase(struct fold *fold, struct span name, bool utf8);

/* Appends text, a value already unfolded, with its encoded words decoded: those in charsets that
 * are known without a converter (see mailcharset_find); those in others, and what only looks like
 * one, stay as they are. White space between two decoded words is dropped (section 6.2). Octets
 * that are wrong in their charset become U+FFFD, control characters that were encoded become
 * spaces. */
void encword_decode(struct buf *out, struct span text);

/* The same with all charsets that there are converters for. charsets may be NULL. */
void encword_decode_in(const struct mailcharset *charsets, struct buf *out, struct span text);

#endif
