#ifndef QM_STOP_H
#define QM_STOP_H

#include "world.h"

/* The ordered end: first who takes in new mail, then qmgr, which waits for deliveries under way,
 * then everybody else; ten seconds in all, after which what still runs is killed. */

void stop_begin(struct world *w, int exit_code); /* does nothing when a stop is under way */
void stop_continue(struct world *w);             /* a process ended */
void stop_free(struct world *w);

#endif
