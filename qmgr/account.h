#ifndef QM_ACCOUNT_H
#define QM_ACCOUNT_H

#include <stdint.h>

#include "ipc.h"
#include "queue.h"

/* What webapi asks for accounts, over its link "account": the suppression list, the index of the
 * mailbox, events. Each kind of request has its handler in a table here; whoever handles it
 * answers, now or later. */

struct account;
struct account *account_new(struct queue *q);
void account_free(struct account **a);
/* A channel from webapi/N, whose descriptor it takes; the one before is over. */
void account_link(struct account *a, const char *peer, int fd);

/* Where the answer to a request goes: a copy of this may outlive the channel. */
struct account_ask {
    struct account *account;
    struct queue *queue;
    uint64_t peer, request;
};
/* The channel to answer over, or NULL when whoever asked is gone. */
struct ipc *account_channel(const struct account_ask *ask);

#endif
