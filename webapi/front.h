#ifndef QM_FRONT_H
#define QM_FRONT_H

#include <netinet/in.h>

#include "httpserver.h"
#include "log.h"
#include "routing.h"
#include "webapi.h"

/* One configuration in use: the HTTP server with its listening sockets and limits. After a reload
 * the one before goes on until its last request has been answered. */

struct front;

/* One port. It is what httprequest_listener gives. */
struct front_listener {
    struct routing_scope scope;
    char *path; /* the scope's */
    bool forwarded;
    int fd; /* -1 once the server has it */
};

/* What stays with a request until it is over. */
struct visit {
    struct webapi *webapi;
    struct front *front;
    const struct routing_scope *scope;
    struct log_ctx log;
    char id[12]; /* random: cid= in the log, and in the trace field of a message */
    char client[INET6_ADDRSTRLEN]; /* whom the log names */
    bool forwarded;
    char *account;    /* NULL until the password was right */
    const char *code; /* of the refusal of a call, or NULL */
};

/* Takes conf when it succeeds, and the listening sockets among the hands. Nothing is accepted yet.
 */
struct front *front_new(struct webapi *w, struct conf *conf, struct service_hand *hands,
                        size_t hands_n, struct fail *f);

/* Accepts requests from now on. */
void front_open(struct front *front);

/* Accepts no further ones; frees it, from the loop, once those under way are answered, and calls
 * closed (may be NULL). */
void front_close(struct front *front, void (*closed)(void *arg), void *arg);

/* At once: whatever is under way is given up. Not from within a request. */
void front_free(struct front **front);

/* As front_close, for every front that is open or closing. */
void front_close_all(struct webapi *w, void (*closed)(void *arg), void *arg);

const struct conf *front_conf(const struct front *front); /* what it was made from */
struct webapi *front_webapi(const struct front *front);

/* Connections open at the moment, over all fronts. */
unsigned front_connections(const struct webapi *w);

#endif
