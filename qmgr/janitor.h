#ifndef QM_JANITOR_H
#define QM_JANITOR_H

#include "queue.h"

/* What has to be done now and then: forget history that has been kept long enough, free the places
 * of dead readers, watch what room there is. */

struct janitor;
/* Begins its rounds over q, which must outlive it; free ends them. */
struct janitor *janitor_new(struct queue *q);
void janitor_free(struct janitor **j);

#endif
