#ifndef QM_MAILDIR_H
#define QM_MAILDIR_H

#include "agent.h"

/* Delivery into the mailbox of an account: <account>/{tmp,new,cur} below this process's root. A
 * message is written and synced in tmp, renamed into new, and new is synced: then it is delivered.
 * Whatever is in tmp after a crash was never acknowledged: what is older than 36 hours is removed,
 * once an hour at most for a mailbox, when something is delivered there. */

/* Delivers a copy for each recipient, and finishes the job. */
void maildir_deliver(struct job *j);

#endif
