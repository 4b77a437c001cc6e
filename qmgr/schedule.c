#include "schedule.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

#include "agents.h"
#include "clock.h"
#include "delivery.h"
#include "duewalk.h"
#include "mem.h"
#include "mend.h"
#include "tables.h"
#include "window.h"

#define WINDOW_PART 16 /* a destination may fill a 16th of what is left of the window */
#define FIRST_PART 4   /* a fourth of the deliveries is for destinations that have none yet */
#define STEPS_A_TURN 500
#define LATE_S 1 /* until it is looked again whether results can be written down */

struct schedule {
    struct queue *queue;
    struct window window;
    struct duewalk walk;
    struct event *pump;
    bool stopped;
    unsigned inflight;  /* deliveries */
    unsigned held_back; /* destinations in a row that may not have another one, since pump */
};

static void on_pump(evutil_socket_t fd, short what, void *arg);
static bool take(void *arg, struct store_txn *t, int64_t next_ms, uint64_t id);
static void pump(void *arg);

struct schedule *schedule_new(struct queue *q)
{
    struct schedule *s = mem_zero(sizeof *s);
    s->queue = q;
    window_init(&s->window);
    s->walk =
        (struct duewalk){.queue = q, .table = TABLE_DUE, .take = take, .taken = pump, .arg = s};
    duewalk_open(&s->walk);
    s->pump = evtimer_new(q->base, on_pump, s);
    assert(s->pump != NULL);
    return s;
}

void schedule_free(struct schedule **sp)
{
    struct schedule *s = *sp;
    if (s == NULL)
        return;
    window_clear(&s->window);
    duewalk_close(&s->walk);
    event_free(s->pump);
    mem_free(sp);
}

/* ---- filling the window ---- */

static bool is_full(const struct schedule *s)
{
    return s->window.count >= (uint64_t)s->queue->settings->window;
}

static bool has_its_share(const struct schedule *s, const struct destination *d)
{
    uint64_t most = (uint64_t)s->queue->settings->window;
    uint64_t left = s->window.count < most ? most - s->window.count : 0;
    uint64_t share = left / WINDOW_PART;
    return d->waiting + d->parked >= (share < 1 ? 1 : share);
}

static void update(struct schedule *s, struct destination *d)
{
    window_update(&s->window, d, (unsigned)s->queue->settings->destination_concurrency);
}

static void put(struct schedule *s, uint64_t id, int64_t next_ms, const char *domain)
{
    struct destination *d = window_reach(&s->window, domain);
    if (has_its_share(s, d))
        window_note_more(d, next_ms, id);
    else
        (void)window_add(&s->window, d, id, next_ms);
    update(s, d);
}

/* Where the recipient goes to. False when there is none that is due then, as the index says. */
static bool domain_of(struct store_txn *t, uint64_t id, int64_t next_ms, char *domain, size_t size)
{
    struct key k = key_id(id);
    struct span value;
    struct rcpt_row r;
    if (!store_get(t, TABLE_RCPT, key_span(&k), &value) || rcpt_row_read(value, &r) != 0)
        return false;
    bool fits = !r.held && r.next_ms == next_ms &&
                span_copy(span_text(address_domain(r.address)), domain, size) == 0;
    rcpt_row_clear(&r);
    return fits;
}

static bool take(void *arg, struct store_txn *t, int64_t next_ms, uint64_t id)
{
    struct schedule *s = arg;
    char domain[PROTO_NAME_MAX + 1];
    if (window_find(&s->window, id) != NULL)
        return true;
    if (is_full(s))
        return false;
    if (domain_of(t, id, next_ms, domain, sizeof domain)) {
        put(s, id, next_ms, domain);
    } else {
        struct key k = key_due(next_ms, id);
        mend_index(s->queue->mend, TABLE_DUE, &k);
    }
    return true;
}

/* Fetches more of one destination, by its own index: one at least, if there is one, however full
 * the window. */
static void refill(struct schedule *s, struct destination *d)
{
    int64_t now = clock_wall_ms(), next_ms;
    uint64_t hash = destination_hash(s->queue->ledger.secret, d->name), h, id;
    char domain[PROTO_NAME_MAX + 1];
    struct key from = key_dest(hash, d->more_ms, d->more_id);
    struct store_txn *t = store_begin(s->queue->store, false);
    struct store_cursor c = store_cursor(t, TABLE_DEST);
    d->more = false;
    for (bool at = store_seek(&c, key_span(&from)); at; at = store_next(&c)) {
        if (key_read_dest(c.key, &h, &next_ms, &id) != 0 || h != hash || next_ms > now)
            break;
        if (d->waiting > 0 && has_its_share(s, d)) {
            window_note_more(d, next_ms, id);
            break;
        }
        if (window_find(&s->window, id) != NULL)
            continue;
        if (!domain_of(t, id, next_ms, domain, sizeof domain)) {
            struct key k = key_dest(h, next_ms, id);
            mend_index(s->queue->mend, TABLE_DEST, &k);
        } else if (strcmp(domain, d->name) == 0) {
            (void)window_add(&s->window, d, id, next_ms);
        }
    }
    store_cursor_close(&c);
    store_abort(&t);
}

/* ---- deliveries ---- */

/* In the next turn of the loop, so that everything else has its own. */
static void pump_after(struct schedule *s, int seconds)
{
    const struct timeval pause = {seconds, 0};
    if (!s->stopped)
        (void)evtimer_add(s->pump, &pause);
}

/* Something has changed: each destination is looked at anew. */
static void pump(void *arg)
{
    struct schedule *s = arg;
    s->held_back = 0;
    pump_after(s, 0);
}

static void unstick(struct schedule *s, struct parking *p, unsigned runs)
{
    window_unstick(&s->window, p, runs, (unsigned)s->queue->settings->destination_concurrency);
    if (p->more && TAILQ_EMPTY(&p->items)) {
        p->more = false;
        duewalk_look_at(&s->walk, p->more_ms, p->more_id);
    }
}

void schedule_pump(struct schedule *s)
{
    struct parking *p;
    SLIST_FOREACH (p, &s->window.parkings, next)
        unstick(s, p, UINT_MAX);
    pump(s);
}

/* For each delivery that a transport may have more, the first that wait for it. */
static void unstick_some(struct schedule *s)
{
    struct parking *p;
    SLIST_FOREACH (p, &s->window.parkings, next) {
        unsigned room = agents_room(s->queue->agents, p->name);
        if (room > 0)
            unstick(s, p, room);
    }
}

/* Whether any is stuck without need: what was to go before it turned out to be nothing. */
static bool is_any_free(const struct schedule *s)
{
    const struct parking *p;
    SLIST_FOREACH (p, &s->window.parkings, next) {
        if (!TAILQ_EMPTY(&p->items) && agents_room(s->queue->agents, p->name) > 0)
            return true;
    }
    return false;
}

static void on_delivered(void *arg, struct destination *d)
{
    struct schedule *s = arg;
    d->inflight--;
    s->inflight--;
    update(s, d);
    pump(s);
}

static bool has_its_deliveries(const struct schedule *s, const struct destination *d)
{
    unsigned most = (unsigned)s->queue->settings->concurrency;
    return d->inflight > 0 && s->inflight >= most - most / FIRST_PART;
}

static enum delivery_start start(struct schedule *s, struct destination *d)
{
    /* Before it is empty, so that the next delivery has as many recipients as may be. */
    if (d->more && d->waiting < (unsigned)s->queue->settings->destination_recipients)
        refill(s, d);
    if (d->waiting == 0)
        return DELIVERY_NOTHING;
    /* Counted before it begins, since it may end before it returns. */
    d->inflight++;
    s->inflight++;
    enum delivery_start started = delivery_start(s->queue, &s->window, d, on_delivered, s);
    if (started != DELIVERY_STARTED) {
        d->inflight--;
        s->inflight--;
    }
    return started;
}

static bool is_at_most(const struct schedule *s)
{
    return s->inflight >= (unsigned)s->queue->settings->concurrency;
}

/* Starts what may be started now, so much in one turn of the loop. */
static void start_some(struct schedule *s)
{
    struct destination *d;
    int steps = 0;
    bool room = true;
    while (!s->stopped && room && !is_at_most(s) && s->held_back <= s->window.round_n &&
           steps < STEPS_A_TURN && (d = window_next(&s->window)) != NULL) {
        if (has_its_deliveries(s, d)) {
            s->held_back++;
        } else {
            s->held_back = 0;
            room = start(s, d) != DELIVERY_NO_ROOM;
        }
        update(s, d);
        steps++;
    }
    if (steps == STEPS_A_TURN || (room && !is_at_most(s) && is_any_free(s)))
        pump_after(s, 0);
}

static void on_pump(evutil_socket_t fd, short what, void *arg)
{
    struct schedule *s = arg;
    (void)fd;
    (void)what;
    /* While results cannot be written down there are no new ones: each would be an attempt that a
     * crash forgets, and makes again. */
    if (commit_is_late(s->queue->commit)) {
        pump_after(s, LATE_S);
        return;
    }
    if (!is_at_most(s))
        unstick_some(s);
    start_some(s);
    if (!is_full(s))
        duewalk_go_on(&s->walk);
    service_gauge(s->queue->service, GAUGE_TRYING, s->window.trying);
    service_gauge(s->queue->service, GAUGE_WINDOW, s->window.count);
}

void schedule_add(struct schedule *s, uint64_t id, int64_t next_ms, const char *domain)
{
    if (next_ms > clock_wall_ms() || (is_full(s) && window_find(&s->window, id) == NULL)) {
        duewalk_look_at(&s->walk, next_ms, id);
        return;
    }
    if (window_find(&s->window, id) == NULL) {
        put(s, id, next_ms, domain);
        pump(s);
    }
}

void schedule_look_at(struct schedule *s, int64_t next_ms)
{
    duewalk_look_at(&s->walk, next_ms, 0);
}

void schedule_settled(struct schedule *s, uint64_t id)
{
    struct item *i = window_find(&s->window, id);
    if (i == NULL)
        return;
    struct destination *d = i->destination;
    window_remove(&s->window, i);
    update(s, d);
    if (!is_full(s))
        duewalk_go_on(&s->walk);
}

void schedule_stop(struct schedule *s)
{
    s->stopped = true;
    duewalk_stop(&s->walk);
    (void)event_del(s->pump);
}

bool schedule_is_trying(const struct schedule *s, uint64_t id)
{
    const struct item *i = window_find(&s->window, id);
    return i != NULL && i->state == ITEM_TRYING;
}

uint64_t schedule_trying(const struct schedule *s)
{
    return s->window.trying;
}

uint64_t schedule_window(const struct schedule *s)
{
    return s->window.count;
}
