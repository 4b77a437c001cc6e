#ifndef QM_ACT_H
#define QM_ACT_H

#include "proto_admin.h"
#include "queue.h"

/* An operator's action on every recipient that a filter means. It goes through the queue in slices:
 * each is looked for in the reading thread and changed in a transaction of its own, so that other
 * changes get their turn; recipients that arrive meanwhile are not meant. */

/* why: NULL, or what prevented it; count is what was done by then. */
typedef void act_on_done(void *arg, uint64_t count, const char *why);
/* Takes what the filter owns. dry: only counts those that the filter means,
 * which writes nothing. */
void act_start(struct queue *q, enum admin_action action, bool dry, struct admin_filter *filter,
               act_on_done *on_done, void *arg);

#endif
