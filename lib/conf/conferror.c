#include "conferror.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "utf8.h"

#define NAME_MAX_ 40    /* longer words resemble no name */
#define SHOWN_BEFORE 90 /* characters of a long line shown before and after the place */
#define SHOWN_AFTER 60
#define LINE_MAX_ 16384 /* octets of a line; a longer one is not read through for every error */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

unsigned conferror_distance(struct span a, struct span b)
{
    unsigned d[NAME_MAX_ + 1][NAME_MAX_ + 1];
    if (a.n > NAME_MAX_ || b.n > NAME_MAX_)
        return 3;
    for (unsigned i = 0; i <= a.n; i++)
        d[i][0] = i;
    for (unsigned j = 0; j <= b.n; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a.n; i++) {
        for (size_t j = 1; j <= b.n; j++) {
            unsigned other = a.p[i - 1] != b.p[j - 1];
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + other);
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                d[i - 2][j - 2] + 1 < d[i][j])
                d[i][j] = d[i - 2][j - 2] + 1;
        }
    }
    return d[a.n][b.n] > 2 ? 3 : d[a.n][b.n];
}

/* Whether the value after this word must not be shown: also when the name was written with a slip.
 */
static bool announces_secret(const struct conferror *e, struct span word)
{
    for (const char *const *name = e->secrets; name != NULL && *name != NULL; name++) {
        if (conferror_distance(word, span_text(*name)) <= 2)
            return true;
    }
    return false;
}

/* Length of the word at the start of s: a quoted one with its quotes, or up to a blank or brace. */
static size_t word_length(struct span s)
{
    size_t i = 0;
    if (s.p[0] == '"') {
        for (i = 1; i < s.n && s.p[i] != '"'; i++)
            i += s.p[i] == '\\';
        return i < s.n ? i + 1 : s.n;
    }
    while (i < s.n && strchr(" \t{}\"", s.p[i]) == NULL)
        i++;
    return i == 0 ? 1 : i;
}

/* Appends one character for each of the line's, so that columns stay: what is secret as *, what
 * would not print as ?. */
static void put_shown(struct span s, bool secret, struct buf *out)
{
    for (size_t i = 0; i < s.n;) {
        size_t n = utf8_sequence(s.p + i, s.n - i);
        bool plain = n > 1 ? s.p[i] != 0xc2 || s.p[i + 1] >= 0xa0
                           : n == 1 && (s.p[i] == '\t' || (s.p[i] >= ' ' && s.p[i] != 0x7f));
        if (secret)
            buf_putc(out, '*');
        else if (plain)
            buf_put(out, s.p + i, n);
        else
            buf_putc(out, '?');
        i += n == 0 ? 1 : n;
    }
}

/* Appends the line fit to be shown. */
static void put_line(const struct conferror *e, struct span line, struct buf *out)
{
    bool secret = false;
    while (line.n > 0) {
        bool blank = line.p[0] == ' ' || line.p[0] == '\t';
        size_t n = blank ? 1 : word_length(line);
        struct span piece = span_of(line.p, n);
        put_shown(piece, secret && !blank, out);
        if (!blank)
            secret = !secret && announces_secret(e, piece);
        line = span_of(line.p + n, line.n - n);
    }
}

/* Octets of the first n characters of s. */
static size_t octets_of(struct span s, size_t characters)
{
    size_t i = 0;
    for (; characters > 0 && i < s.n; characters--) {
        size_t n = utf8_sequence(s.p + i, s.n - i);
        i += n == 0 ? 1 : n;
    }
    return i;
}

/* The line indented by four, cut around the column if it is long, and a caret under that column. */
static char *excerpt(const struct conferror *e, struct confsource_pos at)
{
    struct buf line = {0}, out = {0};
    struct span whole = confsource_line(e->sources, at);
    if (whole.n > LINE_MAX_)
        return mem_format("    (a line of %zu octets)\n", whole.n);
    (void)buf_room(&line, 1); /* never NULL, also when the line is empty */
    size_t column = confsource_column(e->sources, at) - 1;
    put_line(e, whole, &line);
    struct span s = buf_span(&line);
    size_t skip = column > SHOWN_BEFORE ? octets_of(s, column - SHOWN_BEFORE) : 0;
    size_t place = octets_of(s, column);
    size_t rest = octets_of(span_of(s.p + place, s.n - place), SHOWN_AFTER);
    buf_putf(&out, "    %s", skip > 0 ? "..." : "");
    buf_put(&out, s.p + skip, place - skip + rest);
    buf_putf(&out, "%s\n    %s", place + rest < s.n ? "..." : "", skip > 0 ? "   " : "");
    for (size_t i = skip; i < place;) {
        buf_putc(&out, s.p[i] == '\t' ? '\t' : ' ');
        i += utf8_sequence(s.p + i, s.n - i);
    }
    buf_puts(&out, "^\n");
    buf_free(&line);
    return buf_take_text(&out);
}

static void keep(struct conferror *e, struct confsource_pos at, bool warning, char *sentence)
{
    struct conf_errors *out = e->out;
    if (out->v == NULL)
        out->v = mem_array(CONF_MAX_ERRORS, sizeof *out->v);
    struct conf_error *error = &out->v[out->n];
    *error = (struct conf_error){.warning = warning,
                                 .sentence = sentence,
                                 .file = at.file,
                                 .offset = at.offset,
                                 .order = (uint32_t)out->n++};
    const char *name = e->sources->n == 0 ? "" : e->sources->v[at.file]->name;
    if (at.line == 0) {
        error->place = mem_text(name);
        error->excerpt = mem_text("");
        return;
    }
    error->place = mem_format("%s:%u:%zu", name, at.line, confsource_column(e->sources, at));
    error->excerpt = excerpt(e, at);
}

static void add(struct conferror *e, struct confsource_pos at, bool warning, const char *fmt,
                va_list ap)
{
    e->out->failures += !warning;
    if (e->out->n == CONF_MAX_ERRORS) {
        e->out->more++;
        return;
    }
    struct buf sentence = {0};
    buf_vputf(&sentence, fmt, ap);
    keep(e, at, warning, buf_take_text(&sentence));
}

void conferror_add(struct conferror *e, struct confsource_pos at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(e, at, false, fmt, ap);
    va_end(ap);
}

void conferror_warn(struct conferror *e, struct confsource_pos at, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    add(e, at, true, fmt, ap);
    va_end(ap);
}

static int by_place(const void *pa, const void *pb)
{
    const struct conf_error *a = pa, *b = pb;
    if (a->file != b->file)
        return a->file < b->file ? -1 : 1;
    if (a->offset != b->offset)
        return a->offset < b->offset ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

void conferror_sort(struct conferror *e)
{
    if (e->out->n > 0)
        qsort(e->out->v, e->out->n, sizeof *e->out->v, by_place);
}

void conf_errors_print(const struct conf_errors *errors, struct buf *out)
{
    for (size_t i = 0; i < errors->n; i++) {
        const struct conf_error *e = &errors->v[i];
        buf_putf(out, "%s%s%s%s\n%s", e->place, e->place[0] == '\0' ? "" : ": ",
                 e->warning ? "warning: " : "", e->sentence, e->excerpt);
    }
    if (errors->more > 0)
        buf_putf(out, "and %zu more\n", errors->more);
}

void conf_errors_free(struct conf_errors *errors)
{
    for (size_t i = 0; i < errors->n; i++) {
        mem_free(&errors->v[i].place);
        mem_free(&errors->v[i].sentence);
        mem_free(&errors->v[i].excerpt);
    }
    mem_free(&errors->v);
    *errors = (struct conf_errors){0};
}
