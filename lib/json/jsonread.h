#ifndef QM_JSONREAD_H
#define QM_JSONREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* JSON from strangers, strictly. jsonscan.h says what is refused before a tree is built; here
 * duplicate keys are refused on top of that. Integers are exact over all of int64. A document owns
 * its tree, every text in it and whatever was allocated for it: all of that is valid until
 * jsonread_free. */

struct json_doc;
struct json_value;

enum json_kind { JSON_NULL, JSON_BOOL, JSON_NUMBER, JSON_TEXT, JSON_ARRAY, JSON_OBJECT };

struct json_limits {
    size_t octets; /* of the text; 0 stands for 1 MiB */
    size_t values; /* of every kind; 0 stands for 100 000, which is about 10 MB of tree */
    size_t depth;  /* at most 64, which 0 stands for */
};

/* Reads the whole of text, which may hold any octets and is not needed afterwards. limits may be
 * NULL for the defaults. Returns the document, or NULL with a sentence that can be shown to whoever
 * sent the text. */
struct json_doc *jsonread_parse(struct span text, const struct json_limits *limits, struct fail *f);

/* Frees *doc with everything that came from it, and sets it to NULL. *doc may be NULL. */
void jsonread_free(struct json_doc **doc);

/* The outermost value. */
const struct json_value *jsonread_root(const struct json_doc *doc);

/* What kind of value it is. */
enum json_kind jsonread_kind(const struct json_value *v);

/* "null", "bool", "number", "string", "array", "object". */
const char *jsonread_kind_name(enum json_kind kind);

/* The value of a JSON_BOOL; false for any other kind. */
bool jsonread_bool(const struct json_value *v);

/* The value of a JSON_NUMBER that was written without fraction and exponent and fits int64_t.
 * Returns 0, or -1 with a sentence, leaving *value as it was, for anything else. v must be of doc.
 */
int jsonread_int64(const struct json_doc *doc, const struct json_value *v, int64_t *value,
                   struct fail *f);

/* The octets of a JSON_TEXT, empty for any other kind. Well-formed UTF-8 without a NUL; a NUL
 * stands behind the last octet, so p also serves as a C string. */
struct span jsonread_text(const struct json_value *v);

/* The values of an array or object in the order of the text: first, then each next, then NULL. NULL
 * at once when v is neither. */
const struct json_value *jsonread_first(const struct json_value *v);
const struct json_value *jsonread_next(const struct json_value *v);

/* How many values an array or object holds; 0 for other kinds. Counts them one by one. */
size_t jsonread_count(const struct json_value *v);

/* The name under which v stands in its object, as jsonread_text; empty if it does not stand in one.
 */
struct span jsonread_key(const struct json_value *v);

/* The member of an object with exactly this name, or NULL. */
const struct json_value *jsonread_member(const struct json_value *object, const char *name);

/* n octets of zero that live as long as the document. */
void *jsonread_alloc(struct json_doc *doc, size_t n);

/* A copy of octets that lives as long as the document, with a NUL behind it. */
struct span jsonread_keep(struct json_doc *doc, struct span octets);

#endif
