#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "mem.h"
#include "worker.h"

#define DONE_A_TURN 16 /* of the loop: then others have their turn */

STAILQ_HEAD(works, work);

struct worker {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t arrived;
    struct works waiting, finished; /* under lock */
    struct event *wake;
    int wake_fd;
    bool ending; /* under lock */
    bool ended;  /* the loop's: the thread is gone */
    size_t count;
};

static void wake_loop(struct worker *k)
{
    const uint64_t one = 1;
    ssize_t ignored = write(k->wake_fd, &one, sizeof one);
    (void)ignored;
}

static void *run(void *arg)
{
    struct worker *k = arg;
    struct work *w;
    (void)pthread_mutex_lock(&k->lock);
    for (;;) {
        while (STAILQ_EMPTY(&k->waiting) && !k->ending)
            (void)pthread_cond_wait(&k->arrived, &k->lock);
        if ((w = STAILQ_FIRST(&k->waiting)) == NULL)
            break;
        STAILQ_REMOVE_HEAD(&k->waiting, next);
        (void)pthread_mutex_unlock(&k->lock);
        w->run(w);
        (void)pthread_mutex_lock(&k->lock);
        STAILQ_INSERT_TAIL(&k->finished, w, next);
        wake_loop(k);
    }
    (void)pthread_mutex_unlock(&k->lock);
    return NULL;
}

static void finish(struct worker *k)
{
    struct works done = STAILQ_HEAD_INITIALIZER(done);
    struct work *w;
    (void)pthread_mutex_lock(&k->lock);
    for (int n = 0; (k->ended || n < DONE_A_TURN) && (w = STAILQ_FIRST(&k->finished)); n++) {
        STAILQ_REMOVE_HEAD(&k->finished, next);
        STAILQ_INSERT_TAIL(&done, w, next);
    }
    if (!STAILQ_EMPTY(&k->finished))
        wake_loop(k);
    (void)pthread_mutex_unlock(&k->lock);
    while ((w = STAILQ_FIRST(&done)) != NULL) {
        STAILQ_REMOVE_HEAD(&done, next);
        k->count--;
        w->done(w);
    }
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
    uint64_t n;
    ssize_t ignored = read(fd, &n, sizeof n);
    (void)ignored;
    finish(arg);
}

struct worker *worker_new(struct event_base *base)
{
    struct worker *k = mem_zero(sizeof *k);
    STAILQ_INIT(&k->waiting);
    STAILQ_INIT(&k->finished);
    k->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    assert(k->wake_fd >= 0);
    k->wake = event_new(base, k->wake_fd, EV_READ | EV_PERSIST, on_wake, k);
    assert(k->wake != NULL);
    (void)event_add(k->wake, NULL);
    (void)pthread_mutex_init(&k->lock, NULL);
    (void)pthread_cond_init(&k->arrived, NULL);
    int rc = pthread_create(&k->thread, NULL, run, k);
    assert(rc == 0);
    return k;
}

void worker_free(struct worker **kp)
{
    struct worker *k = *kp;
    if (k == NULL)
        return;
    (void)pthread_mutex_lock(&k->lock);
    k->ending = true;
    (void)pthread_cond_signal(&k->arrived);
    (void)pthread_mutex_unlock(&k->lock);
    (void)pthread_join(k->thread, NULL);
    k->ended = true;
    finish(k);
    event_free(k->wake);
    (void)close(k->wake_fd);
    (void)pthread_mutex_destroy(&k->lock);
    (void)pthread_cond_destroy(&k->arrived);
    mem_free(kp);
}

void worker_add(struct worker *k, struct work *work)
{
    if (k->ended) {
        work->run(work);
        work->done(work);
        return;
    }
    k->count++;
    (void)pthread_mutex_lock(&k->lock);
    STAILQ_INSERT_TAIL(&k->waiting, work, next);
    (void)pthread_cond_signal(&k->arrived);
    (void)pthread_mutex_unlock(&k->lock);
}

bool worker_is_over(const struct worker *k)
{
    return k->ended;
}

size_t worker_waiting(const struct worker *k)
{
    return k->count;
}
