#include "hookq.h"

#include <assert.h>
#include <bsd/sys/queue.h>
#include <string.h>

#include "clock.h"
#include "hookrow.h"
#include "log.h"
#include "mem.h"
#include "proto_hook.h"
#include "qid.h"
#include "rand.h"
#include "tables.h"

#define ROWS_A_TURN 2000
#define SLEEP_MAX_MS 60000
#define CLOCK_CHECK_MS 200
#define RETRY_AFTER_MAX_S 86400

struct call {
    LIST_ENTRY(call) next;
    struct hookq *hookq;
    uint64_t id;
    int64_t start_ms;
    struct hook_row row;
};

struct hookq {
    struct queue *queue;
    struct ipc *channel;
    struct event *timer;
    LIST_HEAD(, call) calls; /* under way, or being written down */
    unsigned inflight;
    bool stopped;
};

int64_t hookq_wait_ms(unsigned attempt)
{
    static const int64_t minutes_x2[] = {2, 4, 8, 15, 30, 60, 120, 240, 480, 960, 1920};
    const unsigned n = sizeof minutes_x2 / sizeof minutes_x2[0];
    unsigned i = attempt < 2 ? 0 : attempt - 2;
    return minutes_x2[i < n ? i : n - 1] * 30000;
}

static void on_timer(evutil_socket_t fd, short what, void *arg);

struct hookq *hookq_new(struct queue *q)
{
    struct hookq *h = mem_zero(sizeof *h);
    h->queue = q;
    LIST_INIT(&h->calls);
    h->timer = evtimer_new(q->base, on_timer, h);
    assert(h->timer != NULL);
    return h;
}

static void free_call(struct call *c)
{
    LIST_REMOVE(c, next);
    hook_row_clear(&c->row);
    mem_free(&c);
}

void hookq_free(struct hookq **hp)
{
    struct hookq *h = *hp;
    struct call *c;
    if (h == NULL)
        return;
    h->stopped = true;
    ipc_free(&h->channel);
    while ((c = LIST_FIRST(&h->calls)) != NULL)
        free_call(c);
    event_free(h->timer);
    mem_free(hp);
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct hookq *h = arg;
    log_info(NULL, "hooks is gone", LS("why", why));
    ipc_free(&h->channel);
}

void hookq_link(struct hookq *h, int fd)
{
    static const struct ipc_handler handler = {NULL, on_closed};
    ipc_free(&h->channel);
    h->channel = ipc_new(h->queue->base, fd, "hook", &handler, h);
    hookq_poke(h);
}

void hookq_poke(struct hookq *h)
{
    const struct timeval now = {0, 0};
    if (!h->stopped)
        (void)evtimer_add(h->timer, &now);
}

void hookq_stop(struct hookq *h)
{
    h->stopped = true;
    (void)event_del(h->timer);
}

uint64_t hookq_inflight(const struct hookq *h)
{
    return h->inflight;
}

/* ---- the end of an attempt ---- */

struct written {
    struct change change;
    struct call *call;
    int64_t was_ms;
    bool over; /* out of the queue */
};

static void apply(struct change *change, struct store_txn *t)
{
    struct written *w = (struct written *)change;
    struct hook_row there;
    if (hookrow_get(t, w->call->id, &there) != 0)
        return; /* canceled meanwhile */
    hook_row_clear(&there);
    if (w->over)
        hookrow_retire(t, w->call->id, w->was_ms, &w->call->row);
    else
        hookrow_reschedule(t, w->call->id, w->was_ms, &w->call->row);
}

static void done(struct change *change, const char *why)
{
    struct written *w = (struct written *)change;
    struct hookq *h = w->call->hookq;
    h->inflight--;
    free_call(w->call);
    mem_free(&w);
    hookq_poke(h);
}

static void add_attempt(struct call *c, const struct hook_result *r)
{
    struct hook_row *row = &c->row;
    row->results = mem_resize(row->results, (row->results_n + 1) * sizeof *row->results);
    row->results[row->results_n++] = (struct hook_attempt){c->start_ms, r->duration_ms, r->code,
                                                           mem_text(r->error), mem_text(r->response)};
    row->attempts++;
}

static void write_down(struct call *c, const struct hook_result *r)
{
    const struct settings *s = c->hookq->queue->settings;
    struct written *w = mem_zero(sizeof *w);
    int64_t now = clock_wall_ms();
    w->change.apply = apply;
    w->change.done = done;
    w->change.must = true;
    w->call = c;
    w->was_ms = c->row.next_ms;
    add_attempt(c, r);
    c->row.success = r->success;
    w->over = r->success || r->code == 410 || c->row.attempts >= s->webhook_attempts;
    int64_t wait = hookq_wait_ms(c->row.attempts + 1u);
    wait += (int64_t)rand_below((uint64_t)(wait / 50 + 1)) - wait / 100;
    if ((r->code == 429 || r->code == 503) && r->retry_after_s > 0 && r->retry_after_s <= RETRY_AFTER_MAX_S &&
        wait < (int64_t)r->retry_after_s * 1000)
        wait = (int64_t)r->retry_after_s * 1000;
    c->row.next_ms = now + wait;
    int64_t keep = settings_keep_webhooks_ms(s, c->row.account);
    c->row.keep_until_ms = w->over && keep > 0 ? now + keep : 0;
    commit_add(c->hookq->queue->commit, &w->change);
}

static void on_result(void *arg, const struct hook_result *r)
{
    struct call *c = arg;
    struct hookq *h = c->hookq;
    char id[QID_SIZE];
    if (r == NULL) {
        /* hooks went away; whether the endpoint heard is unknown. It is due still: the next one tries again. */
        h->inflight--;
        free_call(c);
        if (!h->stopped)
            hookq_poke(h);
        return;
    }
    log_info(NULL, r->success ? "webhook delivered" : "webhook failed", LS("hook", qid_text(c->id, id)),
             LS("account", c->row.account), LS("event", c->row.event), LU("attempt", c->row.attempts + 1u),
             LU("code", r->code), LU("ms", r->duration_ms), LS("why", r->error));
    service_count(h->queue->service, r->success ? COUNT_HOOKS : COUNT_HOOKS_FAILED, 1);
    write_down(c, r);
}

/* ---- the beginning of one ---- */

static bool is_known(const struct hookq *h, uint64_t id, const char *url, int *same_url)
{
    const struct call *c;
    *same_url = 0;
    LIST_FOREACH (c, &h->calls, next) {
        if (c->id == id)
            return true;
        if (strcmp(c->row.url, url) == 0)
            (*same_url)++;
    }
    return false;
}

static void start(struct hookq *h, uint64_t id, struct hook_row *row)
{
    struct call *c = mem_zero(sizeof *c);
    c->hookq = h;
    c->id = id;
    c->start_ms = clock_wall_ms();
    c->row = *row;
    LIST_INSERT_HEAD(&h->calls, c, next);
    h->inflight++;
    struct hook_call call = {.id = id,
                             .attempt = row->attempts + 1u,
                             .account = row->account,
                             .url = row->url,
                             .authorization = row->authorization,
                             .payload = span_text(row->payload)};
    hook_ask(h->channel, &call, on_result, c);
}

static void consider(struct hookq *h, struct store_txn *t, uint64_t id)
{
    struct hook_row row;
    struct key k = key_id(id);
    struct span value;
    int same_url;
    if (!store_get(t, TABLE_HOOK, key_span(&k), &value) || hook_row_read(value, &row) != 0)
        return;
    if (is_known(h, id, row.url, &same_url) || same_url >= h->queue->settings->webhook_per_url)
        hook_row_clear(&row);
    else
        start(h, id, &row);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct hookq *h = arg;
    int64_t now = clock_wall_ms(), next_ms, sleep = SLEEP_MAX_MS;
    uint64_t id;
    if (h->stopped || h->channel == NULL)
        return;
    if (conf_bool(conf_root(h->queue->settings->conf), "test-clock"))
        sleep = CLOCK_CHECK_MS;
    struct key zero = key_due(0, 0);
    struct store_txn *t = store_begin(h->queue->store, false);
    struct store_cursor c = store_cursor(t, TABLE_HOOKDUE);
    int rows = 0;
    for (bool at = store_seek(&c, key_span(&zero)); at && rows < ROWS_A_TURN; at = store_next(&c), rows++) {
        if (h->inflight >= (unsigned)h->queue->settings->webhook_concurrency)
            break;
        if (key_read_due(c.key, &next_ms, &id) != 0)
            continue;
        if (next_ms > now) {
            sleep = next_ms - now < sleep ? next_ms - now : sleep;
            break;
        }
        consider(h, t, id);
    }
    store_cursor_close(&c);
    store_abort(&t);
    struct timeval tv = {sleep / 1000, (sleep % 1000) * 1000};
    (void)evtimer_add(h->timer, &tv);
}
