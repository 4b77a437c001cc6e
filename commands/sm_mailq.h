#ifndef QM_SM_MAILQ_H
#define QM_SM_MAILQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "proto_admin.h"

/* The list of the queue as mailq has always shown it, in the columns that Postfix has for queue ids
 * as long as ours (postqueue(1)): programs that watch a machine read it. Or, a JSON object a line,
 * as `postqueue -j` does.
 *
 *     ----Queue ID----- --Size-- ---Arrival Time---- --Sender/Recipient------
 *     1NGKECK0002*           812 Fri Nov 27 16:30:05 a@b.example
 *                                                    c@d.example
 *
 *     -- 0 Kbytes in 1 Request.
 *
 * Rows come recipient by recipient, those of one message one after the other. */

enum { SM_MAILQ_AHEAD = 1000 }; /* rows of a message that decide on its mark */

/* All-zero, but for what the user sets, before the first row. */
struct sm_mailq {
    struct buf *out; /* set by the user, who may take what is in it between the calls */
    bool json;       /* set by the user */
    /* ---- private */
    struct admin_row *ahead; /* rows of the present message that are not written yet */
    size_t ahead_n;
    uint64_t message; /* the present message; 0 for none */
    size_t written;   /* recipients of it */
    char *reason;     /* of the last one */
    uint64_t requests, octets;
};

/* Takes the row over: *row is all-zero afterwards. */
void sm_mailq_row(struct sm_mailq *q, struct admin_row *row);

/* Writes the end of the list and frees what q holds. */
void sm_mailq_end(struct sm_mailq *q);

#endif
