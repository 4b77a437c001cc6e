#ifndef QM_OUTGOING_H
#define QM_OUTGOING_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "peers.h"
#include "proto_submit.h"

/* A composed message on its way into the queue, in steps:
 *
 *     sign      the vault signs it with every key that the domain of From has; without a key there
 * is nothing to do submit    trace field, signatures and message go to qmgr as one sealed memory
 * file, for all recipients at once settled   qmgr has it on stable storage, or has refused it */

enum outgoing_result {
    OUTGOING_ACCEPTED,
    OUTGOING_REFUSED,  /* by qmgr */
    OUTGOING_UNSIGNED, /* the signature could not be had */
    OUTGOING_LOST,     /* qmgr is not there, or went away before it answered */
    OUTGOING_FAILED    /* this process had no memory file or descriptor for it */
};

struct outgoing;

/* reply: OUTGOING_ACCEPTED and OUTGOING_REFUSED, else NULL. why: a sentence for the log, NULL when
 * accepted. Both are valid during the call. */
typedef void outgoing_on_settled(void *arg, enum outgoing_result result,
                                 const struct submit_reply *reply, const char *why);

/* Takes the envelope and the content of message, a whole message whose header is in it. domain:
 * that of From, which signs. trace: the Received field, put before all. copy_head: what stands
 * there instead in a copy that is made for outgoing_take_copy; NULL: none is. on_settled comes
 * once, from the loop and never before this returns, unless outgoing_cancel comes first; *outgoing
 * is gone then. */
struct outgoing *outgoing_start(struct event_base *base, struct peers *peers,
                                struct submit_envelope *envelope, struct buf *message,
                                const char *domain, struct span trace, const struct span *copy_head,
                                outgoing_on_settled *on_settled, void *arg);

/* The copy, a sealed memory file that is the caller's, or -1 when it could not be made, or was
 * taken. For on_settled. */
int outgoing_take_copy(struct outgoing *o);

/* on_settled will not come. What qmgr already has it may keep. *o may be NULL. */
void outgoing_cancel(struct outgoing **o);

#endif
