#ifndef QM_EVENTLOG_H
#define QM_EVENTLOG_H

#include "account.h"
#include "queue.h"

/* Who reads events, and who waits for some. */

struct eventlog;
struct eventlog *eventlog_new(struct queue *q);
void eventlog_free(struct eventlog **l); /* who still waits is not answered */

/* The request of the events protocol. */
int eventlog_on_request(const struct account_ask *ask, struct ipc_message *m, struct fail *f);

#endif
