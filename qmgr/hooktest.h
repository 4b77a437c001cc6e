#ifndef QM_HOOKTEST_H
#define QM_HOOKTEST_H

#include "proto_admin.h"
#include "queue.h"

/* A call of an account's webhook that an operator wants to see made: with the address, the rules on
 * addresses, and the signature of any other, but with id 1, once, and in no queue. */

/* Called once. item is valid during the call; NULL with a sentence when no call was made, or nobody
 * knows how it went. */
typedef void hooktest_done(void *arg, const struct admin_hook_item *item, const char *why);
/* event: of the outgoing one, by its name. done may be called before this returns. */
void hooktest_start(struct queue *q, const char *account, bool incoming, const char *event,
                    hooktest_done *done, void *arg);

#endif
