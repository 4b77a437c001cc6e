#ifndef QM_CONSIST_H
#define QM_CONSIST_H

#include "buf.h"
#include "store.h"

/* Whether the rows of a queue's store, and the files beside it, fit together: what must hold
 * between any two transactions, and after any crash. Used by the tests of qmgr, and by the program
 * store-check for a suite that has stopped. */

struct consist {
    unsigned problems;
    unsigned
        bad_rows; /* set aside in sys: somebody should look, but nothing is wrong with the rest */
    uint64_t messages, recipients, held, hooks, retired, hooks_retired, events, chunks, files;
    struct buf report; /* a line for each problem */
};

/* store: with the tables of tables.h. dirfd: the folder with bodies/. */
void consist_check(struct store *store, int dirfd, struct consist *c);
void consist_clear(struct consist *c);

#endif
