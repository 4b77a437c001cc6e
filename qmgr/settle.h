#ifndef QM_SETTLE_H
#define QM_SETTLE_H

#include "proto_deliver.h"
#include "queue.h"

/* What became of an attempt, written down: the results of a delivery agent, or our own word where
 * nobody was asked. */

/* Done, in the loop: each recipient's fate, for the schedule. on_settled comes when it is on stable
 * storage. */
typedef void settle_on_settled(void *arg);

/* Copies the results; all are of one message. */
void settle_results(struct queue *q, uint64_t message, const struct deliver_result *results,
                    uint32_t n, settle_on_settled *on_settled, void *arg);

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
/* Tells the sender of those lost (or late), when it wants to hear. Returns the id of the DSN, 0
 * when there is none; to as notice_stage. */
uint64_t settle_tell(struct queue *q, struct store_txn *t, const struct settings *s,
                     struct ledger_message *m, struct settle_lost *lost, bool delayed,
                     int64_t now_ms, char **to);

#endif
