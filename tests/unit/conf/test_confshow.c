#include "conf_help.h"

#include <string.h>

/* The text with every mark "# default" cut out. */
static void cut_marks(struct buf *text)
{
    struct buf out = {0};
    const char *p = buf_text(text), *mark;
    while ((mark = strstr(p, " # default")) != NULL) {
        buf_put(&out, p, (size_t)(mark - p));
        p = mark + strlen(" # default");
    }
    buf_puts(&out, p);
    buf_free(text);
    *text = out;
}

/* What is shown parses, without a word, and shows the same again. */
static void check_round_trip(struct conf *conf)
{
    struct buf shown = {0}, again = {0};
    struct conf_errors errors;
    conf_show(conf, true, &shown);
    struct conf *parsed = conf_parse("shown", buf_span(&shown), &errors);
    assert_int_equal(errors.failures, 0);
    assert_non_null(parsed);
    conf_show(parsed, true, &again);
    assert_null(strstr(buf_text(&again), "# default"));
    cut_marks(&shown);
    assert_string_equal(buf_text(&shown), buf_text(&again));
    conf_errors_free(&errors);
    conf_free(&parsed);
    conf_free(&conf);
    buf_free(&shown);
    buf_free(&again);
}

static void test_what_is_shown_has_the_same_effect(void **state)
{
    check_round_trip(parse_example());
    check_round_trip(parse_right("hostname a"));
    check_round_trip(parse_right(
        "hostname a domain d { catchall-separator \"\" dkim s { key-file \"a # {\\\"\\\\ b\" } }\n"
        "listen l { address ::1 http 80 metrics yes http-host a \"http-host\" \"include\" "
        "\"address\" }\n"
        "account address { address \"{#}@d\" full-name \"\" }\n"
        "dns { server [::1]:53 127.0.0.1:53 timeout 1500ms } smtp { message-size 65537 }\n"
        "transport t { lmtp { socket \"/run/x y\" } } route { transport t }\n"));
}

static void test_each_setting_is_on_its_line_and_defaults_are_marked(void **state)
{
    struct conf *conf = parse_right("hostname a.example dns { tries 5 server 127.0.0.1:53 }\n"
                                    "transport t { fail { text \"no way\" } }\n");
    struct buf out = {0};
    conf_show(conf, true, &out);
    static const char *const parts[] = {
        "hostname a.example\n",
        "\nlog-level info # default\n",
        "\nqueue { # default\n    first-retry 7m30s # default\n",
        "\ndns {\n    server 127.0.0.1:53\n    timeout 5s # default\n    tries 5\n"
        "    cache 10000 # default\n"
        "    trust-ad no # default\n}\n",
        "\n    ehlo-name a.example # default\n",
        "\ntransport t {\n    fail {\n        code 554 # default\n        text \"no way\"\n    "
        "}\n}\n",
    };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        if (strstr(buf_text(&out), parts[i]) == NULL)
            fail_msg("no \"%s\" in:\n%s", parts[i], buf_text(&out));
    }
    assert_null(strstr(buf_text(&out), "postmaster")); /* no value, no line */
    buf_free(&out);
    conf_free(&conf);
}

static void test_secrets_are_shown_on_demand(void **state)
{
    struct conf *conf = parse_example();
    struct buf out = {0};
    conf_show(conf, false, &out);
    assert_null(strstr(buf_text(&out), "Bearer"));
    assert_non_null(strstr(buf_text(&out), "        authorization \"********\"\n"));
    buf_clear(&out);
    conf_show(conf, true, &out);
    assert_non_null(strstr(buf_text(&out), "        authorization \"Bearer …\"\n"));
    buf_free(&out);
    conf_free(&conf);
}

static void test_a_share_shows_what_its_process_sees(void **state)
{
    struct conf *conf = parse_example();
    struct buf share = {0}, out = {0};
    conf_encode(conf, CONF_VAULT, &share);
    struct conf *vault = conf_decode(buf_span(&share), CONF_VAULT, NULL);
    conf_show(vault, true, &out);
    assert_non_null(strstr(buf_text(&out), "key-file /etc/dkim/2026a.example.org.pem\n"));
    assert_null(strstr(buf_text(&out), "queue"));
    assert_null(strstr(buf_text(&out), "from-id-login"));
    conf_free(&vault);
    conf_free(&conf);
    buf_free(&share);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_shown_has_the_same_effect),
        cmocka_unit_test(test_each_setting_is_on_its_line_and_defaults_are_marked),
        cmocka_unit_test(test_secrets_are_shown_on_demand),
        cmocka_unit_test(test_a_share_shows_what_its_process_sees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
