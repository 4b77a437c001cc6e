#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

#include "clock.h"
#include "conf.h"
#include "file.h"
#include "ipc.h"
#include "log.h"
#include "mem.h"
#include "proto_control.h"
#include "service.h"

/* A daemon in a child, which tells through a pipe what its frame has it do; the test is its master.
 */

static int events = -1; /* the child's end of the pipe */

#define TELL(...) assert(dprintf(events, __VA_ARGS__) > 0)

/* ---- the daemon ---- */

enum { COUNT_ONE, COUNT_TWO, COUNTERS };
static const char *const counters[COUNTERS + 1] = {"ones_total", "twos", NULL};

static bool init_fails, start_fails, stops_by_itself = true;
static int loses; /* so many links of those that come */

static int init(struct service *s, struct fail *f)
{
    TELL("init %s\n", service_name(s));
    return init_fails ? fail_set(f, "the library has no tables") : 0;
}

static int start(struct service *s, struct fail *f)
{
    struct rlimit limit;
    assert(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    TELL("start %s\n",
         limit.rlim_cur == limit.rlim_max || limit.rlim_cur >= 65536 ? "raised" : "not raised");
    return start_fails ? fail_set(f, "no folder") : 0;
}

struct state {
    struct conf *conf;
    const char *hostname;
};

static void *prepare(struct service *s, struct conf *conf, struct service_hand *hands,
                     size_t hands_n, struct fail *f)
{
    const char *hostname = conf_text(conf_root(conf), "hostname");
    TELL("prepare %s", hostname);
    for (size_t i = 0; i < hands_n; i++)
        TELL(" [%s]", hands[i].purpose);
    TELL("\n");
    if (strcmp(hostname, "bad.example.org") == 0) {
        (void)fail_set(f, "this one does not please");
        return NULL;
    }
    if (strcmp(hostname, "full.example.org") == 0) {
        errno = ENOSPC;
        (void)fail_errno(f, "cannot make folder x");
        (void)fail_prefix(f, "the queue");
        return NULL;
    }
    if (hands_n > 0)
        hands[0].fd = -1; /* kept for good, so that the test can count it */
    struct state *state = mem_zero(sizeof *state);
    *state = (struct state){conf, hostname};
    return state;
}

static void drop(struct state *state)
{
    conf_free(&state->conf);
    mem_free(&state);
}

/* Whether lines of level debug are written now. */
static bool logs_debug(void)
{
    int pair[2], saved = dup(STDERR_FILENO);
    char octet;
    assert(pipe2(pair, O_CLOEXEC | O_NONBLOCK) == 0 && saved >= 0);
    assert(dup3(pair[1], STDERR_FILENO, 0) >= 0);
    log_debug(NULL, "x");
    assert(dup3(saved, STDERR_FILENO, 0) >= 0);
    bool written = read(pair[0], &octet, 1) == 1;
    (void)close(pair[0]);
    (void)close(pair[1]);
    (void)close(saved);
    return written;
}

static void commit(struct service *s, void *new, void *old)
{
    struct state *before = old;
    TELL("commit %s after %s%s\n", ((struct state *)new)->hostname,
         before == NULL ? "nothing" : before->hostname, logs_debug() ? ", with debug" : "");
    assert(service_state(s) == new);
    if (before != NULL)
        drop(before);
    service_count(s, COUNT_ONE, 2);
    service_gauge(s, COUNT_TWO, 7);
}

static void discard(struct service *s, void *state)
{
    TELL("discard %s\n", ((struct state *)state)->hostname);
    drop(state);
}

static void on_link(struct service *s, const char *name, int fd)
{
    char octet = 0;
    assert(service_state(s) != NULL);
    TELL("link %s %zd\n", name, recv(fd, &octet, 1, MSG_DONTWAIT));
    (void)close(fd);
    if (loses-- > 0)
        service_link_lost(s, name);
}

static void on_metrics(struct service *s, struct span text)
{
    TELL("metrics %.*s\n", (int)text.n, (const char *)text.p);
}

static void on_stop(struct service *s)
{
    TELL("stop %d\n", service_stopping(s));
    if (stops_by_itself)
        service_done(s);
}

static const struct service_spec spec = {
    .name = "hooks",
    .reader = CONF_HOOKS,
    .counters = counters,
    .init = init,
    .start = start,
    .prepare = prepare,
    .commit = commit,
    .discard = discard,
    .on_link = on_link,
    .on_metrics = on_metrics,
    .on_stop = on_stop,
};

/* ---- its master ---- */

struct master {
    struct event_base *base;
    struct ipc *control;
    FILE *told;
    pid_t pid;
    int calls;
    char refused[400];
    uint32_t counted;
    uint64_t values[COUNTERS];
    unsigned lost; /* links */
    char lost_name[64];
    int64_t lost_ms; /* the last one */
};

static int on_lost(struct ipc *ch, void *arg, struct ipc_message *message, struct fail *f)
{
    struct master *m = arg;
    char *name;
    assert_int_equal(control_read_lost(message, &name, f), 0);
    m->lost++;
    m->lost_ms = clock_mono_ms();
    (void)snprintf(m->lost_name, sizeof m->lost_name, "%s", name);
    mem_free(&name);
    return 0;
}

static const struct ipc_handler handler = {on_lost, NULL};

/* Runs the daemon with these arguments behind those for its name and control channel. */
static void begin_with(struct master *m, const char *const *more, const int *keep, size_t keep_n)
{
    struct fail f;
    int pair[2], pipe_fd[2];
    memset(m, 0, sizeof *m);
    assert_int_equal(ipc_pair(pair, &f), 0);
    assert_int_equal(pipe2(pipe_fd, O_CLOEXEC), 0);
    m->pid = fork();
    assert_true(m->pid >= 0);
    if (m->pid == 0) {
        char *argv[20] = {(char *)"qm-hooks", (char *)"--name=hooks/3",
                          mem_format("--control=%d", pair[1]), (char *)"--uid=0",
                          (char *)"--gid=0"};
        int argc = 5;
        (void)close(pair[0]);
        (void)close(pipe_fd[0]);
        events = pipe_fd[1];
        for (; more != NULL && *more != NULL; more++)
            argv[argc++] = mem_text(*more);
        _exit(service_main(&spec, argc, argv, NULL));
    }
    (void)close(pair[1]);
    (void)close(pipe_fd[1]);
    for (size_t i = 0; i < keep_n; i++)
        (void)close(keep[i]);
    m->told = fdopen(pipe_fd[0], "r");
    m->base = event_base_new();
    m->control = ipc_new(m->base, pair[0], "control", &handler, m);
}

static void begin(struct master *m)
{
    begin_with(m, NULL, NULL, 0);
}

/* The next thing the daemon tells. */
static void expect(struct master *m, const char *line)
{
    char got[500];
    char *whole = mem_format("%s\n", line);
    assert_string_equal(fgets(got, sizeof got, m->told) == NULL ? "(nothing: it ended)" : got,
                        whole);
    mem_free(&whole);
}

/* Ends it: it tells nothing more, and exits with this code. */
static void end(struct master *m, int code)
{
    int status;
    char got[500] = "";
    assert_null(fgets(got, sizeof got, m->told));
    assert_int_equal(waitpid(m->pid, &status, 0), m->pid);
    if (WIFSIGNALED(status))
        fail_msg("ended by signal %d", WTERMSIG(status));
    assert_int_equal(WEXITSTATUS(status), code);
    (void)fclose(m->told);
    ipc_free(&m->control);
    event_base_free(m->base);
}

static void on_prepared(void *arg, const char *refused)
{
    struct master *m = arg;
    m->calls++;
    (void)snprintf(m->refused, sizeof m->refused, "%s", refused == NULL ? "ready" : refused);
}

static void send_config(struct master *m, const char *hostname, const char *answer)
{
    struct conf_errors errors;
    struct buf share = {0};
    char *text = mem_format("hostname %s\nlog-level %s\n", hostname,
                            strncmp(hostname, "debug", 5) == 0 ? "debug" : "info");
    struct conf *conf = conf_parse("f", span_text(text), &errors);
    int calls = m->calls;
    assert_non_null(conf);
    conf_encode(conf, CONF_HOOKS, &share);
    control_config(m->control, buf_span(&share), on_prepared, m);
    while (m->calls == calls)
        (void)event_base_loop(m->base, EVLOOP_ONCE);
    assert_string_equal(m->refused, answer);
    buf_free(&share);
    conf_free(&conf);
    conf_errors_free(&errors);
    mem_free(&text);
}

static void on_counters(void *arg, const struct control_counter *list, uint32_t n)
{
    struct master *m = arg;
    m->counted = n;
    for (uint32_t i = 0; i < n; i++) {
        assert_string_equal(list[i].name, counters[i]);
        m->values[i] = list[i].value;
    }
}

static int some_fd(void)
{
    return open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* A process that leaves no core files shows its folder in /proc to root alone. */
static void need_root(void)
{
    if (geteuid() == 0)
        return;
    print_message("SKIPPED: only root can look at a process's descriptors\n");
    skip();
}

static unsigned fds_of(pid_t pid)
{
    char path[64];
    unsigned n = 0;
    (void)snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *d = opendir(path);
    assert_non_null(d);
    while (readdir(d) != NULL)
        n++;
    (void)closedir(d);
    return n;
}

static void start_up(struct master *m)
{
    expect(m, "init hooks/3");
    expect(m, "start raised");
    send_config(m, "a.example.org", "ready");
    expect(m, "prepare a.example.org");
    control_commit(m->control);
    expect(m, "commit a.example.org after nothing");
}

static void test_a_process_lives_from_init_to_stop(void **state)
{
    struct master m;
    begin(&m);
    expect(&m, "init hooks/3");
    expect(&m, "start raised");
    control_hand(m.control, "listen a", some_fd());
    control_hand(m.control, "listen b", some_fd());
    send_config(&m, "a.example.org", "ready");
    expect(&m, "prepare a.example.org [listen a] [listen b]");
    control_commit(m.control);
    expect(&m, "commit a.example.org after nothing");
    control_metrics(m.control, span_text("quartermaster_up 1"));
    expect(&m, "metrics quartermaster_up 1");
    control_counters(m.control, on_counters, &m);
    while (m.counted == 0)
        (void)event_base_loop(m.base, EVLOOP_ONCE);
    assert_int_equal(m.counted, COUNTERS);
    assert_int_equal(m.values[COUNT_ONE], 2);
    assert_int_equal(m.values[COUNT_TWO], 7);
    control_clock(m.control, 3600000);
    control_stop(m.control);
    expect(&m, "stop 1");
    end(&m, 0);
}

static void test_a_new_configuration_replaces_the_old_one_only_at_the_commit(void **state)
{
    struct master m;
    begin(&m);
    start_up(&m);
    send_config(&m, "b.example.org", "ready");
    expect(&m, "prepare b.example.org");
    control_abort(m.control);
    expect(&m, "discard b.example.org");
    control_commit(m.control); /* of nothing */
    send_config(&m, "bad.example.org", "this one does not please");
    expect(&m, "prepare bad.example.org");
    control_commit(m.control); /* of what was refused */
    send_config(&m, "c.example.org", "ready");
    expect(&m, "prepare c.example.org");
    send_config(&m, "d.example.org", "ready"); /* without an abort in between */
    expect(&m, "discard c.example.org");
    expect(&m, "prepare d.example.org");
    control_commit(m.control);
    expect(&m, "commit d.example.org after a.example.org");
    control_stop(m.control);
    expect(&m, "stop 1");
    end(&m, 0);
}

static void test_a_disk_at_fault_ends_a_process_that_has_no_configuration_yet(void **state)
{
    struct master m;
    begin(&m);
    expect(&m, "init hooks/3");
    expect(&m, "start raised");
    /* Its end is the answer. */
    send_config(&m, "full.example.org", "the process went away");
    expect(&m, "prepare full.example.org");
    end(&m, EX_IOERR);
}

static void test_a_disk_at_fault_refuses_a_later_configuration(void **state)
{
    struct master m;
    begin(&m);
    start_up(&m);
    send_config(&m, "full.example.org", "the queue: cannot make folder x: No space left on device");
    expect(&m, "prepare full.example.org");
    control_stop(m.control);
    expect(&m, "stop 1");
    end(&m, 0);
}

static void test_the_least_level_of_the_log_goes_with_the_configuration(void **state)
{
    struct master m;
    begin(&m);
    start_up(&m);
    send_config(&m, "debug.example.org", "ready");
    expect(&m, "prepare debug.example.org");
    control_abort(m.control);
    expect(&m, "discard debug.example.org");
    send_config(&m, "b.example.org", "ready");
    expect(&m, "prepare b.example.org");
    control_commit(m.control);
    expect(&m, "commit b.example.org after a.example.org");
    send_config(&m, "debug.example.org", "ready");
    expect(&m, "prepare debug.example.org");
    control_commit(m.control);
    expect(&m, "commit debug.example.org after b.example.org, with debug");
    control_stop(m.control);
    expect(&m, "stop 1");
    end(&m, 0);
}

static void test_descriptors_without_their_configuration_are_not_used_with_the_next(void **state)
{
    struct master m;
    need_root();
    begin(&m);
    start_up(&m);
    unsigned before = fds_of(m.pid);
    control_hand(m.control, "key of a configuration that comes to nothing", some_fd());
    control_abort(m.control);
    control_hand(m.control, "listen", some_fd());
    send_config(&m, "b.example.org", "ready");
    expect(&m, "prepare b.example.org [listen]");
    assert_int_equal(fds_of(m.pid), before + 1);
    control_stop(m.control);
    expect(&m, "stop 1");
    expect(&m, "discard b.example.org");
    end(&m, 0);
}

static void test_a_name_may_be_as_long_as_a_transport_s(void **state)
{
    struct master m;
    static const char *const more[] = {
        "--name=delivery/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", NULL};
    begin_with(&m, more, NULL, 0);
    expect(&m, "init delivery/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
    expect(&m, "start raised");
    control_stop(m.control);
    expect(&m, "stop 1");
    end(&m, 0);
}

static void test_a_prepared_configuration_is_freed_at_the_end(void **state)
{
    struct master m;
    begin(&m);
    start_up(&m);
    send_config(&m, "b.example.org", "ready");
    expect(&m, "prepare b.example.org");
    control_stop(m.control);
    expect(&m, "stop 1");
    expect(&m, "discard b.example.org");
    end(&m, 0);
}

static void test_a_share_that_does_not_decode_is_refused(void **state)
{
    struct master m;
    begin(&m);
    start_up(&m);
    control_config(m.control, span_text("this is no share"), on_prepared, &m);
    while (m.calls == 1)
        (void)event_base_loop(m.base, EVLOOP_ONCE);
    assert_string_not_equal(m.refused, "ready");
    assert_string_not_equal(m.refused, "");
    control_stop(m.control);
    expect(&m, "stop 1");
    end(&m, 0);
}

static void test_descriptors_that_nobody_takes_are_closed(void **state)
{
    struct master m;
    need_root();
    begin(&m);
    start_up(&m);
    unsigned before = fds_of(m.pid);
    for (int i = 0; i < 5; i++)
        control_hand(m.control, "listen", some_fd());
    send_config(&m, "bad.example.org", "this one does not please");
    expect(&m, "prepare bad.example.org [listen] [listen] [listen] [listen] [listen]");
    assert_int_equal(fds_of(m.pid), before);
    for (int i = 0; i < 5; i++)
        control_hand(m.control, "listen", some_fd());
    send_config(&m, "b.example.org", "ready");
    expect(&m, "prepare b.example.org [listen] [listen] [listen] [listen] [listen]");
    assert_int_equal(fds_of(m.pid), before + 1); /* it took one */
    control_stop(m.control);
    expect(&m, "stop 1");
    expect(&m, "discard b.example.org");
    end(&m, 0);
}

static void test_links_wait_for_the_first_configuration(void **state)
{
    struct master m;
    struct fail f;
    int pair[2], other[2];
    char option[64];
    assert_int_equal(ipc_pair(pair, &f), 0);
    assert_int_equal(ipc_pair(other, &f), 0);
    /* A name may have an '=' in it: the last one counts. */
    (void)snprintf(option, sizeof option, "--link=submit a=b=%d", pair[1]);
    const char *const more[] = {option, NULL};
    begin_with(&m, more, &pair[1], 1);
    expect(&m, "init hooks/3");
    expect(&m, "start raised");
    control_link(m.control, "submit smtpd/1", other[1]);
    assert_int_equal(send(pair[0], "x", 1, 0), 1);
    send_config(&m, "a.example.org", "ready");
    expect(&m, "prepare a.example.org");
    control_commit(m.control);
    expect(&m, "commit a.example.org after nothing");
    expect(&m, "link submit a=b 1");
    expect(&m, "link submit smtpd/1 -1");
    (void)close(pair[0]);
    (void)close(other[0]);
    /* From now on they come at once. */
    assert_int_equal(ipc_pair(other, &f), 0);
    control_link(m.control, "submit smtpd/2", other[1]);
    expect(&m, "link submit smtpd/2 -1");
    (void)close(other[0]);
    control_stop(m.control);
    expect(&m, "stop 1");
    end(&m, 0);
}

static void give_link(struct master *m, const char *name)
{
    struct fail f;
    int pair[2];
    char *line = mem_format("link %s -1", name);
    assert_int_equal(ipc_pair(pair, &f), 0);
    control_link(m->control, name, pair[1]);
    (void)event_base_loop(m->base, EVLOOP_NONBLOCK);
    expect(m, line);
    (void)close(pair[0]);
    mem_free(&line);
}

static void wait_lost(struct master *m, unsigned n)
{
    while (m->lost < n)
        (void)event_base_loop(m->base, EVLOOP_ONCE);
    assert_int_equal(m->lost, n);
}

static void test_a_link_that_ended_is_told_after_a_second_and_again(void **state)
{
    struct master m;
    loses = 2;
    begin(&m);
    start_up(&m);
    int64_t before = clock_mono_ms();
    give_link(&m, "submit");
    wait_lost(&m, 1);
    assert_string_equal(m.lost_name, "submit");
    assert_in_range(m.lost_ms - before, 1000, 10000);
    before = m.lost_ms;
    wait_lost(&m, 2); /* as master did nothing */
    assert_in_range(m.lost_ms - before, 1500, 10000);
    /* A new one that breaks at once has a second too. */
    before = clock_mono_ms();
    give_link(&m, "submit");
    wait_lost(&m, 3);
    assert_in_range(m.lost_ms - before, 1000, 10000);
    control_stop(m.control);
    expect(&m, "stop 1");
    end(&m, 0);
    loses = 0;
}

static void test_a_link_that_came_again_meanwhile_is_not_told(void **state)
{
    struct master m;
    loses = 2;
    begin(&m);
    start_up(&m);
    give_link(&m, "submit");
    give_link(&m, "secret");
    give_link(&m, "submit");
    for (unsigned n = 1; n <= 2; n++) {
        wait_lost(&m, n);
        assert_string_equal(m.lost_name, "secret");
    }
    control_stop(m.control);
    expect(&m, "stop 1");
    end(&m, 0);
    loses = 0;
}

static void test_without_its_master_a_process_ends(void **state)
{
    struct master m;
    begin(&m);
    start_up(&m);
    ipc_free(&m.control);
    end(&m, 1);
    /* In the middle of stopping that is no failure. */
    stops_by_itself = false;
    begin(&m);
    start_up(&m);
    control_stop(m.control);
    expect(&m, "stop 1");
    control_stop(m.control); /* asked twice, told once */
    ipc_free(&m.control);
    end(&m, 0);
    stops_by_itself = true;
}

static void test_what_is_no_control_message_ends_the_process(void **state)
{
    struct master m;
    begin(&m);
    start_up(&m);
    ipc_notify(m.control, 0x0666, span_text("x"), NULL, 0);
    end(&m, 1);
}

static void test_a_process_that_cannot_start_says_so(void **state)
{
    static const char *const no_root[] = {"--root=/nonexistent/folder", NULL};
    struct master m;
    init_fails = true;
    begin(&m);
    expect(&m, "init hooks/3");
    end(&m, 1);
    init_fails = false;
    start_fails = true;
    begin(&m);
    expect(&m, "init hooks/3");
    expect(&m, "start raised");
    end(&m, 1);
    start_fails = false;
    begin_with(&m, no_root, NULL, 0);
    expect(&m, "init hooks/3");
    end(&m, 1);
}

static void test_arguments_that_master_does_not_give_are_refused(void **state)
{
    static const char *const bad[] = {
        "--nonsense",        "--control=x",   "--control=-1", "--uid=root",
        "--gid=99999999999", "--seccomp=3",   "--seccomp=",   "--seccomp=kill",
        "--log-level=x",     "--link=submit", "--link=a=x",
    };
    struct master m;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *const more[] = {bad[i], NULL};
        begin_with(&m, more, NULL, 0);
        end(&m, 64);
    }
}

static int prepare_group(void **state)
{
    log_open("test", (enum log_level)(LOG_ERROR_ + 1));
    (void)alarm(50);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_process_lives_from_init_to_stop),
        cmocka_unit_test(test_a_new_configuration_replaces_the_old_one_only_at_the_commit),
        cmocka_unit_test(test_a_disk_at_fault_ends_a_process_that_has_no_configuration_yet),
        cmocka_unit_test(test_a_disk_at_fault_refuses_a_later_configuration),
        cmocka_unit_test(test_the_least_level_of_the_log_goes_with_the_configuration),
        cmocka_unit_test(test_descriptors_without_their_configuration_are_not_used_with_the_next),
        cmocka_unit_test(test_a_name_may_be_as_long_as_a_transport_s),
        cmocka_unit_test(test_a_prepared_configuration_is_freed_at_the_end),
        cmocka_unit_test(test_a_share_that_does_not_decode_is_refused),
        cmocka_unit_test(test_descriptors_that_nobody_takes_are_closed),
        cmocka_unit_test(test_links_wait_for_the_first_configuration),
        cmocka_unit_test(test_a_link_that_ended_is_told_after_a_second_and_again),
        cmocka_unit_test(test_a_link_that_came_again_meanwhile_is_not_told),
        cmocka_unit_test(test_without_its_master_a_process_ends),
        cmocka_unit_test(test_what_is_no_control_message_ends_the_process),
        cmocka_unit_test(test_a_process_that_cannot_start_says_so),
        cmocka_unit_test(test_arguments_that_master_does_not_give_are_refused),
    };
    return cmocka_run_group_tests(tests, prepare_group, NULL);
}
