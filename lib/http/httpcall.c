#include <assert.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "clock.h"
#include "httpinside.h"
#include "log.h"
#include "mem.h"

/* What is left of a body that nobody wants: up to this it is read and thrown away, so that the
 * connection can go on. */
#define DISCARD_MAX (256u << 10)
/* A response up to this is put into the socket in one go in the middle of a body. */
#define CUT_SHORT_MAX (16u << 10)

/* --- suspending --- */

/* From here on the handler must not touch the request. */
static void cancel(struct httprequest *req)
{
    bool pending = req->handled && !req->answered && !req->gone;
    req->gone = true;
    if (pending && req->cancel != NULL)
        req->cancel(req, req->cancel_arg);
}

void httpcall_wake(struct httprequest *req)
{
    if (!req->suspended)
        return;
    req->suspended = false;
    (void)event_del(req->watch);
    MHD_resume_connection(req->mhd);
    httpserver_run_soon(req->server);
}

bool httpcall_abandon(struct httprequest *req)
{
    if (!req->suspended)
        return false;
    cancel(req);
    httpcall_wake(req);
    return true;
}

/* libmicrohttpd does not look at a connection that is suspended, so this looks whether it was
 * reset. libevent announces a reset as readable and not as closed. What is readable may as well be
 * the next request, which would be announced for ever were it not for the edge trigger. */
static void on_activity(evutil_socket_t fd, short what, void *arg)
{
    struct pollfd look = {.fd = fd, .events = POLLRDHUP};
    if (poll(&look, 1, 0) == 1 && (look.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0)
        (void)httpcall_abandon(arg);
}

static enum MHD_Result suspend(struct httprequest *req)
{
    MHD_suspend_connection(req->mhd);
    req->suspended = true;
    httpserver_enter(req->conn, HTTPCONN_WORK);
    if (req->watch == NULL)
        req->watch = event_new(req->server->base, req->conn->fd, EV_READ | EV_ET | EV_PERSIST,
                               on_activity, req);
    assert(req->watch != NULL);
    int rc = event_add(req->watch, NULL);
    assert(rc == 0);
    return MHD_YES;
}

/* --- the body --- */

static bool body_failed(struct httprequest *req, enum httprequest_body result, const char *why)
{
    req->result = result;
    if (why != NULL)
        (void)fail_set(&req->result_fail, "%s", why);
    return false;
}

/* The body is all there, or will not be read any further. */
static void finish_body(struct httprequest *req)
{
    req->body_over = true;
    if (req->result == HTTPREQUEST_FINE && req->form != NULL &&
        httpform_end(req->form, &req->result_fail) != HTTPFORM_FINE)
        (void)body_failed(req, HTTPREQUEST_MALFORMED, NULL);
    req->done(req, req->done_arg);
}

static void hold(struct httprequest *req, size_t octets)
{
    req->server->body_held += octets - req->held;
    req->held = octets;
}

int httprequest_hold(struct httprequest *req, uint64_t octets)
{
    const struct httpserver *server = req->server;
    size_t total = server->settings.body_total;
    if (server->body_held > total || octets > total - server->body_held)
        return -1;
    hold(req, req->held + (size_t)octets);
    return 0;
}

/* The longest body that could be a form within its limits. */
static size_t form_octets(const struct httprequest *req)
{
    struct httpform_limits l = req->form_limits;
    size_t fields = l.fields > 0 ? l.fields : 10u << 20, files = l.files > 0 ? l.files : 100u << 20;
    return fields + files + (1u << 20); /* what surrounds the parts */
}

static bool take_form(struct httprequest *req, struct span octets)
{
    req->received += octets.n;
    if (req->received > form_octets(req)) /* most of it can have been between the parts */
        return body_failed(req, HTTPREQUEST_TOO_LARGE, "the body is too large");
    enum httpform_error error = httpform_feed(req->form, octets, &req->result_fail);
    hold(req, httpform_held(req->form));
    if (error == HTTPFORM_MALFORMED)
        return body_failed(req, HTTPREQUEST_MALFORMED, NULL);
    if (error == HTTPFORM_TOO_LARGE)
        return body_failed(req, HTTPREQUEST_TOO_LARGE, NULL);
    if (error == HTTPFORM_BUSY)
        return body_failed(req, HTTPREQUEST_BUSY, NULL);
    return true;
}

/* Returns false when the reading ends here. */
static bool take_octets(struct httprequest *req, struct span octets)
{
    if (octets.n > req->server->settings.body_total - req->server->body_held)
        return body_failed(req, HTTPREQUEST_BUSY, "the server is busy with other bodies");
    if (req->wanted == HTTPREQUEST_FORM)
        return take_form(req, octets);
    if (octets.n > req->raw_max - req->raw.n)
        return body_failed(req, HTTPREQUEST_TOO_LARGE, "the body is too large");
    buf_put_span(&req->raw, octets);
    hold(req, req->raw.n);
    return true;
}

/* Before the first octet: what the header already tells about the body. Returns false when it will
 * not be read. */
static bool prepare_body(struct httprequest *req)
{
    struct span type;
    if (req->wanted == HTTPREQUEST_FORM) {
        (void)httprequest_header(req, "Content-Type", &type);
        req->form = httpform_new(type, &req->form_limits, &req->result_fail);
        if (req->form == NULL)
            return body_failed(req, HTTPREQUEST_MALFORMED, NULL);
    }
    size_t max = req->wanted == HTTPREQUEST_FORM ? form_octets(req) : req->raw_max;
    if (req->head.content_length > max)
        return body_failed(req, HTTPREQUEST_TOO_LARGE, "the body is too large");
    return true;
}

/* --- the answer --- */

static enum MHD_Result queue(struct httprequest *req)
{
    /* A chunked body may have been framed with bare line feeds, which libmicrohttpd takes and a
     * proxy may not: nothing behind it is read as a request. */
    if (req->head.chunked || req->server->draining)
        req->reply.close = true;
    struct MHD_Response *response = httpreply_response(&req->reply);
    httpserver_enter(req->conn, HTTPCONN_TRANSFER);
    enum MHD_Result rc = MHD_queue_response(req->mhd, req->reply.status, response);
    MHD_destroy_response(response);
    req->queued = rc == MHD_YES;
    return rc;
}

static enum MHD_Result queue_and_close(struct httprequest *req)
{
    req->reply.close = true;
    return queue(req);
}

static enum MHD_Result refuse(struct httprequest *req, const char *why)
{
    log_debug(NULL, "http request refused", LS("client", req->client), LS("reason", why));
    httprequest_respond_text(req, 400, NULL, "%s", why);
    return queue_and_close(req);
}

/* Answers in the middle of a body. libmicrohttpd takes no response there, so it goes to the socket
 * as it is: nothing else of ours can be on its way, the last response having been sent before this
 * request was read. The connection is closed. */
static enum MHD_Result cut_short(struct httprequest *req)
{
    struct buf out = {0};
    httpreply_write(&req->reply, &out);
    struct span octets = buf_span(&out);
    ssize_t n = send(req->conn->fd, octets.p, octets.n, MSG_DONTWAIT | MSG_NOSIGNAL);
    req->cut = true;
    req->queued = n == (ssize_t)octets.n;
    req->reply.close = true;
    buf_free(&out);
    return MHD_NO;
}

bool httpcall_reads_body(const struct httprequest *req)
{
    return req->past_head && !req->suspended && !req->queued && !req->cut && !req->gone;
}

void httpcall_give_up(struct httprequest *req, const char *why)
{
    assert(httpcall_reads_body(req));
    if (!req->answered && !req->body_over) {
        (void)body_failed(req, HTTPREQUEST_MALFORMED, why);
        finish_body(req);
    }
    if (req->answered && req->reply.fd < 0)
        (void)cut_short(req);
}

/* --- the calls --- */

void *httpcall_begin(void *server, const char *target, struct MHD_Connection *mhd)
{
    struct httprequest *req = mem_zero(sizeof *req);
    req->server = server;
    req->mhd = mhd;
    req->conn = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
    req->conn->request = req;
    req->begun_ms = clock_mono_ms();
    req->target = mem_text(target == NULL ? "" : target);
    httpserver_client(httprequest_peer(req), req->client);
    httpserver_enter(req->conn, HTTPCONN_HEADER);
    return req;
}

static int check_target(struct httprequest *req, struct fail *f)
{
    if (httpurl_split(span_text(req->target), &req->parts, f) < 0 ||
        httpurl_path(&req->path, req->parts.path, f) < 0)
        return -1;
    (void)buf_text(&req->path);
    return 0;
}

static enum MHD_Result start(struct httprequest *req, const char *url, const char *method,
                             const char *version)
{
    struct fail f = {0};
    req->started = true;
    req->method = mem_text(method);
    if (httphead_check(req->mhd, method, url, strlen(req->target), version, &req->head, &f) < 0 ||
        check_target(req, &f) < 0)
        return refuse(req, f.text);
    req->handled = true;
    req->server->handler(req, req->server->handler_arg);
    return MHD_YES;
}

/* Answered before the body. The response may only be queued now if the connection is closed after
 * it. */
static enum MHD_Result answer_at_head(struct httprequest *req)
{
    bool body = req->head.chunked || req->head.content_length > 0;
    if (body && (req->head.expects_continue || req->head.content_length > DISCARD_MAX))
        return queue_and_close(req);
    req->past_head = true;
    if (body)
        httpserver_enter(req->conn, HTTPCONN_TRANSFER);
    return MHD_YES;
}

static enum MHD_Result call_at_head(struct httprequest *req, const char *url, const char *method,
                                    const char *version)
{
    if (!req->started) {
        enum MHD_Result rc = start(req, url, method, version);
        if (!req->handled)
            return rc;
    }
    if (req->wanted != HTTPREQUEST_NO_BODY && !req->body_over && !req->answered) {
        if (prepare_body(req)) {
            req->past_head = true;
            httpserver_enter(req->conn, HTTPCONN_TRANSFER);
            return MHD_YES;
        }
        finish_body(req);
    }
    return req->answered ? answer_at_head(req) : suspend(req);
}

static enum MHD_Result discard(struct httprequest *req, size_t n)
{
    req->discarded += n;
    if (req->answered && req->discarded > DISCARD_MAX && req->reply.fd < 0 &&
        req->reply.body.n <= CUT_SHORT_MAX)
        return cut_short(req);
    return MHD_YES;
}

static enum MHD_Result call_with_body(struct httprequest *req, struct span octets)
{
    if (req->answered || req->body_over)
        return discard(req, octets.n);
    if (!take_octets(req, octets))
        finish_body(req);
    return MHD_YES;
}

static enum MHD_Result call_at_end(struct httprequest *req)
{
    if (!req->answered && !req->body_over) {
        assert(req->wanted != HTTPREQUEST_NO_BODY);
        finish_body(req);
    }
    return req->answered ? queue(req) : suspend(req);
}

enum MHD_Result httpcall_run(void *server, struct MHD_Connection *mhd, const char *url,
                             const char *method, const char *version, const char *data,
                             size_t *data_n, void **request)
{
    struct httprequest *req = *request;
    ((struct httpserver *)server)->calls++;
    if (req == NULL || req->gone || req->cut)
        return MHD_NO;
    if (*data_n > 0) {
        struct span octets = span_of(data, *data_n);
        *data_n = 0;
        return call_with_body(req, octets);
    }
    return req->past_head ? call_at_end(req) : call_at_head(req, url, method, version);
}

/* --- the end --- */

/* The status that libmicrohttpd has answered with by itself (400, 431, ...), or 0. */
static unsigned own_refusal(const struct httprequest *req)
{
    const union MHD_ConnectionInfo *status =
        MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_HTTP_STATUS);
    return req->answered || status == NULL ? 0 : status->http_status;
}

static void note_access(struct httprequest *req, enum MHD_RequestTerminationCode why)
{
    struct httpserver_access access = {
        .method = req->method != NULL ? req->method : "-",
        .path = req->path.n > 0 ? httprequest_path(req) : "-",
        .client = req->client,
        .ms = clock_mono_ms() - req->begun_ms,
        .data = req->data,
    };
    if (req->answered) {
        access.status = req->reply.status;
        access.bytes = req->reply.size;
        access.complete = req->queued && (req->cut || why == MHD_REQUEST_TERMINATED_COMPLETED_OK);
    } else {
        access.status = own_refusal(req);
    }
    if (req->server->access != NULL)
        req->server->access(&access, req->server->access_arg);
}

/* Whether the client may still be sending what will not be read. */
static bool may_linger(const struct httprequest *req, enum MHD_RequestTerminationCode why)
{
    if (why == MHD_REQUEST_TERMINATED_DAEMON_SHUTDOWN ||
        (why == MHD_REQUEST_TERMINATED_TIMEOUT_REACHED && !req->cut))
        return false;
    return (req->queued && req->reply.close) || own_refusal(req) != 0;
}

void httpcall_end(void *server, struct MHD_Connection *mhd, void **request,
                  enum MHD_RequestTerminationCode why)
{
    struct httprequest *req = *request;
    if (req == NULL)
        return;
    *request = NULL;
    cancel(req);
    note_access(req, why);
    if (may_linger(req, why)) {
        int fd = fcntl(req->conn->fd, F_DUPFD_CLOEXEC, 0);
        if (fd >= 0)
            httplinger_add(req->server->linger, fd);
    }
    httpserver_enter(req->conn, HTTPCONN_IDLE);
    if (req->server->draining && !req->reply.close)
        (void)shutdown(req->conn->fd, SHUT_RDWR);
    req->conn->request = NULL;
    req->conn->received = httpserver_received(req->conn);
    hold(req, 0);
    if (req->watch != NULL)
        event_free(req->watch);
    httpform_free(&req->form);
    httpreply_free(&req->reply);
    buf_free(&req->raw);
    buf_free(&req->path);
    mem_release(req->target);
    mem_release(req->method);
    mem_release(req);
}
