#include "line.h"

#include <assert.h>

void line_open(struct line_reader *r, size_t max, bool loose)
{
    assert(max > 0);
    *r = (struct line_reader){.max = max, .loose = loose, .trouble = LINE_MORE};
}

void line_reset(struct line_reader *r)
{
    r->after_cr = r->given = false;
    r->trouble = LINE_MORE;
    r->length = 0;
    r->pending = 0;
    buf_clear(&r->held);
}

void line_close(struct line_reader *r)
{
    line_reset(r);
    buf_free(&r->held);
}

/* Only the first offence counts, so that the order in which pieces arrive cannot matter. */
static void offence(struct line_reader *r, enum line_kind kind)
{
    if (r->trouble == LINE_MORE)
        r->trouble = kind;
}

/* What one more octet does to the line. Returns true if it ends it. A CR is text only once it is
 * known that no LF follows. */
static bool step(struct line_reader *r, int c)
{
    bool after_cr = r->after_cr;
    r->after_cr = c == '\r';
    r->pending++;
    if (c == '\n' && (after_cr || r->loose)) {
        r->bare_lf = r->bare_lf || !after_cr;
        return true;
    }
    if (after_cr)
        r->length++;
    if (c != '\r')
        r->length++;
    if (after_cr && !r->loose)
        offence(r, LINE_BARE_CR);
    if (r->length > r->max)
        offence(r, LINE_TOO_LONG);
    if (c == '\n')
        offence(r, LINE_BARE_LF);
    if (c == '\0' && !r->loose)
        offence(r, LINE_NUL);
    return false;
}

/* The line that ends in the LF at piece.p[piece.n - 1]. */
static struct span complete(struct line_reader *r, struct span piece)
{
    struct span line = span_of(piece.p, piece.n - 1);
    if (r->held.n > 0) {
        buf_put_span(&r->held, line);
        line = buf_span(&r->held);
    }
    if (line.n > 0 && line.p[line.n - 1] == '\r')
        line.n--;
    return line;
}

enum line_kind line_next(struct line_reader *r, struct span *in, struct span *line)
{
    *line = (struct span){0};
    if (r->given)
        line_reset(r);
    for (size_t i = 0; i < in->n; i++) {
        if (!step(r, in->p[i]))
            continue;
        enum line_kind kind = r->trouble == LINE_MORE ? LINE_OK : r->trouble;
        if (kind == LINE_OK)
            *line = complete(r, span_of(in->p, i + 1));
        r->given = true;
        *in = span_of(in->p + i + 1, in->n - i - 1);
        return kind;
    }
    if (r->trouble == LINE_MORE)
        buf_put_span(&r->held, *in);
    else
        buf_clear(&r->held);
    *in = span_of(in->p == NULL ? NULL : in->p + in->n, 0);
    return LINE_MORE;
}

enum line_kind line_trouble(const struct line_reader *r)
{
    return r->given ? LINE_MORE : r->trouble;
}

uint64_t line_pending(const struct line_reader *r)
{
    return r->given ? 0 : r->pending;
}
