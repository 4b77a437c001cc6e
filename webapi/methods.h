#ifndef QM_METHODS_H
#define QM_METHODS_H

#include <stdbool.h>
#include <stddef.h>

#include "codes.h"
#include "jsonbind.h"

/* The methods of the API. One method is one file, method_<name>.c, and one row of the table in
 * methods.c. */

struct call;

/* A row of a table on a method's page, and of its description for machines. name: one, or several
 * with commas between; NULL ends the list. type: see types.h, where further objects have their
 * rows. */
struct method_field {
    const char *name, *type, *text;
};

struct method {
    const char *name;
    const char *summary;     /* one sentence */
    const char *const *text; /* paragraphs for the page; NULL at the end */
    const struct method_field *request,
        *response; /* each field that is bound or written; response NULL: octets, not JSON */
    const struct method_field *files; /* names of file uploads, or NULL */
    const enum code
        *codes; /* what it may be refused with beside protocol and server; CODES at the end */
    const char *example_request;  /* JSON */
    const char *example_response; /* NULL: octets */
    const char *example_short;    /* JSON for a command line, without single quotation marks */

    const struct jsonbind_field *bind; /* the request */
    size_t size;                       /* of the struct it fills */
    /* Can be called by GET as well, its request in the query: numbers alone, their names in any
     * case. */
    bool query;
    bool once; /* Idempotency-Key is for it */
    /* Does it, now or later: ends in call_answer or call_refuse. */
    void (*run)(struct call *c);
};

#define METHODS_MAX 32

/* All of them in the order of the index page, NULL at the end. */
extern const struct method *const methods[];

/* The method of this name, in this case, or NULL. */
const struct method *methods_find(const char *name);

/* Where in the table it stands. */
size_t methods_index(const struct method *m);

#endif
