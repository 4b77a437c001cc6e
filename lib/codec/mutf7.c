#include "mutf7.h"

#include <stdbool.h>
#include <string.h>

#include "utf8.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,";

static bool is_plain(unsigned c)
{
    return c >= 0x20 && c <= 0x7e;
}

static void put_utf8(struct buf *out, uint32_t c)
{
    if (c < 0x80) {
        buf_putc(out, (int)c);
    } else if (c < 0x800) {
        buf_putc(out, (int)(0xc0 | c >> 6));
        buf_putc(out, (int)(0x80 | (c & 0x3f)));
    } else {
        if (c < 0x10000) {
            buf_putc(out, (int)(0xe0 | c >> 12));
        } else {
            buf_putc(out, (int)(0xf0 | c >> 18));
            buf_putc(out, (int)(0x80 | (c >> 12 & 0x3f)));
        }
        buf_putc(out, (int)(0x80 | (c >> 6 & 0x3f)));
        buf_putc(out, (int)(0x80 | (c & 0x3f)));
    }
}

/* One unit of UTF-16 behind the high surrogate that may wait. */
static int take_unit(struct buf *out, uint32_t unit, uint32_t *high)
{
    bool low = unit >= 0xdc00 && unit <= 0xdfff;
    if (low != (*high != 0) || (unit < 0x80 && (unit < ' ' || is_plain(unit) || unit == 0x7f)))
        return -1;
    if (unit >= 0xd800 && unit <= 0xdbff) {
        *high = unit;
        return 0;
    }
    put_utf8(out, low ? 0x10000 + ((*high - 0xd800) << 10) + (unit - 0xdc00) : unit);
    *high = 0;
    return 0;
}

/* What stands between & and -; not empty. */
static int decode_shifted(struct buf *out, struct span s)
{
    uint32_t bits = 0, high = 0;
    unsigned n = 0;
    for (size_t i = 0; i < s.n; i++) {
        const char *p = s.p[i] == '\0' ? NULL : strchr(alphabet, s.p[i]);
        if (p == NULL)
            return -1;
        bits = bits << 6 | (uint32_t)(p - alphabet);
        n += 6;
        if (n >= 16) {
            n -= 16;
            if (take_unit(out, bits >> n & 0xffff, &high) != 0)
                return -1;
        }
    }
    return high == 0 && n < 6 && (bits & ((1u << n) - 1)) == 0 ? 0 : -1;
}

static int decode(struct buf *out, struct span s)
{
    bool shifted = false; /* the piece before was: two in a row could have been one */
    while (s.n > 0) {
        unsigned c = s.p[0];
        if (!is_plain(c))
            return -1;
        s = span_of(s.p + 1, s.n - 1);
        if (c != '&') {
            buf_putc(out, (int)c);
            shifted = false;
            continue;
        }
        ssize_t n = span_find(s, '-');
        if (n < 0 || (n > 0 && (shifted || decode_shifted(out, span_of(s.p, (size_t)n)) != 0)))
            return -1;
        if (n == 0)
            buf_putc(out, '&');
        shifted = n > 0;
        s = span_of(s.p + n + 1, s.n - (size_t)n - 1);
    }
    return 0;
}

int mutf7_decode(struct buf *out, struct span name)
{
    size_t before = out->n;
    if (decode(out, name) == 0)
        return 0;
    buf_cut(out, before);
    return -1;
}

static uint32_t code_point(const unsigned char *p, size_t n)
{
    static const unsigned char masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t c = p[0] & masks[n];
    for (size_t i = 1; i < n; i++)
        c = c << 6 | (p[i] & 0x3f);
    return c;
}

struct bits {
    uint32_t held;
    unsigned n;
};

static void put_unit(struct buf *out, struct bits *b, uint32_t unit)
{
    b->held = b->held << 16 | unit;
    for (b->n += 16; b->n >= 6; b->n -= 6)
        buf_putc(out, alphabet[b->held >> (b->n - 6) & 0x3f]);
}

static void put_shifted(struct buf *out, struct bits *b, uint32_t c)
{
    if (c >= 0x10000) {
        put_unit(out, b, 0xd800 + ((c - 0x10000) >> 10));
        put_unit(out, b, 0xdc00 + ((c - 0x10000) & 0x3ff));
    } else {
        put_unit(out, b, c);
    }
}

static void end_shifted(struct buf *out, struct bits *b)
{
    if (b->n > 0)
        buf_putc(out, alphabet[b->held << (6 - b->n) & 0x3f]);
    buf_putc(out, '-');
    *b = (struct bits){0, 0};
}

static int encode(struct buf *out, struct span s)
{
    struct bits b = {0, 0};
    bool shifted = false;
    for (size_t n; s.n > 0; s = span_of(s.p + n, s.n - n)) {
        if ((n = utf8_sequence(s.p, s.n)) == 0 || (n == 1 && !is_plain(s.p[0])))
            return -1;
        if (n > 1) {
            if (!shifted)
                buf_putc(out, '&');
            shifted = true;
            put_shifted(out, &b, code_point(s.p, n));
            continue;
        }
        if (shifted)
            end_shifted(out, &b);
        shifted = false;
        buf_putc(out, s.p[0]);
        if (s.p[0] == '&')
            buf_putc(out, '-');
    }
    if (shifted)
        end_shifted(out, &b);
    return 0;
}

int mutf7_encode(struct buf *out, struct span name)
{
    size_t before = out->n;
    if (encode(out, name) == 0)
        return 0;
    buf_cut(out, before);
    return -1;
}
