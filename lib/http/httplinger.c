#include "httplinger.h"

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <event2/event.h>

#include "clock.h"
#include "file.h"
#include "mem.h"

#define LINGER_MS 2000
#define LINGER_OCTETS (4u << 20)

struct lingering {
    LIST_ENTRY(lingering) link;
    struct httplinger *owner;
    struct event *event;
    int fd;
    int64_t until_ms;
    size_t left;
};

struct httplinger {
    struct event_base *base;
    LIST_HEAD(, lingering) all;
    unsigned n, most;
};

struct httplinger *httplinger_new(struct event_base *base, unsigned most)
{
    struct httplinger *l = mem_zero(sizeof *l);
    l->base = base;
    l->most = most;
    LIST_INIT(&l->all);
    return l;
}

static void drop(struct lingering *one)
{
    LIST_REMOVE(one, link);
    one->owner->n--;
    event_free(one->event);
    file_close(&one->fd);
    mem_release(one);
}

void httplinger_free(struct httplinger **l)
{
    if (*l == NULL)
        return;
    while (!LIST_EMPTY(&(*l)->all))
        drop(LIST_FIRST(&(*l)->all));
    mem_free(l);
}

/* Returns whether there may be more to come. */
static bool read_away(struct lingering *one)
{
    char octets[16384];
    for (int i = 0; i < 16; i++) {
        ssize_t n = recv(one->fd, octets, sizeof octets, 0);
        if (n < 0)
            return errno == EAGAIN || errno == EINTR;
        if (n == 0 || (size_t)n >= one->left)
            return false;
        one->left -= (size_t)n;
    }
    return true;
}

static void arm(struct lingering *one)
{
    int64_t ms = one->until_ms - clock_mono_ms();
    struct timeval wait = {.tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000};
    int rc = event_add(one->event, &wait);
    assert(rc == 0);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct lingering *one = arg;
    if ((what & EV_TIMEOUT) != 0 || !read_away(one) || clock_mono_ms() >= one->until_ms)
        drop(one);
    else
        arm(one);
}

void httplinger_add(struct httplinger *l, int fd)
{
    if (l->n >= l->most) {
        file_close(&fd);
        return;
    }
    struct lingering *one = mem_zero(sizeof *one);
    one->owner = l;
    one->fd = fd;
    one->until_ms = clock_mono_ms() + LINGER_MS;
    one->left = LINGER_OCTETS;
    one->event = event_new(l->base, fd, EV_READ, on_readable, one);
    assert(one->event != NULL);
    LIST_INSERT_HEAD(&l->all, one, link);
    l->n++;
    (void)shutdown(fd, SHUT_WR);
    arm(one);
}
