#ifndef QM_HTTPHEAD_H
#define QM_HTTPHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* The checks on a request's line and header that libmicrohttpd 0.9.75 does not make. It takes a
 * field that is continued on another line (and appends that line to the field's *name*), lines that
 * end in a bare LF, NUL octets, spaces before the colon, two Content-Length or Host fields, and
 * Content-Length beside Transfer-Encoding. Each of them is a way to have a server behind a proxy
 * see other requests than the proxy passed on.
 *
 * What is no longer visible in the values it hands out is found by their addresses. It parses in
 * place, in one buffer: each CR and LF at the end of a line and the colon become NUL, nothing else
 * in the header changes. So the header is sound if name, NUL, blanks, value, two NULs follow each
 * other without a gap from the request line to the end that it reports. Anything else, a
 * libmicrohttpd that works otherwise included, is refused.
 *
 * Some quirks leave no trace: a NUL passes for the CR or LF of a line end, a line of nothing but a
 * colon and a bare LF for the empty line, and lines that begin with a NUL are passed over before
 * the request line. No proxy passes on a NUL or a field without a name, and what follows is read
 * with the same checks. */

struct MHD_Connection;

struct httphead {
    bool http_1_0;
    bool chunked;            /* the body comes in chunks, its length is not known */
    bool expects_continue;   /* the client waits for "100 Continue" before it sends the body */
    uint64_t content_length; /* 0 if chunked or if there is no body */
};

/* Checks the request that libmicrohttpd is calling its access handler for, first call. method, url
 * and version are what it passes; url_n is how long the request target was before the query was cut
 * off. Returns 0, or -1 with a sentence when the request has to be refused and the connection
 * closed. */
int httphead_check(struct MHD_Connection *mhd, const char *method, const char *url, size_t url_n,
                   const char *version, struct httphead *head, struct fail *f);

#endif
