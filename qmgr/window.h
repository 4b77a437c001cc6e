#ifndef QM_WINDOW_H
#define QM_WINDOW_H

#include <bsd/sys/queue.h>
#include "trees.h"
#include <stdbool.h>
#include <stdint.h>

/* The window of due recipients in memory, grouped by destination, and the round of destinations that have work. */

struct destination;

struct item {
    RB_ENTRY(item) by_id;
    TAILQ_ENTRY(item) next; /* in its destination's waiting list */
    struct destination *destination;
    uint64_t id;
    bool trying; /* else it is in the waiting list */
};

struct destination {
    RB_ENTRY(destination) by_name;
    TAILQ_ENTRY(destination) round;
    TAILQ_HEAD(, item) items;
    unsigned waiting;   /* in items */
    unsigned trying;    /* items of it that are being tried */
    unsigned inflight;  /* deliveries */
    bool more;          /* the store has due ones that are not in the window */
    bool in_round;
    char name[];
};

RB_HEAD(item_tree, item);
RB_HEAD(destination_tree, destination);

struct window {
    struct item_tree items;
    struct destination_tree destinations;
    TAILQ_HEAD(, destination) round;
    uint64_t count, trying;
};

void window_init(struct window *w);
void window_clear(struct window *w);
struct item *window_find(struct window *w, uint64_t id);
struct destination *window_destination(struct window *w, const char *name); /* NULL when it has nothing */
/* The destination, made if need be. */
struct destination *window_reach(struct window *w, const char *name);
/* A new waiting item at the end of the destination's list; id is not in the window yet. */
struct item *window_add(struct window *w, struct destination *d, uint64_t id);
void window_remove(struct window *w, struct item *i);
void window_set_trying(struct window *w, struct item *i);
void window_set_waiting(struct window *w, struct item *i); /* back, at the front */
/* In the round exactly when it has waiting items and may have another delivery. Frees a destination that has nothing. */
void window_update(struct window *w, struct destination *d, unsigned inflight_max);
struct destination *window_next(struct window *w);         /* takes the first out of the round; NULL when empty */

#endif
