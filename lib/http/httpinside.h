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

/* What the three files that make up the server know of each other, and nobody else: httpserver.c
 * (connections and their time), httpcall.c (what libmicrohttpd asks about a request, step by step)
 * and httprequest.c (what a handler does with it). */

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
    uint64_t received; /* octets, up to the end of the last request or further */
    uint64_t taken;    /* octets out of the socket, when it was last looked at; see is_stuck */
    bool stuck;
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
    const void *adding;         /* the listener of the connection that is being added */
    bool paused;                /* no connection is accepted at the moment */
    unsigned calls;             /* of libmicrohttpd into here; */
    unsigned calls_seen, spins; /* and how often it wanted to run again without one */
    unsigned stuck;             /* connections */
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

/* How many octets the kernel has received for a connection, a FIN counting for one. */
uint64_t httpserver_received(const struct httpconn *conn);
/* Writes a client's address as text; "" for a local socket. */
void httpserver_client(const struct sockaddr *peer, char text[INET6_ADDRSTRLEN]);

/* Has libmicrohttpd run soon, from the loop. */
void httpserver_run_soon(struct httpserver *s);

enum httprequest_wanted { HTTPREQUEST_NO_BODY, HTTPREQUEST_FORM, HTTPREQUEST_RAW };

struct httprequest {
    struct httpserver *server;
    struct httpconn *conn;
    struct MHD_Connection *mhd;
    int64_t begun_ms;

    char *target; /* as sent; the parts point into it */
    struct httpurl_target parts;
    struct buf path;
    char *method;
    char client[INET6_ADDRSTRLEN];
    struct httphead head;

    bool started;        /* the header was checked, and the handler called unless it was refused */
    bool handled;        /* the handler was called */
    bool past_head;      /* libmicrohttpd has gone on to the body */
    bool suspended;      /* libmicrohttpd passes over it until it is resumed */
    bool gone;           /* cancelled: only the connection is left to be closed */
    bool queued;         /* libmicrohttpd has the response, or the socket if it was cut short */
    bool cut;            /* the response went past libmicrohttpd */
    struct event *watch; /* for a reset while it is suspended */

    enum httprequest_wanted wanted;
    bool body_over; /* done was called */
    size_t raw_max;
    size_t received;  /* octets of a form */
    size_t discarded; /* octets of the body that nobody wanted */
    size_t held;      /* what it counts for in body_held */
    struct httpform_limits form_limits;
    struct httpform *form;
    struct buf raw;
    enum httprequest_body result;
    struct fail result_fail;
    httprequest_fn *done, *cancel;
    void *done_arg, *cancel_arg, *data;

    bool answered;
    struct httpreply reply;
};

/* MHD_OPTION_URI_LOG_CALLBACK: a request line has come. Returns the request, which libmicrohttpd
 * hands to the other two. */
void *httpcall_begin(void *server, const char *target, struct MHD_Connection *mhd);

/* The access handler: with data_n 0 until the handler has decided what to do, then with pieces of
 * the body, then with data_n 0 until there is an answer. MHD_NO closes the connection. */
enum MHD_Result httpcall_run(void *server, struct MHD_Connection *mhd, const char *url,
                             const char *method, const char *version, const char *data,
                             size_t *data_n, void **request);

/* MHD_OPTION_NOTIFY_COMPLETED: the request is over, however it went. Frees it. */
void httpcall_end(void *server, struct MHD_Connection *mhd, void **request,
                  enum MHD_RequestTerminationCode why);

/* Lets libmicrohttpd go on with a request that is suspended; nothing otherwise. */
void httpcall_wake(struct httprequest *req);

/* Whether libmicrohttpd is still to bring a piece of the request's body, or its end. */
bool httpcall_reads_body(const struct httprequest *req);

/* The body will not be read any further: the response goes out now, if the handler has one when it
 * hears of this. */
void httpcall_give_up(struct httprequest *req, const char *why);

/* Cancels the request if it waits for its handler, and returns whether it did: the client has gone,
 * or the server itself ends. */
bool httpcall_abandon(struct httprequest *req);

#endif
