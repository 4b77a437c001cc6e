#include "base64.h"

#include <stdbool.h>

#include "ascii.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static void encode(struct buf *out, struct span in, const char *alphabet, bool pad)
{
    for (size_t i = 0; i < in.n; i += 3) {
        size_t left = in.n - i < 3 ? in.n - i : 3;
        unsigned v = (unsigned)in.p[i] << 16;
        if (left > 1)
            v |= (unsigned)in.p[i + 1] << 8;
        if (left > 2)
            v |= in.p[i + 2];
        for (size_t k = 0; k < 4; k++) {
            if (k <= left)
                buf_putc(out, alphabet[v >> (18 - 6 * k) & 63]);
            else if (pad)
                buf_putc(out, '=');
        }
    }
}

void base64_encode(struct buf *out, struct span in)
{
    encode(out, in, standard, true);
}

void base64_encode_lines(struct buf *out, struct span in)
{
    for (size_t i = 0; i < in.n; i += 57) {
        encode(out, span_of(in.p + i, in.n - i < 57 ? in.n - i : 57), standard, true);
        buf_puts(out, "\r\n");
    }
}

void base64url_encode(struct buf *out, struct span in)
{
    encode(out, in, url_safe, false);
}

static int value_of(int c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

static int decode(struct buf *out, struct span in, bool loose)
{
    size_t before = out->n, quad = 0, pads = 0;
    unsigned v = 0;
    for (size_t i = 0; i < in.n; i++) {
        int c = in.p[i];
        if (loose && ascii_is_space(c))
            continue;
        if (c == '=') {
            if (quad < 2 || ++pads > 2)
                goto refuse;
        } else {
            int six = value_of(c);
            if (six < 0 || pads > 0)
                goto refuse;
            v = v << 6 | (unsigned)six;
        }
        if (c == '=')
            v <<= 6;
        if (++quad < 4)
            continue;
        /* The bits that padding leaves over must be zero, or one value would have many spellings. */
        if ((pads == 1 && (v & 0xff) != 0) || (pads == 2 && (v & 0xffff) != 0))
            goto refuse;
        for (size_t k = 0; k < 3 - pads; k++)
            buf_putc(out, (int)(v >> (16 - 8 * k) & 0xff));
        quad = 0;
        v = 0;
        if (pads > 0) {
            for (i++; i < in.n; i++) {
                if (!loose || !ascii_is_space(in.p[i]))
                    goto refuse;
            }
        }
    }
    if (quad == 0)
        return 0;
refuse:
    buf_cut(out, before);
    return -1;
}

int base64_decode(struct buf *out, struct span in)
{
    return decode(out, in, false);
}

int base64_decode_loose(struct buf *out, struct span in)
{
    return decode(out, in, true);
}

void hex_encode(struct buf *out, struct span in)
{
    for (size_t i = 0; i < in.n; i++)
        buf_putf(out, "%02x", in.p[i]);
}

static int hex_value(int c)
{
    if (ascii_is_digit(c))
        return c - '0';
    c = ascii_lower(c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int hex_decode(struct buf *out, struct span in)
{
    size_t before = out->n;
    if (in.n % 2 != 0)
        return -1;
    for (size_t i = 0; i < in.n; i += 2) {
        int high = hex_value(in.p[i]), low = hex_value(in.p[i + 1]);
        if (high < 0 || low < 0) {
            buf_cut(out, before);
            return -1;
        }
        buf_putc(out, high << 4 | low);
    }
    return 0;
}
