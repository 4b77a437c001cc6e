#include "world.h"

#include <stdio.h>
#include <string.h>

#include "act.h"
#include "clock.h"
#include "commit.h"
#include "mem.h"
#include "tables.h"

#define MINUTE 60000ll

static uint64_t acted;
static char why_not[200];
static bool done;

static void on_done(void *arg, const struct admin_acted *a, const char *why)
{
    acted = a->count;
    assert_true(a->next == 0 || why != NULL);
    (void)snprintf(why_not, sizeof why_not, "%s", why == NULL ? "" : why);
    done = true;
}

/* Does it, and returns to how many. Frees what the filter owns. */
static uint64_t act(enum admin_action action, struct admin_filter filter)
{
    done = false;
    act_start(&world.queue, &(struct act){.action = action}, &filter, on_done, NULL);
    WORLD_UNTIL(done);
    assert_string_equal(why_not, "");
    world_settle();
    return acted;
}

/* The same with what it sets. */
static uint64_t set(enum admin_action action, struct admin_terms terms, struct admin_filter filter)
{
    done = false;
    act_start(&world.queue, &(struct act){.action = action, .terms = terms}, &filter, on_done,
              NULL);
    WORLD_UNTIL(done);
    assert_string_equal(why_not, "");
    world_settle();
    return acted;
}

static struct admin_filter of_ids(const uint64_t *ids, uint32_t n)
{
    return (struct admin_filter){.ids = mem_copy(ids, n * sizeof *ids), .ids_n = n};
}

static struct admin_filter of_messages(const uint64_t *ids, uint32_t n)
{
    struct admin_filter f = of_ids(ids, n);
    f.messages = true;
    return f;
}

static void expect_events(uint64_t id, const char *letters)
{
    char *got = world_events(id);
    assert_string_equal(got, letters);
    mem_free(&got);
}

/* A message whose recipient was deferred once. */
static uint64_t send_deferred(const char *to)
{
    world.direct.on_job = agent_defers;
    uint64_t id = world_send(to);
    world_settle();
    world.direct.on_job = agent_keeps;
    return id;
}

static void test_a_kick_has_it_tried_now(void **state)
{
    uint64_t id = send_deferred("c@d.example"), other = send_deferred("e@f.example");
    assert_int_equal(act(ADMIN_KICK, of_ids(&id, 1)), 1);
    assert_int_equal(world.direct.jobs_n, 1);
    assert_true(world.direct.jobs[0].job->message == id);
    assert_int_equal(act(ADMIN_KICK, of_ids(&id, 1)), 0); /* it is due already */
    agent_answer(&world.direct, 0, "d");
    world_settle();
    expect_events(id, "ALD");
    expect_events(other, "AL");
}

static void test_a_kick_is_not_undone_by_a_deferral_that_waits_to_be_written_down(void **state)
{
    struct rcpt_row r;
    uint64_t id = world_send("c@d.example");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "f");
    WORLD_UNTIL(commit_aside(world.queue.commit) == 1);
    assert_int_equal(act(ADMIN_KICK, of_ids(&id, 1)), 1);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    assert_int_equal(world.direct.jobs[0].job->attempt, 2);
    assert_true(world_recipient(id, &r));
    assert_int_equal(r.attempts, 1);
    rcpt_row_clear(&r);
    agent_answer(&world.direct, 0, "d");
    world_settle();
    expect_events(id, "ALD");
    world_expect_empty();
}

static void test_held_recipients_are_not_tried_until_released(void **state)
{
    uint64_t id = send_deferred("c@d.example");
    assert_int_equal(act(ADMIN_HOLD, of_ids(&id, 1)), 1);
    assert_int_equal(act(ADMIN_HOLD, of_ids(&id, 1)), 0);
    assert_int_equal(act(ADMIN_KICK, of_ids(&id, 1)), 0);
    world_check();
    assert_int_equal(world_rows(TABLE_DUE), 0);
    world_step(1000 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 0);
    world_restart(true);
    world_step(1000 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 0);
    assert_int_equal(act(ADMIN_RELEASE, of_ids(&id, 1)), 1);
    assert_int_equal(act(ADMIN_RELEASE, of_ids(&id, 1)), 0);
    assert_int_equal(world.direct.jobs_n, 1); /* its time had passed long ago */
    agent_answer(&world.direct, 0, "d");
    world_settle();
    expect_events(id, "ALHRD");
    world_expect_empty();
}

static void test_what_is_held_while_it_is_tried_stays_held(void **state)
{
    struct rcpt_row r;
    uint64_t id = world_send("c@d.example");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    assert_int_equal(act(ADMIN_HOLD, of_ids(&id, 1)), 1);
    agent_answer(&world.direct, 0, "f");
    world_settle();
    assert_true(world_recipient(id, &r));
    assert_true(r.held);
    assert_int_equal(r.attempts, 1);
    rcpt_row_clear(&r);
    world_check();
    world_step(1000 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 0);
    (void)act(ADMIN_RELEASE, of_ids(&id, 1));
    WORLD_UNTIL(world.direct.jobs_n == 1);
    assert_int_equal(act(ADMIN_HOLD, of_ids(&id, 1)), 1);
    agent_answer(&world.direct, 0, "d"); /* delivered is delivered */
    world_settle();
    expect_events(id, "AHLRHD");
    world_expect_empty();
}

static int64_t next_of(uint64_t id)
{
    struct rcpt_row r;
    assert_true(world_recipient(id, &r));
    int64_t next = r.next_ms;
    rcpt_row_clear(&r);
    return next;
}

static void test_the_next_attempt_is_when_the_operator_says(void **state)
{
    uint64_t id = send_deferred("c@d.example");
    int64_t at = clock_wall_ms() + 100 * MINUTE, was = next_of(id);
    assert_int_equal(set(ADMIN_DELAY, (struct admin_terms){.ms = MINUTE}, of_ids(&id, 1)), 1);
    assert_true(next_of(id) == was + MINUTE);
    assert_int_equal(set(ADMIN_DELAY, (struct admin_terms){.ms = -MINUTE}, of_ids(&id, 1)), 1);
    assert_true(next_of(id) == was);
    assert_int_equal(set(ADMIN_SCHEDULE, (struct admin_terms){.ms = at}, of_ids(&id, 1)), 1);
    assert_int_equal(set(ADMIN_SCHEDULE, (struct admin_terms){.ms = at}, of_ids(&id, 1)), 0);
    assert_true(next_of(id) == at);
    world_check();
    world_step(90 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 0);
    world_step(11 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 1);
    agent_answer(&world.direct, 0, "f");
    world_settle();
    /* Earlier than it would be, and before all there is. */
    assert_int_equal(set(ADMIN_SCHEDULE, (struct admin_terms){.ms = 1}, of_ids(&id, 1)), 1);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "f");
    world_settle();
    assert_int_equal(set(ADMIN_DELAY, (struct admin_terms){.ms = -ADMIN_MS_MAX}, of_ids(&id, 1)),
                     1);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "d");
    world_settle();
    expect_events(id, "ALLLD");
    world_expect_empty();
}

static void test_held_recipients_are_scheduled_for_when_they_are_released(void **state)
{
    uint64_t id = send_deferred("c@d.example");
    assert_int_equal(act(ADMIN_HOLD, of_ids(&id, 1)), 1);
    int64_t at = clock_wall_ms() + 100 * MINUTE;
    assert_int_equal(set(ADMIN_SCHEDULE, (struct admin_terms){.ms = at}, of_ids(&id, 1)), 1);
    world_check();
    assert_int_equal(act(ADMIN_RELEASE, of_ids(&id, 1)), 1);
    world_step(99 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 0);
    world_step(2 * MINUTE);
    assert_int_equal(world.direct.jobs_n, 1);
}

static void test_a_transport_is_chosen_and_given_back(void **state)
{
    uint64_t id = send_deferred("c@d.example");
    struct admin_terms relay = {.transport = (char *)"relay"}, none = {0};
    world.relay.on_job = agent_keeps;
    assert_int_equal(set(ADMIN_TRANSPORT, relay, of_ids(&id, 1)), 1);
    assert_int_equal(set(ADMIN_TRANSPORT, relay, of_ids(&id, 1)), 0);
    assert_int_equal(world.relay.jobs_n, 0); /* its time has not come */
    assert_int_equal(act(ADMIN_KICK, of_ids(&id, 1)), 1);
    WORLD_UNTIL(world.relay.jobs_n == 1);
    agent_answer(&world.relay, 0, "f");
    world_settle();
    assert_int_equal(set(ADMIN_TRANSPORT, none, of_ids(&id, 1)), 1);
    assert_int_equal(act(ADMIN_KICK, of_ids(&id, 1)), 1);
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "d");
    world_settle();
    world_expect_empty();
}

static void test_who_waits_for_a_transport_goes_by_another_one_at_once(void **state)
{
    agent_unlink(&world.direct);
    uint64_t id = world_send("c@d.example");
    world_settle();
    world.relay.on_job = agent_delivers;
    struct admin_terms relay = {.transport = (char *)"relay"};
    assert_int_equal(set(ADMIN_TRANSPORT, relay, of_ids(&id, 1)), 1);
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 1);
    world_settle();
    expect_events(id, "AD");
}

static void test_a_chosen_transport_that_is_gone_puts_mail_off_with_a_word(void **state)
{
    struct rcpt_row r;
    uint64_t id = send_deferred("c@d.example");
    struct admin_terms gone = {.transport = (char *)"gone"};
    assert_int_equal(set(ADMIN_TRANSPORT, gone, of_ids(&id, 1)), 1);
    assert_int_equal(act(ADMIN_KICK, of_ids(&id, 1)), 1);
    WORLD_UNTIL(next_of(id) > clock_wall_ms());
    assert_true(world_recipient(id, &r));
    assert_int_equal(r.attempts, 2);
    assert_string_equal(r.results[1].error,
                        "the transport gone, chosen for this message, is not in the configuration");
    assert_string_equal(r.results[1].enhanced, "4.3.5");
    rcpt_row_clear(&r);
    world_settle();
    world_check();
}

static void test_recipients_go_together_that_want_the_same_of_tls(void **state)
{
    struct submit_envelope *e = world_envelope("a@b.example", "one@d.example");
    (void)submit_add_recipient(e, "two@d.example");
    (void)submit_add_recipient(e, "three@d.example");
    (void)submit_add_recipient(e, "four@d.example");
    e->flags = SUBMIT_EIGHT_BIT | SUBMIT_TLS_OPTIONAL;
    world.direct.on_job = agent_defers;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    world_settle();
    world.direct.on_job = agent_keeps;
    uint64_t some[] = {id + 1, id + 2};
    struct admin_terms required = {.tls = ADMIN_TLS_REQUIRED},
                       optional = {.tls = ADMIN_TLS_OPTIONAL}, by_itself = {0};
    assert_int_equal(set(ADMIN_REQUIRE_TLS, required, of_ids(some, 2)), 2);
    assert_int_equal(set(ADMIN_REQUIRE_TLS, required, of_ids(some, 2)), 0);
    assert_int_equal(set(ADMIN_REQUIRE_TLS, optional, of_ids(&id, 1)), 1);
    assert_int_equal(act(ADMIN_KICK, of_messages(&id, 1)), 4);
    unsigned required_n = 0, others_n = 0;
    while (required_n + others_n < 4) {
        WORLD_UNTIL(world.direct.jobs_n > 0);
        const struct deliver_job *job = world.direct.jobs[0].job;
        bool is_required = (job->flags & SUBMIT_REQUIRE_TLS) != 0;
        assert_int_equal(job->flags & SUBMIT_EIGHT_BIT, SUBMIT_EIGHT_BIT);
        assert_int_equal((job->flags & SUBMIT_TLS_OPTIONAL) == 0, is_required);
        for (uint32_t i = 0; i < job->recipients_n; i++)
            assert_int_equal(is_required,
                             job->recipients[i].id == id + 1 || job->recipients[i].id == id + 2);
        *(is_required ? &required_n : &others_n) += job->recipients_n;
        agent_answer(&world.direct, 0,
                     job->recipients_n == 1   ? "f"
                     : job->recipients_n == 2 ? "ff"
                                              : "fff");
    }
    assert_int_equal(required_n, 2);
    world_settle();
    assert_int_equal(set(ADMIN_REQUIRE_TLS, by_itself, of_messages(&id, 1)), 3);
    world_check();
}

static void test_dropped_recipients_are_gone_without_a_word(void **state)
{
    struct retired_row r;
    struct submit_envelope *e = world_envelope("a@b.example", "one@d.example");
    (void)submit_add_recipient(e, "two@d.example");
    world.direct.on_job = agent_defers;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n"), second = id + 1;
    world_settle();
    assert_int_equal(act(ADMIN_DROP, of_ids(&second, 1)), 1);
    assert_int_equal(world_rows(TABLE_MSG), 1);
    world_check();
    assert_int_equal(act(ADMIN_DROP, of_ids(&id, 1)), 1);
    world_expect_empty();
    expect_events(id, "ALC");
    expect_events(second, "ALC");
    assert_true(world_retired(id, &r));
    assert_false(r.item.row.success);
    retired_row_clear(&r);
}

static void test_ids_mean_recipients_or_messages_with_all_theirs(void **state)
{
    struct submit_envelope *e = world_envelope("a@b.example", "one@d.example");
    (void)submit_add_recipient(e, "two@d.example");
    (void)submit_add_recipient(e, "three@d.example");
    world.direct.on_job = agent_defers;
    uint64_t other = send_deferred("before@d.example");
    world.direct.on_job = agent_defers;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    world_settle();
    uint64_t third = id + 2;
    assert_int_equal(act(ADMIN_HOLD, of_ids(&third, 1)), 1);
    assert_int_equal(act(ADMIN_KICK, of_ids(&id, 1)),
                     1); /* a message has its first recipient's id */
    WORLD_UNTIL(world.direct.jobs_total == 3);
    world_settle();
    assert_int_equal(act(ADMIN_DROP, of_messages(&third, 1)), 0);
    assert_int_equal(act(ADMIN_DROP, of_messages(&id, 1)), 3);
    assert_int_equal(world_rows(TABLE_RCPT), 1);
    /* Also when its first recipient is gone. */
    e = world_envelope("a@b.example", "one@d.example");
    (void)submit_add_recipient(e, "two@d.example");
    world.direct.on_job = agent_keeps;
    id = world_submit(e, "Subject: x\r\n\r\nbody\r\n");
    WORLD_UNTIL(world.direct.jobs_n == 1);
    agent_answer(&world.direct, 0, "df");
    world_settle();
    const uint64_t both[] = {id, other};
    assert_int_equal(act(ADMIN_DROP, of_messages(both, 2)), 2);
    world_expect_empty();
}

static void test_a_failed_recipient_is_told_to_the_sender(void **state)
{
    uint64_t id = send_deferred("c@d.example");
    assert_int_equal(act(ADMIN_FAIL, of_ids(&id, 1)), 1);
    expect_events(id, "ALF");
    WORLD_UNTIL(world.direct.jobs_n == 1); /* the notice, at once */
    assert_string_equal(world.direct.jobs[0].job->sender, "");
    struct buf body = world_body(world.direct.jobs[0].job->message);
    assert_non_null(strstr(buf_text(&body), "delivery canceled by admin"));
    buf_free(&body);
    agent_answer(&world.direct, 0, "d");
    world_settle();
    world_expect_empty();
}

static void test_what_is_dropped_while_it_is_tried_stays_dropped(void **state)
{
    static const char *const answers[] = {"d", "f", "x"};
    for (int i = 0; i < 3; i++) {
        uint64_t id = world_send("c@d.example");
        WORLD_UNTIL(world.direct.jobs_n == 1);
        assert_int_equal(act(ADMIN_DROP, of_ids(&id, 1)), 1);
        world_expect_empty();
        agent_answer(&world.direct, 0, answers[i]);
        world_settle();
        expect_events(id, "AC");
        world_expect_empty();
    }
}

static void test_the_file_of_a_large_message_goes_with_its_last_recipient(void **state)
{
    char *large = mem_alloc(10001);
    struct consist c;
    world_open("queue { large-body 4K }\n");
    memset(large, 'x', 10000);
    large[10000] = '\0';
    world.direct.on_job = agent_defers;
    uint64_t id = world_submit(world_envelope("a@b.example", "c@d.example"), large);
    world_settle();
    consist_check(world.queue.store, world.queue.dirfd, &c);
    assert_int_equal(c.problems, 0);
    assert_int_equal(c.files, 1);
    assert_int_equal(c.chunks, 0);
    consist_clear(&c);
    assert_int_equal(act(ADMIN_DROP, of_ids(&id, 1)), 1);
    world_expect_empty();
    mem_free(&large);
}

static void test_filters_mean_what_they_say(void **state)
{
    world.direct.on_job = agent_defers;
    world.local.on_job = agent_defers;
    (void)world_send("anna@d.example");
    (void)world_send("bert@d.example");
    (void)world_send("anna@other.example");
    struct submit_envelope *e = world_envelope("someone@else.example", "box@example.org");
    submit_set(&e->account, "box");
    (void)world_submit(e, "Subject: x\r\n\r\n");
    world_settle();
    int64_t now = clock_wall_ms();
    const struct {
        struct admin_filter filter;
        unsigned n;
    } cases[] = {
        {{.to = (char *)"ANNA"}, 2},
        {{.to = (char *)"d.example"}, 2},
        {{.from = (char *)"else"}, 1},
        {{.from_domain = (char *)"else.example"}, 1},
        {{.from_domain = (char *)"ELSE.example"}, 1},
        {{.from_domain = (char *)"example"}, 0},
        {{.from_domain = (char *)"b.example", .to = (char *)"bert"}, 1},
        {{.account = (char *)"box"}, 1},
        {{.account = (char *)"bo"}, 0},
        {{.held = ADMIN_HELD_YES}, 0},
        {{.held = ADMIN_HELD_NO}, 4},
        {{.submitted_after_ms = now}, 0},
        {{.submitted_before_ms = now + 1}, 4},
        {{.next_after_ms = now}, 4},
        {{.next_before_ms = now}, 0},
        {{.transport = (char *)"relay"}, 0},
        {{.to = (char *)"anna", .from = (char *)"else"}, 0},
        {{.domain = (char *)"d.example"}, 2},
        {{.domain = (char *)"D.EXAMPLE", .to = (char *)"bert"}, 1},
        {{.domain = (char *)"example"}, 0},
        {{.unrouted = true}, 4},
        {{.attempts = 1}, 4},
        {{.attempts = 2}, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct admin_filter f = cases[i].filter;
        f.to = mem_text(f.to);
        f.from = mem_text(f.from);
        f.from_domain = mem_text(f.from_domain);
        f.account = mem_text(f.account);
        f.domain = mem_text(f.domain);
        f.transport = mem_text(f.transport);
        done = false;
        act_start(&world.queue, &(struct act){.action = ADMIN_DROP, .dry = true}, &f, on_done,
                  NULL);
        WORLD_UNTIL(done);
        assert_int_equal(acted, cases[i].n);
    }
    assert_int_equal(world_rows(TABLE_RCPT), 4); /* that was dry */
    assert_int_equal(act(ADMIN_DROP, (struct admin_filter){.held = ADMIN_HELD_NO}), 4);
    world_expect_empty();
}

/* As it goes on when its time is over: from one id on, up to the end there was. */
static void test_an_action_keeps_between_two_ids(void **state)
{
    world.direct.on_job = agent_defers;
    uint64_t first = world_send_many("d.example", 10);
    world_settle();
    struct admin_filter all = {0};
    const struct act part = {.action = ADMIN_HOLD, .after = first + 2, .until = first + 6};
    done = false;
    act_start(&world.queue, &part, &all, on_done, NULL);
    WORLD_UNTIL(done);
    assert_int_equal(acted, 3);
    assert_int_equal(world_rows(TABLE_HELD), 3);
    for (uint64_t id = first; id < first + 10; id++) {
        struct rcpt_row r;
        assert_true(world_recipient(id, &r));
        assert_int_equal(r.held, id > first + 2 && id < first + 6);
        rcpt_row_clear(&r);
    }
}

static void test_an_action_on_thousands_goes_in_slices_and_lets_others_in(void **state)
{
    struct submit_envelope *e = world_envelope("", NULL);
    for (int i = 0; i < 3300; i++) {
        char address[40];
        (void)snprintf(address, sizeof address, "r%d@d%d.example", i, i % 100);
        (void)submit_add_recipient(e, address);
    }
    e->not_before_ms = clock_wall_ms() + 1000 * MINUTE;
    (void)world_submit(e, "Subject: x\r\n\r\n");
    struct admin_filter all = {.held = ADMIN_HELD_ANY};
    done = false;
    act_start(&world.queue, &(struct act){.action = ADMIN_HOLD}, &all, on_done, NULL);
    world.direct.on_job = agent_delivers;
    uint64_t other = world_send("c@d.example"); /* in between */
    WORLD_UNTIL(done);
    assert_int_equal(acted, 3300);
    WORLD_UNTIL(world_rows(TABLE_RETIRED) == 1);
    expect_events(other, "AD"); /* it came later: it was not meant */
    world_check();
    assert_int_equal(act(ADMIN_RELEASE, (struct admin_filter){.held = ADMIN_HELD_YES}), 3300);
    world_check();
    assert_int_equal(act(ADMIN_DROP, (struct admin_filter){.held = ADMIN_HELD_NO}), 3300);
    world_expect_empty();
}

static void test_an_action_ends_with_the_queue(void **state)
{
    struct submit_envelope *e = world_envelope("", NULL);
    for (int i = 0; i < 3000; i++)
        (void)submit_add_recipient(e, "c@d.example");
    e->not_before_ms = clock_wall_ms() + 1000 * MINUTE;
    (void)world_submit(e, "Subject: x\r\n\r\n");
    struct admin_filter all = {.held = ADMIN_HELD_ANY};
    done = false;
    act_start(&world.queue, &(struct act){.action = ADMIN_HOLD}, &all, on_done, NULL);
    world_restart(false);
    assert_true(done);
    assert_string_equal(why_not, "the queue is closing");
    world_check();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        WORLD_TEST(test_a_kick_has_it_tried_now),
        WORLD_TEST(test_a_kick_is_not_undone_by_a_deferral_that_waits_to_be_written_down),
        WORLD_TEST(test_held_recipients_are_not_tried_until_released),
        WORLD_TEST(test_what_is_held_while_it_is_tried_stays_held),
        WORLD_TEST(test_the_next_attempt_is_when_the_operator_says),
        WORLD_TEST(test_held_recipients_are_scheduled_for_when_they_are_released),
        WORLD_TEST(test_a_transport_is_chosen_and_given_back),
        WORLD_TEST(test_who_waits_for_a_transport_goes_by_another_one_at_once),
        WORLD_TEST(test_a_chosen_transport_that_is_gone_puts_mail_off_with_a_word),
        WORLD_TEST(test_recipients_go_together_that_want_the_same_of_tls),
        WORLD_TEST(test_dropped_recipients_are_gone_without_a_word),
        WORLD_TEST(test_ids_mean_recipients_or_messages_with_all_theirs),
        WORLD_TEST(test_a_failed_recipient_is_told_to_the_sender),
        WORLD_TEST(test_what_is_dropped_while_it_is_tried_stays_dropped),
        BARE_TEST(test_the_file_of_a_large_message_goes_with_its_last_recipient),
        WORLD_TEST(test_filters_mean_what_they_say),
        WORLD_TEST(test_an_action_keeps_between_two_ids),
        WORLD_TEST(test_an_action_on_thousands_goes_in_slices_and_lets_others_in),
        WORLD_TEST(test_an_action_ends_with_the_queue),
    };
    return WORLD_MAIN(argc, argv, tests);
}
