#ifndef QM_SUPPRESS_H
#define QM_SUPPRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "account.h"
#include "ledger.h"
#include "proto_suppress.h"
#include "store.h"

/* The suppression lists: to which addresses an account's mail is not sent any more. An address
 * stands there for all that have its base (baseaddress.h). Where failures are made by what stands
 * behind a "+" (localserve), one that got there by itself stands for itself alone instead:
 * ledger.whole_addresses. */

/* Puts an address on its account's list. Of s are read: account, original, expires_ms, manual,
 * class, reason. SUPPRESS_EXISTS when its base is there already. original must be an address.
 * Only the writing thread calls this, and the next one. */
enum suppress_result suppress_insert(struct ledger *l, struct store_txn *t,
                                     const struct suppression *s, int64_t now_ms);
/* Takes it off again, in any of its variants. SUPPRESS_ABSENT when it was not there. */
enum suppress_result suppress_delete(struct ledger *l, struct store_txn *t, const char *account,
                                     const char *address, int64_t now_ms);

/* Whether there may be anything on any list. Costs next to nothing; any thread. */
bool suppress_any(const struct ledger *l);
/* Whether any variant of the address is on the list at this time. s: what stands there, to be
 * cleared when true; or NULL. */
bool suppress_lookup(const struct ledger *l, struct store_txn *t, const char *account,
                     const char *address, int64_t now_ms, struct suppression *s);

/* Whoever asks, over a link or the admin socket. */
struct suppress_asker {
    struct queue *queue;
    struct ipc *(*channel)(void *owner, uint64_t peer); /* NULL when it has gone away meanwhile */
    void *owner;
    uint64_t peer, request;
};
/* Any request of the suppress protocol: it is answered now or later. -1 when it does not decode. */
int suppress_serve(const struct suppress_asker *asker, struct ipc_message *m, struct fail *f);

/* The same for what comes over the link "account". */
int suppress_on_request(const struct account_ask *ask, struct ipc_message *m, struct fail *f);

#endif
