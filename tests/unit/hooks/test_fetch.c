#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "clock.h"
#include "dns.h"
#include "dnsconf.h"
#include "fetch.h"
#include "mem.h"
#include "sandbox.h"
#include "tls.h"

/* A fetcher, and in the same loop an HTTP server and a name server that knows one address: ours. */

struct connection {
    struct event *event;
    struct buf in;
};

static struct event_base *base;
static struct event *alarm_;
static struct fetcher *fetcher;
static int server_fd = -1, dns_fd = -1;
static struct event *server_event, *dns_event;
static unsigned port;
static struct dns *dns;
static unsigned requests, queries;
static struct buf last_request;
static const char *reply; /* what the server says; NULL: nothing, ever */
static bool dns_is_silent;

static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    fail_msg("waited for half a minute in vain");
}

static void on_connection(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = arg;
    ssize_t got = read(fd, buf_room(&c->in, 65536), 65536);
    if (got > 0) {
        buf_grew(&c->in, (size_t)got);
        const char *text = buf_text(&c->in), *end = strstr(text, "\r\n\r\n");
        const char *length = strcasestr(text, "content-length: ");
        size_t want = length == NULL ? 0 : (size_t)atoi(length + 16);
        if (end == NULL || c->in.n < (size_t)(end + 4 - text) + want)
            return;
        requests++;
        buf_clear(&last_request);
        buf_put_span(&last_request, buf_span(&c->in));
        buf_clear(&c->in);
        if (reply == NULL)
            return;
        for (size_t n = strlen(reply), at = 0; at < n;) {
            ssize_t put = send(fd, reply + at, n - at, MSG_NOSIGNAL);
            if (put <= 0)
                break;
            at += (size_t)put;
        }
        if (strstr(reply, "Content-Length") != NULL)
            return;
    }
    (void)close(fd);
    event_free(c->event);
    buf_free(&c->in);
    mem_free(&c);
}

static void on_accept(evutil_socket_t fd, short what, void *arg)
{
    struct connection *c = mem_zero(sizeof *c);
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
    assert_true(peer >= 0);
    c->event = event_new(base, peer, EV_READ | EV_PERSIST, on_connection, c);
    event_add(c->event, NULL);
}

/* Every A query is answered with 127.0.0.1; others with nothing. */
static void on_query(evutil_socket_t fd, short what, void *arg)
{
    static const unsigned char record[16] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1};
    unsigned char p[600];
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    ssize_t n = recvfrom(fd, p, 512, 0, (struct sockaddr *)&peer, &length);
    assert_true(n > 12);
    queries++;
    if (dns_is_silent)
        return;
    size_t end = 12 + strlen((char *)p + 12) + 1 + 4;
    bool is_a = p[end - 3] == 1;
    p[2] = 0x81;
    p[3] = 0x80;
    p[7] = is_a;
    p[9] = p[11] = 0;
    if (is_a)
        memcpy(p + end, record, sizeof record);
    (void)sendto(fd, p, end + (is_a ? sizeof record : 0), 0, (struct sockaddr *)&peer, length);
}

static int bind_to_loopback(int type, unsigned *bound)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof sa;
    int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &length), 0);
    *bound = ntohs(sa.sin_port);
    return fd;
}

static int setup(void **state)
{
    const struct timeval patience = {30, 0};
    struct dns_settings settings = {.timeout_ms = 5000, .tries = 2, .cache_entries = 100};
    struct fail f;
    unsigned dns_port;
    char server[40];
    base = event_base_new();
    alarm_ = evtimer_new(base, on_alarm, NULL);
    evtimer_add(alarm_, &patience);
    server_fd = bind_to_loopback(SOCK_STREAM, &port);
    assert_int_equal(listen(server_fd, 10), 0);
    dns_fd = bind_to_loopback(SOCK_DGRAM, &dns_port);
    server_event = event_new(base, server_fd, EV_READ | EV_PERSIST, on_accept, NULL);
    dns_event = event_new(base, dns_fd, EV_READ | EV_PERSIST, on_query, NULL);
    event_add(server_event, NULL);
    event_add(dns_event, NULL);
    (void)snprintf(server, sizeof server, "127.0.0.1:%u", dns_port);
    assert_int_equal(dnsconf_server(&settings, server, &f), 0);
    dns = dns_open(base, &settings, &f);
    assert_non_null(dns);
    fetcher = fetcher_new(base, &f);
    assert_non_null(fetcher);
    fetcher_set_dns(fetcher, dns);
    requests = queries = 0;
    dns_is_silent = false;
    reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    return 0;
}

static int teardown(void **state)
{
    fetcher_free(&fetcher);
    dns_close(&dns);
    /* What the server has of connections ends with them. */
    for (int i = 0; i < 5; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    event_free(server_event);
    event_free(dns_event);
    event_free(alarm_);
    (void)close(server_fd);
    (void)close(dns_fd);
    event_base_free(base);
    buf_free(&last_request);
    return 0;
}

struct heard {
    int calls;
    long status;
    char error[300];
    struct buf response;
    uint32_t retry_after_s;
    int64_t duration_ms;
};

static void on_answer(void *arg, const struct fetch_answer *a)
{
    struct heard *h = arg;
    h->calls++;
    h->status = a->status;
    (void)snprintf(h->error, sizeof h->error, "%s", a->error);
    buf_clear(&h->response);
    buf_put_span(&h->response, a->response);
    h->retry_after_s = a->retry_after_s;
    h->duration_ms = a->duration_ms;
}

static void start(const char *url, bool allow_private, struct heard *h)
{
    static const char *const headers[] = {"Content-Type: application/json", "X-Test: 1", NULL};
    const struct fetch_request r = {.url = url,
                                    .body = span_text("{\"a\":1}"),
                                    .headers = headers,
                                    .timeout_ms = 5000,
                                    .response_max = 100,
                                    .allow_private = allow_private};
    memset(h, 0, sizeof *h);
    fetch_start(fetcher, &r, on_answer, h);
    assert_int_equal(h->calls, 0);
}

static void fetch(const char *url, bool allow_private, struct heard *h)
{
    start(url, allow_private, h);
    while (h->calls == 0)
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
}

static char *url_of(const char *host)
{
    return mem_format("http://%s:%u/hook?x=1", host, port);
}

static void test_a_call_is_posted_as_it_was_given(void **state)
{
    struct heard h;
    char *url = url_of("127.0.0.1");
    fetch(url, true, &h);
    assert_int_equal(h.status, 200);
    assert_string_equal(h.error, "");
    assert_true(span_is(buf_span(&h.response), "ok"));
    const char *text = buf_text(&last_request);
    assert_true(strncmp(text, "POST /hook?x=1 HTTP/1.1\r\n", 25) == 0);
    assert_non_null(strstr(text, "\r\nX-Test: 1\r\n"));
    assert_non_null(strstr(text, "\r\n\r\n{\"a\":1}"));
    buf_free(&h.response);
    mem_free(&url);
}

static void test_names_are_looked_up_by_our_own_resolver(void **state)
{
    static const struct {
        const char *host;
        bool asked;
    } names[] = {{"app.example", true},
                 {"App.Example", false},
                 {"localhost", false},
                 {"x.localhost", false}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct heard h;
        char *url = url_of(names[i].host);
        unsigned before = queries;
        fetch(url, true, &h);
        if (h.status != 200)
            fail_msg("%s: %s", names[i].host, h.error);
        if (names[i].asked)
            assert_true(queries > before);
        buf_free(&h.response);
        mem_free(&url);
    }
}

static void test_a_private_address_is_refused_however_it_is_spelled(void **state)
{
    static const char *const hosts[] = {"127.0.0.1",
                                        "127.1",
                                        "127.0.1",
                                        "2130706433",
                                        "0x7f000001",
                                        "0x7f.1",
                                        "017700000001",
                                        "0177.0.0.1",
                                        "0",
                                        "0.0.0.0",
                                        "[::1]",
                                        "[::]",
                                        "[::ffff:127.0.0.1]",
                                        "[::ffff:7f00:1]",
                                        "[::127.0.0.1]",
                                        "[64:ff9b::127.0.0.1]",
                                        "[2002:7f00:1::]",
                                        "localhost",
                                        "LOCALHOST",
                                        "a.localhost",
                                        "app.example",
                                        "10.0.0.1",
                                        "169.254.169.254",
                                        "[fe80::1]",
                                        "[fd00::1]"};
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct heard h;
        char *url = url_of(hosts[i]);
        fetch(url, false, &h);
        if (h.status != 0 || strcmp(h.error, "the address is not a public one") != 0)
            fail_msg("%s: status %ld, %s", hosts[i], h.status, h.error);
        buf_free(&h.response);
        mem_free(&url);
    }
    assert_int_equal(requests, 0);
}

/* A reload may forbid what was allowed while the connection was made. */
static void test_a_connection_that_was_kept_is_judged_again(void **state)
{
    struct heard h;
    char *url = url_of("127.0.0.1");
    fetch(url, true, &h);
    assert_int_equal(h.status, 200);
    buf_free(&h.response);
    fetch(url, false, &h);
    assert_int_equal(h.status, 0);
    assert_string_equal(h.error, "the address is not a public one");
    assert_int_equal(requests, 1);
    buf_free(&h.response);
    mem_free(&url);
}

static void test_no_proxy_is_asked_whatever_the_environment_says(void **state)
{
    static const char *const names[] = {"http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"};
    struct heard h;
    char *url = url_of("127.0.0.1");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        assert_int_equal(setenv(names[i], "http://127.0.0.1:1", 1), 0);
    fetch(url, true, &h);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        (void)unsetenv(names[i]);
    assert_int_equal(h.status, 200);
    buf_free(&h.response);
    mem_free(&url);
}

static void test_a_redirect_is_an_answer_and_not_followed(void **state)
{
    struct heard h;
    char *url = url_of("127.0.0.1");
    reply = "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1/\r\nContent-Length: 0\r\n\r\n";
    fetch(url, true, &h);
    assert_int_equal(h.status, 302);
    assert_int_equal(requests, 1);
    buf_free(&h.response);
    mem_free(&url);
}

static void test_an_answer_is_kept_as_far_as_was_asked(void **state)
{
    struct heard h;
    char *url = url_of("127.0.0.1"), *body = mem_alloc(2000001);
    memset(body, 'r', 2000000);
    body[2000000] = '\0';
    char *medium = mem_format("HTTP/1.1 500 No\r\nContent-Length: 1000\r\n\r\n%.1000s", body);
    reply = medium;
    fetch(url, true, &h);
    assert_int_equal(h.status, 500);
    assert_int_equal(h.response.n, 100);
    buf_free(&h.response);
    /* One that never ends is an answer, too, after so much of it. */
    char *endless = mem_format("HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n%s", body);
    reply = endless;
    fetch(url, true, &h);
    assert_int_equal(h.status, 200);
    assert_int_equal(h.response.n, 100);
    buf_free(&h.response);
    mem_free(&medium);
    mem_free(&endless);
    mem_free(&body);
    mem_free(&url);
}

static void test_an_endpoint_can_say_when_to_come_back(void **state)
{
    struct heard h;
    char *url = url_of("127.0.0.1");
    reply = "HTTP/1.1 429 Slow\r\nRetry-After: 120\r\nContent-Length: 0\r\n\r\n";
    fetch(url, true, &h);
    assert_int_equal(h.status, 429);
    assert_int_equal(h.retry_after_s, 120);
    reply = "HTTP/1.1 429 Slow\r\nRetry-After: 99999999999\r\nContent-Length: 0\r\n\r\n";
    fetch(url, true, &h);
    assert_int_equal(h.retry_after_s, INT32_MAX);
    reply = "HTTP/1.1 503 Slow\r\nRetry-After: soon\r\nContent-Length: 0\r\n\r\n";
    fetch(url, true, &h);
    assert_int_equal(h.retry_after_s, 0);
    buf_free(&h.response);
    mem_free(&url);
}

static void test_what_goes_wrong_is_said(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "ftp://127.0.0.1/",
                                      "http://",
                                      "http:///x",
                                      "file:///etc/passwd",
                                      "gopher://127.0.0.1/",
                                      "http://a b/"};
    struct heard h;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        fetch(bad[i], true, &h);
        assert_int_equal(h.status, 0);
        assert_true(h.error[0] != '\0');
        buf_free(&h.response);
    }
    fetch("http://127.0.0.1:1/", true, &h);
    assert_int_equal(h.status, 0);
    assert_true(h.error[0] != '\0');
    char *url = url_of("127.0.0.1");
    reply = "this is not HTTP\r\n\r\n";
    fetch(url, true, &h);
    assert_int_equal(h.status, 0);
    mem_free(&url);
    buf_free(&h.response);
}

static void expect_given_up_in_time(const char *host)
{
    static const char *const headers[] = {NULL};
    struct heard h = {0};
    char *url = url_of(host);
    const struct fetch_request r = {.url = url,
                                    .body = span_text("x"),
                                    .headers = headers,
                                    .timeout_ms = 300,
                                    .response_max = 10,
                                    .allow_private = true};
    fetch_start(fetcher, &r, on_answer, &h);
    while (h.calls == 0)
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    assert_int_equal(h.status, 0);
    assert_true(h.error[0] != '\0');
    assert_true(h.duration_ms >= 250 && h.duration_ms < 5000);
    buf_free(&h.response);
    mem_free(&url);
}

static void test_an_endpoint_that_says_nothing_is_given_up_in_time(void **state)
{
    reply = NULL;
    expect_given_up_in_time("127.0.0.1");
    expect_given_up_in_time("app.example");
}

/* The resolver alone would take ten seconds. */
static void test_a_name_server_that_says_nothing_takes_no_longer_than_the_call_may(void **state)
{
    dns_is_silent = true;
    expect_given_up_in_time("app.example");
}

static void test_calls_under_way_end_with_the_fetcher_unheard(void **state)
{
    struct heard h[20];
    struct fail f;
    char *direct = url_of("127.0.0.1"), *named = url_of("b.example");
    reply = NULL;
    for (int i = 0; i < 20; i++)
        start(i % 2 == 0 ? direct : named, true, &h[i]);
    for (int i = 0; i < 10; i++)
        (void)event_base_loop(base, EVLOOP_NONBLOCK);
    fetcher_free(&fetcher);
    for (int i = 0; i < 20; i++)
        assert_int_equal(h[i].calls, 0);
    fetcher = fetcher_new(base, &f);
    fetcher_set_dns(fetcher, dns);
    /* The resolver can be changed under those that wait for it. */
    reply = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    start(named, true, &h[0]);
    (void)event_base_loop(base, EVLOOP_NONBLOCK);
    fetcher_set_dns(fetcher, dns);
    while (h[0].calls == 0)
        assert_int_equal(event_base_loop(base, EVLOOP_ONCE), 0);
    assert_int_equal(h[0].status, 200);
    buf_free(&h[0].response);
    mem_free(&direct);
    mem_free(&named);
}

/* Under the filter of the process hooks: a library that looked a name up by itself would start a
 * thread, and be killed. */
static int fetch_confined(void)
{
    static const char *const syscalls[] = {"socket", "connect", "bind", "getpeername",
                                           "ioctl",  "accept4", NULL};
    static const char *const hosts[] = {
        "127.0.0.1",    "[::ffff:127.0.0.1]",    "app.example", "App.Example",
        "app.example.", "APP.example.",          "localhost",   "localhost.",
        "Localhost",    "xn--bcher-kva.example", "127.1",       "0x7f.1",
        "2130706433"};
    struct fail f;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        sandbox_seccomp(SANDBOX_KILL, syscalls, &f) != 0)
        return 1;
    for (size_t i = 0; i < sizeof hosts / sizeof hosts[0]; i++) {
        struct heard h;
        char *url = url_of(hosts[i]);
        start(url, true, &h);
        while (h.calls == 0)
            (void)event_base_loop(base, EVLOOP_ONCE);
        if (h.status != 200) {
            (void)fprintf(stderr, "%s: %s\n", hosts[i], h.error);
            return 2;
        }
        mem_free(&url);
    }
    return 0;
}

static void test_under_the_filter_every_spelling_of_a_name_goes_through_our_resolver(void **state)
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)event_reinit(base);
        _exit(fetch_confined());
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFSIGNALED(status))
        fail_msg("killed by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

static int start_libraries(void **state)
{
    struct fail f;
    return tls_init(&f) == 0 && fetcher_init(&f) == 0 ? 0 : -1;
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        EACH(test_a_call_is_posted_as_it_was_given),
        EACH(test_names_are_looked_up_by_our_own_resolver),
        EACH(test_a_private_address_is_refused_however_it_is_spelled),
        EACH(test_a_connection_that_was_kept_is_judged_again),
        EACH(test_no_proxy_is_asked_whatever_the_environment_says),
        EACH(test_a_redirect_is_an_answer_and_not_followed),
        EACH(test_an_answer_is_kept_as_far_as_was_asked),
        EACH(test_an_endpoint_can_say_when_to_come_back),
        EACH(test_what_goes_wrong_is_said),
        EACH(test_an_endpoint_that_says_nothing_is_given_up_in_time),
        EACH(test_a_name_server_that_says_nothing_takes_no_longer_than_the_call_may),
        EACH(test_calls_under_way_end_with_the_fetcher_unheard),
        EACH(test_under_the_filter_every_spelling_of_a_name_goes_through_our_resolver),
    };
    return cmocka_run_group_tests(tests, start_libraries, NULL);
}
