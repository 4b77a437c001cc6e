#ifndef QM_SENT_H
#define QM_SENT_H

#include "conf.h"
#include "peers.h"

/* A copy of a message that an account has sent, into its mailbox, in steps:
 *
 *     store     delivery/local puts it into the folder, as a message that was seen
 *     note      qmgr gives it an id, and remembers its keyword $notjunk, and that it is there
 *     saved     the sender is told
 *
 * The folder is the one of the setting sent-folder, made where it is missing; or else Sent, if it
 * is there. */

enum sent_result {
    SENT_SAVED,
    SENT_NOWHERE, /* the account has no such folder, or no mailbox */
    SENT_FULL,    /* no room for it */
    SENT_FAILED
};

struct sent;
typedef void sent_on_saved(void *arg, enum sent_result result);

/* Of a message with a key (Idempotency-Key), whose copy is to be there once, however often it is
 * asked for. */
struct sent_once {
    const char *key;
    uint64_t number; /* the message's id */
    bool again;      /* it was asked for before */
};

/* account: its block. once: NULL for a message without a key. file: a sealed memory file, which is
 * taken; of it what stands behind the first skip octets is stored, with head in front. on_saved
 * comes once, from the loop, and *sent is gone then. Returns NULL, and on_saved does not come, when
 * there is nothing to wait for: *result says what became of it. */
struct sent *sent_save(struct peers *p, const struct conf_block *account, int file, uint64_t skip,
                       struct span head, const struct sent_once *once, sent_on_saved *on_saved,
                       void *arg, enum sent_result *result);
/* on_saved will not come. What was asked for is done all the same. *sent may be NULL. */
void sent_cancel(struct sent **sent);

#endif
