#include "jsonbind.h"

#include <assert.h>
#include <string.h>

#include "base64.h"
#include "mem.h"
#include "rfc3339.h"

#define FIELDS_MAX 128 /* in one table */

/* Where in the document a value stands, for the sentence about it. Lives on the stack of the walk.
 */
struct place {
    const struct place *outer;
    struct span name; /* of a member; p is NULL for an element */
    size_t index;
};

struct binder {
    struct json_doc *doc;
    struct fail *f;
};

static void put_place(struct buf *out, const struct place *at)
{
    if (at->outer != NULL)
        put_place(out, at->outer);
    if (at->name.p == NULL) {
        buf_putf(out, "[%zu]", at->index);
        return;
    }
    if (out->n > 0)
        buf_putc(out, '.');
    buf_put(out, at->name.p, at->name.n < 64 ? at->name.n : 64);
}

/* Makes of what f says a sentence about the value at this place. Always -1. */
static int about(const struct binder *b, const struct place *at)
{
    struct buf path = {0};
    if (at != NULL)
        put_place(&path, at);
    if (path.n > 0 && b->f != NULL) {
        struct fail said = *b->f;
        fail_set(b->f, "field \"%.200s\" %s", buf_text(&path), said.text);
    }
    buf_free(&path);
    return -1;
}

static int need_kind(const struct binder *b, const struct json_value *v, enum json_kind kind,
                     const struct place *at)
{
    if (jsonread_kind(v) == kind)
        return 0;
    fail_set(b->f, "must be %s %s, not %s", strchr("ao", *jsonread_kind_name(kind)) ? "an" : "a",
             jsonread_kind_name(kind), jsonread_kind_name(jsonread_kind(v)));
    return about(b, at);
}

typedef int bind_fn(const struct binder *b, const struct json_value *v,
                    const struct jsonbind_field *row, void *dst, const struct place *at);

static bind_fn bind_value; /* to dst itself, whatever row->pointer says; v is not null */

static int bind_bool(const struct binder *b, const struct json_value *v,
                     const struct jsonbind_field *row, void *dst, const struct place *at)
{
    if (need_kind(b, v, JSON_BOOL, at) < 0)
        return -1;
    *(bool *)dst = jsonread_bool(v);
    return 0;
}

static int bind_int64(const struct binder *b, const struct json_value *v,
                      const struct jsonbind_field *row, void *dst, const struct place *at)
{
    if (need_kind(b, v, JSON_NUMBER, at) < 0)
        return -1;
    if (jsonread_int64(b->doc, v, dst, b->f) == 0)
        return 0;
    fail_prefix(b->f, "must be a 64-bit integer");
    return about(b, at);
}

static int bind_text(const struct binder *b, const struct json_value *v,
                     const struct jsonbind_field *row, void *dst, const struct place *at)
{
    if (need_kind(b, v, JSON_TEXT, at) < 0)
        return -1;
    *(struct span *)dst = jsonread_text(v);
    return 0;
}

static int bind_bytes(const struct binder *b, const struct json_value *v,
                      const struct jsonbind_field *row, void *dst, const struct place *at)
{
    struct buf octets = {0};
    if (need_kind(b, v, JSON_TEXT, at) < 0)
        return -1;
    int rc = base64_decode_loose(&octets, jsonread_text(v));
    if (rc == 0)
        *(struct span *)dst = jsonread_keep(b->doc, buf_span(&octets));
    buf_free(&octets);
    if (rc == 0)
        return 0;
    fail_set(b->f, "must be a string of base64");
    return about(b, at);
}

static int bind_time(const struct binder *b, const struct json_value *v,
                     const struct jsonbind_field *row, void *dst, const struct place *at)
{
    if (need_kind(b, v, JSON_TEXT, at) < 0)
        return -1;
    if (rfc3339_parse(jsonread_text(v), dst) == 0)
        return 0;
    fail_set(b->f, "must be a time like 2006-01-02T15:04:05Z (RFC 3339)");
    return about(b, at);
}

/* The octets that a value of this row takes, a pointer not counted. */
static size_t size_of(const struct jsonbind_field *row)
{
    switch (row->type) {
    case JSONBIND_BOOL:
        return sizeof(bool);
    case JSONBIND_INT64:
    case JSONBIND_TIME:
        return sizeof(int64_t);
    case JSONBIND_TEXT:
    case JSONBIND_BYTES:
        return sizeof(struct span);
    case JSONBIND_TEXTS:
        return row->count * sizeof(struct span);
    case JSONBIND_ARRAY:
    case JSONBIND_MAP:
        return sizeof(struct jsonbind_array);
    case JSONBIND_OBJECT:
    case JSONBIND_CALL:
        break;
    }
    assert(row->size > 0);
    return row->size;
}

/* To a field: through its pointer if it is one, and null to zero. */
static int bind_field(const struct binder *b, const struct json_value *v,
                      const struct jsonbind_field *row, void *dst, const struct place *at)
{
    bool null = jsonread_kind(v) == JSON_NULL;
    assert(dst != NULL);
    if (row->pointer) {
        void *target = null ? NULL : jsonread_alloc(b->doc, size_of(row));
        memcpy(dst, &target, sizeof target);
        return null ? 0 : bind_value(b, v, row, target, at);
    }
    if (!null)
        return bind_value(b, v, row, dst, at);
    memset(dst, 0, size_of(row));
    return 0;
}

/* Room for as many elements as v holds. Returns 0, or -1 when they are too many. */
static int make_room(const struct binder *b, const struct json_value *v,
                     const struct jsonbind_field *row, size_t of, struct jsonbind_array *array,
                     const struct place *at)
{
    size_t n = jsonread_count(v), total;
    if (row->max > 0 && n > row->max) {
        fail_set(b->f, "may hold at most %zu values", row->max);
        return about(b, at);
    }
    bool overflow = __builtin_mul_overflow(n, of, &total);
    assert(!overflow);
    *array = (struct jsonbind_array){.p = n == 0 ? NULL : jsonread_alloc(b->doc, total), .n = n};
    return 0;
}

static int bind_array(const struct binder *b, const struct json_value *v,
                      const struct jsonbind_field *row, void *dst, const struct place *at)
{
    struct jsonbind_array *array = dst;
    size_t of = row->of->pointer ? sizeof(void *) : size_of(row->of);
    struct place place = {.outer = at};
    if (need_kind(b, v, JSON_ARRAY, at) < 0 || make_room(b, v, row, of, array, at) < 0)
        return -1;
    unsigned char *element = array->p;
    for (const struct json_value *e = jsonread_first(v); e != NULL; e = jsonread_next(e)) {
        if (bind_field(b, e, row->of, element, &place) < 0)
            return -1;
        element += of;
        place.index++;
    }
    return 0;
}

static int bind_texts(const struct binder *b, const struct json_value *v,
                      const struct jsonbind_field *row, void *dst, const struct place *at)
{
    static const struct jsonbind_field text = {.type = JSONBIND_TEXT};
    struct span *texts = dst, beyond = {0};
    struct place place = {.outer = at};
    if (need_kind(b, v, JSON_ARRAY, at) < 0)
        return -1;
    memset(texts, 0, size_of(row));
    for (const struct json_value *e = jsonread_first(v); e != NULL; e = jsonread_next(e)) {
        struct span *into = place.index < row->count ? &texts[place.index] : &beyond;
        if (bind_field(b, e, &text, into, &place) < 0)
            return -1;
        place.index++;
    }
    return 0;
}

static int bind_map(const struct binder *b, const struct json_value *v,
                    const struct jsonbind_field *row, void *dst, const struct place *at)
{
    static const struct jsonbind_field text = {.type = JSONBIND_TEXT};
    struct jsonbind_array *array = dst;
    if (need_kind(b, v, JSON_OBJECT, at) < 0 ||
        make_room(b, v, row, sizeof(struct jsonbind_pair), array, at) < 0)
        return -1;
    struct jsonbind_pair *pair = array->p;
    for (const struct json_value *e = jsonread_first(v); e != NULL; e = jsonread_next(e), pair++) {
        struct place place = {.outer = at, .name = jsonread_key(e)};
        assert(pair != NULL);
        pair->key = place.name;
        if (bind_field(b, e, &text, &pair->value, &place) < 0)
            return -1;
    }
    return 0;
}

static int bind_call(const struct binder *b, const struct json_value *v,
                     const struct jsonbind_field *row, void *dst, const struct place *at)
{
    if (row->call(b->doc, v, dst, b->f) == 0)
        return 0;
    return about(b, at);
}

static int find_field(const struct jsonbind_field *fields, struct span name)
{
    for (int i = 0; fields[i].name != NULL; i++) {
        if (span_is_nocase(name, fields[i].name))
            return i;
    }
    return -1;
}

static int need_required(const struct binder *b, const struct jsonbind_field *fields,
                         const bool *seen, const struct place *at)
{
    for (size_t i = 0; fields[i].name != NULL; i++) {
        if (fields[i].required && !seen[i]) {
            struct place place = {.outer = at, .name = span_text(fields[i].name)};
            fail_set(b->f, "is missing");
            return about(b, &place);
        }
    }
    return 0;
}

static int bind_member(const struct binder *b, const struct json_value *m,
                       const struct jsonbind_field *fields, bool *seen, void *dst,
                       const struct place *at)
{
    int i = find_field(fields, jsonread_key(m));
    assert(i < FIELDS_MAX);
    if (i < 0) {
        fail_set(b->f, "is unknown");
        return about(b, at);
    }
    if (seen[i]) {
        fail_set(b->f, "is given twice");
        return about(b, at);
    }
    seen[i] = true;
    return bind_field(b, m, &fields[i], (unsigned char *)dst + fields[i].offset, at);
}

static int bind_object(const struct binder *b, const struct json_value *v,
                       const struct jsonbind_field *row, void *dst, const struct place *at)
{
    bool seen[FIELDS_MAX] = {0};
    if (need_kind(b, v, JSON_OBJECT, at) < 0)
        return -1;
    for (const struct json_value *m = jsonread_first(v); m != NULL; m = jsonread_next(m)) {
        struct place place = {.outer = at, .name = jsonread_key(m)};
        if (bind_member(b, m, row->of, seen, dst, &place) < 0)
            return -1;
    }
    return need_required(b, row->of, seen, at);
}

static int bind_value(const struct binder *b, const struct json_value *v,
                      const struct jsonbind_field *row, void *dst, const struct place *at)
{
    static bind_fn *const by_type[] = {
        [JSONBIND_BOOL] = bind_bool,   [JSONBIND_INT64] = bind_int64,
        [JSONBIND_TEXT] = bind_text,   [JSONBIND_BYTES] = bind_bytes,
        [JSONBIND_TIME] = bind_time,   [JSONBIND_OBJECT] = bind_object,
        [JSONBIND_ARRAY] = bind_array, [JSONBIND_TEXTS] = bind_texts,
        [JSONBIND_MAP] = bind_map,     [JSONBIND_CALL] = bind_call,
    };
    return by_type[row->type](b, v, row, dst, at);
}

int jsonbind_object(struct json_doc *doc, const struct json_value *v,
                    const struct jsonbind_field *fields, void *dst, struct fail *f)
{
    struct binder b = {.doc = doc, .f = f};
    struct jsonbind_field row = {.type = JSONBIND_OBJECT, .of = fields};
    static const bool nothing_seen[FIELDS_MAX];
    if (jsonread_kind(v) == JSON_NULL)
        return need_required(&b, fields, nothing_seen, NULL);
    if (jsonread_kind(v) != JSON_OBJECT)
        return fail_set(f, "the JSON value must be an object, not %s",
                        jsonread_kind_name(jsonread_kind(v)));
    return bind_object(&b, v, &row, dst, NULL);
}

struct json_doc *jsonbind_parse(struct span text, const struct json_limits *limits,
                                const struct jsonbind_field *fields, void *dst, struct fail *f)
{
    struct json_doc *doc = jsonread_parse(text, limits, f);
    if (doc != NULL && jsonbind_object(doc, jsonread_root(doc), fields, dst, f) < 0)
        jsonread_free(&doc);
    return doc;
}
