#ifndef QM_FOLDERS_H
#define QM_FOLDERS_H

#include "world.h"

/* The folders of the suite and whose they are:
 *   <state-dir>/queue         qmgr's root: the store                 0700 queue user
 *   <state-dir>/mail          delivery/local's root: the mailboxes   0700 deliver user
 *   <state-dir>/credentials   account verifiers, read by vault       0600 master
 *   where its socket lies     root of a transport that delivers to a local socket
 *   <run-dir>/empty           everybody else's root                  0555 master
 *   <run-dir>/X.sock         master.sock 0600, admin.sock and submit.sock 0666 */

/* Makes what is missing. As root it refuses a state-dir or run-dir that others could write to. */
int folders_make(struct world *w, const struct conf *conf, struct fail *f);
/* Two suites must not work with one queue, wherever their sockets are. Returns a descriptor that
 * holds the lock until it is closed; -1 with a sentence, also when another suite has it. */
int folders_lock(const struct conf *conf, struct fail *f);
/* What the process gets as its root directory; mem_free. NULL for none: without root nobody can
 * change it, and only those who work in a folder of their own are sent there. */
char *folders_root(const struct world *w, const struct process *p);
/* <run-dir>/name or <state-dir>/name; mem_free. */
char *folders_run(const struct conf *conf, const char *name);
char *folders_state(const struct conf *conf, const char *name);

#endif
