#include "listwalk.h"

#include <stdlib.h>

#include "mem.h"
#include "tables.h"

static const struct {
    unsigned rows, due;
} tables[ADMIN_LISTS] = {
    [ADMIN_QUEUE] = {TABLE_RCPT, TABLE_DUE},
    [ADMIN_RETIRED] = {TABLE_RETIRED, TABLE_ENDED},
    [ADMIN_HOOKS] = {TABLE_HOOK, TABLE_HOOKDUE},
    [ADMIN_HOOKS_RETIRED] = {TABLE_HOOKRETIRED, TABLE_HOOKENDED},
};

/* ---- order ---- */

/* Those that are held are behind all others, in either direction. */
static int compare(struct admin_place a, struct admin_place b, bool descending)
{
    if ((a.ms == -1) != (b.ms == -1))
        return a.ms == -1 ? 1 : -1;
    int up = a.ms != b.ms ? (a.ms < b.ms ? -1 : 1) : a.id != b.id ? (a.id < b.id ? -1 : 1) : 0;
    return descending ? -up : up;
}

static int ascending(const void *a, const void *b)
{
    return compare(*(const struct admin_place *)a, *(const struct admin_place *)b, false);
}

static int descending(const void *a, const void *b)
{
    return compare(*(const struct admin_place *)a, *(const struct admin_place *)b, true);
}

static bool is_beginning(struct admin_place p)
{
    return p.ms == 0 && p.id == 0;
}

static bool is_ahead(const struct listwalk *w, struct admin_place p)
{
    return is_beginning(w->after) || compare(p, w->after, w->query->descending) > 0;
}

/* ---- lanes ---- */

/* Whether it is the index of a history. */
static bool is_of_past(unsigned table)
{
    return table == TABLE_ENDED || table == TABLE_HOOKENDED;
}

static bool is_timed(unsigned table)
{
    return table == TABLE_DUE || table == TABLE_HOOKDUE || is_of_past(table);
}

static struct key lane_key(const struct listwalk_lane *l, struct admin_place p)
{
    if (is_of_past(l->table))
        return key_ended(p.ms, p.id);
    if (is_timed(l->table))
        return key_due((struct due){(enum due_class)l->class, p.ms, p.id});
    return key_id(p.id);
}

/* Whether the streams that a row of due belongs to can be the filter's. */
static bool may_be(const struct listwalk *w, const struct listwalk_lane *l)
{
    struct stream_id s;
    if (l->table != TABLE_DUE || (!w->match->account && !w->match->domain))
        return true;
    return due_value_read(l->cursor.value, &s) == 0 &&
           (!w->match->account || s.account == w->match->account_hash) &&
           (!w->match->domain || s.destination == w->match->domain_hash);
}

/* The place of the row the cursor is at. Returns false when the row is no good. */
static bool read_place(const struct listwalk *w, struct listwalk_lane *l, bool *over)
{
    struct due due;
    struct admin_place p = {0};
    *over = false;
    if (is_of_past(l->table)) {
        if (key_read_ended(l->cursor.key, &p.ms, &p.id) != 0)
            return false;
    } else if (is_timed(l->table)) {
        if (key_read_due(l->cursor.key, &due) != 0)
            return false;
        *over = due.class != l->class;
        p = (struct admin_place){due.next_ms, due.id};
    } else {
        if (key_read_id(l->cursor.key, &p.id) != 0)
            return false;
        p.ms = l->table == TABLE_HELD && w->by_time ? -1 : 0;
    }
    const struct admin_filter *f = &w->query->filter;
    if (is_timed(l->table))
        *over =
            *over || (w->query->descending ? f->next_after_ms != 0 && p.ms <= f->next_after_ms
                                           : f->next_before_ms != 0 && p.ms >= f->next_before_ms);
    l->place = p;
    return true;
}

static bool step(const struct listwalk *w, struct listwalk_lane *l)
{
    return w->query->descending ? store_prev(&l->cursor) : store_next(&l->cursor);
}

/* From the row the cursor is at to the first that is good. */
static void settle(const struct listwalk *w, struct listwalk_lane *l, bool at)
{
    bool over = false;
    while (at && !read_place(w, l, &over))
        at = step(w, l);
    l->at = at && !over;
    l->possible = l->at && may_be(w, l);
}

/* To the first place in the lane's order that is not before this one, or behind it when
 * descending. */
static void go_to(const struct listwalk *w, struct listwalk_lane *l, struct admin_place p)
{
    struct key k = lane_key(l, p);
    bool at = store_seek(&l->cursor, key_span(&k));
    if (w->query->descending)
        at = at ? store_prev(&l->cursor) : store_last(&l->cursor);
    settle(w, l, at);
}

static struct admin_place lowest(const struct listwalk *w, bool timed)
{
    int64_t after = timed ? w->query->filter.next_after_ms : 0;
    struct admin_place p = {after <= 0 ? 0 : after == INT64_MAX ? after : after + 1, 0};
    if (is_beginning(w->after) || (timed && w->after.ms < p.ms))
        return p;
    return (struct admin_place){w->after.ms, w->after.id + (w->after.id < UINT64_MAX)};
}

static struct admin_place highest(const struct listwalk *w, bool timed)
{
    int64_t before = timed ? w->query->filter.next_before_ms : 0;
    struct admin_place p = {before > 0 ? before : INT64_MAX, before > 0 ? 0 : UINT64_MAX};
    if (is_beginning(w->after) || (timed && w->after.ms >= p.ms))
        return p;
    return w->after;
}

static void open_lane(struct listwalk *w, unsigned n, unsigned table, unsigned class)
{
    struct listwalk_lane *l = &w->lanes[n];
    *l = (struct listwalk_lane){
        .cursor = store_cursor(w->txn, table), .table = table, .class = class, .open = true};
    go_to(w, l, w->query->descending ? highest(w, is_timed(table)) : lowest(w, is_timed(table)));
}

static void close_lanes(struct listwalk *w)
{
    for (unsigned i = 0; i < LISTWALK_LANES; i++) {
        if (w->lanes[i].open)
            store_cursor_close(&w->lanes[i].cursor);
        w->lanes[i].open = w->lanes[i].at = false;
    }
}

static void open_held(struct listwalk *w)
{
    w->held_last = false;
    close_lanes(w);
    if (w->after.ms != -1 && w->by_time)
        w->after = (struct admin_place){0};
    open_lane(w, 0, TABLE_HELD, 0);
}

/* ---- gathering ---- */

/* Returns false when there is no room for it, or so many were for earlier pages that each page
 * costs more to gather than to walk to. */
static bool gather(struct listwalk *w, struct admin_place p)
{
    if (!is_ahead(w, p))
        return ++w->passed <= LISTWALK_PASSED;
    if (w->places_n >= LISTWALK_GATHERED)
        return false;
    if (w->places == NULL)
        w->places = mem_array(LISTWALK_GATHERED, sizeof *w->places);
    w->places[w->places_n++] = p;
    return true;
}

/* When a row of the list's table is in its order. Returns false when it does not decode so far. */
static bool time_of(enum admin_list list, struct span row, int64_t *ms, uint64_t *message)
{
    struct rcpt_peek r;
    struct admin_peek past;
    struct hook_peek hook;
    bool good = false;
    *message = 0;
    if (list == ADMIN_QUEUE && rcpt_row_peek(row, &r) == 0) {
        *ms = r.held ? -1 : r.next_ms;
        *message = r.message;
        good = true;
    } else if (list == ADMIN_RETIRED && retired_row_peek(row, &past) == 0) {
        *ms = past.next_ms;
        *message = past.message;
        good = true;
    } else if (list >= ADMIN_HOOKS && hook_row_peek(row, &hook) == 0) {
        *ms = hook.next_ms;
        good = true;
    }
    return good;
}

/* All of one id: the row, or those of the message. */
static bool gather_one(struct listwalk *w, uint64_t wanted)
{
    bool messages = w->query->filter.messages && w->list <= ADMIN_RETIRED;
    bool resumes = !w->by_time && !w->query->descending && messages && w->after.id > wanted;
    struct key from = key_id(resumes ? w->after.id : wanted);
    uint64_t id, message;
    int64_t ms = 0;
    for (bool at = store_seek(&w->rows, key_span(&from)); at; at = store_next(&w->rows)) {
        if (key_read_id(w->rows.key, &id) != 0 || (!messages && id != wanted))
            break;
        if (!time_of(w->list, w->rows.value, &ms, &message)) {
            if (!messages)
                break;
            continue;
        }
        if (messages && message != wanted)
            break;
        if (!gather(w, (struct admin_place){w->by_time ? ms : 0, id}))
            return false;
        if (!messages)
            break;
    }
    return true;
}

/* Those that the filter's ids name. Too many of them are the first ones when the ids' order is that
 * of the list. */
static bool gather_ids(struct listwalk *w)
{
    const struct admin_filter *f = &w->query->filter;
    for (uint32_t i = 0; i < f->ids_n; i++) {
        bool twice = i > 0 && f->ids[i] == f->ids[i - 1];
        if (twice || gather_one(w, f->ids[i]))
            continue;
        w->cut = !w->by_time && !w->query->descending;
        return w->cut;
    }
    return true;
}

static bool is_of_domain(const struct listwalk *w, struct span key, struct stream_id *s,
                         struct due *due)
{
    return key_read_dest(key, s, due) == 0 && s->destination == w->match->domain_hash;
}

/* Those to the filter's domain, as far as dest has them; those that are held among them or, by
 * time, behind them. */
static bool gather_domain(struct listwalk *w)
{
    const struct admin_filter *f = &w->query->filter;
    struct stream_id s = {w->match->domain_hash, 0};
    struct due due = {DUE_FIRST, 0, 0};
    struct key from = key_dest(s, due);
    struct store_cursor c = store_cursor(w->txn, TABLE_DEST);
    bool room = true;
    size_t seen = 0;
    for (bool at = store_seek(&c, key_span(&from)); room && at && is_of_domain(w, c.key, &s, &due);
         at = store_next(&c)) {
        room = seen++ < LISTWALK_GATHERED;
        if (w->match->account && s.account != w->match->account_hash)
            continue;
        room = room && gather(w, (struct admin_place){w->by_time ? due.next_ms : 0, due.id});
    }
    store_cursor_close(&c);
    if (w->by_time || f->held == ADMIN_HELD_NO)
        return room;
    c = store_cursor(w->txn, TABLE_HELD);
    uint64_t id;
    for (bool at = store_seek(&c, (struct span){0}); room && at; at = store_next(&c)) {
        room = seen++ < LISTWALK_GATHERED && key_read_id(c.key, &id) == 0 &&
               gather(w, (struct admin_place){0, id});
    }
    store_cursor_close(&c);
    return room;
}

static bool try_to_gather(struct listwalk *w)
{
    bool named = w->query->filter.ids_n > 0;
    if (!named && (w->list != ADMIN_QUEUE || !w->match->domain))
        return false;
    w->gathers = named ? gather_ids(w) : gather_domain(w);
    if (!w->gathers)
        mem_free(&w->places);
    else if (w->places_n > 0)
        qsort(w->places, w->places_n, sizeof *w->places,
              w->query->descending ? descending : ascending);
    return w->gathers;
}

/* ---- the walk ---- */

static bool wants_held_last(const struct listwalk *w)
{
    const struct admin_filter *f = &w->query->filter;
    return w->list == ADMIN_QUEUE && w->by_time && f->held != ADMIN_HELD_NO &&
           f->next_after_ms == 0 && f->next_before_ms == 0;
}

void listwalk_open(struct listwalk *w, struct store_txn *t, enum admin_list list,
                   const struct admin_query *q, const struct match *m)
{
    *w = (struct listwalk){.txn = t, .list = list, .query = q, .match = m, .after = q->after};
    w->by_time = q->sort == ADMIN_BY_TIME;
    w->rows = store_cursor(t, tables[list].rows);
    w->held_last = wants_held_last(w);
    bool only_held = list == ADMIN_QUEUE && q->filter.held == ADMIN_HELD_YES;
    if (q->filter.ids_n > 0 && try_to_gather(w)) {
        w->held_last = false;
    } else if (only_held || (w->held_last && q->after.ms == -1)) {
        open_held(w);
    } else if (try_to_gather(w)) {
        return;
    } else if (!w->by_time) {
        open_lane(w, 0, tables[list].rows, 0);
    } else {
        open_lane(w, 0, tables[list].due, DUE_FIRST);
        if (!is_of_past(tables[list].due))
            open_lane(w, 1, tables[list].due, DUE_AGAIN);
    }
}

static struct listwalk_lane *first_lane(struct listwalk *w)
{
    struct listwalk_lane *best = NULL;
    for (unsigned i = 0; i < LISTWALK_LANES; i++) {
        struct listwalk_lane *l = &w->lanes[i];
        if (l->at && (best == NULL || compare(l->place, best->place, w->query->descending) < 0))
            best = l;
    }
    return best;
}

/* Neighbours in time are mostly neighbours by id, too: a step is cheaper than a search. */
static struct span row_of(struct listwalk *w, uint64_t id)
{
    bool at = false, down = w->query->descending;
    uint64_t there = 0;
    if (w->row_id != 0 && id == (down ? w->row_id - 1 : w->row_id + 1))
        at = (down ? store_prev(&w->rows) : store_next(&w->rows)) &&
             key_read_id(w->rows.key, &there) == 0 && there == id;
    if (!at) {
        struct key k = key_id(id);
        at = store_seek(&w->rows, key_span(&k)) && span_equal(w->rows.key, key_span(&k));
    }
    w->row_id = at ? id : 0;
    return at ? w->rows.value : (struct span){0};
}

bool listwalk_next(struct listwalk *w, struct admin_place *place, struct span *row)
{
    if (w->gathers && w->places_at < w->places_n) {
        *place = w->places[w->places_at++];
        *row = row_of(w, place->id);
        return true;
    }
    struct listwalk_lane *l = first_lane(w);
    if (l == NULL && w->held_last) {
        open_held(w);
        l = first_lane(w);
    }
    if (l == NULL)
        return false;
    *place = l->place;
    if (l->table == tables[w->list].rows)
        *row = l->cursor.value;
    else
        *row = l->possible ? row_of(w, place->id) : (struct span){0};
    settle(w, l, step(w, l));
    return true;
}

bool listwalk_is_cut(const struct listwalk *w)
{
    return w->cut;
}

void listwalk_close(struct listwalk *w)
{
    close_lanes(w);
    store_cursor_close(&w->rows);
    mem_free(&w->places);
}
