#ifndef QM_SWEEP_H
#define QM_SWEEP_H

#include "queue.h"

/* Removes the files of large messages that no row names: what a crash left of a message that was
 * never accepted, or was done with. Rows can be millions and on a cold disk, so they are looked
 * through beside everything else, by the reading thread. */

struct sweep;

/* Takes note of the files that are there, before there can be new ones, whose rows may come later
 * than they do. NULL with a sentence when the folders cannot be read. */
struct sweep *sweep_new(struct queue *q, struct fail *f);
/* Begins, when the queue's reading thread is there. Nothing else is to be done for it. No read
 * transaction lasts much longer than slice_us: pages wait for its end to be free. */
enum { SWEEP_SLICE_US = 10000 };
void sweep_begin(struct sweep *s, int64_t slice_us);
/* When the reading thread has ended. What is not done is done after the next start. */
void sweep_free(struct sweep **s);

#endif
