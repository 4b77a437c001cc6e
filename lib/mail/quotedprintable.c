#include "quotedprintable.h"

#include <stdbool.h>

#include "base64.h"

enum { COLUMNS = 76 };

static bool is_line_end(struct span s, size_t at)
{
    return at + 1 < s.n && s.p[at] == '\r' && s.p[at + 1] == '\n';
}

/* Whether the octet at at must be written as "=XX": also white space that would end a line, which
 * some relays remove. */
static bool is_quoted(struct span s, size_t at)
{
    int c = s.p[at];
    if (c == ' ' || c == '\t')
        return at + 1 == s.n || is_line_end(s, at + 1);
    return c < 0x21 || c > 0x7e || c == '=';
}

void quotedprintable_octet(struct buf *out, unsigned char octet)
{
    static const char digits[] = "0123456789ABCDEF";
    const char code[] = {'=', digits[octet >> 4], digits[octet & 15]};
    buf_put(out, code, sizeof code);
}

/* From that column on. */
static void encode(struct buf *out, struct span text, size_t column)
{
    for (size_t i = 0; i < text.n; i++) {
        if (is_line_end(text, i)) {
            buf_puts(out, "\r\n");
            column = 0;
            i++;
            continue;
        }
        bool quoted = is_quoted(text, i);
        size_t n = quoted ? 3 : 1;
        bool last = i + 1 == text.n || is_line_end(text, i + 1);
        if (column + n >
            (size_t)(last ? COLUMNS : COLUMNS - 1)) { /* room for the "=" of a soft break */
            buf_puts(out, "=\r\n");
            column = 0;
            /* No line is to become a delimiter by where it was broken. */
            quoted = quoted || text.p[i] == '-';
            n = quoted ? 3 : 1;
        }
        if (quoted)
            quotedprintable_octet(out, text.p[i]);
        else
            buf_putc(out, text.p[i]);
        column += n;
    }
}

void quotedprintable_encode(struct buf *out, struct span text)
{
    encode(out, text, 0);
}

void quotedprintable_go_on(struct buf *out, struct span text)
{
    bool dash = text.n > 0 && text.p[0] == '-';
    if (dash) {
        quotedprintable_octet(out, '-');
        text = span_of(text.p + 1, text.n - 1);
    }
    encode(out, text, dash ? 3 : 0);
}

/* A line's end, white space before it included: its length, or 0. */
static size_t blank_line_end(struct span s, size_t at)
{
    size_t i = at;
    while (i < s.n && (s.p[i] == ' ' || s.p[i] == '\t'))
        i++;
    if (i == s.n)
        return i - at;
    if (s.p[i] == '\n')
        return i + 1 - at;
    return is_line_end(s, i) ? i + 2 - at : 0;
}

static void put_line_end(struct buf *out, struct span s)
{
    if (s.n == 0 || s.p[s.n - 1] != '\n')
        return;
    buf_puts(out, s.n > 1 && s.p[s.n - 2] == '\r' ? "\r\n" : "\n");
}

/* Whether an octet may stand for something else than itself. */
static bool is_special(int c)
{
    return c == '=' || c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

void quotedprintable_decode(struct buf *out, struct span encoded)
{
    for (size_t i = 0; i < encoded.n;) {
        int c = encoded.p[i];
        size_t n = c == '=' ? blank_line_end(encoded, i + 1) : 0;
        if (c == '=' && (n > 0 || i + 1 == encoded.n)) {
            i += 1 + n; /* a soft line break */
        } else if (c == '=' && i + 2 < encoded.n &&
                   hex_decode(out, span_of(encoded.p + i + 1, 2)) == 0) {
            i += 3;
        } else if ((n = blank_line_end(encoded, i)) > 0) {
            put_line_end(out, span_of(encoded.p + i, n));
            i += n;
        } else if (c == ' ' || c == '\t') {
            /* The whole run at once, so that a long one is not looked through again and again. */
            for (; encoded.p[i] == ' ' || encoded.p[i] == '\t'; i++)
                buf_putc(out, encoded.p[i]);
        } else {
            size_t start = i;
            while (++i < encoded.n && !is_special(encoded.p[i]))
                ;
            buf_put(out, encoded.p + start, i - start);
        }
    }
}
