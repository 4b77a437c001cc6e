#ifndef QM_CREDFILE_H
#define QM_CREDFILE_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "fail.h"
#include "scram.h"

/* The credentials file: what each account's password is checked against. A line is
 *
 *     <account name> <verifier>
 *
 * with spaces or tabs between and around, as scram_text writes the verifier. Empty lines and lines
 * that begin with '#' say nothing. An account has one line. */

#define CREDFILE_LINES_MAX 100000
#define CREDFILE_LINE_MAX 512 /* octets of a line */
#define CREDFILE_NAME_MAX 128 /* octets of an account name */
/* Octets of a file that can be read. */
#define CREDFILE_MAX ((size_t)CREDFILE_LINES_MAX * (CREDFILE_LINE_MAX + 1))

struct credfile;

/* Whether this can be an account's name here: 1 to CREDFILE_NAME_MAX octets of UTF-8 without white
 * space and control characters, not beginning with '#'. */
bool credfile_is_name(struct span name);

/* Reads the whole file. Returns it (credfile_free), or NULL with a sentence that begins "line <n>:
 * ". */
struct credfile *credfile_parse(struct span text, struct fail *f);

/* Wipes and frees it. *c may be NULL, and is NULL afterwards. */
void credfile_free(struct credfile **c);

/* How many accounts have a line. */
size_t credfile_count(const struct credfile *c);

/* The verifier of an account, exactly so called; NULL if it has none. Valid until c is freed. */
const struct scram_verifier *credfile_find(const struct credfile *c, struct span account);

/* Appends to *out the text with the account's line replaced, or added at the end when there is
 * none; with v NULL the line is left out. Every other line stays as it was, comments included. The
 * text must be one that credfile_parse takes. Returns 0; -1 with a sentence and *out as it was when
 * it is not, when the account cannot be so called, or when the file would get too many lines. */
int credfile_replace(struct span text, struct span account, const struct scram_verifier *v,
                     struct buf *out, struct fail *f);

#endif
