#ifndef QM_LEARN_H
#define QM_LEARN_H

#include "ipc.h"
#include "queue.h"

/* Notices of delivery agents (proto_learned.h): what they learned of domains goes into the store,
 * with the results of deliveries. */

/* Reads one; -1 with a sentence when it does not decode. */
int learn_on_message(struct queue *q, struct ipc_message *m, struct fail *f);

#endif
