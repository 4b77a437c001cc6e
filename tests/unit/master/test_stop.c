#include "lab.h"

#include <signal.h>
#include <string.h>

#include "mem.h"
#include "process.h"
#include "stop.h"

/* The end in order: who takes in, who keeps, who does. */

static int setup(void **state)
{
    lab_open("listen web { address 127.0.0.1  http %d }\ntransport relay { fail { } }\n",
             lab_port());
    lab_start();
    assert_true(lab.world.announced);
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

/* The names of those who were asked to end and still are there. */
static char *asked(void)
{
    struct buf text = {0};
    const struct child *c;
    lab_settle();
    TAILQ_FOREACH (c, &lab.children, next) {
        if (c->stops > 0)
            buf_putf(&text, "%s%s", text.n == 0 ? "" : " ", c->name);
    }
    return buf_take_text(&text);
}

static void expect_asked(const char *names)
{
    char *got = asked();
    assert_string_equal(got, names);
    mem_free(&got);
}

static void end(const char *name)
{
    lab_reap(lab_child(name), 0);
}

static bool loop_ends(void)
{
    const struct timeval soon = {0, 50000};
    (void)event_base_loopexit(lab.world.base, &soon);
    (void)event_base_dispatch(lab.world.base);
    return event_base_got_exit(lab.world.base) != 0 && TAILQ_EMPTY(&lab.children);
}

static void each_stage_waits_for_the_one_before(void **state)
{
    stop_begin(&lab.world, 7);
    expect_asked("smtpd/0 smtpd/1 webapi/0");
    end("smtpd/0");
    end("webapi/0");
    expect_asked("smtpd/1");
    end("smtpd/1");
    expect_asked("qmgr");
    end("qmgr");
    expect_asked("delivery/direct delivery/local delivery/relay hooks");
    end("hooks");
    end("delivery/direct");
    end("delivery/relay");
    expect_asked("delivery/local");
    end("delivery/local");
    expect_asked("vault/0");
    end("vault/0");
    assert_true(loop_ends());
    assert_int_equal(lab.world.exit_code, 7);
}

static void asked_twice_it_ends_once(void **state)
{
    stop_begin(&lab.world, 1);
    stop_begin(&lab.world, 2);
    expect_asked("smtpd/0 smtpd/1 webapi/0");
    assert_int_equal(lab_child("smtpd/0")->stops, 1);
    assert_int_equal(lab.world.exit_code, 1);
}

static void nobody_who_ends_now_is_started_again(void **state)
{
    stop_begin(&lab.world, 0);
    lab_reap(lab_child("qmgr"), SIGSEGV);
    lab_settle();
    assert_null(lab_child("qmgr"));
    assert_false(evtimer_pending(lab_process("qmgr")->timer, NULL));
}

static void nor_who_waited_for_its_start(void **state)
{
    lab_reap(lab_child("smtpd/0"), SIGSEGV);
    assert_true(evtimer_pending(lab_process("smtpd/0")->timer, NULL));
    stop_begin(&lab.world, 0);
    end("smtpd/1");
    end("webapi/0");
    expect_asked("qmgr");
    event_active(lab_process("smtpd/0")->timer, EV_TIMEOUT, 0);
    lab_settle();
    assert_null(lab_child("smtpd/0"));
}

static void a_client_that_takes_its_time_does_not_hold_up_the_queue(void **state)
{
    lab.world.intake_limit_ms = 100;
    stop_begin(&lab.world, 0);
    RUN_UNTIL(lab_child("qmgr")->stops == 1);
    expect_asked("qmgr smtpd/0 smtpd/1 webapi/0");
    end("qmgr");
    /* The rest wait for those, too. */
    lab_settle();
    end("smtpd/0");
    end("smtpd/1");
    end("webapi/0");
    expect_asked("delivery/direct delivery/local delivery/relay hooks");
}

static void when_the_time_is_up_everybody_is_killed(void **state)
{
    lab.world.stop_limit_ms = 100;
    stop_begin(&lab.world, 0);
    lab_wait(300);
    /* Nobody there has such a pid: what the kernel would do is done here. */
    assert_true(lab.kills >= 9);
    while (!TAILQ_EMPTY(&lab.children))
        lab_reap(TAILQ_FIRST(&lab.children), SIGKILL);
    assert_true(loop_ends());
}

static void with_nobody_there_the_end_is_at_once(void **state)
{
    while (!TAILQ_EMPTY(&lab.children))
        lab_reap(TAILQ_FIRST(&lab.children), SIGKILL);
    stop_begin(&lab.world, 3);
    assert_true(loop_ends());
    assert_int_equal(lab.world.exit_code, 3);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(each_stage_waits_for_the_one_before),
        TEST(asked_twice_it_ends_once),
        TEST(nobody_who_ends_now_is_started_again),
        TEST(nor_who_waited_for_its_start),
        TEST(a_client_that_takes_its_time_does_not_hold_up_the_queue),
        TEST(when_the_time_is_up_everybody_is_killed),
        TEST(with_nobody_there_the_end_is_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
