#ifndef QM_JANITOR_H
#define QM_JANITOR_H

#include "queue.h"

/* What has to be done now and then: forget history that has been kept long enough, free the places
 * of dead readers, watch what room there is; and once, at start: sweep files that no message owns.
 */

struct janitor;
/* Begins its rounds over q, which must outlive it; free ends them. */
struct janitor *janitor_new(struct queue *q);
void janitor_free(struct janitor **j);

/* Removes the files of large messages that no row names. Before the writing thread runs. */
int janitor_sweep(struct queue *q, struct fail *f);

#endif
