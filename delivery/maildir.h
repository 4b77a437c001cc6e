#ifndef QM_MAILDIR_H
#define QM_MAILDIR_H

#include "agent.h"
#include "boxfolder.h"

/* Delivery into the mailbox of an account: <account>/{tmp,new,cur} below this process's root. A
 * message is written and synced in tmp, renamed into new, and new is synced: then it is delivered.
 * Whatever is in tmp after a crash was never acknowledged: what is older than 36 hours is removed,
 * once an hour at most for a folder, when something is delivered or stored there. */

/* Delivers a copy for each recipient, and finishes the job. */
void maildir_deliver(struct job *j);

/* Removes what is too old from the tmp of this folder of the account ("" the inbox), if its time
 * has come. */
void maildir_sweep(struct agent *a, const struct boxfolder *m, const char *account,
                   const char *folder);

#endif
