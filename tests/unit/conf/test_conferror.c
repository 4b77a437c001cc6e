#include "conf_help.h"

#include <string.h>

#include "conferror.h"

#define HOST "hostname a.example\n"

/* All that conf_errors_print writes for a text. */
static void expect_printed(const char *text, const char *expected)
{
    struct conf_errors errors;
    struct buf out = {0};
    struct conf *conf = conf_parse("f", span_text(text), &errors);
    conf_errors_print(&errors, &out);
    assert_string_equal(buf_text(&out), expected);
    buf_free(&out);
    conf_errors_free(&errors);
    conf_free(&conf);
}

static void test_the_line_is_shown_with_a_caret(void **state)
{
    expect_printed(HOST "log-level x # why\n", "f:2:11: log-level must be one of: debug info warn "
                                               "error\n"
                                               "    log-level x # why\n"
                                               "              ^\n");
    expect_printed(HOST "log-level x", "f:2:11: log-level must be one of: debug info warn error\n"
                                       "    log-level x\n"
                                       "              ^\n");
    expect_printed("log-level x\r\n", "f: hostname is needed and not given\n"
                                      "f:1:11: log-level must be one of: debug info warn error\n"
                                      "    log-level x\n"
                                      "              ^\n");
}

static void test_columns_count_characters_and_tabs_stay(void **state)
{
    expect_printed(HOST "\tmailname a\u00e9\u4e2d\tseccomp x\n",
                   "f:2:11: mailname must be ASCII: write an internationalised name in its A-label "
                   "form (xn--...)\n"
                   "    \tmailname a\u00e9\u4e2d\tseccomp x\n"
                   "    \t         ^\n"
                   "f:2:23: seccomp must be one of: kill errno off\n"
                   "    \tmailname a\u00e9\u4e2d\tseccomp x\n"
                   "    \t            \t        ^\n");
}

static void test_what_does_not_print_is_a_question_mark(void **state)
{
    expect_printed(
        HOST "mailname \x1b[1m\xff x\n",
        "f:2:10: a control character cannot stand here\n"
        "    mailname ?[1m? x\n"
        "             ^\n"
        "f:2:16: unknown setting \"x\" at the top level; mailname takes one value, quoted "
        "if it has blanks\n"
        "    mailname ?[1m? x\n"
        "                   ^\n");
}

static void test_a_long_line_is_cut_around_the_place(void **state)
{
    struct buf text = {0}, expected = {0};
    buf_puts(&text, HOST "state-dir \"");
    for (int i = 0; i < 200; i++)
        buf_puts(&text, "\u00e9");
    buf_puts(&text, "\" log-level x state-dir ");
    for (int i = 0; i < 100; i++)
        buf_puts(&text, "\u00e9");
    buf_puts(&expected, "f:2:224: log-level must be one of: debug info warn error\n    ...");
    for (int i = 0; i < 78; i++)
        buf_puts(&expected, "\u00e9");
    buf_puts(&expected, "\" log-level x state-dir ");
    for (int i = 0; i < 48; i++)
        buf_puts(&expected, "\u00e9");
    buf_puts(&expected, "...\n       ");
    for (int i = 0; i < 90; i++)
        buf_putc(&expected, ' ');
    buf_puts(&expected, "^\n");
    struct conf_errors errors;
    struct buf out = {0};
    assert_null(conf_parse("f", buf_span(&text), &errors));
    conf_errors_print(&errors, &out);
    out.n = (size_t)(strstr(buf_text(&out), "f:2:226") - (char *)buf_span(&out).p);
    assert_string_equal(buf_text(&out), buf_text(&expected));
    conf_errors_free(&errors);
    buf_free(&text);
    buf_free(&out);
    buf_free(&expected);
}

static void test_a_secret_is_never_shown(void **state)
{
    static const char *const texts[] = {
        HOST "account a { webhook outgoing { authorization sekret url x } }",
        HOST "account a { webhook outgoing { url x authorization \"Bearer \\\"sekret\\\"\" } }",
        HOST "account a { webhook outgoing { authorization \"sekret\" Bearer } }",
        HOST "account a { webhook outgoing { autorisation \"my sekret\" } }",
        HOST "account a { webhook outgoing { authorization \"x\" authorization \"a sekret\" } }",
        HOST "account a { webhook outgoing { authorization \"a sekret } }\n",
        HOST "account a { webhook outgoing { authorization \"a\\sekret\" } }\n",
        HOST "account a { webhook outgoing { authorization sekret",
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct conf_errors errors;
        struct buf out = {0};
        assert_null(conf_parse("f", span_text(texts[i]), &errors));
        conf_errors_print(&errors, &out);
        assert_null(strstr(buf_text(&out), "sekret"));
        assert_non_null(strstr(buf_text(&out), "account a { webhook outgoing {"));
        buf_free(&out);
        conf_errors_free(&errors);
    }
    expect_printed(
        HOST "account a { address a@b webhook outgoing { url x authorization \"S \u00e9\" } }",
        "f:2:21: there is no domain b in this configuration\n"
        "    account a { address a@b webhook outgoing { url x authorization ***** } }\n"
        "                        ^\n"
        "f:2:48: url must be a URL of at most 2048 octets that begins with http:// or "
        "https://\n"
        "    account a { address a@b webhook outgoing { url x authorization ***** } }\n"
        "                                                   ^\n");
}

static void test_100_errors_are_shown_and_the_others_counted(void **state)
{
    struct buf text = {0}, out = {0};
    struct conf_errors errors;
    buf_puts(&text, HOST);
    for (int i = 0; i < 150; i++)
        buf_puts(&text, "nonsense\n");
    assert_null(conf_parse("f", buf_span(&text), &errors));
    assert_int_equal(errors.n, 100);
    assert_int_equal(errors.more, 50);
    assert_int_equal(errors.failures, 150);
    assert_string_equal(errors.v[99].place, "f:101:1");
    conf_errors_print(&errors, &out);
    assert_string_equal(buf_text(&out) + out.n - 12, "and 50 more\n");
    conf_errors_free(&errors);
    assert_int_equal(errors.n, 0);
    buf_free(&text);
    buf_free(&out);
}

static void test_names_at_a_distance(void **state)
{
    static const struct {
        const char *a, *b;
        unsigned distance;
    } cases[] = {
        {"address", "address", 0},
        {"addres", "address", 1},
        {"adress", "address", 1},
        {"adderss", "address", 1},
        {"addrezs", "address", 1},
        {"ddress", "address", 1},
        {"adres", "address", 2},
        {"xaddressx", "address", 2},
        {"adre", "address", 3},
        {"", "ab", 2},
        {"", "", 0},
        {"abc", "", 3},
        {"abcdefghijklmnopqrstuvwxyzabcdefghijklmno", "abcdefghijklmnopqrstuvwxyzabcdefghijklmno",
         3},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct span a = span_text(cases[i].a), b = span_text(cases[i].b);
        assert_int_equal(conferror_distance(a, b), cases[i].distance);
        assert_int_equal(conferror_distance(b, a), cases[i].distance);
    }
}

static void test_of_a_line_without_end_the_length_is_shown(void **state)
{
    struct buf text = {0}, expected = {0};
    buf_puts(&text, HOST "log-level x   ");
    while (text.n < strlen(HOST) + 16385)
        buf_putc(&text, '#');
    buf_puts(&expected, "f:2:11: log-level must be one of: debug info warn error\n"
                        "    (a line of 16385 octets)\n");
    expect_printed(buf_text(&text), buf_text(&expected));
    buf_free(&text);
    buf_free(&expected);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_line_is_shown_with_a_caret),
        cmocka_unit_test(test_columns_count_characters_and_tabs_stay),
        cmocka_unit_test(test_what_does_not_print_is_a_question_mark),
        cmocka_unit_test(test_a_long_line_is_cut_around_the_place),
        cmocka_unit_test(test_of_a_line_without_end_the_length_is_shown),
        cmocka_unit_test(test_a_secret_is_never_shown),
        cmocka_unit_test(test_100_errors_are_shown_and_the_others_counted),
        cmocka_unit_test(test_names_at_a_distance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
