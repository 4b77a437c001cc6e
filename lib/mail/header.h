#ifndef QM_HEADER_H
#define QM_HEADER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* The header of a message (RFC 5322 2.2), where it lies: nothing is copied, spans point into the
 * octets given. Lines end in CRLF or in a bare LF; a message may stop anywhere, and its header then
 * stops there. The time taken grows with the header's length alone. */

struct header_field {
    struct span name;  /* without the colon and spaces before it; empty when the line is no field */
    struct span value; /* behind the colon, folding included, without the last line end */
    struct span whole; /* name, colon, value and line end */
};

/* The length of the header, the empty line that ends it included: the body begins there. message.n
 * when there is no empty line. */
size_t header_end(struct span message);

/* The same for a message that comes in pieces. All-zero before the first one. */
struct header_scan {
    bool in_line; /* an octet that is not of a line end has been seen since the last LF */
    bool after_cr;
    bool done;
};

/* Returns how many octets of the next piece belong to the header, the empty line included;
 * scan->done is set once that line has been seen. */
size_t header_scan(struct header_scan *scan, struct span piece);

/* Cuts the next field off *rest, which begins as the header. Returns false at the header's end:
 * nothing left, or an empty line. A line that is no field (no colon, a name with characters a name
 * cannot have, a continuation of nothing) comes as a field with an empty name and itself as the
 * value; it takes the continuation lines behind it along. */
bool header_next(struct span *rest, struct header_field *field);

/* Finds the nth field of that name, counted from 0, any case. Returns whether there is one. */
bool header_find(struct span header, const char *name, size_t nth, struct header_field *field);
/* How many fields of that name there are, any case. */
size_t header_count(struct span header, const char *name);

/* Whether s can be a field's name: 1..997 octets of printable ASCII without the colon (RFC
 * 5322 3.6.8). */
bool header_is_name(struct span s);

/* Appends a field's value as one line: line ends taken out, white space at both ends left off. */
void header_unfold(struct buf *out, struct span value);

/* Appends the unfolded value of the first field of that name. Returns false, with out as it was,
 * when there is none or it is longer than max octets. */
bool header_value(struct span header, const char *name, size_t max, struct buf *out);

#endif
