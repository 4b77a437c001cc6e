#ifndef QM_POOL_H
#define QM_POOL_H

#include "session.h"

/* The transport's connections: how many there are, which of them idle and for whom, and who waits
 * for one. An idle connection is used again only for the same destination and host, under
 * the same configuration (so from the same address, under the same name), where the same is asked
 * of TLS. */

/* An empty one for the agent, which must outlive it; free closes what idles. Nobody may wait or
 * hold a connection then. */
struct pool *pool_new(struct agent *a);
void pool_free(struct pool **p);

/* A wait for the right to have a connection. Embedded in whoever waits. */
struct pool_wait {
    void (*on_turn)(
        struct pool_wait *w); /* comes once: from the loop, or before pool_enter returns */
    struct pool_wait *next;
    bool queued;
};
void pool_enter(struct pool *p, struct pool_wait *w);
void pool_leave(struct pool *p); /* gives the right back: the connection is closed, or idles */
void pool_cancel(struct pool *p, struct pool_wait *w); /* no longer waits; nothing if it does not */
/* The agent's transport is another one: connections that idle for the one before go, and its limit
 * may let more have their turn. */
void pool_reload(struct pool *p);

/* An idle session with this host for this destination that carries what is to go under policy, for
 * one of j's recipients at least, or NULL. It counts as a connection of its new owner, who entered
 * before and sets it (session_set_owner). */
struct session *pool_take(struct pool *p, const struct transport *t, const char *destination,
                          const char *host, const struct tlspolicy *policy, const struct job *j);
/* The host of the session for this destination that has idled longest; NULL when there is none. */
const char *pool_host(const struct pool *p, const struct transport *t, const char *destination);
/* Keeps a ready session for later, or says goodbye if it may not be kept. The owner leaves
 * afterwards. */
void pool_keep(struct pool *p, struct session *s, struct transport *t, const char *destination);
void pool_stop(struct pool *p); /* keeps nothing from now on */

#endif
