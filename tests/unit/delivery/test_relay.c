#include "hosts.h"

#include <string.h>

#include "mem.h"
#include "proto_submit.h"

/* Hosts and addresses, in their order, and what the recipients are told when none takes the
 * message. */

static void two_hosts(void)
{
    names_add(&lab.names, "example.net", "MX", "20 mx2.test");
    names_add(&lab.names, "example.net", "MX", "10 mx1.test");
    names_add(&lab.names, "mx1.test", "A", "127.0.0.1");
    names_add(&lab.names, "mx2.test", "A", "127.0.0.2");
}

static void the_preferred_host_is_the_first(void **state)
{
    two_hosts();
    expect(DELIVERED, "mx1.test", lab.peer.address);
    assert_int_equal(second.opened, 0);
}

static void a_host_that_does_not_take_part_leaves_it_to_the_next(void **state)
{
    static const struct {
        enum say step;
        const char *reply;
    } cases[] = {
        {SAY_GREETING, "!421 4.3.2 busy"},
        {SAY_GREETING, "!554 5.7.1 no"},
        {SAY_GREETING, "!"},
        {SAY_GREETING, "rubbish"},
        {SAY_EHLO, "!421 4.3.2 busy"},
        {SAY_EHLO, "!"},
        {SAY_EHLO, "!554 5.7.1 no"},
        {SAY_EHLO, "550 5.7.1 no"},
        {SAY_EHLO, "502 no such command"},
        {SAY_MAIL, "!421 4.3.2 busy"},
        {SAY_MAIL, "!"},
    };
    two_hosts();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        peer_reset(&lab.peer);
        peer_say(&lab.peer, cases[i].step, cases[i].reply, NULL);
        if (strncmp(cases[i].reply, "502", 3) == 0)
            peer_say(&lab.peer, SAY_HELO, cases[i].reply, NULL);
        expect(DELIVERED, "mx2.test", second.address);
        assert_int_equal(lab.peer.opened, 1);
    }
}

static void what_a_host_says_of_the_message_is_final(void **state)
{
    two_hosts();
    peer_say(&lab.peer, SAY_RCPT, "550 5.1.1 no such user", NULL);
    expect("failed 550 5.1.1 rcpt [550 5.1.1 no such user]", "mx1.test", lab.peer.address);
    peer_say(&lab.peer, SAY_RCPT, "450 4.2.1 later", NULL);
    expect("deferred 450 4.2.1 rcpt [450 4.2.1 later]", "mx1.test", lab.peer.address);
    assert_int_equal(second.opened, 0);
}

static void a_message_one_host_cannot_take_is_offered_to_the_next(void **state)
{
    two_hosts();
    lab.peer.extensions = "SIZE 5";
    expect(DELIVERED, "mx2.test", second.address);
    second.extensions = "SIZE 5";
    expect("failed 0 5.3.4 mail (the message is larger than the server takes)", "mx2.test",
           second.address);
}

static void the_most_hopeful_outcome_is_told(void **state)
{
    static const struct {
        const char *first, *second, *outcome, *host;
    } cases[] = {
        /* A deferral before a failure: one of them may take it another time. */
        {"!554 5.7.1 no", "!451 4.7.1 later",
         "deferred 451 4.7.1 greeting [451 4.7.1 later] (the server does not greet)", "mx2.test"},
        {"!451 4.7.1 later", "!554 5.7.1 no",
         "deferred 451 4.7.1 greeting [451 4.7.1 later] (the server does not greet)", "mx1.test"},
        {"!", "!554 5.7.1 no", "deferred 0 4.4.2 greeting (closed by the peer)", "mx1.test"},
        /* What a server said before its silence. */
        {"!421 4.3.2 busy", "!",
         "deferred 421 4.3.2 greeting [421 4.3.2 busy] (the server does not greet)", "mx1.test"},
        {"!", "!421 4.3.2 busy",
         "deferred 421 4.3.2 greeting [421 4.3.2 busy] (the server does not greet)", "mx2.test"},
        /* And the last among equals. */
        {"!421 4.3.2 one", "!421 4.3.2 two",
         "deferred 421 4.3.2 greeting [421 4.3.2 two] (the server does not greet)", "mx2.test"},
        {"!554 5.7.1 one", "!554 5.7.1 two",
         "failed 554 5.7.1 greeting [554 5.7.1 two] (the server does not greet)", "mx2.test"},
    };
    two_hosts();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        peer_reset(&lab.peer);
        peer_reset(&second);
        peer_say(&lab.peer, SAY_GREETING, cases[i].first, NULL);
        peer_say(&second, SAY_GREETING, cases[i].second, NULL);
        expect(cases[i].outcome, cases[i].host,
               strcmp(cases[i].host, "mx1.test") == 0 ? lab.peer.address : second.address);
    }
}

static void every_address_of_a_host_is_tried(void **state)
{
    names_add(&lab.names, "example.net", "MX", "10 mx1.test");
    names_add(&lab.names, "mx1.test", "A", "127.0.0.9"); /* nobody there */
    names_add(&lab.names, "mx1.test", "A", "127.0.0.2");
    expect(DELIVERED, "mx1.test", second.address);
}

static void without_an_address_of_the_family_mail_waits_for_another_setting(void **state)
{
    struct order four = {0}, unknown = {.destination = "example.org"},
                 literal = {.destination = "[127.0.0.1]"}, wrong = {.destination = "[256.1.1.1]"};
    names_add(&lab.names, "example.net", "MX", "10 mx1.test");
    names_add(&lab.names, "mx1.test", "A", "127.0.0.1");
    names_add(&lab.names, "example.org", "MX", "10 ghost.test");
    lab_reload_direct("idle-timeout 0  ip-family 6");
    order_run(&four);
    assert_outcome(&four, 0, "deferred 0 4.4.4 dns (mx1.test has no IPv6 address)");
    order_run(&unknown);
    assert_outcome(&unknown, 0, "failed 0 5.4.4 dns (ghost.test does not exist)");
    order_run(&literal);
    assert_outcome(&literal, 0, "deferred 0 4.4.4 dns (only IPv6 addresses are tried)");
    order_run(&wrong);
    assert_outcome(&wrong, 0, "failed 0 5.4.4 dns (not the name of a host)");
    order_free(&four);
    order_free(&unknown);
    order_free(&literal);
    order_free(&wrong);
}

static void a_destination_without_hosts_says_why(void **state)
{
    static const struct {
        const char *destination, *outcome;
    } cases[] = {
        {"nowhere.test", "failed 0 5.1.2 dns ("},     {"null.test", "failed 0 5.1.10 dns ("},
        {"bare.test", "failed 0 5.4.4 dns ("},        {"broken.test", "deferred 0 4.4.3 dns ("},
        {"addressless.test", "failed 0 5.4.4 dns ("}, {"hazy.test", "deferred 0 4.4.3 dns ("},
        {"us.test", "failed 0 5.4.6 dns ("},          {"[256.1.1.1]", "failed 0 5.4.4 dns ("},
        {"[IPv6:::g]", "failed 0 5.4.4 dns ("},       {"no such name", "failed 0 5.1.2 dns ("},
    };
    names_add(&lab.names, "null.test", "MX", "0 .");
    names_add(&lab.names, "bare.test", "MX", "10 ghost.test");
    names_add(&lab.names, "broken.test", "FAIL", "MX");
    names_add(&lab.names, "addressless.test", "FAIL", "TXT"); /* exists, and that is all */
    names_add(&lab.names, "hazy.test", "FAIL", "A");
    names_add(&lab.names, "us.test", "MX", "10 us.test");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = cases[i].destination, .recipients = {"a@b.test"}};
        order_run(&o);
        if (strncmp(order_text(&o, 0), cases[i].outcome, strlen(cases[i].outcome)) != 0)
            fail_msg("%s: %s", cases[i].destination, order_text(&o, 0));
        assert_true(strlen(order_text(&o, 0)) > strlen(cases[i].outcome) + 5);
        assert_string_equal(o.results[0].remote_address, "");
        order_free(&o);
    }
}

static void a_domain_without_mx_is_its_own_host(void **state)
{
    names_add(&lab.names, "example.net", "A", "127.0.0.2");
    expect(DELIVERED, "example.net", second.address);
}

static void a_host_without_address_leaves_it_to_the_next(void **state)
{
    names_add(&lab.names, "example.net", "MX", "10 ghost.test");
    names_add(&lab.names, "example.net", "MX", "20 mx2.test");
    names_add(&lab.names, "mx2.test", "A", "127.0.0.2");
    expect(DELIVERED, "mx2.test", second.address);
    peer_say(&second, SAY_GREETING, "!554 5.7.1 no", NULL);
    expect("failed 554 5.7.1 greeting [554 5.7.1 no] (the server does not greet)", "mx2.test",
           second.address);
}

static void a_host_that_cannot_be_looked_up_now_keeps_hope(void **state)
{
    names_add(&lab.names, "example.net", "MX", "10 hazy.test");
    names_add(&lab.names, "example.net", "MX", "20 mx2.test");
    names_add(&lab.names, "hazy.test", "FAIL", "A");
    names_add(&lab.names, "mx2.test", "A", "127.0.0.2");
    peer_say(&second, SAY_GREETING, "!554 5.7.1 no", NULL);
    struct order o = {0};
    order_run(&o);
    assert_memory_equal(order_text(&o, 0), "deferred 0 4.4.3 dns (", 22);
    assert_string_equal(o.results[0].remote_host, "hazy.test");
    order_free(&o);
}

static void loopback_is_no_place_for_mail_unless_allowed(void **state)
{
    struct order o = {.destination = "[127.0.0.1]"}, named = {0};
    names_add(&lab.names, "example.net", "A", "127.0.0.1");
    lab_reload("deliver { port %d  tls none  allow-private yes }", lab.peer.port);
    order_run(&o);
    assert_outcome(&o, 0, "failed 0 5.4.4 dns (mail is not sent to such an address)");
    order_run(&named);
    assert_memory_equal(order_text(&named, 0), "failed 0 5.4.4 dns (", 20);
    assert_int_equal(lab.peer.opened, 0);
    order_free(&o);
    order_free(&named);
}

static void a_private_address_is_no_place_for_mail_unless_allowed(void **state)
{
    static const struct {
        const char *settings, *outcome, *literal;
    } cases[] = {
        {"", "failed 0 5.4.4 dns (example.net has only private addresses)",
         "failed 0 5.4.4 dns (mail is not sent to such an address)"},
        /* Then they are connected to, or would be from an address that we have. */
        {"allow-private yes  source-address 192.0.2.1",
         "deferred 0 4.4.1 connect (Cannot assign requested address)",
         "deferred 0 4.4.1 connect (Cannot assign requested address)"},
    };
    names_add(&lab.names, "example.net", "A", "10.0.0.1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order named = {0}, literal = {.destination = "[10.0.0.1]"};
        char *settings = mem_format("connect-timeout 1s  %s", cases[i].settings);
        lab_reload_direct(settings);
        order_run(&named);
        assert_outcome(&named, 0, cases[i].outcome);
        order_run(&literal);
        assert_outcome(&literal, 0, cases[i].literal);
        order_free(&named);
        order_free(&literal);
        mem_free(&settings);
    }
}

static void a_host_with_private_addresses_leaves_it_to_the_next(void **state)
{
    names_add(&lab.names, "example.net", "MX", "10 inside.test");
    names_add(&lab.names, "example.net", "MX", "20 mx2.test");
    names_add(&lab.names, "inside.test", "A", "192.168.1.1");
    names_add(&lab.names, "inside.test", "AAAA", "fd00::1");
    names_add(&lab.names, "mx2.test", "A", "10.0.0.1"); /* is left out */
    names_add(&lab.names, "mx2.test", "A", "127.0.0.2");
    expect(DELIVERED, "mx2.test", second.address);
}

static void use_listener(const char *address)
{
    lab_reload("listen us { address %s  smtp %d }\n"
               "deliver { allow-loopback yes  port %d  tls none  idle-timeout 0 }\n",
               address, lab.peer.port, lab.peer.port);
}

static void a_host_with_an_address_of_ours_is_this_system(void **state)
{
    static const struct {
        const char *listens, *destination, *outcome;
    } cases[] = {
        {"127.0.0.3 127.0.0.1", "example.net",
         "failed 0 5.4.6 dns (mail for example.net would come back here: 127.0.0.1 is this "
         "system)"},
        {"127.0.0.1", "[127.0.0.1]",
         "failed 0 5.4.6 dns (mail for [127.0.0.1] would come back here: 127.0.0.1 is this "
         "system)"},
        {"0.0.0.0", "[127.0.0.9]",
         "failed 0 5.4.6 dns (mail for [127.0.0.9] would come back here: 127.0.0.9 is this "
         "system)"},
        {"127.0.0.1", "[IPv6:::ffff:127.0.0.1]",
         "failed 0 5.4.6 dns (mail for [IPv6:::ffff:127.0.0.1] would come back here: "
         "::ffff:127.0.0.1 is this system)"},
        {"127.0.0.3", "example.net", DELIVERED},
        {"::", "[127.0.0.1]", DELIVERED},
    };
    names_add(&lab.names, "example.net", "A", "127.0.0.1");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = cases[i].destination};
        use_listener(cases[i].listens);
        order_run(&o);
        assert_outcome(&o, 0, cases[i].outcome);
        assert_int_equal(lab.peer.opened, i < 4 ? 0 : i - 3);
        order_free(&o);
    }
}

/* RFC 5321 section 5.1: those that are no better than this system are none to turn to. */
static void hosts_behind_this_system_are_not_tried(void **state)
{
    two_hosts();
    names_add(&lab.names, "example.net", "MX", "15 other-name-of-us.test");
    names_add(&lab.names, "other-name-of-us.test", "A", "127.0.0.3");
    use_listener("127.0.0.3");
    expect(DELIVERED, "mx1.test", lab.peer.address);
    peer_say(&lab.peer, SAY_GREETING, "!421 4.3.2 busy", NULL);
    expect("deferred 421 4.3.2 greeting [421 4.3.2 busy] (the server does not greet)", "mx1.test",
           lab.peer.address);
    assert_int_equal(second.opened, 0);
}

static void our_addresses_are_no_matter_to_a_smarthost(void **state)
{
    lab.agent.label = "relay";
    lab_reload("listen us { address 127.0.0.1  smtp %d }\n"
               "transport relay { smtp { host 127.0.0.1  port %d  tls none  idle-timeout 0 } }\n",
               lab.peer.port, lab.peer.port);
    expect(DELIVERED, "127.0.0.1", lab.peer.address);
}

static void an_attempt_is_over_after_so_many_connections(void **state)
{
    static char hosts[8][16], values[8][24], addresses[8 * 4][16];
    names_add(&lab.names, "example.net", "A", "127.0.0.1");
    for (unsigned h = 0; h < 8; h++) {
        (void)snprintf(hosts[h], sizeof hosts[h], "mx%u.test", h);
        (void)snprintf(values[h], sizeof values[h], "%u %s", h, hosts[h]);
        names_add(&lab.names, "example.net", "MX", values[h]);
        for (unsigned a = 0; a < 4; a++) {
            char *address = addresses[h * 4 + a];
            (void)snprintf(address, sizeof addresses[0], "127.0.%u.%u", h, a + 10);
            names_add(&lab.names, hosts[h], "A", address);
        }
    }
    struct order o = {0};
    order_run(&o);
    assert_outcome(&o, 0, "deferred 0 4.4.1 connect (Connection refused)");
    assert_int_equal(lab_connections(), 20);
    order_free(&o);
}

static void an_attempt_is_over_when_it_has_taken_too_long(void **state)
{
    static const char *const addresses[] = {"127.0.0.1", "127.0.0.2"};
    static const char *const hosts[] = {"mx0.test", "mx1.test", "mx2.test",
                                        "mx3.test", "mx4.test", "mx5.test"};
    static char values[6][16];
    struct order o = {0};
    unsigned tried = 0;
    lab_reload_direct("idle-timeout 0  connect-timeout 1m  greeting-timeout 20m  command-timeout "
                      "10m");
    for (unsigned h = 0; h < 6; h++) {
        (void)snprintf(values[h], sizeof values[h], "%u %s", h, hosts[h]);
        names_add(&lab.names, "example.net", "MX", values[h]);
        for (unsigned a = 0; a < 2; a++)
            names_add(&lab.names, hosts[h], "A", addresses[a]);
    }
    peer_say(&lab.peer, SAY_GREETING, "~", NULL);
    peer_say(&second, SAY_GREETING, "~", NULL);
    order_send(&o);
    while (!o.done) {
        RUN_UNTIL(lab.peer.silent + second.silent > tried || o.done);
        lab_settle();
        if (o.done || !lab_expire(20))
            break;
        tried++;
        lab.passed_ms += 20 * 60000L;
    }
    RUN_UNTIL(o.done);
    /* A minute, twenty, and five times ten. */
    assert_int_equal(tried, 4);
    assert_outcome(&o, 0, "deferred 0 4.4.2 greeting (timed out)");
    order_free(&o);
}

static void the_source_address_is_of_the_family(void **state)
{
    struct order o = {.destination = "[127.0.0.1]"}, six = {.destination = "[IPv6:::1]"};
    lab_reload_direct("idle-timeout 0  source-address 127.0.0.77 ::1");
    order_run(&o);
    order_run(&six);
    assert_outcome(&o, 0, DELIVERED);
    assert_outcome(&six, 0, DELIVERED);
    assert_string_equal(lab.peer.last_client, "127.0.0.77");
    assert_string_equal(sixth.last_client, "::1");
    order_free(&o);
    order_free(&six);
}

static void a_source_address_that_is_not_ours_is_a_deferral(void **state)
{
    struct order o = {.destination = "[127.0.0.1]"};
    lab_reload_direct("source-address 192.0.2.1");
    order_run(&o);
    assert_outcome(&o, 0, "deferred 0 4.4.1 connect (Cannot assign requested address)");
    order_free(&o);
}

/* Whatever is at the other end: no packet leaves. */
static void where_mail_is_taken_is_a_source_like_those_that_are_said(void **state)
{
    static const struct {
        const char *settings, *outcome;
    } cases[] = {
        {"", "deferred 0 4.4.1 connect (Cannot assign requested address)"},
        {"deliver { source-address ::1 }\n",
         "deferred 0 4.4.1 connect (Cannot assign requested address)"},
        /* Then it is this one that goes before. */
        {"deliver { source-address 127.0.0.77 }\n", "deferred 0 4.4.1 connect (Invalid argument)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct order o = {.destination = "[198.51.100.9]"};
        lab_reload("listen us { address 192.0.2.1  smtp 25 }\n%s", cases[i].settings);
        order_run(&o);
        assert_outcome(&o, 0, cases[i].outcome);
        order_free(&o);
    }
}

static void use_smarthost(const char *host)
{
    lab.agent.label = "relay";
    lab_reload("transport relay { smtp { host \"%s\"  port %d  tls none  idle-timeout 0 } }\n",
               host, lab.peer.port);
}

static void a_smarthost_takes_every_destination(void **state)
{
    names_add(&lab.names, "relay.test", "AAAA", "::1");
    names_add(&lab.names, "relay.test", "MX", "10 elsewhere.test");
    use_smarthost("127.0.0.2");
    expect(DELIVERED, "127.0.0.2", second.address);
    use_smarthost("::1");
    expect(DELIVERED, "::1", sixth.address);
    use_smarthost("relay.test");
    expect(DELIVERED, "relay.test", sixth.address);
    use_smarthost("gone.test");
    struct order o = {0};
    order_run(&o);
    assert_memory_equal(order_text(&o, 0), "deferred 0 4.3.5 dns (", 22);
    order_free(&o);
}

static void a_smarthost_that_turns_us_away_has_mail_wait(void **state)
{
    use_smarthost("127.0.0.2");
    peer_say(&second, SAY_GREETING, "554 5.7.1 who are you", NULL);
    expect("deferred 554 4.7.1 greeting [554 5.7.1 who are you] (the server does not greet)",
           "127.0.0.2", second.address);
    peer_say(&second, SAY_GREETING, NULL);
    peer_say(&second, SAY_MAIL, "550 5.7.1 not from there", NULL);
    expect("failed 550 5.7.1 mail [550 5.7.1 not from there]", "127.0.0.2", second.address);
}

static void a_transport_can_fail_on_purpose(void **state)
{
    struct order o = {.n = 2}, later = {0};
    lab.agent.label = "block";
    lab_reload("transport block { fail { code 554  text \"not here\" } }\n");
    order_run(&o);
    assert_outcome(&o, 1, "failed 554 5.7.0 transport [554 not here]");
    lab_reload("transport block { fail { code 451  text \"not now\" } }\n");
    order_run(&later);
    assert_outcome(&later, 0, "deferred 451 4.7.0 transport [451 not now]");
    order_free(&o);
    order_free(&later);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(the_preferred_host_is_the_first),
        TEST(a_host_that_does_not_take_part_leaves_it_to_the_next),
        TEST(what_a_host_says_of_the_message_is_final),
        TEST(a_message_one_host_cannot_take_is_offered_to_the_next),
        TEST(the_most_hopeful_outcome_is_told),
        TEST(every_address_of_a_host_is_tried),
        TEST(without_an_address_of_the_family_mail_waits_for_another_setting),
        TEST(a_destination_without_hosts_says_why),
        TEST(a_domain_without_mx_is_its_own_host),
        TEST(a_host_without_address_leaves_it_to_the_next),
        TEST(a_host_that_cannot_be_looked_up_now_keeps_hope),
        TEST(loopback_is_no_place_for_mail_unless_allowed),
        TEST(a_private_address_is_no_place_for_mail_unless_allowed),
        TEST(a_host_with_private_addresses_leaves_it_to_the_next),
        TEST(a_host_with_an_address_of_ours_is_this_system),
        TEST(hosts_behind_this_system_are_not_tried),
        TEST(our_addresses_are_no_matter_to_a_smarthost),
        TEST(an_attempt_is_over_after_so_many_connections),
        TEST(an_attempt_is_over_when_it_has_taken_too_long),
        TEST(the_source_address_is_of_the_family),
        TEST(a_source_address_that_is_not_ours_is_a_deferral),
        TEST(where_mail_is_taken_is_a_source_like_those_that_are_said),
        TEST(a_smarthost_takes_every_destination),
        TEST(a_smarthost_that_turns_us_away_has_mail_wait),
        TEST(a_transport_can_fail_on_purpose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
