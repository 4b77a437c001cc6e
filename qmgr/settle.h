#ifndef QM_SETTLE_H
#define QM_SETTLE_H

#include "dsn.h"
#include "proto_deliver.h"
#include "queue.h"

/* What became of an attempt, written down: the results of a delivery agent, or our own word where
 * nobody was asked. */

/* How an attempt was made. */
enum settle_how {
    SETTLE_NEXT_HOP,
    SETTLE_MAILBOX,    /* those that are done are in their mailboxes */
    SETTLE_CONSUMED,   /* they are in no mailbox: what they reported is all there is */
    SETTLE_SUPPRESSED, /* none was made, since the address is on the suppression list */
};

struct settle_attempt {
    uint64_t message;
    const char *transport; /* over which it was tried */
    enum settle_how how;
    const char *mailbox;                 /* of SETTLE_MAILBOX, the account whose it is; else NULL */
    const struct deliver_report *report; /* what the message said of mail sent from here, or NULL */
};

/* Copies the results; all are of this attempt. */
void settle_results(struct queue *q, const struct settle_attempt *attempt,
                    const struct deliver_result *results, uint32_t n);

/* The parts that the operator's actions share: in the writing thread. One recipient given up:
 * event, history; the DSN is noted in list. */
struct settle_lost {
    struct rcpt_row *rows; /* owned */
    uint32_t n;
};
void settle_lost_clear(struct settle_lost *lost);
void settle_give_up(struct queue *q, struct store_txn *t, const struct settings *s,
                    struct ledger_message *m, uint64_t id, struct rcpt_row *r, int64_t now_ms,
                    struct settle_lost *lost);
/* The notices that were staged: to the sender, and the copy of postmaster; an id of 0 where there
 * is none. */
#define SETTLE_NOTICES 2
struct settle_told {
    uint64_t id[SETTLE_NOTICES];
    char *to[SETTLE_NOTICES]; /* owned */
};
void settle_told_clear(struct settle_told *told);
/* Tells the sender of those lost (or late, or done). told is overwritten. */
void settle_tell(struct queue *q, struct store_txn *t, const struct settings *s,
                 struct ledger_message *m, struct settle_lost *lost, enum dsn_action action,
                 int64_t now_ms, struct settle_told *told);

#endif
