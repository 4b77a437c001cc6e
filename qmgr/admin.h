#ifndef QM_ADMIN_H
#define QM_ADMIN_H

#include "queue.h"

/* The operators' view of the queue, over the admin socket: lists in pages, one recipient with its
 * history, and actions on all that match a filter. */

struct admin;
struct admin *admin_new(struct queue *q);
void admin_free(struct admin **a);
/* A listening SEQPACKET socket; takes fd; replaces the one before. trusted_uid may act, and root.
 */
void admin_listen(struct admin *a, int fd);
void admin_trust(struct admin *a, int64_t uid, int64_t gid);

#endif
