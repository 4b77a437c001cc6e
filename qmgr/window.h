#ifndef QM_WINDOW_H
#define QM_WINDOW_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "trees.h"

/* A window of what is due, in memory, grouped by where it goes to, and the round of destinations
 * that have work: recipients by domain, webhooks by URL. Who may have how much of it is the
 * business of whoever fills it. */

struct destination;

enum item_state {
    ITEM_WAITING, /* in its destination's items */
    ITEM_STUCK,   /* in a parking: waits for something that window_unstick tells of */
    ITEM_TRYING,  /* in no list */
};

struct item {
    RB_ENTRY(item) by_id;
    TAILQ_ENTRY(item) next;
    struct destination *destination;
    struct parking *parking; /* while it is stuck */
    uint64_t id;
    int64_t next_ms; /* what the index said of it */
    enum item_state state;
};
TAILQ_HEAD(items, item);

struct destination {
    RB_ENTRY(destination) by_name;
    TAILQ_ENTRY(destination) round;
    struct items items;
    unsigned waiting; /* in items */
    unsigned parked;  /* in parkings */
    unsigned trying;
    unsigned inflight; /* deliveries or calls; whoever begins one counts it */
    bool more;         /* the store has due ones that are not in the window */
    int64_t more_ms;   /* and none of those is before this place, where that is known */
    uint64_t more_id;
    bool in_round;
    char name[];
};

/* Those that wait for the same thing, such as a transport, whatever their destinations. */
struct parking {
    SLIST_ENTRY(parking) next;
    struct items items;
    uint64_t n;
    bool more; /* one had no place here; the first of them in the index was at this place */
    int64_t more_ms;
    uint64_t more_id;
    char name[];
};

RB_HEAD(item_tree, item);
RB_HEAD(destination_tree, destination);

struct window {
    struct item_tree items;
    struct destination_tree destinations;
    TAILQ_HEAD(, destination) round;
    unsigned round_n;
    uint64_t count, trying, parked;
    SLIST_HEAD(, parking) parkings; /* as many as there are things to wait for: few */
};

void window_init(struct window *w);
void window_clear(struct window *w);
struct item *window_find(const struct window *w, uint64_t id);
struct destination *window_destination(const struct window *w,
                                       const char *name); /* NULL when it has nothing */
/* The destination, made if need be. To be followed by window_update. */
struct destination *window_reach(struct window *w, const char *name);
/* A new waiting item at the end of the destination's list; id is not in the window yet. */
struct item *window_add(struct window *w, struct destination *d, uint64_t id, int64_t next_ms);
void window_remove(struct window *w, struct item *i);
void window_set_trying(struct window *w, struct item *i); /* a waiting one */
/* The waiting item waits for what has this name, instead of its turn. A parking has no more than
 * what is left of most for all of them together; where it has that, the item leaves the window
 * instead, and the parking notes where it was in the index. */
void window_park(struct window *w, struct item *i, const char *name, uint64_t most);
/* The first of those in the parking wait for their turn again, before those that came later: so
 * many runs of neighbours that have the same destination. */
void window_unstick(struct window *w, struct parking *p, unsigned runs, unsigned inflight_max);
/* In the round exactly when it has waiting items, or more to be fetched that are not kept back by
 * stuck ones, and may have another delivery. Frees a destination that has nothing. */
void window_update(struct window *w, struct destination *d, unsigned inflight_max);
struct destination *
window_next(struct window *w); /* takes the first out of the round; NULL when empty */
/* The store has one of the destination's, due at next_ms, that is not in the window. */
void window_note_more(struct destination *d, int64_t next_ms, uint64_t id);

#endif
