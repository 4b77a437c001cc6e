#ifndef QM_WINDOW_H
#define QM_WINDOW_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include "tables.h"
#include "trees.h"

/* A window of what is due, in memory: in streams (the mail of one account to one destination, or
 * the webhooks to one URL). What was never tried and what was put off before each have a round of
 * the accounts that have such work; an account's turn goes round its destinations, and where more
 * than one account waits for a destination, that one's turn goes round them. Who may have how much
 * of the window is the business of whoever fills it. */

struct destination;

/* Some are in the store only; the first of them in the index is at this place, or none is before
 * it. */
struct more {
    bool any;
    int64_t next_ms;
    uint64_t id;
};

enum item_state {
    ITEM_WAITING, /* in its stream's items */
    ITEM_STUCK,   /* in a parking: waits for something that window_unstick tells of */
    ITEM_TRYING,  /* in no list */
};

struct item {
    RB_ENTRY(item) by_id;
    TAILQ_ENTRY(item) next;
    struct stream *stream;
    struct line *line;    /* while it is stuck */
    uint64_t id, message; /* the latter is known once it was stuck */
    int64_t next_ms;      /* what the index said of it */
    enum item_state state;
};
TAILQ_HEAD(items, item);

struct stream {
    RB_ENTRY(stream) by_id;
    TAILQ_ENTRY(stream) turn, own_turn;
    struct destination *destination;
    struct owner *owner;
    struct stream_id id;
    enum due_class class;
    struct items items;
    unsigned waiting; /* in items */
    unsigned parked;  /* in parkings for a transport */
    unsigned lacking; /* in those for memory: they don't keep others of the stream out */
    unsigned trying;
    struct more more;      /* due ones that are not in the window */
    bool in_turns;         /* of its destination */
    bool in_own_turns;     /* of its owner */
    struct parking *right; /* the last one that let items of this go on */
    unsigned rights;       /* for so many deliveries */
};
TAILQ_HEAD(streams, stream);

/* Of messages that are being delivered (bodies.h): all, and the small ones among them. */
struct octets {
    uint64_t all, small;
};

/* An account's work of one class. */
struct owner {
    RB_ENTRY(owner) by_id;
    TAILQ_ENTRY(owner) round, behind;
    uint64_t account;
    enum due_class class;
    struct streams turns; /* those that have something for a delivery, and may have one */
    SLIST_HEAD(, line) lines;
    uint64_t count, streams; /* items; streams */
    unsigned trying;         /* items */
    unsigned turned_away;    /* by window_park, since window_forget_turned_away */
    struct octets octets;    /* bodies.c counts them; such an owner has streams, too */
    bool in_round;
    struct more more; /* due ones that were passed over, whatever their destinations */
};
TAILQ_HEAD(owners, owner);

/* A destination's work of one class. */
struct side {
    struct streams turns;     /* those that have something for a delivery */
    unsigned waiting, parked; /* of its streams */
    bool may;                 /* have another delivery */
};

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

/* What an item waits for that could not use its turn. */
enum need {
    NEED_TRANSPORT, /* the one of this name, or the server that it leads to */
    NEED_MEMORY,    /* for its message (bodies.h), of whatever size; no name */
    NEED_SMALL,     /* the same, for a small one */
};

/* Those of one class that wait for the same thing, whatever their destinations: a line of each
 * account, which take turns. */
struct parking {
    SLIST_ENTRY(parking) next;
    enum due_class class;
    enum need need;
    TAILQ_HEAD(, line) lines; /* such as have items; the first one has the next turn */
    uint64_t n;
    unsigned idle_n; /* lines of owners that have nothing being tried */
    unsigned rights; /* of streams, through this one */
    char name[];
};

struct line {
    TAILQ_ENTRY(line) turn;
    SLIST_ENTRY(line) of_owner;
    struct owner *owner;
    struct parking *parking;
    struct items items;
    uint64_t n;
    struct more more; /* had no place here */
};

RB_HEAD(item_tree, item);
RB_HEAD(stream_tree, stream);
RB_HEAD(destination_tree, destination);
RB_HEAD(owner_tree, owner);

/* What there is of one class. */
struct half {
    struct owners round;
    unsigned round_n,
        idle_n;             /* streams in its owners' turns; owners that have nothing being tried */
    uint64_t count, parked; /* items */
    uint64_t streams;
    struct owners behind; /* of whose some were passed over */
};

struct window {
    struct item_tree items;
    struct stream_tree streams;
    struct destination_tree destinations;
    struct owner_tree owners;
    struct half halves[DUE_CLASSES];
    uint64_t count, trying;
    unsigned limit, limit_max;      /* of a destination: to begin with, and at most */
    SLIST_HEAD(, parking) parkings; /* as many as there are things to wait for: few */
};

/* How much of a whole (places, connections) a class may have: what was put off before half of it,
 * new work all but an eighth, so that each always finds some, one at least. */
uint64_t window_part(enum due_class class, uint64_t whole);
/* The same of deliveries or connections, for an account that has some already (not idle): the last
 * 16th of the part is for those that have none. */
uint64_t window_part_of(enum due_class class, uint64_t whole, bool idle);

void window_init(struct window *w);
void window_clear(struct window *w);
/* How many deliveries a destination may have, to begin with and at most. */
void window_limit(struct window *w, unsigned begin, unsigned most);
struct item *window_find(const struct window *w, uint64_t id);
struct destination *window_destination(const struct window *w,
                                       uint64_t hash); /* NULL when it has nothing */
struct stream *window_stream(const struct window *w, struct stream_id id,
                             enum due_class class); /* NULL, likewise */
struct owner *window_owner(const struct window *w, uint64_t account,
                           enum due_class class); /* NULL, likewise */
/* The stream, made if need be, with its destination and owner. To be followed by window_update. */
struct stream *window_reach(struct window *w, struct stream_id id, enum due_class class);
/* A new waiting item at the end of the stream's list; id is not in the window yet. */
struct item *window_add(struct window *w, struct stream *s, uint64_t id, int64_t next_ms);
void window_remove(struct window *w, struct item *i);
void window_set_trying(struct window *w, struct item *i); /* a waiting one */
/* The waiting item, of this message, waits for what has this name, instead of its turn. Of most for
 * all of its class together an account has no more in a parking than is left to others, but one at
 * least; where it has that, the item leaves the window instead, and when none of the account's
 * waits there any more, that counts as passed over. */
void window_park(struct window *w, struct item *i, uint64_t message, const char *name,
                 uint64_t most);
/* The same for memory. Those behind it in the stream are fetched and looked at all the same: other
 * messages are smaller. */
void window_park_for_memory(struct window *w, struct item *i, uint64_t message, bool small,
                            uint64_t most);
/* Some of those in the parking wait for their turn again, which is the next one, since they had one
 * that they could not use: so many runs, one of each account in turn, or of each that may. A run
 * are neighbours that have the same message, which takes its memory once; for a transport the same
 * stream, too, which is what a delivery can take: with each such run the stream has the right to a
 * delivery, until it has begun one or waits in that parking again. */
typedef bool window_may(const void *arg, const struct owner *o);
void window_unstick(struct window *w, struct parking *p, unsigned runs, window_may *may,
                    const void *arg);                        /* may: NULL for all */
bool window_is_idle(const void *arg, const struct owner *o); /* it has nothing being tried */
/* Whether others are before the stream in what has this name: some wait for it, or were let go on
 * and have not begun, and it was not its turn. Without this the destination whose delivery has just
 * ended would always be there first. */
bool window_is_behind(const struct window *w, const struct stream *s, const char *name);
/* The stream begins a delivery: it has one right less. */
void window_use_right(struct stream *s);
/* The stream has changed: it is in its destination's turns exactly when it has waiting items, or
 * more to be fetched that are not kept back by stuck ones. Then as window_update_destination. Frees
 * a stream that has nothing. */
void window_update(struct window *w, struct stream *s);
/* Its streams that have something are in their owners' turns exactly when the destination may have
 * another delivery. Frees one that has nothing and no pause. */
void window_update_destination(struct window *w, struct destination *d);
/* Takes the stream whose turn it is out of the class's round, for which window_update puts it back,
 * behind others; NULL when the round is empty. It is the first of the destination that is the first
 * of the account whose turn it is, though it may be another account's: then that one had its turn.
 * idle: only of an account that has nothing being tried. */
struct stream *window_next(struct window *w, enum due_class class, bool idle);
/* The store has one of the stream's, due at next_ms, that is not in the window. */
void window_note_more(struct stream *s, int64_t next_ms, uint64_t id);
/* The same of an account's, where its stream is not in the window either. */
void window_pass_over(struct window *w, uint64_t account, enum due_class class, int64_t next_ms,
                      uint64_t id);
/* What was passed over is fetched now: as far as is known, it is nothing. To be followed by
 * window_update_owner. */
void window_catch_up(struct window *w, struct owner *o);
void window_update_owner(struct window *w, struct owner *o); /* frees one that has nothing */
void window_forget_turned_away(struct window *w);            /* of all owners */

#endif
