#ifndef QM_HOOKQ_H
#define QM_HOOKQ_H

#include "queue.h"

/* The queue of webhooks: each is tried at once, then after 1, 2, 4, 7.5, 15, 30 minutes, 1, 2, 4,
 * 8, 16 hours, each spread by 1 %. One URL has at most webhooks.per-url requests of an account
 * under way, all together webhooks.concurrency; URLs take turns, so that one that does not answer
 * keeps no other waiting, nor the same one of another account. "URL" means one of one account in
 * what follows, and in hookq.c. Those that failed before have at most half of everything, so that a
 * thousand URLs that do not answer keep no new one waiting either; and a URL that took long the
 * last time, or did not answer, counts as such with all it has. */

struct hookq *hookq_new(struct queue *q);
void hookq_free(struct hookq **h);
void hookq_link(struct hookq *h, int fd); /* the channel to hooks; takes fd */
/* Webhooks were committed as due at due_ms or later. 0: look again from the beginning. */
void hookq_poke(struct hookq *h, int64_t due_ms);
void hookq_stop(struct hookq *h);
/* The channel to hooks, or NULL while it is not there. */
struct ipc *hookq_channel(const struct hookq *h);
uint64_t hookq_inflight(const struct hookq *h);

/* The wait before attempt n (2 for the second), without the spread. */
int64_t hookq_wait_ms(unsigned attempt);

#endif
