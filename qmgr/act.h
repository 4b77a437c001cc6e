#ifndef QM_ACT_H
#define QM_ACT_H

#include "proto_admin.h"
#include "queue.h"

#define ACT_MS 5000 /* then it is for who asked to have it go on */

/* An operator's action on every recipient that a filter means. It goes through the queue in slices:
 * each is looked for in the reading thread and changed in a transaction of its own, so that other
 * changes get their turn; recipients that arrive meanwhile are not meant. */

struct act {
    enum admin_action action;
    bool dry;                 /* only count those that are meant, which writes nothing */
    uint64_t after, until;    /* those with ids between; until 0: all that are there now */
    struct admin_terms terms; /* the transport's name is copied */
};
/* acted->next is 0 unless its time was over. why: NULL, or what prevented it; acted->count is what
 * was done by then. */
typedef void act_on_done(void *arg, const struct admin_acted *acted, const char *why);
/* Takes what the filter owns. */
void act_start(struct queue *q, const struct act *act, struct admin_filter *filter,
               act_on_done *on_done, void *arg);

#endif
