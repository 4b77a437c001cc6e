#ifndef QM_MEND_H
#define QM_MEND_H

#include "queue.h"
#include "tables.h"

/* Rows that do not fit together: an index row that leads to nothing, or to a row that does not
 * decode; a recipient without its message. No program of ours writes such, but a disk can. The
 * loop, which reads, reports what it came across; the writing thread looks again and mends: bad
 * rows are set aside (ledger_quarantine), what led to them is removed, and a message whose last
 * good recipient is gone goes, so that nothing is looked at for ever. */

struct mend *mend_new(struct queue *q);
void mend_free(struct mend **m); /* when no change is left */

/* A row of due, dest or hookdue that is not what it should be. May be reported again and again;
 * nothing happens twice. */
void mend_index(struct mend *m, enum table table, const struct key *key);

#endif
