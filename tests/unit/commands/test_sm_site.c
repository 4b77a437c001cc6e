#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "sm_site.h"

static void the_first_line_of_mailname_is_a_domain(void **state)
{
    static const struct {
        const char *text, *domain;
    } cases[] = {
        {"mail.example.org\n", "mail.example.org"},
        {"mail.example.org", "mail.example.org"},
        {"  Mail.Example.ORG \r\nother\n", "mail.example.org"},
        {"mail.example.org.\n", "mail.example.org"},
        {"b\xc3\xbc"
         "cher.example\n",
         "xn--bcher-kva.example"},
        {"localhost\n", "localhost"},
        {"\nmail.example.org\n", NULL},
        {"", NULL},
        {"two words\n", NULL},
        {".\n", NULL},
        {"a@b.example\n", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *domain = sm_site_mailname(span_text(cases[i].text));
        if (cases[i].domain == NULL) {
            assert_null(domain);
        } else {
            assert_non_null(domain);
            assert_string_equal(domain, cases[i].domain);
        }
        mem_free(&domain);
    }
}

static void a_full_name_ends_at_the_comma_and_has_the_login_for_an_ampersand(void **state)
{
    static const struct {
        const char *gecos, *login, *name;
    } cases[] = {
        {"Jane Doe,Room 1,,", "jane", "Jane Doe"},
        {"& Doe", "jane", "Jane Doe"},
        {"The & && of it", "x", "The X XX of it"},
        {"root", "root", "root"},
        {",,,", "jane", ""},
        {"", "jane", ""},
        {"& Doe", "", "& Doe"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char *name = sm_site_full_name(cases[i].gecos, cases[i].login);
        assert_string_equal(name, cases[i].name);
        mem_free(&name);
    }
}

static void a_full_name_is_bounded(void **state)
{
    char gecos[1001] = {0};
    memset(gecos, '&', 1000);
    char *name = sm_site_full_name(gecos, "abcdefghijklmnop");
    assert_in_range(strlen(name), 100, 300);
    mem_free(&name);
}

static void a_configuration_that_is_none_is_passed_over_with_a_warning(void **state)
{
    char *argv[] = {"sendmail", "-C", "/dev/null/none.conf", NULL};
    struct sm_options o;
    struct sm_site site;
    struct fail f;
    assert_int_equal(sm_options_read(&o, 3, argv, &f), 0);
    sm_site_find(&site, &o);
    assert_non_null(strstr(buf_text(&o.warnings), "-C /dev/null/none.conf"));
    assert_string_equal(site.run_dir, "/run/quartermaster");
    assert_true(strlen(site.mailname) > 0);
    assert_true(strlen(site.login) > 0);
    sm_site_clear(&site);
    sm_options_clear(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_line_of_mailname_is_a_domain),
        cmocka_unit_test(a_full_name_ends_at_the_comma_and_has_the_login_for_an_ampersand),
        cmocka_unit_test(a_full_name_is_bounded),
        cmocka_unit_test(a_configuration_that_is_none_is_passed_over_with_a_warning),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
