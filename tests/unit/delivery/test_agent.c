#include "lab.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "proto_types.h"

/* The channel from qmgr, a new configuration, the end. */

#define DELIVERED "delivered 250 2.0.0 dot [250 2.0.0 queued]"

static int setup(void **state)
{
    lab_open_direct("idle-timeout 0");
    names_add(&lab.names, "example.net", "A", "127.0.0.1");
    return 0;
}

static int teardown(void **state)
{
    lab_close();
    return 0;
}

static bool asked(const char *command)
{
    return strstr(buf_text(&lab.peer.commands), command) != NULL;
}

static void deliver(void)
{
    struct order o = {0};
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    order_free(&o);
}

static void jobs_go_side_by_side(void **state)
{
    struct order slow = {0}, quick = {0};
    peer_say(&lab.peer, SAY_MAIL, "~", "250 ok", NULL);
    order_send(&slow);
    RUN_UNTIL(asked("MAIL"));
    order_run(&quick);
    assert_outcome(&quick, 0, DELIVERED);
    assert_false(slow.done);
    peer_hang_up(&lab.peer);
    RUN_UNTIL(slow.done);
    order_free(&slow);
    order_free(&quick);
}

static void a_new_qmgr_is_told_what_the_one_before_had_begun(void **state)
{
    static const enum say steps[] = {SAY_GREETING, SAY_EHLO, SAY_MAIL, SAY_RCPT, SAY_DATA, SAY_DOT};
    static const char *const replies[] = {"* 220 hi", "* 250 peer.test", "* 250 ok",
                                          "* 250 ok", "* 354 go",        "* 250 2.0.0 queued"};
    for (size_t i = 0; i < 6; i++) {
        struct order o = {0}, again = {0};
        peer_reset(&lab.peer);
        peer_say(&lab.peer, steps[i], replies[i], NULL);
        order_send(&o);
        RUN_UNTIL(lab.peer.held == 1);
        lab_link();
        assert_true(o.done && o.lost);
        again.id = o.id;
        order_send(&again);
        RUN_UNTIL(lab.agent.jobs == 2);
        peer_release(&lab.peer);
        RUN_UNTIL(again.done);
        assert_outcome(&again, 0, DELIVERED);
        assert_int_equal(lab.peer.messages, 1);
        assert_int_equal(lab.peer.opened, 1);
        order_free(&o);
        order_free(&again);
    }
}

static void what_a_qmgr_asked_that_is_gone_is_not_begun(void **state)
{
    struct order first = {0}, second = {.n = 2}, third = {.n = 2};
    peer_say(&lab.peer, SAY_RCPT, "* 250 ok", "250 ok", NULL);
    order_send(&first);
    RUN_UNTIL(lab.peer.held == 1);
    lab_link();
    second.id = third.id = first.id;
    order_send(&second);
    RUN_UNTIL(lab.agent.jobs == 2);
    lab_link();
    assert_true(second.lost);
    order_send(&third);
    RUN_UNTIL(lab.agent.jobs == 2);
    peer_release(&lab.peer);
    RUN_UNTIL(third.done && lab.agent.jobs == 0);
    assert_outcome(&third, 0, DELIVERED);
    assert_outcome(&third, 1, DELIVERED);
    assert_int_equal(lab.peer.messages, 2); /* one for each recipient */
    assert_int_equal(lab.counters[COUNT_DELIVERED], 3);
    order_free(&first);
    order_free(&second);
    order_free(&third);
}

static void what_was_told_before_is_told_again(void **state)
{
    struct order o = {.n = 2}, again = {.n = 2}, later = {.n = 2, .attempt = 2};
    peer_say(&lab.peer, SAY_RCPT, "450 4.2.1 later", "250 ok", NULL);
    order_run(&o);
    again.id = later.id = o.id;
    order_run(&again);
    assert_outcome(&again, 0, "deferred 450 4.2.1 rcpt [450 4.2.1 later]");
    assert_outcome(&again, 1, DELIVERED);
    assert_int_equal(lab.peer.opened, 1);
    order_run(&later);
    assert_outcome(&later, 0, DELIVERED);
    assert_int_equal(lab.peer.opened, 2);
    order_free(&o);
    order_free(&again);
    order_free(&later);
}

static void what_the_old_channel_asked_is_not_told_to_the_new_one(void **state)
{
    struct order old = {0}, new = {0};
    peer_say(&lab.peer, SAY_DOT, "* 250 2.0.0 old", "250 2.0.0 new", NULL);
    order_send(&old);
    RUN_UNTIL(lab.peer.held == 1);
    lab_link();
    assert_true(old.lost);
    order_run(&new);
    assert_outcome(&new, 0, "delivered 250 2.0.0 dot [250 2.0.0 new]");
    peer_release(&lab.peer);
    RUN_UNTIL(lab.agent.jobs == 0);
    lab_settle();
    assert_true(ipc_is_open(lab.qmgr));
    order_free(&old);
    order_free(&new);
}

static void a_malformed_job_ends_the_channel_and_nothing_else(void **state)
{
    static const char *const payloads[] = {"", "rubbish",
                                           "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"};
    for (size_t i = 0; i < 3; i++) {
        ipc_notify(lab.qmgr, MSG_DELIVER_JOB, span_text(payloads[i]), NULL, 0);
        RUN_UNTIL(lab.qmgr == NULL);
        lab_link();
    }
    deliver();
}

static void a_body_that_is_not_what_the_job_says_ends_the_channel(void **state)
{
    struct fail f;
    struct deliver_recipient recipient = {7000, (char *)"r0@example.net", (char *)"", 0};
    struct deliver_job job = {.transport = (char *)"direct",
                              .destination = (char *)"example.net",
                              .sender = (char *)"",
                              .envid = (char *)"",
                              .ret = (char *)"",
                              .size = 3,
                              .recipients = &recipient,
                              .recipients_n = 1};
    int bodies[] = {file_sealed("two", span_text("ab"), &f), file_memory("unsealed", &f),
                    open("/dev/null", O_RDONLY)};
    for (size_t i = 0; i < 3; i++) {
        struct order o = {.n = 1};
        deliver_ask(lab.qmgr, &job, bodies[i], lab_on_results, &o);
        RUN_UNTIL(lab.qmgr == NULL);
        assert_true(o.lost);
        lab_link();
        (void)close(bodies[i]);
    }
    deliver();
}

static void a_session_goes_on_as_it_began(void **state)
{
    struct order o = {0}, next = {0};
    struct peer other;
    peer_open(&other, lab.base, "127.0.0.1", 0);
    peer_say(&lab.peer, SAY_RCPT, "* 250 ok", NULL);
    order_send(&o);
    RUN_UNTIL(lab.peer.held == 1);
    lab_reload(
        "deliver { allow-loopback yes  port %d  tls none  idle-timeout 0  ehlo-name new.test }\n",
        other.port);
    order_run(&next);
    assert_outcome(&next, 0, DELIVERED);
    assert_string_equal(next.results[0].remote_address, other.address);
    assert_memory_equal(buf_text(&other.commands), "1 EHLO new.test\n", 16);
    assert_false(o.done);
    peer_release(&lab.peer);
    RUN_UNTIL(o.done);
    assert_outcome(&o, 0, DELIVERED);
    assert_string_equal(o.results[0].remote_address, lab.peer.address);
    RUN_UNTIL(other.opened == other.closed);
    peer_close(&other);
    order_free(&o);
    order_free(&next);
}

static void a_qmgr_that_stays_away_ends_the_process(void **state)
{
    struct timeval left;
    assert_false(evtimer_pending(lab.agent.patience, NULL));
    ipc_free(&lab.qmgr);
    RUN_UNTIL(evtimer_pending(lab.agent.patience, NULL));
    lab_link();
    assert_false(evtimer_pending(lab.agent.patience, NULL));
    ipc_free(&lab.qmgr);
    RUN_UNTIL(evtimer_pending(lab.agent.patience, &left));
    assert_false(lab.done);
    event_active(lab.agent.patience, EV_TIMEOUT, 0); /* as if the time had passed */
    RUN_UNTIL(lab.done);
}

static void with_nothing_to_do_the_end_is_at_once(void **state)
{
    lab_reload_direct("idle-timeout 1m");
    deliver();
    lab.stopping = true;
    agent_stop(&lab.agent);
    assert_true(lab.done);
    RUN_UNTIL(lab.peer.closed == 1);
    assert_true(asked("QUIT"));
}

static void the_end_waits_for_what_was_begun(void **state)
{
    struct order o = {0};
    peer_say(&lab.peer, SAY_RCPT, "* 250 ok", NULL);
    order_send(&o);
    RUN_UNTIL(lab.peer.held == 1);
    lab.stopping = true;
    agent_stop(&lab.agent);
    assert_false(lab.done);
    peer_release(&lab.peer);
    RUN_UNTIL(lab.done);
    lab_settle();
    assert_outcome(&o, 0, DELIVERED);
    order_free(&o);
}

static void the_end_waits_for_nothing_when_qmgr_is_gone(void **state)
{
    struct order o = {0};
    peer_say(&lab.peer, SAY_RCPT, "~", NULL);
    order_send(&o);
    RUN_UNTIL(asked("RCPT"));
    lab.stopping = true;
    agent_stop(&lab.agent);
    assert_false(lab.done);
    ipc_free(&lab.qmgr);
    RUN_UNTIL(lab.done);
    peer_hang_up(&lab.peer);
    RUN_UNTIL(lab.agent.jobs == 0);
    order_free(&o);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(jobs_go_side_by_side),
        TEST(a_new_qmgr_is_told_what_the_one_before_had_begun),
        TEST(what_a_qmgr_asked_that_is_gone_is_not_begun),
        TEST(what_was_told_before_is_told_again),
        TEST(what_the_old_channel_asked_is_not_told_to_the_new_one),
        TEST(a_malformed_job_ends_the_channel_and_nothing_else),
        TEST(a_body_that_is_not_what_the_job_says_ends_the_channel),
        TEST(a_session_goes_on_as_it_began),
        TEST(a_qmgr_that_stays_away_ends_the_process),
        TEST(with_nothing_to_do_the_end_is_at_once),
        TEST(the_end_waits_for_what_was_begun),
        TEST(the_end_waits_for_nothing_when_qmgr_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
