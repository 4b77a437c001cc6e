#include "janitor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "failure.h"
#include "ledger.h"
#include "log.h"
#include "mailindex.h"
#include "mem.h"
#include "once.h"
#include "room.h"
#include "stscache.h"
#include "tables.h"
#include "tlscount.h"

#define TICK_MS 1000
#define ROWS_A_TICK 1000
#define READERS_TICKS 60

/* Tables whose rows have a time of their own. Each has its round, a part in each tick. */
enum {
    ROUND_RETIRED,
    ROUND_HOOKS,
    ROUND_FAILURES,
    ROUND_SUPPRESSIONS,
    ROUND_POLICIES,
    ROUND_ENDED,
    ROUNDS
};

struct janitor {
    struct queue *queue;
    struct event *timer;
    uint64_t ticks;
    struct key at[ROUNDS]; /* where the rounds are */
    uint64_t events_at;    /* and the one through the events */
    bool busy;             /* a cleaning change is under way */
};

struct cleaning {
    struct change change;
    struct janitor *janitor;
    int64_t now_ms, keep_events_ms, keep_removed_ms;
    /* where this part of the rounds begins, and ends; of events, with which account */
    struct key from[ROUNDS], at[ROUNDS];
    uint64_t events_from, events_at;
    unsigned removed;
};

/* Of a row, where the cursor is: does not decode, its time is over, it stays. */
enum judgement { BAD, OVER, STAYS };
typedef enum judgement judge(struct store_txn *t, const struct store_cursor *c, int64_t now_ms);

static enum judgement judge_retired(struct store_txn *t, const struct store_cursor *c,
                                    int64_t now_ms)
{
    struct retired_row r;
    if (retired_row_read(c->value, &r) != 0)
        return BAD;
    enum judgement v = r.keep_until_ms <= now_ms ? OVER : STAYS;
    retired_row_clear(&r);
    return v;
}

static enum judgement judge_hook(struct store_txn *t, const struct store_cursor *c, int64_t now_ms)
{
    struct hook_row r;
    if (hook_row_read(c->value, &r) != 0)
        return BAD;
    enum judgement v = r.keep_until_ms <= now_ms ? OVER : STAYS;
    hook_row_clear(&r);
    return v;
}

static enum judgement judge_sts(struct store_txn *t, const struct store_cursor *c, int64_t now_ms)
{
    struct sts_row r;
    if (sts_row_read(c->value, &r) != 0)
        return BAD;
    enum judgement v = sts_is_over(&r, now_ms) ? OVER : STAYS;
    sts_row_clear(&r);
    return v;
}

static enum judgement judge_failure(struct store_txn *t, const struct store_cursor *c,
                                    int64_t now_ms)
{
    struct failure_row r;
    if (failure_row_read(c->value, &r) != 0)
        return BAD;
    return r.last_ms <= now_ms - FAILURE_AGE_MS ? OVER : STAYS;
}

static enum judgement judge_suppression(struct store_txn *t, const struct store_cursor *c,
                                        int64_t now_ms)
{
    struct suppression s;
    if (suppress_row_read(c->value, &s) != 0)
        return BAD;
    enum judgement v = s.expires_ms != 0 && s.expires_ms <= now_ms ? OVER : STAYS;
    suppression_clear(&s);
    return v;
}

/* It is of a row of the history; of one that was set aside nobody knew where it stood here. */
static enum judgement judge_ended(struct store_txn *t, const struct store_cursor *c, int64_t now_ms)
{
    int64_t ended_ms;
    uint64_t id;
    struct span value;
    struct admin_peek r;
    if (key_read_ended(c->key, &ended_ms, &id) != 0)
        return BAD;
    struct key k = key_id(id);
    bool there = store_get(t, TABLE_RETIRED, key_span(&k), &value) &&
                 retired_row_peek(value, &r) == 0 && r.next_ms == ended_ms;
    return there ? STAYS : OVER;
}

static const struct {
    unsigned table;
    judge *judge;
} rounds[ROUNDS] = {
    [ROUND_RETIRED] = {TABLE_RETIRED, judge_retired},
    [ROUND_HOOKS] = {TABLE_HOOKRETIRED, judge_hook},
    [ROUND_FAILURES] = {TABLE_FAILURE, judge_failure},
    [ROUND_SUPPRESSIONS] = {TABLE_SUPPRESS, judge_suppression},
    [ROUND_POLICIES] = {TABLE_STS, judge_sts},
    [ROUND_ENDED] = {TABLE_ENDED, judge_ended},
};

/* What else there is of a recipient whose history is removed next. */
static void forget_retired(struct ledger *l, struct store_txn *t, const struct store_cursor *c)
{
    struct retired_row r;
    uint64_t id;
    int rc = retired_row_read(c->value, &r);
    assert(rc == 0); /* it was judged */
    if (key_read_id(c->key, &id) == 0)
        ledger_unindex_retired(t, id, c->value);
    ledger_forget(l, t, &r);
    retired_row_clear(&r);
}

/* Away with the cursor's row, and on to the next. */
static bool remove_here(struct cleaning *c, struct store_txn *t, unsigned table,
                        struct store_cursor *cursor, enum judgement v)
{
    if (v == BAD)
        return ledger_quarantine_here(t, table, cursor);
    if (table == TABLE_RETIRED)
        forget_retired(&c->janitor->queue->ledger, t, cursor);
    return store_delete_here(cursor);
}

/* The key of the row that a part of a round ended before, to go on with; the beginning at the end.
 */
static struct key place_of(const struct store_cursor *c, bool at)
{
    struct key k = {.n = 0};
    if (!at || c->key.n > sizeof k.p)
        return k;
    memcpy(k.p, c->key.p, c->key.n);
    k.n = c->key.n;
    return k;
}

/* A part of the round through a table. */
static void clean(struct cleaning *c, struct store_txn *t, int round)
{
    unsigned table = rounds[round].table;
    struct store_cursor cursor = store_cursor(t, table);
    int rows = 0;
    bool at = store_seek(&cursor, key_span(&c->from[round]));
    while (at && rows++ < ROWS_A_TICK) {
        enum judgement v = rounds[round].judge(t, &cursor, c->now_ms);
        c->removed += v != STAYS;
        at = v == STAYS ? store_next(&cursor) : remove_here(c, t, table, &cursor, v);
    }
    c->at[round] = place_of(&cursor, at);
    store_cursor_close(&cursor);
}

static enum judgement judge_event(struct span value, int64_t until_ms)
{
    int64_t when_ms;
    if (event_row_time(value, &when_ms) != 0)
        return BAD;
    return when_ms <= until_ms ? OVER : STAYS;
}

/* To the oldest event of the next account. False: there is none, or the key is no event's. */
static bool go_to_next(struct store_cursor *c, uint64_t *account)
{
    if (*account == UINT64_MAX)
        return false;
    struct key k = key_event(*account + 1, 0);
    return store_seek(c, key_span(&k));
}

/* An account's events are in the order of their time: the oldest go until one is young enough, and
 * then it is the next account's turn. Returns whose turn it is when this part of the round ends, 0
 * when the round does. */
static uint64_t clean_events(struct cleaning *c, struct store_txn *t)
{
    struct key from = key_event(c->events_from, 0);
    struct store_cursor cursor = store_cursor(t, TABLE_EVENT);
    bool at = store_seek(&cursor, key_span(&from));
    uint64_t account = 0, number;
    for (int rows = 0; at && rows < ROWS_A_TICK; rows++) {
        enum judgement v = key_read_event(cursor.key, &account, &number) != 0
                               ? BAD
                               : judge_event(cursor.value, c->now_ms - c->keep_events_ms);
        c->removed += v != STAYS;
        at =
            v == STAYS ? go_to_next(&cursor, &account) : remove_here(c, t, TABLE_EVENT, &cursor, v);
    }
    if (at)
        (void)key_read_event(cursor.key, &account, &number);
    store_cursor_close(&cursor);
    return at ? account : 0;
}

static void apply(struct change *change, struct store_txn *t)
{
    struct cleaning *c = (struct cleaning *)change;
    c->removed = 0;
    for (int i = 0; i < ROUNDS; i++)
        clean(c, t, i);
    c->events_at = clean_events(c, t);
    c->removed += once_sweep(t, c->now_ms, ROWS_A_TICK);
    c->removed += tlscount_sweep(t, c->now_ms, ROWS_A_TICK);
    c->removed += mailindex_forget(t, c->now_ms - c->keep_removed_ms, ROWS_A_TICK);
}

static void tidy(struct janitor *j);

static void done(struct change *change, const char *why)
{
    struct cleaning *c = (struct cleaning *)change;
    struct janitor *j = c->janitor;
    /* Where there is much it goes on at once: a busy queue makes history faster than a part a
     * second. */
    bool much = why == NULL && c->removed >= ROWS_A_TICK / 2;
    if (why == NULL) {
        memcpy(j->at, c->at, sizeof j->at);
        j->events_at = c->events_at;
    }
    j->busy = false;
    mem_free(&c);
    if (much)
        tidy(j);
}

/* Whether the part of a round that is next would remove anything; where not, it moves behind it. */
static bool part_has_work(struct janitor *j, struct store_txn *t, int round, int64_t now_ms)
{
    struct store_cursor c = store_cursor(t, rounds[round].table);
    bool at = store_seek(&c, key_span(&j->at[round])), found = false;
    for (int rows = 0; at && rows < ROWS_A_TICK && !found; rows++) {
        found = rounds[round].judge(t, &c, now_ms) != STAYS;
        at = found || store_next(&c);
    }
    if (!found)
        j->at[round] = place_of(&c, at);
    store_cursor_close(&c);
    return found;
}

/* The same for events. */
static bool events_have_work(struct store_txn *t, uint64_t *from, int64_t until_ms)
{
    struct key k = key_event(*from, 0);
    struct store_cursor c = store_cursor(t, TABLE_EVENT);
    bool at = store_seek(&c, key_span(&k)), found = false;
    uint64_t account = 0, number;
    for (int rows = 0; at && rows < ROWS_A_TICK && !found; rows++) {
        found = key_read_event(c.key, &account, &number) != 0 ||
                judge_event(c.value, until_ms) != STAYS;
        at = found || go_to_next(&c, &account);
    }
    if (!found && (!at || key_read_event(c.key, from, &number) != 0))
        *from = 0; /* the round begins anew */
    store_cursor_close(&c);
    return found;
}

/* A look costs no commit. */
static bool has_work(struct janitor *j)
{
    int64_t now_ms = clock_wall_ms();
    struct store_txn *t = store_begin(j->queue->store, false);
    bool work = events_have_work(t, &j->events_at, now_ms - j->queue->settings->keep_events_ms);
    work = once_is_due(t, now_ms) || tlscount_is_due(t, now_ms) || work;
    work = mailindex_has_forgotten(t, now_ms - j->queue->settings->keep_removed_ms) || work;
    for (int i = 0; i < ROUNDS; i++)
        work = part_has_work(j, t, i, now_ms) || work;
    store_abort(&t);
    return work;
}

static void tidy(struct janitor *j)
{
    if (j->busy || !has_work(j))
        return;
    struct cleaning *c = mem_zero(sizeof *c);
    c->change.apply = apply;
    c->change.done = done;
    c->janitor = j;
    c->now_ms = clock_wall_ms();
    c->keep_events_ms = j->queue->settings->keep_events_ms;
    c->keep_removed_ms = j->queue->settings->keep_removed_ms;
    memcpy(c->from, j->at, sizeof c->from);
    c->events_from = j->events_at;
    j->busy = true;
    commit_add(j->queue->commit, &c->change);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct janitor *j = arg;
    struct queue *q = j->queue;
    room_look(q);
    if (++j->ticks % READERS_TICKS == 0)
        store_reap_readers(q->store);
    service_gauge(q->service, GAUGE_MESSAGES, store_rows(q->store, TABLE_MSG));
    service_gauge(q->service, GAUGE_RECIPIENTS, store_rows(q->store, TABLE_RCPT));
    service_gauge(q->service, GAUGE_RETIRED, store_rows(q->store, TABLE_RETIRED));
    service_gauge(q->service, GAUGE_HELD, store_rows(q->store, TABLE_HELD));
    service_gauge(q->service, GAUGE_HOOKS_WAITING, store_rows(q->store, TABLE_HOOK));
    tidy(j);
}

struct janitor *janitor_new(struct queue *q)
{
    const struct timeval tick = {TICK_MS / 1000, (TICK_MS % 1000) * 1000};
    struct janitor *j = mem_zero(sizeof *j);
    j->queue = q;
    j->timer = event_new(q->base, -1, EV_PERSIST, on_timer, j);
    assert(j->timer != NULL);
    (void)event_add(j->timer, &tick);
    return j;
}

void janitor_free(struct janitor **jp)
{
    if (*jp == NULL)
        return;
    event_free((*jp)->timer);
    mem_free(jp);
}
