#include "conf_help.h"

#include <string.h>

#define HOST "hostname mx.example\n"

static void test_what_is_not_given_has_its_default(void **state)
{
    struct conf *conf = parse_right(HOST);
    const struct conf_block *root = conf_root(conf), *queue = conf_child(root, "queue");
    size_t n = 99;
    assert_string_equal(conf_text(root, "state-dir"), "/var/lib/quartermaster");
    assert_int_equal(conf_word(root, "seccomp"), CONF_SECCOMP_KILL);
    assert_false(conf_bool(root, "localserve"));
    assert_true(conf_ms(queue, "first-retry") == 450000);
    assert_true(conf_size(queue, "map-size") == (uint64_t)1 << 40);
    assert_int_equal(conf_int(queue, "attempts"), 8);
    assert_false(conf_is_set(queue, "attempts"));
    assert_string_equal(conf_text(conf_child(root, "users"), "smtpd"), "qm-smtpd");
    assert_null(conf_text(root, "postmaster"));
    assert_null(conf_value(root, "postmaster"));
    (void)conf_list(conf_child(root, "dns"), "server", &n);
    assert_int_equal(n, 0);
    conf_free(&conf);
}

static void test_what_is_given_is_got(void **state)
{
    struct conf *conf =
        parse_right(HOST "log-level warn postmaster Root@MX.example seccomp off localserve yes\n"
                         "queue { attempts 3 first-retry 2s map-size 32M }\n"
                         "users { smtpd 33 }\n"
                         "dns { server 192.0.2.1:53 server [::1]:5353 timeout 500ms }\n"
                         "listen l { address ::1 smtp 25 }\n");
    const struct conf_block *root = conf_root(conf), *queue = conf_child(root, "queue");
    size_t n;
    assert_int_equal(conf_word(root, "log-level"), 2);
    assert_string_equal(conf_text(root, "postmaster"), "Root@mx.example");
    assert_int_equal(conf_word(root, "seccomp"), CONF_SECCOMP_OFF);
    assert_true(conf_bool(root, "localserve"));
    assert_int_equal(conf_int(queue, "attempts"), 3);
    assert_true(conf_is_set(queue, "attempts"));
    assert_true(conf_ms(queue, "first-retry") == 2000);
    assert_true(conf_size(queue, "map-size") == 32 << 20);
    assert_int_equal(conf_value(conf_child(root, "users"), "smtpd")->number, 33);
    const struct conf_value *servers = conf_list(conf_child(root, "dns"), "server", &n);
    assert_int_equal(n, 2);
    assert_string_equal(servers[0].text, "192.0.2.1:53");
    assert_int_equal(servers[1].port, 5353);
    assert_int_equal(servers[1].family, 6);
    const struct conf_block *listen = conf_find(root, "listen", "l");
    assert_int_equal(conf_int(listen, "smtp"), 25);
    assert_int_equal(conf_int(listen, "submission"), 0); /* not served */
    conf_free(&conf);
}

static void test_a_default_is_taken_from_elsewhere(void **state)
{
    struct conf *conf =
        parse_right(HOST "queue { keep-retired-messages 1h }\n"
                         "deliver { connect-timeout 7s tls required source-address 192.0.2.9 }\n"
                         "domain d { } account a { address a@d keep-retired-webhooks 0 }\n"
                         "transport t { direct { data-timeout 9s } }\n"
                         "transport u { submission { host smtp.example ehlo-name out.example } }\n"
                         "transport v { socks { address 127.0.0.1:9050 } }\n");
    const struct conf_block *root = conf_root(conf);
    const struct conf_block *account = conf_find(root, "account", "a");
    assert_true(conf_ms(account, "keep-retired-messages") == 3600000);
    assert_false(conf_is_set(account, "keep-retired-messages"));
    assert_true(conf_ms(account, "keep-retired-webhooks") == 0);
    const struct conf_block *direct = conf_child(conf_find(root, "transport", "t"), "direct");
    size_t n;
    assert_true(conf_ms(direct, "connect-timeout") == 7000);
    assert_true(conf_ms(direct, "data-timeout") == 9000);
    assert_true(conf_ms(direct, "final-timeout") == 600000);
    assert_int_equal(conf_word(direct, "tls"), CONF_TLS_REQUIRED);
    assert_string_equal(conf_text(direct, "ehlo-name"), "mx.example");
    assert_string_equal(conf_list(direct, "source-address", &n)->text, "192.0.2.9");
    assert_int_equal(n, 1);
    const struct conf_block *relay = conf_child(conf_find(root, "transport", "u"), "submission");
    assert_int_equal(conf_int(relay, "port"), 587);
    assert_string_equal(conf_text(relay, "ehlo-name"), "out.example");
    assert_null(conf_child(relay, "auth"));
    const struct conf_block *socks = conf_child(conf_find(root, "transport", "v"), "socks");
    assert_string_equal(conf_text(socks, "remote-hostname"), "mx.example");
    conf_free(&conf);
}

static void test_a_smarthost_is_not_spoken_to_in_the_clear(void **state)
{
    struct conf *conf = parse_right(HOST "deliver { tls none }\n"
                                         "transport t { smtp { host smtp.example } }\n");
    const struct conf_block *smtp =
        conf_child(conf_find(conf_root(conf), "transport", "t"), "smtp");
    assert_int_equal(conf_word(smtp, "tls"), CONF_TLS_REQUIRED);
    conf_free(&conf);
}

static void test_blocks_come_in_the_order_of_the_file(void **state)
{
    struct conf *conf = parse_right(HOST "transport b { local { } } route { to x transport b }\n"
                                         "transport a { fail { } } route { to y transport a }\n");
    const struct conf_block *root = conf_root(conf);
    const struct conf_block *one = conf_next(root, "transport", NULL);
    const struct conf_block *two = conf_next(root, "transport", one);
    assert_string_equal(conf_label(one), "b");
    assert_string_equal(conf_label(two), "a");
    assert_string_equal(conf_name(two), "transport");
    assert_null(conf_next(root, "transport", two));
    assert_ptr_equal(conf_find(root, "transport", "a"), two);
    assert_ptr_equal(conf_find(root, "transport", "b"), one);
    assert_null(conf_find(root, "transport", "c"));
    assert_null(conf_find(root, "account", "a"));
    const struct conf_block *route = conf_next(root, "route", conf_next(root, "route", NULL));
    assert_string_equal(conf_text(route, "transport"), "a");
    assert_string_equal(conf_label(route), "");
    assert_string_equal(conf_name(root), "");
    conf_free(&conf);
}

static void test_a_place_is_file_and_line(void **state)
{
    static const struct {
        const char *block, *setting, *where;
    } cases[] = {
        {"queue", "attempts", "/etc/qm.conf:4"},
        {"queue", "window", "/etc/qm.conf:3"},
        {"queue", NULL, "/etc/qm.conf:3"},
        {"dns", "timeout", "/etc/qm.conf"},
    };
    struct conf *conf = parse_right(HOST "\nqueue {\n attempts 3\n}\n");
    struct buf out = {0};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        buf_clear(&out);
        conf_where(conf_child(conf_root(conf), cases[i].block), cases[i].setting, &out);
        assert_string_equal(buf_text(&out), cases[i].where);
    }
    buf_free(&out);
    conf_free(&conf);
}

static void put_file(const struct conf_block *block, const char *name, const char *path, void *out)
{
    buf_putf(out, "%s %s %s %s\n", conf_name(block), conf_label(block), name, path);
}

static void test_files_with_secrets_can_be_listed(void **state)
{
    struct conf *conf = parse_example();
    struct buf out = {0};
    conf_each_secret_file(conf, put_file, &out);
    assert_string_equal(buf_text(&out), "dkim 2026a key-file /etc/dkim/2026a.example.org.pem\n"
                                        "auth  password-file /etc/relay.pw\n");
    buf_free(&out);
    conf_free(&conf);
}

static void ask_unknown(void *conf)
{
    (void)conf_int(conf_root(conf), "nonsense");
}

static void ask_other_type(void *conf)
{
    (void)conf_int(conf_root(conf), "hostname");
}

static void ask_text_of_number(void *conf)
{
    (void)conf_text(conf_child(conf_root(conf), "queue"), "attempts");
}

static void ask_list_as_one(void *conf)
{
    (void)conf_text(conf_child(conf_root(conf), "dns"), "server");
}

static void ask_one_as_list(void *conf)
{
    size_t n;
    (void)conf_list(conf_root(conf), "hostname", &n);
}

static void ask_unknown_block(void *conf)
{
    (void)conf_next(conf_root(conf), "nonsense", NULL);
}

static void ask_rightly(void *conf)
{
    (void)conf_int(conf_child(conf_root(conf), "queue"), "attempts");
}

static void test_a_question_that_the_table_does_not_know_is_our_mistake(void **state)
{
    static void (*const questions[])(void *) = {ask_unknown,        ask_other_type,
                                                ask_text_of_number, ask_list_as_one,
                                                ask_one_as_list,    ask_unknown_block};
    struct conf *conf = parse_right(HOST);
    for (size_t i = 0; i < sizeof questions / sizeof questions[0]; i++)
        assert_true(asserts(questions[i], conf));
    assert_false(asserts(ask_rightly, conf));
    conf_free(&conf);
    assert_null(conf);
    conf_free(&conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_not_given_has_its_default),
        cmocka_unit_test(test_what_is_given_is_got),
        cmocka_unit_test(test_a_default_is_taken_from_elsewhere),
        cmocka_unit_test(test_a_smarthost_is_not_spoken_to_in_the_clear),
        cmocka_unit_test(test_blocks_come_in_the_order_of_the_file),
        cmocka_unit_test(test_a_place_is_file_and_line),
        cmocka_unit_test(test_files_with_secrets_can_be_listed),
        cmocka_unit_test(test_a_question_that_the_table_does_not_know_is_our_mistake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
