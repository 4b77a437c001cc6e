#include "world.h"

#include <string.h>

#include "arrival.h"
#include "clock.h"
#include "commit.h"
#include "hookq.h"
#include "mailindex.h"
#include "mem.h"
#include "proto_submit.h"
#include "tables.h"

/* Mail that comes into a mailbox, and the application that wants to hear of it. */

#define HEARS                                                                                      \
    "account app { address app@example.org  from-id-login app@example.org  webhook incoming { "    \
    "url \"https://a.example/in\"  "                                                               \
    "authorization \"Bearer x\" } }\n"

static const struct deliver_incoming says = {
    (char *)"\"From\":[],\"Subject\":\"a\\u003cb\",\"Structure\":{}", true};

static void begin(void)
{
    world_open(HEARS);
    world.local.on_job = agent_delivers;
    world.local.incoming = &says;
    world.hooks.on_call = endpoint_hears;
}

static uint64_t come(enum submit_origin origin, const char *to)
{
    struct submit_envelope *e = world_envelope("s@b.example", to);
    e->origin = origin;
    submit_set(&e->client, "2001:db8::7 ESMTPS");
    uint64_t id = world_submit(e, "Subject: x\r\n\r\nx\r\n");
    assert_true(id != 0);
    world_settle();
    return id;
}

static void expect_events(uint64_t id, const char *letters)
{
    char *got = world_events(id);
    assert_string_equal(got, letters);
    mem_free(&got);
}

static void test_the_payload_is_what_came_and_how(void **state)
{
    begin();
    uint64_t id = come(SUBMIT_SMTP, "app+x@example.org");
    expect_events(id, "ADI");
    assert_int_equal(world_heard_n, 1);
    char *wanted = mem_format(
        "{\"Version\":0,%s,\"Meta\":{\"MsgID\":%llu,\"MailFrom\":\"s@b.example\","
        "\"MailFromValidated\":false,\"MsgFromValidated\":false,\"RcptTo\":\"app+x@example.org\","
        "\"DKIMVerifiedDomains\":[],\"RemoteIP\":\"2001:db8::7\",\"Received\":\"",
        says.members, (unsigned long long)id);
    assert_memory_equal(world_heard[0], wanted, strlen(wanted));
    const char *rest = strchr(world_heard[0] + strlen(wanted), '"');
    assert_string_equal(rest, "\",\"MailboxName\":\"Inbox\",\"Automated\":true}}");
    mem_free(&wanted);
    assert_int_equal(world_rows(TABLE_HOOK), 0);
    assert_int_equal(world_rows(TABLE_HOOKRETIRED), 1);
}

/* As if the sender had been verified. */
struct checked {
    struct change change;
    bool done;
};

static void note_checked(struct change *change, struct store_txn *t)
{
    static char *domains[] = {(char *)"b.example", (char *)"list.example"};
    static const struct mail_checks good = {MAIL_PASS, MAIL_PASS, {domains, 2}};
    struct submit_envelope *e = world_envelope("s@b.example", "app@example.org");
    struct deliver_result result = deliver_result_new(7, DELIVER_DONE);
    const struct arrival a = {"app", e, 7, "app@example.org", &result, &says, &good};
    (void)change;
    submit_set(&result.stored_name, "1.Q7.mx");
    mailindex_stored(&world.queue.ledger, t, "app", e, "app@example.org", &result, &good);
    arrival_note(&world.queue.ledger, t, world.queue.settings, &a, clock_wall_ms());
    deliver_result_clear(&result);
    submit_envelope_free(&e);
}

static void on_noted(struct change *change, const char *why)
{
    assert_null(why);
    ((struct checked *)change)->done = true;
}

static void test_what_is_known_of_the_sender_is_told_and_kept(void **state)
{
    struct checked x = {.change = {.apply = note_checked, .done = on_noted}};
    struct mail_message m;
    struct span value;
    begin();
    commit_add(world.queue.commit, &x.change);
    WORLD_UNTIL(x.done);
    hookq_poke(world.queue.hookq, 0);
    WORLD_UNTIL(world_heard_n == 1);
    assert_non_null(
        strstr(world_heard[0], "\"MailFromValidated\":true,\"MsgFromValidated\":true,"));
    assert_non_null(
        strstr(world_heard[0], "\"DKIMVerifiedDomains\":[\"b.example\",\"list.example\"]"));
    struct key k = key_mail(name_hash(world.queue.ledger.secret, "app"), 7);
    struct store_txn *t = store_begin(world.queue.store, false);
    assert_true(store_get(t, TABLE_MAIL, key_span(&k), &value));
    assert_int_equal(mail_row_read(value, &m), 0);
    store_abort(&t);
    assert_int_equal(m.checks.spf, MAIL_PASS);
    assert_int_equal(m.checks.dmarc, MAIL_PASS);
    assert_int_equal(m.checks.dkim.n, 2);
    mail_message_clear(&m);
    (void)come(SUBMIT_SMTP, "app@example.org"); /* which writes the next id, for the check */
}

static void test_the_recipient_is_told_as_people_write_it(void **state)
{
    world_open("domain xn--bcher-kva.example { }\naccount app { address app@xn--bcher-kva.example  "
               "webhook incoming { url \"https://a.example/in\" } }\n");
    world.local.on_job = agent_delivers;
    world.local.incoming = &says;
    world.hooks.on_call = endpoint_hears;
    (void)come(SUBMIT_SMTP, "App@xn--bcher-kva.example");
    assert_int_equal(world_heard_n, 1);
    assert_non_null(strstr(world_heard[0], "\"RcptTo\":\"App@b\xc3\xbc"
                                           "cher.example\""));
}

static void test_only_who_wants_to_hear_is_asked_and_told(void **state)
{
    begin();
    world.local.on_job = agent_keeps;
    (void)come(SUBMIT_SMTP, "box@example.org");
    assert_int_equal(world.local.jobs[0].job->wants, 0);
    (void)come(SUBMIT_SMTP, "app@example.org");
    assert_int_equal(world.local.jobs[1].job->wants, DELIVER_WANTS_INCOMING);
    (void)come(SUBMIT_DSN, "app@example.org"); /* a notice of ours */
    assert_int_equal(world.local.jobs[2].job->wants, 0);
    world.local.incoming = NULL;
    agent_answer_all(&world.local, agent_delivers);
    world_settle();
    assert_int_equal(world_heard_n, 0);
}

/* Nothing is told of what is not in the mailbox. */
static void test_what_is_put_off_has_not_come(void **state)
{
    begin();
    world.local.on_job = agent_defers;
    uint64_t id = come(SUBMIT_SMTP, "app@example.org");
    expect_events(id, "AL");
    assert_int_equal(world_heard_n, 0);
}

/* A report on what was sent is news of that, and not mail. */
static void test_what_comes_back_to_a_from_id_is_no_mail(void **state)
{
    begin();
    struct submit_envelope *e = world_envelope("app@example.org", "bob@d.example");
    submit_set(&e->account, "app");
    e->flags |= SUBMIT_FROM_IDS;
    world.direct.on_job = agent_delivers;
    uint64_t sent = world_submit(e, "Subject: x\r\n\r\n");
    world_settle();
    struct deliver_report report = deliver_report_new();
    report.said = DELIVER_SAID_ACTION;
    report.action = DELIVER_ACTION_FAILED;
    report.code = 550;
    submit_set(&report.final, "bob@d.example");
    world.local.report = &report;
    char *to = mem_format("app+%s@example.org", world_from_ids[0]);
    expect_events(come(SUBMIT_SMTP, to), "AD");
    expect_events(sent, "ADF");
    assert_int_equal(world_heard_n, 0); /* the account has no outgoing webhook */
    (void)come(SUBMIT_SMTP, "app+else@example.org");
    assert_int_equal(world_heard_n, 1);
    mem_free(&to);
    deliver_report_clear(&report);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        BARE_TEST(test_the_payload_is_what_came_and_how),
        BARE_TEST(test_what_is_known_of_the_sender_is_told_and_kept),
        BARE_TEST(test_the_recipient_is_told_as_people_write_it),
        BARE_TEST(test_only_who_wants_to_hear_is_asked_and_told),
        BARE_TEST(test_what_is_put_off_has_not_come),
        BARE_TEST(test_what_comes_back_to_a_from_id_is_no_mail),
    };
    return WORLD_MAIN(argc, argv, tests);
}
