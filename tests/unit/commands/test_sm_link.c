#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/un.h>
#include <cmocka.h>

#include "clock.h"
#include "mem.h"
#include "sm_link.h"
#include "sm_peer.h"

#define SOON 200
#define LATE 20000

static char folder[] = "/tmp/qm-sm-link-XXXXXX";
static char *path;

static int listen_at_path(int backlog)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    (void)snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
    (void)unlink(path);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, backlog), 0);
    return fd;
}

static void nobody_there_is_told_at_once(void **state)
{
    struct sm_link l;
    struct fail f;
    int64_t before = clock_mono_ms();
    (void)unlink(path);
    assert_int_equal(sm_link_open(&l, path, LATE, NULL, &f), -1);
    assert_int_equal(errno, ENOENT);
    assert_non_null(strstr(f.text, "cannot connect to /tmp/qm-sm-link-"));
    (void)close(listen_at_path(1));
    assert_int_equal(sm_link_open(&l, path, LATE, NULL, &f), -1);
    assert_int_equal(errno, ECONNREFUSED);
    assert_true(clock_mono_ms() - before < LATE);
}

static void a_path_that_no_socket_can_have_is_told(void **state)
{
    char longer[200] = {0};
    struct sm_link l;
    struct fail f;
    memset(longer, 'x', sizeof longer - 1);
    assert_int_equal(sm_link_open(&l, longer, SOON, NULL, &f), -1);
    assert_int_equal(errno, ENAMETOOLONG);
}

/* A listener whose queue is full makes connect(2) wait, and here no longer than it may. */
static void a_server_that_accepts_nobody_is_not_waited_for_for_ever(void **state)
{
    enum { MANY = 8 };
    struct sm_link l[MANY];
    struct fail f;
    int fd = listen_at_path(0), n = 0;
    while (n < MANY && sm_link_open(&l[n], path, SOON, NULL, &f) == 0)
        n++;
    assert_in_range(n, 1, MANY - 1);
    assert_int_equal(errno, EAGAIN);
    while (n > 0)
        sm_link_close(&l[--n]);
    (void)close(fd);
}

static void a_server_that_says_nothing_is_not_waited_for_for_ever(void **state)
{
    struct sm_link l;
    struct fail f;
    int fd = listen_at_path(1);
    assert_int_equal(sm_link_open(&l, path, LATE, NULL, &f), 0);
    assert_int_equal(sm_link_reply(&l, clock_mono_ms() + SOON, &f), -1);
    assert_string_equal(f.text, "the mail system does not answer in time");
    sm_link_close(&l);
    (void)close(fd);
}

static void a_server_that_takes_nothing_is_not_waited_for_for_ever(void **state)
{
    enum { LARGE = 4 << 20 };
    struct sm_link l;
    struct fail f;
    int fd = listen_at_path(1);
    unsigned char *large = mem_zero(LARGE);
    assert_int_equal(sm_link_open(&l, path, LATE, NULL, &f), 0);
    buf_put(&l.out, large, LARGE);
    assert_int_equal(sm_link_flush(&l, clock_mono_ms() + SOON, &f), -1);
    assert_string_equal(f.text, "the mail system does not answer in time");
    assert_true(l.out.n > 0 && l.out.n < LARGE);
    sm_link_close(&l);
    (void)close(fd);
    mem_free(&large);
}

/* The peer sends far more than its socket holds before it reads anything, and what it is to read is
 * more than ours holds. */
static void both_directions_move_at_once(void **state)
{
    enum { MANY = 20000 };
    struct buf replies = {0}, commands = {0};
    struct sm_link l;
    struct fail f;
    pid_t pid;
    for (int i = 0; i < MANY; i++) {
        buf_puts(&replies, "250 2.0.0 a reply of some length, as there are in real life\r\n");
        buf_puts(&commands, "NOOP a command of some length, as there are in real life too\r\n");
    }
    const struct sm_peer_step steps[] = {{"", buf_text(&replies)}, {buf_text(&commands), ""}};
    sm_link_adopt(&l, sm_peer_start(steps, 2, 1, &pid), NULL);
    for (int i = 0; i < MANY; i++)
        sm_link_command(&l, "NOOP a command of some length, as there are in real life too");
    for (int i = 0; i < MANY; i++)
        assert_int_equal(sm_link_reply(&l, clock_mono_ms() + LATE, &f), 0);
    assert_int_equal(sm_link_flush(&l, clock_mono_ms() + LATE, &f), 0);
    sm_link_close(&l);
    sm_peer_end(pid);
    buf_free(&replies);
    buf_free(&commands);
}

static struct buf traced;

static void trace(bool sent, struct span line)
{
    buf_puts(&traced, sent ? "<" : ">");
    buf_put_span(&traced, line);
}

static void the_dialogue_can_be_shown(void **state)
{
    static const struct sm_peer_step steps[] = {{"", "220 hello\r\n"},
                                                {"NOOP\r\n", "250-a\r\n250 b\r\n"}};
    struct sm_link l;
    struct fail f;
    pid_t pid;
    sm_link_adopt(&l, sm_peer_start(steps, 2, 1, &pid), trace);
    assert_int_equal(sm_link_reply(&l, clock_mono_ms() + LATE, &f), 0);
    sm_link_command(&l, "NOOP");
    assert_int_equal(sm_link_reply(&l, clock_mono_ms() + LATE, &f), 0);
    assert_int_equal(l.parser.reply.code, 250);
    sm_link_close(&l);
    sm_peer_end(pid);
    assert_string_equal(buf_text(&traced), ">220 hello<NOOP>250-a>250 b");
    buf_free(&traced);
}

static int make_folder(void **state)
{
    if (mkdtemp(folder) == NULL)
        return -1;
    path = mem_format("%s/s", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)unlink(path);
    mem_free(&path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_there_is_told_at_once),
        cmocka_unit_test(a_path_that_no_socket_can_have_is_told),
        cmocka_unit_test(a_server_that_accepts_nobody_is_not_waited_for_for_ever),
        cmocka_unit_test(a_server_that_says_nothing_is_not_waited_for_for_ever),
        cmocka_unit_test(a_server_that_takes_nothing_is_not_waited_for_for_ever),
        cmocka_unit_test(both_directions_move_at_once),
        cmocka_unit_test(the_dialogue_can_be_shown),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
