#ifndef QM_NOTICE_H
#define QM_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "ledger.h"

/* What the sender is told when delivery is late or will never be: a DSN (RFC 3464) as a new message
 * with the null sender. */

/* The recipients of one message that one notice speaks of. */
struct notice {
    bool delayed; /* else failed */
    int64_t now_ms, retry_until_ms;
    const struct rcpt_row **recipients; /* with the last attempt as the last of their results */
    uint32_t recipients_n;
};

/* Whether the sender of this message wants to hear: not of the null sender's, nor against the
 * recipient's NOTIFY. */
bool notice_is_wanted(const struct submit_envelope *e, const struct rcpt_row *r, bool delayed);

/* Composes it and stages it in the same transaction. head: the original's header section, or its
 * beginning. Returns the new message's id; to: where it goes (mem_free). */
uint64_t notice_stage(struct ledger *l, struct store_txn *t, const struct settings *s,
                      const struct ledger_message *m, const struct notice *n, struct span head,
                      char **to);

#endif
