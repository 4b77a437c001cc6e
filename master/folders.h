#ifndef QM_FOLDERS_H
#define QM_FOLDERS_H

#include "world.h"

/* The folders of the suite and whose they are:
 *   <state-dir>/queue         qmgr's root: the store                 0700 queue user
 *   <state-dir>/mail          delivery/local's root: the mailboxes   0700 deliver user
 *   <state-dir>/credentials   account verifiers, read by vault       0600 master
 *   <run-dir>/empty           everybody else's root                  0555 master
 *   <run-dir>/X.sock         master.sock 0600, admin.sock and submit.sock 0666 */

/* Makes what is missing. */
int folders_make(struct world *w, const struct conf *conf, struct fail *f);
/* What the process gets as its root directory; mem_free. NULL for none: without root nobody can
 * change it, and only those who work in a folder of their own are sent there. */
char *folders_root(const struct world *w, const struct process *p);
/* <run-dir>/name or <state-dir>/name; mem_free. */
char *folders_run(const struct conf *conf, const char *name);
char *folders_state(const struct conf *conf, const char *name);

#endif
