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
