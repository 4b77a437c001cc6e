#include "world.h"

#include "settings.h"

static void test_a_transport_has_as_many_deliveries_as_connections_and_as_all_may_have(void **state)
{
    static const struct {
        const char *transport;
        unsigned deliveries;
    } table[] = {
        {"narrow", 7}, {"wide", 30}, {"direct", 12}, {"local", 30}, /* it opens none */
        {"gone", 30}, /* a recipient may still name it */
    };
    struct settings *s = world_settings("queue { transport-concurrency 30 }\n"
                                        "deliver { connections 12 }\n"
                                        "transport narrow { smtp { host a  connections 7 } }\n"
                                        "transport wide { direct { connections 100 } }\n");
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        assert_int_equal(settings_deliveries(s, table[i].transport), table[i].deliveries);
    settings_drop(&s);
}

static void test_a_transport_that_names_its_server_leads_to_that_one(void **state)
{
    const char *host;
    int port;
    struct settings *s = world_settings("transport a { smtp { host a.example  port 2525 } }\n"
                                        "transport b { submission { host b.example } }\n"
                                        "transport direct2 { direct { } }\n");
    assert_true(settings_server(s, "a", &host, &port));
    assert_string_equal(host, "a.example");
    assert_int_equal(port, 2525);
    assert_true(settings_server(s, "b", &host, &port));
    assert_string_equal(host, "b.example");
    assert_int_equal(port, 587);
    assert_false(settings_server(s, "direct2", &host, &port));
    assert_false(settings_server(s, "direct", &host, &port));
    assert_false(settings_server(s, "local", &host, &port));
    assert_false(settings_server(s, "gone", &host, &port));
    settings_drop(&s);
}

static void expect_retry(const struct settings *s, const char *transport, int64_t first_s,
                         int attempts, bool final)
{
    struct settings_retry r = settings_retry(s, transport);
    assert_int_equal(r.first_retry_ms, first_s * 1000);
    assert_int_equal(r.attempts, attempts);
    assert_int_equal(r.jitter_percent, 3);
    assert_int_equal(settings_is_final(s, transport), final);
}

static void test_a_transport_may_have_a_schedule_of_its_own(void **state)
{
    struct settings *s =
        world_settings("queue { first-retry 100s  attempts 9  retry-jitter 3 }\n"
                       "transport mine { submission { host b.test  first-retry 10s } }\n"
                       "transport slow { direct { first-retry 1h  attempts 3 } }\n"
                       "transport store { lmtp { host c.test  attempts 50 } }\n"
                       "transport block { fail { code 450 } }\n");
    expect_retry(s, "direct", 100, 9, false);
    expect_retry(s, "local", 100, 9, true);
    expect_retry(s, "mine", 10, 9, false);
    expect_retry(s, "slow", 3600, 3, false);
    expect_retry(s, "store", 100, 50, true);
    expect_retry(s, "block", 100, 9, false);
    expect_retry(s, "gone", 100, 9, false);
    settings_drop(&s);
    s = world_settings("queue { lifetime 3d  delay-notice-attempt 4 }\n"
                       "transport slow { smtp { host a.test  lifetime 10d  longest-wait 1h\n"
                       "    retry-jitter 9  delay-notice-attempt 0 } }\n");
    struct settings_retry slow = settings_retry(s, "slow"), direct = settings_retry(s, "direct");
    assert_int_equal(slow.lifetime_ms, 10ll * 86400000);
    assert_int_equal(slow.longest_wait_ms, 3600000);
    assert_int_equal(slow.jitter_percent, 9);
    assert_int_equal(slow.delay_notice_attempt, 0);
    assert_int_equal(direct.lifetime_ms, 3ll * 86400000);
    assert_int_equal(direct.longest_wait_ms, 7ll * 86400000);
    assert_int_equal(direct.delay_notice_attempt, 4);
    settings_drop(&s);
}

static void test_a_domain_has_mailboxes_where_an_account_has_one_there(void **state)
{
    struct settings *s =
        world_settings("domain none.example { }\ndomain one.example { }\ndomain all.example { }\n"
                       "account a { address a@One.example  mailbox yes }\n"
                       "account b { address *@none.example b@all.example  mailbox no }\n"
                       "account c { address c@all.example *@all.example }\n");
    assert_true(settings_has_mailboxes(s, "one.example"));
    assert_true(settings_has_mailboxes(s, "ALL.example"));
    assert_false(settings_has_mailboxes(s, "none.example"));
    assert_false(settings_has_mailboxes(s, "other.example"));
    assert_false(settings_has_mailboxes(s, ""));
    settings_drop(&s);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_transport_has_as_many_deliveries_as_connections_and_as_all_may_have),
        cmocka_unit_test(test_a_transport_that_names_its_server_leads_to_that_one),
        cmocka_unit_test(test_a_transport_may_have_a_schedule_of_its_own),
        cmocka_unit_test(test_a_domain_has_mailboxes_where_an_account_has_one_there),
    };
    return WORLD_MAIN(argc, argv, tests);
}
