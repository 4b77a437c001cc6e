#ifndef QM_TEST_IPC_HELP_H
#define QM_TEST_IPC_HELP_H

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fail.h"
#include "ipc.h"

/* How many descriptors this process has open. */
static inline unsigned open_fds(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

/* A descriptor that can be told from others: the read end of a pipe with this octet in it. */
static inline int marked_fd(char mark)
{
    int fd[2];
    assert_int_equal(pipe2(fd, O_CLOEXEC), 0);
    assert_int_equal(write(fd[1], &mark, 1), 1);
    (void)close(fd[1]);
    return fd[0];
}

static inline char mark_of(int fd)
{
    char mark = 0;
    assert_int_equal(read(fd, &mark, 1), 1);
    return mark;
}

/* Sends octets and descriptors as they are, whatever a record ought to be. */
static inline void send_raw(int fd, struct span octets, const int *fds, unsigned n)
{
    union {
        char octets[CMSG_SPACE(sizeof(int) * 16)];
        struct cmsghdr align;
    } control = {{0}};
    struct iovec iov = {(void *)octets.p, octets.n};
    struct msghdr m = {.msg_iov = &iov, .msg_iovlen = 1};
    assert_true(n <= 16);
    if (n > 0) {
        m.msg_control = control.octets;
        m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
        struct cmsghdr *c = CMSG_FIRSTHDR(&m);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof(int) * n);
        memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
    }
    assert_true(sendmsg(fd, &m, MSG_NOSIGNAL) >= 0);
}

#endif
