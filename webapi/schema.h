#ifndef QM_SCHEMA_H
#define QM_SCHEMA_H

#include <stdbool.h>

#include "jsonwrite.h"
#include "methods.h"

/* Pieces of the API's description for machines: JSON Schema (2020-12) out of the tables of fields.
 */

#define SCHEMA_REFS "#/components/schemas/"

/* A member of the object that is open: a text; the beginning of an object, which the caller ends;
 * an example, which is the JSON of a table of ours. */
void schema_text(struct jsonwrite *w, const char *name, const char *text);
void schema_begin(struct jsonwrite *w, const char *name);
void schema_example(struct jsonwrite *w, const char *name, const char *json);

/* {"$ref": base + name} as the next value. */
void schema_ref(struct jsonwrite *w, const char *base, const char *name);

/* The member "type", which may be null, too. */
void schema_type(struct jsonwrite *w, const char *type, bool or_null);

/* The members of the schema for what a column "type" says (types.h), inside an object that is open.
 */
void schema_members(struct jsonwrite *w, struct span text);

/* {"type": "object", ...} as the next value. given: in a response, where every field is there, and
 * a later version may have more. text: a description, or NULL. */
void schema_object(struct jsonwrite *w, const struct method_field *fields, bool given,
                   const char *text);

#endif
