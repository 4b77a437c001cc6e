#ifndef QM_SITES_H
#define QM_SITES_H

#include <bsd/sys/queue.h>
#include <stdint.h>

#include "proto_deliver.h"
#include "window.h"

/* How much each destination takes. It begins with a few deliveries at once, has one more whenever
 * all of them were in use and one ended well, half as many when nobody could be spoken to, and
 * when that happens some times in a row with one alone it is suspended for a while: what is due for
 * it meanwhile is put off without another try. Of a destination that has nothing in the window all
 * this is forgotten, but for the suspension, and that where very many are suspended. */

struct pause {
    TAILQ_ENTRY(pause) next;
    struct destination *destination;
    int64_t since_ms, until_ms;          /* wall clock; a clock that is set back ends it */
    char *transport;                     /* over which it could not be reached */
    char *enhanced, *stage, *host, *why; /* what is said of those put off */
};

struct sites {
    struct window *window;
    TAILQ_HEAD(, pause) pauses; /* the first one began first */
    unsigned n;
};

void sites_init(struct sites *s, struct window *w);
void sites_clear(struct sites *s); /* before window_clear */

/* A delivery to d over this transport ended, which is no longer counted in d->inflight. pause_ms:
 * how long a destination is suspended, 0 for never. True when it is from now on. d is to be updated
 * afterwards. */
bool sites_note(struct sites *s, struct destination *d, const char *transport,
                const struct deliver_result *results, uint32_t n, int64_t now_ms, int64_t pause_ms);
/* Why nothing is sent to d over this transport now, or NULL. Valid until the next call. */
const struct pause *sites_pause(const struct destination *d, const char *transport, int64_t now_ms);
/* Forgets the suspensions that are over; or all of them. */
void sites_expire(struct sites *s, int64_t now_ms);
void sites_forgive(struct sites *s);

#endif
