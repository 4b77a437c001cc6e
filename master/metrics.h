#ifndef QM_MASTER_METRICS_H
#define QM_MASTER_METRICS_H

#include "world.h"

/* Every few seconds the counters of all processes, written out as Prometheus text, go to webapi,
 * which serves them. */

struct metrics;
/* Begins collecting for this world, which must outlive it; free stops. */
struct metrics *metrics_new(struct world *w);
void metrics_free(struct metrics **m);

#endif
