#include "routing.h"

#include <arpa/inet.h>
#include <string.h>

#include "ascii.h"
#include "methods.h"

/* "a.example:80" to "a.example", "[::1]:80" to "::1"; empty when it is neither. */
static struct span without_port(struct span host)
{
    ssize_t end;
    if (host.n > 0 && host.p[0] == '[') {
        end = span_find(host, ']');
        bool good = end > 0 && ((size_t)end + 1 == host.n || host.p[end + 1] == ':');
        return good ? span_of(host.p + 1, (size_t)end - 1) : (struct span){0};
    }
    end = span_find(host, ':');
    return end < 0 ? host : span_of(host.p, (size_t)end);
}

static bool is_ip(struct span host)
{
    char text[INET6_ADDRSTRLEN];
    unsigned char address[16];
    return span_copy(host, text, sizeof text) == 0 &&
           (inet_pton(AF_INET, text, address) == 1 || inet_pton(AF_INET6, text, address) == 1);
}

bool routing_serves(const struct routing_scope *scope, struct span host)
{
    struct span name = without_port(host);
    if (is_ip(name) || span_is_nocase(name, "localhost") || span_is_nocase(name, scope->hostname))
        return true;
    for (size_t i = 0; i < scope->hosts_n; i++) {
        if (span_is_nocase(name, scope->hosts[i].text))
            return true;
    }
    return false;
}

bool routing_is_foreign(const struct routing_scope *scope, struct span origin, struct span host)
{
    static const char *const schemes[] = {"http://", "https://"};
    if (origin.n == 0)
        return false;
    for (size_t i = 0; i < 2; i++) {
        size_t n = strlen(schemes[i]);
        if (!span_starts_nocase(origin, schemes[i]))
            continue;
        struct span from = span_of(origin.p + n, origin.n - n), name = without_port(from);
        /* Another port of an address or of localhost is another site: only the very same host
         * counts there. A name that is configured may be another's in the eyes of a proxy, which
         * changes Host. */
        if (from.n == host.n &&
            strncasecmp((const char *)from.p, (const char *)host.p, from.n) == 0)
            return false;
        return is_ip(name) || span_is_nocase(name, "localhost") || !routing_serves(scope, from);
    }
    return true; /* "null" */
}

/* ---- by path ---- */

#define GET "GET"
#define GET_HEAD "GET, HEAD"
#define GET_POST "GET, POST"

/* allow: as in struct routing_found. */
static bool is_among(const char *http_method, const char *allow)
{
    struct span rest = span_text(allow), one;
    while (ascii_token(&rest, ", ", &one)) {
        if (span_is(one, http_method))
            return true;
    }
    return false;
}

static enum routing only(const char *allow, enum routing routing, const char *http_method,
                         struct routing_found *found)
{
    if (is_among(http_method, allow))
        return routing;
    found->allow = allow;
    return ROUTING_NOT_ALLOWED;
}

static enum routing in_calls(const char *http_method, const char *name, struct routing_found *found)
{
    if (name[0] == '\0')
        return ROUTING_INDEX;
    const struct method *m = methods_find(name);
    if (m == NULL)
        return ROUTING_NOT_FOUND;
    bool get = strcmp(http_method, GET) == 0;
    enum routing routing = only(GET_POST, get ? ROUTING_PAGE : ROUTING_CALL, http_method, found);
    found->method = routing == ROUTING_NOT_ALLOWED ? NULL : m;
    return routing;
}

/* below: what stands behind the base path. */
static enum routing below_base(const char *http_method, const char *below,
                               struct routing_found *found)
{
    size_t n = strlen(ROUTING_CALLS);
    if (below[0] == '\0')
        return only(GET, ROUTING_TO_CALLS, http_method, found);
    if (strcmp(below, ROUTING_OPENAPI) == 0)
        return only(GET_HEAD, ROUTING_OPENAPI_DOCUMENT, http_method, found);
    if (strcmp(below, ROUTING_CALLS ROUTING_OPENAPI) == 0)
        return only(GET_HEAD, ROUTING_TO_OPENAPI, http_method, found);
    if (strncmp(below, ROUTING_CALLS, n) == 0)
        return in_calls(http_method, below + n, found);
    return strlen(below) == n - 1 && strncmp(below, ROUTING_CALLS, n - 1) == 0 ? ROUTING_TO_SLASH
                                                                               : ROUTING_NOT_FOUND;
}

static enum routing in_webapi(const char *base, const char *http_method, const char *path,
                              struct routing_found *found)
{
    size_t n = strlen(base);
    if (strncmp(path, base, n) == 0)
        return below_base(http_method, path + n, found);
    if (strcmp(path, "/") == 0)
        return only(GET, ROUTING_TO_CALLS, http_method, found);
    return strlen(path) == n - 1 && strncmp(path, base, n - 1) == 0 ? ROUTING_TO_BASE
                                                                    : ROUTING_NOT_FOUND;
}

enum routing routing_find(const struct routing_scope *scope, const char *http_method,
                          const char *path, struct span host, struct routing_found *found)
{
    *found = (struct routing_found){NULL, NULL};
    if (strcmp(path, "/healthz") == 0)
        return only(GET_HEAD, ROUTING_HEALTH, http_method, found);
    if (scope->metrics && strcmp(path, "/metrics") == 0)
        return only(GET_HEAD, ROUTING_METRICS, http_method, found);
    if (!scope->webapi || !routing_serves(scope, host))
        return ROUTING_NOT_FOUND;
    return in_webapi(scope->path, http_method, path, found);
}
