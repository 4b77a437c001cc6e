#ifndef QM_LISTWALK_H
#define QM_LISTWALK_H

#include "match.h"
#include "proto_admin.h"
#include "store.h"

/* Through a list in its order, from a place on: along the index that is in this order, or, where
 * the filter names few rows, along those alone. What comes is what the filter may mean; whether it
 * does is seen in the row. */

/* So many rows of an index are gathered, to be put in order, before the walk rather goes along the
 * list's own order. */
#define LISTWALK_GATHERED ADMIN_IDS_MAX
#define LISTWALK_PASSED (2 * LISTWALK_GATHERED)
#define LISTWALK_LANES 2

/* An index in the order of its keys, from one end to the other. */
struct listwalk_lane {
    struct store_cursor cursor;
    unsigned table;
    unsigned class; /* of due, hookdue */
    bool open, at;
    struct admin_place place; /* of the row it is at */
    bool possible;            /* whether the index alone does not rule it out */
};

struct listwalk {
    struct store_txn *txn;
    enum admin_list list;
    const struct admin_query *query;
    const struct match *match;
    bool by_time;
    struct admin_place after;
    struct listwalk_lane lanes[LISTWALK_LANES];
    bool held_last; /* those that are held come when the lanes are at their end */
    bool gathers;   /* in place of the lanes */
    struct admin_place *places;
    size_t places_n, places_at, passed; /* passed: that were before the place */
    bool cut;                           /* there may be more than were gathered */
    struct store_cursor rows;           /* of the list's own table, at the row with this id, or 0 */
    uint64_t row_id;
};

/* query, match and the transaction stay until close. */
void listwalk_open(struct listwalk *w, struct store_txn *t, enum admin_list list,
                   const struct admin_query *q, const struct match *m);
/* The next place, and the row there, empty when it is ruled out or is not there. Returns false
 * at the end. */
bool listwalk_next(struct listwalk *w, struct admin_place *place, struct span *row);
/* After the end: whether the same walk from the last place on may find more. */
bool listwalk_is_cut(const struct listwalk *w);
void listwalk_close(struct listwalk *w);

#endif
