#include "mimepart.h"

#include <string.h>
#include <unistd.h>

#include "ascii.h"
#include "base64.h"
#include "quotedprintable.h"
#include "rand.h"
#include "utf8.h"

enum { TEXT_COLUMNS = 76, SEGMENT = 60, SNIFFED = 512 };

static bool is_token_char(int c)
{
    return c > ' ' && c < 0x7f && strchr("()<>@,;:\\\"/[]?=", c) == NULL;
}

/* The length of the token (RFC 2045 5.1) at the beginning of s. */
static size_t token_length(struct span s)
{
    size_t n = 0;
    while (n < s.n && is_token_char(s.p[n]))
        n++;
    return n;
}

static bool is_printable(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] < ' ' || s.p[i] > '~')
            return false;
    }
    return true;
}

static int check_type(struct span type, struct fail *f)
{
    size_t major = token_length(type), minor = 0;
    if (major > 0 && major < type.n && type.p[major] == '/')
        minor = token_length(span_of(type.p + major + 1, type.n - major - 1));
    size_t end = major + 1 + minor;
    while (minor > 0 && end < type.n && type.p[end] == ' ')
        end++;
    if (minor == 0 || (end < type.n && type.p[end] != ';'))
        return fail_set(f, "content type is not of the form type/subtype");
    if (span_starts_nocase(type, "multipart/"))
        return fail_set(f, "a file cannot be of a multipart type");
    return 0;
}

int mimepart_check_file(const struct mimepart_file *file, struct fail *f)
{
    const struct span *type = &file->content_type, *id = &file->content_id;
    if (!is_printable(*type) || !is_printable(*id))
        return fail_set(f, "content type and content id must be printable ASCII");
    if (type->n > MIMEPART_FIELD_MAX || id->n > MIMEPART_FIELD_MAX ||
        file->name.n > MIMEPART_FIELD_MAX)
        return fail_set(f, "content type, content id or file name is longer than %d octets",
                        MIMEPART_FIELD_MAX);
    return type->n > 0 ? check_type(*type, f) : 0;
}

/* HTML begins, after white space, with one of a few tags (those of the WHATWG's list that occur).
 */
static bool is_html(struct span data)
{
    static const char *const tags[] = {"<!DOCTYPE HTML", "<HTML", "<HEAD", "<BODY", "<TABLE",
                                       "<DIV",           "<H1",   "<P",    "<!--"};
    while (data.n > 0 && ascii_is_space(data.p[0]))
        data = span_of(data.p + 1, data.n - 1);
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        size_t n = strlen(tags[i]);
        if (span_starts_nocase(data, tags[i]) &&
            (n == data.n || data.p[n] == ' ' || data.p[n] == '>' || i == 8))
            return true;
    }
    return false;
}

/* Without a character that goes on beyond the end. */
static struct span whole_characters(struct span s)
{
    while (s.n > 0 && (s.p[s.n - 1] & 0xc0) == 0x80)
        s.n--;
    if (s.n > 0 && s.p[s.n - 1] >= 0xc0)
        s.n--;
    return s;
}

static bool is_text(struct span data)
{
    if (data.n > SNIFFED)
        data = whole_characters(span_of(data.p, SNIFFED));
    for (size_t i = 0; i < data.n; i++) {
        int c = data.p[i];
        if (c < 0x20 && c != '\t' && c != '\n' && c != '\f' && c != '\r' && c != 0x1b)
            return false;
    }
    return utf8_valid(data);
}

const char *mimepart_sniff(struct span data)
{
    static const struct {
        size_t at, n;
        const char *octets, *type;
    } known[] = {
        {0, 5, "%PDF-", "application/pdf"},      {0, 8, "\x89PNG\r\n\x1a\n", "image/png"},
        {0, 3, "\xff\xd8\xff", "image/jpeg"},    {0, 6, "GIF87a", "image/gif"},
        {0, 6, "GIF89a", "image/gif"},           {8, 6, "WEBPVP", "image/webp"},
        {0, 4, "PK\x03\x04", "application/zip"}, {0, 3, "\x1f\x8b\x08", "application/gzip"},
    };
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (data.n >= known[i].at + known[i].n &&
            memcmp(data.p + known[i].at, known[i].octets, known[i].n) == 0)
            return known[i].type;
    }
    if (!is_text(data))
        return "application/octet-stream";
    return is_html(data) ? "text/html; charset=utf-8" : "text/plain; charset=utf-8";
}

/* Line ends LF become CRLF, those that are CRLF stay. */
static void put_with_crlf(struct buf *out, struct span text)
{
    ssize_t lf;
    while ((lf = span_find(text, '\n')) >= 0) {
        size_t n = (size_t)lf;
        bool has_cr = n > 0 && text.p[n - 1] == '\r';
        buf_put(out, text.p, has_cr ? n - 1 : n);
        buf_puts(out, "\r\n");
        text = span_of(text.p + n + 1, text.n - n - 1);
    }
    buf_put_span(out, text);
    if (text.n > 0 || out->n == 0)
        buf_puts(out, "\r\n");
}

/* body has all its LF behind a CR. */
static bool needs_quoting(struct span body)
{
    size_t column = 0;
    for (size_t i = 0; i < body.n; i++) {
        int c = body.p[i];
        if (c == '\r' && i + 1 < body.n && body.p[i + 1] == '\n') {
            column = 0;
            i++;
        } else if (++column > TEXT_COLUMNS || (c < 0x20 && c != '\t') || c == 0x7f) {
            return true;
        }
    }
    return false;
}

void mimepart_text_prepare(struct mimepart_text *t, struct span text)
{
    bool ascii = utf8_is_ascii(text);
    *t = (struct mimepart_text){.charset = ascii ? "us-ascii" : "utf-8"};
    put_with_crlf(&t->body, text);
    if (needs_quoting(buf_span(&t->body)))
        t->encoding = "quoted-printable";
    else
        t->encoding = ascii ? "7bit" : "8bit";
}

void mimepart_text_write(struct buf *out, const struct mimepart_text *t, const char *subtype)
{
    buf_putf(out, "Content-Type: text/%s; charset=%s\r\nContent-Transfer-Encoding: %s\r\n\r\n",
             subtype, t->charset, t->encoding);
    if (t->encoding[0] == 'q')
        quotedprintable_encode(out, buf_span(&t->body));
    else
        buf_put_span(out, buf_span(&t->body));
}

static bool is_attribute_char(int c)
{
    return ascii_is_alnum(c) || (c != '\0' && strchr("!#$&+-.^_`{|}~", c) != NULL);
}

/* Appends characters of *value, percent-encoded, as many as fit in room octets (12 at least). */
static void put_percent(struct buf *out, struct span *value, size_t room)
{
    size_t before = out->n;
    while (value->n > 0) {
        size_t n = utf8_sequence(value->p, value->n), mark = out->n;
        struct span c = n == 0 ? span_text("\xef\xbf\xbd") : span_of(value->p, n);
        for (size_t i = 0; i < c.n; i++) {
            if (is_attribute_char(c.p[i]))
                buf_putc(out, c.p[i]);
            else
                buf_putf(out, "%%%02X", c.p[i]);
        }
        if (out->n - before > room) {
            buf_cut(out, mark);
            return;
        }
        n = n == 0 ? 1 : n;
        *value = span_of(value->p + n, value->n - n);
    }
}

/* name*0*=utf-8''...; name*1*=... (RFC 2231 3 and 4), or name*=utf-8''... when one is enough. */
static void put_extended(struct fold *fold, const char *name, struct span value)
{
    struct buf word = {0}, text = {0};
    put_percent(&text, &value, SEGMENT);
    bool one = value.n == 0;
    for (int i = 0; text.n > 0; i++) {
        buf_puts(&word, name);
        if (!one)
            buf_putf(&word, "*%d", i);
        buf_putf(&word, "*=%s", i == 0 ? "utf-8''" : "");
        buf_put_span(&word, buf_span(&text));
        if (value.n > 0)
            buf_putc(&word, ';');
        fold_word(fold, buf_span(&word));
        buf_clear(&word);
        buf_clear(&text);
        put_percent(&text, &value, SEGMENT);
    }
    buf_free(&word);
    buf_free(&text);
}

void mimepart_parameter(struct fold *fold, const char *name, struct span value)
{
    struct buf word = {0};
    buf_putc(fold->out, ';');
    fold->column++;
    if (!is_printable(value) || value.n > SEGMENT) {
        put_extended(fold, name, value);
        return;
    }
    buf_putf(&word, "%s=\"", name);
    for (size_t i = 0; i < value.n; i++) {
        if (value.p[i] == '"' || value.p[i] == '\\')
            buf_putc(&word, '\\');
        buf_putc(&word, value.p[i]);
    }
    buf_putc(&word, '"');
    fold_word(fold, buf_span(&word));
    buf_free(&word);
}

/* The first octets of a file, more than are looked at if it has as many; none of one that cannot be
 * read. */
static void peek(const struct mimepart_file *file, struct buf *out)
{
    struct buf digits = {0};
    size_t most = SNIFFED + 4;
    ssize_t n;
    switch (file->form) {
    case MIMEPART_OCTETS:
        buf_put(out, file->data.p, file->data.n < most ? file->data.n : most);
        break;
    case MIMEPART_RANGE:
        n = pread(file->fd, buf_room(out, most), file->n < most ? (size_t)file->n : most,
                  (off_t)file->at);
        buf_grew(out, n < 0 ? 0 : (size_t)n);
        break;
    case MIMEPART_BASE64:
        for (size_t i = 0; i < file->data.n && digits.n < (most + 2) / 3 * 4; i++) {
            if (!ascii_is_space(file->data.p[i]))
                buf_putc(&digits, file->data.p[i]);
        }
        (void)base64_decode(out, buf_span(&digits));
        buf_free(&digits);
        break;
    }
}

static void put_sniffed(struct buf *out, const struct mimepart_file *file)
{
    struct buf beginning = {0};
    peek(file, &beginning);
    buf_puts(out, mimepart_sniff(buf_span(&beginning)));
    buf_free(&beginning);
}

void mimepart_file_begin(struct buf *out, const struct mimepart_file *file, const char *disposition)
{
    struct fold fold;
    buf_puts(out, "Content-Type: ");
    if (file->content_type.n > 0)
        buf_put_span(out, file->content_type);
    else
        put_sniffed(out, file);
    buf_puts(out, "\r\nContent-Transfer-Encoding: base64\r\n");
    fold_begin(&fold, out, "Content-Disposition", " ");
    fold_words(&fold, disposition);
    mimepart_parameter(&fold, "filename", file->name);
    fold_end(&fold);
    if (file->content_id.n > 0) {
        buf_puts(out, "Content-ID: ");
        buf_put_span(out, file->content_id);
        buf_puts(out, "\r\n");
    }
    buf_puts(out, "\r\n");
}

bool mimepart_boundary_fits(struct span boundary, const struct span *contents, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (contents[i].n > 0 &&
            memmem(contents[i].p, contents[i].n, boundary.p, boundary.n) != NULL)
            return false;
    }
    return true;
}

void mimepart_boundary(struct buf *out, const struct span *contents, size_t n)
{
    unsigned char random[16];
    struct buf boundary = {0};
    do {
        buf_clear(&boundary);
        rand_bytes(random, sizeof random);
        buf_puts(&boundary, "=_"); /* what neither quoted-printable nor base64 can hold */
        base64url_encode(&boundary, span_of(random, sizeof random));
    } while (!mimepart_boundary_fits(buf_span(&boundary), contents, n));
    buf_put_span(out, buf_span(&boundary));
    buf_free(&boundary);
}

void mimepart_multipart_begin(struct buf *out, const char *subtype, const char *more,
                              struct span boundary, bool has_8bit)
{
    buf_putf(out, "Content-Type: multipart/%s%s;\r\n boundary=\"", subtype, more);
    buf_put_span(out, boundary);
    buf_puts(out, "\"\r\n");
    if (has_8bit)
        buf_puts(out, "Content-Transfer-Encoding: 8bit\r\n");
    buf_puts(out, "\r\n");
}

void mimepart_multipart_next(struct buf *out, struct span boundary, bool first)
{
    buf_puts(out, first ? "--" : "\r\n--");
    buf_put_span(out, boundary);
    buf_puts(out, "\r\n");
}

void mimepart_multipart_end(struct buf *out, struct span boundary)
{
    buf_puts(out, "\r\n--");
    buf_put_span(out, boundary);
    buf_puts(out, "--\r\n");
}
