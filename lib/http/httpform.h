#ifndef QM_HTTPFORM_H
#define QM_HTTPFORM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* The body of a form, application/x-www-form-urlencoded or multipart/form-data, taken in pieces of
 * any size and kept within limits: small files in memory, all others in one memory file. A body of
 * any other type is passed over and yields no field, as a form parser in Go has it. A form owns all
 * its parts. */

struct httpform_limits {
    size_t parts;  /* fields and files together; 0 stands for 1000 */
    size_t fields; /* octets of all names and of all values that are not files; when urlencoded, of
                    * the body as sent; 0 stands for 10 MiB */
    size_t files;  /* octets of all files; 0 stands for 100 MiB */
    size_t memory; /* octets of files that are not put into the memory file; 0 stands for 200 KiB */
};

enum httpform_error {
    HTTPFORM_FINE,
    HTTPFORM_MALFORMED, /* not a form */
    HTTPFORM_TOO_LARGE, /* beyond a limit */
    HTTPFORM_BUSY,      /* the kernel gave no memory file, or no memory for it */
};

struct httpform_part {
    char *name;
    char *filename;   /* without folders; NULL when this is an ordinary field and not a file */
    char *type;       /* the part's Content-Type as it stands, or NULL */
    char *content_id; /* its Content-ID as it stands, or NULL */
    struct buf value; /* any octets; empty when it was spilled */
    bool spilled;     /* a file: n octets of httpform_spill's descriptor, from `at` on */
    uint64_t at, n;   /* n counts what is in value, too */
};

struct httpform;

/* content_type is the request's field value. limits may be NULL. Returns a form that the caller
 * frees, or NULL with a sentence if the field is no media type (so also when it is empty) or is
 * multipart/form-data without a boundary. */
struct httpform *httpform_new(struct span content_type, const struct httpform_limits *limits,
                              struct fail *f);
void httpform_free(struct httpform **form);

/* Takes the next octets. After anything but HTTPFORM_FINE, f says why, further calls say the same,
 * and what was read so far is of no use. */
enum httpform_error httpform_feed(struct httpform *form, struct span octets, struct fail *f);

/* The body has ended. */
enum httpform_error httpform_end(struct httpform *form, struct fail *f);

/* Octets held at the moment, in memory and in the memory file. */
size_t httpform_held(const struct httpform *form);

/* The memory file with what was spilled, to be read with pread and left open; -1 if there is none.
 */
int httpform_spill(const struct httpform *form);

/* The parts in the order they came. The value may be taken out by whoever empties it (struct buf is
 * moved by assignment). */
size_t httpform_count(const struct httpform *form);
struct httpform_part *httpform_part(struct httpform *form, size_t i);

/* The first ordinary field of that name (case matters), or NULL. */
struct httpform_part *httpform_field(struct httpform *form, const char *name);

#endif
