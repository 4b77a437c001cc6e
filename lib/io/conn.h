#ifndef QM_CONN_H
#define QM_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>
#include <openssl/ssl.h>

#include "buf.h"

/* A byte stream over a socket, in clear or under TLS, driven by the event loop.
 *
 * bufferevent_openssl loses wake-ups when a reader stops and goes on, so this type drives OpenSSL
 * itself: octets that OpenSSL holds back are handed on as soon as the reader has made room, whether
 * or not the socket becomes readable again.
 *
 * Callbacks come from the event loop, never from inside a call of this interface. A callback may
 * call anything here, conn_free included. */

struct conn;

struct conn_handler {
    /* New octets are in conn_input, or the reader consumed some and more are there. What it does
     * not consume stays. A call that consumes nothing says that the reader needs more: the next one
     * comes when more has arrived. */
    void (*on_input)(struct conn *c, void *arg);
    /* The stream is connected; and later, all that was written has left the process. May be NULL.
     */
    void (*on_drained)(struct conn *c, void *arg);
    /* The TLS handshake that conn_start_tls began is complete. May be NULL if none is started. */
    void (*on_secure)(struct conn *c, void *arg);
    /* The stream is over: the peer closed, an error, or the deadline. why is a sentence; timed_out
     * tells the deadline apart. When the peer closed its side, this comes after on_input has been
     * given all that arrived before, and not while paused: who half-closes still gets its answers.
     * Octets already received can still be read from conn_input. Called once; the owner frees c,
     * here or later. */
    void (*on_closed)(struct conn *c, void *arg, const char *why, bool timed_out);
    /* The deadline has passed, and is gone; the stream goes on, so that the peer can be told. May
     * be NULL: then on_closed comes instead. */
    void (*on_timeout)(struct conn *c, void *arg);
};

/* Takes the descriptor (non-blocking, a stream socket; already connected unless conn_connect made
 * it). input_max bounds the octets held for the reader: while that many wait, the peer is not read
 * from. */
struct conn *conn_new(struct event_base *base, int fd, size_t input_max,
                      const struct conn_handler *handler, void *arg);
void conn_free(struct conn **c); /* closes at once; octets not yet sent are lost */

/* While paused nothing is read and on_input is not called. A new conn is not paused. */
void conn_pause(struct conn *c, bool paused);

struct span conn_input(const struct conn *c);
void conn_consume(struct conn *c, size_t n); /* n <= conn_input().n */
/* Consumed and sent octets are overwritten from now on. For streams that carry credentials; what is
 * sent goes through conn_write then, since conn_output may leave copies behind as it grows.
 * Switching it off overwrites what is no longer in use. */
void conn_set_secret(struct conn *c, bool secret);

/* Each conn_write is offered to the socket at once; replies that belong together are appended to
 * conn_output and go out with one conn_flush. */
void conn_write(struct conn *c, const void *p, size_t n);
void conn_puts(struct conn *c, const char *s);
struct buf *conn_output(struct conn *c); /* append here, then call conn_flush */
void conn_flush(struct conn *c);
size_t conn_unsent(const struct conn *c);
/* on_drained comes, from the loop, when nothing is unsent: also if conn_flush sent it all at once.
 */
void conn_ask_drained(struct conn *c);
/* Sends what is left (under TLS, close_notify too) and closes our side. Input is thrown away until
 * the peer has closed its side too, for two seconds at most, since closing on unread octets would
 * make the peer lose what it was sent last. Then on_closed comes with "closed by us". Until all is
 * sent the deadline counts. In a TLS handshake the output is lost. */
void conn_finish(struct conn *c);

/* on_timeout, or else on_closed with timed_out, comes when this many milliseconds pass from now. 0
 * takes the deadline away. It is absolute: octets that trickle in do not move it. */
void conn_deadline(struct conn *c, int64_t ms);

/* Begins a handshake; takes ssl (SSL_new done, client or server state set, no descriptor). The
 * output written so far is sent in clear first. Input that is still unread is thrown away: octets
 * that came in clear must never count as said under TLS (RFC 3207 section 6); the caller has
 * refused them by then. */
void conn_start_tls(struct conn *c, SSL *ssl);
SSL *conn_ssl(const struct conn *c); /* NULL in clear; belongs to c */
bool conn_is_secure(const struct conn *c);

/* What it was made of; both stay its own. */
int conn_fd(const struct conn *c);
struct event_base *conn_base(const struct conn *c);

/* A non-blocking socket on its way to address (sockaddr of len octets), from source unless NULL.
 * The conn made of it first becomes writable: on_drained tells that it is connected; on_closed that
 * it failed. Returns the descriptor or -1 with errno. */
int conn_connect(const void *address, unsigned len, const void *source, unsigned source_len);

#endif
