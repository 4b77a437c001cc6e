#include "lab.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>
#include <sysexits.h>
#include <unistd.h>

#include "mem.h"
#include "process.h"
#include "stop.h"

/* Which processes there are; how they start, end and start again. */

#define PLAIN "vault/0 delivery/direct delivery/local hooks qmgr smtpd/0 smtpd/1"

static int setup(void **state)
{
    lab_open("%s", "");
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

static void plan(const char *text)
{
    struct conf *conf = lab_conf("one.test", "%s", text);
    process_plan(&lab.world, conf);
    conf_free(&conf);
}

static void the_plan_is_what_the_configuration_wants(void **state)
{
    plan("");
    assert_string_equal(lab_plan(), PLAIN);
    plan("transport relay { fail { } }\nlisten web { address 127.0.0.1  http 1 }\nworkers { smtpd "
         "1  vault 2 }\n");
    assert_string_equal(
        lab_plan(), "vault/0 delivery/direct delivery/local hooks qmgr smtpd/0 -smtpd/1 vault/1 "
                    "delivery/relay webapi/0");
    plan("");
    assert_string_equal(
        lab_plan(), "vault/0 delivery/direct delivery/local hooks qmgr smtpd/0 smtpd/1 -vault/1 "
                    "-delivery/relay -webapi/0");
    /* Nothing is planned twice. */
    plan("transport direct { fail { } }\n");
    assert_string_equal(
        lab_plan(), "vault/0 delivery/direct delivery/local hooks qmgr smtpd/0 smtpd/1 -vault/1 "
                    "-delivery/relay -webapi/0");
}

static void names_that_are_long_and_alike_are_two(void **state)
{
    plan("transport xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxa { fail { } }\n"
         "transport xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb { fail { } "
         "}\n");
    assert_string_equal(lab_plan(),
                        "vault/0 delivery/direct delivery/local"
                        " delivery/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxa"
                        " delivery/xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxb"
                        " hooks qmgr smtpd/0 smtpd/1");
}

static void a_process_is_in_a_configuration_or_not(void **state)
{
    static const struct {
        const char *name, *text;
        bool in;
    } cases[] = {
        {"smtpd/1", "workers { smtpd 2 }\n", true},
        {"smtpd/1", "workers { smtpd 1 }\n", false},
        {"vault/1", "workers { vault 2 }\n", true},
        {"vault/1", "", false},
        {"webapi/0", "", false},
        {"webapi/0", "listen web { address 127.0.0.1  http 1 }\n", true},
        {"delivery/relay", "", false},
        {"delivery/relay", "transport relay { fail { } }\n", true},
        {"delivery/direct", "", true},
        {"delivery/local", "", true},
        {"qmgr", "", true},
        {"hooks", "", true},
    };
    plan("transport relay { fail { } }\nlisten web { address 127.0.0.1  http 1 }\nworkers { smtpd "
         "2  vault 2 }\n");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct conf *conf = lab_conf("one.test", "%s", cases[i].text);
        if (process_is_in(lab_process(cases[i].name), conf) != cases[i].in)
            fail_msg("%s in %s", cases[i].name, cases[i].text);
        conf_free(&conf);
    }
}

static void all_that_are_ready_are_told_to_use_it(void **state)
{
    const struct child *c;
    lab_start();
    assert_true(lab.world.announced);
    assert_true(process_all_up(&lab.world));
    TAILQ_FOREACH (c, &lab.children, next) {
        assert_int_equal(c->configs, 1);
        assert_int_equal(c->commits, 1);
        assert_string_equal(c->committed, "one.test");
    }
}

static void the_suite_is_ready_when_the_last_one_is(void **state)
{
    lab.odd = "hooks";
    lab.odd_answer = ANSWER_NOTHING;
    lab_start();
    assert_false(lab.world.announced);
    assert_int_equal(lab_process("hooks")->state, PROCESS_STARTING);
    assert_int_equal(lab_process("qmgr")->state, PROCESS_UP);
    lab_answer(lab_child("hooks"), NULL);
    RUN_UNTIL(lab.world.announced);
}

static void hands_come_before_the_configuration_they_are_for(void **state)
{
    int port = lab_port();
    lab_close();
    lab_open("listen public { address 127.0.0.1  smtp %d }\n", port);
    lab_start();
    char *hands = mem_format("listen public smtp 127.0.0.1:%d\nlocal\n", port);
    assert_string_equal(lab_child("smtpd/0")->prepared_hands, hands);
    assert_string_equal(lab_child("smtpd/1")->prepared_hands, hands);
    mem_free(&hands);
    hands = mem_format("admin %d -1\n", (int)geteuid());
    assert_string_equal(lab_child("qmgr")->prepared_hands, hands);
    assert_string_equal(lab_child("vault/0")->prepared_hands, "credentials\n");
    assert_string_equal(lab_child("hooks")->prepared_hands, "");
    mem_free(&hands);
}

static void a_refusal_at_the_first_start_ends_it_all(void **state)
{
    lab.odd = "vault/0";
    lab.odd_answer = ANSWER_REFUSE;
    lab_start();
    RUN_UNTIL(lab.world.stop != NULL);
    assert_int_equal(lab.world.exit_code, EX_CONFIG);
    assert_false(lab.world.announced);
}

static void a_file_that_cannot_be_opened_ends_it_before_the_others_start(void **state)
{
    lab_close();
    lab_open("domain one.test { dkim sel { key-file \"/nowhere/key.pem\" } }\n");
    lab_start();
    assert_non_null(lab.world.stop);
    assert_int_equal(lab.world.exit_code, EX_CONFIG);
    /* The vault is the first, and the one who gets the key. */
    assert_non_null(lab_child("vault/0"));
    assert_null(lab_child("delivery/direct"));
    assert_null(lab_child("qmgr"));
    assert_int_equal(lab_child("vault/0")->stops, 1);
    lab_reap(lab_child("vault/0"), 0);
    /* The end comes also if the loop had not begun when it was decided. */
    (void)event_base_dispatch(lab.world.base);
}

static void one_that_ends_before_all_are_ready_ends_it_all(void **state)
{
    static const struct {
        bool channel_first;
        int status, code;
    } cases[] = {
        {true, 127 << 8, EX_SOFTWARE},   {false, 127 << 8, EX_SOFTWARE},
        {true, EX_IOERR << 8, EX_IOERR}, {false, EX_IOERR << 8, EX_IOERR},
        {false, SIGBUS, EX_SOFTWARE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lab_close();
        lab_open("%s", "");
        lab.odd = "hooks";
        lab.odd_answer = ANSWER_NOTHING;
        lab_start();
        assert_null(lab.world.stop);
        struct child *hooks = lab_child("hooks");
        if (cases[i].channel_first) {
            lab_close_channel(hooks);
            lab_settle();
            assert_null(lab.world.stop); /* it is not said yet how it ended */
        }
        lab_reap(hooks, cases[i].status);
        assert_non_null(lab.world.stop);
        assert_int_equal(lab.world.exit_code, cases[i].code);
    }
}

static void with_no_process_to_be_had_it_is_tried_again(void **state)
{
    lab.no_launch = true;
    lab_start();
    assert_true(TAILQ_EMPTY(&lab.children));
    lab.no_launch = false;
    RUN_UNTIL(lab.world.announced);
}

static int64_t wait_of(const struct process *p)
{
    struct timeval at, now;
    if (!evtimer_pending(p->timer, &at))
        return -1;
    (void)gettimeofday(&now, NULL);
    return (at.tv_sec - now.tv_sec) * 1000 + (at.tv_usec - now.tv_usec) / 1000;
}

/* Ends it, and starts it at once instead of after its wait, which is returned. */
static int64_t end_and_start(const char *name, int status)
{
    lab_reap(lab_child(name), status);
    struct process *p = lab_process(name);
    assert_int_equal(p->state, PROCESS_DOWN);
    assert_int_equal(p->pid, 0);
    int64_t wait = wait_of(p);
    (void)evtimer_del(p->timer);
    event_active(p->timer, EV_TIMEOUT, 0);
    RUN_UNTIL(p->state == PROCESS_UP);
    return wait;
}

static void who_ends_is_started_again_after_a_wait_that_grows(void **state)
{
    static const int64_t waits[] = {100,  200,   400,   800,   1600,  3200,
                                    6400, 12800, 25600, 30000, 30000, 30000};
    lab_start();
    for (size_t i = 0; i < sizeof waits / sizeof waits[0]; i++) {
        int64_t wait = end_and_start("hooks", SIGSEGV);
        if (wait > waits[i] + 5 || wait < waits[i] - 1000)
            fail_msg("wait %zu is %lld ms", i, (long long)wait);
        assert_int_equal(lab_process("hooks")->restarts, i + 1);
    }
    /* Nobody else has to do with it. */
    assert_int_equal(lab_process("qmgr")->back_off_ms, 100);
}

static void a_minute_of_running_makes_the_wait_short_again(void **state)
{
    lab_start();
    for (int i = 0; i < 5; i++)
        (void)end_and_start("hooks", SIGSEGV);
    lab_process("hooks")->started_ms -= 61000;
    int64_t wait = end_and_start("hooks", SIGSEGV);
    assert_true(wait <= 105);
    lab_process("hooks")->started_ms -= 59000;
    wait = end_and_start("hooks", SIGSEGV);
    assert_true(wait > 105 && wait <= 205);
}

static void later_a_refusal_ends_only_who_refuses(void **state)
{
    lab_start();
    lab.odd = "hooks";
    lab.odd_answer = ANSWER_REFUSE;
    lab_reap(lab_child("hooks"), 0);
    RUN_UNTIL(lab_child("hooks") != NULL && lab_child("hooks")->configs == 1);
    lab_settle();
    assert_null(lab.world.stop);
    assert_int_equal(lab_process("hooks")->state, PROCESS_STARTING);
    lab.odd = NULL;
    lab_reap(lab_child("hooks"), SIGKILL); /* as it was, by then */
    RUN_UNTIL(lab_process("hooks")->state == PROCESS_UP);
}

static void a_child_that_is_nobody_is_let_pass(void **state)
{
    lab_start();
    process_reaped(&lab.world, 4999999, 0);
    assert_true(process_all_up(&lab.world));
}

static void whoever_asks_something_of_master_is_cut_off(void **state)
{
    lab_start();
    struct child *c = lab_child("smtpd/0");
    ipc_notify(c->control, 0x0101, span_text("x"), NULL, 0);
    RUN_UNTIL(lab_process("smtpd/0")->control == NULL);
    RUN_UNTIL(c->control == NULL);
    lab_reap(c, SIGKILL);
    RUN_UNTIL(lab_process("smtpd/0")->state == PROCESS_UP);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_plan_is_what_the_configuration_wants),
        TEST(names_that_are_long_and_alike_are_two),
        TEST(a_process_is_in_a_configuration_or_not),
        TEST(all_that_are_ready_are_told_to_use_it),
        TEST(the_suite_is_ready_when_the_last_one_is),
        TEST(hands_come_before_the_configuration_they_are_for),
        TEST(a_refusal_at_the_first_start_ends_it_all),
        TEST(a_file_that_cannot_be_opened_ends_it_before_the_others_start),
        TEST(one_that_ends_before_all_are_ready_ends_it_all),
        TEST(with_no_process_to_be_had_it_is_tried_again),
        TEST(who_ends_is_started_again_after_a_wait_that_grows),
        TEST(a_minute_of_running_makes_the_wait_short_again),
        TEST(later_a_refusal_ends_only_who_refuses),
        TEST(a_child_that_is_nobody_is_let_pass),
        TEST(whoever_asks_something_of_master_is_cut_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
