#include "lab.h"

#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "mem.h"
#include "notify.h"
#include "reload.h"
#include "stop.h"

/* What the service manager is told. */

static int receiver = -1;

static void open_receiver(const char *path)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    size_t n = strlen(path);
    receiver = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    memcpy(sa.sun_path, path, n);
    if (path[0] == '@')
        sa.sun_path[0] = '\0';
    assert_int_equal(bind(receiver, (struct sockaddr *)&sa,
                          (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n)),
                     0);
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify_init();
    assert_null(getenv("NOTIFY_SOCKET"));
}

static int setup(void **state)
{
    lab_open("%s", "");
    char *path = mem_format("%s/notify.sock", lab.folder);
    open_receiver(path);
    mem_free(&path);
    return 0;
}

static int teardown(void **state)
{
    (void)close(receiver);
    lab_close();
    return 0;
}

static void expect(const char *text)
{
    char got[200] = "";
    ssize_t n = recv(receiver, got, sizeof got - 1, 0);
    if (n < 0 && text[0] != '\0')
        fail_msg("nothing came instead of %s", text);
    got[n < 0 ? 0 : n] = '\0';
    if (strncmp(text, "RELOADING=1", 11) == 0)
        assert_memory_equal(got, "RELOADING=1\nMONOTONIC_USEC=", 27);
    else
        assert_string_equal(got, text);
}

static void it_hears_when_all_are_up(void **state)
{
    lab.odd = "hooks";
    lab.odd_answer = ANSWER_NOTHING;
    lab_start();
    expect("");
    lab_answer(lab_child("hooks"), NULL);
    RUN_UNTIL(lab.world.announced);
    expect("READY=1");
    expect("");
}

static void it_hears_of_a_reload_from_its_begin_to_its_end(void **state)
{
    struct outcome o = {0};
    lab_start();
    expect("READY=1");
    lab.odd = "hooks";
    lab.odd_answer = ANSWER_NOTHING;
    lab_write("two.test", "%s", "");
    reload_begin(&lab.world, lab_on_reload, &o);
    expect("RELOADING=1");
    RUN_UNTIL(lab_child("hooks")->waiting != 0);
    expect("");
    lab_answer(lab_child("hooks"), NULL);
    RUN_UNTIL(o.times == 1);
    expect("READY=1");
    expect("");
}

static void and_of_one_that_comes_to_nothing(void **state)
{
    struct outcome o = {0};
    lab_start();
    expect("READY=1");
    lab_write("two.test", "nonsense\n");
    reload_begin(&lab.world, lab_on_reload, &o);
    expect(""); /* nothing was begun */
    lab_write("two.test", "listen x { address 192.0.2.1  smtp 1 }\n");
    reload_begin(&lab.world, lab_on_reload, &o);
    expect("RELOADING=1");
    expect("READY=1");
    expect("");
}

static void it_hears_of_the_end(void **state)
{
    lab_start();
    expect("READY=1");
    stop_begin(&lab.world, 0);
    expect("STOPPING=1");
    expect("");
}

static void an_abstract_address_is_one_too(void **state)
{
    (void)close(receiver);
    char *name = mem_format("@quartermaster-test-%d", (int)getpid());
    open_receiver(name);
    notify_stopping();
    expect("STOPPING=1");
    mem_free(&name);
}

static void an_address_that_is_none_is_let_alone(void **state)
{
    char path[200];
    memset(path, 'x', sizeof path);
    path[0] = '/';
    path[sizeof path - 1] = '\0';
    assert_int_equal(setenv("NOTIFY_SOCKET", path, 1), 0);
    notify_init();
    assert_int_equal(setenv("NOTIFY_SOCKET", "relative", 1), 0);
    notify_init();
    (void)unsetenv("NOTIFY_SOCKET");
    notify_stopping(); /* to who was there before */
    expect("STOPPING=1");
}

static void it_sees_signs_of_life_where_it_waits_for_them(void **state)
{
    assert_null(notify_watchdog(lab.world.base));
    char *address = mem_format("%s/notify2.sock", lab.folder);
    (void)close(receiver);
    assert_int_equal(setenv("WATCHDOG_USEC", "40000", 1), 0);
    open_receiver(address);
    mem_free(&address);
    assert_null(getenv("WATCHDOG_USEC"));
    struct event *timer = notify_watchdog(lab.world.base);
    assert_non_null(timer);
    for (int i = 0; i < 2; i++) {
        int n;
        RUN_UNTIL(ioctl(receiver, FIONREAD, &n) == 0 && n > 0);
        expect("WATCHDOG=1");
    }
    event_free(timer);
}

static void a_watchdog_of_another_process_is_not_ours(void **state)
{
    assert_int_equal(setenv("WATCHDOG_USEC", "40000", 1), 0);
    assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
    notify_init();
    assert_null(getenv("WATCHDOG_PID"));
    assert_null(notify_watchdog(lab.world.base));
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(it_hears_when_all_are_up),
        TEST(it_hears_of_a_reload_from_its_begin_to_its_end),
        TEST(and_of_one_that_comes_to_nothing),
        TEST(it_hears_of_the_end),
        TEST(an_abstract_address_is_one_too),
        TEST(it_sees_signs_of_life_where_it_waits_for_them),
        TEST(a_watchdog_of_another_process_is_not_ours),
        TEST(an_address_that_is_none_is_let_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
