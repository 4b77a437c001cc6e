#include "openapi.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "jsonwrite.h"
#include "mem.h"
#include "oncekey.h"
#include "page.h"
#include "routing.h"
#include "schema.h"
#include "types.h"

#define RESPONSES "#/components/responses/"

/* ---- schemas ---- */

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
    schema_object(s->w, type->fields, s->given, type->text);
}

static void put_method_schemas(struct schemas *s, const struct method *m)
{
    char *request = mem_format("%sRequest", m->name), *response = mem_format("%sResponse", m->name);
    jsonwrite_key(s->w, request);
    schema_object(s->w, m->request, false, NULL);
    if (m->response != NULL) {
        jsonwrite_key(s->w, response);
        schema_object(s->w, m->response, true, NULL);
    }
    mem_free(&request);
    mem_free(&response);
}

static void put_error_schema(struct jsonwrite *w)
{
    jsonwrite_key(w, "Error");
    jsonwrite_object(w);
    schema_type(w, "object", false);
    schema_begin(w, "properties");
    schema_begin(w, "Code");
    schema_type(w, "string", false);
    jsonwrite_key(w, "enum");
    jsonwrite_array(w);
    for (int code = 0; code < CODES; code++)
        jsonwrite_text(w, code_name((enum code)code));
    jsonwrite_array_end(w);
    schema_text(w, "description", "What programs may rely on.");
    jsonwrite_object_end(w);
    schema_begin(w, "Message");
    schema_type(w, "string", false);
    schema_text(w, "description", "For people.");
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
    schema_begin(w, "schemas");
    put_error_schema(w);
    for (size_t i = 0; methods[i] != NULL; i++)
        put_method_schemas(&s, methods[i]);
    for (size_t i = 0; methods[i] != NULL; i++)
        types_visit(methods[i]->request, put_type, &s);
    s.given = true;
    for (size_t i = 0; methods[i] != NULL; i++)
        types_visit(methods[i]->response, put_type, &s);
    for (size_t i = 0; i < PAGE_WEBHOOKS; i++) {
        const struct page_webhook *hook = &page_webhooks_are[i];
        types_visit(hook->fields, put_type, &s);
        jsonwrite_key(w, hook->schema);
        schema_object(w, hook->fields, true, hook->text);
    }
    jsonwrite_object_end(w);
}

/* ---- responses that any call may have ---- */

static void put_plain(struct jsonwrite *w, const char *name, const char *text)
{
    schema_begin(w, name);
    schema_text(w, "description", text);
    schema_begin(w, "content");
    schema_begin(w, "text/plain");
    schema_begin(w, "schema");
    schema_type(w, "string", false);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

static const struct {
    const char *status, *name, *text;
} plain[] = {
    {"401", "Unauthorized",
     "The address or the password is wrong or missing, or the account is closed to logins."},
    {"429", "TooMany",
     "Too many wrong passwords came from this network, or too many requests: try again later."},
    {"500", "NoAddress", "Behind a proxy: it did not say from which address the request came."},
};
#define PLAIN (sizeof plain / sizeof plain[0])

/* ---- parameters ---- */

struct parameter {
    const char *name, *in, *type, *text; /* type: as in a table of fields */
    unsigned most;                       /* characters, of a text; 0: not told */
};

static const struct parameter once_key = {
    "Idempotency-Key", "header", "string",
    "Of all requests of the account with this key one is done, and the others are answered as that "
    "was; one that asks for something else is refused.",
    ONCEKEY_CHARACTERS};

static const struct parameter hook_parameters[] = {
    {"X-Quartermaster-Webhook-ID", "header", "integer",
     "The same for each attempt of a call; also as X-Mox-Webhook-ID."},
    {"X-Quartermaster-Webhook-Attempt", "header", "integer",
     "1 for the first; also as X-Mox-Webhook-Attempt."},
    {"webhook-id", "header", "string", "With a signing key (Standard Webhooks): the ID again."},
    {"webhook-timestamp", "header", "integer", "Likewise: seconds since 1970."},
    {"webhook-signature", "header", "string", "Likewise: signatures, with a space between them."},
};

static void put_parameter(struct jsonwrite *w, const struct parameter *p)
{
    jsonwrite_object(w);
    schema_text(w, "name", p->name);
    schema_text(w, "in", p->in);
    schema_text(w, "description", p->text);
    jsonwrite_key(w, "required");
    jsonwrite_bool(w, false);
    schema_begin(w, "schema");
    schema_members(w, span_text(p->type));
    if (p->most > 0) {
        jsonwrite_key(w, "minLength");
        jsonwrite_uint64(w, 1);
        jsonwrite_key(w, "maxLength");
        jsonwrite_uint64(w, p->most);
    }
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

static void put_parameters(struct jsonwrite *w, const struct parameter *list, size_t n)
{
    jsonwrite_key(w, "parameters");
    jsonwrite_array(w);
    for (size_t i = 0; i < n; i++)
        put_parameter(w, &list[i]);
    jsonwrite_array_end(w);
}

/* ---- methods ---- */

/* {"properties": {"request": ..., uploads}, ...} */
static void put_form_schema(struct jsonwrite *w, const struct method *m, bool uploads)
{
    char *request = mem_format("%sRequest", m->name);
    schema_begin(w, "schema");
    schema_type(w, "object", false);
    schema_begin(w, "properties");
    jsonwrite_key(w, "request");
    schema_ref(w, SCHEMA_REFS, request);
    for (const struct method_field *f = m->files; uploads && f != NULL && f->name != NULL; f++) {
        schema_begin(w, f->name);
        schema_type(w, "array", false);
        schema_text(w, "description", f->text);
        schema_begin(w, "items");
        schema_members(w, span_text(f->type));
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
    schema_begin(w, type);
    put_form_schema(w, m, uploads);
    schema_begin(w, "encoding");
    schema_begin(w, "request");
    schema_text(w, "contentType", "application/json");
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    schema_begin(w, "examples");
    schema_begin(w, "whole");
    schema_begin(w, "value");
    schema_example(w, "request", m->example_request);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    schema_begin(w, "short");
    schema_begin(w, "value");
    schema_example(w, "request", m->example_short);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

static void put_request(struct jsonwrite *w, const struct method *m)
{
    schema_begin(w, "requestBody");
    jsonwrite_key(w, "required");
    jsonwrite_bool(w, true);
    schema_begin(w, "content");
    put_form(w, m, "application/x-www-form-urlencoded", false);
    put_form(w, m, "multipart/form-data", true);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

static void put_success(struct jsonwrite *w, const struct method *m)
{
    char *response = mem_format("%sResponse", m->name);
    schema_begin(w, "200");
    schema_text(w, "description", m->response == NULL ? "The octets themselves." : "It is done.");
    schema_begin(w, "content");
    schema_begin(w, m->response == NULL ? "*/*" : "application/json");
    if (m->response != NULL) {
        jsonwrite_key(w, "schema");
        schema_ref(w, SCHEMA_REFS, response);
        schema_example(w, "example", m->example_response);
    }
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    mem_free(&response);
}

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
    schema_begin(w, key);
    schema_text(w, "description", buf_text(&text));
    schema_begin(w, "content");
    schema_begin(w, "application/json");
    jsonwrite_key(w, "schema");
    schema_ref(w, SCHEMA_REFS, "Error");
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    buf_free(&text);
}

/* The members of an operation up to its parameters. id: what stands before the method's name. */
static void put_operation(struct jsonwrite *w, const struct method *m, const char *id)
{
    char *operation = mem_format("%s%s", id, m->name);
    struct buf text = {0};
    for (const char *const *p = m->text; p != NULL && *p != NULL; p++)
        buf_putf(&text, "%s%s", text.n == 0 ? "" : "\n\n", *p);
    schema_text(w, "operationId", operation);
    schema_text(w, "summary", m->summary);
    schema_text(w, "description", buf_text(&text));
    buf_free(&text);
    mem_free(&operation);
}

static void put_responses(struct jsonwrite *w, const struct method *m)
{
    schema_begin(w, "responses");
    put_success(w, m);
    put_refusal(w, m, 400);
    put_refusal(w, m, 409);
    for (size_t i = 0; i < PLAIN; i++) {
        jsonwrite_key(w, plain[i].status);
        schema_ref(w, RESPONSES, plain[i].name);
    }
    jsonwrite_object_end(w);
}

/* By GET the request is in the query, its names in lower case. */
static void put_get(struct jsonwrite *w, const struct method *m)
{
    schema_begin(w, "get");
    put_operation(w, m, "get-");
    jsonwrite_key(w, "parameters");
    jsonwrite_array(w);
    for (const struct method_field *f = m->request; f->name != NULL; f++) {
        char *name = mem_text(f->name);
        ascii_lower_text(name);
        put_parameter(w, &(struct parameter){name, "query", f->type, f->text});
        mem_free(&name);
    }
    jsonwrite_array_end(w);
    put_responses(w, m);
    jsonwrite_object_end(w);
}

static void put_method(struct jsonwrite *w, const char *base_path, const struct method *m)
{
    char *path = mem_format("%s" ROUTING_CALLS "%s", base_path, m->name);
    schema_begin(w, path);
    schema_begin(w, "post");
    put_operation(w, m, "");
    if (m->once)
        put_parameters(w, &once_key, 1);
    put_request(w, m);
    put_responses(w, m);
    jsonwrite_object_end(w);
    if (m->query)
        put_get(w, m);
    jsonwrite_object_end(w);
    mem_free(&path);
}

/* In place of what stands at the head of the document. */
static void put_no_login(struct jsonwrite *w)
{
    jsonwrite_key(w, "security");
    jsonwrite_array(w);
    jsonwrite_array_end(w);
}

/* This very document, which anybody may read. */
static void put_itself(struct jsonwrite *w, const char *base_path)
{
    char *path = mem_format("%s" ROUTING_OPENAPI, base_path);
    schema_begin(w, path);
    mem_free(&path);
    schema_begin(w, "get");
    schema_text(w, "operationId", "openapi");
    schema_text(w, "summary", "This description.");
    schema_begin(w, "responses");
    schema_begin(w, "200");
    schema_text(w, "description", "An OpenAPI document.");
    schema_begin(w, "content");
    schema_begin(w, "application/json");
    schema_begin(w, "schema");
    schema_type(w, "object", false);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    put_no_login(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

/* ---- webhooks ---- */

static void put_webhook(struct jsonwrite *w, const struct page_webhook *hook)
{
    schema_begin(w, hook->name);
    schema_begin(w, "post");
    schema_text(w, "operationId", hook->operation);
    schema_text(w, "summary", hook->text);
    put_parameters(w, hook_parameters, sizeof hook_parameters / sizeof hook_parameters[0]);
    schema_begin(w, "requestBody");
    schema_begin(w, "content");
    schema_begin(w, "application/json");
    jsonwrite_key(w, "schema");
    schema_ref(w, SCHEMA_REFS, hook->schema);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    schema_begin(w, "responses");
    schema_begin(w, "200");
    schema_text(w, "description", "Taken; any other answer than 2xx and 410 has it come again.");
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    /* Whoever calls has the Authorization that the account's configuration says. */
    put_no_login(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

static void put_webhooks(struct jsonwrite *w)
{
    schema_begin(w, "webhooks");
    for (size_t i = 0; i < PAGE_WEBHOOKS; i++)
        put_webhook(w, &page_webhooks_are[i]);
    jsonwrite_object_end(w);
}

/* ---- the document ---- */

static void put_head(struct jsonwrite *w, struct span base)
{
    schema_text(w, "openapi", "3.1.0");
    schema_begin(w, "info");
    schema_text(w, "title", "Quartermaster HTTP API");
    schema_text(w, "version", QM_VERSION);
    schema_text(
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
    schema_begin(w, "components");
    put_schemas(w);
    schema_begin(w, "responses");
    for (size_t i = 0; i < PLAIN; i++)
        put_plain(w, plain[i].name, plain[i].text);
    jsonwrite_object_end(w);
    schema_begin(w, "securitySchemes");
    schema_begin(w, "account");
    schema_text(w, "type", "http");
    schema_text(w, "scheme", "basic");
    schema_text(w, "description", "An email address of the account, and the account's password.");
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
    jsonwrite_object_end(w);
}

void openapi_write(struct buf *out, struct span base, const char *path)
{
    struct jsonwrite w;
    jsonwrite_open(&w, out, 0);
    jsonwrite_object(&w);
    put_head(&w, base);
    schema_begin(&w, "paths");
    for (size_t i = 0; methods[i] != NULL; i++)
        put_method(&w, path, methods[i]);
    put_itself(&w, path);
    jsonwrite_object_end(&w);
    put_webhooks(&w);
    put_components(&w);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    buf_putc(out, '\n');
}
