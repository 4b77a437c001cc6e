#include "sm_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "clock.h"

#define PIECE 16384

void sm_link_adopt(struct sm_link *l, int fd, sm_link_trace *trace)
{
    *l = (struct sm_link){.fd = fd, .trace = trace};
    (void)fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
    reply_open(&l->parser);
}

int sm_link_open(struct sm_link *l, const char *path, int timeout_ms, sm_link_trace *trace,
                 struct fail *f)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    struct timeval patience = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    if (strlen(path) >= sizeof sa.sun_path) {
        errno = ENAMETOOLONG;
        return fail_errno(f, "%s", path);
    }
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return fail_errno(f, "cannot make a socket");
    /* For this family the time to send bounds the wait for a place in the listener's queue. */
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    if (connect(fd, (struct sockaddr *)&sa, sizeof sa) != 0) {
        (void)fail_errno(f, "cannot connect to %s", path);
        int error = errno;
        (void)close(fd);
        errno = error;
        return -1;
    }
    sm_link_adopt(l, fd, trace);
    return 0;
}

void sm_link_command(struct sm_link *l, const char *fmt, ...)
{
    size_t before = l->out.n;
    va_list ap;
    va_start(ap, fmt);
    buf_vputf(&l->out, fmt, ap);
    va_end(ap);
    if (l->trace != NULL)
        l->trace(true, span_of(buf_span(&l->out).p + before, l->out.n - before));
    buf_puts(&l->out, "\r\n");
}

/* Whether errno is no failure but "not now". */
static bool later(void)
{
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

static int send_some(struct sm_link *l, struct fail *f)
{
    struct span out = buf_span(&l->out);
    ssize_t n = send(l->fd, out.p, out.n, MSG_NOSIGNAL);
    if (n < 0)
        return later() ? 0 : fail_errno(f, "cannot send to the mail system");
    buf_drop(&l->out, (size_t)n);
    return 0;
}

static int receive_some(struct sm_link *l, struct fail *f)
{
    unsigned char *room = buf_room(&l->in, PIECE);
    ssize_t n = recv(l->fd, room, PIECE, 0);
    if (n < 0)
        return later() ? 0 : fail_errno(f, "cannot receive from the mail system");
    if (n == 0)
        return fail_set(f, "the mail system closed the connection");
    buf_grew(&l->in, (size_t)n);
    return 0;
}

/* Waits until something can be sent (if there is anything) or received, and does it. */
static int move(struct sm_link *l, int64_t until, struct fail *f)
{
    int64_t left = until - clock_mono_ms();
    struct pollfd p = {.fd = l->fd, .events = POLLIN | (l->out.n > 0 ? POLLOUT : 0)};
    if (left <= 0)
        return fail_set(f, "the mail system does not answer in time");
    if (poll(&p, 1, (int)left) < 0)
        return errno == EINTR ? 0 : fail_errno(f, "cannot wait for the mail system");
    /* What it said before it hung up is worth more than the failure to send to it. */
    if ((p.revents & (POLLIN | POLLHUP | POLLERR)) != 0)
        return receive_some(l, f);
    return (p.revents & POLLOUT) != 0 ? send_some(l, f) : 0;
}

static void trace_reply(struct sm_link *l)
{
    for (size_t i = 0; l->trace != NULL && i < l->parser.reply.kept; i++)
        l->trace(false, reply_line(&l->parser.reply, i));
}

int sm_link_reply(struct sm_link *l, int64_t until, struct fail *f)
{
    for (;;) {
        struct span in = buf_span(&l->in);
        size_t had = in.n;
        enum reply_got got = reply_feed(&l->parser, &in, f);
        buf_drop(&l->in, had - in.n);
        if (got == REPLY_DONE) {
            trace_reply(l);
            return 0;
        }
        if (got == REPLY_BAD || move(l, until, f) != 0)
            return -1;
    }
}

int sm_link_flush(struct sm_link *l, int64_t until, struct fail *f)
{
    while (l->out.n > 0 && l->in.n == 0) {
        if (move(l, until, f) != 0)
            return -1;
    }
    return l->in.n > 0 ? 1 : 0;
}

void sm_link_close(struct sm_link *l)
{
    (void)close(l->fd);
    buf_free(&l->in);
    buf_free(&l->out);
    reply_close(&l->parser);
    l->fd = -1;
}
