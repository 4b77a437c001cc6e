#include "window.h"

#include <assert.h>
#include <string.h>

#include "mem.h"

static int by_id(struct item *a, struct item *b)
{
    return a->id < b->id ? -1 : a->id > b->id;
}

static int by_name(struct destination *a, struct destination *b)
{
    return strcmp(a->name, b->name);
}

RB_GENERATE_STATIC(item_tree, item, by_id, by_id)
RB_GENERATE_STATIC(destination_tree, destination, by_name, by_name)

void window_init(struct window *w)
{
    RB_INIT(&w->items);
    RB_INIT(&w->destinations);
    TAILQ_INIT(&w->round);
    SLIST_INIT(&w->parkings);
    w->round_n = 0;
    w->count = w->trying = w->parked = 0;
}

void window_clear(struct window *w)
{
    struct item *i;
    struct destination *d;
    while ((i = RB_MIN(item_tree, &w->items)) != NULL)
        window_remove(w, i);
    while ((d = RB_MIN(destination_tree, &w->destinations)) != NULL) {
        RB_REMOVE(destination_tree, &w->destinations, d);
        mem_free(&d);
    }
    struct parking *p;
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

/* The tree compares names behind the struct, so a key to search with is built the same way. */
static struct destination *make(const char *name)
{
    size_t n = strlen(name) + 1;
    struct destination *d = mem_zero(sizeof *d + n);
    memcpy(d->name, name, n);
    TAILQ_INIT(&d->items);
    return d;
}

struct destination *window_destination(const struct window *w, const char *name)
{
    struct destination *like = make(name);
    struct destination *d =
        RB_FIND(destination_tree, (struct destination_tree *)&w->destinations, like);
    mem_free(&like);
    return d;
}

struct destination *window_reach(struct window *w, const char *name)
{
    struct destination *d = make(name);
    struct destination *there = RB_INSERT(destination_tree, &w->destinations, d);
    if (there == NULL)
        return d;
    mem_free(&d);
    return there;
}

struct item *window_add(struct window *w, struct destination *d, uint64_t id, int64_t next_ms)
{
    struct item *i = mem_zero(sizeof *i);
    i->id = id;
    i->next_ms = next_ms;
    i->destination = d;
    struct item *there = RB_INSERT(item_tree, &w->items, i);
    assert(there == NULL);
    TAILQ_INSERT_TAIL(&d->items, i, next);
    d->waiting++;
    w->count++;
    return i;
}

/* Out of the list and the count of its state. */
static void leave(struct window *w, struct item *i)
{
    struct destination *d = i->destination;
    switch (i->state) {
    case ITEM_WAITING:
        TAILQ_REMOVE(&d->items, i, next);
        d->waiting--;
        break;
    case ITEM_STUCK:
        TAILQ_REMOVE(&i->parking->items, i, next);
        i->parking->n--;
        d->parked--;
        w->parked--;
        break;
    case ITEM_TRYING:
        d->trying--;
        w->trying--;
        break;
    }
}

void window_remove(struct window *w, struct item *i)
{
    leave(w, i);
    RB_REMOVE(item_tree, &w->items, i);
    w->count--;
    mem_free(&i);
}

void window_set_trying(struct window *w, struct item *i)
{
    assert(i->state == ITEM_WAITING);
    leave(w, i);
    i->state = ITEM_TRYING;
    i->destination->trying++;
    w->trying++;
}

static struct parking *parking_of(struct window *w, const char *name)
{
    struct parking *p;
    SLIST_FOREACH (p, &w->parkings, next) {
        if (strcmp(p->name, name) == 0)
            return p;
    }
    size_t n = strlen(name) + 1;
    p = mem_zero(sizeof *p + n);
    memcpy(p->name, name, n);
    TAILQ_INIT(&p->items);
    SLIST_INSERT_HEAD(&w->parkings, p, next);
    return p;
}

static void turn_away(struct window *w, struct item *i, struct parking *p)
{
    if (!p->more || i->next_ms < p->more_ms || (i->next_ms == p->more_ms && i->id < p->more_id)) {
        p->more_ms = i->next_ms;
        p->more_id = i->id;
    }
    p->more = true;
    window_remove(w, i);
}

void window_park(struct window *w, struct item *i, const char *name, uint64_t most)
{
    struct parking *p = parking_of(w, name);
    uint64_t left = w->parked < most ? most - w->parked : 0;
    assert(i->state == ITEM_WAITING);
    if (p->n > 0 && p->n >= left) {
        turn_away(w, i, p);
        return;
    }
    leave(w, i);
    i->state = ITEM_STUCK;
    i->parking = p;
    TAILQ_INSERT_TAIL(&p->items, i, next);
    p->n++;
    i->destination->parked++;
    w->parked++;
}

/* The last item of the first runs, or NULL when there are none. */
static struct item *end_of_runs(const struct parking *p, unsigned runs)
{
    struct item *i = runs == 0 ? NULL : TAILQ_FIRST(&p->items), *next;
    for (; i != NULL && (next = TAILQ_NEXT(i, next)) != NULL; i = next) {
        if (next->destination != i->destination && --runs == 0)
            break;
    }
    return i;
}

void window_unstick(struct window *w, struct parking *p, unsigned runs, unsigned inflight_max)
{
    struct item *before;
    /* From the last to the first, each to the head of its list, which keeps their order. */
    for (struct item *i = end_of_runs(p, runs); i != NULL; i = before) {
        struct destination *d = i->destination;
        before = TAILQ_PREV(i, items, next);
        leave(w, i);
        i->state = ITEM_WAITING;
        TAILQ_INSERT_HEAD(&d->items, i, next);
        d->waiting++;
        window_update(w, d, inflight_max); /* which frees none that has items */
    }
}

void window_update(struct window *w, struct destination *d, unsigned inflight_max)
{
    bool wants = (d->waiting > 0 || (d->more && d->parked == 0)) && d->inflight < inflight_max;
    if (wants && !d->in_round) {
        TAILQ_INSERT_TAIL(&w->round, d, round);
        w->round_n++;
    } else if (!wants && d->in_round) {
        TAILQ_REMOVE(&w->round, d, round);
        w->round_n--;
    }
    d->in_round = wants;
    if (d->waiting == 0 && d->parked == 0 && d->trying == 0 && d->inflight == 0 && !d->more) {
        RB_REMOVE(destination_tree, &w->destinations, d);
        mem_free(&d);
    }
}

struct destination *window_next(struct window *w)
{
    struct destination *d = TAILQ_FIRST(&w->round);
    if (d != NULL) {
        TAILQ_REMOVE(&w->round, d, round);
        w->round_n--;
        d->in_round = false;
    }
    return d;
}

void window_note_more(struct destination *d, int64_t next_ms, uint64_t id)
{
    if (!d->more || next_ms < d->more_ms || (next_ms == d->more_ms && id < d->more_id)) {
        d->more_ms = next_ms;
        d->more_id = id;
    }
    d->more = true;
}
