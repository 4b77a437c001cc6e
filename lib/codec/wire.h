#ifndef QM_WIRE_H
#define QM_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"

/* Typed cursors for every message between processes and every row on disk. Integers are big-endian.
 * A text or blob is its length (u32) and its octets. Writing cannot fail. Reading remembers the
 * first error: after it every get returns zero or an empty span, and wire_end says so. A struct
 * never goes to a wire as it lies in memory. */

void wire_put_u8(struct buf *b, uint8_t v);
void wire_put_u16(struct buf *b, uint16_t v);
void wire_put_u32(struct buf *b, uint32_t v);
void wire_put_u64(struct buf *b, uint64_t v);
void wire_put_i64(struct buf *b, int64_t v); /* two's complement */
void wire_put_bool(struct buf *b, bool v);
void wire_put_span(struct buf *b, struct span v);
void wire_put_text(struct buf *b, const char *v); /* NULL is written as "" */

struct wire {
    const unsigned char *p;
    size_t n;
    bool bad;
};

struct wire wire_open(struct span s);
uint8_t wire_u8(struct wire *w);
uint16_t wire_u16(struct wire *w);
uint32_t wire_u32(struct wire *w);
uint64_t wire_u64(struct wire *w);
int64_t wire_i64(struct wire *w);
bool wire_bool(struct wire *w);                   /* anything but 0 and 1 is an error */
uint8_t wire_enum(struct wire *w, uint8_t limit); /* a u8 below limit, else an error */
/* At most max octets, else an error. Points into the source. */
struct span wire_span(struct wire *w, size_t max);
/* As wire_span, for text: a NUL inside is an error. The caller owns the copy (mem_free); never
 * NULL. */
char *wire_text(struct wire *w, size_t max);
/* A count of things that follow, each at least least_size octets long: above max, or more than
 * could possibly follow, is an error and gives 0, so a loop over it is bounded by what really
 * arrived. */
uint32_t wire_count(struct wire *w, uint32_t max, size_t least_size);
void wire_fail(struct wire *w);
/* 0 if all was read exactly and nothing went wrong, else -1. */
int wire_end(const struct wire *w);

#endif
