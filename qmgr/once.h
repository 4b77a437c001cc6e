#ifndef QM_ONCE_H
#define QM_ONCE_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"
#include "proto_submit.h"
#include "store.h"

/* What a client asked to be done once: the keys of messages (Idempotency-Key), kept per account for
 * a time, written in the transaction that takes the message. */

struct once_row {
    int64_t until_ms; /* when it is forgotten */
    uint64_t id;      /* the message's */
    unsigned char digest[SUBMIT_DIGEST];
    char *key, *message_id;
};
/* As for msg rows (rows.h). */
void once_row_put(struct buf *b, const struct once_row *r);
int once_row_read(struct span s, struct once_row *r);
void once_row_clear(struct once_row *r);

enum once { ONCE_NEW, ONCE_AGAIN, ONCE_CONFLICT };

/* Whether the account's queue has taken a message with the envelope's key before: not; as this id
 * and message id (mem_free), for the same request; or for another one. Only the writing thread
 * calls this, and the two below. */
enum once once_find(const struct ledger *l, struct store_txn *t, const struct submit_envelope *e,
                    int64_t now_ms, uint64_t *id, char **message_id);
/* Remembers it, now that it is staged under this id. */
void once_remember(const struct ledger *l, struct store_txn *t, const struct submit_envelope *e,
                   uint64_t id, int64_t until_ms);

/* Removes keys whose time is over, at most max. Returns how many. */
unsigned once_sweep(struct store_txn *t, int64_t now_ms, unsigned max);
/* Whether there are any to remove. */
bool once_is_due(struct store_txn *t, int64_t now_ms);

#endif
