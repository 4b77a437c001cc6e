#ifndef QM_FROMID_H
#define QM_FROMID_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "ledger.h"
#include "store.h"

/* From ids: what stands behind the separator in the envelope sender of one recipient, so that a DSN
 * that comes back to it finds the recipient that it speaks of.
 *
 * An authenticated one is 16 octets in 26 characters of base32 in lower case: the recipient's id
 * u64 and the first 8 octets of HMAC-SHA256, with a key of this store, over that id, the account
 * and the recipient's address. It survives hosts that fold case, needs no row, and nobody else can
 * make one. Plain ones (16 random octets in 22 characters of base64url) and those that a client
 * chose are rows of the table fromid, as long as their recipient has a row of the queue or of the
 * history. */

enum { FROMID_SIZE = 27, FROMID_PLAIN_SIZE = 23 }; /* with a NUL */

/* Has the library that computes them read what it reads at its start. Call it unconfined. 0 or -1.
 */
int fromid_init(struct fail *f);

/* The authenticated one of a recipient, and a plain one. */
void fromid_make(const struct ledger *l, uint64_t id, const char *account, const char *address,
                 char out[FROMID_SIZE]);
void fromid_make_plain(char out[FROMID_PLAIN_SIZE]);

/* Whether this is what fromid_make gives, in either case. */
bool fromid_is_genuine(const struct ledger *l, struct span text, uint64_t id, const char *account,
                       const char *address);

/* The one that the recipient with this id has; an authenticated one, which is not plain, also when
 * nothing is known of it any more, "" then otherwise. mem_free. */
char *fromid_recall(const struct ledger *l, struct store_txn *t, uint64_t id, const char *account,
                    const char *address, bool plain);

/* The row of one that is not authenticated; or away with it, if it is this recipient's. The writing
 * thread's. */
void fromid_put(const struct ledger *l, struct store_txn *t, const char *account, const char *text,
                uint64_t id);
void fromid_remove(const struct ledger *l, struct store_txn *t, const char *account,
                   const char *text, uint64_t id);
/* Whether a client's choice cannot be had: the account has it for another recipient that is known
 * still. */
bool fromid_is_taken(const struct ledger *l, struct store_txn *t, const char *account,
                     const char *text);

/* Which of the account's recipients has this id. *row: by a row, which is as good as genuine;
 * otherwise it is only what the text says, and fromid_is_genuine is to be asked with the
 * recipient's own account and address. False when it is nobody's. */
bool fromid_find(const struct ledger *l, struct store_txn *t, const char *account, struct span text,
                 uint64_t *id, bool *row);

#endif
