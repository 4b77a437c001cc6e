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

static void put_head(struct buf *out, uint16_t type, uint16_t flags, uint64_t id,
                     struct span payload)
{
    wire_put_u16(out, type);
    wire_put_u16(out, flags);
    wire_put_u32(out, (uint32_t)payload.n);
    wire_put_u64(out, id);
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
    put_head(&r->octets, type, flags, id, payload);
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

static int send_parts(int fd, const struct span *parts, size_t parts_n, const int *fds, unsigned n,
                      struct fail *f)
{
    union {
        char octets[CMSG_SPACE(sizeof(int) * (IPC_FDS + 1))];
        struct cmsghdr align;
    } control;
    struct iovec iov[2];
    struct msghdr m = {.msg_iov = iov, .msg_iovlen = parts_n};
    assert(parts_n <= 2);
    for (size_t i = 0; i < parts_n; i++)
        iov[i] = (struct iovec){(void *)parts[i].p, parts[i].n};
    if (n > 0) {
        memset(&control, 0, sizeof control);
        m.msg_control = control.octets;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
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

int record_send_now(int fd, uint16_t type, uint16_t flags, uint64_t id, struct span payload,
                    const int *fds, unsigned n, struct fail *f)
{
    struct buf head = {0};
    assert(n <= IPC_FDS && payload.n <= IPC_INLINE_MAX);
    put_head(&head, type, flags, id, payload);
    const struct span parts[] = {buf_span(&head), payload};
    int rc = send_parts(fd, parts, 2, fds, n, f);
    buf_free(&head);
    return rc;
}

int record_send(int fd, const struct record *r, struct fail *f)
{
    const struct span octets = buf_span(&r->octets);
    return send_parts(fd, &octets, 1, r->fd, r->fds, f);
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
    bool cut = (m->msg_flags & MSG_CTRUNC) != 0;
    /* With room for more, it is this process that has none left, and no fault of the peer's. */
    if (cut && taken + excess + (*spilled >= 0 ? 1 : 0) < IPC_FDS + 1)
        return fail_set(f, "no descriptor is free for what came with a message");
    if (excess > 0 || cut)
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
