#ifndef QM_HTTPMULTIPART_H
#define QM_HTTPMULTIPART_H

#include <stdbool.h>
#include <stddef.h>

#include "buf.h"
#include "fail.h"

/* multipart/form-data, RFC 7578 over RFC 2046 section 5.1, taken in pieces of any size: how the
 * octets are cut makes no difference to what the sink is told. Nothing but an unfinished part
 * header (at most HTTPMULTIPART_HEAD_MAX octets) and the beginning of what might be a delimiter is
 * held back. */

#define HTTPMULTIPART_HEAD_MAX 16384

/* What a part's header says. Without NUL, CR and LF; otherwise as sent. */
struct httpmultipart_head {
    struct buf name;       /* of the form field; never empty */
    struct buf filename;   /* without folders; empty if there is none */
    struct buf type;       /* Content-Type as it stands; empty if there is none */
    struct buf content_id; /* Content-ID as it stands; empty if there is none */
};

/* Told of each part in turn: begin, data any number of times, end. begin and data return 0, or -1
 * to have the parser stop: then httpmultipart_feed returns -1 with whatever they wrote into f. */
struct httpmultipart_sink {
    int (*begin)(void *arg, const struct httpmultipart_head *head, struct fail *f);
    int (*data)(void *arg, struct span octets, struct fail *f);
    void (*end)(void *arg);
    void *arg;
};

struct httpmultipart;

/* boundary is the media type's parameter: 1 to 70 printable ASCII characters, not ending in a
 * space; otherwise NULL with a sentence. The caller frees the result. */
struct httpmultipart *httpmultipart_new(struct span boundary, const struct httpmultipart_sink *sink,
                                        struct fail *f);
void httpmultipart_free(struct httpmultipart **m);

/* Takes the next octets of the body. Returns 0, or -1 with a sentence if they cannot be part of a
 * form: a part without Content-Disposition: form-data or without a name, a header that is not one
 * or is too long, a Content-Transfer-Encoding other than 7bit, 8bit and binary. After -1 the parser
 * may only be freed. */
int httpmultipart_feed(struct httpmultipart *m, struct span octets, struct fail *f);

/* The body has ended. Returns 0, or -1 with a sentence if the closing delimiter has not come. */
int httpmultipart_end(struct httpmultipart *m, struct fail *f);

#endif
