#include "serve.h"

#include <arpa/inet.h>
#include <string.h>

#include "base64.h"
#include "call.h"
#include "clock.h"
#include "httpprom.h"
#include "mem.h"
#include "openapi.h"
#include "page.h"
#include "rand.h"

#define PATH_LOGGED 256

static const char html_type[] = "text/html; charset=utf-8";

/* ---- pages ---- */

static struct page_site site_of(const struct visit *v, const struct httprequest *request,
                                struct buf *base)
{
    const struct conf *conf = front_conf(v->front);
    bool local = conf_bool(conf_root(conf), "localserve");
    const struct conf_block *account = conf_next(conf_root(conf), "account", NULL);
    struct span proto = {0};
    size_t n;
    if (v->forwarded)
        (void)httprequest_header(request, "X-Forwarded-Proto", &proto);
    buf_puts(base, span_is_nocase(proto, "https") ? "https://" : "http://");
    buf_put_span(base, httprequest_host(request));
    /* Elsewhere it is nobody's business which accounts there are. */
    return (struct page_site){.base = buf_span(base),
                              .path = v->scope->path,
                              .login = local && account != NULL
                                           ? conf_list(account, "address", &n)->text
                                           : "you@example.org",
                              .password = local ? "quartermaster" : "password",
                              .metrics = v->scope->metrics};
}

static void show_page(struct httprequest *request, const struct visit *v, const struct method *m)
{
    struct buf base = {0}, page = {0};
    const struct page_site site = site_of(v, request, &base);
    if (m == NULL)
        page_index(&page, &site);
    else
        page_method(&page, &site, m);
    buf_free(&base);
    httprequest_respond(request, 200, html_type, &page, NULL);
}

static void show_openapi(struct httprequest *request, const struct visit *v)
{
    struct buf base = {0}, document = {0};
    const struct page_site site = site_of(v, request, &base);
    openapi_write(&document, site.base, site.path);
    buf_free(&base);
    httprequest_respond(request, 200, OPENAPI_TYPE, &document, NULL);
}

static void show_health(struct httprequest *request, const struct visit *v)
{
    const char *queue = peers_qmgr(v->webapi->peers) == NULL ? " queue" : "";
    const char *vault = peers_vault(v->webapi->peers) == NULL ? " vault" : "";
    if (queue[0] == '\0' && vault[0] == '\0')
        httprequest_respond_text(request, 200, NULL, "ok");
    else
        httprequest_respond_text(request, 503, NULL, "no connection to:%s%s", queue, vault);
}

static void show_metrics(struct httprequest *request, const struct visit *v)
{
    struct buf page = {0};
    buf_put_span(&page, buf_span(&v->webapi->metrics));
    counts_write(v->webapi->counts, &page);
    httprequest_respond(request, 200, HTTPPROM_CONTENT_TYPE, &page, NULL);
}

/* Below the base path. status: 303 or 308. */
static void redirect(struct httprequest *request, const struct visit *v, unsigned status,
                     const char *below)
{
    char *to = mem_format("%s%s", v->scope->path, below);
    const struct httpreply_field location[] = {{"Location", to}, {NULL, NULL}};
    httprequest_respond_text(request, status, location, "see %s", to);
    mem_free(&to);
}

static void refuse_method(struct httprequest *request, const char *allow)
{
    const struct httpreply_field fields[] = {{"Allow", allow}, {NULL, NULL}};
    httprequest_respond_text(request, 405, fields, "method not allowed");
}

/* ---- requests ---- */

static void start_call(struct httprequest *request, struct visit *v, const struct method *m)
{
    struct span origin;
    (void)httprequest_header(request, "Origin", &origin);
    if (routing_is_foreign(v->scope, origin, httprequest_host(request)))
        httprequest_respond_text(request, 403, NULL, "a page of another site may not call this");
    else
        call_begin(request, v, m);
}

/* By GET people see a method's page; programs call it so, where that is possible. */
static bool is_call(const struct httprequest *request, const struct method *m)
{
    struct span credentials;
    return m != NULL && m->query && httprequest_header(request, "Authorization", &credentials);
}

static void serve(struct httprequest *request, struct visit *v)
{
    struct routing_found found;
    switch (routing_find(v->scope, httprequest_method(request), httprequest_path(request),
                         httprequest_host(request), &found)) {
    case ROUTING_NOT_FOUND:
        httprequest_respond_text(request, 404, NULL, "not found");
        break;
    case ROUTING_NOT_ALLOWED:
        refuse_method(request, found.allow);
        break;
    case ROUTING_TO_BASE:
        redirect(request, v, 303, "");
        break;
    case ROUTING_TO_CALLS:
        redirect(request, v, 303, ROUTING_CALLS);
        break;
    case ROUTING_TO_SLASH:
        redirect(request, v, 308, ROUTING_CALLS);
        break;
    case ROUTING_TO_OPENAPI:
        redirect(request, v, 303, ROUTING_OPENAPI);
        break;
    case ROUTING_OPENAPI_DOCUMENT:
        show_openapi(request, v);
        break;
    case ROUTING_INDEX:
    case ROUTING_PAGE:
        if (is_call(request, found.method))
            start_call(request, v, found.method);
        else
            show_page(request, v, found.method);
        break;
    case ROUTING_CALL:
        start_call(request, v, found.method);
        break;
    case ROUTING_HEALTH:
        show_health(request, v);
        break;
    case ROUTING_METRICS:
        show_metrics(request, v);
        break;
    }
}

/* Whom the log names: behind a proxy, the address that the proxy tells, if it tells one. */
static void name_client(struct visit *v, const struct httprequest *request)
{
    struct sockaddr_storage ip;
    const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)&ip;
    const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)&ip;
    if (v->forwarded && httprequest_client_ip(request, true, &ip, NULL) == 0)
        (void)inet_ntop(ip.ss_family,
                        ip.ss_family == AF_INET ? (const void *)&v4->sin_addr : &v6->sin6_addr,
                        v->client, sizeof v->client);
    else
        (void)span_copy(span_text(httprequest_client(request)), v->client, sizeof v->client);
}

static struct visit *new_visit(struct front *front, struct httprequest *request)
{
    const struct front_listener *listener = httprequest_listener(request);
    struct visit *v = mem_zero(sizeof *v);
    struct buf id = {0};
    unsigned char random[8];
    v->webapi = front_webapi(front);
    v->front = front;
    v->scope = &listener->scope;
    v->forwarded = listener->forwarded;
    rand_bytes(random, sizeof random);
    base64url_encode(&id, span_of(random, sizeof random));
    (void)span_copy(buf_span(&id), v->id, sizeof v->id);
    buf_free(&id);
    log_ctx_add(&v->log, "cid", v->id);
    name_client(v, request);
    return v;
}

/* Without an address to count, such as behind a proxy that says nothing, there is no limit. */
static bool is_within_limit(const struct visit *v, const struct httprequest *request)
{
    struct sockaddr_storage ip;
    return v->webapi->requests == NULL ||
           httprequest_client_ip(request, v->forwarded, &ip, NULL) != 0 ||
           httplimit_add(v->webapi->requests, (struct sockaddr *)&ip, clock_wall_ms(), 1);
}

void serve_request(struct httprequest *request, void *arg)
{
    struct front *front = arg;
    struct visit *v = new_visit(front, request);
    httprequest_set_data(request, v);
    service_count(v->webapi->service, COUNT_REQUESTS, 1);
    if (is_within_limit(v, request)) {
        serve(request, v);
        return;
    }
    service_count(v->webapi->service, COUNT_REQUESTS_LIMITED, 1);
    httprequest_respond_text(request, 429, NULL, "too many requests; try again later");
}

/* Those of machines that only look are many, and say little. */
static bool is_watching(const struct httpserver_access *a)
{
    return a->status == 200 &&
           (strcmp(a->path, "/healthz") == 0 || strcmp(a->path, "/metrics") == 0);
}

void serve_access(const struct httpserver_access *a, void *arg)
{
    struct visit *v = a->data;
    struct span path = span_text(a->path);
    path.n = path.n < PATH_LOGGED ? path.n : PATH_LOGGED;
    LOG_AT(is_watching(a) ? LOG_DEBUG_ : LOG_INFO_, v == NULL ? NULL : &v->log, "request",
           LS("method", a->method), LSPAN("path", path), LU("status", a->status),
           LS("code", v == NULL || v->code == NULL ? "" : v->code), LU("octets", a->bytes),
           LI("ms", a->ms), LS("account", v == NULL || v->account == NULL ? "" : v->account),
           LS("client", v == NULL ? a->client : v->client),
           LS("end", a->complete ? "sent" : "cut off"));
    if (v != NULL)
        mem_free(&v->account);
    mem_free(&v);
}
