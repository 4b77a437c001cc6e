#ifndef QM_MAILCHECK_H
#define QM_MAILCHECK_H

#include "queue.h"

/* Messages that other programs remove from a mailbox leave their rows in the index. So
 * delivery/local is asked now and then whether the files are still there: a part of one account's
 * at a time, with pauses that are long beside the time it takes, until the round is through all of
 * them. A round begins an hour after the one before did. */

#define MAILCHECK_TICK_MS 1000
#define MAILCHECK_ROUND_MS 3600000

struct mailcheck;
struct mailcheck *mailcheck_new(struct queue *q);
void mailcheck_free(struct mailcheck **c);
/* A channel to delivery/local, whose descriptor it takes; the one before is over. */
void mailcheck_link(struct mailcheck *c, int fd);
/* Nothing is asked any more, nor is an answer waited for. c may be NULL. */
void mailcheck_stop(struct mailcheck *c);
/* Goes on if it is time; for tests, which cannot wait for the tick. */
void mailcheck_look(struct mailcheck *c);

#endif
