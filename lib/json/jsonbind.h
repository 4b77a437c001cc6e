#ifndef QM_JSONBIND_H
#define QM_JSONBIND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "jsonread.h"

/* From a JSON object to a C struct by a table. The names match whatever their ASCII case, as Go's
 * decoder has it; two spellings of one name in one object are a duplicate. A field that the table
 * does not name is a failure. null stands for the zero value of any field. What the table points to
 * lives in the document.
 *
 *     struct address { struct span name, address; };
 *     static const struct jsonbind_field address_fields[] = {
 *         {"Name", JSONBIND_TEXT, offsetof(struct address, name)},
 *         {"Address", JSONBIND_TEXT, offsetof(struct address, address)},
 *         {0},
 *     };
 *     static const struct jsonbind_field an_address = {
 *         .type = JSONBIND_OBJECT, .of = address_fields, .size = sizeof(struct address)};
 *     static const struct jsonbind_field send_fields[] = {
 *         {"To", JSONBIND_ARRAY, offsetof(struct send, to), .of = &an_address, .max = 1000},
 *         {"RequireTLS", JSONBIND_BOOL, offsetof(struct send, require_tls), .pointer = true},
 *         {0},
 *     }; */

enum jsonbind_type {
    JSONBIND_BOOL = 1, /* bool */
    JSONBIND_INT64,    /* int64_t; an integer literal, see jsonread_int64 */
    JSONBIND_TEXT,     /* struct span, as jsonread_text; {NULL, 0} for null */
    JSONBIND_BYTES, /* struct span; from a string of standard base64, which may be broken into lines
                     */
    JSONBIND_TIME,  /* int64_t, ms since 1970-01-01 UTC; from a string as in rfc3339.h */
    JSONBIND_OBJECT, /* the struct itself, by the table `of` */
    JSONBIND_ARRAY,  /* struct jsonbind_array of elements, each as the one row `of` says */
    JSONBIND_TEXTS,  /* struct span[count]; from an array of strings: a shorter one leaves the rest
                      * empty,  what is beyond count is dropped */
    JSONBIND_MAP,  /* struct jsonbind_array of struct jsonbind_pair; from an object of strings, its
                    * keys  as they are */
    JSONBIND_CALL, /* `size` octets that `call` fills */
};

struct jsonbind_array {
    void *p; /* n elements in a row; NULL when n is 0 */
    size_t n;
};

struct jsonbind_pair {
    struct span key, value;
};

/* Fills *field from v, which is not null. Returns 0, or -1 with a sentence that says what is wrong
 * with it
 * ("must be ..."); the field's name is put before it. */
typedef int jsonbind_call(struct json_doc *doc, const struct json_value *v, void *field,
                          struct fail *f);

struct jsonbind_field {
    const char *name; /* NULL ends a table, and is fine in a row that describes elements */
    enum jsonbind_type type;
    size_t offset;                   /* in the struct that the table is for */
    const struct jsonbind_field *of; /* OBJECT: its table; ARRAY: one row */
    size_t size;                     /* OBJECT and CALL: octets of what is filled */
    size_t count;                    /* TEXTS */
    size_t max; /* ARRAY and MAP: most elements; 0 for no bound but the document's */
    jsonbind_call *call;
    bool required; /* absent is a failure; null is not */
    bool pointer;  /* the field is a pointer to the type, NULL when absent or null */
};

/* Fills the struct at dst from the object v by the table; v may be null too, an object without
 * fields. The struct holds its defaults before: a field that is absent stays as it is. Returns 0,
 * or -1 with a sentence that names the field ("field \"To[3].Address\" must be a string, not a
 * number"); *dst is then half filled. */
int jsonbind_object(struct json_doc *doc, const struct json_value *v,
                    const struct jsonbind_field *fields, void *dst, struct fail *f);

/* jsonread_parse and jsonbind_object on its outermost value. Returns the document, which owns what
 * dst points to, or NULL. */
struct json_doc *jsonbind_parse(struct span text, const struct json_limits *limits,
                                const struct jsonbind_field *fields, void *dst, struct fail *f);

#endif
