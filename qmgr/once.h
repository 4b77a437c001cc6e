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
    int64_t taken_ms; /* its received_ms */
    bool copied;      /* its copy in the mailbox was stored */
    unsigned char digest[SUBMIT_DIGEST];
    char *key, *message_id;
};
/* As for msg rows (rows.h). */
void once_row_put(struct buf *b, const struct once_row *r);
int once_row_read(struct span s, struct once_row *r);
void once_row_clear(struct once_row *r);

enum once { ONCE_NEW, ONCE_AGAIN, ONCE_CONFLICT };

/* Whether the account's queue has taken a message with the envelope's key before: not; for the same
 * request, and then the row is the caller's to clear; or for another one. Only the writing thread
 * calls this, and those below. */
enum once once_find(const struct ledger *l, struct store_txn *t, const struct submit_envelope *e,
                    int64_t now_ms, struct once_row *row);
/* Remembers it, now that it is staged under this id. */
void once_remember(const struct ledger *l, struct store_txn *t, const struct submit_envelope *e,
                   uint64_t id, int64_t until_ms);

/* Remembers that the copy of the message taken under this key is stored. */
void once_copied(const struct ledger *l, struct store_txn *t, const char *account,
                 const char *once_key);

/* Removes keys whose time is over, at most max. Returns how many. */
unsigned once_sweep(struct store_txn *t, int64_t now_ms, unsigned max);
/* Whether there are any to remove. */
bool once_is_due(struct store_txn *t, int64_t now_ms);

#endif
