#ifndef QM_DELIVERY_H
#define QM_DELIVERY_H

#include "proto_deliver.h"
#include "queue.h"
#include "sites.h"
#include "window.h"

/* One delivery: a message for some recipients of one destination, from the window through a
 * delivery agent to its results on stable storage. */

enum delivery_start {
    DELIVERY_STARTED,
    DELIVERY_NOTHING, /* what waited, the first few of it, is no longer due, or is stuck: the
                         transport for it is not there, or has its fill; or there is no memory for
                         the message */
};

/* What became of one. */
struct delivery_end {
    struct destination *destination;
    struct server *server; /* the one that has all of the transport's mail, or NULL (sites.h) */
    enum due_class class;
    const char *transport, *domain;
    bool asked;  /* the transport's agent was to do it */
    bool exempt; /* and it was let past a suspension, of which its success says nothing */
    const struct deliver_result *results;
    uint32_t results_n;
};
/* The delivery ended: the agent answered, or nobody was asked. Its recipients stay in the window
 * until that is written down. */
typedef void delivery_on_end(void *arg, const struct delivery_end *e);

/* Begins one for the first recipient that waits in the stream and is due, with those behind it of
 * the same message and transport. Where the destination, or the server of its transport, is
 * suspended (sites.h) it ends at once, before this returns. */
enum delivery_start delivery_start(struct queue *q, struct sites *sites, struct stream *s,
                                   delivery_on_end *on_end, void *arg);

#endif
