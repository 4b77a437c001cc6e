#include "header.h"

#include "ascii.h"

size_t header_scan(struct header_scan *scan, struct span piece)
{
    for (size_t i = 0; i < piece.n && !scan->done; i++) {
        int c = piece.p[i];
        if (c == '\n') {
            if (!scan->in_line) {
                scan->done = true;
                return i + 1;
            }
            scan->in_line = scan->after_cr = false;
        } else if (c == '\r' && !scan->after_cr) {
            scan->after_cr = true;
        } else {
            scan->in_line = true;
        }
    }
    return scan->done ? 0 : piece.n;
}

size_t header_end(struct span message)
{
    struct header_scan scan = {0};
    return header_scan(&scan, message);
}

/* The length of the line at at, its line end included. */
static size_t line_length(struct span s, size_t at)
{
    ssize_t lf = span_find(span_of(s.p + at, s.n - at), '\n');
    return lf < 0 ? s.n - at : (size_t)lf + 1;
}

static struct span without_line_end(struct span line)
{
    if (line.n > 0 && line.p[line.n - 1] == '\n')
        line.n--;
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

bool header_is_name(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == ':')
            return false;
    }
    return s.n > 0 && s.n < 998;
}

static void split(struct span text, struct header_field *field)
{
    ssize_t colon = span_find(text, ':');
    field->name = span_of(text.p, 0);
    field->value = text;
    if (colon < 0)
        return;
    struct span name = span_of(text.p, (size_t)colon);
    while (name.n > 0 && (name.p[name.n - 1] == ' ' || name.p[name.n - 1] == '\t'))
        name.n--; /* RFC 5322 4.5 */
    if (!header_is_name(name))
        return;
    field->name = name;
    field->value = span_of(text.p + colon + 1, text.n - (size_t)colon - 1);
}

bool header_next(struct span *rest, struct header_field *field)
{
    if (rest->n == 0)
        return false;
    size_t n = line_length(*rest, 0);
    if (rest->p[n - 1] == '\n' && without_line_end(span_of(rest->p, n)).n == 0)
        return false;
    while (n < rest->n && (rest->p[n] == ' ' || rest->p[n] == '\t') && rest->p[n - 1] == '\n')
        n += line_length(*rest, n);
    field->whole = span_of(rest->p, n);
    split(without_line_end(field->whole), field);
    *rest = span_of(rest->p + n, rest->n - n);
    return true;
}

bool header_find(struct span header, const char *name, size_t nth, struct header_field *field)
{
    while (header_next(&header, field)) {
        if (span_is_nocase(field->name, name) && nth-- == 0)
            return true;
    }
    return false;
}

size_t header_count(struct span header, const char *name)
{
    struct header_field field;
    size_t n = 0;
    while (header_next(&header, &field))
        n += span_is_nocase(field.name, name);
    return n;
}

void header_unfold(struct buf *out, struct span value)
{
    value = ascii_trim(value);
    for (size_t i = 0; i < value.n; i++) {
        bool line_end =
            value.p[i] == '\n' || (value.p[i] == '\r' && i + 1 < value.n && value.p[i + 1] == '\n');
        if (!line_end)
            buf_putc(out, value.p[i]);
    }
}

bool header_value(struct span header, const char *name, size_t max, struct buf *out)
{
    struct header_field field;
    size_t before = out->n;
    if (!header_find(header, name, 0, &field))
        return false;
    header_unfold(out, field.value);
    if (out->n - before <= max)
        return true;
    buf_cut(out, before);
    return false;
}
