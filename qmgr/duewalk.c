#include "duewalk.h"

#include <assert.h>
#include <string.h>

#include "clock.h"
#include "mend.h"
#include "tables.h"

#define ROWS_A_TURN 100    /* then the loop does something else */
#define SLEEP_MAX_MS 60000 /* the wall clock may be set */
#define CLOCK_CHECK_MS 200 /* while a test may step it */

/* Sets the timer, or has it fire sooner; never later. */
static void wake_in(struct duewalk *d, int64_t ms)
{
    bool steps = conf_bool(conf_root(d->queue->settings->conf), "test-clock");
    int64_t most = steps ? CLOCK_CHECK_MS : SLEEP_MAX_MS, now = clock_mono_ms();
    ms = ms > most ? most : ms < 0 ? 0 : ms;
    if (d->stopped || (d->wake_ms != 0 && d->wake_ms <= now + ms))
        return;
    d->wake_ms = now + ms;
    struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
    (void)evtimer_add(d->timer, &tv);
}

/* A row that is no good: to be removed, or written anew. */
static void report(struct duewalk *d, struct span octets)
{
    struct key k = {.n = octets.n};
    if (octets.n > sizeof k.p)
        return;
    memcpy(k.p, octets.p, octets.n);
    mend_index(d->queue->mend, d->table, &k);
}

/* Shows rows until the first that is not due, or there is no room, or enough for one turn. Returns
 * in how many ms to go on. */
static int64_t walk(struct duewalk *d, struct store_cursor *c, int64_t now)
{
    struct key from = key_due((struct due){d->class, d->seen_ms, d->seen_id});
    bool at = store_seek(c, key_span(&from));
    for (int rows = 0; at; at = store_next(c), rows++) {
        struct stream_id stream;
        struct due due;
        if (rows >= ROWS_A_TURN)
            return 0;
        if (key_read_due(c->key, &due) != 0) {
            report(d, c->key);
            continue;
        }
        if (due.class != d->class)
            break;
        if (due.next_ms > now)
            return due.next_ms - now;
        if (due_value_read(c->value, &stream) != 0) {
            report(d, c->key);
        } else if (!d->take(d->arg, &due, &stream)) {
            d->full = true;
            return SLEEP_MAX_MS;
        }
        d->seen_ms = due.next_ms;
        d->seen_id = due.id + 1;
    }
    return SLEEP_MAX_MS;
}

static void step(struct duewalk *d)
{
    int64_t now = clock_wall_ms();
    d->full = false;
    /* A clock that was set back makes new rows older than the place. */
    if (now < d->seen_ms) {
        d->seen_ms = 0;
        d->seen_id = 0;
    }
    struct store_txn *t = store_begin(d->queue->store, false);
    struct store_cursor c = store_cursor(t, d->table);
    int64_t wait = walk(d, &c, now);
    store_cursor_close(&c);
    store_abort(&t);
    wake_in(d, wait);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct duewalk *d = arg;
    (void)fd;
    (void)what;
    d->wake_ms = 0;
    if (d->stopped)
        return;
    step(d);
    d->taken(d->arg);
}

void duewalk_open(struct duewalk *d)
{
    d->timer = evtimer_new(d->queue->base, on_timer, d);
    assert(d->timer != NULL);
}

void duewalk_close(struct duewalk *d)
{
    event_free(d->timer);
}

void duewalk_stop(struct duewalk *d)
{
    d->stopped = true;
    (void)event_del(d->timer);
}

void duewalk_look_at(struct duewalk *d, int64_t next_ms, uint64_t id)
{
    if (next_ms < d->seen_ms || (next_ms == d->seen_ms && id < d->seen_id)) {
        d->seen_ms = next_ms;
        d->seen_id = id;
    }
    wake_in(d, next_ms - clock_wall_ms());
}

void duewalk_go_on(struct duewalk *d)
{
    if (d->full)
        wake_in(d, 0);
}
