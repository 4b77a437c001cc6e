#include "base64.h"

#include <stdbool.h>

#include "ascii.h"

static const char standard[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_safe[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/* Writes the digits of at most three octets. */
static size_t put_group(unsigned char *to, const unsigned char *p, size_t n, const char *alphabet,
                        bool pad)
{
    unsigned v = (unsigned)p[0] << 16 | (n > 1 ? (unsigned)p[1] << 8 : 0) | (n > 2 ? p[2] : 0);
    size_t digits = n + 1;
    for (size_t k = 0; k < digits; k++)
        to[k] = (unsigned char)alphabet[v >> (18 - 6 * k) & 63];
    while (pad && digits < 4)
        to[digits++] = '=';
    return digits;
}

/* Files of many megabytes pass through here: room is made once, not for each digit. */
static size_t put_digits(unsigned char *to, struct span in, const char *alphabet, bool pad)
{
    unsigned char *at = to;
    size_t i = 0;
    for (; in.n - i >= 3; i += 3, at += 4) {
        unsigned v = (unsigned)in.p[i] << 16 | (unsigned)in.p[i + 1] << 8 | in.p[i + 2];
        at[0] = (unsigned char)alphabet[v >> 18];
        at[1] = (unsigned char)alphabet[v >> 12 & 63];
        at[2] = (unsigned char)alphabet[v >> 6 & 63];
        at[3] = (unsigned char)alphabet[v & 63];
    }
    if (i < in.n)
        at += put_group(at, in.p + i, in.n - i, alphabet, pad);
    return (size_t)(at - to);
}

static void encode(struct buf *out, struct span in, const char *alphabet, bool pad)
{
    if (in.n > 0)
        buf_grew(out, put_digits(buf_room(out, (in.n + 2) / 3 * 4), in, alphabet, pad));
}

void base64_encode(struct buf *out, struct span in)
{
    encode(out, in, standard, true);
}

void base64_encode_lines(struct buf *out, struct span in)
{
    size_t lines = (in.n + 56) / 57;
    if (lines == 0)
        return;
    unsigned char *room = buf_room(out, lines * 78), *at = room;
    for (size_t i = 0; i < in.n; i += 57) {
        at += put_digits(at, span_of(in.p + i, in.n - i < 57 ? in.n - i : 57), standard, true);
        *at++ = '\r';
        *at++ = '\n';
    }
    buf_grew(out, (size_t)(at - room));
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

/* out may be NULL. */
static int decode(struct buf *out, struct span in, bool loose)
{
    size_t before = out == NULL ? 0 : out->n, quad = 0, pads = 0;
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
        /* The bits that padding leaves over must be zero, or one value would have many spellings.
         */
        if ((pads == 1 && (v & 0xff) != 0) || (pads == 2 && (v & 0xffff) != 0))
            goto refuse;
        for (size_t k = 0; out != NULL && k < 3 - pads; k++)
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
    if (out != NULL)
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

int base64_check_loose(struct span in)
{
    return decode(NULL, in, true);
}

static const char folded[] = "abcdefghijklmnopqrstuvwxyz234567";

void base32_encode(struct buf *out, struct span in)
{
    unsigned bits = 0, v = 0;
    for (size_t i = 0; i < in.n; i++) {
        v = (v << 8 | in.p[i]) & 0xfff;
        for (bits += 8; bits >= 5; bits -= 5)
            buf_putc(out, folded[v >> (bits - 5) & 31]);
    }
    if (bits > 0)
        buf_putc(out, folded[v << (5 - bits) & 31]);
}

static int value_of_32(int c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a';
    return c >= '2' && c <= '7' ? c - '2' + 26 : -1;
}

int base32_decode(struct buf *out, struct span in)
{
    size_t before = out->n;
    unsigned bits = 0, v = 0;
    for (size_t i = 0; i < in.n; i++) {
        int digit = value_of_32(in.p[i]);
        if (digit < 0)
            goto bad;
        v = (v << 5 | (unsigned)digit) & 0xfff;
        bits += 5;
        if (bits >= 8) {
            bits -= 8;
            buf_putc(out, (int)(v >> bits & 0xff));
        }
    }
    if (bits < 5 && (v & ((1u << bits) - 1)) == 0)
        return 0;
bad:
    buf_cut(out, before);
    return -1;
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
