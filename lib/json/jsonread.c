#include "jsonread.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <cJSON.h>

#include "jsonscan.h"
#include "mem.h"

/* A json_value is a cJSON node, which no other file knows. valueint, which cJSON saturates at 31
 * bits anyway, holds a number's place among the exact values that the scan noted. */

struct block {
    struct block *next;
    _Alignas(max_align_t) unsigned char octets[];
};

struct json_doc {
    cJSON *root;
    struct jsonscan scan;
    struct block *blocks;
};

static const cJSON *node(const struct json_value *v)
{
    return (const cJSON *)(const void *)v;
}

static const struct json_value *value(const cJSON *n)
{
    return (const struct json_value *)(const void *)n;
}

static int compare_keys(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* By sorting, so that an object of many keys costs no square of them. */
static int refuse_duplicates(const cJSON *object, struct fail *f)
{
    size_t n = 0, i = 0;
    int rc = 0;
    for (const cJSON *c = object->child; c != NULL; c = c->next)
        n++;
    if (n < 2)
        return 0;
    const char **keys = mem_array(n, sizeof *keys);
    for (const cJSON *c = object->child; c != NULL; c = c->next)
        keys[i++] = c->string;
    qsort(keys, n, sizeof *keys, compare_keys);
    for (i = 1; i < n && rc == 0; i++) {
        if (strcmp(keys[i - 1], keys[i]) == 0)
            rc = fail_set(f, "field \"%.100s\" is given twice", keys[i]);
    }
    mem_release(keys);
    return rc;
}

/* Walks the siblings from n on and all below them, no deeper than the scan allowed. *numbers counts
 * the numbers met so far. */
static int settle(cJSON *n, int *numbers, struct fail *f)
{
    for (; n != NULL; n = n->next) {
        if (cJSON_IsNumber(n))
            n->valueint = (*numbers)++;
        if (cJSON_IsObject(n) && refuse_duplicates(n, f) < 0)
            return -1;
        if (settle(n->child, numbers, f) < 0)
            return -1;
    }
    return 0;
}

static int build(struct json_doc *doc, struct span text, struct fail *f)
{
    int numbers = 0;
    doc->root = cJSON_ParseWithLengthOpts((const char *)text.p, text.n, NULL, 0);
    if (doc->root == NULL)
        return fail_set(f, "invalid JSON");
    if (settle(doc->root, &numbers, f) < 0)
        return -1;
    if ((size_t)numbers != doc->scan.n)
        return fail_set(f, "invalid JSON");
    return 0;
}

static size_t or_default(size_t given, size_t standard)
{
    return given > 0 ? given : standard;
}

struct json_doc *jsonread_parse(struct span text, const struct json_limits *limits, struct fail *f)
{
    static const struct json_limits standard;
    if (limits == NULL)
        limits = &standard;
    struct jsonscan_limits bounds = {.octets = or_default(limits->octets, 1 << 20),
                                     .values = or_default(limits->values, 100000),
                                     .depth = or_default(limits->depth, JSONSCAN_DEPTH_MAX)};
    struct json_doc *doc = mem_zero(sizeof *doc);
    assert(bounds.values <= INT32_MAX);
    if (jsonscan_check(text, &bounds, &doc->scan, f) < 0 || build(doc, text, f) < 0)
        jsonread_free(&doc);
    return doc;
}

void jsonread_free(struct json_doc **doc)
{
    if (*doc == NULL)
        return;
    cJSON_Delete((*doc)->root);
    jsonscan_free(&(*doc)->scan);
    while ((*doc)->blocks != NULL) {
        struct block *block = (*doc)->blocks;
        (*doc)->blocks = block->next;
        mem_release(block);
    }
    mem_free(doc);
}

const struct json_value *jsonread_root(const struct json_doc *doc)
{
    return value(doc->root);
}

enum json_kind jsonread_kind(const struct json_value *v)
{
    const cJSON *n = node(v);
    if (cJSON_IsString(n))
        return JSON_TEXT;
    if (cJSON_IsNumber(n))
        return JSON_NUMBER;
    if (cJSON_IsObject(n))
        return JSON_OBJECT;
    if (cJSON_IsArray(n))
        return JSON_ARRAY;
    return cJSON_IsBool(n) ? JSON_BOOL : JSON_NULL;
}

const char *jsonread_kind_name(enum json_kind kind)
{
    static const char *const names[] = {
        [JSON_NULL] = "null",   [JSON_BOOL] = "bool",   [JSON_NUMBER] = "number",
        [JSON_TEXT] = "string", [JSON_ARRAY] = "array", [JSON_OBJECT] = "object",
    };
    return names[kind];
}

bool jsonread_bool(const struct json_value *v)
{
    return cJSON_IsTrue(node(v));
}

int jsonread_int64(const struct json_doc *doc, const struct json_value *v, int64_t *result,
                   struct fail *f)
{
    if (jsonread_kind(v) != JSON_NUMBER)
        return fail_set(f, "not a number");
    assert(node(v)->valueint >= 0 && (size_t)node(v)->valueint < doc->scan.n);
    struct jsonscan_number number = doc->scan.numbers[node(v)->valueint];
    if (number.kind == JSONSCAN_REAL)
        return fail_set(f, "not written as a whole number");
    if (number.kind == JSONSCAN_RANGE)
        return fail_set(f, "out of range");
    *result = number.value;
    return 0;
}

struct span jsonread_text(const struct json_value *v)
{
    return jsonread_kind(v) == JSON_TEXT ? span_text(node(v)->valuestring) : (struct span){0};
}

const struct json_value *jsonread_first(const struct json_value *v)
{
    return value(node(v)->child);
}

const struct json_value *jsonread_next(const struct json_value *v)
{
    return value(node(v)->next);
}

size_t jsonread_count(const struct json_value *v)
{
    size_t n = 0;
    for (const cJSON *c = node(v)->child; c != NULL; c = c->next)
        n++;
    return n;
}

struct span jsonread_key(const struct json_value *v)
{
    return span_text(node(v)->string);
}

const struct json_value *jsonread_member(const struct json_value *object, const char *name)
{
    if (jsonread_kind(object) != JSON_OBJECT)
        return NULL;
    for (const cJSON *c = node(object)->child; c != NULL; c = c->next) {
        if (strcmp(c->string, name) == 0)
            return value(c);
    }
    return NULL;
}

void *jsonread_alloc(struct json_doc *doc, size_t n)
{
    size_t total;
    if (__builtin_add_overflow(sizeof(struct block), n, &total))
        abort();
    struct block *block = mem_zero(total);
    block->next = doc->blocks;
    doc->blocks = block;
    return block->octets;
}

struct span jsonread_keep(struct json_doc *doc, struct span octets)
{
    unsigned char *copy = jsonread_alloc(doc, octets.n + 1);
    if (octets.n > 0)
        memcpy(copy, octets.p, octets.n);
    return span_of(copy, octets.n);
}
