#include "record.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "file.h"
#include "wire.h"

static void close_all(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        file_close(&fds[i]);
}

int record_make(struct record *r, uint16_t type, uint16_t flags, uint64_t id, struct span payload,
                const int *fds, unsigned n, struct fail *f)
{
    *r = (struct record){0};
    assert(n <= IPC_FDS && payload.n <= IPC_PAYLOAD_MAX);
    bool spill = payload.n > IPC_INLINE_MAX;
    if (spill) {
        int fd = file_sealed("ipc payload", payload, f);
        if (fd < 0) {
            for (unsigned i = 0; i < n; i++)
                (void)close(fds[i]);
            return -1;
        }
        r->fd[r->fds++] = fd;
        flags |= IPC_SPILLED;
    }
    for (unsigned i = 0; i < n; i++)
        r->fd[r->fds++] = fds[i];
    wire_put_u16(&r->octets, type);
    wire_put_u16(&r->octets, flags);
    wire_put_u32(&r->octets, (uint32_t)payload.n);
    wire_put_u64(&r->octets, id);
    if (!spill)
        buf_put_span(&r->octets, payload);
    return 0;
}

void record_free(struct record *r)
{
    close_all(r->fd, r->fds);
    r->fds = 0;
    buf_wipe(&r->octets);
}

int record_send(int fd, const struct record *r, struct fail *f)
{
    union {
        char octets[CMSG_SPACE(sizeof(int) * (IPC_FDS + 1))];
        struct cmsghdr align;
    } control;
    struct iovec iov = {buf_span(&r->octets).n > 0 ? (void *)(r->octets.p + r->octets.head) : NULL,
                        r->octets.n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (r->fds > 0) {
        memset(&control, 0, sizeof control);
        m.msg_control = control.octets;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * r->fds);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * r->fds);
        memcpy(CMSG_DATA(c), r->fd, sizeof(int) * r->fds);
    }
    ssize_t put;
    do
        put = sendmsg(fd, &m, MSG_NOSIGNAL | MSG_DONTWAIT);
    while (put < 0 && errno == EINTR);
    if (put >= 0)
        return 0;
    if (errno == EAGAIN)
        return RECORD_AGAIN;
    /* ETOOMANYREFS: too many descriptors are in flight; they drain as peers read. */
    if (errno == ENOBUFS || errno == ETOOMANYREFS)
        return RECORD_LATER;
    return fail_errno(f, "cannot send");
}

/* The padding of a control message can let one more descriptor in than there was room asked for, so
 * every one is walked, and what has no place is closed. */
static int take_fds(struct msghdr *m, struct ipc_message *out, int *spilled, bool spill,
                    struct fail *f)
{
    unsigned taken = 0, excess = 0;
    *spilled = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c != NULL; c = CMSG_NXTHDR(m, c)) {
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
            continue;
        size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof fd);
            if (spill && *spilled < 0)
                *spilled = fd;
            else if (taken < IPC_FDS)
                out->fd[taken++] = fd;
            else {
                (void)close(fd);
                excess++;
            }
        }
    }
    out->fds = taken;
    if (excess > 0 || (m->msg_flags & MSG_CTRUNC) != 0)
        return fail_set(f, "too many descriptors with one message");
    return 0;
}

static int read_spilled(int fd, uint32_t length, struct buf *storage, struct fail *f)
{
    uint64_t size;
    if (fd < 0)
        return fail_set(f, "no descriptor with a spilled message");
    if (file_check_sealed(fd, IPC_PAYLOAD_MAX, &size, f) != 0)
        return -1;
    if (size != length)
        return fail_set(f, "spilled message of another length");
    return file_read_fd(fd, IPC_PAYLOAD_MAX, storage, f);
}

void record_close_fds(struct ipc_message *m)
{
    close_all(m->fd, m->fds);
    m->fds = 0;
}

/* A peer that ends while records wait for it leaves ECONNRESET behind, once, and what it sent
 * itself can still be read after that. */
static ssize_t receive(int fd, struct msghdr *h)
{
    ssize_t got;
    int resets = 0;
    do
        got = recvmsg(fd, h, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    while (got < 0 && (errno == EINTR || (errno == ECONNRESET && resets++ == 0)));
    return got;
}

int record_receive(int fd, struct ipc_message *m, struct buf *storage, struct fail *f)
{
    union {
        char octets[CMSG_SPACE(sizeof(int) * (IPC_FDS + 1))];
        struct cmsghdr align;
    } control;
    int spilled;
    buf_clear(storage);
    *m = (struct ipc_message){.fd = {-1, -1, -1, -1}};
    struct iovec iov = {buf_room(storage, RECORD_HEAD + IPC_INLINE_MAX),
                        RECORD_HEAD + IPC_INLINE_MAX};
    struct msghdr h = {.msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = control.octets,
                       .msg_controllen = sizeof control.octets};
    ssize_t got = receive(fd, &h);
    if (got < 0)
        return errno == EAGAIN       ? RECORD_AGAIN
               : errno == ECONNRESET ? RECORD_CLOSED
                                     : fail_errno(f, "cannot receive");
    if (got == 0) {
        /* The end; or a record without octets, which can carry descriptors and is none of ours. */
        (void)take_fds(&h, m, &spilled, false, NULL);
        record_close_fds(m);
        return RECORD_CLOSED;
    }
    buf_grew(storage, (size_t)got);
    struct wire w = wire_open(buf_span(storage));
    m->type = wire_u16(&w);
    uint16_t flags = wire_u16(&w);
    uint32_t length = wire_u32(&w);
    m->id = wire_u64(&w);
    m->reply = (flags & IPC_REPLY) != 0;
    bool spill = (flags & IPC_SPILLED) != 0;
    int rc = take_fds(&h, m, &spilled, spill, f);
    if (rc == 0 &&
        (w.bad || (h.msg_flags & MSG_TRUNC) != 0 || (flags & ~(IPC_REPLY | IPC_SPILLED)) != 0))
        rc = fail_set(f, "malformed record");
    if (rc == 0 && !spill && w.n != length)
        rc = fail_set(f, "record of another length than it says");
    if (rc == 0 && spill) {
        buf_clear(storage);
        rc = read_spilled(spilled, length, storage, f);
    } else if (rc == 0) {
        buf_drop(storage, RECORD_HEAD);
    }
    file_close(&spilled);
    if (rc != 0) {
        record_close_fds(m);
        return -1;
    }
    m->payload = buf_span(storage);
    return 0;
}
