/* themes: ipc codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "file.h"
#include "record.h"
#include "wire.h"

/* A record as a peer may send it, through a real socket. The first octet tells how many descriptors
 * come with it, and of what kind: the first is a sealed memory file with the rest of the input, or
 * an unsealed one. What is received says what was sent. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void send_all(int fd, struct span octets, const int *fds, unsigned n)
{
    union {
        char octets[CMSG_SPACE(sizeof(int) * 8)];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {(void *)octets.p, octets.n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    if (n > 0) {
        m.msg_control = control.octets;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
    }
    (void)sendmsg(fd, &m, MSG_NOSIGNAL);
}

/* Memory file with these octets, sealed or not. */
static int file_of(struct span octets, bool seal)
{
    int fd = file_memory("fuzz", NULL);
    assert(fd >= 0 && file_write_all(fd, octets.p, octets.n) == 0);
    assert(!seal || file_seal(fd, NULL) == 0);
    return fd;
}

static void check(const struct ipc_message *m, struct span sent, unsigned fds, struct span spilled)
{
    struct wire w = wire_open(sent);
    uint16_t type = wire_u16(&w), flags = wire_u16(&w);
    uint32_t length = wire_u32(&w);
    uint64_t id = wire_u64(&w);
    bool spill = (flags & IPC_SPILLED) != 0;
    assert(!w.bad && m->type == type && m->id == id && m->reply == ((flags & IPC_REPLY) != 0));
    assert(m->payload.n == length && m->fds == fds - (spill ? 1 : 0) && m->fds <= IPC_FDS);
    assert(span_equal(m->payload, spill ? spilled : span_of(w.p, w.n)));
    for (unsigned i = 0; i < m->fds; i++)
        assert(m->fd[i] >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ipc_message m;
    struct buf storage = {0};
    struct fail f = {{0}};
    int pair[2], fds[8];
    if (size < 2)
        return 0;
    unsigned n = data[0] % 8;
    struct span sent = span_of(data + 1, size - 1),
                behind = size > 17 ? span_of(data + 17, size - 17) : (struct span){0};
    assert(ipc_pair(pair, &f) == 0);
    for (unsigned i = 0; i < n; i++)
        fds[i] = file_of(behind, data[0] < 128);
    send_all(pair[0], sent, fds, n);
    for (unsigned i = 0; i < n; i++)
        (void)close(fds[i]);
    int rc = record_receive(pair[1], &m, &storage, &f);
    if (rc == 0)
        check(&m, sent, n, behind);
    else
        assert(m.fds == 0 && (rc != -1 || f.text[0] != '\0'));
    record_close_fds(&m);
    (void)close(pair[0]);
    (void)close(pair[1]);
    buf_free(&storage);
    return 0;
}
