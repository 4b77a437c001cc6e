#ifndef QM_JSONWRITE_H
#define QM_JSONWRITE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* JSON written straight into a buffer, on one line, without a tree. What is written is always JSON:
 * commas and colons come by themselves, and a call out of place (a value without a name in an
 * object, an end that does not match) is an assertion.
 *
 *     struct jsonwrite w;
 *     jsonwrite_open(&w, &out, 0);
 *     jsonwrite_object(&w);
 *     jsonwrite_key(&w, "MsgID");
 *     jsonwrite_int64(&w, 5);
 *     jsonwrite_object_end(&w);
 *     jsonwrite_close(&w);                    {"MsgID":5}
 */

#define JSONWRITE_DEPTH_MAX 32

enum {
    /* < > & as \u003c \u003e \u0026, so that the text may stand within HTML. Go's json.Marshal does
       it. */
    JSONWRITE_HTML = 1,
};

struct jsonwrite {
    struct buf *out;
    unsigned flags;
    size_t depth;
    bool done; /* the outermost value is complete */
    struct {
        bool object;
        bool filled; /* something stands before, so a comma is due */
        bool named;  /* a name stands before, so a value is due */
    } level[JSONWRITE_DEPTH_MAX];
};

/* Starts a text that is appended to out, which the caller owns and must not touch until
 * jsonwrite_close. */
void jsonwrite_open(struct jsonwrite *w, struct buf *out, unsigned flags);

/* Asserts that exactly one value was written and every array and object in it was ended. */
void jsonwrite_close(struct jsonwrite *w);

void jsonwrite_object(struct jsonwrite *w);     /* { */
void jsonwrite_object_end(struct jsonwrite *w); /* } */
void jsonwrite_array(struct jsonwrite *w);      /* [ */
void jsonwrite_array_end(struct jsonwrite *w);  /* ] */

/* The name of the object's next member. Escaped as a text is; that it is not written twice is up to
 * the caller. */
void jsonwrite_key(struct jsonwrite *w, const char *name);
void jsonwrite_key_span(struct jsonwrite *w, struct span name);

/* A string of any octets: control characters, quotation mark, reverse solidus, U+2028 and U+2029
 * are escaped, each octet that is not part of well-formed UTF-8 is written as U+FFFD. text NULL is
 * "". */
void jsonwrite_text(struct jsonwrite *w, const char *text);
void jsonwrite_span(struct jsonwrite *w, struct span text);

/* All digits, exactly. */
void jsonwrite_int64(struct jsonwrite *w, int64_t v);
void jsonwrite_uint64(struct jsonwrite *w, uint64_t v);

/* So that it reads back as the same double; null for infinities and NaN, which JSON does not have.
 */
void jsonwrite_double(struct jsonwrite *w, double v);

/* true or false; null. */
void jsonwrite_bool(struct jsonwrite *w, bool v);
void jsonwrite_null(struct jsonwrite *w);

/* ms since 1970-01-01 UTC as a string, see rfc3339_format. */
void jsonwrite_time(struct jsonwrite *w, int64_t ms);

/* A string of padded base64. */
void jsonwrite_base64(struct jsonwrite *w, struct span octets);

#endif
