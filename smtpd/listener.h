#ifndef QM_SMTPD_LISTENER_H
#define QM_SMTPD_LISTENER_H

#include "server.h"

/* The listening sockets of the settings in use. Several processes share each of them. */

struct listener;

/* Listens on the ports of the server's settings, whose descriptors it takes. */
struct listener *listener_new(struct server *sv);
/* Closes them; connections made stay. NULL is let be. */
void listener_free(struct listener **l);

#endif
