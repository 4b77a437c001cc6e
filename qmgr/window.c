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
    w->round_n = 0;
    w->count = w->trying = 0;
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
    TAILQ_INIT(&d->stuck);
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
        TAILQ_REMOVE(&d->stuck, i, next);
        d->parked--;
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

void window_set_stuck(struct window *w, struct item *i)
{
    assert(i->state == ITEM_WAITING);
    leave(w, i);
    i->state = ITEM_STUCK;
    TAILQ_INSERT_TAIL(&i->destination->stuck, i, next);
    i->destination->parked++;
}

static void unstick(struct destination *d)
{
    struct item *i;
    TAILQ_FOREACH (i, &d->stuck, next)
        i->state = ITEM_WAITING;
    TAILQ_CONCAT(&d->stuck, &d->items, next);
    TAILQ_CONCAT(&d->items, &d->stuck, next);
    d->waiting += d->parked;
    d->parked = 0;
}

void window_unstick(struct window *w, unsigned inflight_max)
{
    struct destination *d;
    RB_FOREACH (d, destination_tree, &w->destinations) {
        if (d->parked == 0)
            continue;
        unstick(d);
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
