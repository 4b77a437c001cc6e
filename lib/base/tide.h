#ifndef QM_TIDE_H
#define QM_TIDE_H

#include <stdbool.h>

/* Memory after a crowd. What many things held for a short while (handshakes, connections) lies in
 * pieces between what stays, and the allocator keeps it, since it gives back by itself only what is
 * free at the very end of its memory. Whoever has such things counts them here. */

struct tide {
    unsigned n, high; /* now; at most, since memory was given back. Zero to begin with */
};

/* One more of them is there. */
void tide_rise(struct tide *t);
/* One is gone, its memory freed. When a quarter of a crowd is left, what is free goes back to the
 * system, page by page. True when that was done. It takes some ms for a hundred MiB, so a crowd is
 * large enough that this is little beside what its things took. */
bool tide_fall(struct tide *t);

#define TIDE_CROWD 512

#endif
