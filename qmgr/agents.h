#ifndef QM_AGENTS_H
#define QM_AGENTS_H

#include "queue.h"
#include "tables.h"

/* The delivery agents, one process for each transport, and the channels to them. */

struct agents *agents_new(struct queue *q);
void agents_free(struct agents **a);
/* A channel to the agent of that transport; takes fd; replaces the one before. */
void agents_link(struct agents *a, const char *transport, int fd);
/* How many deliveries of this class more the transport may have now: none while its agent is not
 * there; never more in all than transport-concurrency, nor than the connections it opens. idle: for
 * an account that has nothing being tried, for which some are kept free. */
unsigned agents_room(struct agents *a, const char *transport, enum due_class class, bool idle);
/* A delivery through it begins, or ends. */
void agents_begin(struct agents *a, const char *transport, enum due_class class);
void agents_end(struct agents *a, const char *transport, enum due_class class);
/* The channel, or NULL while there is none. */
struct ipc *agents_find(struct agents *a, const char *transport);

#endif
