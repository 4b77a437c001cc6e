#include "commit.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

STAILQ_HEAD(changes, change);

struct commit {
    struct store *store;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct changes waiting, finished; /* under lock */
    bool urgent;                      /* under lock: one of those that wait is not patient */
    struct timespec patience;         /* under lock: until when the others wait for such a one */
    struct changes again;             /* the loop's: to be tried again when the timer fires */
    struct event *wake, *retry;
    int wake_fd;
    bool ending; /* under lock */
    bool ended;  /* the loop's: the thread is gone */
    size_t count, late;
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

/* With the lock held. Returns when there is something to write, or the end. */
static void wait_for_changes(struct commit *k)
{
    int rc = 0;
    while (!k->ending && !k->urgent && rc != ETIMEDOUT) {
        if (STAILQ_EMPTY(&k->waiting))
            rc = pthread_cond_wait(&k->arrived, &k->lock);
        else
            rc = pthread_cond_timedwait(&k->arrived, &k->lock, &k->patience);
        assert(rc == 0 || rc == ETIMEDOUT);
    }
    k->urgent = false;
}

static void *run(void *arg)
{
    struct commit *k = arg;
    const uint64_t one = 1;
    (void)pthread_mutex_lock(&k->lock);
    for (;;) {
        struct changes group = STAILQ_HEAD_INITIALIZER(group);
        wait_for_changes(k);
        if (STAILQ_EMPTY(&k->waiting))
            break;
        join(&group, &k->waiting);
        (void)pthread_mutex_unlock(&k->lock);
        write_changes(k->store, &group);
        (void)pthread_mutex_lock(&k->lock);
        join(&k->finished, &group);
        ssize_t ignored = write(k->wake_fd, &one, sizeof one);
        (void)ignored;
    }
    (void)pthread_mutex_unlock(&k->lock);
    return NULL;
}

static void finish(struct commit *k, bool last)
{
    struct changes done = STAILQ_HEAD_INITIALIZER(done);
    struct change *c;
    (void)pthread_mutex_lock(&k->lock);
    join(&done, &k->finished);
    (void)pthread_mutex_unlock(&k->lock);
    while ((c = STAILQ_FIRST(&done)) != NULL) {
        STAILQ_REMOVE_HEAD(&done, next);
        bool failed = c->fail.text[0] != '\0';
        if (failed && c->must && !last) {
            const struct timeval second = {1, 0};
            k->late += !c->late;
            c->late = true;
            STAILQ_INSERT_TAIL(&k->again, c, next);
            if (!evtimer_pending(k->retry, NULL))
                (void)evtimer_add(k->retry, &second);
            continue;
        }
        k->count--;
        k->late -= c->late;
        c->done(c, failed ? c->fail.text : NULL);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t n;
    ssize_t ignored = read(fd, &n, sizeof n);
    (void)ignored;
    finish(arg, false);
}

static struct timespec patience(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_nsec += COMMIT_PATIENCE_MS * 1000000L;
    t.tv_sec += t.tv_nsec / 1000000000L;
    t.tv_nsec %= 1000000000L;
    return t;
}

static void hand_over(struct commit *k, struct changes *changes)
{
    const struct change *c;
    (void)pthread_mutex_lock(&k->lock);
    STAILQ_FOREACH (c, changes, next)
        k->urgent = k->urgent || !c->patient;
    if (STAILQ_EMPTY(&k->waiting))
        k->patience = patience();
    join(&k->waiting, changes);
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
    STAILQ_INIT(&k->waiting);
    STAILQ_INIT(&k->finished);
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

bool commit_is_late(const struct commit *k)
{
    return k->late > 0;
}
