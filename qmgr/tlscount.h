#ifndef QM_TLSCOUNT_H
#define QM_TLSCOUNT_H

#include <stdbool.h>
#include <stdint.h>

#include "ledger.h"
#include "store.h"
#include "tlsresult.h"

/* What TLS with other hosts came to, in the table tlsresult: a row for each UTC day, policy domain
 * and recipient domain, for the reports of the day after (RFC 8460). */

#define TLSCOUNT_KEEP_DAYS 2 /* whole days behind the one they tell of, then rows go */

/* Counts what r has in the row of its day and domains. Only the writing thread calls this, and the
 * last one. */
void tlscount_add(const struct ledger *l, struct store_txn *t, const struct tlsresult *r);

/* The row of a day and these domains, for the caller to free; NULL when there is none. */
struct tlsresult *tlscount_find(const struct ledger *l, struct store_txn *t, uint32_t day,
                                const char *policy_domain, const char *recipient_domain);

/* Whether there are rows older than TLSCOUNT_KEEP_DAYS. */
bool tlscount_is_due(struct store_txn *t, int64_t now_ms);
/* Removes them, so many at most; returns how many went. */
unsigned tlscount_sweep(struct store_txn *t, int64_t now_ms, unsigned most);

#endif
