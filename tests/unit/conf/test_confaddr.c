#include "conf_help.h"

#include <stdio.h>
#include <string.h>

#include "confaddr.h"

static const char text[] = "hostname mx.example\n"
                           "domain a.example { }\n"
                           "domain b.example { catchall-separator -- }\n"
                           "domain c.example { catchall-separator \"\" }\n"
                           "account one { address One@a.example one@b.example one@c.example }\n"
                           "account two { address one+two@a.example *@b.example }\n"
                           "account three { address *@a.example \u00e9@a.example }\n";

static const struct {
    const char *local, *domain, *account;
    enum confaddr_match how;
} cases[] = {
    {"one", "a.example", "one", CONFADDR_EXACT},
    {"ONE", "A.Example", "one", CONFADDR_EXACT},
    {"one+x", "a.example", "one", CONFADDR_SEPARATOR},
    {"One+", "a.example", "one", CONFADDR_SEPARATOR},
    {"one+x+y", "a.example", "one", CONFADDR_SEPARATOR},
    {"one+two", "a.example", "two", CONFADDR_EXACT},
    {"one+two+x", "a.example", "one", CONFADDR_SEPARATOR}, /* cut at the first */
    {"one-x", "a.example", "three", CONFADDR_CATCHALL},
    {"+one", "a.example", "three", CONFADDR_CATCHALL},
    {"*", "a.example", "three", CONFADDR_CATCHALL},
    {"*+x", "a.example", "three", CONFADDR_CATCHALL},
    {"", "a.example", "three", CONFADDR_CATCHALL},
    {"a@b", "a.example", "three", CONFADDR_CATCHALL},
    {"\u00e9", "a.example", "three", CONFADDR_EXACT},
    {"one--x", "b.example", "one", CONFADDR_SEPARATOR},
    {"one-x", "b.example", "two", CONFADDR_CATCHALL},
    {"one+x", "b.example", "two", CONFADDR_CATCHALL},
    {"one", "c.example", "one", CONFADDR_EXACT},
    {"one+x", "c.example", NULL, 0},
    {"two", "c.example", NULL, 0},
    {"*", "c.example", NULL, 0},
    {"one", "x.example", NULL, 0},
    {"one", "", NULL, 0},
    {"one", "a.example.", NULL, 0},
};

static void check_cases(const struct conf *conf)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum confaddr_match how = 99;
        struct span local = span_text(cases[i].local), domain = span_text(cases[i].domain);
        const struct conf_block *account = confaddr_account(conf, local, domain, &how);
        assert_string_equal(account == NULL ? "-" : conf_label(account),
                            cases[i].account == NULL ? "-" : cases[i].account);
        if (account != NULL)
            assert_int_equal(how, cases[i].how);
        assert_ptr_equal(confaddr_account(conf, local, domain, NULL), account);
    }
}

static void test_an_address_has_one_owner(void **state)
{
    struct conf *conf = parse_right(text);
    check_cases(conf);
    conf_free(&conf);
}

static void test_a_share_is_enough(void **state)
{
    static const unsigned readers[] = {CONF_SMTPD, CONF_QMGR, CONF_DELIVERY, CONF_WEBAPI,
                                       CONF_VAULT};
    struct conf *conf = parse_right(text);
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        struct buf share = {0};
        struct fail f;
        conf_encode(conf, readers[i], &share);
        struct conf *decoded = conf_decode(buf_span(&share), readers[i], &f);
        assert_non_null(decoded);
        check_cases(decoded);
        conf_free(&decoded);
        buf_free(&share);
    }
    conf_free(&conf);
}

static void test_addresses_longer_than_any_match_only_a_catch_all(void **state)
{
    struct conf *conf = parse_right(text);
    char local[2000];
    memset(local, 'x', sizeof local);
    struct span domain = span_text("a.example");
    assert_null(confaddr_account(conf, span_of(local, sizeof local), span_of(local, 900), NULL));
    const struct conf_block *three =
        confaddr_account(conf, span_of(local, sizeof local), domain, NULL);
    assert_string_equal(conf_label(three), "three");
    assert_string_equal(conf_label(confaddr_account(conf, span_of("one\0x", 5), domain, NULL)),
                        "three");
    conf_free(&conf);
}

static void test_domains_are_found_without_regard_to_case(void **state)
{
    struct conf *conf = parse_right(text);
    assert_string_equal(conf_label(confaddr_domain(conf, span_text("B.EXAMPLE"))), "b.example");
    assert_null(confaddr_domain(conf, span_text("example")));
    assert_null(confaddr_domain(conf, span_text("")));
    assert_null(confaddr_domain(conf, span_of("a.example\0", 10)));
    conf_free(&conf);
}

static void test_the_base_ends_before_the_separator(void **state)
{
    static const struct {
        const char *local, *domain;
        size_t base;
    } bases[] = {
        {"one+x", "a.example", 3}, {"one", "a.example", 3}, {"+x", "a.example", 2},
        {"a--b", "b.example", 1},  {"a+b", "c.example", 3}, {"a+b", "x.example", 3},
        {"", "a.example", 0},      {"a+", "A.EXAMPLE", 1},
    };
    struct conf *conf = parse_right(text);
    for (size_t i = 0; i < sizeof bases / sizeof bases[0]; i++)
        assert_int_equal(confaddr_base(conf, span_text(bases[i].local), span_text(bases[i].domain)),
                         bases[i].base);
    conf_free(&conf);
}

static void test_patterns_fit_domains(void **state)
{
    static const struct {
        const char *pattern, *domain;
        bool fits;
    } patterns[] = {
        {"gmail.com", "gmail.com", true},
        {"gmail.com", "GMail.com", true},
        {"gmail.com", "x.gmail.com", false},
        {".gmail.com", "gmail.com", true},
        {".gmail.com", "a.b.Gmail.com", true},
        {".gmail.com", "xgmail.com", false},
        {".gmail.com", "com", false},
        {"*", "gmail.com", true},
        {"*", "", true},
        {"gmail.com", "", false},
        {".com", ".com", false},
    };
    for (size_t i = 0; i < sizeof patterns / sizeof patterns[0]; i++)
        assert_int_equal(confaddr_fits(patterns[i].pattern, span_text(patterns[i].domain)),
                         patterns[i].fits);
}

static void test_the_postmaster_is_at_the_hostname_unless_given(void **state)
{
    struct conf *conf = parse_right("hostname mx.example");
    char *postmaster = confaddr_postmaster(conf);
    assert_string_equal(postmaster, "postmaster@mx.example");
    mem_free(&postmaster);
    conf_free(&conf);
    conf = parse_right("hostname mx.example postmaster root@b.example");
    postmaster = confaddr_postmaster(conf);
    assert_string_equal(postmaster, "root@b.example");
    mem_free(&postmaster);
    conf_free(&conf);
}

static void test_10000_accounts_are_all_found(void **state)
{
    struct buf many = {0};
    struct conf_errors errors;
    buf_puts(&many, "hostname mx.example\ndomain d.example { }\n");
    for (int i = 0; i < 10000; i++)
        buf_putf(&many, "account a%d { address u%d@d.example v%d@d.example }\n", i, i, i);
    struct conf *conf = conf_parse("f", buf_span(&many), &errors);
    assert_non_null(conf);
    for (int i = 0; i < 10000; i++) {
        char local[32], name[32];
        (void)snprintf(local, sizeof local, "V%d+x", i);
        (void)snprintf(name, sizeof name, "a%d", i);
        const struct conf_block *account =
            confaddr_account(conf, span_text(local), span_text("d.example"), NULL);
        assert_non_null(account);
        assert_string_equal(conf_label(account), name);
        assert_ptr_equal(conf_find(conf_root(conf), "account", name), account);
    }
    conf_errors_free(&errors);
    conf_free(&conf);
    buf_free(&many);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_an_address_has_one_owner),
        cmocka_unit_test(test_a_share_is_enough),
        cmocka_unit_test(test_addresses_longer_than_any_match_only_a_catch_all),
        cmocka_unit_test(test_domains_are_found_without_regard_to_case),
        cmocka_unit_test(test_the_base_ends_before_the_separator),
        cmocka_unit_test(test_patterns_fit_domains),
        cmocka_unit_test(test_the_postmaster_is_at_the_hostname_unless_given),
        cmocka_unit_test(test_10000_accounts_are_all_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
