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
    TAILQ_INIT(&w->round);
}

struct item *window_find(struct window *w, uint64_t id)
{
    struct item like = {.id = id};
    return RB_FIND(item_tree, &w->items, &like);
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

struct destination *window_destination(struct window *w, const char *name)
{
    struct destination *like = make(name);
    struct destination *d = RB_FIND(destination_tree, &w->destinations, like);
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

struct item *window_add(struct window *w, struct destination *d, uint64_t id)
{
    struct item *i = mem_zero(sizeof *i);
    i->id = id;
    i->destination = d;
    struct item *there = RB_INSERT(item_tree, &w->items, i);
    assert(there == NULL);
    TAILQ_INSERT_TAIL(&d->items, i, next);
    d->waiting++;
    w->count++;
    return i;
}

void window_remove(struct window *w, struct item *i)
{
    RB_REMOVE(item_tree, &w->items, i);
    w->count--;
    if (i->trying) {
        i->destination->trying--;
        w->trying--;
    } else {
        TAILQ_REMOVE(&i->destination->items, i, next);
        i->destination->waiting--;
    }
    mem_free(&i);
}

void window_set_trying(struct window *w, struct item *i)
{
    assert(!i->trying);
    TAILQ_REMOVE(&i->destination->items, i, next);
    i->destination->waiting--;
    i->destination->trying++;
    w->trying++;
    i->trying = true;
}

void window_set_waiting(struct window *w, struct item *i)
{
    assert(i->trying);
    i->trying = false;
    i->destination->trying--;
    w->trying--;
    TAILQ_INSERT_HEAD(&i->destination->items, i, next);
    i->destination->waiting++;
}

void window_update(struct window *w, struct destination *d, unsigned inflight_max)
{
    bool wants = (d->waiting > 0 || d->more) && d->inflight < inflight_max;
    if (wants && !d->in_round)
        TAILQ_INSERT_TAIL(&w->round, d, round);
    else if (!wants && d->in_round)
        TAILQ_REMOVE(&w->round, d, round);
    d->in_round = wants;
    if (d->waiting == 0 && d->trying == 0 && d->inflight == 0 && !d->more) {
        RB_REMOVE(destination_tree, &w->destinations, d);
        mem_free(&d);
    }
}

struct destination *window_next(struct window *w)
{
    struct destination *d = TAILQ_FIRST(&w->round);
    if (d != NULL) {
        TAILQ_REMOVE(&w->round, d, round);
        d->in_round = false;
    }
    return d;
}
