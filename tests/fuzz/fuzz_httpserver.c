/* themes: http codec base */
#include <assert.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <event2/event.h>

#include "ascii.h"
#include "httpheader.h"
#include "httprequest.h"
#include "httpserver.h"

/* A whole connection: the input is what the client sends, cut after as many octets as its first one
 * says. A request reaches the handler only if its octets are a request in the strictest reading:
 * what a second, simpler reading of the same octets below finds wrong, must not have been handled.
 */

static struct event_base *base;
static struct httpserver *server;
static unsigned handled;
static struct buf first_path;

static void form_done(struct httprequest *req, void *arg)
{
    struct fail f = {0};
    if (httprequest_body_result(req, &f) != HTTPREQUEST_FINE)
        httprequest_respond_text(req, 400, NULL, "%s", f.text);
    else
        httprequest_respond_text(req, 200, NULL, "%zu", httpform_count(httprequest_form(req)));
}

static void raw_done(struct httprequest *req, void *arg)
{
    struct fail f = {0};
    if (httprequest_body_result(req, &f) != HTTPREQUEST_FINE)
        httprequest_respond_text(req, 413, NULL, "%s", f.text);
    else
        httprequest_respond(req, 200, "text/plain", httprequest_raw(req), NULL);
}

static void handle(struct httprequest *req, void *arg)
{
    if (handled++ == 0)
        buf_puts(&first_path, httprequest_path(req));
    if (strcmp(httprequest_path(req), "/form") == 0)
        httprequest_read_form(req, NULL, form_done, NULL);
    else if (strcmp(httprequest_path(req), "/raw") == 0)
        httprequest_read_raw(req, 100, raw_done, NULL);
    else if (strcmp(httprequest_path(req), "/never") != 0)
        httprequest_respond_text(req, 200, NULL, "hello");
}

static bool take_line(struct span *rest, struct span *line)
{
    ssize_t end = span_find(*rest, '\n');
    if (end < 1 || rest->p[end - 1] != '\r')
        return false;
    *line = span_of(rest->p, (size_t)end - 1);
    *rest = span_of(rest->p + end + 1, rest->n - (size_t)end - 1);
    return span_find(*line, '\r') < 0;
}

static bool is_request_line(struct span line)
{
    ssize_t a = span_find(line, ' ');
    if (a < 1 || !httpheader_is_token(span_of(line.p, (size_t)a)))
        return false;
    struct span rest = span_of(line.p + a + 1, line.n - (size_t)a - 1);
    ssize_t b = span_find(rest, ' ');
    return b > 0 && (span_is(span_of(rest.p + b, rest.n - (size_t)b), " HTTP/1.1") ||
                     span_is(span_of(rest.p + b, rest.n - (size_t)b), " HTTP/1.0"));
}

/* Whether the first request's line and header are what they should be. */
static bool is_sound(struct span rest)
{
    struct span line;
    unsigned lengths = 0, codings = 0, hosts = 0;
    while (rest.n > 0 && (rest.p[0] == '\r' || rest.p[0] == '\n'))
        rest = span_of(rest.p + 1, rest.n - 1);
    if (!take_line(&rest, &line) || !is_request_line(line))
        return false;
    while (rest.n > 1) {
        bool quirk = memcmp(rest.p, ":\n", 2) == 0; /* see httphead.h */
        if (!quirk && !take_line(&rest, &line))
            return false;
        if (quirk || line.n == 0)
            return lengths + codings <= 1 && hosts <= 1;
        ssize_t colon = span_find(line, ':');
        struct span name = span_of(line.p, colon < 0 ? 0 : (size_t)colon);
        if (!httpheader_is_token(name))
            return false;
        lengths += span_is_nocase(name, "Content-Length");
        codings += span_is_nocase(name, "Transfer-Encoding");
        hosts += span_is_nocase(name, "Host");
    }
    return false;
}

static void turn(void)
{
    for (int i = 0; i < 6; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
}

static void init(void)
{
    struct httpserver_settings settings = {.request_memory = 4096};
    base = event_base_new();
    server = httpserver_new(base, &settings, handle, NULL, NULL);
    assert(server != NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sockaddr peer = {.sa_family = AF_UNIX};
    int pair[2];
    if (base == NULL)
        init();
    if (size == 0 || size > 16384)
        return 0;
    struct span all = span_of(data + 1, size - 1);
    size_t cut = data[0] < all.n ? data[0] : all.n;
    handled = 0;
    buf_clear(&first_path);
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, pair) < 0)
        return 0;
    int rc = httpserver_add(server, pair[0], &peer, sizeof peer.sa_family, "", NULL);
    assert(rc == 0);
    if (send(pair[1], all.p, cut, MSG_NOSIGNAL) == (ssize_t)cut && cut < all.n) {
        turn();
        (void)send(pair[1], all.p + cut, all.n - cut, MSG_NOSIGNAL);
    }
    turn();
    if (handled > 0) {
        assert(span_find(all, '\0') >= 0 ||
               is_sound(all)); /* NULs pass for line ends: httphead.h */
        assert(first_path.n > 0);
    }
    (void)close(pair[1]);
    for (int i = 0; i < 1000 && httpserver_connections(server) > 0; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    assert(httpserver_connections(server) == 0);
    return 0;
}
