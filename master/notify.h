#ifndef QM_NOTIFY_H
#define QM_NOTIFY_H

#include "world.h"

/* sd_notify(3), whose protocol is its interface: a datagram to the socket in NOTIFY_SOCKET, when
 * there is one. */

/* Takes NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID out of the environment: children must not
 * speak for us. */
void notify_init(void);
/* Says WATCHDOG=1 twice in each interval that the service manager set. Returns the timer
 * (event_free), or NULL when it set none. */
struct event *notify_watchdog(struct event_base *base);
void notify_ready(const struct world *w); /* READY=1, and a line in the log */
void notify_reloading(void);
void notify_reloaded(void);
void notify_stopping(void);

#endif
