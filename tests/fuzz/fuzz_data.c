/* themes: smtp codec base */
/* The message after DATA: what comes out does not depend on how the input is cut, the end is the
 * first CR LF . CR LF, and what is encoded decodes to the same lines. */
#include <assert.h>
#include <string.h>

#include "data.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void collect(void *arg, struct span run)
{
    assert(run.n > 0);
    buf_put_span(arg, run);
}

/* Decodes in pieces of 1 .. step octets. Returns how many octets were taken. */
static size_t decode(struct data_decoder *d, struct buf *out, struct span in, size_t step,
                     uint64_t max, bool *ended)
{
    size_t used = 0;
    *ended = false;
    data_open(d, collect, out, max);
    for (size_t i = 0; used < in.n && !*ended; i++) {
        size_t n = 1 + i * 7 % step;
        struct span piece = span_of(in.p + used, in.n - used < n ? in.n - used : n);
        const unsigned char *p = piece.p;
        *ended = data_decode(d, &piece);
        assert(*ended || piece.n == 0);
        used += (size_t)(piece.p - p);
    }
    return used;
}

/* The first line end in what was read that is none; a CR at the end may yet become one. */
static enum data_refusal refusal(struct span in)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && (i == 0 || in.p[i - 1] != '\r'))
            return DATA_BARE_LF;
        if (in.p[i] == '\r' && i + 1 < in.n && in.p[i + 1] != '\n')
            return DATA_BARE_CR;
    }
    return DATA_FINE;
}

static void check_cuts(struct span in, size_t step, uint64_t max)
{
    struct data_decoder whole, cut;
    struct buf a = {0}, b = {0};
    bool a_ended, b_ended;
    struct span rest = in;
    data_open(&whole, collect, &a, max);
    a_ended = data_decode(&whole, &rest);
    size_t a_used = in.n - rest.n;
    size_t b_used = decode(&cut, &b, in, step, max, &b_ended);
    assert(a_ended == b_ended && a_used == b_used);
    assert(span_equal(buf_span(&a), buf_span(&b)));
    assert(whole.octets == cut.octets && whole.longest == cut.longest);
    assert(whole.has_body == cut.has_body && whole.body_at == cut.body_at);
    assert(whole.eight_bit == cut.eight_bit && whole.nul == cut.nul && whole.over == cut.over);
    assert(whole.refused == cut.refused);
    assert(whole.refused == refusal(span_of(in.p, a_used)));
    assert(max == 0 || a.n <= max);
    assert(max != 0 || a.n == whole.octets);
    bool begins = in.n >= 3 && memcmp(in.p, ".\r\n", 3) == 0;
    const unsigned char *end = in.n == 0 ? NULL : memmem(in.p, in.n, "\r\n.\r\n", 5);
    assert(a_ended == (begins || end != NULL));
    if (a_ended)
        assert(a_used == (begins ? 3 : (size_t)(end - in.p) + 5));
    buf_free(&a);
    buf_free(&b);
}

/* Each CR LF, bare CR and bare LF of in as CR LF, and one at the end. */
static void normalise(struct buf *out, struct span in)
{
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\n' && i > 0 && in.p[i - 1] == '\r')
            continue;
        if (in.p[i] == '\r' || in.p[i] == '\n')
            buf_puts(out, "\r\n");
        else
            buf_putc(out, in.p[i]);
    }
    if (out->n > 0 && buf_span(out).p[out->n - 1] != '\n')
        buf_puts(out, "\r\n");
}

static void check_there_and_back(struct span in, size_t step)
{
    struct data_encoder e;
    struct data_decoder d;
    struct buf wire = {0}, back = {0}, want = {0};
    bool ended;
    data_encode_open(&e, collect, &wire);
    for (size_t at = 0, i = 0; at < in.n; i++) {
        size_t n = 1 + i * 5 % step;
        n = in.n - at < n ? in.n - at : n;
        data_encode(&e, span_of(in.p + at, n));
        at += n;
    }
    data_encode_end(&e);
    assert(e.octets == wire.n);
    size_t used = decode(&d, &back, buf_span(&wire), step, 0, &ended);
    normalise(&want, in);
    assert(ended && used == wire.n && d.refused == DATA_FINE);
    assert(span_equal(buf_span(&back), buf_span(&want)));
    assert(e.mended || in.n == 0 || want.n - in.n <= 2);
    buf_free(&wire);
    buf_free(&back);
    buf_free(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    size_t step = 1 + data[0] % 40u;
    struct span in = span_of(data + 2, size - 2);
    check_cuts(in, step, data[1]);
    check_there_and_back(in, step);
    return 0;
}
