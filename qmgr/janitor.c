#include "janitor.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "body.h"
#include "clock.h"
#include "ledger.h"
#include "log.h"
#include "mem.h"
#include "once.h"
#include "room.h"
#include "tables.h"

#define TICK_MS 1000
#define ROWS_A_TICK 1000
#define READERS_TICKS 60

struct janitor {
    struct queue *queue;
    struct event *timer;
    uint64_t ticks;
    uint64_t retired_at, hooks_at, events_at; /* where the round through the history is */
    bool busy;                                /* a cleaning change is under way */
};

struct cleaning {
    struct change change;
    struct janitor *janitor;
    int64_t now_ms, keep_events_ms;
    /* where this part of the round begins, and ends; of events, with which account */
    uint64_t retired_from, hooks_from, events_from;
    uint64_t retired_at, hooks_at, events_at;
    unsigned removed;
};

/* Of a row: does not decode, its time is over, it stays. */
enum verdict { BAD, OVER, STAYS };
typedef enum verdict judge(struct span value, int64_t now_ms);

static enum verdict judge_retired(struct span value, int64_t now_ms)
{
    struct retired_row r;
    if (retired_row_read(value, &r) != 0)
        return BAD;
    enum verdict v = r.keep_until_ms <= now_ms ? OVER : STAYS;
    retired_row_clear(&r);
    return v;
}

static enum verdict judge_hook(struct span value, int64_t now_ms)
{
    struct hook_row r;
    if (hook_row_read(value, &r) != 0)
        return BAD;
    enum verdict v = r.keep_until_ms <= now_ms ? OVER : STAYS;
    hook_row_clear(&r);
    return v;
}

/* Away with the cursor's row, and on to the next. */
static bool remove_here(struct store_txn *t, unsigned table, struct store_cursor *c, enum verdict v)
{
    uint64_t id;
    if (v == BAD)
        return ledger_quarantine_here(t, table, c);
    if (table == TABLE_RETIRED && key_read_id(c->key, &id) == 0)
        ledger_unindex_retired(t, id, c->value);
    return store_delete_here(c);
}

/* A part of the round through a table. Returns where it goes on, 0 at the end. */
static uint64_t clean(struct cleaning *c, struct store_txn *t, unsigned table, uint64_t from,
                      judge *judge_row)
{
    struct key k = key_id(from);
    struct store_cursor cursor = store_cursor(t, table);
    uint64_t id = 0;
    int rows = 0;
    bool at = store_seek(&cursor, key_span(&k));
    while (at && rows++ < ROWS_A_TICK) {
        (void)key_read_id(cursor.key, &id);
        enum verdict v = judge_row(cursor.value, c->now_ms);
        c->removed += v != STAYS;
        at = v == STAYS ? store_next(&cursor) : remove_here(t, table, &cursor, v);
    }
    store_cursor_close(&cursor);
    return at ? id + 1 : 0;
}

static enum verdict judge_event(struct span value, int64_t until_ms)
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
        enum verdict v = key_read_event(cursor.key, &account, &number) != 0
                             ? BAD
                             : judge_event(cursor.value, c->now_ms - c->keep_events_ms);
        c->removed += v != STAYS;
        at = v == STAYS ? go_to_next(&cursor, &account) : remove_here(t, TABLE_EVENT, &cursor, v);
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
    c->retired_at = clean(c, t, TABLE_RETIRED, c->retired_from, judge_retired);
    c->hooks_at = clean(c, t, TABLE_HOOKRETIRED, c->hooks_from, judge_hook);
    c->events_at = clean_events(c, t);
    c->removed += once_sweep(t, c->now_ms, ROWS_A_TICK);
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
        j->retired_at = c->retired_at;
        j->hooks_at = c->hooks_at;
        j->events_at = c->events_at;
    }
    j->busy = false;
    mem_free(&c);
    if (much)
        tidy(j);
}

/* Whether the part of a round that begins at *from would remove anything; where not, *from moves
 * behind it. */
static bool part_has_work(struct store_txn *t, unsigned table, uint64_t *from, judge *judge_row,
                          int64_t now_ms)
{
    struct key k = key_id(*from);
    struct store_cursor c = store_cursor(t, table);
    bool at = store_seek(&c, key_span(&k)), found = false;
    for (int rows = 0; at && rows < ROWS_A_TICK && !found; rows++) {
        found = judge_row(c.value, now_ms) != STAYS;
        at = found || store_next(&c);
    }
    if (!found && (!at || key_read_id(c.key, from) != 0))
        *from = 0; /* the round begins anew */
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
    work = once_is_due(t, now_ms) || work;
    work = part_has_work(t, TABLE_RETIRED, &j->retired_at, judge_retired, now_ms) || work;
    work = part_has_work(t, TABLE_HOOKRETIRED, &j->hooks_at, judge_hook, now_ms) || work;
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
    c->retired_from = j->retired_at;
    c->hooks_from = j->hooks_at;
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

/* Tokens of the files that messages own. */
struct owned {
    uint64_t *tokens;
    size_t n;
};

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

static bool is_owned(void *arg, uint64_t token)
{
    const struct owned *o = arg;
    return o->n > 0 && bsearch(&token, o->tokens, o->n, sizeof token, by_value) != NULL;
}

/* Rows are not decoded: there can be millions. And of one that does not decode the file is kept, as
 * the row itself is, for whoever wants to save the message. */
static void gather_owned(struct owned *o, struct store_txn *t, unsigned table, const char *prefix)
{
    struct span from = span_text(prefix);
    struct store_cursor c = store_cursor(t, table);
    for (bool at = store_seek(&c, from); at; at = store_next(&c)) {
        uint64_t file;
        if (c.key.n < from.n || memcmp(c.key.p, from.p, from.n) != 0)
            break;
        if (!msg_row_names_file(c.value, &file))
            continue;
        o->tokens = mem_resize(o->tokens, (o->n + 1) * sizeof *o->tokens);
        o->tokens[o->n++] = file;
    }
    store_cursor_close(&c);
}

int janitor_sweep(struct queue *q, struct fail *f)
{
    struct owned owned = {0};
    struct store_txn *t = store_begin(q->store, false);
    gather_owned(&owned, t, TABLE_MSG, "");
    gather_owned(&owned, t, TABLE_SYS, "bad/msg/");
    if (store_commit(&t, f) != 0) {
        mem_free(&owned.tokens);
        return -1;
    }
    if (owned.n > 0)
        qsort(owned.tokens, owned.n, sizeof *owned.tokens, by_value);
    int removed = body_sweep(q->dirfd, is_owned, &owned, f);
    if (removed > 0)
        log_info(NULL, "left-over message files removed", LU("files", (uint64_t)removed));
    mem_free(&owned.tokens);
    return removed < 0 ? -1 : 0;
}
