#ifndef QM_HTTPREQUEST_H
#define QM_HTTPREQUEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "buf.h"
#include "fail.h"
#include "httpform.h"
#include "httpreply.h"

/* One request, as a handler of httpserver.h sees it.
 *
 * When the handler is called, the header has been read and found sound: the request line is well
 * formed, the path decoded and cleaned, there is one Host, and how long the body is leaves no doubt
 * (RFC 9112 section 6.3); what is not so was answered with 400 and never gets here. The handler
 * then does one of these, at once or later from the event loop:
 *
 *   - it answers (httprequest_respond and its kin). That ends its part;
 *   - it has the body read (httprequest_read_form, httprequest_read_raw). `done` is called when the
 * body is there, or cannot be had, and has the same choice, except that a body is read once only;
 *   - it does nothing yet. The request then waits without a limit, whoever is to answer holds on to
 * req. A client that waits with its body for "100 Continue" gets that only when the body is wanted.
 *
 * req is valid until it is answered or cancelled, whichever comes first. It is cancelled when the
 * client goes away (closing its sending side counts) or a time limit passes, before there was an
 * answer: the cancel function, if one was set, is called, and req must not be touched afterwards.
 *
 * A response given before the body has been read is fine: what remains of the body is passed over
 * if it is not much, else the connection is closed after the response. */

struct httprequest;

typedef void httprequest_fn(struct httprequest *req, void *arg);

/* --- what was asked --- */

const char *httprequest_method(const struct httprequest *req); /* as sent, a token */
const char *httprequest_path(const struct httprequest *req);   /* see httpurl_path */

/* All of the query, as sent, for httpurl_next; valid as long as the request. */
struct span httprequest_query_text(const struct httprequest *req);

/* The first field of that name, in any case: its value without space around it. Returns false, and
 * an empty value, if there is none. Fields that must be single (Host, Content-Type, Authorization,
 * ...) are. */
bool httprequest_header(const struct httprequest *req, const char *name, struct span *value);

/* The authority of an absolute request target, else the Host field; "" if there is neither. With
 * the port, if one was given. */
struct span httprequest_host(const struct httprequest *req);

/* What was given to httpserver_listen or httpserver_add. */
const void *httprequest_listener(const struct httprequest *req);

/* The other end of the connection, and its address as text ("192.0.2.1", "2001:db8::1", "" for a
 * local socket). */
const struct sockaddr *httprequest_peer(const struct httprequest *req);
const char *httprequest_client(const struct httprequest *req);

/* The client's address: that of the peer or, if forwarded is set, the first element of
 * X-Forwarded-For. Returns 0, or -1 with a sentence if that field is missing or does not begin with
 * an IP address, or if the peer has none. */
int httprequest_client_ip(const struct httprequest *req, bool forwarded,
                          struct sockaddr_storage *ip, struct fail *f);

/* --- what the handler keeps with it --- */

/* A pointer that the handler keeps with the request; it stays the handler's to free. */
void httprequest_set_data(struct httprequest *req, void *data);
void *httprequest_data(const struct httprequest *req);

/* fn is called if the request is cancelled. NULL for none. */
void httprequest_on_cancel(struct httprequest *req, httprequest_fn *fn, void *arg);

/* --- its body --- */

enum httprequest_body {
    HTTPREQUEST_FINE,
    HTTPREQUEST_MALFORMED, /* not the form that was wanted */
    HTTPREQUEST_TOO_LARGE, /* beyond a limit; the usual answer is 413 */
    HTTPREQUEST_BUSY,      /* the server holds too much at the moment; the usual answer is 503 */
};

/* Reads the body as a form, by its Content-Type. limits as for httpform_new. done is called from
 * the loop, never from within this call. */
void httprequest_read_form(struct httprequest *req, const struct httpform_limits *limits,
                           httprequest_fn *done, void *arg);

/* Reads the body as it is, at most max octets. */
void httprequest_read_raw(struct httprequest *req, size_t max, httprequest_fn *done, void *arg);

/* How the reading went; for use in done. Anything but HTTPREQUEST_FINE comes with a sentence. */
enum httprequest_body httprequest_body_result(const struct httprequest *req, struct fail *f);

/* The form, after httprequest_read_form went fine. The request owns it. */
struct httpform *httprequest_form(const struct httprequest *req);

/* The octets, after httprequest_read_raw went fine. May be taken out by whoever empties it. */
struct buf *httprequest_raw(struct httprequest *req);

/* --- the answer --- */

/* Counts so many octets that are held to be sent as it counts those of bodies, until the request is
 * over. Returns -1, and counts nothing, when they are too many together with all others. */
int httprequest_hold(struct httprequest *req, uint64_t octets);

/* Answers with status 200..599. type is the Content-Type, or NULL for none. The content of body is
 * taken out of it, body is empty afterwards; it may be NULL. extra is ended by a row with name NULL
 * and is copied; it may be NULL. A field whose value holds a control character is left out. The
 * fields common to all responses are added; a response of status 200 and a compressible type is
 * compressed if the client takes gzip and extra has no Content-Encoding. To HEAD the same fields
 * are sent, and no body. */
void httprequest_respond(struct httprequest *req, unsigned status, const char *type,
                         struct buf *body, const struct httpreply_field *extra);

/* As httprequest_respond with a line of plain text. */
void httprequest_respond_text(struct httprequest *req, unsigned status,
                              const struct httpreply_field *extra, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* As httprequest_respond with size octets from the start of fd, a file (such as a sealed memory
 * file) that is the server's from now on. Never compressed. */
void httprequest_respond_fd(struct httprequest *req, unsigned status, const char *type, int fd,
                            uint64_t size, const struct httpreply_field *extra);

#endif
