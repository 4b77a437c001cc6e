#ifndef QM_BODIES_H
#define QM_BODIES_H

#include <stdint.h>

#include "queue.h"
#include "window.h"

/* Messages' octets in memory, as sealed memory files: what just came in and will be delivered at
 * once, and what is being delivered. The sum is bounded by the body-memory setting, beyond which
 * new deliveries wait; and nobody's bodies by their number, since each is a descriptor. What is
 * being delivered counts once for each class, with the account whose it is, however many
 * deliveries have it. */

struct body; /* one message's octets; counted references */

struct bodies *bodies_new(struct queue *q);
void bodies_free(struct bodies **b); /* when no delivery is left */

/* Remembers a message that just came in (fd is taken over) as long as there is room for it. */
void bodies_offer(struct bodies *b, uint64_t id, int fd, uint64_t size);

/* fd is -1 when the message could not be read; it belongs to the body, which is to be put back in
 * any case. Comes later or, when the message is in memory, before bodies_get returns. A message is
 * read once, however many ask while that is under way. The owner stays while it has octets. */
typedef void bodies_on_body(void *arg, struct body *body, int fd, const char *why);
void bodies_get(struct bodies *b, uint64_t id, const struct msg_row *row, struct owner *o,
                bodies_on_body *on_body, void *arg);
void bodies_put_back(struct bodies *b, struct body *body, enum due_class class); /* its owner's */

/* The message is no longer in the queue. */
void bodies_forget(struct bodies *b, uint64_t id);
bool bodies_is_small(const struct bodies *b, uint64_t size);
/* Whether an account that has so many octets of the class may have one more message: it has less
 * than it leaves to others of the class's part. The last one may go beyond that, so that no message
 * is too large for ever; small ones have a reserve, in which it is the same with them alone, beside
 * whatever is large. */
bool bodies_have_room(const struct bodies *b, enum due_class c, bool small, struct octets its);
/* Whether this message may be fetched now for a delivery of the account's: there is such room, or
 * another one of its class has it. */
bool bodies_may_have(const struct bodies *b, uint64_t id, uint64_t size, const struct owner *o);
uint64_t bodies_total(const struct bodies *b); /* octets of all, pages counted whole */

#endif
