#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>
#include <zlib.h>
#include <event2/event.h>

#include "ascii.h"
#include "file.h"
#include "httprequest.h"
#include "httpserver.h"
#include "httpurl.h"
#include "mem.h"

/* The server that live_*.py talk to: one route for each thing a handler can do. It prints its
 * port on standard output, and ends when /drain was asked for or its standard input ends.
 *
 * Arguments: name=value for header, idle, transfer (ms), connections, per_ip, memory, body_total.
 */

struct waiting {
    TAILQ_ENTRY(waiting) link;
    struct httprequest *req;
    struct event *timer;
};

static TAILQ_HEAD(, waiting) waiting = TAILQ_HEAD_INITIALIZER(waiting);
static struct event_base *base;
static struct httpserver *server;
static unsigned held, cancelled, handled;
static struct buf access_log;

static bool query_of(struct httprequest *req, const char *name, struct buf *value)
{
    struct span query = httprequest_query_text(req);
    bool found = false;
    int more = 1;
    while (!found && more != 0) {
        struct buf key = {0};
        buf_clear(value);
        more = httpurl_next(&query, &key, value);
        found = more == 1 && span_is(buf_span(&key), name);
        buf_free(&key);
    }
    return found;
}

static unsigned number_of(struct httprequest *req, const char *name, unsigned standard)
{
    struct buf value = {0};
    uint64_t n = standard;
    if (query_of(req, name, &value))
        (void)ascii_u64(buf_span(&value), 1u << 30, &n);
    buf_free(&value);
    return (unsigned)n;
}

static void respond(struct httprequest *req, unsigned status, struct buf *body)
{
    httprequest_respond(req, status, "text/plain; charset=utf-8", body, NULL);
}

/* --- answers at once --- */

static void get_hello(struct httprequest *req)
{
    httprequest_respond_text(req, 200, NULL, "hello");
}

static void get_echo(struct httprequest *req)
{
    struct buf out = {0}, q = {0};
    struct span x;
    struct sockaddr_storage ip;
    struct fail f = {0};
    bool has_x = httprequest_header(req, "x-test", &x);
    buf_putf(&out, "method=%s\npath=%s\n", httprequest_method(req), httprequest_path(req));
    if (query_of(req, "q", &q))
        buf_putf(&out, "q=%s\n", buf_text(&q));
    buf_puts(&out, "host=");
    buf_put_span(&out, httprequest_host(req));
    buf_putf(&out, "\nclient=%s\n", httprequest_client(req));
    if (has_x) {
        buf_puts(&out, "x=");
        buf_put_span(&out, x);
        buf_putc(&out, '\n');
    }
    buf_putf(&out, "listener=%s\n", (const char *)httprequest_listener(req));
    if (httprequest_client_ip(req, true, &ip, &f) == 0)
        buf_putf(&out, "forwarded=%d\n", ip.ss_family);
    else
        buf_putf(&out, "forwarded=%s\n", f.text);
    buf_free(&q);
    respond(req, 200, &out);
}

static void get_text(struct httprequest *req)
{
    struct buf out = {0};
    unsigned n = number_of(req, "n", 0);
    for (unsigned i = 0; i < n; i++)
        buf_putc(&out, 'a' + (int)(i % 7));
    httprequest_respond(req, number_of(req, "status", 200),
                        number_of(req, "binary", 0) ? "application/octet-stream"
                                                    : "application/json; charset=utf-8",
                        &out, NULL);
}

static void get_file(struct httprequest *req)
{
    struct buf text = {0};
    for (int i = 0; i < 300000; i++)
        buf_putf(&text, "%d\n", i);
    int fd = file_sealed("file", buf_span(&text), NULL);
    assert(fd >= 0);
    httprequest_respond_fd(req, 200, "text/plain", fd, text.n, NULL);
    buf_free(&text);
}

static void get_fields(struct httprequest *req)
{
    httprequest_respond_text(
        req, 303,
        (const struct httpreply_field[]){
            {"Location", "/a"}, {"X-Split", "a\r\nX-Injected: b"}, {"X-Fine", "b"}, {0}},
        "see /a");
}

static void get_stats(struct httprequest *req)
{
    httprequest_respond_text(
        req, 200, NULL, "held=%u cancelled=%u handled=%u connections=%u octets=%zu", held,
        cancelled, handled, httpserver_connections(server), httpserver_body_octets(server));
}

static void get_log(struct httprequest *req)
{
    struct buf copy = {0};
    buf_put_span(&copy, buf_span(&access_log));
    respond(req, 200, &copy);
}

static void post_noread(struct httprequest *req)
{
    httprequest_respond_text(req, number_of(req, "status", 401), NULL, "not read");
}

/* --- bodies --- */

static bool answer_failure(struct httprequest *req)
{
    static const unsigned status[] = {
        [HTTPREQUEST_MALFORMED] = 400, [HTTPREQUEST_TOO_LARGE] = 413, [HTTPREQUEST_BUSY] = 503};
    struct fail f = {0};
    enum httprequest_body result = httprequest_body_result(req, &f);
    if (result != HTTPREQUEST_FINE)
        httprequest_respond_text(req, status[result], NULL, "%s", f.text);
    return result != HTTPREQUEST_FINE;
}

static unsigned long crc_of(struct span v)
{
    return crc32(0, v.p, (uInt)v.n);
}

static unsigned long crc_of_spill(struct httpform *form, const struct httpform_part *p)
{
    unsigned char piece[65536];
    unsigned long crc = 0;
    for (uint64_t i = 0; i < p->n;) {
        size_t wanted = p->n - i < sizeof piece ? (size_t)(p->n - i) : sizeof piece;
        ssize_t n = pread(httpform_spill(form), piece, wanted, (off_t)(p->at + i));
        assert(n > 0);
        crc = crc32(crc, piece, (uInt)n);
        i += (uint64_t)n;
    }
    return crc;
}

static void form_done(struct httprequest *req, void *arg)
{
    struct buf out = {0};
    if (answer_failure(req))
        return;
    struct httpform *form = httprequest_form(req);
    for (size_t i = 0; i < httpform_count(form); i++) {
        struct httpform_part *p = httpform_part(form, i);
        buf_putf(&out, "%s|%s|%s|%s|%d|%08lx\n", p->name, p->filename ? p->filename : "-",
                 p->type ? p->type : "-", p->content_id ? p->content_id : "-", (int)p->n,
                 p->spilled ? crc_of_spill(form, p) : crc_of(buf_span(&p->value)));
    }
    respond(req, 200, &out);
}

static void raw_done(struct httprequest *req, void *arg)
{
    if (answer_failure(req))
        return;
    struct span v = buf_span(httprequest_raw(req));
    httprequest_respond_text(req, 200, NULL, "%zu %08lx", v.n, crc32(0, v.p, (uInt)v.n));
}

static void post_form(struct httprequest *req)
{
    struct httpform_limits limits = {.fields = number_of(req, "fields", 0),
                                     .files = number_of(req, "files", 200 << 20)};
    httprequest_read_form(req, &limits, form_done, NULL);
}

static void post_raw(struct httprequest *req)
{
    httprequest_read_raw(req, number_of(req, "max", 200 << 20), raw_done, NULL);
}

/* --- later --- */

static void forget(struct waiting *w)
{
    TAILQ_REMOVE(&waiting, w, link);
    held--;
    if (w->timer != NULL)
        event_free(w->timer);
    mem_release(w);
}

static void on_cancel(struct httprequest *req, void *arg)
{
    cancelled++;
    forget(arg);
}

static struct waiting *keep(struct httprequest *req)
{
    struct waiting *w = mem_zero(sizeof *w);
    w->req = req;
    TAILQ_INSERT_TAIL(&waiting, w, link);
    held++;
    httprequest_on_cancel(req, on_cancel, w);
    return w;
}

static void keep_done(struct httprequest *req, void *arg)
{
    (void)keep(req);
}

static void get_hold(struct httprequest *req)
{
    (void)keep(req);
}

static void post_hold(struct httprequest *req)
{
    httprequest_read_raw(req, 1 << 20, keep_done, NULL);
}

static void get_release(struct httprequest *req)
{
    unsigned n = held;
    for (struct waiting *w; (w = TAILQ_FIRST(&waiting)) != NULL;) {
        struct httprequest *other = w->req;
        forget(w);
        httprequest_on_cancel(other, NULL, NULL);
        httprequest_respond_text(other, 200, NULL, "released");
    }
    httprequest_respond_text(req, 200, NULL, "%u", n);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    struct waiting *w = arg;
    struct httprequest *req = w->req;
    struct span read;
    bool want = httprequest_header(req, "X-Read", &read);
    forget(w);
    httprequest_on_cancel(req, NULL, NULL);
    if (want)
        post_form(req);
    else
        httprequest_respond_text(req, number_of(req, "status", 200), NULL, "later");
}

static void any_later(struct httprequest *req)
{
    unsigned ms = number_of(req, "ms", 10);
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    struct waiting *w = keep(req);
    w->timer = evtimer_new(base, on_timer, w);
    (void)event_add(w->timer, &wait);
}

static void on_drained(void *arg)
{
    (void)event_base_loopbreak(base);
}

static void get_drain(struct httprequest *req)
{
    httpserver_drain(server, on_drained, NULL);
    httprequest_respond_text(req, 200, NULL, "draining");
}

static const struct {
    const char *method, *path;
    void (*handle)(struct httprequest *req);
} routes[] = {
    {"GET", "/hello", get_hello},   {"HEAD", "/hello", get_hello}, {"GET", "/text", get_text},
    {"HEAD", "/text", get_text},    {"GET", "/file", get_file},    {"HEAD", "/file", get_file},
    {"GET", "/fields", get_fields}, {"GET", "/stats", get_stats},  {"GET", "/log", get_log},
    {"POST", "/form", post_form},   {"POST", "/raw", post_raw},    {"POST", "/noread", post_noread},
    {"GET", "/hold", get_hold},     {"POST", "/hold", post_hold},  {"GET", "/release", get_release},
    {"GET", "/later", any_later},   {"POST", "/later", any_later}, {"GET", "/drain", get_drain},
};

static void handle(struct httprequest *req, void *arg)
{
    handled++;
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++) {
        if (strcmp(routes[i].path, httprequest_path(req)) == 0 &&
            strcmp(routes[i].method, httprequest_method(req)) == 0) {
            routes[i].handle(req);
            return;
        }
    }
    get_echo(req);
}

static void note_access(const struct httpserver_access *a, void *arg)
{
    if (access_log.n < 1 << 20)
        buf_putf(&access_log, "%s %s %u %llu %s %s\n", a->method, a->path, a->status,
                 (unsigned long long)a->bytes, a->client, a->complete ? "complete" : "cut");
    assert(a->ms >= 0);
}

static int bound_socket(unsigned *port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof in;
    if (fd < 0 || bind(fd, (struct sockaddr *)&in, sizeof in) < 0 || listen(fd, 4096) < 0 ||
        getsockname(fd, (struct sockaddr *)&in, &n) < 0) {
        perror("socket");
        exit(1);
    }
    *port = ntohs(in.sin_port);
    return fd;
}

static void on_input(evutil_socket_t fd, short what, void *arg)
{
    char octet;
    if (read(fd, &octet, 1) <= 0)
        (void)event_base_loopbreak(base);
}

static long long argument(int argc, char **argv, const char *name)
{
    size_t n = strlen(name);
    for (int i = 1; i < argc; i++) {
        if (strncmp(argv[i], name, n) == 0 && argv[i][n] == '=')
            return atoll(argv[i] + n + 1);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct httpserver_settings settings = {
        .connections = (unsigned)argument(argc, argv, "connections"),
        .connections_per_ip = (unsigned)argument(argc, argv, "per_ip"),
        .request_memory = (size_t)argument(argc, argv, "memory"),
        .header_timeout_ms = argument(argc, argv, "header"),
        .idle_timeout_ms = argument(argc, argv, "idle"),
        .transfer_timeout_ms = argument(argc, argv, "transfer"),
        .body_total = (size_t)argument(argc, argv, "body_total"),
    };
    unsigned first = 0, second = 0;
    int fd = bound_socket(&first), other = bound_socket(&second);
    base = event_base_new();
    server = httpserver_new(base, &settings, handle, NULL, NULL);
    assert(server != NULL);
    httpserver_log(server, note_access, NULL);
    if (httpserver_listen(server, fd, "first", NULL) < 0 ||
        httpserver_listen(server, other, "second", NULL) < 0)
        return 1;
    struct event *input = event_new(base, STDIN_FILENO, EV_READ | EV_PERSIST, on_input, NULL);
    (void)event_add(input, NULL);
    printf("%u %u\n", first, second);
    (void)fflush(stdout);
    (void)event_base_dispatch(base);
    httpserver_free(&server);
    event_free(input);
    event_base_free(base);
    buf_free(&access_log);
    if (held != 0) {
        (void)fprintf(stderr, "%u requests were forgotten\n", held);
        return 1;
    }
    return 0;
}
