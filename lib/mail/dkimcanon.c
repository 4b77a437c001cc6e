#include "dkimcanon.h"

#include <string.h>

#include "ascii.h"

void dkimcanon_body_begin(struct dkimcanon_body *b, enum dkimcanon how,
                          void (*put)(void *arg, struct span octets), void *arg)
{
    b->how = how;
    b->put = put;
    b->arg = arg;
    b->line_ends = 0;
    b->space = b->after_cr = b->begun = false;
    b->n = 0;
}

static void flush(struct dkimcanon_body *b)
{
    if (b->n > 0)
        b->put(b->arg, span_of(b->out, b->n));
    b->n = 0;
}

static void gather(struct dkimcanon_body *b, const void *p, size_t n)
{
    b->begun = true;
    if (n > sizeof b->out - b->n)
        flush(b);
    if (n > sizeof b->out) {
        b->put(b->arg, span_of(p, n));
        return;
    }
    memcpy(b->out + b->n, p, n);
    b->n += n;
}

/* Octets that are not of a line end: whatever was held back goes out before them. */
static void put_octets(struct dkimcanon_body *b, const void *p, size_t n)
{
    for (; b->line_ends > 0; b->line_ends--)
        gather(b, "\r\n", 2);
    if (b->space)
        gather(b, " ", 1);
    b->space = false;
    gather(b, p, n);
}

/* Which octets are looked at one by one: those of line ends (1), and in relaxed white space (2). */
static const unsigned char special[256] = {['\r'] = 1, ['\n'] = 1, [' '] = 2, ['\t'] = 2};

static void update_special(struct dkimcanon_body *b, int octet)
{
    if (octet == '\n') {
        b->space = b->after_cr = false;
        b->line_ends++;
        return;
    }
    if (b->after_cr)
        put_octets(b, "\r", 1);
    b->after_cr = octet == '\r';
    if (octet != '\r')
        b->space = true;
}

void dkimcanon_body_update(struct dkimcanon_body *b, struct span octets)
{
    size_t i = 0, start;
    unsigned char mask = b->how == DKIMCANON_RELAXED ? 3 : 1;
    while (i < octets.n) {
        for (start = i; i < octets.n && (special[octets.p[i]] & mask) == 0; i++)
            ;
        if (i > start) {
            if (b->after_cr)
                put_octets(b, "\r", 1);
            b->after_cr = false;
            put_octets(b, octets.p + start, i - start);
        }
        for (; i < octets.n && (special[octets.p[i]] & mask) != 0; i++)
            update_special(b, octets.p[i]);
    }
}

void dkimcanon_body_end(struct dkimcanon_body *b)
{
    if (b->after_cr)
        put_octets(b, "\r", 1);
    /* A body that has anything ends in one CRLF; an empty one is that CRLF in simple, nothing in
     * relaxed. */
    if (b->begun || b->how == DKIMCANON_SIMPLE)
        gather(b, "\r\n", 2);
    flush(b);
}

static void put_relaxed_value(struct buf *out, struct span value)
{
    bool space = false;
    value = ascii_trim(value);
    for (size_t i = 0; i < value.n; i++) {
        int c = value.p[i];
        bool line_end = c == '\n' || (c == '\r' && i + 1 < value.n && value.p[i + 1] == '\n');
        if (line_end)
            continue;
        if (c == ' ' || c == '\t') {
            space = true;
            continue;
        }
        if (space)
            buf_putc(out, ' ');
        space = false;
        buf_putc(out, c);
    }
}

/* A field as it is, its line ends made CRLF. */
static void put_simple(struct buf *out, struct span whole)
{
    for (size_t i = 0; i < whole.n; i++) {
        if (whole.p[i] == '\n' && (i == 0 || whole.p[i - 1] != '\r'))
            buf_putc(out, '\r');
        buf_putc(out, whole.p[i]);
    }
    if (whole.n == 0 || whole.p[whole.n - 1] != '\n')
        buf_puts(out, "\r\n");
}

void dkimcanon_field(struct buf *out, enum dkimcanon how, const struct header_field *field)
{
    if (how == DKIMCANON_SIMPLE) {
        put_simple(out, field->whole);
        return;
    }
    for (size_t i = 0; i < field->name.n; i++)
        buf_putc(out, ascii_lower(field->name.p[i]));
    buf_putc(out, ':');
    put_relaxed_value(out, field->value);
    buf_puts(out, "\r\n");
}
