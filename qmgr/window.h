#ifndef QM_WINDOW_H
#define QM_WINDOW_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "tables.h"
#include "trees.h"

/* A window of what is due, in memory: in streams (the mail of one account to one destination, or
 * the webhooks to one URL), grouped by destination. What was never tried and what was put off
 * before each have a round of the destinations that have such work; a destination's turn goes round
 * its streams. Who may have how much of the window is the business of whoever fills it. */

struct destination;

enum item_state {
    ITEM_WAITING, /* in its stream's items */
    ITEM_STUCK,   /* in a parking: waits for something that window_unstick tells of */
    ITEM_TRYING,  /* in no list */
};

struct item {
    RB_ENTRY(item) by_id;
    TAILQ_ENTRY(item) next;
    struct stream *stream;
    struct parking *parking; /* while it is stuck */
    uint64_t id;
    int64_t next_ms; /* what the index said of it */
    enum item_state state;
};
TAILQ_HEAD(items, item);

struct stream {
    RB_ENTRY(stream) by_id;
    TAILQ_ENTRY(stream) turn;
    struct destination *destination;
    struct stream_id id;
    enum due_class class;
    struct items items;
    unsigned waiting; /* in items */
    unsigned parked;  /* in parkings */
    unsigned trying;
    bool more;       /* the store has due ones that are not in the window */
    int64_t more_ms; /* and none of those is before this place, where that is known */
    uint64_t more_id;
    bool in_turns;
    struct parking *right; /* the last one that let items of this go on, for one delivery */
};
TAILQ_HEAD(streams, stream);

/* A destination's work of one class. */
struct side {
    TAILQ_ENTRY(side) round;
    struct destination *destination;
    struct streams turns; /* those that have something for a delivery */
    unsigned waiting, parked;
    bool in_round;
};
TAILQ_HEAD(sides, side);

/* How much one place takes (sites.h). */
struct site {
    unsigned inflight; /* deliveries or calls; whoever begins one counts it */
    unsigned limit;    /* how many of those it may have at once */
    unsigned failed;
    struct pause *pause;
};

struct destination {
    RB_ENTRY(destination) by_hash;
    uint64_t hash;
    struct side sides[DUE_CLASSES];
    unsigned streams;
    struct site site; /* a destination with a pause is not forgotten */
};

/* Those of one class that wait for the same thing, such as a transport, whatever their
 * destinations. */
struct parking {
    SLIST_ENTRY(parking) next;
    enum due_class class;
    struct items items;
    uint64_t n;
    unsigned rights; /* streams that have a right of this one */
    bool more;       /* one had no place here; the first of them in the index was at this place */
    int64_t more_ms;
    uint64_t more_id;
    char name[];
};

RB_HEAD(item_tree, item);
RB_HEAD(stream_tree, stream);
RB_HEAD(destination_tree, destination);

/* What there is of one class. */
struct half {
    struct sides round;
    unsigned round_n;
    uint64_t count, parked; /* items */
    uint64_t streams;
    unsigned turned_away; /* by window_park; whoever looks at it sets it to 0 */
};

struct window {
    struct item_tree items;
    struct stream_tree streams;
    struct destination_tree destinations;
    struct half halves[DUE_CLASSES];
    uint64_t count, trying;
    uint64_t octets[DUE_CLASSES];   /* of the messages being tried; whoever begins counts them */
    unsigned limit, limit_max;      /* of a destination: to begin with, and at most */
    SLIST_HEAD(, parking) parkings; /* as many as there are things to wait for: few */
};

/* How much of a whole (places, connections) a class may have: what was put off before half of it,
 * new work all but an eighth, so that each always finds some, one at least. */
uint64_t window_part(enum due_class class, uint64_t whole);

void window_init(struct window *w);
void window_clear(struct window *w);
/* How many deliveries a destination may have, to begin with and at most. */
void window_limit(struct window *w, unsigned begin, unsigned most);
struct item *window_find(const struct window *w, uint64_t id);
struct destination *window_destination(const struct window *w,
                                       uint64_t hash); /* NULL when it has nothing */
/* The stream, made if need be, with its destination. To be followed by window_update. */
struct stream *window_reach(struct window *w, struct stream_id id, enum due_class class);
/* A new waiting item at the end of the stream's list; id is not in the window yet. */
struct item *window_add(struct window *w, struct stream *s, uint64_t id, int64_t next_ms);
void window_remove(struct window *w, struct item *i);
void window_set_trying(struct window *w, struct item *i); /* a waiting one */
/* The waiting item waits for what has this name, instead of its turn. A parking has no more than
 * what is left of most for all of its class together; where it has that, the item leaves the window
 * instead, and the parking notes where it was in the index. */
void window_park(struct window *w, struct item *i, const char *name, uint64_t most);
/* The first of those in the parking wait for their turn again, which is the next one, since they
 * had one that they could not use: so many runs of neighbours that have the same stream. Each such
 * stream has the right to a delivery, until it has begun one or waits in that parking again. */
void window_unstick(struct window *w, struct parking *p, unsigned runs);
/* Whether others are before the stream in what has this name: some wait for it, or were let go on
 * and have not begun, and it was not its turn. Without this the destination whose delivery has just
 * ended would always be there first. */
bool window_is_behind(const struct window *w, const struct stream *s, const char *name);
/* The stream begins a delivery. */
void window_use_right(struct stream *s);
/* The stream has changed: it is in its destination's turns exactly when it has waiting items, or
 * more to be fetched that are not kept back by stuck ones. Then as window_update_destination. Frees
 * a stream that has nothing. */
void window_update(struct window *w, struct stream *s);
/* The destination is in a round exactly when there are streams in its turns and it may have another
 * delivery. Frees one that has nothing and no pause. */
void window_update_destination(struct window *w, struct destination *d);
/* Takes the first destination out of the class's round, and returns its stream whose turn it is,
 * which goes to the end of those turns; NULL when the round is empty. */
struct stream *window_next(struct window *w, enum due_class class);
/* The store has one of the stream's, due at next_ms, that is not in the window. */
void window_note_more(struct stream *s, int64_t next_ms, uint64_t id);

#endif
