#include "reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"
#include "utf8.h"

static const char mark[] = "[...]";

void reply_open(struct reply_parser *p)
{
    *p = (struct reply_parser){0};
    line_open(&p->reader, REPLY_LINE_MAX, true);
}

static void clear(struct reply *r)
{
    buf_clear(&r->text);
    *r = (struct reply){.text = r->text};
}

void reply_reset(struct reply_parser *p)
{
    clear(&p->reply);
    line_reset(&p->reader);
    p->done = false;
}

void reply_close(struct reply_parser *p)
{
    reply_free(&p->reply);
    line_close(&p->reader);
    *p = (struct reply_parser){0};
}

struct reply reply_take(struct reply_parser *p)
{
    assert(p->done);
    struct reply r = p->reply;
    p->reply = (struct reply){0};
    return r;
}

void reply_free(struct reply *r)
{
    buf_free(&r->text);
    *r = (struct reply){0};
}

static void keep(struct reply *r, struct span line)
{
    size_t room = REPLY_OCTETS_KEPT - r->text.n;
    if (r->cut || r->kept == REPLY_LINES_KEPT || room == 0) {
        r->cut = true;
        return;
    }
    if (line.n > room) {
        line.n = room;
        r->cut = true;
    }
    buf_put_span(&r->text, line);
    r->ends[r->kept++] = r->text.n;
}

/* The code of a line, or -1 if it is none. */
static int code_of(struct span line)
{
    if (line.n < 3 || line.p[0] < '2' || line.p[0] > '5' || !ascii_is_digit(line.p[1]) ||
        !ascii_is_digit(line.p[2]))
        return -1;
    if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
        return -1;
    return (line.p[0] - '0') * 100 + (line.p[1] - '0') * 10 + (line.p[2] - '0');
}

static struct span text_of(struct span line)
{
    size_t from = line.n < 4 ? line.n : 4;
    return span_of(line.p + from, line.n - from);
}

static int refuse_line(struct reply_parser *p, struct span line, struct fail *f)
{
    struct buf shown = {0};
    reply_escape(&shown, span_of(line.p, line.n < 80 ? line.n : 80));
    (void)fail_set(f, "line %zu of the reply does not begin with a reply code: \"%s\"",
                   p->reply.lines + 1, buf_text(&shown));
    buf_free(&shown);
    return -1;
}

/* Takes in one line. Returns 1 if it is the reply's last, 0 if not, -1 if it cannot stand there. */
static int take(struct reply_parser *p, struct span line, struct fail *f)
{
    struct reply *r = &p->reply;
    struct enhanced e;
    int code = code_of(line);
    if (code < 0)
        return refuse_line(p, line, f);
    if (r->lines > 0 && code != r->code)
        return fail_set(f, "line %zu of the reply has code %d, but the lines before it have %d",
                        r->lines + 1, code, r->code);
    if (r->lines == REPLY_LINES_MAX)
        return fail_set(f, "the reply has more than %d lines", REPLY_LINES_MAX);
    r->code = code;
    r->lines++;
    (void)enhanced_scan(text_of(line), &e);
    if (e.class == code / 100)
        r->enhanced = e;
    keep(r, line);
    if (p->each != NULL)
        p->each(p->arg, text_of(line));
    return line.n > 3 && line.p[3] == '-' ? 0 : 1;
}

enum reply_got reply_feed(struct reply_parser *p, struct span *in, struct fail *f)
{
    struct span line;
    int last = p->bad ? fail_set(f, "an earlier reply was not SMTP") : 0;
    if (p->done)
        reply_reset(p);
    while (last == 0) {
        enum line_kind kind = line_next(&p->reader, in, &line);
        if (kind == LINE_OK)
            last = take(p, line, f);
        else if (kind != LINE_MORE || line_trouble(&p->reader) != LINE_MORE)
            last = fail_set(f, "line %zu of the reply has more than %d octets", p->reply.lines + 1,
                            REPLY_LINE_MAX);
        else
            return REPLY_MORE;
    }
    p->bad = last < 0;
    p->done = last > 0;
    return p->bad ? REPLY_BAD : REPLY_DONE;
}

struct span reply_line(const struct reply *r, size_t i)
{
    assert(i < r->kept);
    size_t from = i == 0 ? 0 : r->ends[i - 1];
    return span_of(buf_span(&r->text).p + from, r->ends[i] - from);
}

struct span reply_line_text(const struct reply *r, size_t i)
{
    return text_of(reply_line(r, i));
}

void reply_text(struct buf *out, const struct reply *r, const char *separator)
{
    for (size_t i = 0; i < r->kept; i++) {
        if (i > 0)
            buf_puts(out, separator);
        reply_escape(out, reply_line(r, i));
    }
    if (r->cut)
        buf_putf(out, " %s", mark);
}

/* How many octets at p[n] (n > 0) are one character that may stand as it is, or 0. */
static size_t harmless(const unsigned char *p, size_t n, bool utf8)
{
    size_t len = utf8_sequence(p, n);
    if (p[0] < ' ' || p[0] == 0x7f || (p[0] >= 0x80 && !utf8))
        return 0;
    return len == 2 && p[0] == 0xc2 && p[1] < 0xa0 ? 0 : len;
}

static void escape(struct buf *out, struct span text, bool utf8)
{
    static const char hex[] = "0123456789abcdef";
    for (size_t i = 0; i < text.n;) {
        size_t len = harmless(text.p + i, text.n - i, utf8);
        if (len == 0) {
            const char code[4] = {'\\', 'x', hex[text.p[i] >> 4], hex[text.p[i] & 15]};
            buf_put(out, code, sizeof code);
            len = 1;
        } else {
            buf_put(out, text.p + i, len);
        }
        i += len;
    }
}

void reply_escape(struct buf *out, struct span text)
{
    escape(out, text, true);
}

/* A reply in the making. */
struct writer {
    struct buf *out;
    int code;
    const char *enhanced; /* with a space behind it, or "" */
    size_t lines;
    size_t last; /* where the last line begins in out */
};

static void put_line(struct writer *w, struct span text)
{
    if (w->lines == REPLY_WRITE_LINES)
        return;
    if (++w->lines == REPLY_WRITE_LINES)
        text = span_text(mark);
    w->last = w->out->n;
    buf_putf(w->out, "%d-%s", w->code, w->enhanced);
    buf_put_span(w->out, text);
    buf_puts(w->out, "\r\n");
}

/* How many octets of text, which is longer than room, go on one line: up to a space if there is one
 * in its second half, and never into a character. */
static size_t wrap_at(struct span text, size_t room)
{
    for (size_t n = room; n > room / 2; n--) {
        if (text.p[n] == ' ')
            return n;
    }
    while (room > 1 && (text.p[room] & 0xc0) == 0x80)
        room--;
    return room;
}

/* One line of the text, which may become several of the reply. */
static void put_wrapped(struct writer *w, struct span text)
{
    size_t room = REPLY_WRITE_LINE - strlen("550-\r\n") - strlen(w->enhanced);
    while (text.n > room && w->lines < REPLY_WRITE_LINES) {
        size_t n = wrap_at(text, room);
        put_line(w, span_of(text.p, n));
        if (text.p[n] == ' ')
            n++;
        text = span_of(text.p + n, text.n - n);
    }
    put_line(w, text);
}

/* Cuts the next line off *rest. */
static struct span next_line(struct span *rest)
{
    ssize_t lf = span_find(*rest, '\n');
    struct span line = span_of(rest->p, lf < 0 ? rest->n : (size_t)lf);
    *rest = lf < 0 ? (struct span){0} : span_of(rest->p + lf + 1, rest->n - (size_t)lf - 1);
    if (lf >= 0 && line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

static void write_reply(struct buf *out, int code, const char *enhanced, struct span text,
                        bool utf8)
{
    struct enhanced e = {0};
    struct buf line = {0};
    char digits[ENHANCED_SIZE], prefix[ENHANCED_SIZE + 1] = "";
    assert(code >= 200 && code <= 599);
    if (enhanced != NULL) {
        int bad = enhanced_parse(span_text(enhanced), &e);
        assert(bad == 0 && e.class == code / 100);
        (void)snprintf(prefix, sizeof prefix, "%s ", enhanced_format(e, digits));
    }
    /* More than this cannot go on the lines that are written. */
    if (text.n > REPLY_WRITE_LINES * REPLY_WRITE_LINE)
        text.n = REPLY_WRITE_LINES * REPLY_WRITE_LINE;
    struct writer w = {.out = out, .code = code, .enhanced = prefix};
    do {
        buf_clear(&line);
        escape(&line, next_line(&text), utf8);
        put_wrapped(&w, buf_span(&line));
    } while (text.n > 0 && w.lines < REPLY_WRITE_LINES);
    out->p[out->head + w.last + 3] = ' ';
    buf_free(&line);
}

void reply_write(struct buf *out, int code, const char *enhanced, struct span text)
{
    write_reply(out, code, enhanced, text, false);
}

void reply_write_utf8(struct buf *out, int code, const char *enhanced, struct span text)
{
    write_reply(out, code, enhanced, text, true);
}
