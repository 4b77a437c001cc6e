#include "fetch.h"

#include <arpa/inet.h>
#include <assert.h>
#include <bsd/sys/queue.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <curl/curl.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include "ascii.h"
#include "clock.h"
#include "dnsaddr.h"
#include "mem.h"
#include "target.h"
#include "tlsclient.h"

#define CONNECT_TIMEOUT_MS 10000
#define SWALLOW_MAX (256 * 1024) /* octets of an answer after which nobody waits for more */
#define IDLE_CONNECTIONS 32
#define ADDRESSES_MAX 8

/* Loaded once before the process is confined; shared by all connections. */
static X509_STORE *authorities;

struct fetch {
    LIST_ENTRY(fetch) next;
    struct fetcher *fetcher;
    struct event *begin; /* the first step, from the loop; then the end of waiting for a lookup */
    CURL *easy;
    CURLU *url;
    struct curl_slist *headers, *resolve;
    struct dnsaddr_lookup *lookup;
    char *host, *port;
    struct buf body, response;
    size_t response_max, swallowed;
    bool allow_private, refused, get, https_only, untrusted;
    int64_t start_ms, timeout_ms;
    char error[CURL_ERROR_SIZE];
    fetch_on_answer *on_answer;
    void *arg;
};

struct watched {
    struct fetcher *fetcher;
    struct event *event;
    curl_socket_t fd;
};

struct fetcher {
    struct event_base *base;
    CURLM *multi;
    struct dns *dns;
    struct event *timer;
    LIST_HEAD(, fetch) list;
};

int fetcher_init(struct fail *f)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
        return fail_set(f, "cannot start libcurl");
    authorities = tlsclient_roots(getenv("SSL_CERT_FILE"), f); /* as all that use OpenSSL */
    return authorities != NULL ? 0 : -1;
}

/* ---- libcurl and the event loop ---- */

static void collect(struct fetcher *x);

static void act(struct fetcher *x, curl_socket_t fd, int what)
{
    int running;
    (void)curl_multi_socket_action(x->multi, fd, what, &running);
    collect(x);
}

static void on_socket_event(evutil_socket_t fd, short what, void *arg)
{
    struct watched *w = arg;
    act(w->fetcher, fd,
        ((what & EV_READ) != 0 ? CURL_CSELECT_IN : 0) |
            ((what & EV_WRITE) != 0 ? CURL_CSELECT_OUT : 0));
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    act(arg, CURL_SOCKET_TIMEOUT, 0);
}

static void unwatch(struct watched *w)
{
    if (w == NULL)
        return;
    event_free(w->event);
    mem_free(&w);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    struct fetcher *x = arg;
    struct watched *w = socket_arg;
    if (w != NULL)
        unwatch(w);
    if (what == CURL_POLL_REMOVE) {
        (void)curl_multi_assign(x->multi, fd, NULL);
        return 0;
    }
    w = mem_zero(sizeof *w);
    w->fetcher = x;
    w->fd = fd;
    short events = EV_PERSIST | ((what & CURL_POLL_IN) != 0 ? EV_READ : 0) |
                   ((what & CURL_POLL_OUT) != 0 ? EV_WRITE : 0);
    w->event = event_new(x->base, fd, events, on_socket_event, w);
    assert(w->event != NULL);
    (void)event_add(w->event, NULL);
    (void)curl_multi_assign(x->multi, fd, w);
    return 0;
}

/* Must not call libcurl: it only sets the timer. */
static int on_curl_timer(CURLM *multi, long ms, void *arg)
{
    struct fetcher *x = arg;
    if (ms < 0) {
        (void)evtimer_del(x->timer);
        return 0;
    }
    struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
    (void)evtimer_add(x->timer, &tv);
    return 0;
}

struct fetcher *fetcher_new(struct event_base *base, struct fail *f)
{
    struct fetcher *x = mem_zero(sizeof *x);
    x->base = base;
    LIST_INIT(&x->list);
    x->timer = evtimer_new(base, on_timer, x);
    x->multi = curl_multi_init();
    if (x->multi == NULL || x->timer == NULL) {
        (void)fail_set(f, "cannot start libcurl");
        fetcher_free(&x);
        return NULL;
    }
    (void)curl_multi_setopt(x->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
    (void)curl_multi_setopt(x->multi, CURLMOPT_SOCKETDATA, x);
    (void)curl_multi_setopt(x->multi, CURLMOPT_TIMERFUNCTION, on_curl_timer);
    (void)curl_multi_setopt(x->multi, CURLMOPT_TIMERDATA, x);
    (void)curl_multi_setopt(x->multi, CURLMOPT_MAXCONNECTS, (long)IDLE_CONNECTIONS);
    return x;
}

static void free_fetch(struct fetch *q)
{
    LIST_REMOVE(q, next);
    if (q->easy != NULL) {
        (void)curl_multi_remove_handle(q->fetcher->multi, q->easy);
        curl_easy_cleanup(q->easy);
    }
    event_free(q->begin);
    dnsaddr_cancel(&q->lookup);
    curl_url_cleanup(q->url);
    for (struct curl_slist *h = q->headers; h != NULL; h = h->next)
        mem_wipe(h->data, strlen(h->data)); /* one is Authorization */
    curl_slist_free_all(q->headers);
    curl_slist_free_all(q->resolve);
    curl_free(q->host);
    curl_free(q->port);
    buf_wipe(&q->body);
    buf_free(&q->response);
    mem_free(&q);
}

void fetcher_free(struct fetcher **xp)
{
    struct fetcher *x = *xp;
    struct fetch *q;
    if (x == NULL)
        return;
    while ((q = LIST_FIRST(&x->list)) != NULL)
        free_fetch(q);
    if (x->multi != NULL)
        (void)curl_multi_cleanup(x->multi);
    if (x->timer != NULL)
        event_free(x->timer);
    mem_free(xp);
}

/* Lookups under way belong to the resolver before: they begin again with this one. */
void fetcher_set_dns(struct fetcher *x, struct dns *dns)
{
    const struct timeval now = {0, 0};
    struct fetch *q;
    LIST_FOREACH (q, &x->list, next) {
        if (q->lookup == NULL)
            continue;
        dnsaddr_cancel(&q->lookup);
        (void)evtimer_add(q->begin, &now);
    }
    x->dns = dns;
}

/* ---- one request ---- */

static void answer(struct fetch *q, long status, const char *error)
{
    struct fetch_answer a = {.status = status,
                             .untrusted = q->untrusted,
                             .response = buf_span(&q->response),
                             .duration_ms = clock_mono_ms() - q->start_ms};
    (void)snprintf(a.error, sizeof a.error, "%s", error);
    if (q->easy != NULL && status != 0) {
        curl_off_t retry = 0;
        if (curl_easy_getinfo(q->easy, CURLINFO_RETRY_AFTER, &retry) == CURLE_OK && retry > 0)
            a.retry_after_s = (uint32_t)(retry < INT32_MAX ? retry : INT32_MAX);
        const char *type = NULL;
        if (curl_easy_getinfo(q->easy, CURLINFO_CONTENT_TYPE, &type) == CURLE_OK && type != NULL)
            (void)snprintf(a.content_type, sizeof a.content_type, "%s", type);
    }
    q->on_answer(q->arg, &a);
    free_fetch(q);
}

static void collect(struct fetcher *x)
{
    CURLMsg *m;
    int left;
    while ((m = curl_multi_info_read(x->multi, &left)) != NULL) {
        struct fetch *q;
        long status = 0;
        CURLcode code = m->data.result;
        if (m->msg != CURLMSG_DONE)
            continue;
        (void)curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&q);
        (void)curl_easy_getinfo(q->easy, CURLINFO_RESPONSE_CODE, &status);
        /* An answer too long to wait for is an answer all the same. */
        if (code == CURLE_WRITE_ERROR && q->swallowed > SWALLOW_MAX)
            code = CURLE_OK;
        q->untrusted = code == CURLE_PEER_FAILED_VERIFICATION;
        if (code != CURLE_OK && q->refused)
            answer(q, 0, "the address is not a public one");
        else if (code != CURLE_OK)
            answer(q, 0, q->error[0] != '\0' ? q->error : curl_easy_strerror(code));
        else
            answer(q, status, "");
    }
}

static size_t on_response(char *octets, size_t size, size_t n, void *arg)
{
    struct fetch *q = arg;
    size_t total = size * n, room = q->response_max - q->response.n;
    buf_put(&q->response, octets, total < room ? total : room);
    q->swallowed += total;
    return q->swallowed > SWALLOW_MAX ? 0 : total;
}

/* Every address passes here before there is a socket, however it was found. One of several may be
 * refused, and the call go to another. */
static curl_socket_t on_open_socket(void *arg, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct fetch *q = arg;
    if (!q->allow_private && !target_is_public(&a->addr)) {
        q->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

/* A connection that was kept may be from a time when a private address was allowed. */
static int on_connected(void *arg, char *ip, char *local_ip, int port, int local_port)
{
    struct fetch *q = arg;
    if (q->allow_private || target_is_public_text(ip))
        return CURL_PREREQFUNC_OK;
    q->refused = true;
    return CURL_PREREQFUNC_ABORT;
}

static CURLcode on_ssl_context(CURL *easy, void *context, void *arg)
{
    SSL_CTX_set1_cert_store(context, authorities);
    return CURLE_OK;
}

/* Never 0, which to libcurl is no limit at all. */
static int64_t left_ms(const struct fetch *q)
{
    int64_t left = q->timeout_ms - (clock_mono_ms() - q->start_ms);
    return left > 0 ? left : 1;
}

static void set_method(struct fetch *q)
{
    if (q->get) {
        (void)curl_easy_setopt(q->easy, CURLOPT_HTTPGET, 1L);
        return;
    }
    (void)curl_easy_setopt(q->easy, CURLOPT_POST, 1L);
    (void)curl_easy_setopt(q->easy, CURLOPT_POSTFIELDS, (const char *)buf_span(&q->body).p);
    (void)curl_easy_setopt(q->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)q->body.n);
}

static void set_options(struct fetch *q)
{
    CURL *e = q->easy;
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, q);
    (void)curl_easy_setopt(e, CURLOPT_CURLU, q->url);
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, q->https_only ? "https" : "http,https");
    (void)curl_easy_setopt(e, CURLOPT_PROXY, "");
    (void)curl_easy_setopt(e, CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
    (void)curl_easy_setopt(e, CURLOPT_FOLLOWLOCATION, 0L);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, (long)left_ms(q));
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_TIMEOUT_MS);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, q->error);
    set_method(q);
    (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, q->headers);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_response);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, q);
    (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, q);
    (void)curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_connected);
    (void)curl_easy_setopt(e, CURLOPT_PREREQDATA, q);
    (void)curl_easy_setopt(e, CURLOPT_CAINFO, NULL);
    (void)curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
    (void)curl_easy_setopt(e, CURLOPT_SSL_CTX_FUNCTION, on_ssl_context);
    if (q->resolve != NULL)
        (void)curl_easy_setopt(e, CURLOPT_RESOLVE, q->resolve);
}

static void perform(struct fetch *q)
{
    q->easy = curl_easy_init();
    if (q->easy == NULL) {
        answer(q, 0, "cannot start a request");
        return;
    }
    set_options(q);
    if (curl_multi_add_handle(q->fetcher->multi, q->easy) != CURLM_OK)
        answer(q, 0, "cannot start a request");
}

/* "host:port:addr,addr": libcurl asks nobody then. */
static void set_addresses(struct fetch *q, const struct dnsaddr *list, size_t n)
{
    struct buf text = {0};
    buf_putf(&text, "%s:%s:", q->host, q->port);
    for (size_t i = 0; i < n && i < ADDRESSES_MAX; i++) {
        char one[INET6_ADDRSTRLEN];
        (void)inet_ntop(list[i].family, list[i].octets, one, sizeof one);
        buf_putf(&text, list[i].family == AF_INET6 ? "%s[%s]" : "%s%s", i == 0 ? "" : ",", one);
    }
    q->resolve = curl_slist_append(NULL, buf_text(&text));
    buf_free(&text);
}

static void on_addresses(struct dnsaddr_result *r, void *arg)
{
    struct fetch *q = arg;
    char why[300];
    q->lookup = NULL;
    (void)evtimer_del(q->begin);
    if (r->status == DNSADDR_OK) {
        set_addresses(q, r->list, r->n);
        dnsaddr_result_free(&r);
        perform(q);
        return;
    }
    (void)snprintf(why, sizeof why, "cannot resolve %.100s: %.150s", q->host, r->text);
    dnsaddr_result_free(&r);
    answer(q, 0, why);
}

static bool is_address(const char *host)
{
    unsigned char octets[16];
    return host[0] == '[' || inet_pton(AF_INET, host, octets) == 1 ||
           inet_pton(AF_INET6, host, octets) == 1;
}

/* A name that never reaches the DNS (RFC 6761 section 6.3). */
static bool is_localhost(const char *host)
{
    size_t n = strlen(host);
    return span_is_nocase(span_text(host), "localhost") ||
           (n > 10 && span_is_nocase(span_text(host + n - 10), ".localhost"));
}

static const struct dnsaddr loopback[] = {
    {AF_INET, {127, 0, 0, 1}},
    {AF_INET6, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}},
};

static void look_up(struct fetch *q)
{
    const struct dnsaddr_options options = {.family = DNSADDR_4_FIRST,
                                            .any_target = true,
                                            .private_target = true,
                                            .max = ADDRESSES_MAX};
    int64_t ms = left_ms(q);
    struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
    (void)evtimer_add(q->begin, &tv);
    q->lookup = dnsaddr_find(q->fetcher->dns, q->host, &options, on_addresses, q);
}

static void on_begin(evutil_socket_t fd, short what, void *arg)
{
    struct fetch *q = arg;
    if (q->lookup != NULL) {
        answer(q, 0, "no address was found in time");
    } else if (q->host == NULL) {
        answer(q, 0, "malformed URL");
    } else if (is_address(q->host)) {
        perform(q);
    } else if (is_localhost(q->host)) {
        set_addresses(q, loopback, sizeof loopback / sizeof loopback[0]);
        perform(q);
    } else if (q->fetcher->dns == NULL) {
        answer(q, 0, "there is no resolver");
    } else {
        look_up(q);
    }
}

static void read_url(struct fetch *q, const char *url)
{
    q->url = curl_url();
    if (q->url == NULL || curl_url_set(q->url, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(q->url, CURLUPART_PORT, &q->port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return;
    if (curl_url_get(q->url, CURLUPART_HOST, &q->host, 0) != CURLUE_OK)
        q->host = NULL;
}

void fetch_start(struct fetcher *x, const struct fetch_request *r, fetch_on_answer *on_answer,
                 void *arg)
{
    const struct timeval now = {0, 0};
    struct fetch *q = mem_zero(sizeof *q);
    q->fetcher = x;
    q->on_answer = on_answer;
    q->arg = arg;
    q->start_ms = clock_mono_ms();
    q->timeout_ms = r->timeout_ms;
    q->response_max = r->response_max;
    q->allow_private = r->allow_private;
    q->get = r->get;
    q->https_only = r->https_only;
    buf_put_span(&q->body, r->body);
    (void)buf_text(&q->body);
    for (size_t i = 0; r->headers[i] != NULL; i++)
        q->headers = curl_slist_append(q->headers, r->headers[i]);
    read_url(q, r->url);
    LIST_INSERT_HEAD(&x->list, q, next);
    q->begin = evtimer_new(x->base, on_begin, q);
    (void)evtimer_add(q->begin, &now);
}
