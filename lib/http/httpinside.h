#ifndef QM_HTTPINSIDE_H
#define QM_HTTPINSIDE_H

#include <sys/queue.h>
#include <netinet/in.h>
#include <event2/event.h>
#include <microhttpd.h>

#include "httphead.h"
#include "httplinger.h"
#include "httpreply.h"
#include "httprequest.h"
#include "httpserver.h"
#include "httpurl.h"

/* What httpserver.c (connections, time) and httprequest.c (requests) know of each other. For these
 * two alone. */

/* What a connection is waiting for; each kind of waiting has one length of time, so connections in
 * one list run out of it in the order they were put there. */
enum httpconn_phase {
    HTTPCONN_HEADER,   /* for the first request, or for the rest of a header */
    HTTPCONN_IDLE,     /* for the next request */
    HTTPCONN_TRANSFER, /* for a body to arrive or a response to be taken */
    HTTPCONN_WORK,     /* for the handler, without a limit */
    HTTPCONN_PHASES,
};

TAILQ_HEAD(httpconn_list, httpconn);

struct httpconn {
    TAILQ_ENTRY(httpconn) link;
    struct httpserver *server;
    struct MHD_Connection *mhd;
    struct httprequest *request; /* NULL between requests */
    const void *listener;
    struct event *hangup_event;
    int fd;
    enum httpconn_phase phase;
    int64_t since_ms;
};

struct httpserver {
    struct event_base *base;
    struct httpserver_settings settings; /* no zeroes */
    httpserver_handler *handler;
    void *handler_arg;
    httpserver_access_fn *access;
    void *access_arg;
    struct MHD_Daemon *mhd;
    struct event *epoll_event, *run_event, *deadline_event, *retry_event, *drained_event;
    int64_t deadline_ms; /* when deadline_event is due; INT64_MAX: it is not */
    struct httpserver_listener *listeners;
    size_t n_listeners;
    const void *adding; /* the listener of the connection that is being added */
    bool paused;        /* no connection is accepted at the moment */
    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;
    struct httpconn_list phases[HTTPCONN_PHASES];
    unsigned connections;
    size_t body_held;
    struct httplinger *linger;
};

/* Puts a connection into a phase that begins now. */
void httpserver_enter(struct httpconn *conn, enum httpconn_phase phase);

/* Has libmicrohttpd run soon, from the loop. */
void httpserver_run_soon(struct httpserver *s);

/* libmicrohttpd's callbacks about requests. */
void *httprequest_begin(void *server, const char *target, struct MHD_Connection *mhd);
enum MHD_Result httprequest_call(void *server, struct MHD_Connection *mhd, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_n, void **request);
void httprequest_over(void *server, struct MHD_Connection *mhd, void **request,
                      enum MHD_RequestTerminationCode why);

/* Cancels the request if it waits for its handler, and returns whether it did: the client has gone,
 * or the server itself ends. */
bool httprequest_abandon(struct httprequest *req);

#endif
