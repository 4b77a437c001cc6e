#ifndef QM_ROOM_H
#define QM_ROOM_H

#include "queue.h"

/* Whether there is room for new mail, and how nearly there is none: of the disk, where free pages
 * inside the store count as free, and of the store's map. */

/* Looks, and sets queue.room and queue.slow_ms: new mail is taken or not, and if so, how long its
 * senders wait for the answer. The latter grows from nothing, where twice the minimum is free, to
 * the slow-down setting, where the minimum is. Logs when either begins or ends. */
void room_look(struct queue *q);

/* So many octets of new mail were taken. Time is no measure of them: looks when they may have
 * changed the answer. */
void room_took(struct queue *q, uint64_t octets);

/* The delay for so much that is free. All in octets but the delay; pure. */
int64_t room_delay_ms(uint64_t free, uint64_t minimum, int64_t most_ms);

#endif
