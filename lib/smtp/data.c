#include "data.h"

#include <assert.h>
#include <string.h>

enum {
    LINE_START, /* behind CR LF, or at the very beginning */
    DOT,        /* behind the dot that begins a line */
    DOT_CR,     /* behind that dot and a CR */
    TEXT,       /* inside a line */
    CR,         /* behind a CR inside a line */
    END,
};

static bool has_eight_bit(struct span s)
{
    const uint64_t high = 0x8080808080808080u;
    size_t i = 0;
    for (; i + 32 <= s.n; i += 32) {
        uint64_t w[4];
        memcpy(w, s.p + i, sizeof w);
        if (((w[0] | w[1] | w[2] | w[3]) & high) != 0)
            return true;
    }
    for (; i < s.n; i++) {
        if (s.p[i] >= 0x80)
            return true;
    }
    return false;
}

void data_open(struct data_decoder *d, data_sink *sink, void *arg, uint64_t max)
{
    *d = (struct data_decoder){.sink = sink, .arg = arg, .max = max, .state = LINE_START};
}

/* The octets from run to stop are message. */
static void pass(struct data_decoder *d, const unsigned char *run, const unsigned char *stop)
{
    struct span s = span_of(run, (size_t)(stop - run));
    uint64_t before = d->octets;
    d->octets += s.n;
    if (d->max > 0 && d->octets > d->max) {
        d->over = true;
        s.n = before < d->max ? (size_t)(d->max - before) : 0;
    }
    if (s.n == 0)
        return;
    d->eight_bit = d->eight_bit || has_eight_bit(s);
    d->nul = d->nul || memchr(s.p, '\0', s.n) != NULL;
    d->sink(d->arg, s);
}

/* A line is complete; at octets of message came up to its end. */
static void line_done(struct data_decoder *d, uint64_t at)
{
    if (d->column > d->longest)
        d->longest = d->column;
    if (d->column == 0 && !d->has_body) {
        d->has_body = true;
        d->body_at = at;
    }
    d->column = 0;
    d->state = LINE_START;
}

/* Goes on through a message that is refused, at p: only the true end matters now. Looks for one
 * octet at a time, so that no mixture of CR and LF makes it slow. */
static const unsigned char *swallow(struct data_decoder *d, const unsigned char *p,
                                    const unsigned char *end)
{
    while (p < end && d->state != END) {
        switch (d->state) {
        case TEXT:
            p = memchr(p, '\r', (size_t)(end - p));
            if (p == NULL)
                return end;
            p++;
            d->state = CR;
            break;
        case LINE_START:
            d->state = *p == '.' ? DOT : *p == '\r' ? CR : TEXT;
            p++;
            break;
        case DOT:
            d->state = *p == '\r' ? DOT_CR : TEXT;
            p++;
            break;
        default:
            if (*p == '\n')
                d->state = d->state == DOT_CR ? END : LINE_START;
            else
                d->state = *p == '\r' ? CR : TEXT;
            p++;
        }
    }
    return p;
}

/* Inside a line at p, in the run that began at run. Goes on behind the line's end, or to the end of
 * the piece, or to where the message is to be refused. */
static const unsigned char *text(struct data_decoder *d, const unsigned char *run,
                                 const unsigned char *p, const unsigned char *end)
{
    const unsigned char *lf = memchr(p, '\n', (size_t)(end - p));
    const unsigned char *stop = lf == NULL ? end : lf;
    const unsigned char *cr = memchr(p, '\r', (size_t)(stop - p));
    if (cr == NULL) {
        d->column += (uint64_t)(stop - p);
        if (lf != NULL)
            d->refused = DATA_BARE_LF;
        return stop;
    }
    d->column += (uint64_t)(cr - p);
    if (cr + 1 == lf) {
        line_done(d, d->octets + (uint64_t)(lf + 1 - run));
        return lf + 1;
    }
    if (cr + 1 == end)
        d->state = CR;
    else
        d->refused = DATA_BARE_CR;
    return cr + 1;
}

/* Goes on to where *run, the beginning of what is message and not passed on yet, has to be cut: a
 * dot to leave out, a reason to refuse, the end of the message or of the piece. Returns that place.
 */
static const unsigned char *advance(struct data_decoder *d, const unsigned char *run,
                                    const unsigned char *p, const unsigned char *end)
{
    while (p < end && d->refused == DATA_FINE) {
        if (d->state == CR) {
            if (*p != '\n') {
                d->refused = DATA_BARE_CR;
                return p;
            }
            p++;
            line_done(d, d->octets + (uint64_t)(p - run));
        } else if (d->state == LINE_START && *p == '.') {
            d->state = DOT;
            return p;
        } else {
            d->state = TEXT;
            p = text(d, run, p, end);
        }
    }
    return p;
}

/* Behind a dot that begins a line, at p: the dot ends the message, or it was stuffed. */
static const unsigned char *behind_dot(struct data_decoder *d, const unsigned char *p)
{
    if (d->state == DOT && *p == '\r') {
        d->state = DOT_CR;
        return p + 1;
    }
    if (d->state == DOT && *p != '\n') {
        d->state = TEXT;
        return p;
    }
    if (d->state == DOT_CR && *p == '\n') {
        d->state = END;
        return p + 1;
    }
    d->refused = d->state == DOT ? DATA_BARE_LF : DATA_BARE_CR;
    return p;
}

bool data_decode(struct data_decoder *d, struct span *in)
{
    assert(d->state != END);
    const unsigned char *p = in->p, *end = in->n == 0 ? p : p + in->n;
    while (p < end && d->state != END) {
        if (d->refused != DATA_FINE) {
            p = swallow(d, p, end);
        } else if (d->state == DOT || d->state == DOT_CR) {
            p = behind_dot(d, p);
        } else {
            const unsigned char *cut = advance(d, p, p, end);
            pass(d, p, cut);
            p = d->state == DOT ? cut + 1 : cut;
        }
    }
    *in = span_of(p, (size_t)(end - p));
    return d->state == END;
}

void data_encode_open(struct data_encoder *e, data_sink *sink, void *arg)
{
    *e = (struct data_encoder){.sink = sink, .arg = arg, .line_start = true};
}

void data_encode_open_bare(struct data_encoder *e, data_sink *sink, void *arg)
{
    data_encode_open(e, sink, arg);
    e->bare = true;
}

static void send(struct data_encoder *e, const void *p, size_t n)
{
    if (n == 0)
        return;
    e->octets += n;
    e->sink(e->arg, span_of(p, n));
}

/* Sends what goes unchanged up to stop, and CR LF in the place of what stands there. */
static void mend(struct data_encoder *e, const unsigned char *run, const unsigned char *stop)
{
    send(e, run, (size_t)(stop - run));
    send(e, "\r\n", 2);
    e->line_start = true;
}

void data_encode(struct data_encoder *e, struct span in)
{
    const unsigned char *p = in.p, *end = in.n == 0 ? p : p + in.n, *run = p, *lf = NULL;
    while (p < end) {
        if (e->after_cr) {
            /* The CR was sent as CR LF already. */
            e->after_cr = false;
            e->mended = e->mended || *p != '\n';
            if (*p == '\n')
                run = ++p;
            continue;
        }
        if (e->line_start && *p == '.' && !e->bare) {
            send(e, run, (size_t)(p - run));
            send(e, ".", 1);
            run = p;
        }
        e->line_start = false;
        /* The next LF stays known over any number of bare CRs before it, or they would cost a
         * search through the whole piece each. */
        if (lf == NULL || lf < p) {
            lf = memchr(p, '\n', (size_t)(end - p));
            lf = lf == NULL ? end : lf;
        }
        const unsigned char *cr = memchr(p, '\r', (size_t)(lf - p));
        if (cr != NULL && cr + 1 == lf && lf < end) {
            p = lf + 1;
            e->line_start = true;
        } else if (cr != NULL) {
            mend(e, run, cr);
            run = p = cr + 1;
            e->after_cr = true;
        } else if (lf < end) {
            mend(e, run, lf);
            e->mended = true;
            run = p = lf + 1;
        } else {
            p = end;
        }
    }
    send(e, run, (size_t)(p - run));
}

void data_encode_end(struct data_encoder *e)
{
    e->mended = e->mended || e->after_cr;
    if (!e->line_start)
        send(e, "\r\n", 2);
    if (!e->bare)
        send(e, ".\r\n", 3);
}
