#include "queue.h"

#include "body.h"
#include "mem.h"

const char *const queue_counters[QUEUE_COUNTERS + 1] = {
    "messages_accepted_total",
    "messages_refused_total",
    "recipients_delivered_total",
    "recipients_deferred_total",
    "recipients_failed_total",
    "attempts_total",
    "attempt_duration_seconds_bucket le=0.1",
    "attempt_duration_seconds_bucket le=0.5",
    "attempt_duration_seconds_bucket le=1",
    "attempt_duration_seconds_bucket le=5",
    "attempt_duration_seconds_bucket le=30",
    "attempt_duration_seconds_bucket le=120",
    "attempt_duration_seconds_bucket le=600",
    "attempt_duration_seconds_bucket le=+Inf",
    "attempt_duration_seconds_sum",
    "attempt_duration_seconds_count",
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

void queue_count_attempt(const struct queue *q, int64_t ms)
{
    static const int64_t bounds_ms[QUEUE_TIMES] = {100,   500,    1000,   5000,
                                                   30000, 120000, 600000, INT64_MAX};
    service_count_time(q->service, COUNT_ATTEMPT_TIMES, bounds_ms, QUEUE_TIMES, ms);
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
