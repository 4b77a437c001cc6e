#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"
#include "sandbox.h"

#define UID 54321
#define GID 54322

/* Everything here happens in children: what a process has given up it does not get back. */

static bool is_root(void)
{
    if (geteuid() == 0)
        return true;
    print_message("SKIPPED: only root can give up privileges; run the tests as root to try it\n");
    return false;
}

static int run(int (*child)(void))
{
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        _exit(child());
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void expect_exit(int (*child)(void), int code)
{
    int status = run(child);
    if (WIFSIGNALED(status))
        fail_msg("ended by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), code);
}

/* ---- privileges ---- */

static char root_folder[] = "/tmp/qm-sandbox-XXXXXX";

/* A child that drops everything and waits, to be looked at from outside. */
static pid_t start_dropped(int *go)
{
    struct fail f = {{0}};
    int ready[2], wait_for[2];
    char octet = 'r';
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(wait_for), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        const gid_t groups[] = {1, 2, 3};
        (void)close(ready[0]);
        (void)close(wait_for[1]);
        if (setgroups(3, groups) != 0 || sandbox_drop(UID, GID, root_folder, false, &f) != 0 ||
            sandbox_seccomp(SANDBOX_KILL, NULL, &f) != 0)
            octet = 'f';
        if (write(ready[1], &octet, 1) != 1 || read(wait_for[0], &octet, 1) < 0)
            _exit(1);
        _exit(0);
    }
    (void)close(ready[1]);
    (void)close(wait_for[0]);
    assert_int_equal(read(ready[0], &octet, 1), 1);
    assert_int_equal(octet, 'r');
    (void)close(ready[0]);
    *go = wait_for[1];
    return pid;
}

static void expect_line(const char *status, const char *line)
{
    char *with_ends = mem_format("\n%s\n", line);
    if (strstr(status, with_ends) == NULL)
        fail_msg("/proc/PID/status has no line \"%s\":\n%s", line, status);
    mem_free(&with_ends);
}

static void expect_link(pid_t pid, const char *name, const char *target)
{
    char path[64], to[PATH_MAX];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, name);
    ssize_t n = readlink(path, to, sizeof to - 1);
    assert_true(n > 0);
    to[n] = '\0';
    assert_string_equal(to, target);
}

static void test_a_confined_process_is_what_the_kernel_says_it_is(void **state)
{
    static char status[8192];
    char path[64], line[100];
    int go;
    if (!is_root())
        skip();
    pid_t pid = start_dropped(&go);
    (void)snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    status[fread(status, 1, sizeof status - 1, file)] = '\0';
    (void)fclose(file);
    (void)snprintf(line, sizeof line, "Uid:\t%d\t%d\t%d\t%d", UID, UID, UID, UID);
    expect_line(status, line);
    (void)snprintf(line, sizeof line, "Gid:\t%d\t%d\t%d\t%d", GID, GID, GID, GID);
    expect_line(status, line);
    expect_line(status, "Groups:\t ");
    expect_line(status, "CapInh:\t0000000000000000");
    expect_line(status, "CapPrm:\t0000000000000000");
    expect_line(status, "CapEff:\t0000000000000000");
    expect_line(status, "CapAmb:\t0000000000000000");
    expect_line(status, "NoNewPrivs:\t1");
    expect_line(status, "Seccomp:\t2");
    expect_link(pid, "root", root_folder);
    expect_link(pid, "cwd", root_folder);
    (void)close(go);
    int end;
    assert_int_equal(waitpid(pid, &end, 0), pid);
    assert_true(WIFEXITED(end) && WEXITSTATUS(end) == 0);
}

static int drop_and_look(void)
{
    struct fail f;
    int death = 0;
    if (sandbox_drop(UID, GID, root_folder, false, &f) != 0)
        return 1;
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return 2;
    if (prctl(PR_GET_PDEATHSIG, &death, 0, 0, 0) != 0 || death != SIGKILL)
        return 3;
    if (open("/etc/passwd", O_RDONLY | O_CLOEXEC) >= 0 || access("/inside", F_OK) != 0)
        return 4;
    if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0 || setgroups(0, NULL) == 0 ||
        chroot("/") == 0)
        return 5;
    return 0;
}

static int drop_dumpable(void)
{
    struct fail f;
    return sandbox_drop(UID, GID, root_folder, true, &f) == 0 &&
                   prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 1
               ? 0
               : 1;
}

static void test_what_was_given_up_does_not_come_back(void **state)
{
    if (!is_root())
        skip();
    expect_exit(drop_and_look, 0);
    expect_exit(drop_dumpable, 0);
}

static int drop_into_nothing(void)
{
    struct fail f = {{0}};
    if (sandbox_drop(UID, GID, "/nonexistent/folder", false, &f) != -1)
        return 1;
    return strcmp(
               f.text,
               "cannot make /nonexistent/folder the root directory: No such file or directory") == 0
               ? 0
               : 2;
}

/* Nobody said who to become: it must not go on as root. */
static int drop_to_nobody_in_particular(void)
{
    struct fail f = {{0}};
    return sandbox_drop(-1, -1, NULL, false, &f) == -1 && f.text[0] != '\0' ? 0 : 1;
}

static void test_a_drop_that_did_not_happen_is_a_failure(void **state)
{
    if (!is_root())
        skip();
    expect_exit(drop_into_nothing, 0);
    expect_exit(drop_to_nobody_in_particular, 0);
}

static int drop_without_root(void)
{
    struct fail f = {{0}};
    char here[PATH_MAX];
    uid_t uid = geteuid() == 0 ? UID : geteuid();
    if (geteuid() == 0 && setresuid(uid, uid, uid) != 0)
        return 1;
    if (sandbox_drop(1, 1, root_folder, false, &f) != 0)
        return 2;
    if (geteuid() != uid || getcwd(here, sizeof here) == NULL || strcmp(here, root_folder) != 0)
        return 3;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 4;
    if (sandbox_drop(1, 1, "/nonexistent/folder", false, &f) != -1)
        return 5;
    return strcmp(f.text, "cannot change into /nonexistent/folder: No such file or directory") == 0
               ? 0
               : 6;
}

static void test_without_root_what_can_be_done_is_done(void **state)
{
    expect_exit(drop_without_root, 0);
}

/* ---- system calls ---- */

static void call_openat(void)
{
    (void)open("/dev/null", O_RDONLY);
}

static void call_socket(void)
{
    (void)socket(AF_INET, SOCK_STREAM, 0);
}

static void call_connect(void)
{
    struct sockaddr sa = {.sa_family = AF_INET};
    (void)connect(0, &sa, sizeof sa);
}

static void call_bind(void)
{
    struct sockaddr sa = {.sa_family = AF_INET};
    (void)bind(0, &sa, sizeof sa);
}

static void call_accept4(void)
{
    (void)accept4(0, NULL, NULL, 0);
}

static void call_execve(void)
{
    char *const none[] = {NULL};
    (void)execve("/bin/true", none, none);
}

static void call_clone(void)
{
    (void)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);
}

static void call_kill(void)
{
    (void)kill(getpid(), 0);
}

static void call_ptrace(void)
{
    (void)ptrace(PTRACE_TRACEME, 0, NULL, NULL);
}

static void call_mount(void)
{
    (void)mount("none", "/tmp", "tmpfs", 0, NULL);
}

static void call_unlink(void)
{
    (void)unlink("/nonexistent");
}

static void call_rename(void)
{
    (void)rename("/nonexistent/a", "/nonexistent/b");
}

static void call_setuid(void)
{
    (void)syscall(SYS_setuid, getuid());
}

static void call_chroot(void)
{
    (void)syscall(SYS_chroot, "/nonexistent");
}

static void call_io_uring(void)
{
    (void)syscall(SYS_io_uring_setup, 0, NULL);
}

static void call_process_vm(void)
{
    (void)process_vm_readv(getpid(), NULL, 0, NULL, 0, 0);
}

static const struct {
    const char *name;
    void (*call)(void);
} forbidden[] = {
    {"openat", call_openat},
    {"socket", call_socket},
    {"connect", call_connect},
    {"bind", call_bind},
    {"accept4", call_accept4},
    {"execve", call_execve},
    {"clone", call_clone},
    {"kill", call_kill},
    {"ptrace", call_ptrace},
    {"mount", call_mount},
    {"unlink", call_unlink},
    {"rename", call_rename},
    {"setuid", call_setuid},
    {"chroot", call_chroot},
    {"io_uring_setup", call_io_uring},
    {"process_vm_readv", call_process_vm},
};

static size_t which;
static enum sandbox_seccomp mode;

static int call_forbidden(void)
{
    struct fail f;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || sandbox_seccomp(mode, NULL, &f) != 0)
        return 1;
    errno = 0;
    forbidden[which].call();
    return errno == EPERM ? 2 : 3;
}

static void test_a_forbidden_call_kills_in_kill_mode(void **state)
{
    mode = SANDBOX_KILL;
    for (which = 0; which < sizeof forbidden / sizeof forbidden[0]; which++) {
        int status = run(call_forbidden);
        if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGSYS)
            fail_msg("%s: status 0x%x instead of death by SIGSYS", forbidden[which].name, status);
    }
}

static void test_a_forbidden_call_is_not_permitted_in_errno_mode(void **state)
{
    mode = SANDBOX_ERRNO;
    for (which = 0; which < sizeof forbidden / sizeof forbidden[0]; which++) {
        int status = run(call_forbidden);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 2)
            fail_msg("%s: status 0x%x instead of EPERM", forbidden[which].name, status);
    }
}

static int open_when_off(void)
{
    struct fail f;
    return sandbox_seccomp(SANDBOX_OFF, NULL, &f) == 0 && open("/dev/null", O_RDONLY) >= 0 ? 0 : 1;
}

static void test_there_is_no_filter_when_it_is_off(void **state)
{
    expect_exit(open_when_off, 0);
}

static int use_extra(void)
{
    static const char *const extra[] = {"socket", NULL};
    struct fail f;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 ||
        sandbox_seccomp(SANDBOX_KILL, extra, &f) != 0)
        return 1;
    if (socket(AF_UNIX, SOCK_STREAM, 0) < 0)
        return 2;
    call_openat();
    return 3;
}

static void test_a_call_that_a_process_names_is_its_own_only(void **state)
{
    int status = run(use_extra);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

/* What every process does: memory, time, sockets it has, the event loop, the log. */
static int do_what_everyone_does(void)
{
    struct fail f;
    int pair[2];
    char octets[16];
    struct epoll_event e = {.events = EPOLLIN};
    struct itimerspec at = {.it_value = {0, 1}};
    struct timespec pause = {0, 1000};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || sandbox_seccomp(SANDBOX_KILL, NULL, &f) != 0)
        return 1;
    for (size_t n = 1; n < 64u << 20; n *= 2) {
        char *p = mem_zero(n);
        p = mem_resize(p, n * 2);
        mem_free(&p);
    }
    int memory = memfd_create("x", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (memory < 0 || ftruncate(memory, 100) != 0 || pwrite(memory, "x", 1, 50) != 1 ||
        fcntl(memory, F_ADD_SEALS, F_SEAL_WRITE) != 0)
        return 2;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0 ||
        send(pair[0], "x", 1, 0) != 1 || recv(pair[1], octets, sizeof octets, 0) != 1)
        return 3;
    int poller = epoll_create1(EPOLL_CLOEXEC), timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    int counter = eventfd(0, EFD_CLOEXEC);
    if (poller < 0 || timer < 0 || counter < 0 || timerfd_settime(timer, 0, &at, NULL) != 0 ||
        epoll_ctl(poller, EPOLL_CTL_ADD, timer, &e) != 0 || epoll_wait(poller, &e, 1, 1000) != 1)
        return 4;
    if (getrandom(octets, sizeof octets, 0) != sizeof octets || nanosleep(&pause, NULL) != 0)
        return 5;
    log_info(NULL, "a line of the log, under the filter");
    (void)fprintf(stderr, "and one of the standard library's\n");
    return 0;
}

static void test_what_everyone_does_is_allowed(void **state)
{
    expect_exit(do_what_everyone_does, 0);
}

static int hold[2];

static void *forbidden_in_thread(void *arg)
{
    char octet;
    if (read(hold[0], &octet, 1) == 1)
        call_openat();
    return NULL;
}

/* A library that started a thread before the door closed. */
static int confine_after_a_thread_began(void)
{
    struct fail f;
    pthread_t thread;
    if (pipe(hold) != 0 || pthread_create(&thread, NULL, forbidden_in_thread, NULL) != 0)
        return 1;
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || sandbox_seccomp(SANDBOX_KILL, NULL, &f) != 0)
        return 2;
    if (write(hold[1], "x", 1) != 1)
        return 3;
    (void)pthread_join(thread, NULL);
    return 4;
}

static void test_threads_that_were_there_before_are_confined_too(void **state)
{
    int status = run(confine_after_a_thread_began);
    if (WIFEXITED(status))
        fail_msg("exit %d", WEXITSTATUS(status));
    assert_int_equal(WTERMSIG(status), SIGSYS);
}

static int make_root(void **state)
{
    char path[64];
    assert_non_null(mkdtemp(root_folder));
    assert_int_equal(chmod(root_folder, 0755), 0);
    (void)snprintf(path, sizeof path, "%s/inside", root_folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    assert_true(fd >= 0);
    (void)close(fd);
    return 0;
}

static int remove_root(void **state)
{
    char path[64];
    (void)snprintf(path, sizeof path, "%s/inside", root_folder);
    (void)unlink(path);
    return rmdir(root_folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_confined_process_is_what_the_kernel_says_it_is),
        cmocka_unit_test(test_what_was_given_up_does_not_come_back),
        cmocka_unit_test(test_a_drop_that_did_not_happen_is_a_failure),
        cmocka_unit_test(test_without_root_what_can_be_done_is_done),
        cmocka_unit_test(test_a_forbidden_call_kills_in_kill_mode),
        cmocka_unit_test(test_a_forbidden_call_is_not_permitted_in_errno_mode),
        cmocka_unit_test(test_there_is_no_filter_when_it_is_off),
        cmocka_unit_test(test_a_call_that_a_process_names_is_its_own_only),
        cmocka_unit_test(test_what_everyone_does_is_allowed),
        cmocka_unit_test(test_threads_that_were_there_before_are_confined_too),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
