#ifndef QM_BUF_H
#define QM_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* Octets that somebody else owns. Not NUL-terminated; may hold NULs. p may be NULL when n is 0. */
struct span {
    const unsigned char *p;
    size_t n;
};

/* A growable row of octets. All-zero is an empty one. The content starts at p + head: octets are
 * taken from the front without moving the rest. Growth aborts on no memory; whoever reads from a
 * stranger bounds the length first. */
struct buf {
    unsigned char *p;
    size_t head, n, cap; /* n counts the content, from head on */
};

struct span span_of(const void *p, size_t n);
struct span span_text(const char *s); /* without the NUL; NULL gives an empty span */
bool span_equal(struct span a, struct span b);
bool span_is(struct span a, const char *text);        /* exact */
bool span_is_nocase(struct span a, const char *text); /* ASCII case folded */
bool span_starts_nocase(struct span a, const char *text);
ssize_t span_find(struct span a, int octet); /* index of the first, or -1 */
char *span_dup(struct span a);               /* NUL-terminated copy, mem_free */
/* Copies into dst[size] and terminates. Returns 0, or -1 when it does not fit or holds a NUL. */
int span_copy(struct span a, char *dst, size_t size);

struct span buf_span(const struct buf *b);
void buf_put(struct buf *b, const void *p, size_t n);
void buf_putc(struct buf *b, int octet);
void buf_puts(struct buf *b, const char *s);
void buf_put_span(struct buf *b, struct span s);
void buf_putf(struct buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void buf_vputf(struct buf *b, const char *fmt, va_list ap) __attribute__((format(printf, 2, 0)));
/* Room for n more octets; returns where they go. buf_grew says how many were written there. */
unsigned char *buf_room(struct buf *b, size_t n);
void buf_grew(struct buf *b, size_t n);
void buf_drop(struct buf *b, size_t n); /* take n octets off the front; n <= b->n */
void buf_cut(struct buf *b, size_t n);  /* shorten the content to n octets; n <= b->n */
void buf_clear(struct buf *b);          /* empty, keeping the memory */
void buf_free(struct buf *b);           /* empty, giving the memory back; b is all-zero again */
void buf_wipe(struct buf *b);           /* as buf_free, overwriting all of it first */
/* The content as a C string (a NUL is kept behind it, not counted). Valid until b changes. */
const char *buf_text(struct buf *b);
/* The content as a C string that the caller owns (mem_free); b is empty afterwards. */
char *buf_take_text(struct buf *b);

#endif
