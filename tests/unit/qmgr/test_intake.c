#include "world.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bodies.h"
#include "clock.h"
#include "file.h"
#include "intake.h"
#include "ledger.h"
#include "mem.h"
#include "proto_types.h"
#include "tables.h"

static void test_an_accepted_message_is_in_the_store_when_it_is_said(void **state)
{
    struct msg_row m;
    struct rcpt_row r;
    world.direct.on_job = agent_keeps;
    struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
    (void)submit_add_recipient(e, "e@f.example");
    submit_add_extra(e, "order", "4711");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    /* Of the moment: nothing but the reply was waited for. */
    assert_true(world_message(id, &m));
    assert_int_equal(m.recipients, 2);
    assert_int_equal(m.open, 2);
    assert_int_equal(m.size, 20);
    assert_string_equal(m.envelope->extra[0].value, "4711");
    msg_row_clear(&m);
    assert_true(world_recipient(id, &r));
    rcpt_row_clear(&r);
    assert_true(world_recipient(id + 1, &r));
    assert_string_equal(r.address, "e@f.example");
    rcpt_row_clear(&r);
    struct buf body = world_body(id);
    assert_true(span_is(buf_span(&body), "Subject: x\r\n\r\nbody\r\n"));
    buf_free(&body);
    assert_true(world_submit(world_envelope("a@b.example", "c@d.example"), "") == id + 2);
}

static void test_ids_ascend_over_restarts(void **state)
{
    uint64_t before = world_send("c@d.example");
    assert_true(before >> 20 <= (uint64_t)(clock_wall_ms() / 1000));
    for (int i = 0; i < 5; i++) {
        world_restart(i % 2 == 0);
        uint64_t id = world_send("c@d.example");
        assert_true(id > before);
        before = id;
    }
}

static void test_messages_on_both_sides_of_the_large_body_setting(void **state)
{
    static const size_t sizes[] = {0, 1, 4079, 4080, 4081, 4095, 4096, 4097, 8192, 100000};
    world_open("queue { large-body 4K  destination-concurrency-start 20 }\n");
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        char *text = mem_alloc(sizes[i] + 1);
        struct msg_row m;
        memset(text, 'x', sizes[i]);
        text[sizes[i]] = '\0';
        uint64_t id = world_submit(world_envelope("a@b.example", "c@d.example"), text);
        assert_true(id != 0);
        assert_true(world_message(id, &m));
        assert_int_equal(m.kind, sizes[i] > 4096 ? BODY_FILE : BODY_CHUNKS);
        msg_row_clear(&m);
        struct buf body = world_body(id);
        assert_true(span_is(buf_span(&body), text));
        buf_free(&body);
        mem_free(&text);
    }
    world_check();
    /* Each is handed to the agent whole, from memory or from the disk. */
    WORLD_UNTIL(world.direct.jobs_n == 10);
    while (world.direct.jobs_n > 0)
        agent_answer(&world.direct, 0, "d");
    WORLD_UNTIL(world_rows(TABLE_MSG) == 0);
    world_settle();
    world_expect_empty();
}

static void expect_refused(unsigned code, const char *enhanced)
{
    assert_true(world_submit(world_envelope("a@b.example", "c@d.example"),
                             "Subject: x\r\n\r\nbody\r\n") == 0);
    assert_int_equal(world_reply.code, code);
    assert_string_equal(world_reply.enhanced, enhanced);
}

static void test_what_cannot_be_taken_is_refused_in_time(void **state)
{
    world_open("smtp { message-size 64K }\n");
    char *large = mem_alloc(65538);
    memset(large, 'x', 65537);
    large[65537] = '\0';
    assert_true(world_submit(world_envelope("a@b.example", "c@d.example"), large) == 0);
    assert_int_equal(world_reply.code, 552);
    large[65536] = '\0';
    assert_true(world_submit(world_envelope("a@b.example", "c@d.example"), large) != 0);
    mem_free(&large);
    world.queue.room = false;
    expect_refused(452, "4.3.1");
    world.queue.room = true;
    intake_stop(world.intake);
    expect_refused(421, "4.3.2");
}

static void test_extra_data_is_not_repeated_without_bound(void **state)
{
    world.direct.on_job = agent_keeps;
    char value[8001];
    memset(value, 'x', 8000);
    value[8000] = '\0';
    for (int recipients = 16; recipients <= 22; recipients += 6) {
        struct submit_envelope *e = world_envelope("a@b.example", NULL);
        for (int i = 0; i < recipients; i++)
            (void)submit_add_recipient(e, "c@d.example");
        for (int i = 0; i < 100; i++) {
            char key[8];
            (void)snprintf(key, sizeof key, "%d", i);
            submit_add_extra(e, key, value);
        }
        bool fits = recipients == 16; /* 12.8 MB, and 17.6 */
        assert_int_equal(world_submit(e, "Subject: x\r\n\r\n") != 0, fits);
    }
    assert_int_equal(world_reply.code, 552);
    assert_int_equal(world_rows(TABLE_MSG), 1);
}

static void test_a_peer_that_breaks_the_protocol_is_let_go(void **state)
{
    ipc_notify(world.submitter, 0x0666, span_text("x"), NULL, 0);
    world_settle();
    assert_false(ipc_is_open(world.submitter));
    /* The next one of that name takes its place. */
    static const struct ipc_handler only_asks = {NULL, NULL};
    struct fail f;
    int pair[2];
    ipc_free(&world.submitter);
    assert_int_equal(ipc_pair(pair, &f), 0);
    intake_link(world.intake, "smtpd/0", pair[0]);
    world.submitter = ipc_new(world.queue.base, pair[1], "submitter", &only_asks, NULL);
    (void)world_send("c@d.example");
}

static void ignore_reply(void *arg, const struct submit_reply *reply)
{
}

static void test_a_peer_that_goes_away_with_messages_under_way_harms_nobody(void **state)
{
    static const struct ipc_handler only_asks = {NULL, NULL};
    struct fail f;
    world_open("queue { large-body 4K }\n");
    char *large = mem_alloc(50001);
    memset(large, 'x', 50000);
    large[50000] = '\0';
    for (int round = 0; round < 5; round++) {
        for (int i = 0; i < 20; i++) {
            struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
            int body = file_sealed("m", span_text(i % 2 == 0 ? large : "Subject: x\r\n\r\n"), &f);
            (void)submit_message(world.submitter, e, body, ignore_reply, NULL);
            (void)close(body);
            submit_envelope_free(&e);
        }
        for (int turn = 0; turn < round; turn++)
            (void)event_base_loop(world.queue.base, EVLOOP_NONBLOCK);
        int pair[2];
        ipc_free(&world.submitter);
        assert_int_equal(ipc_pair(pair, &f), 0);
        if (round % 2 == 0)
            intake_link(world.intake, "smtpd/0", pair[0]);
        else
            intake_link(world.intake, "smtpd/9", pair[0]);
        world.submitter = ipc_new(world.queue.base, pair[1], "submitter", &only_asks, NULL);
    }
    mem_free(&large);
    world_check();
    /* In the middle of that the process ends. */
    for (int i = 0; i < 20; i++) {
        struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
        int body = file_sealed("m", span_text(i % 2 == 0 ? "Subject: x\r\n\r\n" : "y"), &f);
        (void)submit_message(world.submitter, e, body, ignore_reply, NULL);
        (void)close(body);
        submit_envelope_free(&e);
    }
    (void)event_base_loop(world.queue.base, EVLOOP_NONBLOCK);
    world_restart(false);
    world_check();
}

/* A change that keeps the writing thread until it is told to go on, and one that counts how often
 * it is applied: the group that it is in. */
struct held {
    struct change change;
    bool *go;
    unsigned *applied;
};

static void apply_held(struct change *change, struct store_txn *t)
{
    struct held *h = (struct held *)change;
    while (h->go != NULL && !__atomic_load_n(h->go, __ATOMIC_ACQUIRE))
        (void)usleep(1000);
    if (h->applied != NULL)
        (void)__atomic_add_fetch(h->applied, 1, __ATOMIC_RELAXED);
}

static void held_done(struct change *change, const char *why)
{
    assert_null(why);
    mem_free(&change);
}

static void add_held(bool *go, unsigned *applied)
{
    struct held *h = mem_zero(sizeof *h);
    *h = (struct held){{.apply = apply_held, .done = held_done}, go, applied};
    commit_add(world.queue.commit, &h->change);
}

static void test_the_answer_is_delayed_as_room_gets_short(void **state)
{
    int64_t began = clock_mono_ms();
    world.queue.slow_ms = 80;
    uint64_t id = world_submit(world_envelope("a@b.example", "c@d.example"), "x");
    assert_true(clock_mono_ms() - began >= 75);
    assert_true(id > 0);
    world.queue.slow_ms = 0;
}

static void test_a_message_without_room_makes_no_other_change_fail(void **state)
{
    struct fail f;
    bool go = false;
    unsigned applied = 0;
    char *large = mem_alloc(900001);
    world_open("queue { map-size 16M }\n");
    memset(large, 'x', 900000);
    large[900000] = '\0';
    for (int i = 0; world_submit(world_envelope("a@b.example", "c@d.example"), large) != 0; i++)
        assert_true(i < 20);
    assert_int_equal(world_reply.code, 452);
    assert_string_equal(world_reply.enhanced, "4.3.1");
    /* Both in one transaction, which is not made a second time. */
    add_held(&go, NULL);
    struct submit_envelope *e = world_envelope("a@b.example", "c@d.example");
    int body = file_sealed("m", span_text(large), &f);
    (void)submit_message(world.submitter, e, body, ignore_reply, NULL);
    WORLD_UNTIL(commit_waiting(world.queue.commit) == 2);
    add_held(NULL, &applied);
    __atomic_store_n(&go, true, __ATOMIC_RELEASE);
    world_settle();
    assert_int_equal(applied, 1);
    (void)close(body);
    submit_envelope_free(&e);
    mem_free(&large);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_an_accepted_message_is_in_the_store_when_it_is_said),
        WORLD_TEST(test_the_answer_is_delayed_as_room_gets_short),
        WORLD_TEST(test_ids_ascend_over_restarts),
        BARE_TEST(test_messages_on_both_sides_of_the_large_body_setting),
        BARE_TEST(test_what_cannot_be_taken_is_refused_in_time),
        WORLD_TEST(test_extra_data_is_not_repeated_without_bound),
        WORLD_TEST(test_a_peer_that_breaks_the_protocol_is_let_go),
        BARE_TEST(test_a_message_without_room_makes_no_other_change_fail),
        BARE_TEST(test_a_peer_that_goes_away_with_messages_under_way_harms_nobody),
    };
    return WORLD_MAIN(argc, argv, tests);
}
