#ifndef QM_HTTPURL_H
#define QM_HTTPURL_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "fail.h"

/* Request targets and form values: percent-encoding (RFC 3986 section 2.1) and paths. */

/* Appends s with each %XX replaced by its octet, and with plus each "+" by a space as forms have
 * it. Any octet may come out, NUL included. Returns 0, or -1 leaving out as it was when a "%" is
 * not followed by two hexadecimal digits. */
int httpurl_decode(struct buf *out, struct span s, bool plus);

/* The parts of a request target (RFC 9112 section 3.2), pointing into it. */
struct httpurl_target {
    struct span authority; /* of the absolute form only: "host:port" */
    struct span path;      /* as sent, beginning with "/"; or "*" */
    struct span query;     /* behind the "?"; p is NULL if there is none */
};

/* Splits the origin form ("/a?b"), the absolute form ("http://host/a?b", also https and without a
 * path, which then is "/") and "*". Returns 0, or -1 with a sentence for anything else, for a
 * fragment and for octets that are not printable ASCII. */
int httpurl_split(struct span target, struct httpurl_target *parts, struct fail *f);

/* Appends the path that a handler may compare with its routes: decoded, "." and ".." and empty
 * segments removed (never above the root), a slash at the end kept. "*" stays as it is. Returns 0,
 * or -1 with a sentence for a bad escape and when a control character, NUL included, is hidden in
 * one. */
int httpurl_path(struct buf *out, struct span path, struct fail *f);

/* Takes the next field off a query, and appends its decoded name and value. Returns 1, 0 at the
 * end, or -1 when it is not well encoded. */
int httpurl_next(struct span *query, struct buf *name, struct buf *value);

#endif
