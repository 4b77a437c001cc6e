#ifndef QM_WORKER_H
#define QM_WORKER_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stddef.h>

#include <event2/event.h>

/* A thread for work that may wait for the disk but writes no row: copying a message out of the
 * store, writing the file of a large one; another one looks through the store for operators. */

struct work {
    STAILQ_ENTRY(work) next;
    void (*run)(struct work *w);  /* in the thread */
    void (*done)(struct work *w); /* in the loop; frees the work */
};

struct worker;
struct worker *worker_new(struct event_base *base);
/* Runs what waits, calls every done. What a done adds is run at once, in the loop's thread. */
void worker_free(struct worker **w);
void worker_add(struct worker *w, struct work *work);
/* Whether it is being freed, so that a done should add no more. */
bool worker_is_over(const struct worker *w);
size_t worker_waiting(const struct worker *w); /* works that are not yet done */

#endif
