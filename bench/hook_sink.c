/* bench-hook-sink ADDRESS PORT CALLS: an endpoint of webhooks that answers each POST with 200 at
 * once and keeps its connections. Says "ready", and after so many calls ends with a line of JSON:
 * calls, and seconds from the first to the last. */

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/listener.h>

#include "ascii.h"
#include "clock.h"
#include "conn.h"
#include "mem.h"

#define INPUT_MAX (1024 * 1024)

struct sink {
    struct event_base *base;
    long wanted, calls;
    int64_t first_us, last_us;
};

static void count(struct sink *s)
{
    s->last_us = clock_mono_us();
    if (s->calls++ == 0)
        s->first_us = s->last_us;
    if (s->calls == s->wanted)
        (void)event_base_loopbreak(s->base);
}

/* Octets of the request at the head of the input, or 0 while it is not complete. */
static size_t request(struct span in)
{
    static const char name[] = "\r\nContent-Length: ";
    const unsigned char *end = memmem(in.p, in.n, "\r\n\r\n", 4);
    if (end == NULL)
        return 0;
    size_t head = (size_t)(end - in.p) + 4;
    const char *at = memmem(in.p, head, name, sizeof name - 1);
    size_t n = head + (at == NULL ? 0 : (size_t)strtol(at + sizeof name - 1, NULL, 10));
    return in.n < n ? 0 : n;
}

static void on_input(struct conn *c, void *arg)
{
    size_t n;
    while ((n = request(conn_input(c))) > 0) {
        conn_consume(c, n);
        buf_puts(conn_output(c), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
        count(arg);
    }
    conn_flush(c);
}

static void on_closed(struct conn *c, void *arg, const char *why, bool timed_out)
{
    conn_free(&c);
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *sa, int len,
                      void *arg)
{
    static const struct conn_handler handler = {.on_input = on_input, .on_closed = on_closed};
    struct sink *s = arg;
    (void)conn_new(s->base, fd, INPUT_MAX, &handler, s);
}

int main(int argc, char **argv)
{
    struct sink s = {.base = event_base_new()};
    struct sockaddr_in to = {.sin_family = AF_INET};
    if (argc != 4 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 ||
        (s.wanted = atol(argv[3])) < 1) {
        (void)fprintf(stderr, "usage: bench-hook-sink ADDRESS PORT CALLS\n");
        return 64;
    }
    to.sin_port = htons((uint16_t)atoi(argv[2]));
    struct evconnlistener *l = evconnlistener_new_bind(
        s.base, on_accept, &s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_EXEC,
        1024, (struct sockaddr *)&to, sizeof to);
    if (l == NULL) {
        perror("bench-hook-sink");
        return 74;
    }
    (void)printf("ready\n");
    (void)fflush(stdout);
    (void)event_base_dispatch(s.base);
    (void)printf("{\"calls\": %ld, \"seconds\": %.3f}\n", s.calls,
                 (double)(s.last_us - s.first_us) / 1e6);
    return 0;
}
