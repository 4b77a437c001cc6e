#include "words.h"

#include <arpa/inet.h>
#include <string.h>
#include <sys/socket.h>

#include "clock.h"
#include "hostlimits.h"
#include "mem.h"
#include "proto_submit.h"
#include "session.h"

/* Who a transaction is for: limits, announced and learned, and what a server cannot take. */

static void who_is_one_too_many_is_sent_anew_at_once(void **state)
{
#define LIMITED                                                                                    \
    {                                                                                              \
        SAY_RCPT,                                                                                  \
        {                                                                                          \
            "250 ok", "250 ok", "452 4.5.3 too many", "452 4.5.3 too many", "250 ok"               \
        }                                                                                          \
    }
    static const struct play plays[] = {
        {"452", .script = {LIMITED}, .recipients = 4, .outcomes = {DELIVERED},
         .commands = R0 R1 R2 "1 RCPT TO:<r3@example.net>\n1 DATA\n"
                              "1 MAIL FROM:<from@us.test> SIZE=22\n" R2
                              "1 RCPT TO:<r3@example.net>\n1 DATA\n1 QUIT\n"},
        {"552", .script = {{SAY_RCPT, {"250 ok", "552 5.5.3 too many", "250 ok"}}}, .recipients = 2,
         .outcomes = {DELIVERED},
         .commands = R0 R1 "1 DATA\n1 MAIL FROM:<from@us.test> SIZE=22\n" R1 "1 DATA\n1 QUIT\n"},
        {"in lock-step nobody is asked for behind the first", PLAIN,
         .script = {{SAY_RCPT, {"250 ok", "452 4.5.3 too many", "250 ok"}}}, .recipients = 3,
         .outcomes = {DELIVERED},
         .commands = P0 R1 "1 DATA\n1 MAIL FROM:<from@us.test>\n" R1
                           "1 DATA\n1 MAIL FROM:<from@us.test>\n" R2 "1 DATA\n1 QUIT\n"},
        {"the limit is known from then on",
         .script = {{SAY_RCPT,
                     {"250 ok", "452 4.5.3 too many", "452 4.5.3 too many", "452 4.5.3 too many",
                      "250 ok"}}},
         .recipients = 4, .outcomes = {DELIVERED},
         .commands = R0 R1 R2
         "1 RCPT TO:<r3@example.net>\n1 DATA\n"
         "1 MAIL FROM:<from@us.test> SIZE=22\n" R1 "1 DATA\n"
         "1 MAIL FROM:<from@us.test> SIZE=22\n" R2 "1 DATA\n"
         "1 MAIL FROM:<from@us.test> SIZE=22\n1 RCPT TO:<r3@example.net>\n1 DATA\n1 QUIT\n"},
        {"one among others that are taken is no limit",
         .script = {{SAY_RCPT, {"250 ok", "452 4.3.1 hm", "452 4.3.1 hm", "250 ok"}}},
         .recipients = 4, .outcomes = {DELIVERED},
         .commands = R0 R1 R2 "1 RCPT TO:<r3@example.net>\n1 DATA\n"
                              "1 MAIL FROM:<from@us.test> SIZE=22\n" R1 R2 "1 DATA\n1 QUIT\n"},
        {"a full mailbox is not too many",
         .script = {{SAY_RCPT, {"250 ok", "452 4.2.2 full", "250 ok"}}}, .recipients = 3,
         .outcomes = {DELIVERED, "deferred 452 4.2.2 rcpt [452 4.2.2 full]", DELIVERED},
         .commands = R0 R1 R2 "1 DATA\n1 QUIT\n"},
        {"behind one that is refused",
         .script = {{SAY_RCPT,
                     {"550 5.1.1 who", "452 4.5.3 too many", "452 4.5.3 too many", "250 ok"}}},
         .recipients = 3,
         .outcomes = {"failed 550 5.1.1 rcpt [550 5.1.1 who]", DELIVERED, DELIVERED},
         .commands =
             R0 R1 R2 "1 DATA\n1 MAIL FROM:<from@us.test> SIZE=22\n" R1 R2 "1 DATA\n1 QUIT\n"},
        {"the same in lock-step", PLAIN,
         .script = {{SAY_RCPT, {"550 5.1.1 who", "452 4.5.3 too many", "250 ok"}}}, .recipients = 3,
         .outcomes = {"failed 550 5.1.1 rcpt [550 5.1.1 who]", DELIVERED, DELIVERED},
         .commands = P0 R1 "1 RSET\n1 MAIL FROM:<from@us.test>\n" R1 R2 "1 DATA\n1 QUIT\n"},
        {"for as long as somebody is refused",
         .script = {{SAY_RCPT, {"450 4.7.1 who", "452 4.3.1 no room"}}}, .recipients = 3,
         .outcomes = {"deferred 450 4.7.1 rcpt [450 4.7.1 who]",
                      "deferred 452 4.3.1 rcpt [452 4.3.1 no room]",
                      "deferred 452 4.3.1 rcpt [452 4.3.1 no room]"},
         .commands =
             R0 R1 R2 "1 DATA\n1 MAIL FROM:<from@us.test> SIZE=22\n" R1 R2 "1 DATA\n1 QUIT\n"},
        {"said of all it is no limit", .script = {{SAY_RCPT, {"452 4.5.3 too many"}}},
         .recipients = 3, .outcomes = {"deferred 452 4.5.3 rcpt [452 4.5.3 too many]"},
         .commands = R0 R1 R2 "1 DATA\n1 QUIT\n"},
        {"a full mailbox is a reason of its own",
         .script = {{SAY_RCPT, {"452 4.2.2 full", "452 4.5.3 too many", "250 ok"}}},
         .recipients = 2, .outcomes = {"deferred 452 4.2.2 rcpt [452 4.2.2 full]", DELIVERED}},
        {"those left do not share the fate of the first",
         .script = {{SAY_RCPT, {"250 ok", "452 4.5.3 too many", "250 ok"}},
                    {SAY_DOT, {"554 5.6.0 no", "250 2.0.0 queued"}}},
         .recipients = 2, .outcomes = {"failed 554 5.6.0 dot [554 5.6.0 no]", DELIVERED}},
        {"DATA refused: those left are asked for again",
         .script = {{SAY_RCPT, {"250 ok", "452 4.5.3 too many", "250 ok"}},
                    {SAY_DATA, {"451 4.3.0 no", "354 go"}}},
         .recipients = 2, .outcomes = {"deferred 451 4.3.0 data [451 4.3.0 no]", DELIVERED},
         .commands =
             R0 R1 "1 DATA\n1 RSET\n1 MAIL FROM:<from@us.test> SIZE=22\n" R1 "1 DATA\n1 QUIT\n"},
        {"and if RSET is refused they wait",
         .script = {{SAY_RCPT, {"250 ok", "452 4.5.3 too many"}},
                    {SAY_DATA, {"451 4.3.0 no"}},
                    {SAY_RSET, {"500 what"}}},
         .recipients = 2,
         .outcomes = {"deferred 451 4.3.0 data [451 4.3.0 no]",
                      "deferred 0 4.5.0 rset (the server refused RSET)"}},
    };
    PLAYS(plays);
}

static void an_announced_limit_is_kept(void **state)
{
    static const struct play plays[] = {
        {"RCPTMAX", "PIPELINING\nLIMITS RCPTMAX=2", .recipients = 5, .outcomes = {DELIVERED},
         .commands = "1 EHLO us.test\n1 MAIL FROM:<from@us.test>\n1 RCPT TO:<r0@example.net>\n" R1
                     "1 DATA\n"
                     "1 MAIL FROM:<from@us.test>\n" R2 "1 RCPT TO:<r3@example.net>\n1 DATA\n"
                     "1 MAIL FROM:<from@us.test>\n1 RCPT TO:<r4@example.net>\n1 DATA\n1 QUIT\n"},
        {"a message refused for some is tried for the others", "PIPELINING\nLIMITS RCPTMAX=1",
         .script = {{SAY_DOT, {"550 5.7.0 no", "250 2.0.0 queued"}}}, .recipients = 2,
         .outcomes = {"failed 550 5.7.0 dot [550 5.7.0 no]", DELIVERED}},
        {"a sender refused is refused for those as well whose turn has not come",
         "PIPELINING\nLIMITS RCPTMAX=1", .script = {{SAY_MAIL, {"250 ok", "451 4.7.1 enough"}}},
         .recipients = 4, .outcomes = {DELIVERED, "deferred 451 4.7.1 mail [451 4.7.1 enough]"}},
        {"MAILMAX", "PIPELINING\nLIMITS RCPTMAX=1 MAILMAX=2", .recipients = 3,
         .outcomes = {DELIVERED},
         .commands =
             "1 EHLO us.test\n1 MAIL FROM:<from@us.test>\n1 RCPT TO:<r0@example.net>\n1 DATA\n"
             "1 MAIL FROM:<from@us.test>\n" R1 "1 DATA\n1 QUIT\n"
             "2 EHLO us.test\n2 MAIL FROM:<from@us.test>\n2 RCPT TO:<r2@example.net>\n2 DATA\n2 "
             "QUIT\n"},
    };
    PLAYS(plays);
}

static void what_a_server_cannot_take_it_is_not_asked_to(void **state)
{
    static const struct {
        uint32_t flags;
        const char *sender, *recipient, *outcome;
    } cases[] = {
        {SUBMIT_UTF8_HEADER, "from@us.test", "r0@example.net",
         "failed 0 5.6.9 mail (the server does not take SMTPUTF8, which this message needs)"},
        {0, "fr\xc3\xbch@us.test", "r0@example.net",
         "failed 0 5.6.7 mail (the server does not take SMTPUTF8, which an address needs)"},
        {0, "from@us.test", "gr\xc3\xbcn@example.net",
         "failed 0 5.6.7 mail (the server does not take SMTPUTF8, which an address needs)"},
    };
    struct order large = {.destination = "[127.0.0.1]", .n = 2};
    lab.peer.extensions = "PIPELINING\nSIZE 21\n8BITMIME";
    order_run(&large);
    for (uint32_t i = 0; i < 2; i++)
        assert_outcome(&large, i,
                       "failed 0 5.3.4 mail (the message is larger than the server takes)");
    order_free(&large);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = "[127.0.0.1]",
                          .flags = cases[i].flags,
                          .sender = cases[i].sender,
                          .recipients = {cases[i].recipient}};
        order_run(&o);
        assert_outcome(&o, 0, cases[i].outcome);
        order_free(&o);
    }
    assert_commands(&lab.peer, "1 EHLO us.test\n1 QUIT\n2 EHLO us.test\n2 QUIT\n"
                               "3 EHLO us.test\n3 QUIT\n4 EHLO us.test\n4 QUIT\n");
    assert_int_equal(lab.counters[COUNT_SESSIONS_FAILED], 0);
}

static void one_address_that_needs_smtputf8_does_not_keep_the_message_from_the_others(void **state)
{
    struct order o = {
        .destination = "[127.0.0.1]",
        .n = 3,
        .recipients = {"r0@example.net", "gr\xc3\xbcn@example.net", "r2@example.net"}};
    lab.peer.extensions = "PIPELINING";
    order_run(&o);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    assert_outcome(&o, 0, DELIVERED);
    assert_outcome(
        &o, 1, "failed 0 5.6.7 mail (the server does not take SMTPUTF8, which an address needs)");
    assert_outcome(&o, 2, DELIVERED);
    assert_commands(&lab.peer, "1 EHLO us.test\n1 MAIL FROM:<from@us.test>\n"
                               "1 RCPT TO:<r0@example.net>\n1 RCPT TO:<r2@example.net>\n"
                               "1 DATA\n1 QUIT\n2 EHLO us.test\n2 QUIT\n");
    order_free(&o);
}

static void smtputf8_is_said_where_something_needs_it(void **state)
{
    static const struct {
        uint32_t flags;
        const char *sender, *recipient, *mail;
    } cases[] = {
        {0, "from@us.test", "r0@example.net", ""},
        {SUBMIT_UTF8_HEADER, "from@us.test", "r0@example.net", " SMTPUTF8"},
        {0, "fr\xc3\xbch@us.test", "r0@example.net", " SMTPUTF8"},
        {0, "from@us.test", "gr\xc3\xbcn@example.net", " SMTPUTF8"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = "[127.0.0.1]",
                          .flags = cases[i].flags,
                          .sender = cases[i].sender,
                          .recipients = {cases[i].recipient}};
        peer_reset(&lab.peer);
        lab.peer.extensions = "8BITMIME\nSMTPUTF8";
        order_run(&o);
        assert_outcome(&o, 0, DELIVERED);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
        char *commands =
            mem_format("1 EHLO us.test\n1 MAIL FROM:<%s>%s\n1 RCPT TO:<%s>\n1 DATA\n1 QUIT\n",
                       cases[i].sender, cases[i].mail, cases[i].recipient);
        assert_commands(&lab.peer, commands);
        mem_free(&commands);
        order_free(&o);
    }
}

static void a_size_without_a_maximum_and_a_message_just_as_large_are_taken(void **state)
{
    static const char *const extensions[] = {"SIZE", "SIZE 0", "SIZE 22"};
    for (size_t i = 0; i < 3; i++) {
        struct order o = {.destination = "[127.0.0.1]"};
        lab.peer.extensions = extensions[i];
        order_run(&o);
        assert_outcome(&o, 0, DELIVERED);
        order_free(&o);
    }
}

static void many_recipients_cross_in_one_go(void **state)
{
    struct order o = {.destination = "[127.0.0.1]", .n = 1000};
    lab.peer.extensions = "PIPELINING\nLIMITS RCPTMAX=1000";
    order_run(&o);
    for (uint32_t i = 0; i < o.n; i++)
        assert_outcome(&o, i, DELIVERED);
    assert_int_equal(lab.peer.messages, 1);
    order_free(&o);
}

static void a_limit_of_seven_is_met_by_the_fewest_transactions(void **state)
{
    struct order o = {.destination = "[127.0.0.1]", .n = 500};
    lab.peer.extensions = "PIPELINING\nLIMITS RCPTMAX=7 MAILMAX=3";
    order_run(&o);
    for (uint32_t i = 0; i < o.n; i++)
        assert_outcome(&o, i, DELIVERED);
    assert_int_equal(lab.peer.messages, (500 + 6) / 7);
    assert_int_equal(lab.peer.opened, ((500 + 6) / 7 + 2) / 3);
    order_free(&o);
}

/* ---- limits that are not announced ---- */

/* The peer takes so many in a transaction, and then this. */
static void take_few(unsigned few, const char *reply)
{
    struct peer_row *row = &lab.peer.rows[SAY_RCPT];
    lab.peer.few = few;
    *row = (struct peer_row){.replies = {reply}, .n = 1};
}

static unsigned deliver_to(uint32_t n)
{
    struct order o = {.destination = "[127.0.0.1]", .n = n};
    unsigned before = lab.peer.messages;
    order_run(&o);
    for (uint32_t i = 0; i < n; i++)
        assert_outcome(&o, i, DELIVERED);
    order_free(&o);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    return lab.peer.messages - before;
}

static unsigned refused(void)
{
    unsigned n = lab.peer.too_many;
    lab.peer.too_many = 0;
    return n;
}

static void a_limit_that_shows_is_met_by_the_fewest_transactions_and_remembered(void **state)
{
    take_few(30, "452 4.5.3 too many");
    assert_int_equal(deliver_to(500), 17);
    assert_int_equal(refused(), 70); /* of the first hundred */
    assert_int_equal(deliver_to(500), 17);
    assert_int_equal(refused(), 0);
    lab.passed_ms += HOSTLIMITS_MS + 1;
    assert_int_equal(deliver_to(100), 4);
    assert_int_equal(refused(), 70);
}

static void a_limit_that_is_known_is_kept_where_nobody_is_taken(void **state)
{
    struct order o = {.destination = "[127.0.0.1]", .n = 4};
    hostlimits_note_recipients(lab.agent.limits, "[127.0.0.1]", 2, clock_mono_ms());
    peer_say(&lab.peer, SAY_RCPT, "550 5.1.1 who", "452 4.5.3 too many", "250 ok", NULL);
    order_run(&o);
    for (uint32_t i = 1; i < 4; i++)
        assert_outcome(&o, i, DELIVERED);
    assert_int_equal(lab.peer.messages, 3); /* one of them for nobody, and empty */
    order_free(&o);
}

/* OpenSMTPD says 451. */
static void too_many_may_be_said_by_the_enhanced_code_alone(void **state)
{
    take_few(20, "451 4.5.3 Too many recipients");
    assert_int_equal(deliver_to(100), 5);
    take_few(20, "550 5.5.3 Too many recipients");
    memo_free(&lab.agent.limits);
    lab.agent.limits = hostlimits_new();
    assert_int_equal(deliver_to(100), 5);
}

/* As Exim does with recipients_max_reject. */
static void who_refuses_the_message_for_one_too_many_gets_it_within_the_limit(void **state)
{
    static const char *const extensions[] = {"PIPELINING", "PIPELINING\nCHUNKING"};
    for (size_t i = 0; i < 2; i++) {
        struct order o = {.destination = "[127.0.0.1]", .n = 6};
        memo_free(&lab.agent.limits);
        lab.agent.limits = hostlimits_new();
        peer_reset(&lab.peer);
        lab.peer.extensions = extensions[i];
        take_few(2, "552 too many recipients");
        if (i == 0)
            peer_say(&lab.peer, SAY_DATA, "554 too many recipients", "354 go", NULL);
        else
            peer_say(&lab.peer, SAY_DOT, "554 too many recipients", "250 2.0.0 queued", NULL);
        order_run(&o);
        for (uint32_t k = 0; k < o.n; k++)
            assert_outcome(&o, k, DELIVERED);
        assert_int_equal(lab.peer.opened, 1);
        order_free(&o);
        RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    }
}

static void where_nothing_is_announced_the_operators_limit_holds(void **state)
{
    assert_int_equal(deliver_to(201), 3);
    lab_reload_direct("idle-timeout 0  transaction-recipients 7");
    assert_int_equal(deliver_to(50), 8);
    lab.peer.extensions = "PIPELINING\nLIMITS RCPTMAX=50";
    assert_int_equal(deliver_to(50), 1);
}

/* ---- domains (RFC 9422) ---- */

static void a_limit_of_domains_is_kept_over_all_the_session(void **state)
{
    struct order o = {.destination = "[127.0.0.1]",
                      .n = 6,
                      .recipients = {"a@one.test", "b@two.test", "c@three.test", "d@ONE.test",
                                     "e@four.test", "f@two.test"}};
    lab.peer.extensions = "PIPELINING\nLIMITS RCPTMAX=2 RCPTDOMAINMAX=2";
    order_run(&o);
    for (uint32_t i = 0; i < o.n; i++)
        assert_outcome(&o, i, DELIVERED);
    RUN_UNTIL(lab.peer.closed == lab.peer.opened);
    assert_commands(&lab.peer,
                    "1 EHLO us.test\n1 MAIL FROM:<from@us.test>\n1 RCPT TO:<a@one.test>\n"
                    "1 RCPT TO:<b@two.test>\n1 DATA\n1 MAIL FROM:<from@us.test>\n"
                    "1 RCPT TO:<d@ONE.test>\n1 RCPT TO:<f@two.test>\n1 DATA\n1 QUIT\n"
                    "2 EHLO us.test\n2 MAIL FROM:<from@us.test>\n2 RCPT TO:<c@three.test>\n"
                    "2 RCPT TO:<e@four.test>\n2 DATA\n2 QUIT\n");
    order_free(&o);
}

/* ---- many ---- */

static void make_small(int port)
{
    for (int fd = 3; fd < 200; fd++) {
        struct sockaddr_in to;
        socklen_t len = sizeof to;
        int size = 16384;
        if (getpeername(fd, (struct sockaddr *)&to, &len) != 0 || to.sin_family != AF_INET ||
            ntohs(to.sin_port) != port)
            continue;
        (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
        (void)setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
}

/* RFC 2920 section 3.1: the server reads nothing while what it says is not taken, and neither side
 * has buffers for all of it. */
static void nobody_waits_for_ever_for_the_other_to_read(void **state)
{
    char name[65], reply[1500] = "250 2.1.5 ";
    struct order o = {.destination = "[127.0.0.1]", .n = 1000};
    memset(name, 'n', 64);
    name[64] = '\0';
    memset(reply + 10, 'x', sizeof reply - 11);
    char *orcpt = mem_format("rfc822;%s@%s.example", name, name);
    o.orcpt = orcpt;
    lab.peer.extensions = "PIPELINING\nDSN\nLIMITS RCPTMAX=1000";
    lab.peer.stubborn = true;
    peer_say(&lab.peer, SAY_GREETING, "* 220 peer.test", NULL);
    peer_say(&lab.peer, SAY_RCPT, reply, NULL);
    order_send(&o);
    RUN_UNTIL(lab.peer.held == 1);
    make_small(lab.peer.port);
    peer_release(&lab.peer);
    RUN_UNTIL(o.done);
    for (uint32_t i = 0; i < o.n; i++)
        assert_outcome(&o, i, DELIVERED);
    assert_int_equal(lab.peer.messages, 1);
    assert_true(lab.peer.commands.n > 150000);
    assert_true(lab.peer.stuck > 10);
    mem_free(&orcpt);
    order_free(&o);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, lab_setup, lab_teardown)
    const struct CMUnitTest tests[] = {
        TEST(who_is_one_too_many_is_sent_anew_at_once),
        TEST(an_announced_limit_is_kept),
        TEST(what_a_server_cannot_take_it_is_not_asked_to),
        TEST(one_address_that_needs_smtputf8_does_not_keep_the_message_from_the_others),
        TEST(smtputf8_is_said_where_something_needs_it),
        TEST(a_size_without_a_maximum_and_a_message_just_as_large_are_taken),
        TEST(many_recipients_cross_in_one_go),
        TEST(a_limit_of_seven_is_met_by_the_fewest_transactions),
        TEST(a_limit_that_shows_is_met_by_the_fewest_transactions_and_remembered),
        TEST(a_limit_that_is_known_is_kept_where_nobody_is_taken),
        TEST(too_many_may_be_said_by_the_enhanced_code_alone),
        TEST(who_refuses_the_message_for_one_too_many_gets_it_within_the_limit),
        TEST(where_nothing_is_announced_the_operators_limit_holds),
        TEST(a_limit_of_domains_is_kept_over_all_the_session),
        TEST(nobody_waits_for_ever_for_the_other_to_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
