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

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(
            test_a_transport_has_as_many_deliveries_as_connections_and_as_all_may_have),
        cmocka_unit_test(test_a_transport_that_names_its_server_leads_to_that_one),
    };
    return WORLD_MAIN(argc, argv, tests);
}
