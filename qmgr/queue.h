#ifndef QM_QUEUE_H
#define QM_QUEUE_H

#include <stdbool.h>

#include <event2/event.h>

#include "commit.h"
#include "ledger.h"
#include "proto_deliver.h"
#include "service.h"
#include "settings.h"
#include "store.h"
#include "worker.h"

/* What the parts of qmgr share: one of these in the process. */

struct schedule;
struct hookq;
struct agents;
struct bodies;
struct mend;
struct eventlog;

#define QUEUE_TIMES 8   /* classes of how long an attempt takes */
#define QUEUE_RESULTS 3 /* of an attempt for a recipient: enum deliver_status */

/* Indices of queue_counters; they go to master and from there to the metrics. */
enum queue_counter {
    COUNT_ACCEPTED,
    COUNT_REFUSED,
    COUNT_DELIVERED,
    COUNT_DEFERRED,
    COUNT_FAILED,
    COUNT_ATTEMPTS,
    /* Of each of enum deliver_status a histogram: QUEUE_TIMES buckets, sum, count. */
    COUNT_ATTEMPT_TIMES,
    COUNT_ATTEMPT_TIMES_END = COUNT_ATTEMPT_TIMES + QUEUE_RESULTS * (QUEUE_TIMES + 2) - 1,
    COUNT_DSN,
    COUNT_HOOKS,
    COUNT_HOOKS_FAILED,
    GAUGE_WINDOW,
    GAUGE_TRYING,
    GAUGE_MESSAGES,
    GAUGE_RECIPIENTS,
    GAUGE_RETIRED,
    GAUGE_HELD,
    GAUGE_HOOKS_WAITING,
    GAUGE_SLOW,
    QUEUE_COUNTERS
};
extern const char *const queue_counters[QUEUE_COUNTERS + 1];

struct queue {
    struct service *service;
    struct event_base *base;
    struct settings *settings;
    struct store *store;
    struct ledger ledger; /* the writing thread's, once that runs */
    struct commit *commit;
    struct worker *worker;
    struct worker *reader; /* looks through the store for operators, who keep no mail waiting so */
    struct schedule *schedule;
    struct bodies *bodies;
    struct agents *agents;
    struct hookq *hookq;
    struct mend *mend;
    struct eventlog *eventlog;
    int dirfd;
    bool room;         /* enough free disk for new mail */
    uint64_t unlooked; /* octets of mail taken since room was last looked at */
    int64_t slow_ms;   /* by so much the answer to new mail is delayed, as room gets short */
};

/* An attempt for a recipient has taken so long, and came to that. */
void queue_count_attempt(const struct queue *q, enum deliver_status status, int64_t ms);

/* The file of a large message is no longer named by any row: away with it, when the disk has time.
 */
void queue_unlink_later(struct queue *q, uint64_t token);

#endif
