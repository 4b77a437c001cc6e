#include "sandbox.h"

#include <assert.h>
#include <errno.h>
#include <grp.h>
#include <seccomp.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

/* Memory, time, descriptors that are already open, the event loop, local sockets. No file is opened
 * by name, no process is made, nothing is bound or connected, unless a process asks for it by name.
 */
// clang-format off
static const char *const everyone[] = {
    "read", "write", "readv", "writev", "pread64", "pwrite64", "recvmsg", "sendmsg", "recvfrom",
    "sendto", "shutdown", "getsockopt", "setsockopt", "getsockname", "getpeername", "socketpair",
    "close", "dup", "dup3", "fcntl", "fstat", "newfstatat", "lseek", "ftruncate", "memfd_create",
    "poll", "ppoll", "select", "epoll_create1", "epoll_ctl", "epoll_wait", "epoll_pwait",
    "eventfd2", "timerfd_create", "timerfd_settime", "pipe2", "brk", "mmap", "munmap", "mremap",
    "mprotect", "madvise", "futex", "getrandom", "clock_gettime", "clock_getres", "gettimeofday",
    "time", "nanosleep", "clock_nanosleep", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn",
    "sigaltstack", "restart_syscall", "getpid", "gettid", "getppid", "getuid", "geteuid", "getgid",
    "getegid", "tgkill", "exit", "exit_group", "sched_yield", "sched_getaffinity", "prlimit64",
    "getrlimit", "getrusage", "rseq", "set_robust_list", "uname", "sysinfo", "prctl", "membarrier",
    "statx",
    NULL,
};
// clang-format on

#ifdef __SANITIZE_ADDRESS__
/* The leak checker looks into its own process by ptrace and files, which a confined process may not
 * do. */
static int is_confined;

int __lsan_is_turned_off(void);
int __lsan_is_turned_off(void)
{
    return is_confined;
}
#endif

int sandbox_drop(int uid, int gid, const char *root, bool dumpable, struct fail *f)
{
    if (geteuid() == 0) {
        if (root != NULL && (chroot(root) != 0 || chdir("/") != 0))
            return fail_errno(f, "cannot make %s the root directory", root);
        if (setgroups(0, NULL) != 0 || setresgid((gid_t)gid, (gid_t)gid, (gid_t)gid) != 0 ||
            setresuid((uid_t)uid, (uid_t)uid, (uid_t)uid) != 0)
            return fail_errno(f, "cannot become user %d, group %d", uid, gid);
        if (uid != 0 && setuid(0) == 0)
            return fail_set(f, "privileges could be taken back");
    } else if (root != NULL && chdir(root) != 0) {
        return fail_errno(f, "cannot change into %s", root);
    }
#ifdef __SANITIZE_ADDRESS__
    is_confined = 1;
#endif
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
        return fail_errno(f, "cannot set no_new_privs");
    if (prctl(PR_SET_DUMPABLE, dumpable ? 1 : 0, 0, 0, 0) != 0)
        return fail_errno(f, "cannot forbid core files");
    /* Last, since a change of user takes it away again. */
    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0)
        return fail_errno(f, "cannot ask to end with master");
    return 0;
}

static int allow(scmp_filter_ctx filter, const char *const *names)
{
    int rc = 0;
    for (; names != NULL && *names != NULL && rc == 0; names++) {
        int number = seccomp_syscall_resolve_name(*names);
        assert(number != __NR_SCMP_ERROR);
        rc = seccomp_rule_add(filter, SCMP_ACT_ALLOW, number, 0);
    }
    return rc;
}

int sandbox_seccomp(enum sandbox_seccomp mode, const char *const *extra, struct fail *f)
{
    if (mode == SANDBOX_OFF)
        return 0;
    scmp_filter_ctx filter =
        seccomp_init(mode == SANDBOX_KILL ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM));
    if (filter == NULL)
        return fail_set(f, "cannot make a system call filter");
    /* A binary search over the numbers instead of one comparison after the other. */
    int rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    /* For the threads, too, that a library may have started. */
    if (rc == 0)
        rc = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (rc == 0)
        rc = allow(filter, everyone);
    if (rc == 0)
        rc = allow(filter, extra);
    if (rc == 0)
        rc = seccomp_load(filter);
    seccomp_release(filter);
    return rc == 0 ? 0 : fail_set(f, "cannot load the system call filter: %s", strerror(-rc));
}
