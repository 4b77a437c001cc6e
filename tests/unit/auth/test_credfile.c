#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "credfile.h"
#include "mem.h"

#define A                                                                                          \
    "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$"                                                 \
    "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU="
#define B                                                                                          \
    "SCRAM-SHA-256$5000:AAAAAAAAAAAAAAAAAAAAAA==$"                                                 \
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="

static struct credfile *parsed(const char *text)
{
    struct fail f = {""};
    struct credfile *c = credfile_parse(span_text(text), &f);
    if (c == NULL)
        fail_msg("%s", f.text);
    return c;
}

static uint32_t iterations_of(const struct credfile *c, const char *account)
{
    const struct scram_verifier *v = credfile_find(c, span_text(account));
    return v == NULL ? 0 : v->iterations;
}

static void test_each_account_has_the_verifier_of_its_line(void **state)
{
    struct credfile *c = parsed("# who may send\n"
                                "\n"
                                "zoe " A "\n"
                                "  billing\t" B "  \r\n"
                                " # zoe " B "\n"
                                "caf\xc3\xa9 " A "\n"
                                "a.b+c@d.example " B);
    assert_int_equal(credfile_count(c), 4);
    assert_int_equal(iterations_of(c, "zoe"), 4096);
    assert_int_equal(iterations_of(c, "billing"), 5000);
    assert_int_equal(iterations_of(c, "caf\xc3\xa9"), 4096);
    assert_int_equal(iterations_of(c, "a.b+c@d.example"), 5000);
    static const char *const none[] = {"", "zo", "zoe ", "Zoe", "zoea", "aaa", "zzz", "#"};
    for (size_t i = 0; i < sizeof none / sizeof none[0]; i++)
        assert_null(credfile_find(c, span_text(none[i])));
    assert_null(credfile_find(c, span_of("zoe\0", 4)));
    credfile_free(&c);
    assert_null(c);
    credfile_free(&c);
}

static void test_an_empty_file_has_no_account(void **state)
{
    static const char *const empty[] = {"", "\n", "# nothing", "\n\n  \n#\n"};
    for (size_t i = 0; i < sizeof empty / sizeof empty[0]; i++) {
        struct credfile *c = parsed(empty[i]);
        assert_int_equal(credfile_count(c), 0);
        assert_null(credfile_find(c, span_text("zoe")));
        credfile_free(&c);
    }
}

static void test_a_fault_is_told_with_its_line(void **state)
{
    static const char *const cases[][2] = {
        {"zoe\n", "line 1: an account name and its verifier are expected"},
        {"\n#\nzoe \n", "line 3: an account name and its verifier are expected"},
        {"zoe " A "\nbob secret\n", "line 2: not a verifier of SCRAM-SHA-256"},
        {"zoe " A " x\n", "line 1: something follows the verifier"},
        {"zoe " A "#\n", "line 1: the ServerKey is not 32 octets in base64"},
        {"b\x01o " A "\n", "line 1: this is no account name"},
        {"b\xffo " A "\n", "line 1: this is no account name"},
        {"b\vo " A "\n", "line 1: this is no account name"},
        {"zoe " A "\nbob " A "\n\nzoe " B "\n", "line 4: account zoe already has line 1"},
        {"a " A "\nb " B "\nb " A "\na " A "\n", "line 4: account a already has line 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct fail f = {""};
        assert_null(credfile_parse(span_text(cases[i][0]), &f));
        assert_string_equal(f.text, cases[i][1]);
    }
    struct fail f = {""};
    assert_null(credfile_parse(span_of("zoe\0 " A "\n", sizeof "zoe\0 " A "\n" - 1), &f));
    assert_string_equal(f.text, "line 1: this is no account name");
}

static void test_a_line_has_at_most_512_octets(void **state)
{
    for (size_t n = 512; n <= 513; n++) {
        for (int feed = 0; feed <= 1; feed++) {
            struct buf text = {0};
            struct fail f = {""};
            buf_puts(&text, "zoe " A);
            while (text.n < n)
                buf_putc(&text, ' ');
            if (feed)
                buf_putc(&text, '\n');
            struct credfile *c = credfile_parse(buf_span(&text), &f);
            assert_int_equal(c != NULL, n == 512);
            if (c == NULL)
                assert_string_equal(f.text, "line 1: longer than 512 octets");
            credfile_free(&c);
            buf_free(&text);
        }
    }
}

static void test_a_file_has_at_most_100000_lines_and_every_account_is_found(void **state)
{
    struct buf text = {0}, out = {0};
    struct fail f = {""};
    struct scram_verifier v = {.iterations = 4096, .salt_size = 8};
    for (int i = 0; i < CREDFILE_LINES_MAX; i++)
        buf_putf(&text, "account-%d " A "\n", i * 7919 % CREDFILE_LINES_MAX);
    assert_true(text.n < CREDFILE_MAX);
    struct credfile *c = credfile_parse(buf_span(&text), &f);
    assert_non_null(c);
    assert_int_equal(credfile_count(c), CREDFILE_LINES_MAX);
    for (int i = 0; i < CREDFILE_LINES_MAX; i += 997) {
        char *name = mem_format("account-%d", i);
        assert_int_equal(iterations_of(c, name), 4096);
        mem_free(&name);
    }
    assert_int_equal(credfile_replace(buf_span(&text), span_text("one"), &v, &out, &f), -1);
    assert_string_equal(f.text, "the file has 100000 lines already");
    assert_int_equal(out.n, 0);
    assert_int_equal(credfile_replace(buf_span(&text), span_text("account-5"), &v, &out, &f), 0);
    buf_puts(&text, "#\n");
    assert_null(credfile_parse(buf_span(&text), &f));
    assert_string_equal(f.text, "line 100001: more than 100000 lines");
    credfile_free(&c);
    buf_free(&text);
    buf_free(&out);
}

static void test_one_line_is_replaced_and_all_else_stays(void **state)
{
    static const char *const cases[][4] = {
        /* text, account, what becomes of it, what is left without the account */
        {"", "zoe", "zoe " B "\n", ""},
        {"zoe " A "\n", "zoe", "zoe " B "\n", ""},
        {"zoe " A, "zoe", "zoe " B "\n", ""},
        {"# top\n\n  zoe\t" A " \nbob " A "\n", "zoe", "# top\n\nzoe " B "\nbob " A "\n",
         "# top\n\nbob " A "\n"},
        {"# zoe " A "\nbob " A, "zoe", "# zoe " A "\nbob " A "\nzoe " B "\n",
         "# zoe " A "\nbob " A "\n"},
        {"zo " A "\nzoea " A "\n# end", "zoe", "zo " A "\nzoea " A "\n# end\nzoe " B "\n",
         "zo " A "\nzoea " A "\n# end\n"},
    };
    struct scram_verifier v;
    assert_int_equal(scram_parse(&v, span_text(B), NULL), 0);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct buf out = {0};
        struct span text = span_text(cases[i][0]), account = span_text(cases[i][1]);
        assert_int_equal(credfile_replace(text, account, &v, &out, NULL), 0);
        assert_string_equal(buf_text(&out), cases[i][2]);
        struct credfile *c = parsed(buf_text(&out));
        assert_int_equal(iterations_of(c, "zoe"), 5000);
        credfile_free(&c);
        buf_clear(&out);
        assert_int_equal(credfile_replace(text, account, NULL, &out, NULL), 0);
        assert_string_equal(buf_text(&out), cases[i][3]);
        buf_wipe(&out);
    }
}

static void test_a_faulty_file_or_name_is_not_written(void **state)
{
    static const char *const names[] = {"", "two words", "#zoe", "z\noe", "z\x7f", "\xc3("};
    struct scram_verifier v;
    struct buf out = {0};
    struct fail f = {""};
    assert_int_equal(scram_parse(&v, span_text(B), NULL), 0);
    buf_puts(&out, "x");
    assert_int_equal(credfile_replace(span_text("bob\n"), span_text("zoe"), &v, &out, &f), -1);
    assert_string_equal(f.text, "line 1: an account name and its verifier are expected");
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_false(credfile_is_name(span_text(names[i])));
        assert_int_equal(credfile_replace(span_text(""), span_text(names[i]), &v, &out, &f), -1);
        assert_non_null(strstr(f.text, "this cannot be an account's name here: 1 to 128 octets"));
    }
    char name[130];
    memset(name, 'n', sizeof name);
    assert_true(credfile_is_name(span_of(name, 128)));
    assert_false(credfile_is_name(span_of(name, 129)));
    assert_int_equal(credfile_replace(span_text(""), span_of(name, 129), &v, &out, &f), -1);
    assert_string_equal(buf_text(&out), "x");
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_account_has_the_verifier_of_its_line),
        cmocka_unit_test(test_an_empty_file_has_no_account),
        cmocka_unit_test(test_a_fault_is_told_with_its_line),
        cmocka_unit_test(test_a_line_has_at_most_512_octets),
        cmocka_unit_test(test_a_file_has_at_most_100000_lines_and_every_account_is_found),
        cmocka_unit_test(test_one_line_is_replaced_and_all_else_stays),
        cmocka_unit_test(test_a_faulty_file_or_name_is_not_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
