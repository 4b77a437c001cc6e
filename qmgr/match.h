#ifndef QM_MATCH_H
#define QM_MATCH_H

#include "proto_admin.h"
#include "rows.h"
#include "store.h"

/* Which rows a filter means, and what lists say of them. Filters look at the octets of rows, since
 * lists pass over millions. */

/* A message's row read for several recipients in a row. All-zero is none. */
struct match_message {
    uint64_t id;
    bool there;
    struct msg_row row;
};
/* The message's row, or NULL. Valid until the next call. */
const struct msg_row *match_message(struct store_txn *t, struct match_message *m, uint64_t id);
void match_clear(struct match_message *m);

/* A text to be found in others. */
struct match_part {
    const char *text;
    size_t n;
    unsigned char lower, upper; /* its first octet */
};
/* A filter in use, with what is worth to be known while it goes over many rows. It refers to the
 * filter, whose ids it sorts, and is for one transaction. */
struct match {
    const struct admin_filter *filter;
    bool account, domain, transport, event, sender; /* whether the filter has something to say */
    uint64_t account_hash, domain_hash;             /* as in rows and indices */
    struct match_part from, to;
    uint64_t message; /* the last one that was looked at, and whether it may be meant */
    bool may;
};
struct match match_begin(struct admin_filter *f, const unsigned char secret[16]);
/* Whether the filter means the row with this id and these octets. */
bool match_queued(struct match *m, struct store_txn *t, uint64_t id, struct span value);
bool match_retired(const struct match *m, uint64_t id, struct span value);
bool match_hook(const struct match *m, uint64_t id, struct span value, bool retired);

/* The list's row of a queued recipient; admin_row_clear. Whether it is being tried is for the
 * schedule to say. */
struct admin_row match_row(const struct msg_row *m, uint64_t id, const struct rcpt_row *r);

#endif
