#ifndef QM_TEST_RESPONDER_H
#define QM_TEST_RESPONDER_H

/* A name server in the event loop of the test itself: every A query is answered with 192.0.2.1,
 * unless it is told to keep silent. One for a name that begins with "dead" never is. */

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "dns.h"

struct responder {
    struct event_base *base;
    struct dns *dns;
    int fd;
    struct event *event;
    bool silent;
    unsigned queries;
};

static void responder_answer(evutil_socket_t fd, short what, void *arg)
{
    static const unsigned char record[16] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
    struct responder *r = arg;
    unsigned char p[600];
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    ssize_t n = recvfrom(fd, p, 512, 0, (struct sockaddr *)&peer, &length);
    assert_true(n > 12);
    r->queries++;
    if (r->silent || memcmp(p + 13, "dead", 4) == 0)
        return;
    size_t end = 12 + strlen((char *)p + 12) + 1 + 4; /* no label of the tests holds a NUL */
    p[2] = 0x81;
    p[3] = 0x80;
    p[7] = 1;  /* one answer, */
    p[11] = 0; /* no OPT */
    memcpy(p + end, record, sizeof record);
    ssize_t sent = sendto(fd, p, end + sizeof record, 0, (struct sockaddr *)&peer, length);
    assert_true(sent == (ssize_t)(end + sizeof record));
}

static int responder_open(void **state)
{
    static struct responder r;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof address;
    struct dns_settings settings = {.server_count = 1, .timeout_ms = 10000};
    struct fail f;
    r = (struct responder){.base = event_base_new()};
    r.fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (r.fd < 0 || bind(r.fd, (struct sockaddr *)&address, sizeof address) < 0 ||
        getsockname(r.fd, (struct sockaddr *)&address, &length) < 0)
        return -1;
    r.event = event_new(r.base, r.fd, EV_READ | EV_PERSIST, responder_answer, &r);
    event_add(r.event, NULL);
    memcpy(&settings.servers[0], &address, sizeof address);
    r.dns = dns_open(r.base, &settings, &f);
    *state = &r;
    return r.dns == NULL ? -1 : 0;
}

static int responder_close(void **state)
{
    struct responder *r = *state;
    dns_close(&r->dns);
    event_free(r->event);
    event_base_free(r->base);
    (void)close(r->fd);
    return 0;
}

/* Runs the loop until *done is at least wanted. */
static void responder_run(struct responder *r, const unsigned *done, unsigned wanted)
{
    while (*done < wanted)
        assert_int_equal(event_base_loop(r->base, EVLOOP_ONCE), 0);
}

#endif
