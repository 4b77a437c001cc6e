#ifndef QM_HTTPREPLY_H
#define QM_HTTPREPLY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* What goes back to a client. Handlers use httprequest_respond; the rest is for the server itself.
 */

struct httpreply_field {
    const char *name, *value; /* name NULL ends the list */
};

struct MHD_Response;

struct httpreply {
    unsigned status;
    char *type; /* NULL: no Content-Type */
    struct buf body;
    int fd; /* the body is a file if this is not -1 */
    uint64_t size;
    struct {
        char *name, *value;
    } * fields;
    size_t n;
    bool close; /* the connection is closed afterwards */
    bool gzip;  /* the body is compressed */
};

/* Takes the content of body (may be NULL). See httprequest_respond. The caller ends it with
 * httpreply_free. */
void httpreply_set(struct httpreply *reply, unsigned status, const char *type, struct buf *body,
                   const struct httpreply_field *extra);

/* With a file for a body, which the reply owns. */
void httpreply_set_fd(struct httpreply *reply, unsigned status, const char *type, int fd,
                      uint64_t size, const struct httpreply_field *extra);

/* Frees what the reply holds; it is empty afterwards. */
void httpreply_free(struct httpreply *reply);

/* Whether a body of this type is worth compressing: text, JSON, XML, JavaScript, SVG. Parameters
 * are passed over, case does not matter; NULL is no type. */
bool httpreply_is_compressible(const char *type);

/* Compresses the body if status, type, size and fields allow it and accept_encoding (a field value,
 * empty if there is none) takes gzip. */
void httpreply_compress(struct httpreply *reply, struct span accept_encoding);

/* Hands the reply over to libmicrohttpd; its body and file are gone from it afterwards, its size
 * stays. The caller destroys the result. */
struct MHD_Response *httpreply_response(struct httpreply *reply);

/* Appends the reply as it would go over the wire, with "Connection: close". Its body must not be a
 * file. */
void httpreply_write(const struct httpreply *reply, struct buf *out);

#endif
