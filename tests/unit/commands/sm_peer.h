/* A mail system for the tests of sendmail's side: a process at the other end of a socket that goes
 * through its steps, octet by octet. */

#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* What must come, all of it, and what is then said. */
struct sm_peer_step {
    const char *wanted, *said;
};

static int sm_peer_read(int fd, const char *wanted)
{
    char got;
    for (const char *p = wanted; *p != '\0'; p++) {
        if (read(fd, &got, 1) != 1 || got != *p) {
            (void)fprintf(stderr, "peer: wanted '%s', failed at octet %zu\n", wanted,
                          (size_t)(p - wanted));
            return -1;
        }
    }
    return 0;
}

/* 0 when all steps were gone through and, with to_end, nothing else came. */
static int sm_peer_go(int fd, const struct sm_peer_step *steps, size_t n, int to_end)
{
    char more;
    for (size_t i = 0; i < n; i++) {
        if (sm_peer_read(fd, steps[i].wanted) != 0)
            return 1;
        if (steps[i].said[0] != '\0' &&
            send(fd, steps[i].said, strlen(steps[i].said), MSG_NOSIGNAL) < 0)
            return 2;
    }
    return to_end && read(fd, &more, 1) != 0 ? 3 : 0;
}

/* Starts it; the socket returned is for the side under test. */
static int sm_peer_start(const struct sm_peer_step *steps, size_t n, int to_end, pid_t *pid)
{
    int fd[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fd), 0);
    *pid = fork();
    assert_true(*pid >= 0);
    if (*pid == 0) {
        (void)close(fd[0]);
        (void)alarm(30);
        _exit(sm_peer_go(fd[1], steps, n, to_end));
    }
    (void)close(fd[1]);
    return fd[0];
}

static void sm_peer_end(pid_t pid)
{
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}
