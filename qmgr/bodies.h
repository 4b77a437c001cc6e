#ifndef QM_BODIES_H
#define QM_BODIES_H

#include <stdint.h>

#include "queue.h"

/* Messages' octets in memory, as sealed memory files: what just came in and will be delivered at
 * once, and what is being delivered. The sum is bounded by the body-memory setting, beyond which
 * new deliveries wait; and nobody's bodies by their number, since each is a descriptor. */

struct body; /* one message's octets; counted references */

struct bodies *bodies_new(struct queue *q);
void bodies_free(struct bodies **b); /* when no delivery is left */

/* Remembers a message that just came in (fd is taken over) as long as there is room for it. */
void bodies_offer(struct bodies *b, uint64_t id, int fd, uint64_t size);

/* fd is -1 when the message could not be read; it belongs to the body. Comes later or, when the
 * message is in memory, before bodies_get returns. A message is read once, however many ask while
 * that is under way. */
typedef void bodies_on_body(void *arg, struct body *body, int fd, const char *why);
void bodies_get(struct bodies *b, uint64_t id, const struct msg_row *row, bodies_on_body *on_body,
                void *arg);
void bodies_put_back(struct bodies *b, struct body *body); /* NULL is let be */

/* The message is no longer in the queue. */
void bodies_forget(struct bodies *b, uint64_t id);
/* Whether this message may be fetched now: it is there, or the bound is not reached. The last one
 * may go beyond it, so that no message is too large for ever. */
bool bodies_have_room(struct bodies *b, uint64_t id, uint64_t size);
uint64_t bodies_total(const struct bodies *b); /* octets of all, pages counted whole */

#endif
