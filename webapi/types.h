#ifndef QM_TYPES_H
#define QM_TYPES_H

#include <stdbool.h>

#include "buf.h"
#include "methods.h"

/* What the column "type" of struct method_field says, for the machines that read the API's
 * description. It is one of
 *
 *     string  integer  bool  time           JSON; a time is a string as in RFC 3339
 *     base64                                a string of it
 *     file                                  an upload of a form
 *     {string: string}
 *     [name, value]                         a list of as many strings as words stand there
 *     [T]                                   a list of any of these
 *     address                               an object: a row of `types`
 *
 * and may have " or null" behind it. */

enum type_kind {
    TYPE_STRING,
    TYPE_INTEGER,
    TYPE_BOOL,
    TYPE_TIME,
    TYPE_BASE64,
    TYPE_FILE,
    TYPE_MAP,
    TYPE_TUPLE,
    TYPE_LIST,
    TYPE_OBJECT,
};

/* An object that methods take or give, by its name in lower case. */
struct type {
    const char *name;
    const char *text; /* a sentence */
    const struct method_field *fields;
};

/* What such a text means. */
struct type_of {
    enum type_kind kind;
    bool or_null;
    size_t count;              /* TYPE_TUPLE */
    struct span element;       /* TYPE_LIST: the text of T */
    const struct type *object; /* TYPE_OBJECT, else NULL */
};

/* Reads such a text. Returns 0, or -1 when it is none. */
int types_read(struct span text, struct type_of *of);

/* All objects, NULL at the end. */
extern const struct type *const types[];

/* Takes the next name off a method_field's name, which may be several: "To, CC, BCC". False at the
 * end. */
bool types_next_name(struct span *names, struct span *name);

/* Has each called once for every object that these fields hold, those within objects too, in the
 * order they are met. */
void types_visit(const struct method_field *fields,
                 void (*each)(const struct type *type, void *arg), void *arg);

#endif
