#ifndef QM_SM_INPUT_H
#define QM_SM_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* A message as a program writes it to a pipe, made into lines that end in CR LF. It may arrive in
 * pieces of any size, which never changes the outcome.
 *
 * LF and CR LF end a line, however many CRs stand before the LF. A CR elsewhere is kept out of the
 * message: in the header it becomes a space, so that no text can start a field of its own with it,
 * in the body a line end. A NUL ends everything: half of all programs would take it for the end of
 * the line. */

enum { SM_INPUT_MAX = 1 << 30 }; /* octets of a message */

/* All-zero, but for what the user sets, before the first piece. */
struct sm_input {
    bool ignore_dots; /* set by the user: a line with one dot is text, not the end */
    size_t max;       /* set by the user: octets the text may have */
    struct buf text;  /* the message so far, its last line perhaps not complete */
    bool eight_bit;   /* an octet above 127 is in it */
    bool ended;       /* by a line with one dot: what follows is not looked at */
    /* ---- private */
    uint64_t lines; /* that are complete */
    size_t line_at; /* where the present line begins in text */
    size_t crs;     /* seen and not decided on yet */
    bool body;      /* an empty line was seen */
};

/* Takes the next piece. Returns 0, or the exit code EX_DATAERR with a sentence. */
int sm_input_take(struct sm_input *in, struct span piece, struct fail *f);

/* The input is over: completes the last line. */
void sm_input_end(struct sm_input *in);

/* All of it: reads fd to its end or to the line with the dot. Returns 0, or EX_DATAERR or EX_IOERR
 * with a sentence. The caller frees in->text. */
int sm_input_read(struct sm_input *in, int fd, struct fail *f);

#endif
