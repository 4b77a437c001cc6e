#ifndef QM_SEVENBIT_H
#define QM_SEVENBIT_H

#include <stdint.h>

#include "buf.h"
#include "fail.h"

/* A message for a server without 8BITMIME (RFC 6152 section 3): parts with octets above 127, and
 * those said to be binary that have NULs or long lines, are written as quoted-printable or base64
 * (RFC 2045), whatever else is in it stays as it is. What it
 * says stays the same; a signature over the octets, as DKIM has one, does not hold any more.
 *
 * The message is gone through twice, in pieces of any size: once to see what is in each part, once
 * to convert it. Neither needs memory for more than a line of it and a few octets for each part.
 *
 * What cannot be converted: octets above 127 in a header, a part's or an attached message's too; in
 * a part that was signed or encrypted as it stands (multipart/signed, multipart/encrypted); in one
 * that is said to be encoded already, or may not be (RFC 2046 section 5.2); in a structure that
 * cannot be read, a delimiter with white space without end among it. In what stands before or
 * behind the parts of a multipart, which nobody is shown, they become question marks. */

enum {
    SEVENBIT_PARTS_MAX = 1000, /* attached messages counted; with more a message is not converted */
    SEVENBIT_DEPTH_MAX = 20,   /* multiparts within multiparts */
    SEVENBIT_BOUNDARY_MAX = 200,
    SEVENBIT_LINE = 2048, /* of a line, octets looked at together; longer ones go in pieces */
};

/* What was found: how each part is to be written. */
struct sevenbit_plan;

/* Takes a run of converted octets, valid during the call. */
typedef void sevenbit_sink(void *arg, struct span run);

struct sevenbit;

/* Begins the first time. */
struct sevenbit *sevenbit_look(void);
/* Begins the second time, with the same octets to come. plan must outlive it. */
struct sevenbit *sevenbit_convert(const struct sevenbit_plan *plan, sevenbit_sink *sink, void *arg);
/* The next octets. */
void sevenbit_feed(struct sevenbit *s, struct span piece);
/* The end of the first time; frees *s and nulls it. Returns the plan, the caller's to free, or
 * NULL when the message cannot be converted, with the reason in f. */
struct sevenbit_plan *sevenbit_looked(struct sevenbit **s, struct fail *f);
/* The end of the second time: passes on what is left, frees *s and nulls it. */
void sevenbit_end(struct sevenbit **s);
void sevenbit_free(struct sevenbit **s); /* in the middle; NULL is let be */

/* Octets that the converted message has at most; a few for each part, and in a hundred, fewer in
 * truth. */
uint64_t sevenbit_size(const struct sevenbit_plan *plan);
void sevenbit_plan_free(struct sevenbit_plan **plan); /* NULL is let be */

#endif
