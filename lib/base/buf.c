#include "buf.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "mem.h"

#define FORMAT_ROOM 100

struct span span_of(const void *p, size_t n)
{
    return (struct span){p, n};
}

struct span span_text(const char *s)
{
    return (struct span){(const unsigned char *)s, s == NULL ? 0 : strlen(s)};
}

bool span_equal(struct span a, struct span b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.p, b.p, a.n) == 0);
}

bool span_is(struct span a, const char *text)
{
    return span_equal(a, span_text(text));
}

bool span_is_nocase(struct span a, const char *text)
{
    return a.n == strlen(text) && span_starts_nocase(a, text);
}

bool span_starts_nocase(struct span a, const char *text)
{
    size_t n = strlen(text);
    return a.n >= n && (n == 0 || strncasecmp((const char *)a.p, text, n) == 0);
}

ssize_t span_find(struct span a, int octet)
{
    const unsigned char *at = a.n == 0 ? NULL : memchr(a.p, octet, a.n);
    return at == NULL ? -1 : at - a.p;
}

char *span_dup(struct span a)
{
    return mem_textn(a.p, a.n);
}

int span_copy(struct span a, char *dst, size_t size)
{
    if (a.n >= size || span_find(a, '\0') >= 0)
        return -1;
    if (a.n > 0)
        memcpy(dst, a.p, a.n);
    dst[a.n] = '\0';
    return 0;
}

struct span buf_span(const struct buf *b)
{
    return (struct span){b->p == NULL ? NULL : b->p + b->head, b->n};
}

unsigned char *buf_room(struct buf *b, size_t n)
{
    size_t need;
    if (__builtin_add_overflow(b->n, n, &need) || __builtin_add_overflow(need, 1, &need))
        abort();
    if (b->head > 0 && b->head + need > b->cap) {
        memmove(b->p, b->p + b->head, b->n);
        b->head = 0;
    }
    if (need > b->cap) {
        size_t cap = b->cap < 64 ? 64 : b->cap;
        while (cap < need)
            cap = cap > SIZE_MAX / 2 ? need : cap * 2;
        b->p = mem_resize(b->p, cap);
        b->cap = cap;
    }
    return b->p + b->head + b->n;
}

void buf_grew(struct buf *b, size_t n)
{
    assert(b->head + b->n + n <= b->cap);
    b->n += n;
}

void buf_put(struct buf *b, const void *p, size_t n)
{
    if (n == 0)
        return;
    memcpy(buf_room(b, n), p, n);
    b->n += n;
}

void buf_putc(struct buf *b, int octet)
{
    *buf_room(b, 1) = (unsigned char)octet;
    b->n++;
}

void buf_puts(struct buf *b, const char *s)
{
    buf_put(b, s, strlen(s));
}

void buf_put_span(struct buf *b, struct span s)
{
    buf_put(b, s.p, s.n);
}

void buf_vputf(struct buf *b, const char *fmt, va_list ap)
{
    /* Most texts fit at once. */
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf((char *)buf_room(b, FORMAT_ROOM), FORMAT_ROOM + 1, fmt, again);
    va_end(again);
    assert(n >= 0);
    if (n > FORMAT_ROOM)
        (void)vsnprintf((char *)buf_room(b, (size_t)n), (size_t)n + 1, fmt, ap);
    b->n += (size_t)n;
}

void buf_putf(struct buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vputf(b, fmt, ap);
    va_end(ap);
}

void buf_drop(struct buf *b, size_t n)
{
    assert(n <= b->n);
    b->head += n;
    b->n -= n;
    if (b->n == 0)
        b->head = 0;
}

void buf_cut(struct buf *b, size_t n)
{
    assert(n <= b->n);
    b->n = n;
}

void buf_clear(struct buf *b)
{
    b->head = b->n = 0;
}

void buf_free(struct buf *b)
{
    mem_release(b->p);
    *b = (struct buf){0};
}

void buf_wipe(struct buf *b)
{
    mem_wipe(b->p, b->cap);
    buf_free(b);
}

const char *buf_text(struct buf *b)
{
    *buf_room(b, 0) = '\0';
    return (const char *)b->p + b->head;
}

char *buf_take_text(struct buf *b)
{
    char *text = mem_textn(buf_span(b).p, b->n);
    buf_free(b);
    return text;
}
