#ifndef QM_MIMEREAD_H
#define QM_MIMEREAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "mailcharset.h"
#include "mimefield.h"

/* A stored message as the tree of its MIME parts (RFC 2045, 2046), where it lies: spans point into
 * the octets given, only small texts are copied. Any octets are a message; lines end in CRLF or LF.
 * It is read once, line by line, so the time taken grows with its length alone.
 *
 * Tolerant: a multipart without its last delimiter ends where what is around it ends; one without
 * a boundary, or nested too deep, is a part like any other. A delimiter of an outer multipart ends
 * those within. A message within the message (message/rfc822) is not looked into. */

enum {
    /* Multiparts within multiparts. Two levels of JSON each, of the 32 that jsonwrite.h has, leave
     * room for what stands around them; mail programs make at most five. */
    MIMEREAD_DEPTH_MAX = 14,
    MIMEREAD_PARTS_MAX = 1000,     /* what is behind belongs to the last part that is listed */
    MIMEREAD_HEADER_MAX = 262144,  /* octets of a header in which fields are looked for */
    MIMEREAD_TEXTS_MAX = 262144,   /* octets of texts kept in all: what comes behind has no
                                      parameters and names, so that the tree can always be shown */
    MIMEREAD_CONTENT_ID_MAX = 1024 /* octets of a Content-ID; a longer one is left out */
};

enum mimeread_encoding { MIMEREAD_IDENTITY, MIMEREAD_BASE64, MIMEREAD_QUOTED_PRINTABLE };

struct mimeread_part {
    struct span header; /* the empty line included */
    struct span body;   /* as it stands, without the line end that belongs to a delimiter */
    /* word: "type/subtype", or "/" without a Content-Type. What is no content type is
     * "application/octet-stream" (but a lone "text" is "text/plain"). */
    struct mimefield type;
    char *content_id;  /* as it stands, unfolded; "": none */
    char *disposition; /* lower case; "": none */
    char *filename;    /* of the disposition, else the name of the type, decoded; "": none */
    enum mimeread_encoding encoding;
    /* Indexes of parts, 0 for none: the multipart it is in, its first and last child, the next of
     * the same parent. */
    size_t parent, first, last, next;
    size_t children;
};

struct mimeread {
    struct mimeread_part *parts; /* in the order of the message; the first is the message itself */
    size_t n, room;              /* n is at least 1 once read */
    bool cut;                    /* something was left out because of a limit above */
};

/* Reads a message, which must stay as it is while *m is in use. Never fails. *m is overwritten, and
 * the caller's to clear. charsets may be NULL. */
void mimeread_parse(struct mimeread *m, struct span message, const struct mailcharset *charsets);

void mimeread_clear(struct mimeread *m); /* frees what it holds; all-zero again; NULL is let be */

/* The part's header, as far as fields are looked for in it: MIMEREAD_HEADER_MAX octets. */
struct span mimeread_header(const struct mimeread_part *part);

/* The first child of a part and the part behind one with the same parent; NULL: none. */
const struct mimeread_part *mimeread_first(const struct mimeread *m,
                                           const struct mimeread_part *part);
const struct mimeread_part *mimeread_next(const struct mimeread *m,
                                          const struct mimeread_part *part);

/* The part that path[n] leads to from the message on, each a child's index from 0; NULL: there is
 * none. An empty path is the message itself. */
const struct mimeread_part *mimeread_at(const struct mimeread *m, const int64_t *path, size_t n);

/* Whether the part is of that type ("text/html"); one without a type is "text/plain" (RFC
 * 2045 5.2). */
bool mimeread_is(const struct mimeread_part *part, const char *type);
bool mimeread_is_text(const struct mimeread_part *part);      /* "text/..." or without a type */
bool mimeread_is_multipart(const struct mimeread_part *part); /* "multipart/..." */

/* The parts to show as the message's text and HTML; NULL: none. A message of one part is either or
 * none. In a multipart they are the first of its own children that is one, and in a
 * multipart/alternative the first of the other kind, too; if it has none, what is found so in the
 * first child that has some. The other kind of an alternative is looked for in its multiparts as
 * well, since HTML often stands in a multipart/related with its pictures. A disposition is not
 * looked at. */
void mimeread_texts(const struct mimeread *m, const struct mimeread_part **text,
                    const struct mimeread_part **html);

#endif
