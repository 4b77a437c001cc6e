#include "hookq.h"

#include <assert.h>
#include <bsd/sys/queue.h>
#include <string.h>

#include "clock.h"
#include "duewalk.h"
#include "hookrow.h"
#include "log.h"
#include "mem.h"
#include "mend.h"
#include "proto_hook.h"
#include "qid.h"
#include "rand.h"
#include "tables.h"
#include "window.h"

#define WINDOW 10000   /* webhooks in memory, half of them never tried */
#define WINDOW_PART 16 /* a URL may fill a 16th of what is left of a half */
#define STEPS_A_TURN 500
#define ROWS_A_TURN 2000 /* of other URLs, passed over to find more of one */
#define RETRY_AFTER_MAX_S 86400
/* Answers on their way to the disk, for which the next calls do not wait. */
#define UNWRITTEN_MAX 64
/* Of payloads of calls, which are in memory here and in hooks. The last one may go beyond it. */
#define OCTETS_MAX (64u << 20)

/* URLs that took long lately, by their hash: one more in the same place takes over. */
#define SLOW_PLACES 4096
#define SLOW_CALL_MS 2000            /* as long as this, or no answer, is slow */
#define SLOW_FOR_MS (30 * 60 * 1000) /* unless it answers fast before */
#define SLOW_PASSED 256              /* of a round that are passed over in one turn of the loop */

struct slow {
    uint64_t destination;
    int64_t until_ms; /* monotonic */
};

struct call {
    LIST_ENTRY(call) next;
    struct hookq *hookq;
    struct destination *destination;
    enum due_class class; /* whose share it has */
    uint64_t id;
    int64_t start_ms;
    bool answered; /* being written down */
    struct hook_row row;
};

struct hookq {
    struct queue *queue;
    struct ipc *channel;
    struct window window; /* its destinations are URLs, each of one account */
    struct duewalk walks[DUE_CLASSES];
    enum due_class next; /* whose turn it is */
    struct event *pump;
    LIST_HEAD(, call) calls;        /* under way, or being written down */
    unsigned inflight[DUE_CLASSES]; /* calls */
    unsigned unwritten;
    uint64_t octets; /* of the payloads of calls */
    struct slow slow[SLOW_PLACES];
    unsigned passed; /* streams passed over since there was one to begin */
    bool stopped;
};

int64_t hookq_wait_ms(unsigned attempt)
{
    static const int64_t minutes_x2[] = {2, 4, 8, 15, 30, 60, 120, 240, 480, 960, 1920};
    const unsigned n = sizeof minutes_x2 / sizeof minutes_x2[0];
    unsigned i = attempt < 2 ? 0 : attempt - 2;
    return minutes_x2[i < n ? i : n - 1] * 30000;
}

static bool take(void *arg, const struct due *due, const struct stream_id *stream);
static void on_pump(evutil_socket_t fd, short what, void *arg);
static void pump(void *arg);

struct hookq *hookq_new(struct queue *q)
{
    struct hookq *h = mem_zero(sizeof *h);
    h->queue = q;
    LIST_INIT(&h->calls);
    window_init(&h->window);
    for (int c = 0; c < DUE_CLASSES; c++) {
        h->walks[c] = (struct duewalk){.queue = q,
                                       .table = TABLE_HOOKDUE,
                                       .class = (enum due_class)c,
                                       .take = take,
                                       .taken = pump,
                                       .arg = h};
        duewalk_open(&h->walks[c]);
    }
    h->pump = evtimer_new(q->base, on_pump, h);
    assert(h->pump != NULL);
    return h;
}

static void free_call(struct call *c)
{
    LIST_REMOVE(c, next);
    c->hookq->octets -= strlen(c->row.payload);
    hook_row_clear(&c->row);
    mem_free(&c);
}

void hookq_free(struct hookq **hp)
{
    struct hookq *h = *hp;
    struct call *call;
    if (h == NULL)
        return;
    h->stopped = true;
    ipc_free(&h->channel);
    while ((call = LIST_FIRST(&h->calls)) != NULL)
        free_call(call);
    window_clear(&h->window);
    for (int c = 0; c < DUE_CLASSES; c++)
        duewalk_close(&h->walks[c]);
    event_free(h->pump);
    mem_free(hp);
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct hookq *h = arg;
    log_info(NULL, "hooks is gone", LS("why", why));
    ipc_free(&h->channel);
    service_link_lost(h->queue->service, "hook");
}

void hookq_link(struct hookq *h, int fd)
{
    static const struct ipc_handler handler = {NULL, on_closed};
    ipc_free(&h->channel);
    h->channel = ipc_new(h->queue->base, fd, "hook", &handler, h);
    hookq_poke(h, 0);
}

static void pump(void *arg)
{
    struct hookq *h = arg;
    const struct timeval now = {0, 0};
    if (!h->stopped)
        (void)evtimer_add(h->pump, &now);
}

void hookq_poke(struct hookq *h, int64_t due_ms)
{
    for (int c = 0; c < DUE_CLASSES; c++)
        duewalk_look_at(&h->walks[c], due_ms, 0);
    pump(h);
}

void hookq_stop(struct hookq *h)
{
    h->stopped = true;
    for (int c = 0; c < DUE_CLASSES; c++)
        duewalk_stop(&h->walks[c]);
    (void)event_del(h->pump);
}

uint64_t hookq_inflight(const struct hookq *h)
{
    return h->inflight[DUE_FIRST] + h->inflight[DUE_AGAIN];
}

/* ---- the end of an attempt ---- */

struct written {
    struct change change;
    struct call *call;
    bool over; /* out of the queue */
};

static void apply(struct change *change, struct store_txn *t)
{
    struct written *w = (struct written *)change;
    const struct hook_row *row = &w->call->row;
    struct hook_row there;
    if (hookrow_get(t, w->call->id, &there) != 0) { /* canceled or superseded meanwhile */
        hookrow_late(t, w->call->id, &row->results[row->results_n - 1]);
        return;
    }
    struct due was = hookrow_due(w->call->id, &there); /* an operator may have moved it */
    hook_row_clear(&there);
    if (w->over)
        hookrow_retire(t, w->call->id, was, row);
    else
        hookrow_reschedule(t, w->call->id, was, row);
}

static struct slow *slow_place(struct hookq *h, const struct destination *d)
{
    return &h->slow[d->hash % SLOW_PLACES];
}

static bool is_slow(struct hookq *h, const struct destination *d)
{
    const struct slow *s = slow_place(h, d);
    return s->destination == d->hash && s->until_ms > clock_mono_ms();
}

static void note_speed(struct call *c, const struct hook_result *r)
{
    struct slow *s = slow_place(c->hookq, c->destination);
    if (r->code == 0 || r->duration_ms >= SLOW_CALL_MS)
        *s = (struct slow){c->destination->hash, clock_mono_ms() + SLOW_FOR_MS};
    else if (s->destination == c->destination->hash)
        s->until_ms = 0;
}

/* The endpoint is free for the next call; this one stays in the window, so that nobody begins it
 * again. */
static void land(struct call *c)
{
    struct hookq *h = c->hookq;
    c->answered = true;
    h->unwritten++;
    c->destination->site.inflight--;
    h->inflight[c->class]--;
    h->passed = 0;
    window_update_destination(&h->window, c->destination);
    pump(h);
}

/* Out of the window: what becomes of it now is in the store. */
static void end_call(struct call *c)
{
    struct hookq *h = c->hookq;
    struct item *i = window_find(&h->window, c->id);
    assert(i != NULL && i->stream->destination == c->destination);
    struct stream *stream = i->stream;
    if (!c->answered)
        land(c);
    h->unwritten--;
    window_remove(&h->window, i);
    window_update(&h->window, stream);
    free_call(c);
}

static void done(struct change *change, const char *why)
{
    struct written *w = (struct written *)change;
    struct hookq *h = w->call->hookq;
    int64_t next_ms = w->call->row.next_ms;
    bool over = w->over;
    (void)why;
    end_call(w->call);
    mem_free(&w);
    if (!over)
        duewalk_look_at(&h->walks[DUE_AGAIN], next_ms, 0);
    pump(h);
}

/* How long the endpoint wants to be left alone; 0 when it did not say. */
static int64_t asked_ms(const struct hook_result *r)
{
    if (r->code != 429 && r->code != 503)
        return 0;
    uint32_t s = r->retry_after_s < RETRY_AFTER_MAX_S ? r->retry_after_s : RETRY_AFTER_MAX_S;
    return (int64_t)s * 1000;
}

static void write_down(struct call *c, const struct hook_result *r)
{
    const struct settings *s = c->hookq->queue->settings;
    struct written *w = mem_zero(sizeof *w);
    int64_t now = clock_wall_ms();
    w->change.apply = apply;
    w->change.done = done;
    w->change.must = true;
    w->change.when = COMMIT_SOON;
    w->call = c;
    hookrow_add_attempt(&c->row, &(struct admin_hook_attempt){c->start_ms, r->duration_ms, r->code,
                                                              r->error, r->response});
    c->row.success = r->success;
    w->over = r->success || r->code == 410 || c->row.attempts >= s->webhook_attempts;
    int64_t wait = hookq_wait_ms(c->row.attempts + 1u);
    wait += (int64_t)rand_below((uint64_t)(wait / 50 + 1)) - wait / 100;
    c->row.next_ms = now + (wait < asked_ms(r) ? asked_ms(r) : wait);
    int64_t keep = settings_keep_webhooks_ms(s, c->row.account);
    c->row.keep_until_ms = w->over && keep > 0 ? now + keep : 0;
    land(c);
    commit_add(c->hookq->queue->commit, &w->change);
}

static void on_result(void *arg, const struct hook_result *r)
{
    /* Whether the endpoint heard is unknown. It counts as an attempt all the same: it may be this
     * very call that hooks does not survive. */
    static const struct hook_result gone = {
        .error = (char *)"the process for webhooks ended before it said what became of this",
        .response = (char *)""};
    struct call *c = arg;
    struct hookq *h = c->hookq;
    char id[QID_SIZE];
    if (r == NULL && h->stopped) {
        end_call(c);
        return;
    }
    if (r == NULL)
        r = &gone;
    log_info(NULL, r->success ? "webhook delivered" : "webhook failed",
             LS("hook", qid_text(c->id, id)), LS("account", c->row.account),
             LS("event", c->row.event), LU("attempt", c->row.attempts + 1u), LU("code", r->code),
             LU("ms", r->duration_ms), LS("why", r->error));
    service_count(h->queue->service, r->success ? COUNT_HOOKS : COUNT_HOOKS_FAILED, 1);
    note_speed(c, r);
    write_down(c, r);
}

/* ---- filling the window ---- */

#define PLACES (WINDOW / DUE_CLASSES)

static bool is_full(const struct hookq *h, enum due_class c)
{
    return h->window.halves[c].count >= PLACES || h->window.halves[c].streams >= 2 * PLACES;
}

static bool has_its_share(const struct hookq *h, const struct stream *stream)
{
    uint64_t used = h->window.halves[stream->class].count;
    uint64_t share = used < PLACES ? (PLACES - used) / WINDOW_PART : 0;
    return stream->waiting >= (share < 1 ? 1 : share);
}

static bool take(void *arg, const struct due *due, const struct stream_id *id)
{
    struct hookq *h = arg;
    if (window_find(&h->window, due->id) != NULL)
        return true;
    if (is_full(h, due->class))
        return false;
    h->passed = 0;
    unsigned per_url = (unsigned)h->queue->settings->webhook_per_url;
    window_limit(&h->window, per_url, per_url);
    struct stream *stream = window_reach(&h->window, *id, due->class);
    if (has_its_share(h, stream))
        window_note_more(stream, due->next_ms, due->id);
    else
        (void)window_add(&h->window, stream, due->id, due->next_ms);
    window_update(&h->window, stream);
    return true;
}

/* Fetches more of one URL. There is no index by URL: it goes on from where its first one that had
 * no room is, for so many rows in this turn of the loop. */
static void refill(struct hookq *h, struct stream *stream, int *rows)
{
    int64_t now = clock_wall_ms();
    struct key from = key_due((struct due){stream->class, stream->more.next_ms, stream->more.id});
    struct store_txn *t = store_begin(h->queue->store, false);
    struct store_cursor c = store_cursor(t, TABLE_HOOKDUE);
    stream->more.any = false;
    for (bool at = store_seek(&c, key_span(&from)); at; at = store_next(&c)) {
        struct stream_id id;
        struct due due;
        if (key_read_due(c.key, &due) != 0)
            continue;
        if (due.class != stream->class || due.next_ms > now)
            break;
        if ((stream->waiting > 0 && has_its_share(h, stream)) || --*rows < 0) {
            window_note_more(stream, due.next_ms, due.id);
            break;
        }
        if (due_value_read(c.value, &id) == 0 && id.destination == stream->id.destination &&
            window_find(&h->window, due.id) == NULL)
            (void)window_add(&h->window, stream, due.id, due.next_ms);
    }
    store_cursor_close(&c);
    store_abort(&t);
}

/* ---- the beginning of a call ---- */

static void begin_call(struct hookq *h, struct item *i, struct hook_row *row)
{
    struct call *c = mem_zero(sizeof *c);
    c->hookq = h;
    c->destination = i->stream->destination;
    c->class = is_slow(h, c->destination) ? DUE_AGAIN : i->stream->class;
    h->passed = 0;
    c->id = i->id;
    c->start_ms = clock_wall_ms();
    c->row = *row;
    h->octets += strlen(row->payload);
    LIST_INSERT_HEAD(&h->calls, c, next);
    window_set_trying(&h->window, i);
    c->destination->site.inflight++;
    h->inflight[c->class]++;
    struct hook_call call = {.id = i->id,
                             .attempt = row->attempts + 1u,
                             .incoming = strcmp(row->event, "incoming") == 0,
                             .account = row->account,
                             .url = row->url,
                             .authorization = row->authorization,
                             .payload = span_text(row->payload)};
    hook_ask(h->channel, &call, on_result, c);
}

/* The first of the URL that is still there and due. */
static void begin_one(struct hookq *h, struct stream *stream)
{
    struct store_txn *t = store_begin(h->queue->store, false);
    struct item *i;
    bool begun = false;
    while (!begun && (i = TAILQ_FIRST(&stream->items)) != NULL) {
        struct key k = key_id(i->id);
        struct span value;
        struct hook_row row;
        if (!store_get(t, TABLE_HOOK, key_span(&k), &value) || hook_row_read(value, &row) != 0) {
            k = key_due((struct due){stream->class, i->next_ms, i->id});
            mend_index(h->queue->mend, TABLE_HOOKDUE, &k);
            window_remove(&h->window, i);
        } else if (row.next_ms > clock_wall_ms()) {
            window_remove(&h->window, i);
            hook_row_clear(&row);
        } else {
            begin_call(h, i, &row);
            begun = true;
        }
    }
    store_abort(&t);
}

static bool may_go(const struct hookq *h, enum due_class c)
{
    unsigned most = (unsigned)h->queue->settings->webhook_concurrency;
    return hookq_inflight(h) < most && h->inflight[c] < window_part(c, most);
}

/* The next of the class. One that is slow goes to the end of the round while those have their fill;
 * when there are many of them the rest of the round is for the next turn of the loop. */
static struct stream *next_of(struct hookq *h, enum due_class c)
{
    struct stream *stream = may_go(h, c) ? window_next(&h->window, c, false) : NULL;
    unsigned n = 0;
    while (stream != NULL && c == DUE_FIRST && is_slow(h, stream->destination) &&
           !may_go(h, DUE_AGAIN)) {
        window_update(&h->window, stream);
        if (++h->passed >= h->window.halves[c].round_n)
            return NULL;
        if (++n >= SLOW_PASSED) {
            pump(h);
            return NULL;
        }
        stream = window_next(&h->window, c, false);
    }
    return stream;
}

/* The URL whose turn it is. The classes take turns, as long as each may have calls. */
static struct stream *next_stream(struct hookq *h)
{
    for (int i = 0; i < DUE_CLASSES; i++) {
        enum due_class c = h->next;
        struct stream *stream = next_of(h, c);
        h->next = (enum due_class)((c + 1) % DUE_CLASSES);
        if (stream != NULL)
            return stream;
    }
    return NULL;
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
    struct hookq *h = arg;
    struct stream *stream;
    int steps = 0, rows = ROWS_A_TURN;
    (void)fd;
    (void)what;
    while (!h->stopped && h->channel != NULL && h->unwritten < UNWRITTEN_MAX &&
           h->octets < OCTETS_MAX && (stream = next_stream(h)) != NULL) {
        if (stream->waiting == 0 && stream->more.any)
            refill(h, stream, &rows);
        begin_one(h, stream);
        window_update(&h->window, stream);
        if (++steps >= STEPS_A_TURN || rows <= 0) {
            pump(h);
            break;
        }
    }
    for (int c = 0; c < DUE_CLASSES; c++) {
        if (!is_full(h, (enum due_class)c))
            duewalk_go_on(&h->walks[c]);
    }
}
