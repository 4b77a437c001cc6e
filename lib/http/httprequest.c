#include "httprequest.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdarg.h>
#include <string.h>

#include "ascii.h"
#include "httpinside.h"
#include "mem.h"

/* --- what was asked --- */

const char *httprequest_method(const struct httprequest *req)
{
    return req->method;
}

const char *httprequest_path(const struct httprequest *req)
{
    return (const char *)buf_span(&req->path).p; /* ended by a NUL when it was made */
}

struct span httprequest_query_text(const struct httprequest *req)
{
    return req->parts.query;
}

bool httprequest_header(const struct httprequest *req, const char *name, struct span *value)
{
    const char *found = NULL;
    size_t n = 0;
    *value = (struct span){0};
    if (MHD_lookup_connection_value_n(req->mhd, MHD_HEADER_KIND, name, strlen(name), &found, &n) !=
        MHD_YES)
        return false;
    *value = ascii_trim(span_of(found, n));
    return true;
}

struct span httprequest_host(const struct httprequest *req)
{
    struct span host;
    if (req->parts.authority.n > 0)
        return req->parts.authority;
    (void)httprequest_header(req, "Host", &host);
    return host;
}

const void *httprequest_listener(const struct httprequest *req)
{
    return req->conn->listener;
}

const struct sockaddr *httprequest_peer(const struct httprequest *req)
{
    return MHD_get_connection_info(req->mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
}

const char *httprequest_client(const struct httprequest *req)
{
    return req->client;
}

/* "192.0.2.1" or "2001:db8::1" to an address. */
static int parse_ip(struct span text, struct sockaddr_storage *ip)
{
    char copy[INET6_ADDRSTRLEN];
    struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)ip;
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)ip;
    *ip = (struct sockaddr_storage){0};
    if (span_copy(text, copy, sizeof copy) < 0)
        return -1;
    if (inet_pton(AF_INET, copy, &v4->sin_addr) == 1) {
        ip->ss_family = AF_INET;
        return 0;
    }
    if (inet_pton(AF_INET6, copy, &v6->sin6_addr) == 1) {
        ip->ss_family = AF_INET6;
        return 0;
    }
    return -1;
}

int httprequest_client_ip(const struct httprequest *req, bool forwarded,
                          struct sockaddr_storage *ip, struct fail *f)
{
    struct span value;
    const struct sockaddr *peer = httprequest_peer(req);
    *ip = (struct sockaddr_storage){0};
    if (forwarded) {
        if (!httprequest_header(req, "X-Forwarded-For", &value))
            return fail_set(f, "the X-Forwarded-For field is missing");
        ssize_t comma = span_find(value, ',');
        if (comma >= 0)
            value.n = (size_t)comma;
        if (parse_ip(ascii_trim(value), ip) < 0)
            return fail_set(f, "the X-Forwarded-For field does not begin with an address");
        return 0;
    }
    if (peer->sa_family == AF_INET)
        memcpy(ip, peer, sizeof(struct sockaddr_in));
    else if (peer->sa_family == AF_INET6)
        memcpy(ip, peer, sizeof(struct sockaddr_in6));
    else
        return fail_set(f, "the client has no IP address");
    return 0;
}

void httprequest_set_data(struct httprequest *req, void *data)
{
    req->data = data;
}

void *httprequest_data(const struct httprequest *req)
{
    return req->data;
}

void httprequest_on_cancel(struct httprequest *req, httprequest_fn *fn, void *arg)
{
    req->cancel = fn;
    req->cancel_arg = arg;
}

/* --- the body --- */

static void want(struct httprequest *req, enum httprequest_wanted kind, httprequest_fn *done,
                 void *arg)
{
    assert(!req->answered && req->wanted == HTTPREQUEST_NO_BODY);
    req->wanted = kind;
    req->done = done;
    req->done_arg = arg;
    httpcall_wake(req);
}

void httprequest_read_form(struct httprequest *req, const struct httpform_limits *limits,
                           httprequest_fn *done, void *arg)
{
    if (limits != NULL)
        req->form_limits = *limits;
    want(req, HTTPREQUEST_FORM, done, arg);
}

void httprequest_read_raw(struct httprequest *req, size_t max, httprequest_fn *done, void *arg)
{
    req->raw_max = max;
    want(req, HTTPREQUEST_RAW, done, arg);
}

enum httprequest_body httprequest_body_result(const struct httprequest *req, struct fail *f)
{
    if (req->result != HTTPREQUEST_FINE)
        (void)fail_set(f, "%s", req->result_fail.text);
    return req->result;
}

struct httpform *httprequest_form(const struct httprequest *req)
{
    return req->form;
}

struct buf *httprequest_raw(struct httprequest *req)
{
    return &req->raw;
}

/* --- the answer --- */

static void answer(struct httprequest *req)
{
    assert(!req->answered && !req->gone);
    req->answered = true;
    httpcall_wake(req);
}

void httprequest_respond(struct httprequest *req, unsigned status, const char *type,
                         struct buf *body, const struct httpreply_field *extra)
{
    struct span accept;
    httpreply_set(&req->reply, status, type, body, extra);
    (void)httprequest_header(req, "Accept-Encoding", &accept);
    httpreply_compress(&req->reply, accept);
    answer(req);
}

void httprequest_respond_text(struct httprequest *req, unsigned status,
                              const struct httpreply_field *extra, const char *fmt, ...)
{
    struct buf body = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vputf(&body, fmt, ap);
    va_end(ap);
    buf_putc(&body, '\n');
    httprequest_respond(req, status, "text/plain; charset=utf-8", &body, extra);
}

void httprequest_respond_fd(struct httprequest *req, unsigned status, const char *type, int fd,
                            uint64_t size, const struct httpreply_field *extra)
{
    httpreply_set_fd(&req->reply, status, type, fd, size, extra);
    answer(req);
}
