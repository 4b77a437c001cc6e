#ifndef QM_BODIES_H
#define QM_BODIES_H

#include <stdint.h>

#include "queue.h"

/* Messages' octets in memory, as sealed memory files: what just came in and will be delivered at once, and what is being
 * delivered. The sum is bounded by the body-memory setting; beyond it new deliveries wait. */

struct body; /* one message's octets; counted references */

/* None yet; q must outlive it. free drops all: no delivery may be under way. */
struct bodies *bodies_new(struct queue *q);
void bodies_free(struct bodies **b);

/* Remembers a message that just came in (fd is taken over) as long as there is room for it. */
void bodies_offer(struct bodies *b, uint64_t id, int fd, uint64_t size);

/* fd is -1 when the message could not be read; it belongs to the body. Comes later or, when the message is in memory,
 * before bodies_get returns. */
typedef void bodies_on_body(void *arg, struct body *body, int fd, const char *why);
void bodies_get(struct bodies *b, uint64_t id, const struct msg_row *row, bodies_on_body *on_body, void *arg);
void bodies_put_back(struct bodies *b, struct body *body);

/* The message is no longer in the queue. */
void bodies_forget(struct bodies *b, uint64_t id);
/* Whether another message of this size may be fetched now. */
bool bodies_have_room(struct bodies *b, uint64_t size);

#endif
