#include "wire.h"

#include <assert.h>
#include <string.h>

#include "mem.h"

static void put_be(struct buf *b, uint64_t v, size_t n)
{
    unsigned char *p = buf_room(b, n);
    for (size_t i = 0; i < n; i++)
        p[i] = (unsigned char)(v >> (8 * (n - 1 - i)));
    buf_grew(b, n);
}

void wire_put_u8(struct buf *b, uint8_t v)
{
    put_be(b, v, 1);
}

void wire_put_u16(struct buf *b, uint16_t v)
{
    put_be(b, v, 2);
}

void wire_put_u32(struct buf *b, uint32_t v)
{
    put_be(b, v, 4);
}

void wire_put_u64(struct buf *b, uint64_t v)
{
    put_be(b, v, 8);
}

void wire_put_i64(struct buf *b, int64_t v)
{
    put_be(b, (uint64_t)v, 8);
}

void wire_put_bool(struct buf *b, bool v)
{
    put_be(b, v ? 1 : 0, 1);
}

void wire_put_span(struct buf *b, struct span v)
{
    assert(v.n <= UINT32_MAX);
    put_be(b, v.n, 4);
    buf_put_span(b, v);
}

void wire_put_text(struct buf *b, const char *v)
{
    wire_put_span(b, span_text(v));
}

struct wire wire_open(struct span s)
{
    return (struct wire){s.p, s.n, false};
}

void wire_fail(struct wire *w)
{
    w->bad = true;
    w->n = 0;
}

static uint64_t get_be(struct wire *w, size_t n)
{
    uint64_t v = 0;
    if (w->bad || w->n < n) {
        wire_fail(w);
        return 0;
    }
    for (size_t i = 0; i < n; i++)
        v = v << 8 | w->p[i];
    w->p += n;
    w->n -= n;
    return v;
}

uint8_t wire_u8(struct wire *w)
{
    return (uint8_t)get_be(w, 1);
}

uint16_t wire_u16(struct wire *w)
{
    return (uint16_t)get_be(w, 2);
}

uint32_t wire_u32(struct wire *w)
{
    return (uint32_t)get_be(w, 4);
}

uint64_t wire_u64(struct wire *w)
{
    return get_be(w, 8);
}

int64_t wire_i64(struct wire *w)
{
    return (int64_t)get_be(w, 8);
}

uint8_t wire_enum(struct wire *w, uint8_t limit)
{
    uint8_t v = wire_u8(w);
    if (v >= limit) {
        wire_fail(w);
        return 0;
    }
    return v;
}

bool wire_bool(struct wire *w)
{
    return wire_enum(w, 2) == 1;
}

struct span wire_span(struct wire *w, size_t max)
{
    size_t n = wire_u32(w);
    if (w->bad || n > max || n > w->n) {
        wire_fail(w);
        return (struct span){0};
    }
    struct span s = {w->p, n};
    w->p += n;
    w->n -= n;
    return s;
}

char *wire_text(struct wire *w, size_t max)
{
    struct span s = wire_span(w, max);
    if (span_find(s, '\0') >= 0) {
        wire_fail(w);
        s.n = 0;
    }
    return span_dup(s);
}

uint32_t wire_count(struct wire *w, uint32_t max, size_t least_size)
{
    uint32_t n = wire_u32(w);
    if (w->bad || n > max || (least_size > 0 && n > w->n / least_size)) {
        wire_fail(w);
        return 0;
    }
    return n;
}

int wire_end(const struct wire *w)
{
    return w->bad || w->n != 0 ? -1 : 0;
}
