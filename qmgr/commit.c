#include "commit.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "clock.h"
#include "log.h"
#include "mem.h"

#define ASIDE_A_TURN 16 /* done in one turn of the loop: then others have their turn */

STAILQ_HEAD(changes, change);

struct commit {
    struct store *store;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    /* under lock: */
    struct changes urgent, soon, aside; /* by when they are to be written */
    struct changes finished, aside_finished;
    bool behind; /* one of the urgent ones comes behind all the others */
    bool ending;
    unsigned aside_n; /* in aside */
    int64_t soon_us;  /* until when those in soon wait for company */
    int64_t aside_us; /* until when those that stand aside rest */
    /* the loop's: */
    struct changes again; /* to be tried again when the timer fires */
    struct event *wake, *retry;
    int wake_fd;
    bool ended;                /* the thread is gone */
    size_t count, late, stand; /* not done; of them those that failed, those that stand aside */
};

static void join(struct changes *to, struct changes *from)
{
    STAILQ_CONCAT(to, from);
}

/* All of them in one transaction. 0, or -1 when nothing of it was written; full: for want of room.
 */
static int write_group(struct store *store, struct changes *group, bool *full, struct fail *f)
{
    struct change *c;
    struct store_txn *t = store_begin(store, true);
    STAILQ_FOREACH (c, group, next)
        c->apply(c, t);
    *full = store_is_full(t);
    return store_commit(&t, f);
}

/* When a group fails, one change may be what the store cannot take: each gets a transaction of its
 * own. */
static void write_each(struct store *store, struct changes *group)
{
    struct change *c;
    STAILQ_FOREACH (c, group, next) {
        struct store_txn *t = store_begin(store, true);
        c->apply(c, t);
        if (store_commit(&t, &c->fail) == 0)
            c->fail.text[0] = '\0';
    }
}

/* LMDB refuses everything once it could not write which transaction is the last. Whoever opens the
 * store anew finds the last but one, or this one, whole; so that is done, by the process that
 * follows this one. Nothing of the group was acknowledged. */
static void end_if_dead(struct store *store, const struct fail *f)
{
    if (!store_is_dead(store))
        return;
    log_error(NULL, "the store must be opened anew: this process ends", LS("why", f->text));
    _exit(EX_IOERR);
}

static void write_changes(struct store *store, struct changes *group)
{
    struct fail f = {{0}};
    struct change *c;
    STAILQ_FOREACH (c, group, next)
        c->fail.text[0] = '\0';
    bool full;
    if (write_group(store, group, &full, &f) == 0)
        return;
    log_error(NULL, "transaction failed", LS("why", f.text));
    end_if_dead(store, &f);
    if (full) {
        /* There may be room after all, from what was removed just before. */
        store_advance(store);
        store_advance(store);
    }
    if (full || STAILQ_NEXT(STAILQ_FIRST(group), next) != NULL)
        write_each(store, group);
    else
        STAILQ_FIRST(group)->fail = f;
}

/* With the lock held: when the next group is to be written, by the clock of clock_mono_us. */
static int64_t due_us(const struct commit *k)
{
    int64_t soon = STAILQ_EMPTY(&k->soon) ? INT64_MAX : k->soon_us;
    int64_t aside = STAILQ_EMPTY(&k->aside) ? INT64_MAX : k->aside_us;
    if (k->ending || !STAILQ_EMPTY(&k->urgent))
        return 0;
    return soon < aside ? soon : aside;
}

/* With the lock held. Returns when there is something to write, or the end. */
static void wait_for_changes(struct commit *k)
{
    int64_t due;
    while ((due = due_us(k)) > clock_mono_us()) {
        const struct timespec until = {due / 1000000, due % 1000000 * 1000};
        int rc = due == INT64_MAX ? pthread_cond_wait(&k->arrived, &k->lock)
                                  : pthread_cond_timedwait(&k->arrived, &k->lock, &until);
        assert(rc == 0 || rc == ETIMEDOUT);
    }
}

/* How many of those that stand aside go into the group that is to be written now, with others in
 * it or not. */
static unsigned aside_share(const struct commit *k, bool others, int64_t now)
{
    int64_t since = k->aside_us + (others ? COMMIT_ASIDE_MS * 1000 : 0);
    unsigned part = k->aside_n / COMMIT_ASIDE_PART;
    if (k->ending)
        return UINT_MAX;
    return since > now ? 0 : part > COMMIT_ASIDE_MAX ? part : COMMIT_ASIDE_MAX;
}

/* With the lock held: the group, those that stand aside last; first, where one is to come behind
 * them. Returns whether there are any. */
static bool take_group(struct commit *k, struct changes *group)
{
    struct change *c;
    int64_t now = clock_mono_us();
    bool any = k->behind && k->aside_n > 0;
    if (k->behind) {
        join(group, &k->aside);
        k->aside_n = 0;
    }
    if (k->behind || k->ending || k->soon_us <= now)
        join(group, &k->soon);
    join(group, &k->urgent);
    k->behind = false;
    for (unsigned n = aside_share(k, !STAILQ_EMPTY(group), now);
         n > 0 && (c = STAILQ_FIRST(&k->aside)) != NULL; n--) {
        STAILQ_REMOVE_HEAD(&k->aside, next);
        STAILQ_INSERT_TAIL(group, c, next);
        k->aside_n--;
        any = true;
    }
    return any;
}

/* With the lock held. Whoever came behind all others is done behind them, too. */
static void note_finished(struct commit *k, struct changes *group, bool behind)
{
    struct change *c;
    if (behind) {
        join(&k->finished, &k->aside_finished);
        join(&k->finished, group);
    }
    while ((c = STAILQ_FIRST(group)) != NULL) {
        STAILQ_REMOVE_HEAD(group, next);
        STAILQ_INSERT_TAIL(c->when == COMMIT_ASIDE ? &k->aside_finished : &k->finished, c, next);
    }
}

static void wake_loop(struct commit *k)
{
    const uint64_t one = 1;
    ssize_t ignored = write(k->wake_fd, &one, sizeof one);
    (void)ignored;
}

static int64_t pause_us(int64_t took_us)
{
    int64_t pause = took_us * COMMIT_ASIDE_PAUSE;
    if (pause < COMMIT_ASIDE_MS * 1000)
        return COMMIT_ASIDE_MS * 1000;
    return pause < COMMIT_ASIDE_PAUSE_MAX_MS * 1000 ? pause : COMMIT_ASIDE_PAUSE_MAX_MS * 1000;
}

static void *run(void *arg)
{
    struct commit *k = arg;
    (void)pthread_mutex_lock(&k->lock);
    for (;;) {
        struct changes group = STAILQ_HEAD_INITIALIZER(group);
        wait_for_changes(k);
        bool behind = k->behind;
        bool aside = take_group(k, &group);
        if (STAILQ_EMPTY(&group))
            break;
        (void)pthread_mutex_unlock(&k->lock);
        int64_t began = clock_mono_us();
        write_changes(k->store, &group);
        int64_t ended = clock_mono_us();
        (void)pthread_mutex_lock(&k->lock);
        if (aside)
            k->aside_us = ended + pause_us(ended - began);
        note_finished(k, &group, behind);
        wake_loop(k);
    }
    (void)pthread_mutex_unlock(&k->lock);
    return NULL;
}

static void end_change(struct commit *k, struct change *c, bool last)
{
    bool failed = c->fail.text[0] != '\0';
    if (failed && c->must && !last) {
        const struct timeval second = {1, 0};
        k->late += !c->late;
        c->late = true;
        STAILQ_INSERT_TAIL(&k->again, c, next);
        if (!evtimer_pending(k->retry, NULL))
            (void)evtimer_add(k->retry, &second);
        return;
    }
    k->count--;
    k->stand -= c->when == COMMIT_ASIDE;
    k->late -= c->late;
    c->done(c, failed ? c->fail.text : NULL);
}

static void finish(struct commit *k, bool last)
{
    struct changes done = STAILQ_HEAD_INITIALIZER(done);
    struct change *c;
    (void)pthread_mutex_lock(&k->lock);
    join(&done, &k->finished);
    for (int n = 0; (last || n < ASIDE_A_TURN) && (c = STAILQ_FIRST(&k->aside_finished)); n++) {
        STAILQ_REMOVE_HEAD(&k->aside_finished, next);
        STAILQ_INSERT_TAIL(&done, c, next);
    }
    if (!STAILQ_EMPTY(&k->aside_finished))
        wake_loop(k);
    (void)pthread_mutex_unlock(&k->lock);
    while ((c = STAILQ_FIRST(&done)) != NULL) {
        STAILQ_REMOVE_HEAD(&done, next);
        end_change(k, c, last);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t n;
    ssize_t ignored = read(fd, &n, sizeof n);
    (void)ignored;
    finish(arg, false);
}

/* With the lock held. */
static void begin_patience(struct commit *k)
{
    int64_t until_us = clock_mono_us() + COMMIT_PATIENCE_MS * 1000;
    if (STAILQ_EMPTY(&k->soon))
        k->soon_us = until_us;
    if (STAILQ_EMPTY(&k->aside) && k->aside_us < until_us)
        k->aside_us = until_us;
}

static void hand_over(struct commit *k, struct changes *changes)
{
    struct changes *const list[] = {[COMMIT_NOW] = &k->urgent,
                                    [COMMIT_SOON] = &k->soon,
                                    [COMMIT_ASIDE] = &k->aside,
                                    [COMMIT_BEHIND] = &k->urgent};
    struct change *c;
    (void)pthread_mutex_lock(&k->lock);
    begin_patience(k);
    while ((c = STAILQ_FIRST(changes)) != NULL) {
        STAILQ_REMOVE_HEAD(changes, next);
        STAILQ_INSERT_TAIL(list[c->when], c, next);
        k->behind = k->behind || c->when == COMMIT_BEHIND;
        k->aside_n += c->when == COMMIT_ASIDE;
    }
    (void)pthread_cond_signal(&k->arrived);
    (void)pthread_mutex_unlock(&k->lock);
}

static void on_retry(evutil_socket_t fd, short what, void *arg)
{
    struct commit *k = arg;
    hand_over(k, &k->again);
}

struct commit *commit_new(struct event_base *base, struct store *store)
{
    struct commit *k = mem_zero(sizeof *k);
    k->store = store;
    STAILQ_INIT(&k->urgent);
    STAILQ_INIT(&k->soon);
    STAILQ_INIT(&k->aside);
    STAILQ_INIT(&k->finished);
    STAILQ_INIT(&k->aside_finished);
    STAILQ_INIT(&k->again);
    k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert(k->wake_fd >= 0);
    k->wake = event_new(base, k->wake_fd, EV_READ | EV_PERSIST, on_wake, k);
    k->retry = evtimer_new(base, on_retry, k);
    assert(k->wake != NULL && k->retry != NULL);
    (void)event_add(k->wake, NULL);
    (void)pthread_mutex_init(&k->lock, NULL);
    pthread_condattr_t attributes;
    (void)pthread_condattr_init(&attributes);
    (void)pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    (void)pthread_cond_init(&k->arrived, &attributes);
    (void)pthread_condattr_destroy(&attributes);
    int rc = pthread_create(&k->thread, NULL, run, k);
    assert(rc == 0);
    return k;
}

void commit_free(struct commit **kp)
{
    struct commit *k = *kp;
    if (k == NULL)
        return;
    hand_over(k, &k->again);
    (void)pthread_mutex_lock(&k->lock);
    k->ending = true;
    (void)pthread_cond_signal(&k->arrived);
    (void)pthread_mutex_unlock(&k->lock);
    (void)pthread_join(k->thread, NULL);
    k->ended = true;
    finish(k, true);
    event_free(k->wake);
    event_free(k->retry);
    (void)close(k->wake_fd);
    (void)pthread_mutex_destroy(&k->lock);
    (void)pthread_cond_destroy(&k->arrived);
    mem_free(kp);
}

void commit_add(struct commit *k, struct change *change)
{
    struct changes one = STAILQ_HEAD_INITIALIZER(one);
    STAILQ_INSERT_TAIL(&one, change, next);
    if (!k->ended) {
        k->count++;
        k->stand += change->when == COMMIT_ASIDE;
        hand_over(k, &one);
        return;
    }
    if (change->must)
        write_changes(k->store, &one);
    else
        (void)fail_set(&change->fail, "the queue is closing");
    change->done(change, change->fail.text[0] != '\0' ? change->fail.text : NULL);
}

size_t commit_waiting(const struct commit *k)
{
    return k->count;
}

size_t commit_aside(const struct commit *k)
{
    return k->stand;
}

bool commit_is_late(const struct commit *k)
{
    return k->late > 0;
}
