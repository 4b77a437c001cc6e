#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "mem.h"
#include "openapi.h"
#include "types.h"

static void test_the_words_of_a_type_are_read(void **state)
{
    static const struct {
        const char *text;
        int rc;
        enum type_kind kind;
        bool or_null;
    } cases[] = {
        {"string", 0, TYPE_STRING, false},
        {"integer", 0, TYPE_INTEGER, false},
        {"bool or null", 0, TYPE_BOOL, true},
        {"time or null", 0, TYPE_TIME, true},
        {"base64", 0, TYPE_BASE64, false},
        {"file", 0, TYPE_FILE, false},
        {"{string: string}", 0, TYPE_MAP, false},
        {"[string]", 0, TYPE_LIST, false},
        {"[[name, value]]", 0, TYPE_LIST, false},
        {"[name, value]", 0, TYPE_TUPLE, false},
        {"address", 0, TYPE_OBJECT, false},
        {"address or null", 0, TYPE_OBJECT, true},
        {"[[address]]", 0, TYPE_LIST, false},
        {"", -1, 0, false},
        {"strings", -1, 0, false},
        {"[]", -1, 0, false},
        {"[strings]", -1, 0, false},
        {"[string", -1, 0, false},
        {" or null", -1, 0, false},
        {"{string: bool}", -1, 0, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct type_of of = {0};
        int rc = types_read(span_text(cases[i].text), &of);
        if (rc != cases[i].rc ||
            (rc == 0 && (of.kind != cases[i].kind || of.or_null != cases[i].or_null)))
            fail_msg("%s: %d, kind %d", cases[i].text, rc, (int)of.kind);
    }
    struct type_of pair;
    assert_int_equal(types_read(span_text("[a, b, c]"), &pair), 0);
    assert_int_equal(pair.count, 3);
}

/* ---- what is bound is what is written down ---- */

static void compare_tables(const char *where, const struct jsonbind_field *bind,
                           const struct method_field *rows);

/* Whether a value that is bound so is one of this type; objects are gone into. */
static bool is_of(const char *where, const struct jsonbind_field *b, const struct type_of *of)
{
    struct type_of element;
    switch (b->type) {
    case JSONBIND_BOOL:
        return of->kind == TYPE_BOOL;
    case JSONBIND_INT64:
        return of->kind == TYPE_INTEGER;
    case JSONBIND_TEXT:
        return of->kind == TYPE_STRING || of->kind == TYPE_BASE64;
    case JSONBIND_BYTES:
        return of->kind == TYPE_BASE64;
    case JSONBIND_TIME:
    case JSONBIND_CALL: /* those that there are read a time */
        return of->kind == TYPE_TIME;
    case JSONBIND_TEXTS:
        return of->kind == TYPE_TUPLE && of->count == b->count;
    case JSONBIND_MAP:
        return of->kind == TYPE_MAP;
    case JSONBIND_ARRAY:
        return of->kind == TYPE_LIST && types_read(of->element, &element) == 0 &&
               is_of(where, b->of, &element);
    case JSONBIND_OBJECT:
        if (of->kind == TYPE_OBJECT)
            compare_tables(of->object->name, b->of, of->object->fields);
        return of->kind == TYPE_OBJECT;
    }
    return false;
}

/* The row that tells of a field; NULL when there is none, or several. */
static const struct method_field *row_of(const struct method_field *rows, const char *field)
{
    const struct method_field *found = NULL;
    for (; rows->name != NULL; rows++) {
        struct span names = span_text(rows->name), name;
        while (types_next_name(&names, &name)) {
            if (!span_is(name, field))
                continue;
            if (found != NULL)
                return NULL;
            found = rows;
        }
    }
    return found;
}

static size_t count_names(const struct method_field *rows)
{
    size_t n = 0;
    for (; rows->name != NULL; rows++) {
        struct span names = span_text(rows->name), name;
        while (types_next_name(&names, &name))
            n++;
    }
    return n;
}

static void compare_tables(const char *where, const struct jsonbind_field *bind,
                           const struct method_field *rows)
{
    size_t n = 0;
    for (; bind->name != NULL; bind++, n++) {
        const struct method_field *row = row_of(rows, bind->name);
        struct type_of of;
        if (row == NULL)
            fail_msg("%s: %s has no row of its own in the table for readers", where, bind->name);
        if (types_read(span_text(row->type), &of) != 0)
            fail_msg("%s: %s: \"%s\" is no type: see webapi/types.h", where, row->name, row->type);
        if (!is_of(where, bind, &of))
            fail_msg("%s: %s is not bound as \"%s\"", where, bind->name, row->type);
    }
    if (count_names(rows) != n)
        fail_msg("%s: the table for readers has %zu fields, and %zu are bound", where,
                 count_names(rows), n);
}

static void test_every_field_that_is_bound_is_written_down_with_its_type(void **state)
{
    for (size_t i = 0; methods[i] != NULL; i++)
        compare_tables(methods[i]->name, methods[i]->bind, methods[i]->request);
}

static void check_types(const char *where, const struct method_field *rows)
{
    struct type_of of;
    for (; rows != NULL && rows->name != NULL; rows++) {
        if (types_read(span_text(rows->type), &of) != 0)
            fail_msg("%s: %s: \"%s\" is no type: see webapi/types.h", where, rows->name,
                     rows->type);
        assert_true(rows->text[0] != '\0');
    }
}

static void test_every_type_that_is_written_down_is_one(void **state)
{
    for (size_t i = 0; methods[i] != NULL; i++) {
        check_types(methods[i]->name, methods[i]->request);
        check_types(methods[i]->name, methods[i]->response);
        check_types(methods[i]->name, methods[i]->files);
    }
    for (size_t i = 0; types[i] != NULL; i++)
        check_types(types[i]->name, types[i]->fields);
}

/* ---- examples of responses are what they are said to be ---- */

static void check_value(const char *where, const struct json_value *v, struct span text);

static void check_members(const char *where, const struct json_value *v,
                          const struct method_field *rows)
{
    assert_int_equal(jsonread_kind(v), JSON_OBJECT);
    if (jsonread_count(v) != count_names(rows))
        fail_msg("%s: the example has %zu fields", where, jsonread_count(v));
    for (; rows->name != NULL; rows++) {
        const struct json_value *member = jsonread_member(v, rows->name);
        if (member == NULL)
            fail_msg("%s: the example has no %s", where, rows->name);
        check_value(rows->name, member, span_text(rows->type));
    }
}

static void check_value(const char *where, const struct json_value *v, struct span text)
{
    static const enum json_kind kinds[] = {
        [TYPE_STRING] = JSON_TEXT, [TYPE_INTEGER] = JSON_NUMBER, [TYPE_BOOL] = JSON_BOOL,
        [TYPE_TIME] = JSON_TEXT,   [TYPE_BASE64] = JSON_TEXT,    [TYPE_MAP] = JSON_OBJECT,
        [TYPE_TUPLE] = JSON_ARRAY, [TYPE_LIST] = JSON_ARRAY,     [TYPE_OBJECT] = JSON_OBJECT,
    };
    struct type_of of;
    assert_int_equal(types_read(text, &of), 0);
    if (of.or_null && jsonread_kind(v) == JSON_NULL)
        return;
    if (jsonread_kind(v) != kinds[of.kind])
        fail_msg("%s: the example is not of its type", where);
    if (of.kind == TYPE_OBJECT)
        check_members(of.object->name, v, of.object->fields);
    for (const struct json_value *e = jsonread_first(v); of.kind == TYPE_LIST && e != NULL;
         e = jsonread_next(e))
        check_value(where, e, of.element);
}

static void test_examples_of_responses_have_all_fields(void **state)
{
    for (size_t i = 0; methods[i] != NULL; i++) {
        if (methods[i]->response == NULL)
            continue;
        struct json_doc *doc = jsonread_parse(span_text(methods[i]->example_response), NULL, NULL);
        assert_non_null(doc);
        check_members(methods[i]->name, jsonread_root(doc), methods[i]->response);
        jsonread_free(&doc);
    }
}

/* ---- the document ---- */

static void test_the_document_has_a_path_for_every_method(void **state)
{
    struct buf out = {0};
    struct fail f;
    openapi_write(&out, span_text("http://h\"<:1"), "/api/");
    struct json_doc *doc = jsonread_parse(buf_span(&out), NULL, &f);
    if (doc == NULL)
        fail_msg("%s", f.text);
    const struct json_value *root = jsonread_root(doc), *paths = jsonread_member(root, "paths");
    assert_true(span_is(jsonread_text(jsonread_member(root, "openapi")), "3.1.0"));
    assert_non_null(strstr(buf_text(&out), "http://h\\\"<:1"));
    for (size_t i = 0; methods[i] != NULL; i++) {
        char *path = mem_format("/api/v0/%s", methods[i]->name);
        assert_non_null(jsonread_member(paths, path));
        mem_free(&path);
    }
    jsonread_free(&doc);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_words_of_a_type_are_read),
        cmocka_unit_test(test_every_field_that_is_bound_is_written_down_with_its_type),
        cmocka_unit_test(test_every_type_that_is_written_down_is_one),
        cmocka_unit_test(test_examples_of_responses_have_all_fields),
        cmocka_unit_test(test_the_document_has_a_path_for_every_method),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
