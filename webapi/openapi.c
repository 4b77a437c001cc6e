#include "openapi.h"

#include <stdio.h>
#include <assert.h>
#include <string.h>

#include "jsonread.h"
#include "jsonwrite.h"
#include "mem.h"
#include "page.h"
#include "routing.h"
#include "types.h"

#define SCHEMAS "#/components/schemas/"
#define RESPONSES "#/components/responses/"

/* ---- members, and values from elsewhere ---- */

static void put_text(struct jsonwrite *w, const char *name, const char *text)
{
    jsonwrite_key(w, name);
    jsonwrite_text(w, text);
}

static void begin(struct jsonwrite *w, const char *name)
{
    jsonwrite_key(w, name);
    jsonwrite_object(w);
}

/* {"$ref": base + name} as the next value. */
static void put_ref(struct jsonwrite *w, const char *base, const char *name)
{
    char *ref = mem_format("%s%s", base, name);
    jsonwrite_object(w);
    put_text(w, "$ref", ref);
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

/* Of a table of ours: it is JSON. */
static void put_example(struct jsonwrite *w, const char *name, const char *json)
{
    struct fail f;
    struct json_doc *doc = jsonread_parse(span_text(json), NULL, &f);
    assert(doc != NULL);
    jsonwrite_key(w, name);
    put_value(w, doc, jsonread_root(doc));
    jsonread_free(&doc);
}

/* ---- schemas ---- */

static void put_type_name(struct jsonwrite *w, const char *type, bool or_null)
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

static void put_schema_members(struct jsonwrite *w, struct span text);

static void put_items(struct jsonwrite *w, const struct type_of *of)
{
    begin(w, "items");
    if (of->kind == TYPE_LIST) {
        put_schema_members(w, of->element);
        jsonwrite_object_end(w);
        return;
    }
    put_type_name(w, "string", false);
    jsonwrite_object_end(w);
    jsonwrite_key(w, "minItems");
    jsonwrite_uint64(w, of->count);
    jsonwrite_key(w, "maxItems");
    jsonwrite_uint64(w, of->count);
}

static void put_object_ref(struct jsonwrite *w, const struct type_of *of)
{
    char *ref = mem_format(SCHEMAS "%s", of->object->name);
    if (!of->or_null) {
        put_text(w, "$ref", ref);
    } else {
        jsonwrite_key(w, "anyOf");
        jsonwrite_array(w);
        put_ref(w, SCHEMAS, of->object->name);
        jsonwrite_object(w);
        put_type_name(w, "null", false);
        jsonwrite_object_end(w);
        jsonwrite_array_end(w);
    }
    mem_free(&ref);
}

/* The members of the schema for what a column "type" says, inside an object that is open. */
static void put_schema_members(struct jsonwrite *w, struct span text)
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
    put_type_name(w, json[of.kind].type, of.or_null);
    if (json[of.kind].more != NULL)
        put_text(w, json[of.kind].more, json[of.kind].value);
    if (of.kind == TYPE_LIST || of.kind == TYPE_TUPLE)
        put_items(w, &of);
    if (of.kind == TYPE_MAP) {
        begin(w, "additionalProperties");
        put_type_name(w, "string", false);
        jsonwrite_object_end(w);
    }
}

static void put_property(struct jsonwrite *w, struct span name, const struct method_field *f)
{
    jsonwrite_key_span(w, name);
    jsonwrite_object(w);
    put_schema_members(w, span_text(f->type));
    put_text(w, "description", f->text);
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

/* {"type": "object", ...}. given: in a response, where every field is there, and a later version
 * may have more. */
static void put_object_schema(struct jsonwrite *w, const struct method_field *fields, bool given,
                              const char *text)
{
    jsonwrite_object(w);
    put_type_name(w, "object", false);
    if (text != NULL)
        put_text(w, "description", text);
    begin(w, "properties");
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

struct schemas {
    struct jsonwrite *w;
    const struct type *put[METHODS_MAX * 2];
    size_t n;
    bool given;
};

static void put_type(const struct type *type, void *arg)
{
    struct schemas *s = arg;
    for (size_t i = 0; i < s->n; i++) {
        if (s->put[i] == type)
            return;
    }
    assert(s->n < sizeof s->put / sizeof s->put[0]);
    s->put[s->n++] = type;
    jsonwrite_key(s->w, type->name);
    put_object_schema(s->w, type->fields, s->given, type->text);
}

static void put_method_schemas(struct schemas *s, const struct method *m)
{
    char *request = mem_format("%sRequest", m->name), *response = mem_format("%sResponse", m->name);
    jsonwrite_key(s->w, request);
    put_object_schema(s->w, m->request, false, NULL);
    if (m->response != NULL) {
        jsonwrite_key(s->w, response);
        put_object_schema(s->w, m->response, true, NULL);
    }
    mem_free(&request);
    mem_free(&response);
}

static void put_error_schema(struct jsonwrite *w)
{
    jsonwrite_key(w, "Error");
    jsonwrite_object(w);
    put_type_name(w, "object", false);
    begin(w, "properties");
    begin(w, "Code");
    put_type_name(w, "string", false);
    jsonwrite_key(w, "enum");
    jsonwrite_array(w);
    for (int code = 0; code < CODES; code++)
        jsonwrite_text(w, code_name((enum code)code));
    jsonwrite_array_end(w);
    put_text(w, "description", "What programs may rely on.");
    jsonwrite_object_end(w);
    begin(w, "Message");
    put_type_name(w, "string", false);
    put_text(w, "description", "For people.");
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_key(w, "required");
    jsonwrite_array(w);
    jsonwrite_text(w, "Code");
    jsonwrite_text(w, "Message");
    jsonwrite_array_end(w);
    jsonwrite_object_end(w);
}

static void put_schemas(struct jsonwrite *w)
{
    struct schemas s = {.w = w};
    begin(w, "schemas");
    put_error_schema(w);
    for (size_t i = 0; methods[i] != NULL; i++)
        put_method_schemas(&s, methods[i]);
    for (size_t i = 0; methods[i] != NULL; i++)
        types_visit(methods[i]->request, put_type, &s);
    s.given = true;
    for (size_t i = 0; methods[i] != NULL; i++)
        types_visit(methods[i]->response, put_type, &s);
    jsonwrite_key(w, "WebhookOutgoing");
    put_object_schema(w, page_webhook_fields(), true, "An event of a message that was sent.");
    jsonwrite_object_end(w);
}

/* ---- responses that any call may have ---- */

static void put_plain(struct jsonwrite *w, const char *name, const char *text)
{
    begin(w, name);
    put_text(w, "description", text);
    begin(w, "content");
    begin(w, "text/plain");
    begin(w, "schema");
    put_type_name(w, "string", false);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

static const struct {
    const char *status, *name, *text;
} plain[] = {
    {"401", "Unauthorized", "The address or the password is wrong, or missing."},
    {"429", "TooMany",
     "Too many wrong passwords came from this network, or too many requests: try again later."},
    {"500", "NoAddress", "Behind a proxy: it did not say from which address the request came."},
};
#define PLAIN (sizeof plain / sizeof plain[0])

/* ---- methods ---- */

/* {"properties": {"request": ..., uploads}, ...} */
static void put_form_schema(struct jsonwrite *w, const struct method *m, bool uploads)
{
    char *request = mem_format("%sRequest", m->name);
    begin(w, "schema");
    put_type_name(w, "object", false);
    begin(w, "properties");
    jsonwrite_key(w, "request");
    put_ref(w, SCHEMAS, request);
    for (const struct method_field *f = m->files; uploads && f != NULL && f->name != NULL; f++) {
        begin(w, f->name);
        put_type_name(w, "array", false);
        put_text(w, "description", f->text);
        begin(w, "items");
        put_schema_members(w, span_text(f->type));
        jsonwrite_object_end(w);
        jsonwrite_object_end(w);
    }
    jsonwrite_object_end(w);
    jsonwrite_key(w, "required");
    jsonwrite_array(w);
    jsonwrite_text(w, "request");
    jsonwrite_array_end(w);
    jsonwrite_object_end(w);
    mem_free(&request);
}

static void put_form(struct jsonwrite *w, const struct method *m, const char *type, bool uploads)
{
    begin(w, type);
    put_form_schema(w, m, uploads);
    begin(w, "encoding");
    begin(w, "request");
    put_text(w, "contentType", "application/json");
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    begin(w, "examples");
    begin(w, "whole");
    begin(w, "value");
    put_example(w, "request", m->example_request);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    begin(w, "short");
    begin(w, "value");
    put_example(w, "request", m->example_short);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

static void put_request(struct jsonwrite *w, const struct method *m)
{
    begin(w, "requestBody");
    jsonwrite_key(w, "required");
    jsonwrite_bool(w, true);
    begin(w, "content");
    put_form(w, m, "application/x-www-form-urlencoded", false);
    put_form(w, m, "multipart/form-data", true);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

static void put_success(struct jsonwrite *w, const struct method *m)
{
    char *response = mem_format("%sResponse", m->name);
    begin(w, "200");
    put_text(w, "description", m->response == NULL ? "The octets themselves." : "It is done.");
    begin(w, "content");
    begin(w, m->response == NULL ? "*/*" : "application/json");
    if (m->response != NULL) {
        jsonwrite_key(w, "schema");
        put_ref(w, SCHEMAS, response);
        put_example(w, "example", m->example_response);
    }
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    mem_free(&response);
}

/* "It cannot be done. Code is one of ...". */
/* Those with this status; nothing when the method has none. */
static void put_refusal(struct jsonwrite *w, const struct method *m, unsigned status)
{
    static const enum code always[] = {CODE_PROTOCOL, CODE_SERVER, CODES};
    const enum code *const lists[] = {m->codes, always};
    struct buf text = {0};
    char key[12];
    for (size_t i = 0; i < 2; i++) {
        for (const enum code *code = lists[i]; *code != CODES; code++) {
            if (code_status(*code) == status)
                buf_putf(&text, "%s%s", text.n == 0 ? "It is refused. Code is one of: " : ", ",
                         code_name(*code));
        }
    }
    if (text.n == 0)
        return;
    (void)snprintf(key, sizeof key, "%u", status);
    begin(w, key);
    put_text(w, "description", buf_text(&text));
    begin(w, "content");
    begin(w, "application/json");
    jsonwrite_key(w, "schema");
    put_ref(w, SCHEMAS, "Error");
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    buf_free(&text);
}

static void put_method(struct jsonwrite *w, const struct method *m)
{
    char *path = mem_format("%s%s", ROUTING_CALLS, m->name);
    struct buf text = {0};
    for (const char *const *p = m->text; p != NULL && *p != NULL; p++)
        buf_putf(&text, "%s%s", text.n == 0 ? "" : "\n\n", *p);
    begin(w, path);
    begin(w, "post");
    put_text(w, "operationId", m->name);
    put_text(w, "summary", m->summary);
    put_text(w, "description", buf_text(&text));
    put_request(w, m);
    begin(w, "responses");
    put_success(w, m);
    put_refusal(w, m, 400);
    put_refusal(w, m, 409);
    for (size_t i = 0; i < PLAIN; i++) {
        jsonwrite_key(w, plain[i].status);
        put_ref(w, RESPONSES, plain[i].name);
    }
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    buf_free(&text);
    mem_free(&path);
}

/* ---- webhooks ---- */

static void put_webhooks(struct jsonwrite *w)
{
    begin(w, "webhooks");
    begin(w, "outgoing");
    begin(w, "post");
    put_text(w, "operationId", "webhookOutgoing");
    put_text(w, "summary", "What became of a recipient.");
    begin(w, "requestBody");
    begin(w, "content");
    begin(w, "application/json");
    jsonwrite_key(w, "schema");
    put_ref(w, SCHEMAS, "WebhookOutgoing");
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    begin(w, "responses");
    begin(w, "200");
    put_text(w, "description", "Taken; any other answer than 2xx and 410 has it come again.");
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    /* Whoever calls has the Authorization that the account's configuration says. */
    jsonwrite_key(w, "security");
    jsonwrite_array(w);
    jsonwrite_array_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

/* ---- the document ---- */

static void put_head(struct jsonwrite *w, struct span base)
{
    put_text(w, "openapi", "3.1.0");
    begin(w, "info");
    put_text(w, "title", "Quartermaster HTTP API");
    put_text(w, "version", QM_VERSION);
    put_text(
        w, "description",
        "A call is a form with one field, request, that holds a JSON object. Names in it match "
        "in any case; null stands for a field that is left out. Unknown fields, keys that are "
        "given twice and wrong types are refused.");
    jsonwrite_object_end(w);
    jsonwrite_key(w, "servers");
    jsonwrite_array(w);
    jsonwrite_object(w);
    jsonwrite_key(w, "url");
    jsonwrite_span(w, base);
    jsonwrite_object_end(w);
    jsonwrite_array_end(w);
    jsonwrite_key(w, "security");
    jsonwrite_array(w);
    jsonwrite_object(w);
    jsonwrite_key(w, "account");
    jsonwrite_array(w);
    jsonwrite_array_end(w);
    jsonwrite_object_end(w);
    jsonwrite_array_end(w);
}

static void put_components(struct jsonwrite *w)
{
    begin(w, "components");
    put_schemas(w);
    begin(w, "responses");
    for (size_t i = 0; i < PLAIN; i++)
        put_plain(w, plain[i].name, plain[i].text);
    jsonwrite_object_end(w);
    begin(w, "securitySchemes");
    begin(w, "account");
    put_text(w, "type", "http");
    put_text(w, "scheme", "basic");
    put_text(w, "description", "An email address of the account, and the account's password.");
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

void openapi_write(struct buf *out, struct span base)
{
    struct jsonwrite w;
    jsonwrite_open(&w, out, 0);
    jsonwrite_object(&w);
    put_head(&w, base);
    begin(&w, "paths");
    for (size_t i = 0; methods[i] != NULL; i++)
        put_method(&w, methods[i]);
    jsonwrite_object_end(&w);
    put_webhooks(&w);
    put_components(&w);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    buf_putc(out, '\n');
}
