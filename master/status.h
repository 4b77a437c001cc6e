#ifndef QM_STATUS_H
#define QM_STATUS_H

#include "proto_master.h"
#include "world.h"

/* What there is to say of each process, its confinement as the kernel reports it.
 * master_status_clear. */
void status_take(const struct world *w, struct master_status *s);

#endif
