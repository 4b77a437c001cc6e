#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "method_send.h"
#include "routing.h"

static const struct conf_value hosts[] = {{.text = (char *)(uintptr_t) "api.example"}};
static const struct routing_scope both = {true, true, "/webapi/", "mail.example.org", hosts, 1};
static const struct routing_scope api = {true, false, "/webapi/", "mail.example.org", NULL, 0};
static const struct routing_scope numbers = {false, true, "/webapi/", "mail.example.org", NULL, 0};

static enum routing find(const struct routing_scope *scope, const char *http_method,
                         const char *path, const char *host, const struct method **method)
{
    struct routing_found found;
    enum routing routing = routing_find(scope, http_method, path, span_text(host), &found);
    assert_true((routing == ROUTING_NOT_ALLOWED) == (found.allow != NULL));
    *method = found.method;
    return routing;
}

static void test_paths_lead_where_clients_expect(void **state)
{
    static const struct {
        const char *http_method, *path;
        enum routing expected;
    } cases[] = {
        {"GET", "/", ROUTING_TO_CALLS},
        {"POST", "/", ROUTING_NOT_ALLOWED},
        {"GET", "/webapi", ROUTING_TO_BASE},
        {"POST", "/webapi", ROUTING_TO_BASE},
        {"GET", "/webapi/", ROUTING_TO_CALLS},
        {"POST", "/webapi/", ROUTING_NOT_ALLOWED},
        {"HEAD", "/webapi/", ROUTING_NOT_ALLOWED},
        {"GET", "/webapi/v0/", ROUTING_INDEX},
        {"POST", "/webapi/v0/", ROUTING_INDEX},
        {"PUT", "/webapi/v0/", ROUTING_INDEX},
        {"GET", "/webapi/v0", ROUTING_TO_SLASH},
        {"POST", "/webapi/v0", ROUTING_TO_SLASH},
        {"GET", "/webapi/v", ROUTING_NOT_FOUND},
        {"GET", "/webapi/v1", ROUTING_NOT_FOUND},
        {"GET", "/webapi/v00", ROUTING_NOT_FOUND},
        {"GET", "/v0", ROUTING_NOT_FOUND},
        {"GET", "/webapi/v1/", ROUTING_NOT_FOUND},
        {"GET", "/webapi/other/", ROUTING_NOT_FOUND},
        {"GET", "/webapix", ROUTING_NOT_FOUND},
        {"GET", "/other", ROUTING_NOT_FOUND},
        {"GET", "*", ROUTING_NOT_FOUND},
        {"GET", "/webapi/openapi.json", ROUTING_OPENAPI_DOCUMENT},
        {"HEAD", "/webapi/openapi.json", ROUTING_OPENAPI_DOCUMENT},
        {"POST", "/webapi/openapi.json", ROUTING_NOT_ALLOWED},
        {"GET", "/webapi/v0/openapi.json", ROUTING_TO_OPENAPI},
        {"PUT", "/webapi/v0/openapi.json", ROUTING_NOT_ALLOWED},
        {"GET", "/openapi.json", ROUTING_NOT_FOUND},
        {"GET", "/webapi/v0/Send", ROUTING_PAGE},
        {"POST", "/webapi/v0/Send", ROUTING_CALL},
        {"HEAD", "/webapi/v0/Send", ROUTING_NOT_ALLOWED},
        {"PUT", "/webapi/v0/Send", ROUTING_NOT_ALLOWED},
        {"OPTIONS", "/webapi/v0/Send", ROUTING_NOT_ALLOWED},
        {"get", "/webapi/v0/Send", ROUTING_NOT_ALLOWED},
        {"GET", "/webapi/v0/send", ROUTING_NOT_FOUND},
        {"POST", "/webapi/v0/Send/", ROUTING_NOT_FOUND},
        {"POST", "/webapi/v0/Unknown", ROUTING_NOT_FOUND},
        {"PUT", "/webapi/v0/Unknown", ROUTING_NOT_FOUND},
        {"GET", "/healthz", ROUTING_HEALTH},
        {"HEAD", "/healthz", ROUTING_HEALTH},
        {"POST", "/healthz", ROUTING_NOT_ALLOWED},
        {"GET", "/metrics", ROUTING_METRICS},
        {"POST", "/metrics", ROUTING_NOT_ALLOWED},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        const struct method *m;
        enum routing got = find(&both, cases[i].http_method, cases[i].path, "localhost:1080", &m);
        if (got != cases[i].expected)
            fail_msg("%s %s gave %d", cases[i].http_method, cases[i].path, (int)got);
        bool names_one = got == ROUTING_PAGE || got == ROUTING_CALL;
        assert_ptr_equal(m, names_one ? &method_send : NULL);
    }
}

static void test_what_is_allowed_is_said_where_something_is_not(void **state)
{
    static const struct {
        const char *path, *allow;
    } cases[] = {
        {"/", "GET"},
        {"/webapi/", "GET"},
        {"/webapi/openapi.json", "GET, HEAD"},
        {"/webapi/v0/openapi.json", "GET, HEAD"},
        {"/webapi/v0/Send", "GET, POST"},
        {"/healthz", "GET, HEAD"},
        {"/metrics", "GET, HEAD"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        static const char *const verbs[] = {"GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"};
        for (size_t k = 0; k < sizeof verbs / sizeof verbs[0]; k++) {
            struct routing_found found;
            enum routing got =
                routing_find(&both, verbs[k], cases[i].path, span_text("localhost"), &found);
            if (strstr(cases[i].allow, verbs[k]) != NULL)
                assert_int_not_equal(got, ROUTING_NOT_ALLOWED);
            else
                assert_string_equal(found.allow, cases[i].allow);
        }
    }
}

static void test_the_base_path_can_be_another(void **state)
{
    static const struct {
        const char *base, *path;
        enum routing expected;
    } cases[] = {
        {"/api/mail/", "/api/mail/v0/Send", ROUTING_CALL},
        {"/api/mail/", "/api/mail/v0/", ROUTING_INDEX},
        {"/api/mail/", "/api/mail", ROUTING_TO_BASE},
        {"/api/mail/", "/api/mailx", ROUTING_NOT_FOUND},
        {"/api/mail/", "/api/", ROUTING_NOT_FOUND},
        {"/api/mail/", "/webapi/v0/Send", ROUTING_NOT_FOUND},
        {"/api/mail/", "/webapi/", ROUTING_NOT_FOUND},
        {"/", "/v0/Send", ROUTING_CALL},
        {"/", "/v0/", ROUTING_INDEX},
        {"/", "/v0", ROUTING_TO_SLASH},
        {"/", "/webapi/v0/Send", ROUTING_NOT_FOUND},
    };
    const struct method *m;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct routing_scope scope = both;
        scope.path = cases[i].base;
        if (find(&scope, "POST", cases[i].path, "localhost", &m) != cases[i].expected)
            fail_msg("%s below %s", cases[i].path, cases[i].base);
        assert_int_equal(find(&scope, "GET", "/", "localhost", &m), ROUTING_TO_CALLS);
        assert_int_equal(find(&scope, "GET", cases[i].base, "localhost", &m), ROUTING_TO_CALLS);
    }
    struct routing_scope scope = both;
    scope.path = "/api/mail/";
    assert_int_equal(find(&scope, "GET", "/api/mail/openapi.json", "localhost", &m),
                     ROUTING_OPENAPI_DOCUMENT);
    assert_int_equal(find(&scope, "GET", "/api/mail/v0/openapi.json", "localhost", &m),
                     ROUTING_TO_OPENAPI);
}

static void test_a_listener_serves_what_it_is_told_to(void **state)
{
    const struct method *m;
    assert_int_equal(find(&numbers, "GET", "/metrics", "x", &m), ROUTING_METRICS);
    assert_int_equal(find(&numbers, "GET", "/healthz", "x", &m), ROUTING_HEALTH);
    assert_int_equal(find(&numbers, "GET", "/webapi/v0/", "localhost", &m), ROUTING_NOT_FOUND);
    assert_int_equal(find(&numbers, "POST", "/webapi/v0/Send", "localhost", &m), ROUTING_NOT_FOUND);
    assert_int_equal(find(&api, "GET", "/metrics", "localhost", &m), ROUTING_NOT_FOUND);
    assert_int_equal(find(&api, "POST", "/webapi/v0/Send", "localhost", &m), ROUTING_CALL);
}

static void test_the_api_answers_to_its_own_names_alone(void **state)
{
    static const struct {
        const char *host;
        bool served;
    } cases[] = {
        {"localhost", true},
        {"LOCALHOST:80", true},
        {"127.0.0.1", true},
        {"192.0.2.1:1080", true},
        {"[::1]", true},
        {"[2001:db8::1]:1080", true},
        {"mail.example.org", true},
        {"Mail.Example.Org:1", true},
        {"api.example", true},
        {"", false},
        {"evil.example", false},
        {"mail.example.org.evil.example", false},
        {"[localhost", false},
        {"[::1", false},
        {"[]", false},
        {"localhost.", false},
        {"1.2.3", false},
        {"[::1].evil.example", false},
    };
    const struct method *m;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool got = find(&both, "POST", "/webapi/v0/Send", cases[i].host, &m) == ROUTING_CALL;
        if (got != cases[i].served)
            fail_msg("host \"%s\"", cases[i].host);
    }
    /* Who watches comes by any name. */
    assert_int_equal(find(&both, "GET", "/healthz", "evil.example", &m), ROUTING_HEALTH);
}

static void test_a_page_of_another_site_is_told_apart(void **state)
{
    static const struct {
        const char *origin, *host;
        bool foreign;
    } cases[] = {
        {"", "localhost:1080", false}, /* no browser */
        {"http://localhost:1080", "localhost:1080", false},
        {"http://LOCALHOST:1080", "localhost:1080", false},
        {"http://localhost:8000", "localhost:1080", true},
        {"http://127.0.0.1:8000", "127.0.0.1:1080", true},
        {"http://[::1]:1080", "[::1]:1080", false},
        {"http://evil.example", "localhost:1080", true},
        {"null", "localhost:1080", true},
        {"file://", "localhost:1080", true},
        {"https://api.example", "127.0.0.1:1080", false}, /* a proxy changed Host */
        {"https://mail.example.org", "127.0.0.1:1080", false},
        {"https://mail.example.org.evil.example", "127.0.0.1:1080", true},
        {"https://", "127.0.0.1:1080", true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        bool got = routing_is_foreign(&both, span_text(cases[i].origin), span_text(cases[i].host));
        if (got != cases[i].foreign)
            fail_msg("origin \"%s\", host \"%s\"", cases[i].origin, cases[i].host);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths_lead_where_clients_expect),
        cmocka_unit_test(test_what_is_allowed_is_said_where_something_is_not),
        cmocka_unit_test(test_the_base_path_can_be_another),
        cmocka_unit_test(test_a_listener_serves_what_it_is_told_to),
        cmocka_unit_test(test_the_api_answers_to_its_own_names_alone),
        cmocka_unit_test(test_a_page_of_another_site_is_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
