/* themes: json codec base */
#include <assert.h>
#include <string.h>

#include "jsonbind.h"
#include "jsonread.h"
#include "jsonwrite.h"
#include "utf8.h"

/* Whatever the gate lets through, cJSON takes; texts are UTF-8 without a NUL; what is written from
 * a tree reads back as the same tree. Numbers that are no integers are left out of the copy. */

static void copy_value(const struct json_doc *doc, const struct json_value *v, struct jsonwrite *w)
{
    int64_t number;
    switch (jsonread_kind(v)) {
    case JSON_NULL:
        jsonwrite_null(w);
        return;
    case JSON_BOOL:
        jsonwrite_bool(w, jsonread_bool(v));
        return;
    case JSON_NUMBER:
        if (jsonread_int64(doc, v, &number, NULL) == 0)
            jsonwrite_int64(w, number);
        else
            jsonwrite_null(w);
        return;
    case JSON_TEXT:
        assert(utf8_valid(jsonread_text(v)) && span_find(jsonread_text(v), 0) < 0);
        jsonwrite_span(w, jsonread_text(v));
        return;
    case JSON_ARRAY:
        jsonwrite_array(w);
        for (const struct json_value *e = jsonread_first(v); e != NULL; e = jsonread_next(e))
            copy_value(doc, e, w);
        jsonwrite_array_end(w);
        return;
    case JSON_OBJECT:
        jsonwrite_object(w);
        for (const struct json_value *e = jsonread_first(v); e != NULL; e = jsonread_next(e)) {
            jsonwrite_key_span(w, jsonread_key(e));
            copy_value(doc, e, w);
        }
        jsonwrite_object_end(w);
        return;
    }
}

static void copy_text(const struct json_doc *doc, struct buf *out)
{
    struct jsonwrite w;
    jsonwrite_open(&w, out, JSONWRITE_HTML);
    copy_value(doc, jsonread_root(doc), &w);
    jsonwrite_close(&w);
}

static void round_trip(struct span text)
{
    struct json_limits limits = {.values = 1000, .depth = 20};
    struct fail f = {0};
    struct buf once = {0}, twice = {0};
    struct json_doc *doc = jsonread_parse(text, &limits, &f);
    if (doc == NULL) {
        assert(f.text[0] != '\0' && strcmp(f.text, "invalid JSON") != 0);
        return;
    }
    copy_text(doc, &once);
    jsonread_free(&doc);
    doc = jsonread_parse(buf_span(&once), &limits, &f);
    assert(doc != NULL);
    copy_text(doc, &twice);
    assert(span_equal(buf_span(&once), buf_span(&twice)));
    jsonread_free(&doc);
    buf_free(&once);
    buf_free(&twice);
}

struct thing {
    bool flag, *maybe;
    int64_t number, *when;
    struct span text, octets;
    struct jsonbind_array list, map, pairs;
};

static const struct jsonbind_field inner_fields[] = {
    {"T", JSONBIND_TEXT, 0, .required = true},
    {0},
};
static const struct jsonbind_field an_inner = {
    .type = JSONBIND_OBJECT, .of = inner_fields, .size = sizeof(struct span)};
static const struct jsonbind_field a_pair = {.type = JSONBIND_TEXTS, .count = 2};
static const struct jsonbind_field fields[] = {
    {"F", JSONBIND_BOOL, offsetof(struct thing, flag)},
    {"M", JSONBIND_BOOL, offsetof(struct thing, maybe), .pointer = true},
    {"N", JSONBIND_INT64, offsetof(struct thing, number)},
    {"W", JSONBIND_TIME, offsetof(struct thing, when), .pointer = true},
    {"T", JSONBIND_TEXT, offsetof(struct thing, text)},
    {"O", JSONBIND_BYTES, offsetof(struct thing, octets)},
    {"L", JSONBIND_ARRAY, offsetof(struct thing, list), .of = &an_inner, .max = 5},
    {"K", JSONBIND_MAP, offsetof(struct thing, map)},
    {"P", JSONBIND_ARRAY, offsetof(struct thing, pairs), .of = &a_pair},
    {0},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct thing thing = {0};
    struct fail f = {0};
    round_trip(span_of(data, size));
    struct json_doc *doc = jsonbind_parse(span_of(data, size), NULL, fields, &thing, &f);
    if (doc == NULL) {
        assert(f.text[0] != '\0');
        return 0;
    }
    assert(thing.list.n <= 5);
    for (size_t i = 0; i < thing.list.n; i++)
        assert(utf8_valid(((const struct span *)thing.list.p)[i]));
    for (size_t i = 0; i < thing.map.n; i++)
        assert(((const struct jsonbind_pair *)thing.map.p)[i].key.p != NULL);
    jsonread_free(&doc);
    return 0;
}
