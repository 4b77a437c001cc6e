#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "page.h"

static const struct page_site site = {
    {(const unsigned char *)"http://h:1", 10}, "/webapi/", "a@b", "p<w", true};

static void test_text_cannot_end_an_element_or_attribute(void **state)
{
    struct buf out = {0};
    page_text(&out, span_text("a<b>&\"'\u263a"));
    assert_string_equal(buf_text(&out), "a&lt;b&gt;&amp;&quot;&#39;\u263a");
    buf_free(&out);
}

static void test_the_index_names_every_method_and_how_to_call_one(void **state)
{
    struct buf out = {0};
    page_index(&out, &site);
    for (size_t i = 0; methods[i] != NULL; i++) {
        char *link = mem_format("<a href=\"%s\">", methods[i]->name);
        assert_non_null(strstr(buf_text(&out), link));
        assert_non_null(strstr(buf_text(&out), methods[i]->summary));
        mem_free(&link);
    }
    assert_non_null(strstr(buf_text(&out), "curl --user a@b:p&lt;w \\\n"));
    assert_non_null(strstr(buf_text(&out), "http://h:1/webapi/v0/Send</pre>"));
    assert_non_null(strstr(buf_text(&out), "\"/metrics\""));
    assert_non_null(strstr(buf_text(&out), "<h2>Webhooks</h2>"));
    assert_non_null(strstr(buf_text(&out), "<h2>Differences</h2>"));
    assert_non_null(strstr(buf_text(&out), "<td><code>SMTPEnhancedCode</code></td>"));
    assert_null(strstr(buf_text(&out), "<script"));
    struct page_site without = site;
    without.metrics = false;
    without.path = "/api/";
    buf_clear(&out);
    page_index(&out, &without);
    assert_null(strstr(buf_text(&out), "\"/metrics\""));
    assert_null(strstr(buf_text(&out), "/webapi/"));
    assert_non_null(strstr(buf_text(&out), "http://h:1/api/v0/Send</pre>"));
    assert_non_null(strstr(buf_text(&out), "<a href=\"/api/openapi.json\">"));
    buf_free(&out);
}

/* Whether a row of the table is about the field: "To, CC, BCC" is about three. */
static bool is_named(const struct method_field *rows, const char *field)
{
    for (; rows->name != NULL; rows++) {
        for (const char *p = strstr(rows->name, field); p != NULL; p = strstr(p + 1, field)) {
            size_t n = strlen(field);
            if ((p == rows->name || p[-1] == ' ') && (p[n] == '\0' || p[n] == ','))
                return true;
        }
    }
    return false;
}

/* The call as a line for the shell, which is what most are looking for. */
static void expect_command(const char *page, const struct method *m)
{
    struct buf wanted = {0};
    buf_puts(&wanted, "<pre>curl --user a@b:p&lt;w \\\n  --data-urlencode 'request=");
    page_text(&wanted, span_text(m->example_short));
    buf_putf(&wanted, "' \\\n  http://h:1/webapi/v0/%s</pre>", m->name);
    if (strstr(page, buf_text(&wanted)) == NULL)
        fail_msg("not on the page of %s: %s", m->name, buf_text(&wanted));
    buf_free(&wanted);
}

static void test_a_page_tells_of_every_field_that_a_method_takes(void **state)
{
    for (size_t i = 0; methods[i] != NULL; i++) {
        const struct method *m = methods[i];
        struct buf out = {0};
        for (const struct jsonbind_field *f = m->bind; f->name != NULL; f++) {
            if (!is_named(m->request, f->name))
                fail_msg("%s of %s is not on its page", f->name, m->name);
        }
        page_method(&out, &site, m);
        for (const struct method_field *f = m->request; f->name != NULL; f++) {
            char *cell = mem_format("<td><code>%s</code></td>", f->name);
            assert_non_null(strstr(buf_text(&out), cell));
            mem_free(&cell);
        }
        for (const enum code *c = m->codes; *c != CODES; c++)
            assert_non_null(strstr(buf_text(&out), code_name(*c)));
        assert_non_null(strstr(buf_text(&out), "<form method=\"post\""));
        expect_command(buf_text(&out), m);
        assert_null(strstr(buf_text(&out), "<script"));
        buf_free(&out);
    }
}

/* Whoever copies an example must not be told that it is wrong. */
static void test_examples_are_requests_that_the_methods_take(void **state)
{
    for (size_t i = 0; methods[i] != NULL; i++) {
        const struct method *m = methods[i];
        const char *const examples[] = {m->example_request, m->example_short};
        for (size_t k = 0; k < 2; k++) {
            struct fail f = {{0}};
            void *request = mem_zero(m->size);
            struct json_doc *doc =
                jsonbind_parse(span_text(examples[k]), NULL, m->bind, request, &f);
            if (doc == NULL)
                fail_msg("%s: %s", m->name, f.text);
            jsonread_free(&doc);
            mem_free(&request);
            assert_null(k == 1 ? strchr(examples[k], '\'') : NULL);
        }
        if (m->example_response != NULL) {
            struct json_doc *doc = jsonread_parse(span_text(m->example_response), NULL, NULL);
            assert_non_null(doc);
            jsonread_free(&doc);
        }
    }
}

static void test_a_method_is_found_by_its_exact_name(void **state)
{
    assert_non_null(methods_find("Send"));
    assert_null(methods_find("send"));
    assert_null(methods_find(""));
    for (size_t i = 0; methods[i] != NULL; i++)
        assert_int_equal(methods_index(methods[i]), i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_cannot_end_an_element_or_attribute),
        cmocka_unit_test(test_the_index_names_every_method_and_how_to_call_one),
        cmocka_unit_test(test_a_page_tells_of_every_field_that_a_method_takes),
        cmocka_unit_test(test_examples_are_requests_that_the_methods_take),
        cmocka_unit_test(test_a_method_is_found_by_its_exact_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
