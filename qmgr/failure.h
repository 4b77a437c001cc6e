#ifndef QM_FAILURE_H
#define QM_FAILURE_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"
#include "settings.h"
#include "store.h"
#include "verdict.h"

/* How addresses get on the suppression list by themselves: at once, or when delivery to one has
 * failed three times in a row. Of that the table failure keeps a small row for each account and
 * address: for 30 days, and a million of them at most. All of this is the writing thread's. */

#define FAILURE_AGE_MS (30 * 86400000LL)
#define FAILURE_ROWS_MAX 1000000
#define FAILURE_LIMIT 3

/* Whose mail to which address. */
struct failure_of {
    const char *account; /* "" has no list, and nothing happens */
    uint64_t account_hash;
    const char *address;
};

/* Delivery has finally failed. source: "queue" or "DSN", for the reason that people read. Returns
 * whether this has put the address on the list. */
bool failure_note(struct ledger *l, struct store_txn *t, const struct settings *s,
                  const struct failure_of *of, const char *source,
                  const struct deliver_result *last, struct verdict verdict, int64_t now_ms);
/* The next hop took a message: what failed before is no longer in a row, unless a DSN takes that
 * back. Costs next to nothing while nothing has failed. */
void failure_succeed(struct ledger *l, struct store_txn *t, const struct failure_of *of,
                     int64_t now_ms);

#endif
