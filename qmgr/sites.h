#ifndef QM_SITES_H
#define QM_SITES_H

#include <bsd/sys/queue.h>
#include <stdint.h>

#include "proto_deliver.h"
#include "settings.h"
#include "window.h"

/* How much each place takes that mail is sent to. A place is a destination; or, where a transport
 * hands all its mail to one server, whatever the destination, that server over that transport.
 *
 * It begins with a few deliveries at once, has one more whenever all of them were in use and one
 * ended well, half as many when nobody could be spoken to, and when that happens some times in a
 * row with one alone it is suspended for a while: what is due for it meanwhile is put off without
 * another try. A failure to reach the server of a transport says nothing of a destination; a
 * delivery that ended well lets the destination have more too, so that within what the server takes
 * none has more than any destination may.
 *
 * Of a destination that has nothing in the window all this is forgotten, but for the suspension,
 * and that where very many are suspended. Servers are as few as transports, and are forgotten with
 * the configuration. */

struct pause {
    TAILQ_ENTRY(pause) next;
    struct site *site;
    struct destination *destination;     /* whose site it is; NULL for a server's */
    int64_t since_ms, until_ms;          /* wall clock; a clock that is set back ends it */
    char *transport;                     /* over which it could not be reached */
    char *enhanced, *stage, *host, *why; /* what is said of those put off */
};

/* The one server of a transport. */
struct server {
    SLIST_ENTRY(server) next;
    struct site site;
    unsigned inflight[DUE_CLASSES]; /* of site.inflight */
    unsigned most;                  /* that site.limit may grow to */
    char *transport, *host;
    int port;
};

struct sites {
    struct window *window;
    TAILQ_HEAD(, pause) pauses; /* the first one began first */
    unsigned n;                 /* of destinations */
    SLIST_HEAD(, server) servers;
};

void sites_init(struct sites *s, struct window *w);
void sites_clear(struct sites *s); /* before window_clear */

/* The server that has all mail of this transport, with the number of deliveries that the settings
 * allow it; NULL when there is no one server. Valid until sites_forgive, and longer while a
 * delivery to it is counted. */
struct server *sites_server(struct sites *s, const struct settings *settings,
                            const char *transport);
/* How many deliveries of this class more it may have now, of which each class has its part, and in
 * it such accounts theirs as have nothing being tried (idle); any number when it is NULL. */
unsigned sites_room(const struct server *server, enum due_class class, bool idle);
/* One to it begins, or ends; nothing when it is NULL. */
void sites_begin(struct server *server, enum due_class class);
void sites_end(struct server *server, enum due_class class);
/* A delivery to d ended, over this transport to this server (NULL: to one of the destination's
 * own), which is no longer counted with either. pause_ms: how long a place is suspended,
 * 0 for never. Returns the suspension when it has one from now on, else NULL. d is to be updated
 * afterwards. */
const struct pause *sites_note(struct sites *s, struct destination *d, struct server *server,
                               const char *transport, enum due_class class,
                               const struct deliver_result *results, uint32_t n, int64_t now_ms,
                               int64_t pause_ms);
/* Why nothing is sent to d that way now, or NULL. Valid until the next call. */
const struct pause *sites_pause(const struct destination *d, const struct server *server,
                                const char *transport, int64_t now_ms);
/* Forgets the suspensions that are over; or all of them, with what is known of servers. */
void sites_expire(struct sites *s, int64_t now_ms);
void sites_forgive(struct sites *s);

#endif
