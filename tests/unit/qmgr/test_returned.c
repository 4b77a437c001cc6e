#include <string.h>

#include "clock.h"
#include "fromid.h"
#include "mem.h"
#include "returned.h"
#include "suppress.h"
#include "world.h"

/* What comes back to a from id: whose it is, what it says, and what is only made to look so. */

static const char accounts[] =
    "account app { address app@example.org  from-id-login app@example.org\n"
    "    webhook outgoing { url \"https://app.example/h\" } }\n"
    "account other { address other@example.org }\n"
    "account bare { address bare@example.org  mailbox no  from-id-login bare@example.org }\n";

/* One that is delivered at once. Its from id is world_from_ids[0] then. */
static uint64_t send_as(const char *account, const char *sender)
{
    struct submit_envelope *e = world_envelope(sender, "Bob@d.example");
    submit_set(&e->account, account);
    submit_add_extra(e, "order", "7");
    e->flags |= SUBMIT_FROM_IDS;
    world.direct.on_job = agent_delivers;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    assert_true(id != 0);
    world_settle();
    return id;
}

static struct deliver_report report_of(enum deliver_said said, enum deliver_action action,
                                       uint16_t code, const char *enhanced, const char *final)
{
    struct deliver_report r = deliver_report_new();
    r.said = said;
    r.action = action;
    r.code = code;
    submit_set(&r.enhanced, enhanced);
    submit_set(&r.final, final);
    submit_set(&r.reporter, "mx.d.example");
    submit_set(&r.diagnostic, "550 5.1.1 unknown");
    return r;
}

/* A message comes in from the network for this address; the agent says what is in it. */
static uint64_t come_back(const char *to, const struct deliver_report *report)
{
    struct submit_envelope *e = world_envelope("", to);
    e->origin = SUBMIT_SMTP;
    world.local.report = report;
    world.local.on_job = agent_delivers;
    uint64_t id = world_submit(e, "Subject: bounce\r\n\r\n");
    assert_true(id != 0);
    world_settle();
    return id;
}

static char *address_of(const char *base, const char *id)
{
    return mem_format("%s+%s@example.org", base, id);
}

static void expect_events(uint64_t id, const char *wanted)
{
    char *events = world_events(id);
    assert_string_equal(events, wanted);
    mem_free(&events);
}

static bool is_listed(const char *account, const char *address)
{
    struct store_txn *t = store_begin(world.queue.store, false);
    bool listed = suppress_lookup(&world.queue.ledger, t, account, address, clock_wall_ms(), NULL);
    store_abort(&t);
    return listed;
}

static void begin(void)
{
    world_open(accounts);
    world.hooks.on_call = endpoint_hears;
}

/* The last webhook has this in it. */
static void expect_hook(const char *text)
{
    assert_true(world_heard_n > 0);
    const char *last = world_heard[world_heard_n - 1];
    if (strstr(last, text) == NULL)
        fail_msg("%s\n%s", last, text);
}

static void test_each_action_has_its_event(void **state)
{
    static const struct {
        enum deliver_said said;
        enum deliver_action action;
        uint16_t code;
        const char *enhanced, *events, *hook;
    } cases[] = {
        {DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.1.1", "ADF",
         "\"Event\":\"failed\",\"DSN\":true,\"Suppressing\":true,"},
        {DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.7.1", "ADF",
         "\"Event\":\"failed\",\"DSN\":true,\"Suppressing\":false,"},
        {DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 0, "", "ADF",
         "\"Event\":\"failed\",\"DSN\":true,\"Suppressing\":false,"},
        {DELIVER_SAID_ACTION, DELIVER_ACTION_DELAYED, 450, "4.4.1", "ADL",
         "\"Event\":\"delayed\",\"DSN\":true,\"Suppressing\":false,"},
        {DELIVER_SAID_ACTION, DELIVER_ACTION_DELIVERED, 0, "", "ADD",
         "\"Event\":\"delivered\",\"DSN\":true,\"Suppressing\":false,"},
        {DELIVER_SAID_ACTION, DELIVER_ACTION_RELAYED, 0, "", "ADY",
         "\"Event\":\"relayed\",\"DSN\":true,\"Suppressing\":false,"},
        {DELIVER_SAID_ACTION, DELIVER_ACTION_EXPANDED, 0, "", "ADE",
         "\"Event\":\"expanded\",\"DSN\":true,\"Suppressing\":false,"},
        {DELIVER_SAID_UNCLEAR, 0, 0, "", "ADU",
         "\"Event\":\"unrecognized\",\"DSN\":true,\"Suppressing\":false,"},
        {DELIVER_SAID_NOTHING, 0, 0, "", "ADU",
         "\"Event\":\"unrecognized\",\"DSN\":false,\"Suppressing\":false,"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct retired_row r;
        begin();
        uint64_t id = send_as("app", "app@example.org");
        struct deliver_report report = report_of(cases[i].said, cases[i].action, cases[i].code,
                                                 cases[i].enhanced, "bob@D.example");
        submit_set(&report.diagnostic, "550 5.1.1 unknown\nhere");
        char *to = address_of("app", world_from_ids[0]);
        uint64_t came = come_back(to, &report);
        expect_events(id, cases[i].events);
        expect_events(came, "AD");
        expect_hook(cases[i].hook);
        char *more = mem_format("\"QueueMsgID\":%llu,\"FromID\":\"%.26s\",\"MessageID\":"
                                "\"\\u003c1@b.example\\u003e\",\"Subject\":\"Hello\"",
                                (unsigned long long)id, strchr(to, '+') + 1);
        expect_hook(more);
        expect_hook("\"Extra\":{\"order\":\"7\"}");
        expect_hook("\"Error\":\"\"");
        mem_free(&more);
        more = mem_format("\"SMTPCode\":%u,\"SMTPEnhancedCode\":\"%s\"", cases[i].code,
                          cases[i].code == 0 ? "" : cases[i].enhanced);
        expect_hook(more);
        mem_free(&more);
        assert_true(world_retired(id, &r));
        assert_true(r.item.row.success); /* the next hop took it, that stays */
        assert_int_equal(r.item.attempts_n, 2);
        assert_string_equal(r.item.attempts[1].stage, "dsn");
        assert_string_equal(r.item.row.last, "550 5.1.1 unknown");
        retired_row_clear(&r);
        assert_int_equal(is_listed("app", "bob@d.example"), i == 0);
        deliver_report_clear(&report);
        mem_free(&to);
        if (i + 1 < sizeof cases / sizeof cases[0])
            (void)world_teardown(NULL);
    }
}

static void test_upper_case_on_the_way_does_no_harm(void **state)
{
    begin();
    uint64_t id = send_as("app", "app@example.org");
    struct deliver_report report =
        report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.1.1", "BOB@d.example");
    char *to = address_of("APP", world_from_ids[0]);
    for (char *p = strchr(to, '+'); *p != '@'; p++)
        *p = (char)(*p >= 'a' && *p <= 'z' ? *p - 32 : *p);
    (void)come_back(to, &report);
    expect_events(id, "ADF");
    deliver_report_clear(&report);
    mem_free(&to);
}

static void test_a_forged_one_is_ordinary_mail(void **state)
{
    char made[FROMID_SIZE];
    begin();
    uint64_t id = send_as("app", "app@example.org");
    struct deliver_report report =
        report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.1.1", "Bob@d.example");
    struct deliver_report another =
        report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.1.1", "eve@d.example");
    char *genuine = mem_text(world_from_ids[0]);
    struct {
        char *to;
        const struct deliver_report *report;
    } cases[6] = {
        {address_of("app", genuine), &another},  /* not about its recipient */
        {address_of("other", genuine), &report}, /* another account's */
        {address_of("app", "aaaaaaaaaaaaaaaaaaaaaaaaaa"), &report},
        {address_of("app", "chosen"), &report},
        {address_of("app", genuine), &report}, /* changed below */
    };
    cases[4].to[10] = cases[4].to[10] == 'b' ? 'c' : 'b';
    fromid_make(&world.queue.ledger, id + 1000, "app", "Bob@d.example", made);
    cases[5].to = address_of("app", made); /* genuine, of a recipient that is not known */
    cases[5].report = &report;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        unsigned jobs = world.local.jobs_total, calls = world.hooks.calls_total;
        uint64_t came = come_back(cases[i].to, cases[i].report);
        expect_events(came, "ADI");
        expect_events(id, "AD");
        assert_int_equal(world.local.jobs_total, jobs + 1);
        assert_int_equal(world.hooks.calls_total, calls);
        mem_free(&cases[i].to);
    }
    assert_int_equal(world_rows(TABLE_SUPPRESS), 0);
    deliver_report_clear(&report);
    deliver_report_clear(&another);
    mem_free(&genuine);
}

static void test_a_report_about_where_it_was_forwarded_to_counts(void **state)
{
    begin();
    uint64_t id = send_as("app", "app@example.org");
    struct deliver_report report =
        report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.1.1", "robert@e.example");
    submit_set(&report.original, "bob@d.example");
    char *to = address_of("app", world_from_ids[0]);
    (void)come_back(to, &report);
    expect_events(id, "ADF");
    deliver_report_clear(&report);
    mem_free(&to);
}

static void test_only_what_came_from_the_network_is_read(void **state)
{
    begin();
    uint64_t id = send_as("app", "app@example.org");
    struct deliver_report report =
        report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.1.1", "Bob@d.example");
    char *to = address_of("app", world_from_ids[0]);
    struct submit_envelope *e = world_envelope("app@example.org", to);
    submit_set(&e->account, "app");
    world.local.report = &report;
    world.local.on_job = agent_keeps;
    (void)world_submit(e, "Subject: x\r\n\r\n");
    WORLD_UNTIL(world.local.jobs_n == 1);
    assert_int_equal(world.local.jobs[0].job->wants, 0);
    agent_answer(&world.local, 0, "d");
    world_settle();
    expect_events(id, "AD");
    deliver_report_clear(&report);
    mem_free(&to);
}

/* The next hop of a recipient may report on it before all of it is done here. */
static void test_one_that_is_queued_still_is_found(void **state)
{
    struct rcpt_row r;
    begin();
    struct submit_envelope *e = world_envelope("app@example.org", "bob@d.example");
    submit_set(&e->account, "app");
    e->flags |= SUBMIT_FROM_IDS;
    world.direct.on_job = agent_defers;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    world_settle();
    struct deliver_report report =
        report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_DELAYED, 450, "4.4.1", "");
    char *to = address_of("app", world_from_ids[0]);
    (void)come_back(to, &report);
    expect_events(id, "ALL");
    assert_true(world_recipient(id, &r));
    assert_int_equal(r.attempts, 1);
    assert_int_equal(r.results_n, 2);
    rcpt_row_clear(&r);
    deliver_report_clear(&report);
    mem_free(&to);
}

static void test_without_a_mailbox_it_is_consumed(void **state)
{
    begin();
    uint64_t id = send_as("bare", "bare@example.org");
    struct deliver_report report =
        report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.1.1", "Bob@d.example");
    char *to = address_of("bare", world_from_ids[0]);
    struct submit_envelope *e = world_envelope("", to);
    e->origin = SUBMIT_SMTP;
    world.local.report = &report;
    world.local.on_job = agent_keeps;
    uint64_t came = world_submit(e, "Subject: bounce\r\n\r\n");
    WORLD_UNTIL(world.local.jobs_n == 1);
    assert_int_equal(world.local.jobs[0].job->wants, DELIVER_WANTS_REPORT | DELIVER_WANTS_CONSUMED);
    agent_answer(&world.local, 0, "d");
    world_settle();
    expect_events(id, "ADF");
    expect_events(came, "AD");
    /* What turns out to be about somebody else goes where mail for the account goes. */
    submit_set(&report.final, "eve@d.example");
    unsigned jobs = world.direct.jobs_total;
    came = come_back(to, &report);
    expect_events(id, "ADF");
    expect_events(came, "AD");
    assert_int_equal(world.direct.jobs_total, jobs + 1);
    deliver_report_clear(&report);
    mem_free(&to);
}

static void test_a_client_s_own_id_is_found_in_its_spelling(void **state)
{
    begin();
    struct submit_envelope *e = world_envelope("app+Order-7@example.org", "bob@d.example");
    submit_set(&e->account, "app");
    submit_set(&e->recipients[0].from_id, "Order-7");
    e->flags |= SUBMIT_FROM_IDS;
    world.direct.on_job = agent_delivers;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    world_settle();
    struct deliver_report report =
        report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_RELAYED, 0, "", "bob@d.example");
    (void)come_back("app+order-7@example.org", &report);
    expect_events(id, "AD");
    (void)come_back("app+Order-7@example.org", &report);
    expect_events(id, "ADY");
    deliver_report_clear(&report);
}

static void expect_what_a_failed_one_does(const char *more, bool lists)
{
    world_open(more);
    world.hooks.on_call = endpoint_hears;
    struct submit_envelope *e = world_envelope("app+order-7@example.org", "bob@d.example");
    submit_set(&e->account, "app");
    submit_set(&e->recipients[0].from_id, "order-7");
    e->flags |= SUBMIT_FROM_IDS;
    world.direct.on_job = agent_delivers;
    uint64_t id = world_submit(e, "Subject: x\r\n\r\n");
    world_settle();
    struct deliver_report report =
        report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.1.1", "bob@d.example");
    (void)come_back("app+order-7@example.org", &report);
    expect_events(id, "ADF");
    expect_hook(lists ? "\"Suppressing\":true" : "\"Suppressing\":false");
    assert_int_equal(is_listed("app", "bob@d.example"), lists);
    assert_int_equal(world_rows(TABLE_FAILURE), 0);
    deliver_report_clear(&report);
}

/* Whoever guesses such an id could have any address suppressed. */
static void test_a_client_s_own_id_suppresses_nothing_unless_all_ids_are_plain(void **state)
{
    expect_what_a_failed_one_does(accounts, false);
    (void)world_teardown(NULL);
    expect_what_a_failed_one_does("account app { address app@example.org  from-id-login "
                                  "app@example.org  from-id plain\n"
                                  "    webhook outgoing { url \"https://app.example/h\" } }\n",
                                  true);
}

static void test_a_plain_id_is_matched(void **state)
{
    world_open("account app { address app@example.org  from-id-login app@example.org  "
               "from-id plain\n"
               "    webhook outgoing { url \"https://app.example/h\" } }\n");
    world.hooks.on_call = endpoint_hears;
    uint64_t id = send_as("app", "app@example.org");
    assert_int_equal(strlen(world_from_ids[0]), FROMID_PLAIN_SIZE - 1);
    struct deliver_report report =
        report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 550, "5.1.1", "bob@d.example");
    char *wanted = mem_format("\"FromID\":\"%s\"", world_from_ids[0]);
    char *to = address_of("app", world_from_ids[0]);
    (void)come_back(to, &report);
    expect_events(id, "ADF");
    expect_hook("\"Suppressing\":true");
    expect_hook(wanted);
    assert_true(is_listed("app", "bob@d.example"));
    mem_free(&wanted);
    mem_free(&to);
    deliver_report_clear(&report);
}

static void test_a_flood_of_reports_is_bounded(void **state)
{
    struct retired_row r;
    begin();
    uint64_t id = send_as("app", "app@example.org");
    struct deliver_report report = report_of(DELIVER_SAID_NOTHING, 0, 0, "", "");
    char *to = address_of("app", world_from_ids[0]);
    for (int i = 0; i < RETURNED_MAX + 5; i++)
        (void)come_back(to, &report);
    assert_true(world_retired(id, &r));
    assert_int_equal(r.item.attempts_n, 1 + RETURNED_MAX);
    retired_row_clear(&r);
    deliver_report_clear(&report);
    mem_free(&to);
}

/* Accepted, and bounced later, three times: the acceptance is none. */
static void test_bounces_after_acceptance_are_in_a_row(void **state)
{
    begin();
    for (int i = 0; i < 3; i++) {
        assert_false(is_listed("app", "bob@d.example"));
        (void)send_as("app", "app@example.org");
        struct deliver_report report =
            report_of(DELIVER_SAID_ACTION, DELIVER_ACTION_FAILED, 552, "5.2.2", "bob@d.example");
        char *to = address_of("app", world_from_ids[0]);
        (void)come_back(to, &report);
        deliver_report_clear(&report);
        mem_free(&to);
    }
    assert_true(is_listed("app", "bob@d.example"));
    expect_hook("\"Suppressing\":true");
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_each_action_has_its_event),
        BARE_TEST(test_upper_case_on_the_way_does_no_harm),
        BARE_TEST(test_a_forged_one_is_ordinary_mail),
        BARE_TEST(test_a_report_about_where_it_was_forwarded_to_counts),
        BARE_TEST(test_only_what_came_from_the_network_is_read),
        BARE_TEST(test_one_that_is_queued_still_is_found),
        BARE_TEST(test_without_a_mailbox_it_is_consumed),
        BARE_TEST(test_a_client_s_own_id_is_found_in_its_spelling),
        BARE_TEST(test_a_client_s_own_id_suppresses_nothing_unless_all_ids_are_plain),
        BARE_TEST(test_a_plain_id_is_matched),
        BARE_TEST(test_a_flood_of_reports_is_bounded),
        BARE_TEST(test_bounces_after_acceptance_are_in_a_row),
    };
    return WORLD_MAIN(argc, argv, tests);
}
