#ifndef QM_UPGRADE_H
#define QM_UPGRADE_H

#include "store.h"

/* Stores of an older schema than LEDGER_SCHEMA, brought to this one before anything else is done
 * with them: in many small transactions, the last of which writes the new schema down. Whatever
 * ends it in the middle, the next start does all of it again.
 *
 *     4 -> 5  rows of hookretired say when they ended; hookended
 */

/* 0 as well when there is nothing to do, or nothing known to be done. */
int upgrade_store(struct store *s, struct fail *f);

#endif
