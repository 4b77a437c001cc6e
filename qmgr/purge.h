#ifndef QM_PURGE_H
#define QM_PURGE_H

#include "proto_admin.h"
#include "queue.h"

/* What the store keeps under the name of an account that is not configured any more, counted, or
 * removed in many small transactions. A crash in between leaves less of it: whoever asks again has
 * the rest removed. */

/* Called once, perhaps before purge_start returns. why: NULL, or what prevented all or the rest of
 * it. */
typedef void purge_done(void *arg, const struct admin_purged *purged, const char *why);
/* dry: it is only counted. An account of the configuration is refused, also when it comes there
 * meanwhile. */
void purge_start(struct queue *q, const char *account, bool dry, purge_done *done, void *arg);

#endif
