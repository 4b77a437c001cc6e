#include <string.h>

#include "clock.h"
#include "failure.h"
#include "mem.h"
#include "suppress.h"
#include "world.h"

/* How addresses get on the suppression list by themselves, and what is on it is not tried. */

static const char accounts[] = "queue { attempts 1 }\n"
                               "account app { address app@example.org\n"
                               "    webhook outgoing { url \"https://app.example/h\" } }\n"
                               "account never { address never@example.org  suppress no }\n"
                               "account brief { address brief@example.org  suppress-expiry 1h }\n";

static uint64_t send_as(const char *account, const char *to)
{
    struct submit_envelope *e = world_envelope("app@example.org", to);
    submit_set(&e->account, account);
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    assert_true(id != 0);
    return id;
}

/* What the remote says from now on. */
static void script(uint16_t code, const char *enhanced, const char *reply)
{
    struct deliver_result *r = &world.direct.script;
    deliver_result_clear(r);
    *r = deliver_result_new(0, code < 400   ? DELIVER_DONE
                               : code < 500 ? DELIVER_DEFERRED
                                            : DELIVER_FAILED);
    r->code = code;
    submit_set(&r->enhanced, enhanced);
    submit_set(&r->reply, reply);
    submit_set(&r->remote_host, "mx.d.example");
    submit_set(&r->stage, "rcpt");
    world.direct.on_job = agent_answers;
}

static void begin(void)
{
    world_open(accounts);
    world.hooks.on_call = endpoint_hears;
}

static void end_script(void)
{
    deliver_result_clear(&world.direct.script);
}

/* Sends one and waits for its end. Returns its events. */
static const char *outcome(const char *account, const char *to)
{
    static char *events;
    uint64_t id = send_as(account, to);
    struct rcpt_row r;
    for (int i = 0; i < 100 && world_recipient(id, &r); i++) {
        rcpt_row_clear(&r);
        world_settle();
    }
    mem_free(&events);
    events = world_events(id);
    return events;
}

static bool is_listed(const char *account, const char *address, struct suppression *s)
{
    struct store_txn *t = store_begin(world.queue.store, false);
    bool listed = suppress_lookup(&world.queue.ledger, t, account, address, clock_wall_ms(), s);
    store_abort(&t);
    return listed;
}

static void expect_hook(unsigned place, const char *event, bool suppressing, const char *more)
{
    WORLD_UNTIL(world_heard_n > place);
    char *wanted = mem_format("\"Event\":\"%s\",\"DSN\":false,\"Suppressing\":%s,", event,
                              suppressing ? "true" : "false");
    const char *payload = world_heard[place];
    if (strstr(payload, wanted) == NULL || strstr(payload, more) == NULL)
        fail_msg("%s\n%s %s", payload, wanted, more);
    mem_free(&wanted);
}

static void test_an_unknown_user_is_listed_at_once_and_not_tried_again(void **state)
{
    struct suppression s;
    begin();
    script(550, "5.1.1", "550 5.1.1 no such user");
    assert_string_equal(outcome("app", "First.Last+x@d.example"), "AF");
    expect_hook(0, "failed", true, "\"SMTPCode\":550,\"SMTPEnhancedCode\":\"5.1.1\"");
    assert_true(is_listed("app", "firstlast@d.example", &s));
    assert_string_equal(s.base, "firstlast@d.example");
    assert_string_equal(s.original, "First.Last+x@d.example");
    assert_string_equal(s.reason,
                        "delivery failure from queue with smtp code 550, enhanced code \"1.1\"");
    assert_int_equal(s.class, SUPPRESS_BAD_ADDRESS);
    assert_false(s.manual);
    assert_int_equal(s.expires_ms, 0);
    suppression_clear(&s);
    assert_int_equal(world.direct.jobs_total, 1);
    script(250, "2.0.0", "250 2.0.0 ok");
    assert_string_equal(outcome("app", "f.irst.last@d.example"), "AS");
    assert_int_equal(world.direct.jobs_total, 1);
    expect_hook(1, "suppressed", false,
                "\"SMTPCode\":0,\"SMTPEnhancedCode\":\"\",\"Error\":\"the address is on the "
                "suppression list of the account\"");
    /* Each account has a list of its own, and nobody's mail has none. */
    assert_string_equal(outcome("never", "firstlast@d.example"), "AD");
    assert_string_equal(outcome("", "firstlast@d.example"), ""); /* and no events */
    assert_int_equal(world.direct.jobs_total, 3);
    end_script();
}

/* As in localserve. */
static void test_where_failures_are_made_by_tags_they_are_listed_alone(void **state)
{
    begin();
    world.queue.ledger.whole_addresses = true;
    script(550, "5.1.1", "550 5.1.1 made");
    assert_string_equal(outcome("app", "you+Bounce@d.example"), "AF");
    assert_true(is_listed("app", "you+bounce@d.example", NULL));
    assert_false(is_listed("app", "you@d.example", NULL));
    assert_string_equal(outcome("app", "you+bounce@d.example"), "AS");
    assert_string_equal(outcome("app", "you+other@d.example"), "AF");
    end_script();
}

static void test_a_suppressed_one_is_told_and_kept_as_a_failure(void **state)
{
    struct retired_row r;
    begin();
    script(550, "5.1.1", "550 no");
    (void)outcome("app", "c@d.example");
    uint64_t id = send_as("app", "c@d.example");
    world_settle();
    assert_true(world_retired(id, &r));
    assert_false(r.item.row.success);
    assert_int_equal(r.item.row.attempts, 1);
    assert_int_equal(r.item.attempts_n, 1);
    assert_string_equal(r.item.attempts[0].stage, "suppressed");
    assert_string_equal(r.item.row.last, "the address is on the suppression list of the account");
    retired_row_clear(&r);
    expect_hook(0, "failed", true, "\"Attempt\":1,");
    expect_hook(1, "suppressed", false, "\"Attempt\":1,");
    end_script();
}

static void test_attempts_before_it_was_suppressed_are_counted(void **state)
{
    struct retired_row r;
    struct rcpt_row waiting;
    world_open(accounts + strlen("queue { attempts 1 }\n"));
    world.hooks.on_call = endpoint_hears;
    script(450, "4.2.1", "450 later");
    uint64_t id = send_as("app", "c@d.example");
    world_settle();
    assert_true(world_recipient(id, &waiting));
    assert_int_equal(waiting.attempts, 1);
    rcpt_row_clear(&waiting);
    script(550, "5.1.1", "550 no");
    (void)outcome("app", "c@d.example");
    world_step(3600000);
    world_settle();
    assert_true(world_retired(id, &r));
    assert_int_equal(r.item.row.attempts, 2);
    assert_int_equal(r.item.attempts_n, 2);
    assert_string_equal(r.item.attempts[1].stage, "suppressed");
    retired_row_clear(&r);
    expect_hook(2, "suppressed", false, "\"Attempt\":2,");
    end_script();
}

static void test_those_beside_a_suppressed_one_are_tried(void **state)
{
    begin();
    script(550, "5.1.1", "550 no");
    (void)outcome("app", "two@d.example");
    script(250, "2.0.0", "250 ok");
    struct submit_envelope *e = world_envelope("app@example.org", "one@d.example");
    submit_set(&e->account, "app");
    (void)submit_add_recipient(e, "two@d.example");
    (void)submit_add_recipient(e, "three@d.example");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    world_settle();
    static const char *const wanted[] = {"AD", "AS", "AD"};
    for (unsigned i = 0; i < 3; i++) {
        char *events = world_events(id + i);
        assert_string_equal(events, wanted[i]);
        mem_free(&events);
    }
    end_script();
}

static void test_a_full_mailbox_is_listed_the_third_time_in_a_row(void **state)
{
    struct suppression s;
    begin();
    script(552, "5.2.2", "552 5.2.2 full");
    assert_string_equal(outcome("app", "c@d.example"), "AF");
    assert_string_equal(outcome("app", "c@d.example"), "AF");
    assert_false(is_listed("app", "c@d.example", NULL));
    assert_int_equal(world_rows(TABLE_FAILURE), 1);
    script(250, "2.0.0", "250 ok");
    assert_string_equal(outcome("app", "c@d.example"), "AD");
    script(552, "5.2.2", "552 5.2.2 full");
    (void)outcome("app", "c@d.example");
    (void)outcome("app", "other@d.example");
    (void)outcome("never", "c@d.example");
    (void)outcome("app", "c@d.example");
    assert_false(is_listed("app", "c@d.example", NULL));
    (void)outcome("app", "c@d.example");
    assert_true(is_listed("app", "c@d.example", &s));
    assert_string_equal(s.reason, "delivery failure from queue and three consecutive failures");
    assert_int_equal(s.class, SUPPRESS_FULL);
    suppression_clear(&s);
    assert_false(is_listed("app", "other@d.example", NULL));
    assert_false(is_listed("never", "c@d.example", NULL));
    assert_string_equal(outcome("app", "c@d.example"), "AS");
    end_script();
}

/* What stands for it in the history is ours where the remote sent none, and that of a temporary
 * failure as long as it is not over. */
static void test_the_webhook_has_the_enhanced_code_that_was_sent(void **state)
{
    static const struct {
        uint16_t code;
        const char *enhanced, *reply, *said;
    } cases[] = {
        {552, "4.2.2", "552 5.2.2 full", "5.2.2"},
        {452, "4.2.2", "452 4.2.2 full", "4.2.2"},
        {554, "5.0.0", "554 no", ""},
        {554, "5.0.0", "554 5.7 no", ""},
        {554, "5.0.0", "554 4.2.2 full", ""}, /* of another class: none (RFC 2034 section 4) */
        {554, "5.6.0", "554-wait\n554-5.6.0 this\n554 is no mail", "5.6.0"},
        {554, "5.0.0", "554", ""},
        {554, "5.7.0", "", "5.7.0"}, /* what a transport was set to answer */
    };
    char *name = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        begin();
        script(cases[i].code, cases[i].enhanced, cases[i].reply);
        assert_string_equal(outcome("app", "c@d.example"), "AF");
        name = mem_format("\"SMTPCode\":%u,\"SMTPEnhancedCode\":\"%s\",", cases[i].code,
                          cases[i].said);
        expect_hook(0, "failed", false, name);
        mem_free(&name);
        end_script();
        if (i + 1 < sizeof cases / sizeof cases[0])
            (void)world_teardown(NULL);
    }
}

static void test_the_reason_names_no_enhanced_code_that_was_not_sent(void **state)
{
    struct suppression s;
    begin();
    script(550, "5.1.1", "550 no such user");
    (void)outcome("app", "c@d.example");
    expect_hook(0, "failed", true, "\"SMTPCode\":550,\"SMTPEnhancedCode\":\"\"");
    assert_true(is_listed("app", "c@d.example", &s));
    assert_string_equal(s.reason,
                        "delivery failure from queue with smtp code 550, enhanced code \"\"");
    suppression_clear(&s);
    end_script();
}

static void test_what_says_nothing_of_the_address_never_lists_it(void **state)
{
    begin();
    script(550, "5.7.1", "550 5.7.1 denied");
    for (int i = 0; i < 4; i++)
        assert_string_equal(outcome("app", "c@d.example"), "AF");
    script(450, "4.4.2", "450 4.4.2 gone");
    submit_set(&world.direct.script.stage, "connect");
    for (int i = 0; i < 4; i++)
        assert_string_equal(outcome("app", "c@d.example"), "AF");
    assert_int_equal(world_rows(TABLE_FAILURE) + world_rows(TABLE_SUPPRESS), 0);
    script(550, "5.1.1", "550 5.1.1 unknown");
    for (int i = 0; i < 2; i++)
        assert_string_equal(outcome("never", "c@d.example"), "AF");
    assert_string_equal(outcome("", "c@d.example"), "");
    assert_int_equal(world_rows(TABLE_FAILURE) + world_rows(TABLE_SUPPRESS), 0);
    end_script();
}

static void test_what_is_old_is_forgotten(void **state)
{
    begin();
    script(552, "5.2.2", "552 5.2.2 full");
    (void)outcome("app", "c@d.example");
    (void)outcome("app", "c@d.example");
    world_step(FAILURE_AGE_MS + 1000);
    WORLD_UNTIL(world_rows(TABLE_FAILURE) == 0);
    (void)outcome("app", "c@d.example");
    assert_false(is_listed("app", "c@d.example", NULL));
    script(550, "5.1.1", "550 5.1.1 unknown");
    (void)outcome("brief", "d@d.example");
    (void)outcome("app", "d@d.example");
    assert_true(is_listed("brief", "d@d.example", NULL));
    world_step(3600000 + 1000);
    assert_false(is_listed("brief", "d@d.example", NULL));
    assert_true(is_listed("app", "d@d.example", NULL));
    WORLD_UNTIL(world_rows(TABLE_SUPPRESS) == 1);
    end_script();
}

static void test_what_is_put_off_is_looked_up_at_every_attempt(void **state)
{
    struct submit_envelope *e;
    world_open("account app { address app@example.org }\n");
    script(451, "4.3.0", "451 later");
    e = world_envelope("app@example.org", "c@d.example");
    submit_set(&e->account, "app");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    world_settle();
    script(550, "5.1.1", "550 unknown");
    (void)outcome("app", "c@d.example");
    unsigned jobs = world.direct.jobs_total;
    world_step(3600000);
    char *events = world_events(id);
    assert_string_equal(events, "ALS");
    assert_int_equal(world.direct.jobs_total, jobs);
    mem_free(&events);
    end_script();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_an_unknown_user_is_listed_at_once_and_not_tried_again),
        BARE_TEST(test_where_failures_are_made_by_tags_they_are_listed_alone),
        BARE_TEST(test_a_suppressed_one_is_told_and_kept_as_a_failure),
        BARE_TEST(test_attempts_before_it_was_suppressed_are_counted),
        BARE_TEST(test_those_beside_a_suppressed_one_are_tried),
        BARE_TEST(test_a_full_mailbox_is_listed_the_third_time_in_a_row),
        BARE_TEST(test_the_webhook_has_the_enhanced_code_that_was_sent),
        BARE_TEST(test_the_reason_names_no_enhanced_code_that_was_not_sent),
        BARE_TEST(test_what_says_nothing_of_the_address_never_lists_it),
        BARE_TEST(test_what_is_old_is_forgotten),
        BARE_TEST(test_what_is_put_off_is_looked_up_at_every_attempt),
    };
    return WORLD_MAIN(argc, argv, tests);
}
