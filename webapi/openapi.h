#ifndef QM_OPENAPI_H
#define QM_OPENAPI_H

#include "buf.h"

/* The API's description for machines, OpenAPI 3.1.0 (with JSON Schema 2020-12), made of the tables
 * that drive the methods and of those that their pages show. */

#define OPENAPI_TYPE "application/json; charset=utf-8"

/* Appends the document. base: "http://localhost:1080", as the reader got here. path: "/webapi/".
 */
void openapi_write(struct buf *out, struct span base, const char *path);

#endif
