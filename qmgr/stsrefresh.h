#ifndef QM_STSREFRESH_H
#define QM_STSREFRESH_H

#include "queue.h"

/* Has the policies that are kept fetched anew in time (RFC 8461 section 10.2), so that one that
 * demands something does not end unnoticed while no mail goes there, and with it what keeps an
 * attacker out. A look through the table every STSREFRESH_TICK_MS, a part of it at a time. */

#define STSREFRESH_TICK_MS 10000
#define STSREFRESH_FETCHES 8 /* at once */

struct stsrefresh;
struct stsrefresh *stsrefresh_new(struct queue *q);
void stsrefresh_free(struct stsrefresh **r);
/* A channel from hooks, whose descriptor it takes; the one before is over. */
void stsrefresh_link(struct stsrefresh *r, int fd);
/* No more are fetched. */
void stsrefresh_stop(struct stsrefresh *r);
/* A look now; for tests, which cannot wait for the tick. */
void stsrefresh_look(struct stsrefresh *r);

#endif
