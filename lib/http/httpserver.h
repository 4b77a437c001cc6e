#ifndef QM_HTTPSERVER_H
#define QM_HTTPSERVER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "fail.h"

/* An HTTP/1.1 server inside a libevent loop: libmicrohttpd without threads, without TLS and without
 * a listening socket of its own. Once made it opens no files. What a request looks like to a
 * handler is in httprequest.h.
 *
 * Every time that a client can take is bounded: for the request line and header, between requests,
 * for a body to arrive and for a response to be taken. A request that is waiting for its handler is
 * not. */

struct event_base;
struct httprequest;
struct httpserver;

/* 0 stands for the value in brackets. */
struct httpserver_settings {
    unsigned connections;        /* at once; more wait in the listening socket [1000] */
    unsigned connections_per_ip; /* at once; more are closed on arrival [no limit] */
    size_t request_memory; /* octets for the request line and header, and in between for a piece of
                            * the body; beyond it 414 or 431 [32 KiB] */
    int64_t
        header_timeout_ms; /* from the connection or the request line to the header's end [30 s] */
    int64_t idle_timeout_ms;     /* between requests, and without any progress in one; whole seconds
                                  * [65 s] */
    int64_t transfer_timeout_ms; /* for a whole body to arrive, and for a whole response to be taken
                                  * [10 min] */
    size_t body_total; /* octets of all bodies held at once; beyond it a body is refused as
                        * HTTPREQUEST_BUSY [512 MiB] */
};

/* Called once for each request, when its header has come. See httprequest.h for what it may do. */
typedef void httpserver_handler(struct httprequest *req, void *arg);

/* One request, when it is over. The texts are valid during the call. */
struct httpserver_access {
    const char *method, *path; /* "-" when the request line, or less, was all that could be read */
    const char *client;        /* numeric address, "" for a local socket */
    unsigned status;           /* 0 if it ended without a response */
    uint64_t bytes;            /* of the response's body, as announced */
    int64_t ms;                /* from the request line to the end */
    bool complete;             /* the response was handed to the kernel as a whole */
    void *data;                /* what httprequest_set_data was given; NULL if the handler was not
                                * called, or gave nothing. This is the last that is heard of it */
};
typedef void httpserver_access_fn(const struct httpserver_access *access, void *arg);

/* base must use epoll and outlive the server; settings may be NULL and are copied. SIGPIPE is set
 * to be ignored. The caller frees the result; NULL with a sentence when the kernel gives no epoll
 * descriptor. */
struct httpserver *httpserver_new(struct event_base *base,
                                  const struct httpserver_settings *settings,
                                  httpserver_handler *handler, void *arg, struct fail *f);

/* Ends everything at once: connections are closed, requests without a response are cancelled. Not
 * to be called from within a callback of the server. */
void httpserver_free(struct httpserver **s);

/* Has fn called for every request that is over; NULL for none. */
void httpserver_log(struct httpserver *s, httpserver_access_fn *fn, void *arg);

/* Accepts connections on fd, a bound and listening stream socket, which is the server's from now
 * on. listener is what httprequest_listener gives for them; it must outlive the server. Any number
 * of sockets may be added. Returns 0, or -1 with a sentence, fd then closed. */
int httpserver_listen(struct httpserver *s, int fd, const void *listener, struct fail *f);

/* Serves one connection that somebody else accepted, such as the plain end of a socketpair behind
 * TLS. fd is the server's from now on; peer is whom it counts and logs as the client. Returns 0, or
 * -1 when there are too many connections (in all, or from this address), fd then closed. */
int httpserver_add(struct httpserver *s, int fd, const struct sockaddr *peer, socklen_t peer_len,
                   const void *listener, struct fail *f);

/* Stops accepting, closes the listening sockets and the connections that are between two requests;
 * a request that has begun is finished, its connection then closed. done, which may be NULL, is
 * called from the loop once no connection is left. May be called once. */
void httpserver_drain(struct httpserver *s, void (*done)(void *arg), void *arg);

/* Connections open at the moment. */
unsigned httpserver_connections(const struct httpserver *s);

/* Octets of requests' bodies that are held in memory at the moment. */
size_t httpserver_body_octets(const struct httpserver *s);

#endif
