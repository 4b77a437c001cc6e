#include "queue.h"

#include "body.h"
#include "mem.h"

#define BUCKET(result, le) "attempt_duration_seconds_bucket result=" result " le=" le
#define TIMES(result)                                                                              \
    BUCKET(result, "0.1"), BUCKET(result, "0.5"), BUCKET(result, "1"), BUCKET(result, "5"),        \
        BUCKET(result, "30"), BUCKET(result, "120"), BUCKET(result, "600"),                        \
        BUCKET(result, "+Inf"), "attempt_duration_seconds_sum result=" result,                     \
        "attempt_duration_seconds_count result=" result
_Static_assert(DELIVER_STATUSES == QUEUE_RESULTS && DELIVER_DONE == 0 && DELIVER_DEFERRED == 1,
               "the results are in their order");

const char *const queue_counters[QUEUE_COUNTERS + 1] = {
    "messages_accepted_total",
    "messages_refused_total",
    "recipients_delivered_total",
    "recipients_deferred_total",
    "recipients_failed_total",
    "attempts_total",
    TIMES("delivered"),
    TIMES("deferred"),
    TIMES("failed"),
    "dsn_total",
    "webhooks_delivered_total",
    "webhooks_failed_total",
    "window_recipients",
    "trying_recipients",
    "messages",
    "recipients",
    "retired_recipients",
    "held_recipients",
    "webhooks_waiting",
    "intake_delay_ms",
    NULL,
};

void queue_count_attempt(const struct queue *q, enum deliver_status status, int64_t ms)
{
    static const int64_t bounds_ms[QUEUE_TIMES] = {100,   500,    1000,   5000,
                                                   30000, 120000, 600000, INT64_MAX};
    service_count_time(q->service, COUNT_ATTEMPT_TIMES + status * (QUEUE_TIMES + 2), bounds_ms,
                       QUEUE_TIMES, ms);
}

struct unlinking {
    struct work work;
    int dirfd;
    uint64_t token;
};

static void run(struct work *w)
{
    struct unlinking *u = (struct unlinking *)w;
    body_delete_file(u->dirfd, u->token);
}

static void done(struct work *w)
{
    mem_free(&w);
}

void queue_unlink_later(struct queue *q, uint64_t token)
{
    if (q->worker == NULL) { /* at the end of the process */
        body_delete_file(q->dirfd, token);
        return;
    }
    struct unlinking *u = mem_zero(sizeof *u);
    *u = (struct unlinking){{.run = run, .done = done}, q->dirfd, token};
    worker_add(q->worker, &u->work);
}
