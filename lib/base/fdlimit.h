#ifndef QM_FDLIMIT_H
#define QM_FDLIMIT_H

/* The limit of descriptors (RLIMIT_NOFILE). Every connection is one, and every message under way,
 * so it bounds how much a process can do at once. */

/* Raises this process's limit, and so that of its children, to as many as the machine lets us have,
 * within reason: up to the hard limit, 65536 at most. */
void fdlimit_raise(void);

/* How many things of `each` descriptors the process may have at once: wanted, or as many as the
 * limit leaves room for beside what every process has, one at least. */
unsigned fdlimit_room(unsigned wanted, unsigned each);
/* How many messages one of so many processes that hand qmgr new ones may have with it at once, most
 * of all: qmgr has the same limit, and makes three parts of its descriptors: messages on their way
 * out, kept for their first attempt, and new. The last is for all of those processes together. */
unsigned fdlimit_messages(unsigned most, unsigned processes);
/* As fdlimit_room, and where it is fewer than wanted that is said in the log. what: the setting, as
 * "smtp.connections". */
unsigned fdlimit_fit(const char *what, unsigned wanted, unsigned each);

#endif
