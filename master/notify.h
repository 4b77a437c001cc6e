#ifndef QM_NOTIFY_H
#define QM_NOTIFY_H

#include "world.h"

/* sd_notify(3), whose protocol is its interface: a datagram to the socket in NOTIFY_SOCKET, when
 * there is one. */

void notify_init(
    void); /* takes NOTIFY_SOCKET out of the environment: children must not speak for us */
void notify_ready(const struct world *w); /* READY=1, and a line in the log */
void notify_reloading(void);
void notify_reloaded(void);
void notify_stopping(void);

#endif
