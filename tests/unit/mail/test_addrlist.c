#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "addrlist.h"
#include "mem.h"

/* The list as "name|address" joined by semicolons, or "!" when it is refused. */
static char *shown(const char *text, const char *default_domain, enum addrlist_mode mode)
{
    struct addrlist list = {0};
    struct buf out = {0};
    struct fail f = {""};
    if (addrlist_parse(span_text(text), default_domain, mode, &list, &f) < 0) {
        assert_int_equal(list.n, 0);
        assert_true(f.text[0] != '\0');
        buf_putc(&out, '!');
    }
    for (size_t i = 0; i < list.n; i++) {
        if (i > 0)
            buf_putc(&out, ';');
        if (list.items[i].name != NULL)
            buf_putf(&out, "%s|", list.items[i].name);
        address_write(&out, &list.items[i].address);
    }
    if (list.skipped > 0)
        buf_putf(&out, "+%zu", list.skipped);
    addrlist_clear(&list);
    return buf_take_text(&out);
}

struct sample {
    const char *text, *shown;
};

static const struct sample strict[] = {
    {"a@example.org", "a@example.org"},
    {" a@example.org , b@example.org ", "a@example.org;b@example.org"},
    {"a@b, Name <c@d>", "a@b;Name|c@d"},
    {"<a@b>", "a@b"},
    {"John Q. Public <jqp@example.org>", "John Q. Public|jqp@example.org"},
    {"\"Public, John \\\"Q\\\"\" <jqp@example.org>", "Public, John \"Q\"|jqp@example.org"},
    {"=?utf-8?q?J=C3=B8rn?= <j@example.org>", "=?utf-8?q?J=C3=B8rn?=|j@example.org"},
    {"J\xc3\xb8rn <j@example.org>", "J\xc3\xb8rn|j@example.org"},
    {"J\xf8rn <j@example.org>", "J\xf8rn|j@example.org"},
    /* RFC 5322 A.1.2 and A.1.3 */
    {"\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public|john.q.public@example.com"},
    {"Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
     "Mary Smith|mary@x.test;jdoe@example.org;Who?|one@y.test"},
    {"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
     "boss@nil.test;Giant; \"Big\" Box|sysservices@example.net"},
    {"A Group:Ed Jones <c@a.test>,joe@where.test,John <jdoe@one.test>;",
     "Ed Jones|c@a.test;joe@where.test;John|jdoe@one.test"},
    {"Undisclosed recipients:;", ""},
    /* A.5, A.6.1 and A.6.3 */
    {"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>", "Pete|pete@silly.test"},
    {"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public.example>,\r\n"
     "         joe@example.org,\r\n  John <jdoe@one.test> (my dear friend); (the end of the group)",
     "Chris Jones|c@public.example;joe@example.org;John|jdoe@one.test"},
    {"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", ""},
    {"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
     "Mary Smith|mary@example.net;jdoe@test.example"},
    {"Joe <@a.test,@b.test , @c.test:joe@d.test>", "Joe|joe@d.test"},
    {"John Doe <jdoe@machine(comment).  example>", "John Doe|jdoe@machine.example"},
    {"a . b @ example . org", "a.b@example.org"},
    /* the name behind the address */
    {"a@example.org (John (Jack) Doe)", "John (Jack) Doe|a@example.org"},
    {"a@example.org <b@example.org>", "a@example.org|b@example.org"},
    {"\"a b\"@example.org", "\"a b\"@example.org"},
    {"\"a\".b@example.org", "a.b@example.org"},
    {"\"a.\"@example.org", "\"a.\"@example.org"},
    {"\"fold\r\n ed\" <a@example.org>", "fold ed|a@example.org"},
    {"a@[127.0.0.1]", "a@[127.0.0.1]"},
    {"a@b\xc3\xbc.example", "a@xn--b-eha.example"},
    {",,a@example.org,,", "a@example.org"},
    {"", ""},
    {"(just a comment)", ""},
    {"G:a@b.example;, c@d.example", "a@b.example;c@d.example"},
    /* mistakes */
    {"a", "!"},
    {"John Smith", "!"},
    {"a b@example.org", "!"},
    {"a..b@example.org", "!"},
    {".a@example.org", "!"},
    {"a.@example.org", "!"},
    {"a@", "!"},
    {"@example.org", "!"},
    {"a@example.org.", "!"},
    {"a@example..org", "!"},
    {"<>", "!"},
    {"<a@example.org", "!"},
    {"a@example.org>", "!"},
    {"a@example.org b@example.org", "!"},
    {"<a@example.org> b", "!"},
    {"a@example.org; b@example.org", "!"},
    {"\"a <a@example.org>", "!"},
    {"(a <a@example.org>", "!"},
    {"(a\\", "!"},
    {"\"a\\", "!"},
    {"a@[127.0.0.1", "!"},
    {"G: a@example.org", "!"},
    {"G: H: a@example.org;;", "!"},
    {": a@example.org;", "!"},
    {"<@a.test b@c.test>", "!"},
    {"<@a.test", "!"},
    {"\x01 <a@example.org>", "!"},
    {"\"\x01\" <a@example.org>", "!"},
    {"a@example.org (\x01)", "!"},
    {"\"\xff\"@example.org", "!"},
};

static void test_lists_are_read_and_mistakes_refuse_them(void **state)
{
    for (size_t i = 0; i < sizeof strict / sizeof strict[0]; i++) {
        char *text = shown(strict[i].text, NULL, ADDRLIST_STRICT);
        assert_string_equal(text, strict[i].shown);
        mem_free(&text);
    }
}

static void test_comments_may_nest_sixteen_deep(void **state)
{
    char *text = shown("((((((((((((((((x)))))))))))))))) a@example.org", NULL, ADDRLIST_STRICT);
    assert_string_equal(text, "(((((((((((((((x)))))))))))))))|a@example.org");
    mem_free(&text);
    text = shown("(((((((((((((((((x))))))))))))))))) a@example.org", NULL, ADDRLIST_STRICT);
    assert_string_equal(text, "!");
    mem_free(&text);
}

static const struct sample unqualified[] = {
    {"root", "root@host.example"},
    {"root, a@b.example", "root@host.example;a@b.example"},
    {"<root>", "root@host.example"},
    {"Charlie <root>", "Charlie|root@host.example"},
    {"root (Charlie Root)", "Charlie Root|root@host.example"},
    {"a.b", "a.b@host.example"},
    {"two words", "!"},
    {"\"two words\"", "\"two words\"@host.example"},
};

static void test_an_address_without_a_domain_gets_the_default_one(void **state)
{
    for (size_t i = 0; i < sizeof unqualified / sizeof unqualified[0]; i++) {
        char *text = shown(unqualified[i].text, "host.example", ADDRLIST_STRICT);
        assert_string_equal(text, unqualified[i].shown);
        mem_free(&text);
    }
}

static const struct sample lenient[] = {
    {"a@b.example, nonsense, c@d.example", "a@b.example;c@d.example+1"},
    {"\"x, y\" z, c@d.example", "c@d.example+1"},
    {"G: bad, c@d.example; e@f.example", "c@d.example;e@f.example+1"},
    {"G: c@d.example", "c@d.example"},
    {"(never ends, c@d.example", "c@d.example+1"},
    {"a@b.example; c@d.example", "c@d.example+1"},
    {"<@a.test, c@d.example", "c@d.example+1"},
    {"\"never ends, c@d.example", "+1"},
};

static void test_a_lenient_reader_passes_over_mistaken_elements(void **state)
{
    for (size_t i = 0; i < sizeof lenient / sizeof lenient[0]; i++) {
        char *text = shown(lenient[i].text, NULL, ADDRLIST_LENIENT);
        assert_string_equal(text, lenient[i].shown);
        mem_free(&text);
    }
}

static void test_lists_are_appended_and_bounded(void **state)
{
    struct addrlist list = {0};
    struct buf text = {0};
    assert_int_equal(addrlist_parse(span_text("a@b"), NULL, ADDRLIST_STRICT, &list, NULL), 0);
    assert_int_equal(addrlist_parse(span_text("c@d, e"), NULL, ADDRLIST_STRICT, &list, NULL), -1);
    assert_int_equal(list.n, 1);
    for (int i = 0; i < ADDRLIST_MAX - 1; i++)
        buf_puts(&text, "a@b,");
    assert_int_equal(addrlist_parse(buf_span(&text), NULL, ADDRLIST_STRICT, &list, NULL), 0);
    assert_int_equal(list.n, ADDRLIST_MAX);
    assert_int_equal(addrlist_parse(span_text("c@d"), NULL, ADDRLIST_LENIENT, &list, NULL), -1);
    assert_int_equal(list.n, ADDRLIST_MAX);
    buf_free(&text);
    addrlist_clear(&list);
    assert_null(list.items);
    addrlist_clear(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lists_are_read_and_mistakes_refuse_them),
        cmocka_unit_test(test_comments_may_nest_sixteen_deep),
        cmocka_unit_test(test_an_address_without_a_domain_gets_the_default_one),
        cmocka_unit_test(test_a_lenient_reader_passes_over_mistaken_elements),
        cmocka_unit_test(test_lists_are_appended_and_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
