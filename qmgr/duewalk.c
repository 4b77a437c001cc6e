#include "duewalk.h"

#include <assert.h>

#include "clock.h"
#include "tables.h"

#define ROWS_A_TURN 2000   /* then the loop does something else */
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

/* Shows rows until the first that is not due, or there is no room, or enough for one turn. Returns
 * in how many ms to go on. */
static int64_t walk(struct duewalk *d, struct store_cursor *c, struct store_txn *t, int64_t now)
{
    struct key from = key_due(d->seen_ms, d->seen_id);
    bool at = store_seek(c, key_span(&from));
    for (int rows = 0; at; at = store_next(c), rows++) {
        int64_t next_ms;
        uint64_t id;
        if (rows >= ROWS_A_TURN)
            return 0;
        if (key_read_due(c->key, &next_ms, &id) != 0)
            continue;
        if (next_ms > now)
            return next_ms - now;
        if (!d->take(d->arg, t, next_ms, id)) {
            d->full = true;
            return SLEEP_MAX_MS;
        }
        d->seen_ms = next_ms;
        d->seen_id = id + 1;
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
    int64_t wait = walk(d, &c, t, now);
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
