#include "encword.h"

#include <assert.h>
#include <string.h>

#include "ascii.h"
#include "base64.h"
#include "quotedprintable.h"
#include "utf8.h"

enum {
    LINE = 76,             /* columns of a line with an encoded word, RFC 2047 2 */
    AROUND = 12,           /* "=?utf-8?q?" and "?=" */
    PAYLOAD = 75 - AROUND, /* octets between them, section 2 */
    WORTHWHILE = 20,       /* less room for payload than this is left empty */
    SPACES = 20,           /* a longer run of spaces goes into an encoded word */
    CHARSET_MAX = 40
};

static const struct span replacement = {(const unsigned char *)"\xef\xbf\xbd", 3}; /* U+FFFD */

/* The next character of text as UTF-8, U+FFFD in place of an octet that is none. */
static struct span next_char(struct span *text)
{
    size_t n = utf8_sequence(text->p, text->n);
    struct span c = n == 0 ? replacement : span_of(text->p, n);
    n = n == 0 ? 1 : n;
    *text = span_of(text->p + n, text->n - n);
    return c;
}

/* What may stand for itself in Q even in a phrase, RFC 2047 section 5 rule 3. */
static bool is_q_plain(int octet)
{
    return ascii_is_alnum(octet) || (octet != '\0' && strchr("!*+-/", octet) != NULL);
}

static size_t q_length(struct span c)
{
    return c.n == 1 && (c.p[0] == ' ' || is_q_plain(c.p[0])) ? 1 : 3 * c.n;
}

static void q_put(struct buf *out, struct span c)
{
    for (size_t i = 0; i < c.n; i++) {
        if (c.p[i] == ' ')
            buf_putc(out, '_');
        else if (is_q_plain(c.p[i]))
            buf_putc(out, c.p[i]);
        else
            quotedprintable_octet(out, c.p[i]);
    }
}

static void new_line(struct fold *fold, size_t spaces)
{
    buf_puts(fold->out, "\r\n");
    fold->column = 0;
    for (; spaces > 0; spaces--, fold->column++)
        buf_putc(fold->out, ' ');
}

/* One encoded word with as much of *spaces and then of *text as the line has room for. */
static void put_encoded_word(struct fold *fold, size_t *spaces, struct span *text)
{
    if (fold->column + 1 + AROUND + WORTHWHILE > LINE) {
        new_line(fold, 1);
    } else {
        buf_putc(fold->out, ' ');
        fold->column++;
    }
    size_t room = LINE - fold->column - AROUND, used = 0;
    room = room > PAYLOAD ? PAYLOAD : room;
    buf_puts(fold->out, "=?utf-8?q?");
    for (; *spaces > 0 && used < room; --*spaces, used++)
        buf_putc(fold->out, '_');
    while (*spaces == 0 && text->n > 0) {
        struct span rest = *text, c = next_char(&rest);
        if (used + q_length(c) > room)
            break;
        q_put(fold->out, c);
        used += q_length(c);
        *text = rest;
    }
    buf_puts(fold->out, "?=");
    fold->column += used + AROUND;
    fold->first = false;
}

static void put_encoded(struct fold *fold, size_t spaces, struct span text)
{
    while (spaces > 0 || text.n > 0)
        put_encoded_word(fold, &spaces, &text);
}

/* Whether a word can stand in the header as it is. */
static bool is_plain(struct span word, bool utf8)
{
    if (word.n > FOLD_WORD_MAX || (utf8 && !utf8_valid(word)))
        return false;
    for (size_t i = 0; i < word.n; i++) {
        int c = word.p[i];
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && !utf8))
            return false;
        if (c == '=' && i + 1 < word.n && word.p[i + 1] == '?')
            return false;
    }
    return true;
}

static size_t take_spaces(struct span *text)
{
    size_t n = 0;
    while (n < text->n && text->p[n] == ' ')
        n++;
    *text = span_of(text->p + n, text->n - n);
    return n;
}

static struct span take_word(struct span *text)
{
    ssize_t at = span_find(*text, ' ');
    struct span word = span_of(text->p, at < 0 ? text->n : (size_t)at);
    *text = span_of(text->p + word.n, text->n - word.n);
    return word;
}

/* A word that stands as it is, after its spaces, on a new line when this one is full. */
static void put_plain(struct fold *fold, size_t spaces, struct span word)
{
    if (!fold->first && fold->column + spaces + word.n > FOLD_COLUMNS) {
        new_line(fold, spaces);
    } else {
        for (size_t i = 0; i < spaces; i++)
            buf_putc(fold->out, ' ');
        fold->column += spaces;
    }
    buf_put_span(fold->out, word);
    fold->column += word.n;
    fold->first = false;
}

void encword_text(struct fold *fold, struct span text, bool utf8)
{
    bool was_encoded = false;
    (void)take_spaces(&text);
    for (size_t spaces = 1; text.n > 0; spaces = take_spaces(&text)) {
        struct span word = take_word(&text);
        if (word.n == 0)
            break; /* spaces at the end */
        bool encode = spaces > SPACES || !is_plain(word, utf8);
        /* The space between two encoded words is not part of the text: their spaces go inside. */
        if (encode)
            put_encoded(fold, was_encoded ? spaces : spaces - 1, word);
        else
            put_plain(fold, spaces, word);
        was_encoded = encode;
    }
}

static bool is_quotable(struct span name, bool utf8)
{
    while (name.n > 0) {
        size_t spaces = take_spaces(&name);
        struct span word = take_word(&name);
        /* A backslash before each octet could double it. */
        if (spaces > SPACES || word.n > FOLD_WORD_MAX / 2 || !is_plain(word, utf8))
            return false;
    }
    return true;
}

void encword_phrase(struct fold *fold, struct span name, bool utf8)
{
    struct buf word = {0};
    if (name.n == 0)
        return;
    if (!is_quotable(name, utf8)) {
        put_encoded(fold, 0, name);
        return;
    }
    buf_putc(&word, '"');
    for (size_t spaces = 1; name.n > 0; buf_clear(&word)) {
        struct span plain = take_word(&name);
        for (size_t i = 0; i < plain.n; i++) {
            if (plain.p[i] == '"' || plain.p[i] == '\\')
                buf_putc(&word, '\\');
            buf_putc(&word, plain.p[i]);
        }
        size_t next = take_spaces(&name);
        if (name.n == 0) {
            for (size_t i = 0; i < next; i++)
                buf_putc(&word, ' ');
            buf_putc(&word, '"');
        }
        put_plain(fold, spaces, buf_span(&word));
        spaces = next;
    }
    buf_free(&word);
}

static int charset_named(const struct mailcharset *charsets, struct span name)
{
    ssize_t language = span_find(name, '*'); /* RFC 2231 5 */
    if (language >= 0)
        name.n = (size_t)language;
    return mailcharset_find(charsets, name);
}

static int decode_q(struct buf *out, struct span text)
{
    size_t before = out->n;
    for (size_t i = 0; i < text.n; i++) {
        if (text.p[i] == '_') {
            buf_putc(out, ' ');
        } else if (text.p[i] != '=') {
            buf_putc(out, text.p[i]);
        } else if (i + 2 < text.n && hex_decode(out, span_of(text.p + i + 1, 2)) == 0) {
            i += 2;
        } else {
            buf_cut(out, before);
            return -1;
        }
    }
    return 0;
}

/* As base64_decode, but padding may be missing, as some writers have it. */
static int decode_b(struct buf *out, struct span text)
{
    if (base64_decode(out, text) == 0)
        return 0;
    struct buf padded = {0};
    buf_put_span(&padded, text);
    buf_puts(&padded, text.n % 4 == 3 ? "=" : "==");
    int rc = base64_decode(out, buf_span(&padded));
    buf_free(&padded);
    return rc;
}

/* The octets of the encoded word that text begins with are appended to octets. Returns its length,
 * or 0 when there is none that can be decoded. */
static size_t take_encoded_word(const struct mailcharset *charsets, struct span text,
                                struct buf *octets, int *charset)
{
    size_t i = 2, start;
    if (text.n < 2 || text.p[0] != '=' || text.p[1] != '?')
        return 0;
    while (i < text.n && i <= CHARSET_MAX && text.p[i] > ' ' && text.p[i] != '?' &&
           text.p[i] != '=')
        i++;
    if (i + 3 > text.n || text.p[i] != '?' || text.p[i + 2] != '?')
        return 0;
    *charset = charset_named(charsets, span_of(text.p + 2, i - 2));
    int encoding = ascii_lower(text.p[i + 1]);
    for (start = i += 3; i < text.n && text.p[i] > ' ' && text.p[i] != '?'; i++)
        ;
    if (*charset == MAILCHARSET_UNKNOWN || i + 1 >= text.n || text.p[i] != '?' ||
        text.p[i + 1] != '=')
        return 0;
    struct span payload = span_of(text.p + start, i - start);
    if (encoding == 'q' ? decode_q(octets, payload) < 0
                        : encoding != 'b' || decode_b(octets, payload) < 0)
        return 0;
    return i + 2;
}

/* The gathered octets of adjoining encoded words, which may have cut a character in two. */
static void flush(const struct mailcharset *charsets, struct buf *out, struct buf *octets,
                  int charset)
{
    size_t before = out->n;
    if (octets->n == 0)
        return;
    mailcharset_decode(charsets, charset, buf_span(octets), false, out);
    for (size_t i = before; i < out->n; i++) {
        unsigned char *c = out->p + out->head + i;
        if (*c < 0x20 || *c == 0x7f)
            *c = ' ';
    }
    buf_clear(octets);
}

void encword_decode_in(const struct mailcharset *charsets, struct buf *out, struct span text)
{
    struct buf octets = {0}, spaces = {0}; /* spaces: since the last encoded word */
    int gathered = MAILCHARSET_UNKNOWN, charset = MAILCHARSET_UNKNOWN;
    bool after_word = false;
    while (text.n > 0) {
        struct buf word = {0};
        size_t n = take_encoded_word(charsets, text, &word, &charset);
        if (n > 0) {
            if (charset != gathered)
                flush(charsets, out, &octets, gathered);
            gathered = charset;
            if (!after_word)
                buf_put_span(out, buf_span(&spaces));
            buf_clear(&spaces);
            buf_put_span(&octets, buf_span(&word));
            text = span_of(text.p + n, text.n - n);
            after_word = true;
        } else if (ascii_is_space(text.p[0])) {
            buf_put_span(&spaces, next_char(&text));
        } else {
            flush(charsets, out, &octets, gathered);
            buf_put_span(out, buf_span(&spaces));
            buf_clear(&spaces);
            buf_put_span(out, next_char(&text));
            after_word = false;
        }
        buf_free(&word);
    }
    flush(charsets, out, &octets, gathered);
    buf_put_span(out, buf_span(&spaces));
    buf_free(&octets);
    buf_free(&spaces);
}

void encword_decode(struct buf *out, struct span text)
{
    encword_decode_in(NULL, out, text);
}
