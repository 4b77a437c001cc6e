#ifndef QM_MATCH_H
#define QM_MATCH_H

#include "proto_admin.h"
#include "rows.h"
#include "store.h"

/* Which recipients a filter means, and what lists say of them. */

/* A message's row read for several recipients in a row. All-zero is none. */
struct match_message {
    uint64_t id;
    bool there;
    struct msg_row row;
};
/* The message's row, or NULL. Valid until the next call. */
const struct msg_row *match_message(struct store_txn *t, struct match_message *m, uint64_t id);
void match_clear(struct match_message *m);

/* Before a filter is used: sorts its ids. */
void match_prepare(struct admin_filter *f);
/* Whether the filter's ids, if it has any, mean this recipient; else the next recipient they can
 * mean, 0 when there is none. */
bool match_names(const struct admin_filter *f, uint64_t message, uint64_t id);
uint64_t match_next(const struct admin_filter *f, uint64_t id);

/* What is worth to be known while a filter goes over many recipients. */
struct match_glance {
    uint64_t account; /* the hash of the filter's account */
    uint64_t message; /* the last one that was looked at, and whether it may be meant */
    bool may;
};
struct match_glance match_begin(const struct admin_filter *f, const unsigned char secret[16]);
/* False when the filter surely does not mean the recipient with this row: found out without reading
 * the whole of it, since lists pass over millions. named: as match_names. */
bool match_may(struct store_txn *t, const struct admin_filter *f, struct match_glance *g,
               uint64_t id, struct span value, bool *named);
/* Whether the filter means this recipient, queued or in the history. */
bool match_recipient(const struct admin_filter *f, const struct msg_row *m, uint64_t id,
                     const struct rcpt_row *r);
bool match_retired(const struct admin_filter *f, const struct admin_row *r);

/* The list's row of a queued recipient; admin_row_clear. */
struct admin_row match_row(const struct msg_row *m, uint64_t id, const struct rcpt_row *r,
                           bool trying);

#endif
