#include "mimedecode.h"

#include "quotedprintable.h"

enum {
    PIECE = 65536, /* octets decoded at a time */
    BAD = 64,
    PAD = 65
};

/* The content of a part as it comes, piece by piece. */
struct content {
    struct span rest;
    enum mimeread_encoding encoding;
    unsigned digits; /* of base64 that make no octet yet, and how many */
    unsigned digits_n;
    bool crlf; /* line ends become CRLF */
    bool after_cr;
    struct buf raw; /* the piece before its line ends are made CRLF */
};

static struct content content_of(const struct mimeread_part *part)
{
    const char *charset = mimefield_get(&part->type, "charset");
    bool multipart = mimeread_is_multipart(part);
    return (struct content){
        .rest = part->body,
        .encoding = multipart ? MIMEREAD_IDENTITY : part->encoding,
        .crlf = mimeread_is_text(part) && !mailcharset_is_wide(span_text(charset)),
    };
}

/* The next piece, which ends with a line unless there is none that ends soon: a line of
 * quoted-printable must not be cut. */
static struct span next_piece(struct content *c)
{
    struct span piece = c->rest;
    if (piece.n > PIECE) {
        ssize_t lf = span_find(span_of(piece.p + PIECE, piece.n - PIECE), '\n');
        piece.n = lf < 0 ? piece.n : PIECE + (size_t)lf + 1;
    }
    c->rest = span_of(piece.p + piece.n, c->rest.n - piece.n);
    return piece;
}

static unsigned digit_of(int octet)
{
    if (octet >= 'A' && octet <= 'Z')
        return (unsigned)octet - 'A';
    if (octet >= 'a' && octet <= 'z')
        return (unsigned)octet - 'a' + 26;
    if (octet >= '0' && octet <= '9')
        return (unsigned)octet - '0' + 52;
    return octet == '+' ? 62 : octet == '/' ? 63 : octet == '=' ? PAD : BAD;
}

/* The octets that two or three digits make; a single one makes none. */
static size_t put_rest(struct content *c, unsigned char *to)
{
    size_t n = c->digits_n > 1 ? c->digits_n - 1 : 0;
    unsigned v = c->digits << (6 * (4 - c->digits_n));
    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)(v >> (16 - 8 * i));
    c->digits = c->digits_n = 0;
    return n;
}

/* Padding ends a group, and what stands behind it begins another one: some gateways put encoded
 * pieces one behind the other. */
static void decode_base64(struct content *c, struct span piece)
{
    unsigned char *start = buf_room(&c->raw, piece.n / 4 * 3 + 6), *to = start;
    for (size_t i = 0; i < piece.n; i++) {
        unsigned digit = digit_of(piece.p[i]);
        if (digit == PAD)
            to += put_rest(c, to);
        if (digit >= BAD)
            continue;
        c->digits = c->digits << 6 | digit;
        if (++c->digits_n == 4) {
            to[0] = (unsigned char)(c->digits >> 16);
            to[1] = (unsigned char)(c->digits >> 8);
            to[2] = (unsigned char)c->digits;
            to += 3;
            c->digits = c->digits_n = 0;
        }
    }
    if (c->rest.n == 0)
        to += put_rest(c, to);
    buf_grew(&c->raw, (size_t)(to - start));
}

/* Cuts the next line off *raw, its LF, if it has one, included. Returns whether a CR is missing
 * before that. */
static bool next_line(struct content *c, struct span *raw, struct span *line)
{
    ssize_t lf = span_find(*raw, '\n');
    size_t n = lf < 0 ? raw->n : (size_t)lf;
    bool has_cr = n > 0 ? raw->p[n - 1] == '\r' : c->after_cr;
    *line = span_of(raw->p, n + (lf >= 0));
    *raw = span_of(raw->p + line->n, raw->n - line->n);
    c->after_cr = lf < 0 && has_cr;
    return lf >= 0 && !has_cr;
}

/* Decodes the next piece; *raw is valid until the next. Returns false when there is none. */
static bool next_raw(struct content *c, struct span *raw)
{
    if (c->rest.n == 0)
        return false;
    struct span piece = next_piece(c);
    buf_clear(&c->raw);
    if (c->encoding == MIMEREAD_BASE64)
        decode_base64(c, piece);
    else if (c->encoding == MIMEREAD_QUOTED_PRINTABLE)
        quotedprintable_decode(&c->raw, piece);
    *raw = c->encoding == MIMEREAD_IDENTITY ? piece : buf_span(&c->raw);
    return true;
}

static void put_lines(struct content *c, struct span raw, struct buf *out)
{
    struct span line;
    while (raw.n > 0) {
        if (next_line(c, &raw, &line)) {
            buf_put(out, line.p, line.n - 1);
            buf_put(out, "\r\n", 2);
        } else {
            buf_put_span(out, line);
        }
    }
}

/* Returns whether there was more than max octets. */
static bool decode(const struct mimeread_part *part, size_t max, struct buf *out)
{
    struct content c = content_of(part);
    struct span raw;
    size_t before = out->n;
    while (out->n - before <= max && next_raw(&c, &raw)) {
        if (c.crlf)
            put_lines(&c, raw, out);
        else
            buf_put_span(out, raw);
    }
    buf_free(&c.raw);
    if (out->n - before <= max)
        return false;
    buf_cut(out, before + max);
    return true;
}

void mimedecode_part(const struct mimeread_part *part, size_t max, struct buf *out)
{
    (void)decode(part, max, out);
}

/* How many LFs lack a CR before them. */
static size_t missing_crs(struct content *c, struct span raw)
{
    if (raw.n == 0)
        return 0;
    size_t n = raw.p[0] == '\n' && !c->after_cr;
    for (size_t i = 1; i < raw.n; i++)
        n += raw.p[i] == '\n' && raw.p[i - 1] != '\r';
    c->after_cr = raw.p[raw.n - 1] == '\r';
    return n;
}

uint64_t mimedecode_size(const struct mimeread_part *part)
{
    if (mimeread_is_multipart(part))
        return 0;
    struct content c = content_of(part);
    struct span raw;
    uint64_t size = 0;
    if (c.encoding == MIMEREAD_IDENTITY && !c.crlf)
        return c.rest.n;
    while (next_raw(&c, &raw)) {
        size += raw.n + (c.crlf ? missing_crs(&c, raw) : 0);
    }
    buf_free(&c.raw);
    return size;
}

void mimedecode_text(const struct mimeread_part *part, const struct mailcharset *charsets,
                     struct buf *out)
{
    struct buf octets = {0}, text = {0};
    bool cut = decode(part, MIMEDECODE_TEXT_MAX, &octets);
    int charset = mailcharset_find(charsets, span_text(mimefield_get(&part->type, "charset")));
    mailcharset_decode(charsets, charset, buf_span(&octets), cut, &text);
    buf_free(&octets);
    struct span rest = buf_span(&text);
    while (rest.n > 0) {
        ssize_t cr = span_find(rest, '\r');
        size_t n = cr < 0 ? rest.n : (size_t)cr;
        buf_put(out, rest.p, n);
        if (n < rest.n && !(n + 1 < rest.n ? rest.p[n + 1] == '\n' : cut))
            buf_putc(out, '\r');
        rest = cr < 0 ? span_of(rest.p, 0) : span_of(rest.p + n + 1, rest.n - n - 1);
    }
    buf_free(&text);
}
