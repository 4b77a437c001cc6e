#ifndef QM_COMMIT_H
#define QM_COMMIT_H

#include <stdbool.h>

#include <bsd/sys/queue.h>
#include <event2/event.h>

#include "fail.h"
#include "store.h"

/* The thread that writes. The event loop hands it changes; it takes all that wait, but for those
 * that stand aside, applies them in one transaction, and tells the loop when they are on stable
 * storage. Changes that arrive meanwhile go into the next transaction, so a busy disk makes larger
 * groups and an idle one makes a change that somebody waits for wait for nothing. */

/* How long a change that nobody waits for lets others pass; then it goes with the next of them, or
 * alone. Each transaction costs two syncs, whatever is in it, so many of these share one; and it
 * costs the more the more pages are in it, so most of those that somebody waits for go without. */
#define COMMIT_PATIENCE_MS 5
/* Changes that stand aside: so many in a transaction, or a fourth of those that wait if that is
 * more; with so long a pause after each, or nine times what it took if that is longer. So what
 * somebody waits for meets a transaction of theirs at a tenth of all times, at most, and it is a
 * short one. 2000 in a second are written where a transaction takes a ms, 1000 where it takes 5 ms,
 * 90 on a disk that takes 50 ms: more when more wait. */
#define COMMIT_ASIDE_MAX 50
#define COMMIT_ASIDE_PART 4
#define COMMIT_ASIDE_MS 25
#define COMMIT_ASIDE_PAUSE 9
#define COMMIT_ASIDE_PAUSE_MAX_MS 500

struct commit;

enum commit_when {
    /* Somebody waits for it. */
    COMMIT_NOW,
    /* Nobody waits for it, but not for long: a crash that forgets it has something done twice. */
    COMMIT_SOON,
    /* Nothing is lost but a little work when a crash forgets it, and there may be many at a time:
     * transactions of their own, while no other change waits, as long as one comes to that in time;
     * COMMIT_ASIDE_MS after it could have been it goes with the others. */
    COMMIT_ASIDE,
    /* Somebody waits for it, and it must find what all changes before it left, those that stand
     * aside too: they are written with it, before it, and done before it. */
    COMMIT_BEHIND,
};

struct change {
    STAILQ_ENTRY(change) next;
    /* In the writing thread, inside a transaction, after the changes of its kind before it, and
     * after all of them where it comes behind. May run again if the
     * transaction fails. Failures of the store stick to the transaction. */
    void (*apply)(struct change *c, struct store_txn *t);
    /* In the event loop, in the order of apply. why is NULL when the change is on stable
     * storage, else what prevented it; then nothing of it is there. Frees the change. */
    void (*done)(struct change *c, const char *why);
    /* What must not be lost because the disk is full just now, such as the result of a delivery: it
     * is tried again, once a second, until it is on stable storage. done then only ever comes with
     * NULL, unless the process ends. */
    bool must;
    enum commit_when when;
    struct fail fail; /* used by commit */
    bool late;        /* so is this: it must be written, and could not be so far */
};

struct commit *commit_new(struct event_base *base, struct store *store);
/* Takes what still waits, writes it, ends the thread. done has been called for all. What a done
 * adds is written at once if it must be, and otherwise refused. */
void commit_free(struct commit **c);
void commit_add(struct commit *c, struct change *change);
size_t commit_waiting(const struct commit *c); /* changes that are not yet done */
size_t commit_aside(const struct commit *c);   /* of them those that stand aside */
/* Whether one that must be written has failed, and has not been written since. */
bool commit_is_late(const struct commit *c);

#endif
