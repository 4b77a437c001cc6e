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
    bool copy; /* for postmaster, of what the sender is told */
    int64_t now_ms;
    /* With the last attempt as the last of their results, and, of delay, the time of the next. */
    const struct rcpt_row **recipients;
    uint32_t recipients_n;
};

/* Whether the sender of this message wants to hear of that, not against the recipient's NOTIFY (RFC
 * 3461 section 4.1). The null sender hears of nothing; postmaster may in its place (double-bounces)
 * of failure, unless it is he who cannot be reached. */
bool notice_is_wanted(const struct settings *s, const struct submit_envelope *e,
                      const struct rcpt_row *r, enum dsn_action action);

/* Whether postmaster gets a copy of it (postmaster-copies). */
bool notice_is_copied(const struct settings *s, const struct submit_envelope *e,
                      enum dsn_action action);

/* Composes it and stages it in the same transaction. head: the original, or as much of its
 * beginning as can be had. It goes back whole only where that is so, it is of failure, RET=FULL
 * asked for it, it goes to the sender, and the message did not need REQUIRETLS; of one that did the
 * notice needs it as well (RFC 8689 section 5). Its forms for SMTPUTF8 (RFC 6533) are for who reads
 * them in a mailbox here, or has an address that needs it: another host may not take them. Returns
 * the new message's id; to: where it goes (mem_free), NULL when a
 * hold rule keeps it. */
uint64_t notice_stage(struct ledger *l, struct store_txn *t, const struct settings *s,
                      const struct ledger_message *m, const struct notice *n, struct span head,
                      char **to);

#endif
