#ifndef QM_LISTEN_H
#define QM_LISTEN_H

#include "world.h"

/* The sockets that need root, or a place in the file system, to be bound. One stays the same across
 * reloads as long as its purpose does. */

/* Binds what conf wants and is not there yet, and marks all it wants. On failure what was bound
 * anew is closed again and the marks are those of before. */
int listen_prepare(struct world *w, const struct conf *conf, struct fail *f);
/* Closes what is no longer marked. */
void listen_commit(struct world *w);
void listen_abort(struct world *w); /* closes what listen_prepare bound, marks as before */
void listen_close_all(struct world *w);

/* A listening AF_UNIX SOCK_SEQPACKET (or SOCK_STREAM) socket at path, replacing a stale one. -1
 * with a sentence. */
int listen_unix(const char *path, int type, unsigned mode, struct fail *f);

#endif
