#ifndef QM_NOTICE_H
#define QM_NOTICE_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "dsn.h"
#include "ledger.h"

/* What the sender is told when delivery is late or will never be, or, where it asked to hear of
 * that, was a success: a DSN (RFC 3464, RFC 3461 section 6) as a new message with the null sender.
 */

/* The recipients of one message that one notice speaks of. */
struct notice {
    enum dsn_action action;
    int64_t now_ms, retry_until_ms;
    const struct rcpt_row **recipients; /* with the last attempt as the last of their results */
    uint32_t recipients_n;
};

/* Whether the sender of this message wants to hear of that: not of the null sender's, nor against
 * the recipient's NOTIFY (RFC 3461 section 4.1). */
bool notice_is_wanted(const struct submit_envelope *e, const struct rcpt_row *r,
                      enum dsn_action action);

/* Composes it and stages it in the same transaction. head: the original, or as much of its
 * beginning as can be had. It goes back whole only where that is so, it is of failure, RET=FULL
 * asked for it, and the message did not need REQUIRETLS (RFC 8689 section 5). Returns the new
 * message's id; to: where it goes (mem_free), NULL when a hold rule keeps it. */
uint64_t notice_stage(struct ledger *l, struct store_txn *t, const struct settings *s,
                      const struct ledger_message *m, const struct notice *n, struct span head,
                      char **to);

#endif
