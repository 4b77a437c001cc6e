#include "conf_help.h"

#include "conflex.h"
#include "mem.h"

/* One text, as its tokens: W(word), Q(quoted word), !, for a bad one, { } / for a line's end and $
 * at the end of the file; and as the errors found. */
static const struct {
    const char *text, *tokens, *errors;
} cases[] = {
    {"", "$", ""},
    {"a b", "W(a)W(b)$", ""},
    {"a\tb  \n", "W(a)W(b)/$", ""},
    {"a\r\nb\r\n", "W(a)/W(b)/$", ""},
    {"\xef\xbb\xbf"
     "a",
     "W(a)$", ""},
    {"a{b}c", "W(a){W(b)}W(c)$", ""},
    {"# all { of } \" this\na # and this\n#", "/W(a)/$", ""},
    {"\"a b\" \"\" \"{#}\"", "Q(a b)Q()Q({#})$", ""},
    {"\"a\\\"b\\\\\"", "Q(a\"b\\)$", ""},
    {"a\\b c\\", "W(a\\b)W(c\\)$", ""},
    {"\"a\"{\"b\"}\"c\"#d", "Q(a){Q(b)}Q(c)$", ""},
    {"\"\u00e9\" \u00e9\u4e2d", "Q(\u00e9)W(\u00e9\u4e2d)$", ""},
    /* What is wrong is said where it is, once a word. */
    {"ab#c d", "!W(d)$",
     "f:1:3: a word with # in it has to be quoted (a comment needs a blank before it)\n"},
    {"a\"b c\" d", "!W(d)$", "f:1:2: a word with \" in it has to be quoted as a whole\n"},
    {"a\"b c\nd", "!/W(d)$", "f:1:2: a word with \" in it has to be quoted as a whole\n"},
    {"x \"never\nb \"ends", "W(x)!/W(b)!$",
     "f:1:3: the quoted word that begins here does not end on its line\n"
     "f:2:3: the quoted word that begins here does not end on its line\n"},
    {"\"ends\\\"\n", "!/$", "f:1:1: the quoted word that begins here does not end on its line\n"},
    {"\"a\\nb\" c", "!W(c)$", "f:1:3: only \\\" and \\\\ may follow a backslash in quotes\n"},
    {"\"a\"b\"c\" d", "!W(d)$", "f:1:4: a blank is missing after the quoted word\n"},
    {"\u00e9\u00e9\xff z", "!W(z)$", "f:1:3: this is not UTF-8\n"},
    {"\"\xc3\" z", "!W(z)$", "f:1:2: this is not UTF-8\n"},
    {"a\x01\x02 \"\x7f\" \xc2\x85 \rb", "!!!!$",
     "f:1:2: a control character cannot stand here\n"
     "f:1:6: a control character cannot stand here\n"
     "f:1:9: a control character cannot stand here\n"
     "f:1:11: a control character cannot stand here\n"},
};

static void put_token(struct conflex_token token, struct buf *out)
{
    static const char marks[] = {
        [CONFLEX_END] = '$', [CONFLEX_LINE] = '/', [CONFLEX_OPEN] = '{', [CONFLEX_CLOSE] = '}'};
    if (token.kind != CONFLEX_WORD || token.bad) {
        buf_putc(out, token.kind == CONFLEX_WORD ? '!' : marks[token.kind]);
        return;
    }
    char *word = conflex_word(&token);
    buf_putf(out, "%c(%s)", token.quoted ? 'Q' : 'W', word);
    mem_free(&word);
}

static void check_tokens(const char *text, const char *tokens, const char *wrong)
{
    struct confsource_list sources = {0};
    struct conf_errors errors = {0};
    struct conferror e = {&sources, &errors, NULL};
    struct buf copy = {0}, out = {0};
    buf_puts(&copy, text);
    (void)confsource_add(&sources, "f", NULL, &copy);
    struct conflex lex = conflex_open(&e, 0);
    struct conflex_token token;
    do {
        token = conflex_peek(&lex);
        assert_int_equal(token.at.offset, conflex_take(&lex).at.offset);
        put_token(token, &out);
    } while (token.kind != CONFLEX_END);
    assert_int_equal(conflex_take(&lex).kind, CONFLEX_END);
    assert_string_equal(buf_text(&out), tokens);
    char *got = sentences(&errors);
    assert_string_equal(got, wrong);
    mem_free(&got);
    buf_free(&out);
    confsource_free(&sources);
}

static void test_texts_become_tokens(void **state)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        check_tokens(cases[i].text, cases[i].tokens, cases[i].errors);
}

static void test_a_nul_is_a_control_character(void **state)
{
    struct conf_errors errors;
    assert_null(conf_parse("f", span_of("hostname a\0b\n", 13), &errors));
    char *got = sentences(&errors);
    assert_string_equal(got, "f:1:11: a control character cannot stand here\n");
    mem_free(&got);
}

static void test_lines_are_counted(void **state)
{
    struct confsource_list sources = {0};
    struct conf_errors errors = {0};
    struct conferror e = {&sources, &errors, NULL};
    struct buf copy = {0};
    buf_puts(&copy, "a\n\n# b\r\n  c");
    (void)confsource_add(&sources, "f", NULL, &copy);
    struct conflex lex = conflex_open(&e, 0);
    struct conflex_token token = conflex_take(&lex);
    assert_int_equal(token.at.line, 1);
    while (conflex_peek(&lex).kind == CONFLEX_LINE)
        token = conflex_take(&lex);
    token = conflex_take(&lex);
    assert_int_equal(token.at.line, 4);
    assert_int_equal(confsource_column(&sources, token.at), 3);
    confsource_free(&sources);
}

static void test_what_is_bare_needs_no_quotes(void **state)
{
    static const char *const bare[] = {"a", "a\\b", "*@x", "\u00e9", "http://x/?a=b&c"};
    static const char *const not [] = {"", "a b", "a#", "{", "}", "a\"", "\t"};
    for (size_t i = 0; i < sizeof bare / sizeof bare[0]; i++)
        assert_true(conflex_is_bare(span_text(bare[i])));
    for (size_t i = 0; i < sizeof not / sizeof not [0]; i++)
        assert_false(conflex_is_bare(span_text(not [i])));
}

static void test_what_is_quoted_reads_back(void **state)
{
    static const char *const texts[] = {"", "a b", "\"", "\\", "\\\"", "{ # }", "\u00e9\\\\"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct buf quoted = {0}, tokens = {0};
        conflex_quote(span_text(texts[i]), &quoted);
        buf_putf(&tokens, "Q(%s)$", texts[i]);
        check_tokens(buf_text(&quoted), buf_text(&tokens), "");
        buf_free(&quoted);
        buf_free(&tokens);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts_become_tokens),
        cmocka_unit_test(test_a_nul_is_a_control_character),
        cmocka_unit_test(test_lines_are_counted),
        cmocka_unit_test(test_what_is_bare_needs_no_quotes),
        cmocka_unit_test(test_what_is_quoted_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
