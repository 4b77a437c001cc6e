#ifndef QM_UPGRADE_H
#define QM_UPGRADE_H

#include <stdbool.h>
#include <stdint.h>

#include "store.h"

/* Brings a store of an older schema to the present one, as a part of the transaction that opens it:
 * all of it or nothing. Returns false when the schema is none that can be. */
bool upgrade_store(struct store_txn *t, uint64_t schema);

#endif
