#ifndef QM_SETTLE_H
#define QM_SETTLE_H

#include "dsn.h"
#include "proto_deliver.h"
#include "queue.h"

/* What became of an attempt, written down: the results of a delivery agent, or our own word where
 * nobody was asked. */

/* Copies the results; all are of one message, and came over this transport: how they are tried
 * again, and whether those that are done are in their mailboxes or with a next hop, follows from
 * it. */
void settle_results(struct queue *q, uint64_t message, const struct deliver_result *results,
                    uint32_t n, const char *transport);

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
/* Tells the sender of those lost (or late, or done). retry: for those that are late. Returns the id
 * of the DSN, 0 when there is none; to as notice_stage. */
uint64_t settle_tell(struct queue *q, struct store_txn *t, const struct settings *s,
                     struct ledger_message *m, struct settle_lost *lost, enum dsn_action action,
                     const struct settings_retry *retry, int64_t now_ms, char **to);

#endif
