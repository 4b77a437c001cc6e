#ifndef QM_WORKER_H
#define QM_WORKER_H

#include <bsd/sys/queue.h>
#include <event2/event.h>

/* The thread for work that may wait for the disk but writes no row: copying a message out of the store, writing the file
 * of a large one. */

struct work {
    STAILQ_ENTRY(work) next;
    void (*run)(struct work *w);  /* in the thread */
    void (*done)(struct work *w); /* in the loop; frees the work */
};

struct worker;
struct worker *worker_new(struct event_base *base);
void worker_free(struct worker **w); /* runs what waits, calls every done */
void worker_add(struct worker *w, struct work *work);

#endif
