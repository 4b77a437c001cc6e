#ifndef QM_COMPOSED_H
#define QM_COMPOSED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "mimepart.h"

/* A message as compose.h makes it: everything but the contents of files, and where those go. So a
 * message of any size is read from it piece by piece, as often as is needed, and the files stay
 * where they are. */

enum { COMPOSED_PIECE = 80 * 1024 /* no piece is longer, once past the fields and texts */ };

/* The content of a file, in base64. */
struct composed_gap {
    size_t at; /* octets of `frame` before it */
    struct mimepart_file file;
};

/* All-zero is an empty one. */
struct composed {
    struct buf frame; /* CRLF line ends, no line over 998 octets. The header is in it as a whole */
    struct composed_gap *gaps; /* in the order of the message */
    size_t gaps_n;
    uint64_t size;    /* octets of the whole message */
    char *message_id; /* with <> */
    bool has_8bit;    /* octets above 127 anywhere: needs 8BITMIME */
    bool needs_smtputf8;
};

void composed_clear(struct composed *c); /* frees what it holds; NULL is let be */

/* The contents of file go behind what is in the frame by now. What file points to must outlive c.
 */
void composed_put_file(struct composed *c, const struct mimepart_file *file);

/* Where a walk through the message is. */
struct composed_reader {
    const struct composed *of;
    size_t at, gap;    /* octets of the frame that were given; the next gap */
    uint64_t done;     /* of the gap's file */
    unsigned column;   /* of the line being written, for a file that is base64 already */
    struct buf octets; /* from a file's descriptor */
};

/* Begins behind the first `skip` octets, which must not reach beyond the first gap. c must stay as
 * it is until composed_close. */
void composed_open(struct composed_reader *r, const struct composed *c, size_t skip);
/* Appends the next piece to out. Returns 1, or 0 when there was none left, or -1 when a descriptor
 * gave less than it should. */
int composed_next(struct composed_reader *r, struct buf *out, struct fail *f);
void composed_close(struct composed_reader *r);

/* Appends the whole of a message that is small enough for it. Returns 0 or -1. */
int composed_write(const struct composed *c, struct buf *out, struct fail *f);

#endif
