#include "hosts.h"

#include "mem.h"

/* Hosts with an address of each family: which is tried first, and what a refusal over one of them,
 * or a deferral, means for the other. */

/* One host with an address of each family; the IPv6 one is the first. */
static void two_families(void)
{
    names_add(&lab.names, "example.net", "MX", "10 mx1.test");
    names_add(&lab.names, "mx1.test", "A", "127.0.0.1");
    names_add(&lab.names, "mx1.test", "AAAA", "::1");
}

/* Whose connections are over: what is forgotten counts them. */
static void reset_families(void)
{
    RUN_UNTIL(sixth.closed == sixth.opened && lab.peer.closed == lab.peer.opened);
    peer_reset(&sixth);
    peer_reset(&lab.peer);
}

static void both_families_are_used_and_either_can_be_left_out(void **state)
{
    two_families();
    expect(DELIVERED, "mx1.test", sixth.address);
    lab_reload_direct("idle-timeout 0  ip-family 4");
    expect(DELIVERED, "mx1.test", lab.peer.address);
    lab_reload_direct("idle-timeout 0  ip-family 6");
    expect(DELIVERED, "mx1.test", sixth.address);
}

static void the_preferred_family_is_the_first_and_the_other_the_second(void **state)
{
    static const struct {
        const char *family;
        struct peer *first, *then;
    } cases[] = {{"any", &sixth, &lab.peer},
                 {"prefer-4", &lab.peer, &sixth},
                 {"prefer-6", &sixth, &lab.peer}};
    two_families();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *settings = mem_format("idle-timeout 0  ip-family %s", cases[i].family);
        lab_reload_direct(settings);
        reset_families();
        expect(DELIVERED, "mx1.test", cases[i].first->address);
        assert_int_equal(cases[i].then->opened, 0);
        peer_say(cases[i].first, SAY_GREETING, "!421 busy", NULL);
        expect(DELIVERED, "mx1.test", cases[i].then->address);
        mem_free(&settings);
    }
}

static void a_refusal_over_one_family_is_asked_about_over_the_other(void **state)
{
    static const struct {
        enum say step;
        const char *reply;
    } cases[] = {
        {SAY_GREETING, "!554 5.7.1 no reverse name"},
        {SAY_GREETING, "!554 no"},
        {SAY_EHLO, "554 5.7.1 no"}, /* though it would take HELO */
        {SAY_EHLO, "550 no"},
        {SAY_MAIL, "550 5.7.25 no reverse name"},
        {SAY_MAIL, "550 no"},
        {SAY_RCPT, "550 5.7.25 no reverse name"},
        {SAY_RCPT, "550 blocked"},
        {SAY_RCPT, "554 no"},
        {SAY_DATA, "554 5.7.1 no"},
        {SAY_DATA, "550 Client host rejected: cannot find your reverse hostname"},
        {SAY_DOT, "550 5.7.25 no reverse name"},
        {SAY_DOT, "554 no"},
    };
    two_families();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lab_reload_direct("idle-timeout 0"); /* forgets what it has learned */
        reset_families();
        peer_say(&sixth, cases[i].step, cases[i].reply, NULL);
        expect(DELIVERED, "mx1.test", lab.peer.address);
        assert_int_equal(sixth.opened, 1);
        assert_int_equal(lab.peer.messages, 1);
    }
}

static void whichever_family_refused_is_the_last_for_the_next_messages(void **state)
{
    static const struct {
        enum say step;
        const char *reply;
    } cases[] = {{SAY_GREETING, "!554 5.7.1 no reverse name"},
                 {SAY_EHLO, "554 5.7.1 no reverse name"},
                 {SAY_EHLO, "550 no"},
                 {SAY_RCPT, "550 5.7.25 no reverse name"}};
    two_families();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lab_reload_direct("idle-timeout 0");
        reset_families();
        peer_say(&sixth, cases[i].step, cases[i].reply, NULL);
        for (int message = 0; message < 3; message++)
            expect(DELIVERED, "mx1.test", lab.peer.address);
        assert_int_equal(sixth.opened, 1);
        /* It changed its mind. */
        peer_say(&sixth, cases[i].step, NULL);
        peer_say(&lab.peer, SAY_RCPT, "550 5.7.25 not from there", "250 ok", NULL);
        expect(DELIVERED, "mx1.test", sixth.address);
        expect(DELIVERED, "mx1.test", sixth.address);
        assert_int_equal(lab.peer.opened, 4);
        /* And after hours the order is as ever. */
        peer_say(&sixth, SAY_MAIL, "550 no", NULL);
        expect(DELIVERED, "mx1.test", lab.peer.address);
        unsigned before = sixth.opened;
        expect(DELIVERED, "mx1.test", lab.peer.address);
        assert_int_equal(sixth.opened, before);
        lab.passed_ms += INT64_C(4) * 3600000;
        expect(DELIVERED, "mx1.test", lab.peer.address);
        assert_int_equal(sixth.opened, before + 1);
        lab.passed_ms = 0;
    }
}

static void the_refused_family_is_still_there_when_the_other_is_not(void **state)
{
    two_families();
    peer_say(&sixth, SAY_RCPT, "550 5.7.25 no reverse name", "250 ok", NULL);
    expect(DELIVERED, "mx1.test", lab.peer.address);
    peer_say(&lab.peer, SAY_GREETING, "!421 busy", "220 hi", NULL);
    expect(DELIVERED, "mx1.test", sixth.address);
    /* Where it was taken after all it is the first again. */
    expect(DELIVERED, "mx1.test", sixth.address);
    assert_int_equal(lab.peer.opened, 2);
}

/* The attempts at a message that is put off, until it is taken: over which family each goes. */
static void expect_attempts(const char *families)
{
    for (uint16_t i = 0; families[i] != '\0'; i++) {
        struct order o = {.attempt = (uint16_t)(i + 1)};
        order_run(&o);
        assert_string_equal(o.results[0].remote_address,
                            families[i] == '6' ? sixth.address : lab.peer.address);
        assert_int_equal(o.results[0].status,
                         families[i + 1] == '\0' ? DELIVER_DONE : DELIVER_DEFERRED);
        order_free(&o);
    }
}

static void a_family_that_puts_mail_off_twice_leaves_it_to_the_other(void **state)
{
    static const struct {
        const char *settings;
        enum say step;
        const char *reply;
        const char *first, *next; /* attempts at one message, and at the one after it */
    } cases[] = {
        {"idle-timeout 0", SAY_RCPT, "450 4.7.25 no reverse name", "664", "4"},
        {"idle-timeout 0", SAY_MAIL, "451 later", "664", "4"},
        {"idle-timeout 0", SAY_DATA, "451 later", "664", "4"},
        {"idle-timeout 0", SAY_DOT, "451 later", "664", "4"},
        {"idle-timeout 0", SAY_DOT, "!", "664", "4"},
        {"idle-timeout 0", SAY_RCPT, "!421 4.3.2 busy", "664", "4"},
        {"idle-timeout 1m", SAY_RCPT, "450 4.7.25 no reverse name", "664", "4"},
        {"idle-timeout 0  ip-family prefer-4", SAY_RCPT, "450 later", "4", "4"},
    };
    two_families();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        lab_reload_direct(cases[i].settings); /* forgets what it has learned */
        reset_families();
        peer_say(&sixth, cases[i].step, cases[i].reply, NULL);
        expect_attempts(cases[i].first);
        expect_attempts(cases[i].next);
        lab_reload_direct("idle-timeout 0");
        reset_families();
        peer_say(&sixth, cases[i].step, "250 ok", NULL);
    }
}

static void greylisting_sees_the_same_family_once_more(void **state)
{
    two_families();
    peer_say(&sixth, SAY_RCPT, "450 4.2.0 greylisted", "250 ok", NULL);
    peer_say(&lab.peer, SAY_RCPT, "450 4.2.0 greylisted", "250 ok", NULL);
    expect_attempts("66");
    assert_int_equal(lab.peer.opened, 0);
    /* Other messages that are new to it make no difference. */
    peer_say(&sixth, SAY_RCPT, "450 4.2.0 greylisted", "450 4.2.0 greylisted",
             "450 4.2.0 greylisted", "250 ok", NULL);
    for (int message = 0; message < 2; message++)
        expect("deferred 450 4.2.0 rcpt [450 4.2.0 greylisted]", "mx1.test", sixth.address);
    expect_attempts("66");
    /* Also over the second family, of which there is no way back to the first meanwhile. */
    peer_say(&sixth, SAY_RCPT, "450 4.7.25 no reverse name", NULL);
    expect_attempts("6644");
    expect_attempts("4");
}

static void a_family_that_takes_some_of_it_puts_nothing_off(void **state)
{
    two_families();
    for (int i = 0; i < 3; i++) {
        struct order o = {.n = 2, .attempt = 2};
        peer_say(&sixth, SAY_RCPT, "250 ok", "452 4.2.2 mailbox full", NULL);
        order_run(&o);
        assert_outcome(&o, 0, DELIVERED);
        assert_string_equal(o.results[1].remote_address, sixth.address);
        assert_int_equal(o.results[1].status, DELIVER_DEFERRED);
        order_free(&o);
    }
    assert_int_equal(lab.peer.opened, 0);
}

static void a_family_that_is_left_out_stays_out_whatever_the_other_says(void **state)
{
    two_families();
    lab_reload_direct("idle-timeout 0  ip-family 6");
    peer_say(&sixth, SAY_RCPT, "450 4.7.25 no reverse name", "450 4.7.25 no reverse name",
             "450 4.7.25 no reverse name", "250 ok", NULL);
    expect_attempts("6666");
    assert_int_equal(lab.peer.opened, 0);
}

static void a_connection_that_idled_is_no_worse(void **state)
{
    two_families();
    lab_reload_direct("idle-timeout 1m");
    expect(DELIVERED, "mx1.test", sixth.address);
    peer_say(&sixth, SAY_RCPT, "550 5.7.1 too much of it", NULL);
    expect(DELIVERED, "mx1.test", lab.peer.address);
    assert_int_equal(sixth.opened, 1);
    RUN_UNTIL(sixth.closed == 1);
    lab_reload_direct("idle-timeout 1m");
    peer_say(&sixth, SAY_RCPT, "250 ok", "550 5.7.1 too much of it", NULL);
    peer_say(&lab.peer, SAY_GREETING, "!", NULL);
    expect(DELIVERED, "mx1.test", sixth.address);
    expect("deferred 550 4.7.1 rcpt [550 5.7.1 too much of it]", "mx1.test", sixth.address);
    assert_int_equal(sixth.opened, 2);
    lab_reload_direct("idle-timeout 0");
}

static void a_connection_refused_so_is_not_kept_for_the_next_message(void **state)
{
    two_families();
    lab_reload_direct("idle-timeout 1m");
    peer_say(&sixth, SAY_RCPT, "550 5.7.25 no reverse name", NULL);
    for (int i = 0; i < 3; i++)
        expect(DELIVERED, "mx1.test", lab.peer.address);
    assert_int_equal(sixth.opened, 1);
    assert_int_equal(lab.peer.opened, 1);
    RUN_UNTIL(sixth.closed == 1);
    lab_reload_direct("idle-timeout 0");
}

static void only_those_refused_so_are_asked_for_again(void **state)
{
    struct order o = {.n = 4};
    two_families();
    peer_say(&sixth, SAY_RCPT, "250 ok", "550 5.7.1 policy", "550 5.1.1 no such user",
             "450 4.7.1 grey", NULL);
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_outcome(&o, 1, DELIVERED);
    assert_outcome(&o, 2, "failed 550 5.1.1 rcpt [550 5.1.1 no such user]");
    assert_outcome(&o, 3, "deferred 450 4.7.1 rcpt [450 4.7.1 grey]");
    assert_string_equal(o.results[0].remote_address, sixth.address);
    assert_string_equal(o.results[1].remote_address, lab.peer.address);
    RUN_UNTIL(lab.peer.closed == 1);
    assert_commands(
        &lab.peer,
        "1 EHLO us.test\n1 MAIL FROM:<from@us.test> SIZE=22\n1 RCPT TO:<r1@example.net>\n1 DATA\n"
        "1 QUIT\n");
    order_free(&o);
}

static void refused_over_both_families_is_refused(void **state)
{
    two_families();
    peer_say(&sixth, SAY_RCPT, "550 5.7.25 six", NULL);
    peer_say(&lab.peer, SAY_RCPT, "550 5.7.25 four", NULL);
    expect("failed 550 5.7.25 rcpt [550 5.7.25 four]", "mx1.test", lab.peer.address);
    assert_int_equal(sixth.opened, 1);
    assert_int_equal(lab.peer.opened, 1);
}

static void with_the_other_family_out_of_reach_the_refusal_is_put_off(void **state)
{
    two_families();
    peer_say(&sixth, SAY_RCPT, "550 5.7.25 six", NULL);
    peer_say(&lab.peer, SAY_GREETING, "!", NULL);
    expect("deferred 550 4.7.25 rcpt [550 5.7.25 six]", "mx1.test", sixth.address);
}

static void each_family_is_asked_once(void **state)
{
    two_families();
    names_add(&lab.names, "mx1.test", "A", "127.0.0.2");
    peer_say(&sixth, SAY_RCPT, "550 5.7.25 six", NULL);
    peer_say(&lab.peer, SAY_RCPT, "550 5.7.25 four", NULL);
    peer_say(&second, SAY_RCPT, "550 5.7.25 four", NULL);
    struct order o = {0};
    order_run(&o);
    assert_outcome(&o, 0, "failed 550 5.7.25 rcpt [550 5.7.25 four]");
    assert_int_equal(sixth.opened + lab.peer.opened + second.opened, 2);
    order_free(&o);
}

static void a_refusal_that_comes_later_is_asked_about_too(void **state)
{
    struct order o = {.attempt = 2};
    two_families();
    peer_say(&sixth, SAY_RCPT, "550 5.7.25 six", NULL);
    order_run(&o);
    assert_outcome(&o, 0, DELIVERED);
    assert_string_equal(o.results[0].remote_address, lab.peer.address);
    order_free(&o);
}

static void a_refusal_is_not_put_off_for_ever(void **state)
{
    struct order third = {.attempt = 3}, fourth = {.attempt = 4};
    two_families();
    peer_say(&sixth, SAY_RCPT, "550 5.7.25 six", NULL);
    peer_say(&lab.peer, SAY_GREETING, "!", NULL);
    order_run(&third);
    assert_outcome(&third, 0, "deferred 550 4.7.25 rcpt [550 5.7.25 six]");
    order_run(&fourth);
    assert_outcome(&fourth, 0, "failed 550 5.7.25 rcpt [550 5.7.25 six]");
    order_free(&third);
    order_free(&fourth);
}

static void a_refusal_by_both_is_final_whenever_either_is_said(void **state)
{
    two_families();
    peer_say(&sixth, SAY_RCPT, "550 5.7.25 six", NULL);
    peer_say(&lab.peer, SAY_GREETING, "!554 5.7.1 four", NULL);
    expect("failed 554 5.7.1 greeting [554 5.7.1 four] (the server does not greet)", "mx1.test",
           lab.peer.address);
}

static void another_refusal_stands_at_once(void **state)
{
    static const struct {
        const char *reply, *outcome;
    } cases[] = {
        {"550 5.1.1 no such user", "failed 550 5.1.1 rcpt [550 5.1.1 no such user]"},
        {"554 5.1.1 blocked", "failed 554 5.1.1 rcpt [554 5.1.1 blocked]"},
        {"550 no such user", "failed 550 5.2.0 rcpt [550 no such user]"},
    };
    two_families();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        peer_say(&sixth, SAY_RCPT, cases[i].reply, NULL);
        expect(cases[i].outcome, "mx1.test", sixth.address);
    }
    assert_int_equal(lab.peer.opened, 0);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(both_families_are_used_and_either_can_be_left_out),
        TEST(the_preferred_family_is_the_first_and_the_other_the_second),
        TEST(a_refusal_over_one_family_is_asked_about_over_the_other),
        TEST(whichever_family_refused_is_the_last_for_the_next_messages),
        TEST(the_refused_family_is_still_there_when_the_other_is_not),
        TEST(a_family_that_puts_mail_off_twice_leaves_it_to_the_other),
        TEST(greylisting_sees_the_same_family_once_more),
        TEST(a_family_that_takes_some_of_it_puts_nothing_off),
        TEST(a_family_that_is_left_out_stays_out_whatever_the_other_says),
        TEST(a_connection_that_idled_is_no_worse),
        TEST(a_connection_refused_so_is_not_kept_for_the_next_message),
        TEST(only_those_refused_so_are_asked_for_again),
        TEST(refused_over_both_families_is_refused),
        TEST(with_the_other_family_out_of_reach_the_refusal_is_put_off),
        TEST(each_family_is_asked_once),
        TEST(a_refusal_that_comes_later_is_asked_about_too),
        TEST(a_refusal_is_not_put_off_for_ever),
        TEST(a_refusal_by_both_is_final_whenever_either_is_said),
        TEST(another_refusal_stands_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
