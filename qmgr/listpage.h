#ifndef QM_LISTPAGE_H
#define QM_LISTPAGE_H

#include "proto_admin.h"
#include "store.h"

/* A page of a list, read in one transaction that lasts so long at most: a page may be short, even
 * empty, and still have a next one, so that no answer waits for millions of rows. */

#define LISTPAGE_US 10000

#define LISTPAGE_LEAST 16 /* between two looks at the clock */

struct listpage {
    /* what is asked for */
    enum admin_list list;
    struct admin_query query; /* owned */
    uint64_t until;           /* only ids below; 0 for all. By id, ascending */
    int64_t us;    /* LISTPAGE_US; even with less a page gets on by LISTPAGE_LEAST places */
    bool ids_only; /* of the rows only ids are wanted; the limit may be larger */
    /* what came of it: one of these, owned, and where to go on */
    struct admin_page rows;
    struct admin_hook_page hooks;
    uint64_t *ids;
    uint32_t ids_n;
    struct admin_place next; /* all-zero: there is no more */
};

/* Fills the page in any thread; of the last one nothing is left. */
void listpage_read(struct listpage *p, struct store *s, const unsigned char secret[16]);
void listpage_clear(struct listpage *p);

#endif
