#ifndef QM_SERVE_H
#define QM_SERVE_H

#include "front.h"
#include "httprequest.h"

/* What is done with a request: pages, redirections and refusals at once; a call of a method begins.
 */

/* The handler of a front's server; arg is the front. */
void serve_request(struct httprequest *request, void *front);

/* The end of each request: logs it and frees what stayed with it. */
void serve_access(const struct httpserver_access *access, void *front);

#endif
