#ifndef QM_QUOTA_H
#define QM_QUOTA_H

#include <stdint.h>

#include "ledger.h"
#include "proto_submit.h"
#include "settings.h"
#include "store.h"

/* How much an account has sent in a day, and to whom: counted, in the transaction that takes a
 * message, for accounts with a limit alone. The day is the hour under way and the 24 before it. */

#define QUOTA_HOURS 24
#define QUOTA_KNOWN_MS (365 * 86400000LL) /* so long a recipient is no new one */

/* Counts the message, or finds that it is too much: then nothing is counted, and why says which
 * limit it is. SUBMIT_WHY_OTHER: it may be sent. Only the writing thread calls this. */
enum submit_why quota_take(const struct ledger *l, struct store_txn *t,
                           struct settings_limits limits, const struct submit_envelope *e,
                           int64_t now_ms);

#endif
