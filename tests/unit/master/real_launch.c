#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "file.h"
#include "launch.h"
#include "mem.h"

/* What a process is started with. Its program is a script that writes down what it sees. It reads
 * its signals by itself: while a shell starts another program, it blocks them. */

#define SCRIPT                                                                                     \
    "#!/bin/sh\n"                                                                                  \
    "exec > %s/out.new\n"                                                                          \
    "for a; do echo \"arg $a\"; done\n"                                                            \
    "for f in /proc/$$/fd/*; do echo \"fd ${f##*/} $(readlink $f)\"; done\n"                       \
    "tr '\\0' '\\n' < /proc/$$/environ | sed 's/^/env /'\n"                                        \
    "while read -r what value; do case $what in SigIgn:|SigBlk:) "                                 \
    "printf '%%s\\t%%s\\n' $what $value;; esac; done < /proc/$$/status\n"                          \
    "mv %s/out.new %s/out\n"

static char folder[] = "/tmp/launch-XXXXXX";
static struct world w;
static struct process p, peer;
static int control[2], peer_control[2];

static struct conf *configuration(void)
{
    struct conf_errors errors;
    char *text = mem_format(
        "hostname us.test\nlog-level warn\nseccomp errno\nstate-dir \"%s/state\"\nrun-dir "
        "\"%s/run\"\n",
        folder, folder);
    struct conf *conf = conf_parse("/etc/test.conf", span_text(text), &errors);
    assert_non_null(conf);
    conf_errors_free(&errors);
    mem_free(&text);
    return conf;
}

static const struct ipc_handler handler = {NULL, NULL};

static int setup(void **state)
{
    struct fail f;
    memcpy(folder + strlen(folder) - 6, "XXXXXX", 6);
    if (mkdtemp(folder) == NULL)
        return -1;
    w = (struct world){.base = event_base_new(), .program_dir = folder, .privileged = false};
    TAILQ_INIT(&w.processes);
    TAILQ_INIT(&w.listeners);
    w.conf = configuration();
    w.users[ROLE_HOOKS] = (struct user_ids){601, 602};
    p = (struct process){.world = &w, .role = ROLE_HOOKS, .name = "hooks", .label = ""};
    peer = (struct process){.world = &w, .role = ROLE_QMGR, .name = "qmgr", .label = ""};
    TAILQ_INSERT_TAIL(&w.processes, &peer, next);
    TAILQ_INSERT_TAIL(&w.processes, &p, next);
    if (ipc_pair(control, &f) != 0 || ipc_pair(peer_control, &f) != 0)
        return -1;
    peer.control = ipc_new(w.base, peer_control[0], "peer", &handler, NULL);
    return 0;
}

static int teardown(void **state)
{
    ipc_free(&peer.control);
    (void)close(peer_control[1]);
    (void)close(control[0]);
    conf_free(&w.conf);
    event_base_free(w.base);
    char *command = mem_format("rm -rf %s", folder);
    int rc = system(command);
    mem_free(&command);
    return rc;
}

static void write_script(void)
{
    char *path = mem_format("%s/qm-hooks", folder),
         *text = mem_format(SCRIPT, folder, folder, folder);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
    assert_true(fd >= 0);
    assert_int_equal(file_write_all(fd, text, strlen(text)), 0);
    (void)close(fd);
    mem_free(&path);
    mem_free(&text);
}

static char *run(void)
{
    struct fail f = {{0}};
    struct buf text = {0};
    int status;
    assert_int_equal(launch(&p, control[1], &f), 0);
    assert_true(p.pid > 0);
    assert_int_equal(waitpid(p.pid, &status, 0), p.pid);
    assert_int_equal(status, 0);
    char *path = mem_format("%s/out", folder);
    assert_int_equal(file_read(AT_FDCWD, path, 65536, &text, &f), 0);
    mem_free(&path);
    return buf_take_text(&text);
}

static void has(const char *text, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static void has(const char *text, const char *fmt, ...)
{
    struct buf line = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vputf(&line, fmt, ap);
    va_end(ap);
    if (strstr(text, buf_text(&line)) == NULL)
        fail_msg("no \"%s\" in\n%s", buf_text(&line), text);
    buf_free(&line);
}

static unsigned count(const char *text, const char *what)
{
    unsigned n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++)
        n++;
    return n;
}

static void it_is_told_who_it_is(void **state)
{
    write_script();
    char *text = run();
    has(text, "arg --name=hooks\n");
    has(text, "arg --uid=601\narg --gid=602\narg --seccomp=1\narg --log-level=warn\n");
    has(text, "arg --link=hook qmgr=");
    assert_null(strstr(text, "--root"));
    mem_free(&text);
}

static void it_has_nothing_open_but_its_channels_and_the_log(void **state)
{
    /* As a shell or a service manager may leave it. */
    int stray = open("/etc/passwd", O_RDONLY);
    assert_true(stray >= 0);
    write_script();
    char *text = run(), *control_fd = strstr(text, "arg --control="),
         *link_fd = strstr(text, "arg --link=hook qmgr=");
    assert_true(control_fd != NULL && link_fd != NULL);
    has(text, "fd 0 /dev/null\n");
    has(text, "fd 2 ");
    has(text, "fd %ld socket:", strtol(control_fd + 14, NULL, 10));
    has(text, "fd %ld socket:", strtol(link_fd + 21, NULL, 10));
    assert_null(strstr(text, "/etc/passwd"));
    /* The shell adds its script, its output and a pipe. */
    assert_true(count(text, "\nfd ") <= 8);
    (void)close(stray);
    mem_free(&text);
}

static void its_environment_is_ours_and_signals_are_not_blocked(void **state)
{
    sigset_t all;
    assert_int_equal(setenv("SECRET", "s3cret", 1), 0);
    (void)sigfillset(&all);
    write_script();
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
    char *text = run();
    (void)sigprocmask(SIG_UNBLOCK, &all, NULL);
    assert_null(strstr(text, "s3cret"));
    has(text, "env LC_ALL=C\n");
    has(text, "SigBlk:\t0000000000000000\n");
    assert_int_equal(count(text, "\nenv "), 3);
    mem_free(&text);
}

static void a_program_that_is_not_there_ends_with_127(void **state)
{
    struct fail f = {{0}};
    int status;
    assert_int_equal(launch(&p, control[1], &f), 0);
    assert_int_equal(waitpid(p.pid, &status, 0), p.pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 127);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_is_told_who_it_is),
        TEST(it_has_nothing_open_but_its_channels_and_the_log),
        TEST(its_environment_is_ours_and_signals_are_not_blocked),
        TEST(a_program_that_is_not_there_ends_with_127),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
