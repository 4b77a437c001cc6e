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

/* What the agent told of the message beside that; either may be NULL. */
struct settle_told {
    const struct deliver_report *report;     /* of mail sent from here */
    const struct deliver_incoming *incoming; /* for the application of the account it came to */
};

/* Copies the results and what was told; all are of one message. mailbox: the account in whose
 * mailbox those are that are done, or NULL. */
void settle_results(struct queue *q, uint64_t message, const struct deliver_result *results,
                    uint32_t n, enum settle_how how, const char *mailbox,
                    const struct settle_told *told);

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
/* Tells the sender of those lost (or late, or done). Returns the id of the DSN, 0
 * when there is none; to as notice_stage. */
uint64_t settle_tell(struct queue *q, struct store_txn *t, const struct settings *s,
                     struct ledger_message *m, struct settle_lost *lost, enum dsn_action action,
                     int64_t now_ms, char **to);

#endif
