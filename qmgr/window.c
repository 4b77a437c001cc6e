#include "window.h"

#include <assert.h>
#include <string.h>

#include "mem.h"

static int by_id(struct item *a, struct item *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

static int by_stream(struct stream *a, struct stream *b)
{
    if (a->id.destination != b->id.destination)
        return a->id.destination < b->id.destination ? -1 : 1;
    if (a->class != b->class)
        return a->class < b->class ? -1 : 1;
    return a->id.account < b->id.account ? -1 : a->id.account > b->id.account;
}

static int by_hash(struct destination *a, struct destination *b)
{
    return a->hash < b->hash ? -1 : a->hash > b->hash;
}

RB_GENERATE_STATIC(item_tree, item, by_id, by_id)
RB_GENERATE_STATIC(stream_tree, stream, by_id, by_stream)
RB_GENERATE_STATIC(destination_tree, destination, by_hash, by_hash)

uint64_t window_part(enum due_class class, uint64_t whole)
{
    uint64_t part = class == DUE_AGAIN ? whole / 2 : whole - whole / 8;
    return part < 1 ? 1 : part;
}

void window_init(struct window *w)
{
    *w = (struct window){.limit = 1, .limit_max = 1};
    RB_INIT(&w->items);
    RB_INIT(&w->streams);
    RB_INIT(&w->destinations);
    SLIST_INIT(&w->parkings);
    for (int c = 0; c < DUE_CLASSES; c++)
        TAILQ_INIT(&w->halves[c].round);
}

void window_limit(struct window *w, unsigned begin, unsigned most)
{
    w->limit = begin < most ? begin : most;
    w->limit_max = most;
}

void window_clear(struct window *w)
{
    struct item *i;
    struct stream *s;
    struct destination *d;
    struct parking *p;
    while ((i = RB_MIN(item_tree, &w->items)) != NULL)
        window_remove(w, i);
    while ((s = RB_MIN(stream_tree, &w->streams)) != NULL) {
        RB_REMOVE(stream_tree, &w->streams, s);
        mem_free(&s);
    }
    while ((d = RB_MIN(destination_tree, &w->destinations)) != NULL) {
        RB_REMOVE(destination_tree, &w->destinations, d);
        mem_free(&d);
    }
    while ((p = SLIST_FIRST(&w->parkings)) != NULL) {
        SLIST_REMOVE_HEAD(&w->parkings, next);
        mem_free(&p);
    }
    window_init(w);
}

struct item *window_find(const struct window *w, uint64_t id)
{
    struct item like = {.id = id};
    return RB_FIND(item_tree, (struct item_tree *)&w->items, &like);
}

struct destination *window_destination(const struct window *w, uint64_t hash)
{
    struct destination like = {.hash = hash};
    return RB_FIND(destination_tree, (struct destination_tree *)&w->destinations, &like);
}

static struct destination *reach_destination(struct window *w, uint64_t hash)
{
    struct destination *d = window_destination(w, hash);
    if (d != NULL)
        return d;
    d = mem_zero(sizeof *d);
    d->hash = hash;
    d->site.limit = w->limit;
    for (int c = 0; c < DUE_CLASSES; c++) {
        d->sides[c].destination = d;
        TAILQ_INIT(&d->sides[c].turns);
    }
    RB_INSERT(destination_tree, &w->destinations, d);
    return d;
}

struct stream *window_reach(struct window *w, struct stream_id id, enum due_class class)
{
    struct stream like = {.id = id, .class = class};
    struct stream *s = RB_FIND(stream_tree, &w->streams, &like);
    if (s != NULL)
        return s;
    s = mem_zero(sizeof *s);
    s->id = id;
    s->class = class;
    s->destination = reach_destination(w, id.destination);
    TAILQ_INIT(&s->items);
    s->destination->streams++;
    w->halves[class].streams++;
    RB_INSERT(stream_tree, &w->streams, s);
    return s;
}

static struct side *side_of(const struct stream *s)
{
    return &s->destination->sides[s->class];
}

/* Into the list and the count of those that wait. */
static void enter(struct stream *s, struct item *i, bool first)
{
    i->state = ITEM_WAITING;
    if (first)
        TAILQ_INSERT_HEAD(&s->items, i, next);
    else
        TAILQ_INSERT_TAIL(&s->items, i, next);
    s->waiting++;
    side_of(s)->waiting++;
}

struct item *window_add(struct window *w, struct stream *s, uint64_t id, int64_t next_ms)
{
    struct item *i = mem_zero(sizeof *i);
    i->id = id;
    i->next_ms = next_ms;
    i->stream = s;
    struct item *there = RB_INSERT(item_tree, &w->items, i);
    assert(there == NULL);
    enter(s, i, false);
    w->count++;
    w->halves[s->class].count++;
    return i;
}

/* Out of the list and the count of its state. */
static void leave(struct window *w, struct item *i)
{
    struct stream *s = i->stream;
    switch (i->state) {
    case ITEM_WAITING:
        TAILQ_REMOVE(&s->items, i, next);
        s->waiting--;
        side_of(s)->waiting--;
        break;
    case ITEM_STUCK:
        TAILQ_REMOVE(&i->parking->items, i, next);
        i->parking->n--;
        s->parked--;
        side_of(s)->parked--;
        w->halves[s->class].parked--;
        break;
    case ITEM_TRYING:
        s->trying--;
        w->trying--;
        break;
    }
}

void window_remove(struct window *w, struct item *i)
{
    leave(w, i);
    RB_REMOVE(item_tree, &w->items, i);
    w->count--;
    w->halves[i->stream->class].count--;
    mem_free(&i);
}

void window_set_trying(struct window *w, struct item *i)
{
    assert(i->state == ITEM_WAITING);
    leave(w, i);
    i->state = ITEM_TRYING;
    i->stream->trying++;
    w->trying++;
}

static struct parking *find_parking(const struct window *w, const char *name, enum due_class class)
{
    struct parking *p;
    SLIST_FOREACH (p, &w->parkings, next) {
        if (p->class == class && strcmp(p->name, name) == 0)
            return p;
    }
    return NULL;
}

static struct parking *parking_of(struct window *w, const char *name, enum due_class class)
{
    struct parking *p = find_parking(w, name, class);
    if (p != NULL)
        return p;
    size_t n = strlen(name) + 1;
    p = mem_zero(sizeof *p + n);
    p->class = class;
    memcpy(p->name, name, n);
    TAILQ_INIT(&p->items);
    SLIST_INSERT_HEAD(&w->parkings, p, next);
    return p;
}

void window_use_right(struct stream *s)
{
    if (s->right != NULL)
        s->right->rights--;
    s->right = NULL;
}

static void give_right(struct stream *s, struct parking *p)
{
    window_use_right(s);
    s->right = p;
    p->rights++;
}

bool window_is_behind(const struct window *w, const struct stream *s, const char *name)
{
    const struct parking *p = find_parking(w, name, s->class);
    return p != NULL && s->right != p && (p->n > 0 || p->rights > 0);
}

static void turn_away(struct window *w, struct item *i, struct parking *p)
{
    if (!p->more || i->next_ms < p->more_ms || (i->next_ms == p->more_ms && i->id < p->more_id)) {
        p->more_ms = i->next_ms;
        p->more_id = i->id;
    }
    p->more = true;
    w->halves[p->class].turned_away++;
    window_remove(w, i);
}

void window_park(struct window *w, struct item *i, const char *name, uint64_t most)
{
    struct half *half = &w->halves[i->stream->class];
    struct parking *p = parking_of(w, name, i->stream->class);
    uint64_t left = half->parked < most ? most - half->parked : 0;
    assert(i->state == ITEM_WAITING);
    if (i->stream->right == p)
        window_use_right(i->stream);
    if (p->n > 0 && p->n >= left) {
        turn_away(w, i, p);
        return;
    }
    leave(w, i);
    i->state = ITEM_STUCK;
    i->parking = p;
    TAILQ_INSERT_TAIL(&p->items, i, next);
    p->n++;
    i->stream->parked++;
    side_of(i->stream)->parked++;
    half->parked++;
}

/* The last item of the first runs, or NULL when there are none. */
static struct item *end_of_runs(const struct parking *p, unsigned runs)
{
    struct item *i = runs == 0 ? NULL : TAILQ_FIRST(&p->items), *next;
    for (; i != NULL && (next = TAILQ_NEXT(i, next)) != NULL; i = next) {
        if (next->stream != i->stream && --runs == 0)
            break;
    }
    return i;
}

/* It had its turn once, and could not use it. */
static void have_next_turn(struct half *half, struct stream *s)
{
    struct side *side = side_of(s);
    TAILQ_REMOVE(&side->turns, s, turn);
    TAILQ_INSERT_HEAD(&side->turns, s, turn);
    if (!side->in_round)
        return;
    TAILQ_REMOVE(&half->round, side, round);
    TAILQ_INSERT_HEAD(&half->round, side, round);
}

void window_unstick(struct window *w, struct parking *p, unsigned runs)
{
    struct item *before;
    /* From the last to the first, each to the head of its list, which keeps their order. */
    for (struct item *i = end_of_runs(p, runs); i != NULL; i = before) {
        before = TAILQ_PREV(i, items, next);
        leave(w, i);
        enter(i->stream, i, true);
        give_right(i->stream, p);
        window_update(w, i->stream); /* which frees none that has items */
        have_next_turn(&w->halves[p->class], i->stream);
    }
}

static void free_stream(struct window *w, struct stream *s)
{
    s->destination->streams--;
    w->halves[s->class].streams--;
    RB_REMOVE(stream_tree, &w->streams, s);
    mem_free(&s);
}

void window_update(struct window *w, struct stream *s)
{
    struct destination *d = s->destination;
    struct streams *turns = &side_of(s)->turns;
    if (s->waiting == 0)
        window_use_right(s);
    bool wants = s->waiting > 0 || (s->more && s->parked == 0);
    if (wants && !s->in_turns)
        TAILQ_INSERT_TAIL(turns, s, turn);
    else if (!wants && s->in_turns)
        TAILQ_REMOVE(turns, s, turn);
    s->in_turns = wants;
    if (s->waiting == 0 && s->parked == 0 && s->trying == 0 && !s->more)
        free_stream(w, s);
    window_update_destination(w, d);
}

static void update_side(struct half *half, struct side *side, bool may)
{
    bool wants = may && !TAILQ_EMPTY(&side->turns);
    if (wants && !side->in_round) {
        TAILQ_INSERT_TAIL(&half->round, side, round);
        half->round_n++;
    } else if (!wants && side->in_round) {
        TAILQ_REMOVE(&half->round, side, round);
        half->round_n--;
    }
    side->in_round = wants;
}

void window_update_destination(struct window *w, struct destination *d)
{
    bool may = d->site.inflight < (d->site.limit < w->limit_max ? d->site.limit : w->limit_max);
    for (int c = 0; c < DUE_CLASSES; c++)
        update_side(&w->halves[c], &d->sides[c], may);
    if (d->streams == 0 && d->site.inflight == 0 && d->site.pause == NULL) {
        RB_REMOVE(destination_tree, &w->destinations, d);
        mem_free(&d);
    }
}

struct stream *window_next(struct window *w, enum due_class class)
{
    struct half *half = &w->halves[class];
    struct side *side = TAILQ_FIRST(&half->round);
    if (side == NULL)
        return NULL;
    TAILQ_REMOVE(&half->round, side, round);
    half->round_n--;
    side->in_round = false;
    struct stream *s = TAILQ_FIRST(&side->turns);
    TAILQ_REMOVE(&side->turns, s, turn);
    TAILQ_INSERT_TAIL(&side->turns, s, turn);
    return s;
}

void window_note_more(struct stream *s, int64_t next_ms, uint64_t id)
{
    if (!s->more || next_ms < s->more_ms || (next_ms == s->more_ms && id < s->more_id)) {
        s->more_ms = next_ms;
        s->more_id = id;
    }
    s->more = true;
}
