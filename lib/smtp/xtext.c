#include "xtext.h"

#include <assert.h>

#include "ascii.h"
#include "utf8.h"

static const char upper_hex[] = "0123456789ABCDEF";

static bool is_plain(int c)
{
    return c > ' ' && c < 0x7f && c != '+' && c != '=';
}

static int hex_value(int c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

void xtext_encode(struct buf *out, struct span text)
{
    for (size_t i = 0; i < text.n; i++) {
        int c = text.p[i];
        if (is_plain(c)) {
            buf_putc(out, c);
        } else {
            const char code[3] = {'+', upper_hex[c >> 4], upper_hex[c & 15]};
            buf_put(out, code, sizeof code);
        }
    }
}

/* The octet that +HH at the beginning of s stands for, or -1. */
static int plus_code(struct span s)
{
    if (s.n < 3 || hex_value(s.p[1]) < 0 || hex_value(s.p[2]) < 0)
        return -1;
    return hex_value(s.p[1]) << 4 | hex_value(s.p[2]);
}

int xtext_decode(struct buf *out, struct span value)
{
    size_t before = out->n;
    for (size_t i = 0; i < value.n; i++) {
        int c = value.p[i];
        if (c == '+') {
            c = plus_code(span_of(value.p + i, value.n - i));
            i += 2;
        } else if (!is_plain(c)) {
            c = -1;
        }
        if (c < 0) {
            buf_cut(out, before);
            return -1;
        }
        buf_putc(out, c);
    }
    return 0;
}

/* The code point of the well-formed sequence of len octets at p. */
static unsigned code_point(const unsigned char *p, size_t len)
{
    static const unsigned char first[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    unsigned v = p[0] & first[len];
    for (size_t i = 1; i < len; i++)
        v = v << 6 | (p[i] & 0x3f);
    return v;
}

static void put_code_point(struct buf *out, unsigned v)
{
    if (v < 0x80) {
        buf_putc(out, (int)v);
    } else if (v < 0x800) {
        buf_putc(out, (int)(0xc0 | v >> 6));
        buf_putc(out, (int)(0x80 | (v & 0x3f)));
    } else if (v < 0x10000) {
        buf_putc(out, (int)(0xe0 | v >> 12));
        buf_putc(out, (int)(0x80 | (v >> 6 & 0x3f)));
        buf_putc(out, (int)(0x80 | (v & 0x3f)));
    } else {
        buf_putc(out, (int)(0xf0 | v >> 18));
        buf_putc(out, (int)(0x80 | (v >> 12 & 0x3f)));
        buf_putc(out, (int)(0x80 | (v >> 6 & 0x3f)));
        buf_putc(out, (int)(0x80 | (v & 0x3f)));
    }
}

void xtext_encode_utf8(struct buf *out, struct span text, bool ascii)
{
    for (size_t i = 0, len; i < text.n; i += len) {
        len = utf8_sequence(text.p + i, text.n - i);
        assert(len > 0);
        if (len == 1 ? is_plain(text.p[i]) && text.p[i] != '\\' : !ascii)
            buf_put(out, text.p + i, len);
        else
            buf_putf(out, "\\x{%02X}", code_point(text.p + i, len));
    }
}

/* Reads \x{HEX} at the beginning of s. Returns how long it is, or 0 if there is none. */
static size_t braced_code(struct span s, unsigned *v)
{
    size_t i = 3;
    if (s.n < 4 || s.p[0] != '\\' || ascii_lower(s.p[1]) != 'x' || s.p[2] != '{')
        return 0;
    for (*v = 0; i < s.n && i < 9 && hex_value(s.p[i]) >= 0; i++)
        *v = *v << 4 | (unsigned)hex_value(s.p[i]);
    if (i < 5 || i >= s.n || s.p[i] != '}' || *v > 0x10ffff || (*v >= 0xd800 && *v < 0xe000))
        return 0;
    return i + 1;
}

/* Decodes what stands at the beginning of s, one character or code. Returns how long it is, or 0.
 */
static size_t decode_one(struct buf *out, struct span s)
{
    size_t len = 1;
    unsigned v;
    int c = s.p[0];
    if (c == '+') {
        c = plus_code(s);
        if (c < 0)
            return 0;
        buf_putc(out, c);
        return 3;
    }
    if (c == '\\') {
        len = braced_code(s, &v);
        if (len > 0)
            put_code_point(out, v);
        return len;
    }
    if (c >= 0x80)
        len = utf8_sequence(s.p, s.n);
    else if (!is_plain(c))
        len = 0;
    buf_put(out, s.p, len);
    return len;
}

int xtext_decode_utf8(struct buf *out, struct span value)
{
    size_t before = out->n;
    for (size_t i = 0, len; i < value.n; i += len) {
        len = decode_one(out, span_of(value.p + i, value.n - i));
        if (len == 0) {
            buf_cut(out, before);
            return -1;
        }
    }
    struct span got =
        span_of(buf_span(out).p == NULL ? NULL : buf_span(out).p + before, out->n - before);
    if (utf8_valid(got))
        return 0;
    buf_cut(out, before);
    return -1;
}
