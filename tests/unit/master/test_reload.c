#include "lab.h"

#include <string.h>
#include <sys/stat.h>

#include "mem.h"
#include "process.h"
#include "reload.h"
#include "stop.h"

/* A new configuration: all of it in all processes, or nothing of it anywhere. */

static int setup(void **state)
{
    lab_open("transport relay { fail { } }\n");
    lab_start();
    lab_write("two.test", "transport relay { fail { } }\n");
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

static void expect_everybody_at(const char *hostname)
{
    const struct child *c;
    TAILQ_FOREACH (c, &lab.children, next) {
        if (strcmp(c->committed, hostname) != 0)
            fail_msg("%s uses %s", c->name, c->committed);
    }
    assert_string_equal(conf_text(conf_root(lab.world.conf), "hostname"), hostname);
}

static void expect_unchanged(const struct outcome *o, const char *why)
{
    assert_int_equal(o->times, 1);
    assert_string_equal(o->why, why);
    assert_null(lab.world.reload);
    lab_settle();
    expect_everybody_at("one.test");
    assert_true(process_all_up(&lab.world));
}

static void reload(struct outcome *o)
{
    *o = (struct outcome){0};
    reload_begin(&lab.world, lab_on_reload, o);
}

static void reload_good(void)
{
    struct outcome o;
    reload(&o);
    RUN_UNTIL(o.times == 1);
    assert_string_equal(o.why, "");
    lab_settle();
}

static void all_ready_is_all_changed(void **state)
{
    reload_good();
    expect_everybody_at("two.test");
    reload_good();
    expect_everybody_at("two.test");
}

static void one_that_refuses_changes_nothing_anywhere(void **state)
{
    static const char *const names[] = {"vault/0", "qmgr", "smtpd/1", "delivery/relay"};
    for (size_t i = 0; i < 4; i++) {
        struct outcome o;
        const struct child *c;
        lab.odd = names[i];
        lab.odd_answer = ANSWER_REFUSE;
        reload(&o);
        RUN_UNTIL(o.times == 1);
        char *why = mem_format("%s: I do not like it", names[i]);
        expect_unchanged(&o, why);
        TAILQ_FOREACH (c, &lab.children, next)
            assert_int_equal(c->aborts, i + 1);
        mem_free(&why);
    }
    lab.odd = NULL;
    reload_good();
    expect_everybody_at("two.test");
}

static void several_that_refuse_are_one_refusal(void **state)
{
    struct outcome o;
    lab.answer = ANSWER_REFUSE;
    reload(&o);
    RUN_UNTIL(o.times == 1);
    lab.answer = ANSWER_READY;
    assert_non_null(strstr(o.why, ": I do not like it"));
    lab_settle();
    expect_everybody_at("one.test");
}

static void one_that_dies_over_it_changes_nothing(void **state)
{
    struct outcome o;
    lab.odd = "qmgr";
    lab.odd_answer = ANSWER_DIE;
    reload(&o);
    RUN_UNTIL(o.times == 1);
    assert_string_equal(o.why, "qmgr: the process went away");
    lab.odd = NULL;
    lab_reap(lab_child("qmgr"), 0);
    RUN_UNTIL(process_all_up(&lab.world));
    lab_settle();
    expect_everybody_at("one.test");
}

static void so_it_is_when_its_end_is_seen_before_its_channel_closes(void **state)
{
    struct outcome o;
    lab.odd = "qmgr";
    lab.odd_answer = ANSWER_NOTHING;
    reload(&o);
    RUN_UNTIL(lab_child("qmgr")->waiting != 0 && lab_child("smtpd/1")->configs == 2);
    lab_settle();
    assert_int_equal(o.times, 0);
    lab.odd = NULL;
    struct child *c = lab_child("qmgr");
    struct ipc *channel = c->control;
    c->control = NULL;
    lab_reap(c, 0);
    assert_int_equal(o.times, 1);
    assert_string_equal(o.why, "qmgr: the process went away");
    ipc_free(&channel);
    RUN_UNTIL(process_all_up(&lab.world));
    lab_settle();
    expect_everybody_at("one.test");
}

static void one_that_never_answers_has_it_given_up(void **state)
{
    struct outcome o;
    lab.world.reload_limit_ms = 200;
    lab.odd = "hooks";
    lab.odd_answer = ANSWER_NOTHING;
    reload(&o);
    RUN_UNTIL(o.times == 1);
    expect_unchanged(&o, "hooks did not answer in time");
}

static void an_answer_that_comes_late_is_not_taken_for_another(void **state)
{
    struct outcome o;
    lab.world.reload_limit_ms = 200;
    lab.odd = "hooks";
    lab.odd_answer = ANSWER_NOTHING;
    reload(&o);
    RUN_UNTIL(o.times == 1);
    struct child *hooks = lab_child("hooks");
    uint64_t first = hooks->waiting;
    /* The next one begins; then comes the answer to the first. */
    lab.world.reload_limit_ms = 0;
    lab_write("three.test", "transport relay { fail { } }\n");
    reload(&o);
    RUN_UNTIL(hooks->configs == 3);
    uint64_t second = hooks->waiting;
    hooks->waiting = first;
    lab_answer(hooks, NULL);
    lab_settle();
    assert_int_equal(o.times, 0);
    hooks->waiting = second;
    lab_answer(hooks, "I do not like it");
    RUN_UNTIL(o.times == 1);
    expect_unchanged(&o, "hooks: I do not like it");
}

static void a_second_one_meanwhile_is_refused(void **state)
{
    struct outcome first, second, files = {0};
    lab.odd = "hooks";
    lab.odd_answer = ANSWER_NOTHING;
    reload(&first);
    reload(&second);
    assert_int_equal(second.times, 1);
    assert_string_equal(second.why, "a reload is under way");
    reload_files(&lab.world, lab_on_reload, &files);
    assert_int_equal(files.times, 1);
    assert_string_equal(files.why, "a reload is under way");
    RUN_UNTIL(lab_child("hooks")->waiting != 0);
    lab_answer(lab_child("hooks"), NULL);
    RUN_UNTIL(first.times == 1);
    assert_string_equal(first.why, "");
    lab_settle();
    expect_everybody_at("two.test");
}

static void a_file_that_is_wrong_asks_nobody(void **state)
{
    struct outcome o;
    const struct child *c;
    lab_write("two.test", "nonsense yes\nlisten { }\n");
    reload(&o);
    assert_int_equal(o.times, 1);
    assert_non_null(strstr(o.why, "nonsense"));
    TAILQ_FOREACH (c, &lab.children, next)
        assert_int_equal(c->configs, 1);
    expect_everybody_at("one.test");
}

static void a_port_that_cannot_be_had_asks_nobody(void **state)
{
    struct outcome o;
    lab_write("two.test", "listen public { address 192.0.2.1  smtp 1 }\n");
    reload(&o);
    assert_int_equal(o.times, 1);
    assert_string_equal(o.why,
                        "cannot listen at 192.0.2.1 port 1: Cannot assign requested address");
    assert_int_equal(lab_child("qmgr")->configs, 1);
}

static void a_key_that_cannot_be_read_changes_nothing(void **state)
{
    struct outcome o;
    lab_write("two.test", "domain one.test { dkim sel { key-file \"/nowhere/key.pem\" } }\n");
    reload(&o);
    RUN_UNTIL(o.times == 1);
    char *why = mem_format("vault/0: %s:5: key-file: /nowhere/key.pem: No such file or directory",
                           lab.world.config_path);
    expect_unchanged(&o, why);
    mem_free(&why);
    assert_int_equal(lab_child("vault/0")->aborts, 1);
}

static void where_things_are_cannot_change(void **state)
{
    struct outcome o;
    struct buf text = {0};
    const char *folder = lab.folder;
    buf_putf(&text, "hostname two.test\nstate-dir \"/elsewhere\"\nrun-dir \"%s/run\"\n", folder);
    lab_write_raw(buf_text(&text));
    reload(&o);
    expect_unchanged(&o, "state-dir cannot be changed by a reload: restart the service");
    buf_clear(&text);
    buf_putf(&text, "hostname two.test\nstate-dir \"%s/state\"\nrun-dir \"%s/run\"\nseccomp off\n",
             folder, folder);
    lab_write_raw(buf_text(&text));
    reload(&o);
    expect_unchanged(&o, "seccomp cannot be changed by a reload: restart the service");
    buf_clear(&text);
    buf_putf(
        &text,
        "hostname two.test\nstate-dir \"%s/state\"\nrun-dir \"%s/run\"\nusers { hooks 64799 }\n",
        folder, folder);
    lab_write_raw(buf_text(&text));
    reload(&o);
    assert_int_equal(o.times, 1);
    assert_non_null(strstr(o.why, "users "));
    assert_non_null(strstr(o.why, " cannot be changed by a reload: restart the service"));
    buf_free(&text);
}

static void what_is_new_is_started_with_it_and_what_goes_is_asked_to_end(void **state)
{
    lab_write("two.test", "transport other { fail { } }\nworkers { smtpd 3 }\n");
    reload_good();
    assert_string_equal(
        lab_plan(),
        "vault/0 delivery/direct delivery/local -delivery/relay hooks qmgr smtpd/0 smtpd/1 "
        "delivery/other smtpd/2");
    /* Who goes is not asked whether it could live without itself. */
    assert_int_equal(lab_child("delivery/relay")->configs, 1);
    assert_int_equal(lab_child("delivery/relay")->stops, 1);
    assert_string_equal(lab_child("delivery/relay")->committed, "one.test");
    assert_string_equal(lab_child("delivery/other")->committed, "two.test");
    assert_string_equal(lab_child("smtpd/2")->committed, "two.test");
    lab_reap(lab_child("delivery/relay"), 0);
    assert_null(lab_process("delivery/relay"));
    expect_everybody_at("two.test");
}

static void one_that_goes_and_does_not_end_is_killed(void **state)
{
    lab.world.unwanted_limit_ms = 20;
    lab_write("two.test", "%s", "");
    reload_good();
    assert_int_equal(lab_child("delivery/relay")->stops, 1);
    RUN_UNTIL(lab.kills == 1);
    lab_reap(lab_child("delivery/relay"), 9);
    assert_null(lab_process("delivery/relay"));
}

static void a_pipe_in_the_place_of_a_key_is_not_waited_for(void **state)
{
    struct outcome o;
    char *path = mem_format("%s/fifo", lab.folder);
    assert_int_equal(mkfifo(path, 0600), 0);
    lab_write("two.test", "domain one.test { dkim sel { key-file \"%s\" } }\n", path);
    reload(&o);
    assert_int_equal(o.times, 1);
    assert_non_null(strstr(o.why, "/fifo: not a regular file"));
    mem_free(&path);
}

static void one_that_comes_back_while_it_still_ends_is_started_anew(void **state)
{
    lab_write("two.test", "%s", "");
    reload_good();
    assert_int_equal(lab_child("delivery/relay")->stops, 1);
    lab_write("three.test", "transport relay { fail { } }\n");
    reload_good();
    lab_reap(lab_child("delivery/relay"), 0);
    RUN_UNTIL(process_all_up(&lab.world));
    lab_settle();
    expect_everybody_at("three.test");
}

static void one_that_waits_for_its_start_and_goes_is_forgotten(void **state)
{
    lab_reap(lab_child("delivery/relay"), 1 << 8);
    lab_write("two.test", "%s", "");
    reload_good();
    assert_null(lab_process("delivery/relay"));
}

static void who_starts_meanwhile_gets_what_was_decided(void **state)
{
    struct outcome o;
    lab.odd = "hooks";
    lab.odd_answer = ANSWER_NOTHING;
    reload(&o);
    RUN_UNTIL(lab_child("hooks")->waiting != 0);
    lab_settle();
    /* It has answered already, and ends: that is a refusal no more. */
    lab_reap(lab_child("smtpd/0"), 1 << 8);
    RUN_UNTIL(lab_child("smtpd/0") != NULL && lab_child("smtpd/0")->configs == 1);
    lab_settle();
    lab_answer(lab_child("hooks"), NULL);
    RUN_UNTIL(o.times == 1);
    assert_string_equal(o.why, "");
    RUN_UNTIL(process_all_up(&lab.world));
    lab_settle();
    expect_everybody_at("two.test");
}

static void files_alone_are_read_anew_with_the_configuration_there_is(void **state)
{
    struct outcome o = {0};
    reload_files(&lab.world, lab_on_reload, &o);
    RUN_UNTIL(o.times == 1);
    assert_string_equal(o.why, "");
    lab_settle();
    assert_int_equal(lab_child("vault/0")->configs, 2);
    assert_int_equal(lab_child("vault/0")->commits, 2);
    expect_everybody_at("one.test");
}

static void the_end_of_the_suite_ends_it(void **state)
{
    struct outcome o, later;
    lab.odd = "hooks";
    lab.odd_answer = ANSWER_NOTHING;
    reload(&o);
    RUN_UNTIL(lab_child("hooks")->waiting != 0);
    stop_begin(&lab.world, 0);
    assert_int_equal(o.times, 1);
    assert_string_equal(o.why, "stopping");
    reload(&later);
    assert_string_equal(later.why, "stopping");
    lab_settle();
    expect_everybody_at("one.test");
}

static void before_the_suite_is_ready_there_is_none(void **state)
{
    struct outcome o;
    lab_close();
    lab_open("%s", "");
    lab.odd = "hooks";
    lab.odd_answer = ANSWER_NOTHING;
    lab_start();
    lab_write("two.test", "%s", "");
    reload(&o);
    assert_int_equal(o.times, 1);
    assert_string_equal(o.why, "the suite is still starting");
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(all_ready_is_all_changed),
        TEST(one_that_refuses_changes_nothing_anywhere),
        TEST(several_that_refuse_are_one_refusal),
        TEST(one_that_dies_over_it_changes_nothing),
        TEST(so_it_is_when_its_end_is_seen_before_its_channel_closes),
        TEST(one_that_never_answers_has_it_given_up),
        TEST(an_answer_that_comes_late_is_not_taken_for_another),
        TEST(a_second_one_meanwhile_is_refused),
        TEST(a_file_that_is_wrong_asks_nobody),
        TEST(a_port_that_cannot_be_had_asks_nobody),
        TEST(a_key_that_cannot_be_read_changes_nothing),
        TEST(where_things_are_cannot_change),
        TEST(what_is_new_is_started_with_it_and_what_goes_is_asked_to_end),
        TEST(one_that_goes_and_does_not_end_is_killed),
        TEST(a_pipe_in_the_place_of_a_key_is_not_waited_for),
        TEST(one_that_comes_back_while_it_still_ends_is_started_anew),
        TEST(one_that_waits_for_its_start_and_goes_is_forgotten),
        TEST(who_starts_meanwhile_gets_what_was_decided),
        TEST(files_alone_are_read_anew_with_the_configuration_there_is),
        TEST(the_end_of_the_suite_ends_it),
        TEST(before_the_suite_is_ready_there_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
