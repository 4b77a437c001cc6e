#ifndef QM_ROUTING_H
#define QM_ROUTING_H

#include <stdbool.h>

#include "buf.h"
#include "conf.h"

/* What a request is for, by its method, path and Host alone. */

/* Behind the base path. */
#define ROUTING_CALLS "v0/"
#define ROUTING_OPENAPI "openapi.json"

enum routing {
    ROUTING_NOT_FOUND,
    ROUTING_NOT_ALLOWED, /* 405 */
    ROUTING_TO_BASE,     /* 303 to the base path */
    ROUTING_TO_CALLS,    /* 303 to ROUTING_CALLS */
    ROUTING_TO_OPENAPI,  /* 303 to ROUTING_OPENAPI, from beside the methods */
    ROUTING_OPENAPI_DOCUMENT,
    ROUTING_INDEX,
    ROUTING_PAGE, /* of the method */
    ROUTING_CALL, /* of the method */
    ROUTING_HEALTH,
    ROUTING_METRICS,
};

struct method;

/* What a listener serves. */
struct routing_scope {
    bool webapi, metrics;
    const char *path;               /* the base path; begins and ends with a slash */
    const char *hostname;           /* as configured */
    const struct conf_value *hosts; /* further names */
    size_t hosts_n;
};

/* http_method: "GET"; path: decoded and cleaned; host: of the request, perhaps with a port. *method
 * is set for ROUTING_PAGE and ROUTING_CALL, else NULL. */
enum routing routing_find(const struct routing_scope *scope, const char *http_method,
                          const char *path, struct span host, const struct method **method);

/* Whether the API answers under this name: any IP address, localhost, the hostname, or one of the
 * further names; the port does not matter. What a browser is led to by a name of somebody else's is
 * none of these. */
bool routing_serves(const struct routing_scope *scope, struct span host);

/* Whether a browser sends this because a page of another site told it to: it names an origin, and
 * that is neither this host nor a name the API answers to. origin is empty when the request has no
 * such field. */
bool routing_is_foreign(const struct routing_scope *scope, struct span origin, struct span host);

#endif
