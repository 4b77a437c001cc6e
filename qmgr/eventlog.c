#include "eventlog.h"

#include <assert.h>
#include <string.h>

#include <bsd/sys/queue.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "proto_events.h"
#include "rows.h"
#include "tables.h"

#define PAGE_OCTETS (4u << 20) /* a page that is so long is full */
/* Whoever comes beyond these waits for nothing: of all accounts, and of one. Who has left is among
 * them until its time is over. */
#define WAITERS_MAX 10000
#define ACCOUNT_WAITERS_MAX 100
/* So long an event may be in the store before who waits for it hears of it: with many that wait a
 * look at each for each transaction would cost more than it is worth. */
#define LOOK_MS 20
#define WAITERS_A_MS 50 /* so many more, and it may be a millisecond longer */

struct waiter {
    TAILQ_ENTRY(waiter) next;
    struct account_ask ask;
    struct events_request request;
    int64_t until_ms; /* monotonic */
};

struct eventlog {
    struct queue *queue;
    struct event *look;
    TAILQ_HEAD(, waiter) waiters;
    unsigned n;
    uint64_t seen; /* rows of the table when it was last looked at */
};

static void on_look(evutil_socket_t fd, short what, void *arg);

struct eventlog *eventlog_new(struct queue *q)
{
    struct eventlog *l = mem_zero(sizeof *l);
    l->queue = q;
    TAILQ_INIT(&l->waiters);
    l->look = evtimer_new(q->base, on_look, l);
    assert(l->look != NULL);
    return l;
}

static void free_waiter(struct eventlog *l, struct waiter *w)
{
    TAILQ_REMOVE(&l->waiters, w, next);
    l->n--;
    events_request_clear(&w->request);
    mem_free(&w);
}

void eventlog_free(struct eventlog **lp)
{
    struct waiter *w;
    if (*lp == NULL)
        return;
    while ((w = TAILQ_FIRST(&(*lp)->waiters)) != NULL)
        free_waiter(*lp, w);
    event_free((*lp)->look);
    mem_free(lp);
}

/* Adds the row's event to the page; a row that does not decode is passed over. Most looks for those
 * who wait find nothing, so there is room only once there is something. */
static void add(struct events_page *p, uint32_t limit, uint64_t cursor, struct span value)
{
    if (p->events == NULL)
        p->events = mem_array(limit, sizeof *p->events);
    struct event_at *at = &p->events[p->events_n];
    if (event_row_read(value, &at->item) != 0)
        return;
    at->cursor = p->next = cursor;
    p->events_n++;
}

/* Whether the event that the client saw last is still there; if not, some behind it may be gone,
 * too. */
static bool has_gap(struct store_txn *t, uint64_t account, uint64_t after)
{
    struct key k = key_event(account, after);
    struct span value;
    return after != 0 && !store_get(t, TABLE_EVENT, key_span(&k), &value);
}

static void read_page(struct store_txn *t, const struct ledger *l, const struct events_request *r,
                      struct events_page *p)
{
    uint64_t account = name_hash(l->secret, r->account), of, cursor;
    struct key from = key_event(account, r->after + 1);
    struct store_cursor c = store_cursor(t, TABLE_EVENT);
    size_t octets = 0;
    p->next = r->after;
    bool at = r->after < UINT64_MAX && store_seek(&c, key_span(&from));
    for (; at && p->events_n < r->limit && octets < PAGE_OCTETS; at = store_next(&c)) {
        if (key_read_event(c.key, &of, &cursor) != 0 || of != account)
            break;
        octets += c.value.n;
        add(p, r->limit, cursor, c.value);
    }
    store_cursor_close(&c);
    p->gap = has_gap(t, account, r->after);
}

/* Answers if there is an event to tell of, or if it must be now: a gap alone is nothing to hurry
 * for, since the client would ask again at once. True when it did. */
static bool answer(struct store_txn *t, const struct account_ask *ask,
                   const struct events_request *r, bool now)
{
    struct ipc *ch = account_channel(ask);
    struct events_page p = {0};
    if (ch == NULL)
        return true;
    read_page(t, &ask->queue->ledger, r, &p);
    bool done = now || p.events_n > 0 || store_failed(t);
    if (done)
        events_answer(ch, ask->request, store_failed(t) ? NULL : &p);
    events_page_clear(&p);
    return done;
}

static void look_later(struct eventlog *l)
{
    const unsigned ms = LOOK_MS + l->n / WAITERS_A_MS;
    const struct timeval delay = {ms / 1000, (suseconds_t)(ms % 1000) * 1000};
    if (!TAILQ_EMPTY(&l->waiters))
        (void)evtimer_add(l->look, &delay);
}

static void look_at_all(struct eventlog *l, bool changed)
{
    struct store_txn *t = store_begin(l->queue->store, false);
    struct waiter *w, *next;
    int64_t now_ms = clock_mono_ms();
    for (w = TAILQ_FIRST(&l->waiters); w != NULL; w = next) {
        next = TAILQ_NEXT(w, next);
        bool over = w->until_ms <= now_ms;
        if ((changed || over) && answer(t, &w->ask, &w->request, over))
            free_waiter(l, w);
    }
    store_abort(&t);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
    struct eventlog *l = arg;
    uint64_t next = __atomic_load_n(&l->queue->ledger.next_event, __ATOMIC_RELAXED);
    /* The number moves before the transaction is there to be read, so it may be one look too early:
     * it is looked at once more when nothing moves. */
    bool changed = next != l->seen;
    l->seen = commit_waiting(l->queue->commit) > 0 ? 0 : next;
    look_at_all(l, changed);
    look_later(l);
}

static bool may_wait(const struct eventlog *l, const char *account)
{
    const struct waiter *w;
    unsigned n = 0;
    TAILQ_FOREACH (w, &l->waiters, next)
        n += strcmp(w->request.account, account) == 0;
    return l->n < WAITERS_MAX && n < ACCOUNT_WAITERS_MAX;
}

static void wait(struct eventlog *l, const struct account_ask *ask, struct events_request *r)
{
    struct waiter *w = mem_zero(sizeof *w);
    w->ask = *ask;
    w->request = *r;
    w->until_ms = clock_mono_ms() + r->wait_ms;
    *r = (struct events_request){0};
    TAILQ_INSERT_TAIL(&l->waiters, w, next);
    l->n++;
    l->seen = 0;
    if (!evtimer_pending(l->look, NULL))
        look_later(l);
}

int eventlog_on_request(const struct account_ask *ask, struct ipc_message *m, struct fail *f)
{
    struct eventlog *l = ask->queue->eventlog;
    struct events_request r;
    if (events_request_read(m, &r, f) != 0)
        return -1;
    struct store_txn *t = store_begin(ask->queue->store, false);
    bool now = r.wait_ms == 0 || !may_wait(l, r.account);
    if (!answer(t, ask, &r, now))
        wait(l, ask, &r);
    store_abort(&t);
    events_request_clear(&r);
    return 0;
}
