#ifndef QM_MAILBOX_H
#define QM_MAILBOX_H

#include "agent.h"

/* The mailbox protocol (proto_mailbox.h), answered: what webapi asks of the accounts' mailboxes.
 * Requests under way take turns, so that a large folder keeps neither another request nor a
 * delivery waiting. */

struct mailbox;
/* For the agent, whose transport's hostname goes into the names of files. */
struct mailbox *mailbox_new(struct agent *a);
void mailbox_free(struct mailbox **m); /* what is under way is not answered */
/* A channel from webapi/N, whose descriptor it takes; the one before is over. */
void mailbox_link(struct mailbox *m, const char *peer, int fd);

#endif
