#include "jsonwrite.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <stdio.h>

#include "base64.h"
#include "rfc3339.h"
#include "utf8.h"

void jsonwrite_open(struct jsonwrite *w, struct buf *out, unsigned flags)
{
    *w = (struct jsonwrite){.out = out, .flags = flags};
}

void jsonwrite_close(struct jsonwrite *w)
{
    assert(w->depth == 0 && w->done);
}

/* What is due before a value. */
static void before_value(struct jsonwrite *w)
{
    if (w->depth == 0) {
        assert(!w->done);
        w->done = true;
        return;
    }
    bool object = w->level[w->depth - 1].object;
    assert(object == w->level[w->depth - 1].named);
    if (!object && w->level[w->depth - 1].filled)
        buf_putc(w->out, ',');
    w->level[w->depth - 1].filled = true;
    w->level[w->depth - 1].named = false;
}

static void open_level(struct jsonwrite *w, bool object)
{
    before_value(w);
    assert(w->depth < JSONWRITE_DEPTH_MAX);
    w->level[w->depth].object = object;
    w->level[w->depth].filled = w->level[w->depth].named = false;
    w->depth++;
    buf_putc(w->out, object ? '{' : '[');
}

static void close_level(struct jsonwrite *w, bool object)
{
    assert(w->depth > 0 && w->level[w->depth - 1].object == object);
    assert(!w->level[w->depth - 1].named);
    w->depth--;
    buf_putc(w->out, object ? '}' : ']');
}

void jsonwrite_object(struct jsonwrite *w)
{
    open_level(w, true);
}

void jsonwrite_object_end(struct jsonwrite *w)
{
    close_level(w, true);
}

void jsonwrite_array(struct jsonwrite *w)
{
    open_level(w, false);
}

void jsonwrite_array_end(struct jsonwrite *w)
{
    close_level(w, false);
}

static void put_escaped(struct jsonwrite *w, unsigned char c)
{
    static const char short_form[256] = {['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r',
                                         ['\t'] = 't', ['"'] = '"',  ['\\'] = '\\'};
    if (short_form[c] != 0)
        buf_putf(w->out, "\\%c", short_form[c]);
    else
        buf_putf(w->out, "\\u%04x", c);
}

static bool needs_escape(const struct jsonwrite *w, unsigned char c)
{
    if (c < 0x20 || c == '"' || c == '\\')
        return true;
    return (w->flags & JSONWRITE_HTML) != 0 && (c == '<' || c == '>' || c == '&');
}

/* U+2028 and U+2029 end a line in JavaScript; E2 80 A8 and E2 80 A9 in UTF-8. */
static bool is_line_separator(const unsigned char *p, size_t len)
{
    return len == 3 && p[0] == 0xe2 && p[1] == 0x80 && (p[2] == 0xa8 || p[2] == 0xa9);
}

static void put_string(struct jsonwrite *w, struct span s)
{
    size_t plain = 0; /* from here to i all goes out as it is */
    buf_putc(w->out, '"');
    for (size_t i = 0, len; i < s.n; i += len) {
        len = s.p[i] < 0x80 ? 1 : utf8_sequence(s.p + i, s.n - i);
        if (len == 1 && !needs_escape(w, s.p[i]))
            continue;
        if (len > 1 && !is_line_separator(s.p + i, len))
            continue;
        buf_put(w->out, s.p + plain, i - plain);
        if (len == 0) {
            buf_puts(w->out, "\\ufffd");
            len = 1;
        } else if (len == 1) {
            put_escaped(w, s.p[i]);
        } else {
            buf_puts(w->out, s.p[i + 2] == 0xa8 ? "\\u2028" : "\\u2029");
        }
        plain = i + len;
    }
    if (plain < s.n)
        buf_put(w->out, s.p + plain, s.n - plain);
    buf_putc(w->out, '"');
}

void jsonwrite_key_span(struct jsonwrite *w, struct span name)
{
    assert(w->depth > 0 && w->level[w->depth - 1].object && !w->level[w->depth - 1].named);
    if (w->level[w->depth - 1].filled)
        buf_putc(w->out, ',');
    w->level[w->depth - 1].named = true;
    put_string(w, name);
    buf_putc(w->out, ':');
}

void jsonwrite_key(struct jsonwrite *w, const char *name)
{
    jsonwrite_key_span(w, span_text(name));
}

void jsonwrite_span(struct jsonwrite *w, struct span text)
{
    before_value(w);
    put_string(w, text);
}

void jsonwrite_text(struct jsonwrite *w, const char *text)
{
    jsonwrite_span(w, span_text(text));
}

void jsonwrite_int64(struct jsonwrite *w, int64_t v)
{
    before_value(w);
    buf_putf(w->out, "%lld", (long long)v);
}

void jsonwrite_uint64(struct jsonwrite *w, uint64_t v)
{
    before_value(w);
    buf_putf(w->out, "%llu", (unsigned long long)v);
}

/* The fewest digits that read back as v. */
static void put_double(struct buf *out, double v)
{
    char text[40];
    int digits = 15;
    do {
        (void)snprintf(text, sizeof text, "%.*g", digits, v);
    } while (digits++ < 17 && strtod(text, NULL) != v);
    buf_puts(out, text);
}

void jsonwrite_double(struct jsonwrite *w, double v)
{
    before_value(w);
    if (isfinite(v))
        put_double(w->out, v);
    else
        buf_puts(w->out, "null");
}

void jsonwrite_bool(struct jsonwrite *w, bool v)
{
    before_value(w);
    buf_puts(w->out, v ? "true" : "false");
}

void jsonwrite_null(struct jsonwrite *w)
{
    before_value(w);
    buf_puts(w->out, "null");
}

void jsonwrite_time(struct jsonwrite *w, int64_t ms)
{
    before_value(w);
    buf_putc(w->out, '"');
    rfc3339_format(w->out, ms);
    buf_putc(w->out, '"');
}

void jsonwrite_base64(struct jsonwrite *w, struct span octets)
{
    before_value(w);
    buf_putc(w->out, '"');
    base64_encode(w->out, octets);
    buf_putc(w->out, '"');
}
