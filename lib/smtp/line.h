#ifndef QM_LINE_H
#define QM_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Lines out of a stream that arrives in pieces of any size (RFC 5321 section 2.3.8). How the stream
 * is cut into pieces never changes which lines come out.
 *
 * A server reads commands strictly: only CR LF ends a line, and a line with a CR or LF elsewhere or
 * a NUL is an offence. Such a line, or one that is too long, is swallowed up to the next CR LF and
 * then reported once, so that the one reply to it stands in the right place and the next line is
 * read afresh. A client reads replies loosely: a LF alone ends a line too; CR and NUL elsewhere are
 * text. */

enum line_kind {
    LINE_MORE,     /* no line yet: give more input */
    LINE_OK,       /* a line */
    LINE_TOO_LONG, /* the first offence in a line that is now swallowed: */
    LINE_BARE_LF,
    LINE_BARE_CR,
    LINE_NUL,
};

/* Private, but for bare_lf. */
struct line_reader {
    size_t max;
    bool loose;
    bool bare_lf; /* loose only: some line so far ended in LF alone */
    bool after_cr;
    bool given; /* the last call gave a line: the next one starts anew */
    enum line_kind trouble;
    size_t length;    /* octets that are text of the present line for certain */
    uint64_t pending; /* all octets of the present line */
    struct buf held;  /* the beginning of a line whose end has not come */
};

/* Makes *r a reader of lines of at most max octets, line end not counted. */
void line_open(struct line_reader *r, size_t max, bool loose);

/* Takes octets off the front of *in, up to the end of the next line at most. LINE_OK: *line is that
 * line without its end, valid until the next call with this reader or until the memory behind *in
 * changes. LINE_MORE: *in is used up. Otherwise a line was swallowed; *line is empty. */
enum line_kind line_next(struct line_reader *r, struct span *in, struct span *line);

/* The first offence in the line that is not complete yet, or LINE_MORE if there is none so far. For
 * whoever would rather hang up than wait for the end of it. */
enum line_kind line_trouble(const struct line_reader *r);

/* How many octets of the incomplete line were taken so far, swallowed ones included. */
uint64_t line_pending(const struct line_reader *r);

/* Forgets the incomplete line, as must happen when TLS starts (RFC 3207 section 4.2). */
void line_reset(struct line_reader *r);

/* Frees what the reader holds. It can be opened anew. */
void line_close(struct line_reader *r);

#endif
