#ifndef QM_OUTGOING_H
#define QM_OUTGOING_H

#include <stdbool.h>
#include <stdint.h>

#include "composed.h"
#include "peers.h"
#include "proto_submit.h"

/* A composed message on its way into the queue, in steps:
 *
 *     hash     its body, piece by piece, if the domain of From has a key
 *     sign     the vault signs it with every such key
 *     write    signatures, trace field and message, piece by piece, into a sealed memory file
 *     submit   that goes to qmgr, for all recipients at once, unless it was only to be made
 *     settled  qmgr has it on stable storage, or has refused it
 *
 * Between pieces the process does what else there is to do. */

enum outgoing_result {
    OUTGOING_ACCEPTED,
    OUTGOING_MADE,     /* the file is there, and qmgr was not asked */
    OUTGOING_REFUSED,  /* by qmgr */
    OUTGOING_UNSIGNED, /* the signature could not be had */
    OUTGOING_LOST,     /* qmgr is not there, or went away before it answered */
    OUTGOING_FAILED    /* this process had no memory file or descriptor for it */
};

struct outgoing;

/* reply: OUTGOING_ACCEPTED and OUTGOING_REFUSED, else NULL. why: a sentence for the log, NULL when
 * accepted or made. Both are valid during the call. */
typedef void outgoing_on_settled(void *arg, enum outgoing_result result,
                                 const struct submit_reply *reply, const char *why);

/* Takes the envelope (NULL: the message is only made) and the message, which is all-zero
 * afterwards; what its files point to must stay until it is over. domain: that of From, which
 * signs. trace: the Received field, put before it. on_settled comes once, from the loop and never
 * before this returns, unless outgoing_cancel comes first; *outgoing is gone then. */
struct outgoing *outgoing_start(struct event_base *base, struct peers *peers,
                                struct submit_envelope *envelope, struct composed *message,
                                const char *domain, struct span trace,
                                outgoing_on_settled *on_settled, void *arg);

/* The message as it was handed over, a sealed memory file that is the caller's from now on; its
 * first *front octets are signatures and the trace field. For on_settled, once the message is accepted or made. */
int outgoing_take_file(struct outgoing *o, uint64_t *front);

/* on_settled will not come. What qmgr already has it may keep. *o may be NULL. */
void outgoing_cancel(struct outgoing **o);

#endif
