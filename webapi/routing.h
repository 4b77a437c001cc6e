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
    ROUTING_NOT_ALLOWED, /* 405, with the Allow that RFC 9110 section 15.5.6 demands */
    ROUTING_TO_BASE,     /* 303 to the base path */
    ROUTING_TO_CALLS,    /* 303 to ROUTING_CALLS */
    ROUTING_TO_SLASH,    /* 308 to ROUTING_CALLS, from where only its slash is missing */
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

struct routing_found {
    const struct method *method; /* ROUTING_PAGE, ROUTING_CALL; else NULL */
    const char *allow;           /* the methods of HTTP that are served there, "GET, HEAD";
                                    ROUTING_NOT_ALLOWED,           else NULL */
};

/* http_method: "GET"; path: decoded and cleaned; host: of the request, perhaps with a port. */
enum routing routing_find(const struct routing_scope *scope, const char *http_method,
                          const char *path, struct span host, struct routing_found *found);

/* Whether the API answers under this name: any IP address, localhost, the hostname, or one of the
 * further names; the port does not matter. What a browser is led to by a name of somebody else's is
 * none of these. */
bool routing_serves(const struct routing_scope *scope, struct span host);

/* Whether a browser sends this because a page of another site told it to: it names an origin, and
 * that is neither this host nor a name the API answers to. origin is empty when the request has no
 * such field. */
bool routing_is_foreign(const struct routing_scope *scope, struct span origin, struct span host);

#endif
