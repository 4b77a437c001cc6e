#ifndef QM_ROUTE_H
#define QM_ROUTE_H

#include "rows.h"
#include "settings.h"

/* Which transport takes a recipient now, decided at each attempt: what the operator pinned; the
 * first route that fits, of the account, the sender's domain, the whole; an account's mailbox; else
 * "direct". */

struct route {
    const char *transport;   /* a label, valid as long as the settings */
    const char *destination; /* the recipient's domain, or the account for "local"; valid as long as
                                r and the settings */
};

/* Never fails: where nothing fits it is "direct". */
struct route route_choose(const struct settings *s, const struct submit_envelope *e,
                          const struct rcpt_row *r);
/* Whether those of one message's recipients in this domain, tried equally often, for which the
 * operator chose no transport all go the same way: none of them has a mailbox here. */
bool route_is_shared(const struct settings *s, const char *domain);

#endif
