#ifndef QM_DELIVERY_H
#define QM_DELIVERY_H

#include "queue.h"
#include "window.h"

/* One delivery: a message for some recipients of one destination, from the window through a
 * delivery agent to its results on stable storage. */

enum delivery_start {
    DELIVERY_STARTED,
    DELIVERY_NOTHING, /* what waited is no longer due, or is stuck: the transport for it is not
                         there, or has its fill */
    DELIVERY_NO_ROOM, /* no memory for another message now */
};

/* The delivery ended: the agent answered. Its recipients stay in the window until that is written
 * down. */
typedef void delivery_on_end(void *arg, struct destination *d);

/* Begins one for the first recipient that waits at d and is due, with those behind it of the same
 * message and transport. */
enum delivery_start delivery_start(struct queue *q, struct window *w, struct destination *d,
                                   delivery_on_end *on_end, void *arg);

#endif
