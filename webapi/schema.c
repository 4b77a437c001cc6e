#include "schema.h"

#include <assert.h>

#include "jsonread.h"
#include "mem.h"
#include "types.h"

/* ---- members, and values from elsewhere ---- */

void schema_text(struct jsonwrite *w, const char *name, const char *text)
{
    jsonwrite_key(w, name);
    jsonwrite_text(w, text);
}

void schema_begin(struct jsonwrite *w, const char *name)
{
    jsonwrite_key(w, name);
    jsonwrite_object(w);
}

void schema_ref(struct jsonwrite *w, const char *base, const char *name)
{
    char *ref = mem_format("%s%s", base, name);
    jsonwrite_object(w);
    schema_text(w, "$ref", ref);
    jsonwrite_object_end(w);
    mem_free(&ref);
}

static void put_value(struct jsonwrite *w, const struct json_doc *doc, const struct json_value *v)
{
    enum json_kind kind = jsonread_kind(v);
    int64_t n;
    switch (kind) {
    case JSON_NULL:
        jsonwrite_null(w);
        return;
    case JSON_BOOL:
        jsonwrite_bool(w, jsonread_bool(v));
        return;
    case JSON_TEXT:
        jsonwrite_span(w, jsonread_text(v));
        return;
    case JSON_NUMBER:
        if (jsonread_int64(doc, v, &n, NULL) != 0)
            assert(!"an example holds a number that is no integer");
        jsonwrite_int64(w, n);
        return;
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    kind == JSON_ARRAY ? jsonwrite_array(w) : jsonwrite_object(w);
    for (const struct json_value *e = jsonread_first(v); e != NULL; e = jsonread_next(e)) {
        if (kind == JSON_OBJECT)
            jsonwrite_key_span(w, jsonread_key(e));
        put_value(w, doc, e);
    }
    kind == JSON_ARRAY ? jsonwrite_array_end(w) : jsonwrite_object_end(w);
}

void schema_example(struct jsonwrite *w, const char *name, const char *json)
{
    struct fail f;
    struct json_doc *doc = jsonread_parse(span_text(json), NULL, &f);
    assert(doc != NULL);
    jsonwrite_key(w, name);
    put_value(w, doc, jsonread_root(doc));
    jsonread_free(&doc);
}

/* ---- schemas ---- */

void schema_type(struct jsonwrite *w, const char *type, bool or_null)
{
    jsonwrite_key(w, "type");
    if (or_null) {
        jsonwrite_array(w);
        jsonwrite_text(w, type);
        jsonwrite_text(w, "null");
        jsonwrite_array_end(w);
    } else {
        jsonwrite_text(w, type);
    }
}

static void put_items(struct jsonwrite *w, const struct type_of *of)
{
    schema_begin(w, "items");
    if (of->kind == TYPE_LIST) {
        schema_members(w, of->element);
        jsonwrite_object_end(w);
        return;
    }
    schema_type(w, "string", false);
    jsonwrite_object_end(w);
    jsonwrite_key(w, "minItems");
    jsonwrite_uint64(w, of->count);
    jsonwrite_key(w, "maxItems");
    jsonwrite_uint64(w, of->count);
}

static void put_object_ref(struct jsonwrite *w, const struct type_of *of)
{
    char *ref = mem_format(SCHEMA_REFS "%s", of->object->name);
    if (!of->or_null) {
        schema_text(w, "$ref", ref);
    } else {
        jsonwrite_key(w, "anyOf");
        jsonwrite_array(w);
        schema_ref(w, SCHEMA_REFS, of->object->name);
        jsonwrite_object(w);
        schema_type(w, "null", false);
        jsonwrite_object_end(w);
        jsonwrite_array_end(w);
    }
    mem_free(&ref);
}

void schema_members(struct jsonwrite *w, struct span text)
{
    static const struct {
        const char *type, *more, *value; /* one further member, or NULL */
    } json[] = {
        [TYPE_STRING] = {"string", NULL, NULL},
        [TYPE_INTEGER] = {"integer", "format", "int64"},
        [TYPE_BOOL] = {"boolean", NULL, NULL},
        [TYPE_TIME] = {"string", "format", "date-time"},
        [TYPE_BASE64] = {"string", "contentEncoding", "base64"},
        [TYPE_FILE] = {"string", "contentMediaType", "application/octet-stream"},
        [TYPE_MAP] = {"object", NULL, NULL},
        [TYPE_TUPLE] = {"array", NULL, NULL},
        [TYPE_LIST] = {"array", NULL, NULL},
    };
    struct type_of of;
    int rc = types_read(text, &of);
    assert(rc == 0);
    if (of.kind == TYPE_OBJECT) {
        put_object_ref(w, &of);
        return;
    }
    schema_type(w, json[of.kind].type, of.or_null);
    if (json[of.kind].more != NULL)
        schema_text(w, json[of.kind].more, json[of.kind].value);
    if (of.kind == TYPE_LIST || of.kind == TYPE_TUPLE)
        put_items(w, &of);
    if (of.kind == TYPE_MAP) {
        schema_begin(w, "additionalProperties");
        schema_type(w, "string", false);
        jsonwrite_object_end(w);
    }
}

static void put_property(struct jsonwrite *w, struct span name, const struct method_field *f)
{
    jsonwrite_key_span(w, name);
    jsonwrite_object(w);
    schema_members(w, span_text(f->type));
    schema_text(w, "description", f->text);
    jsonwrite_object_end(w);
}

static void put_names(struct jsonwrite *w, const struct method_field *fields)
{
    jsonwrite_array(w);
    for (; fields->name != NULL; fields++) {
        struct span names = span_text(fields->name), name;
        while (types_next_name(&names, &name))
            jsonwrite_span(w, name);
    }
    jsonwrite_array_end(w);
}

void schema_object(struct jsonwrite *w, const struct method_field *fields, bool given,
                   const char *text)
{
    jsonwrite_object(w);
    schema_type(w, "object", false);
    if (text != NULL)
        schema_text(w, "description", text);
    schema_begin(w, "properties");
    for (const struct method_field *f = fields; f->name != NULL; f++) {
        struct span names = span_text(f->name), name;
        while (types_next_name(&names, &name))
            put_property(w, name, f);
    }
    jsonwrite_object_end(w);
    if (given) {
        jsonwrite_key(w, "required");
        put_names(w, fields);
    } else {
        jsonwrite_key(w, "additionalProperties");
        jsonwrite_bool(w, false);
    }
    jsonwrite_object_end(w);
}
