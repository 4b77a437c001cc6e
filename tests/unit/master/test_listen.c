#include "lab.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control.h"
#include "folders.h"
#include "listen.h"
#include "mem.h"

/* Which sockets there are, before, while and after a configuration is prepared. */

static int a, b; /* ports */

static int setup(void **state)
{
    struct fail f;
    a = lab_port();
    b = lab_port();
    lab_open("%s", "");
    assert_int_equal(folders_make(&lab.world, lab.world.conf, &f), 0);
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

/* "purpose[wanted]" of each, a line each. */
static char *bound(void)
{
    struct buf text = {0};
    const struct listener *l;
    TAILQ_FOREACH (l, &lab.world.listeners, next)
        buf_putf(&text, "%s%s\n", l->wanted ? "" : "-", l->purpose);
    return buf_take_text(&text);
}

static void expect(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

static void expect(const char *fmt, ...)
{
    struct buf wanted = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vputf(&wanted, fmt, ap);
    va_end(ap);
    char *got = bound();
    assert_string_equal(got, buf_text(&wanted));
    mem_free(&got);
    buf_free(&wanted);
}

static int prepare(struct fail *f, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int prepare(struct fail *f, const char *fmt, ...)
{
    struct buf text = {0};
    va_list ap;
    va_start(ap, fmt);
    buf_vputf(&text, fmt, ap);
    va_end(ap);
    struct conf *conf = lab_conf("one.test", "%s", buf_text(&text));
    int rc = listen_prepare(&lab.world, conf, f);
    conf_free(&conf);
    buf_free(&text);
    return rc;
}

static void prepare_good(const char *label, const char *kind, int port)
{
    struct fail f = {{0}};
    assert_int_equal(prepare(&f, "listen %s { address 127.0.0.1  %s %d }\n", label, kind, port), 0);
}

static bool connects(int port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int rc = connect(fd, (struct sockaddr *)&sa, sizeof sa);
    (void)close(fd);
    return rc == 0;
}

#define UNIX_SOCKETS "admin\nlocal\n"

static void what_is_wanted_is_bound(void **state)
{
    struct fail f = {{0}};
    assert_int_equal(prepare(&f,
                             "listen public { address 127.0.0.1 ::1  smtp %d }\n"
                             "listen web { address 127.0.0.1  http %d }\n",
                             a, b),
                     0);
    expect("listen public smtp 127.0.0.1:%d\nlisten public smtp [::1]:%d\nlisten web http "
           "127.0.0.1:%d\n" UNIX_SOCKETS,
           a, a, b);
    assert_true(connects(a));
    assert_true(connects(b));
    const struct listener *l = TAILQ_FIRST(&lab.world.listeners);
    assert_int_equal(l->role, ROLE_SMTPD);
    l = TAILQ_NEXT(TAILQ_NEXT(l, next), next);
    assert_int_equal(l->role, ROLE_WEBAPI);
}

static void what_stays_is_the_same_socket(void **state)
{
    prepare_good("public", "smtp", a);
    int fd = TAILQ_FIRST(&lab.world.listeners)->fd;
    listen_commit(&lab.world);
    prepare_good("public", "smtp", a);
    listen_commit(&lab.world);
    expect("listen public smtp 127.0.0.1:%d\n" UNIX_SOCKETS, a);
    assert_int_equal(TAILQ_FIRST(&lab.world.listeners)->fd, fd);
}

static void what_goes_is_there_until_the_commit(void **state)
{
    prepare_good("public", "smtp", a);
    listen_commit(&lab.world);
    prepare_good("public", "smtp", b);
    expect("-listen public smtp 127.0.0.1:%d\n" UNIX_SOCKETS "listen public smtp 127.0.0.1:%d\n", a,
           b);
    assert_true(connects(a));
    listen_commit(&lab.world);
    expect(UNIX_SOCKETS "listen public smtp 127.0.0.1:%d\n", b);
    assert_false(connects(a));
    assert_true(connects(b));
}

static void after_an_abort_everything_is_as_before(void **state)
{
    prepare_good("public", "smtp", a);
    listen_commit(&lab.world);
    for (int i = 0; i < 3; i++) {
        prepare_good("public", "smtp", b);
        listen_abort(&lab.world);
        expect("listen public smtp 127.0.0.1:%d\n" UNIX_SOCKETS, a);
        assert_true(connects(a));
        assert_false(connects(b));
    }
    prepare_good("public", "smtp", b);
    listen_commit(&lab.world);
    expect(UNIX_SOCKETS "listen public smtp 127.0.0.1:%d\n", b);
}

static void a_port_that_is_taken_leaves_everything_as_before(void **state)
{
    struct fail f = {{0}};
    struct sockaddr_in sa = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)b),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int other = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), free_port = lab_port();
    prepare_good("public", "smtp", a);
    listen_commit(&lab.world);
    assert_int_equal(bind(other, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(other, 1), 0);
    assert_int_equal(
        prepare(&f, "listen public { address 127.0.0.1  smtp %d  submission %d }\n", free_port, b),
        -1);
    char *why = mem_format("cannot listen at 127.0.0.1 port %d: Address already in use", b);
    assert_string_equal(f.text, why);
    expect("listen public smtp 127.0.0.1:%d\n" UNIX_SOCKETS, a);
    assert_false(connects(free_port));
    (void)close(other);
    mem_free(&why);
}

static void an_address_that_is_not_ours_is_told(void **state)
{
    struct fail f = {{0}};
    assert_int_equal(prepare(&f, "listen public { address 192.0.2.1  smtp %d }\n", a), -1);
    char *why =
        mem_format("cannot listen at 192.0.2.1 port %d: Cannot assign requested address", a);
    assert_string_equal(f.text, why);
    mem_free(&why);
}

static void a_listener_under_another_name_or_for_another_use_keeps_its_port(void **state)
{
    prepare_good("public", "smtp", a);
    listen_commit(&lab.world);
    prepare_good("outside", "smtp", a);
    listen_abort(&lab.world);
    assert_true(connects(a));
    expect("listen public smtp 127.0.0.1:%d\n" UNIX_SOCKETS, a);
    prepare_good("outside", "http", a);
    listen_commit(&lab.world);
    assert_true(connects(a));
    expect(UNIX_SOCKETS "listen outside http 127.0.0.1:%d\n", a);
    struct listener *l, *last = NULL;
    TAILQ_FOREACH (l, &lab.world.listeners, next)
        last = l;
    assert_int_equal(last->role, ROLE_WEBAPI);
}

static void a_local_socket_is_for_everybody_and_replaces_a_stale_one(void **state)
{
    struct fail f = {{0}};
    struct stat st;
    char *path = folders_run(lab.world.conf, "x.sock");
    int one = listen_unix(path, SOCK_STREAM, 0666, &f),
        two = listen_unix(path, SOCK_STREAM, 0600, &f);
    assert_true(one >= 0 && two >= 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0600);
    (void)close(one);
    (void)close(two);
    mem_free(&path);
}

static void a_path_too_long_for_a_socket_is_told(void **state)
{
    struct fail f = {{0}};
    char path[200];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[150] = '\0';
    assert_int_equal(listen_unix(path, SOCK_STREAM, 0666, &f), -1);
    assert_non_null(strstr(f.text, "path too long for a socket"));
}

static void a_second_suite_does_not_take_the_sockets_of_the_first(void **state)
{
    struct fail f = {{0}};
    struct control *first = control_new(&lab.world, &f);
    assert_non_null(first);
    assert_null(control_new(&lab.world, &f));
    assert_non_null(strstr(f.text, "another suite is running"));
    lab_settle();
    control_free(&first);
    /* What is left of one that was killed is in nobody's way. */
    struct control *next = control_new(&lab.world, &f);
    assert_non_null(next);
    control_free(&next);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(what_is_wanted_is_bound),
        TEST(what_stays_is_the_same_socket),
        TEST(what_goes_is_there_until_the_commit),
        TEST(after_an_abort_everything_is_as_before),
        TEST(a_port_that_is_taken_leaves_everything_as_before),
        TEST(an_address_that_is_not_ours_is_told),
        TEST(a_listener_under_another_name_or_for_another_use_keeps_its_port),
        TEST(a_local_socket_is_for_everybody_and_replaces_a_stale_one),
        TEST(a_path_too_long_for_a_socket_is_told),
        TEST(a_second_suite_does_not_take_the_sockets_of_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
