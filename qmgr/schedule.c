#include "schedule.h"

#include <assert.h>
#include <string.h>

#include "clock.h"
#include "delivery.h"
#include "log.h"
#include "mem.h"
#include "tables.h"
#include "window.h"

#define ROWS_A_TURN 2000 /* of the due index, then the loop does something else */
#define SHARE_DIVISOR 16 /* no destination has more than this part of the window */
#define SLEEP_MAX_MS 60000
#define CLOCK_CHECK_MS 200 /* while a test may step the clock */

struct schedule {
    struct queue *queue;
    struct window window;
    struct event *timer, *pump;
    /* The due index up to here has been looked at. */
    int64_t seen_ms;
    uint64_t seen_id;
    int64_t wake_ms; /* when the timer fires, monotonic; 0 while it is not set */
    bool full;     /* the window had no room for the next one */
    bool stopped;
    unsigned inflight; /* deliveries */
};

static void on_timer(evutil_socket_t fd, short what, void *arg);
static void on_pump(evutil_socket_t fd, short what, void *arg);

struct schedule *schedule_new(struct queue *q)
{
    struct schedule *s = mem_zero(sizeof *s);
    s->queue = q;
    window_init(&s->window);
    s->timer = evtimer_new(q->base, on_timer, s);
    s->pump = event_new(q->base, -1, 0, on_pump, s);
    assert(s->timer != NULL && s->pump != NULL);
    return s;
}

void schedule_free(struct schedule **sp)
{
    struct schedule *s = *sp;
    if (s == NULL)
        return;
    window_clear(&s->window);
    event_free(s->timer);
    event_free(s->pump);
    mem_free(sp);
}

static unsigned share(const struct schedule *s)
{
    unsigned n = (unsigned)s->queue->settings->window / SHARE_DIVISOR;
    return n < 1 ? 1 : n;
}

static unsigned inflight_max(const struct schedule *s)
{
    return (unsigned)s->queue->settings->destination_concurrency;
}

static void update(struct schedule *s, struct destination *d)
{
    window_update(&s->window, d, inflight_max(s));
}

static bool is_full(const struct schedule *s)
{
    return s->window.count >= (uint64_t)s->queue->settings->window;
}

void schedule_pump(struct schedule *s)
{
    event_active(s->pump, EV_TIMEOUT, 0);
}

/* Sets the timer, or has it fire sooner; never later. */
static void wake_in(struct schedule *s, int64_t ms)
{
    int64_t most = conf_bool(conf_root(s->queue->settings->conf), "test-clock") ? CLOCK_CHECK_MS : SLEEP_MAX_MS;
    if (ms > most)
        ms = most;
    if (ms < 0)
        ms = 0;
    if (s->wake_ms != 0 && s->wake_ms <= clock_mono_ms() + ms)
        return;
    s->wake_ms = clock_mono_ms() + ms;
    struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
    (void)evtimer_add(s->timer, &tv);
}

void schedule_wake_at(struct schedule *s, int64_t next_ms)
{
    wake_in(s, next_ms - clock_wall_ms());
}

/* Puts one due recipient into the window, or notes that its destination has more than its share. */
static void take(struct schedule *s, uint64_t id, const char *domain)
{
    struct destination *d = window_reach(&s->window, domain);
    if (d->waiting >= share(s))
        d->more = true;
    else
        (void)window_add(&s->window, d, id);
    update(s, d);
}

static bool domain_of(struct store_txn *t, uint64_t id, char *domain, size_t size)
{
    struct key k = key_id(id);
    struct span value;
    struct rcpt_row r;
    if (!store_get(t, TABLE_RCPT, key_span(&k), &value) || rcpt_row_read(value, &r) != 0)
        return false;
    int rc = span_copy(span_text(address_domain(r.address)), domain, size);
    rcpt_row_clear(&r);
    return rc == 0;
}

/* Goes on through the due index up to now. */
static void scan(struct schedule *s)
{
    int64_t now = clock_wall_ms(), next_ms = 0;
    uint64_t id;
    char domain[PROTO_NAME_MAX + 1];
    int rows = 0;
    s->full = false;
    struct store_txn *t = store_begin(s->queue->store, false);
    struct store_cursor c = store_cursor(t, TABLE_DUE);
    struct key from = key_due(s->seen_ms, s->seen_id);
    bool at = store_seek(&c, key_span(&from));
    for (; at && rows < ROWS_A_TURN; at = store_next(&c), rows++) {
        if (key_read_due(c.key, &next_ms, &id) != 0)
            continue;
        if (next_ms > now)
            break;
        if (is_full(s)) {
            s->full = true;
            break;
        }
        s->seen_ms = next_ms;
        s->seen_id = id + 1;
        if (window_find(&s->window, id) == NULL && domain_of(t, id, domain, sizeof domain))
            take(s, id, domain);
    }
    store_cursor_close(&c);
    store_abort(&t);
    if (s->full)
        return; /* goes on when some are settled */
    wake_in(s, rows >= ROWS_A_TURN ? 0 : at ? next_ms - now : SLEEP_MAX_MS);
}

/* Fetches more of one destination, by its own index. */
static void refill(struct schedule *s, struct destination *d)
{
    int64_t now = clock_wall_ms(), next_ms;
    uint64_t hash = destination_hash(s->queue->ledger.secret, d->name), h, id;
    char domain[PROTO_NAME_MAX + 1];
    struct key from = key_dest(hash, 0, 0);
    struct store_txn *t = store_begin(s->queue->store, false);
    struct store_cursor c = store_cursor(t, TABLE_DEST);
    bool at = store_seek(&c, key_span(&from));
    d->more = false;
    for (; at; at = store_next(&c)) {
        if (key_read_dest(c.key, &h, &next_ms, &id) != 0 || h != hash || next_ms > now)
            break;
        if (d->waiting >= share(s) || is_full(s)) {
            d->more = true;
            break;
        }
        if (window_find(&s->window, id) == NULL && domain_of(t, id, domain, sizeof domain) &&
            strcmp(domain, d->name) == 0)
            (void)window_add(&s->window, d, id);
    }
    store_cursor_close(&c);
    store_abort(&t);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct schedule *s = arg;
    s->wake_ms = 0;
    if (s->stopped)
        return;
    scan(s);
    schedule_pump(s);
}

static void on_delivered(void *arg, struct destination *d)
{
    struct schedule *s = arg;
    d->inflight--;
    s->inflight--;
    update(s, d);
    schedule_pump(s);
}

/* Starts what may be started now. */
static void on_pump(evutil_socket_t fd, short what, void *arg)
{
    struct schedule *s = arg;
    struct destination *d, *first_stuck = NULL;
    if (s->full && !is_full(s))
        scan(s);
    while (!s->stopped && s->inflight < (unsigned)s->queue->settings->concurrency &&
           (d = window_next(&s->window)) != NULL) {
        if (d == first_stuck) {
            update(s, d);
            break;
        }
        if (d->waiting == 0 && d->more)
            refill(s, d);
        /* Counted before it begins, since it may end before it returns. */
        d->inflight++;
        s->inflight++;
        enum delivery_start started = DELIVERY_NOTHING;
        if (d->waiting > 0)
            started = delivery_start(s->queue, &s->window, d, on_delivered, s);
        else if (d->more)
            started = DELIVERY_STUCK; /* the window is full of others: until some are settled */
        if (started != DELIVERY_STARTED) {
            d->inflight--;
            s->inflight--;
        }
        if (started == DELIVERY_STUCK && first_stuck == NULL)
            first_stuck = d;
        update(s, d);
        if (started == DELIVERY_NO_ROOM)
            break;
    }
    service_gauge(s->queue->service, GAUGE_TRYING, s->window.trying);
    service_gauge(s->queue->service, GAUGE_WINDOW, s->window.count);
}

void schedule_add(struct schedule *s, uint64_t id, int64_t next_ms, const char *domain)
{
    int64_t now = clock_wall_ms();
    if (next_ms > now) {
        wake_in(s, next_ms - now);
        return;
    }
    if (window_find(&s->window, id) != NULL)
        return;
    if (!is_full(s)) {
        take(s, id, domain);
        schedule_pump(s);
        return;
    }
    s->full = true;
    if (next_ms < s->seen_ms || (next_ms == s->seen_ms && id < s->seen_id)) {
        s->seen_ms = next_ms;
        s->seen_id = id;
    }
}

void schedule_settled(struct schedule *s, uint64_t id)
{
    struct item *i = window_find(&s->window, id);
    if (i == NULL)
        return;
    struct destination *d = i->destination;
    window_remove(&s->window, i);
    update(s, d);
    if (s->full)
        schedule_pump(s);
}

void schedule_rescan(struct schedule *s)
{
    s->seen_ms = 0;
    s->seen_id = 0;
    wake_in(s, 0);
}

void schedule_stop(struct schedule *s)
{
    s->stopped = true;
    (void)event_del(s->timer);
}

bool schedule_is_trying(const struct schedule *s, uint64_t id)
{
    struct item *i = window_find((struct window *)&s->window, id);
    return i != NULL && i->trying;
}

uint64_t schedule_trying(const struct schedule *s)
{
    return s->window.trying;
}

uint64_t schedule_window(const struct schedule *s)
{
    return s->window.count;
}
