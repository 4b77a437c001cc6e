#ifndef QM_MIMEPART_H
#define QM_MIMEPART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "fold.h"

/* The parts that messages of ours are made of, RFC 2045, 2046, 2183, 2231. Each part is written as
 * its MIME fields, an empty line and its content. */

enum { MIMEPART_FIELD_MAX = 900 /* octets of a content type or content id, and of a file name */ };

enum mimepart_form {
    MIMEPART_OCTETS,
    MIMEPART_BASE64, /* data is in base64 already, as base64_check_loose has it */
    MIMEPART_RANGE,  /* data is empty: it is read from a descriptor */
};

/* A file to put into a message. Content type and content id are in the form of their fields. */
struct mimepart_file {
    struct span name;         /* UTF-8; may be empty */
    struct span content_type; /* empty: found out from the data */
    struct span content_id;   /* with its angle brackets; empty: none */
    struct span data;
    enum mimepart_form form; /* of data, or that it is elsewhere */
    int fd;                  /* MIMEPART_RANGE: n octets of it, from `at` on */
    uint64_t at, n;
};

/* Whether a file's fields can be written: content type "type/subtype" and perhaps parameters, not
 * multipart; both type and id printable ASCII; nothing over MIMEPART_FIELD_MAX. Returns 0 or -1. */
int mimepart_check_file(const struct mimepart_file *file, struct fail *f);

/* The content type of data by its first 512 octets: PDF, PNG, JPEG, GIF, WebP, ZIP, gzip, HTML,
 * plain text in UTF-8; "application/octet-stream" for all else. A static string. */
const char *mimepart_sniff(struct span data);

/* How a text will be written. */
struct mimepart_text {
    struct buf body;      /* every line ended by CRLF */
    const char *charset;  /* "us-ascii" or "utf-8" */
    const char *encoding; /* "7bit", "8bit" or "quoted-printable" */
};

/* Prepares UTF-8 text: line ends LF or CRLF become CRLF, the last line gets one if it has none.
 * Text with lines of over 76 octets, a CR by itself or a control character other than tab needs
 * quoted-printable; else it goes as it is. body is overwritten, and the caller's to free. */
void mimepart_text_prepare(struct mimepart_text *t, struct span text);
/* Writes a prepared text as a part of type "text/subtype". */
void mimepart_text_write(struct buf *out, const struct mimepart_text *t, const char *subtype);

/* Writes a file's fields and the empty line behind them; its content in base64, lines ended by
 * CRLF, is to follow. disposition is "inline" or "attachment". */
void mimepart_file_begin(struct buf *out, const struct mimepart_file *file,
                         const char *disposition);

/* Appends "; name=value" to a field: a quoted string, or RFC 2231's form when the value is not
 * printable ASCII or is too long for one line. Octets that are not UTF-8 become U+FFFD. The field's
 * words so far must not end in a semicolon. */
void mimepart_parameter(struct fold *fold, const char *name, struct span value);

/* Appends a boundary that occurs in none of these contents: random, and looked for. */
void mimepart_boundary(struct buf *out, const struct span *contents, size_t n);
/* Whether a boundary occurs in none of them. */
bool mimepart_boundary_fits(struct span boundary, const struct span *contents, size_t n);

/* Writes a multipart's fields and the empty line behind them. more is what stands behind
 * "multipart/subtype" before the boundary ("; report-type=x") or "". */
void mimepart_multipart_begin(struct buf *out, const char *subtype, const char *more,
                              struct span boundary, bool has_8bit);
/* Writes the delimiter before a part; first says that it is the first one. */
void mimepart_multipart_next(struct buf *out, struct span boundary, bool first);
/* Writes the delimiter behind the last part. */
void mimepart_multipart_end(struct buf *out, struct span boundary);

#endif
