#ifndef QM_RELOAD_H
#define QM_RELOAD_H

#include "world.h"

/* A new configuration, all or nothing: the file is read and checked, new sockets are bound, every
 * process prepares; only when all are ready does any of them change. Otherwise everything stays as
 * it was. */

/* why: NULL when the new configuration is in use, else what is wrong, possibly several lines. */
typedef void reload_on_done(void *arg, const char *why);

/* Begins one; on_done may come before it returns. While one is under way a second is refused. */
void reload_begin(struct world *w, reload_on_done *on_done, void *arg);
/* Ends the one that is under way, if there is one: everything stays as it was. */
void reload_cancel(struct world *w, const char *why);
/* As reload_begin, with the configuration that is in use: for files it names that have changed. */
void reload_files(struct world *w, reload_on_done *on_done, void *arg);
/* The same for vault alone: a secret that one of them holds is another one. */
void reload_secrets(struct world *w, reload_on_done *on_done, void *arg);

#endif
