#ifndef QM_CONFCHECK_H
#define QM_CONFCHECK_H

#include "conferror.h"
#include "conftree.h"

/* What no single statement can get wrong by itself. Both take a tree that is sealed and may hold
 * errors reported before, and report without repeating those. */

/* What the tables demand: required settings, labels used once. */
void confcheck_blocks(const struct conf *conf, struct conferror *errors);

/* What the suite demands: that names refer to something, that ports can be bound, that addresses
 * belong to one account. The tables are conftables_root. */
void confcheck_suite(const struct conf *conf, struct conferror *errors);

/* That mail for mailboxes finds the process that serves them, which has the name local. */
void confcheck_local(const struct conf *conf, struct conferror *errors);

#endif
