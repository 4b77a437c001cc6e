/* themes: smtp codec base */
/* Lines: the same ones however the input is cut, none longer than allowed, nothing held beyond
 * that, and none with an octet in it that a strict reader forbids. */
#include <assert.h>

#include "line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 24 };

static void feed(struct line_reader *r, struct span in, bool loose, struct buf *log)
{
    struct span line;
    enum line_kind kind;
    while ((kind = line_next(r, &in, &line)) != LINE_MORE) {
        assert(kind == LINE_OK || line.n == 0);
        assert(!loose || kind == LINE_OK || kind == LINE_TOO_LONG);
        assert(line.n <= MAX && span_find(line, '\n') < 0);
        assert(loose || (span_find(line, '\r') < 0 && span_find(line, '\0') < 0));
        buf_putf(log, "%d:%zu:", kind, line.n);
        buf_put_span(log, line);
        assert(line_trouble(r) == LINE_MORE && line_pending(r) == 0);
    }
    assert(in.n == 0 && r->held.n <= MAX + 1);
}

static void end(struct line_reader *r, struct buf *log)
{
    buf_putf(log, "%d:%d:%d", line_trouble(r), (int)line_pending(r), r->bare_lf);
    line_close(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct line_reader r;
    struct buf whole = {0}, cut = {0};
    if (size < 1)
        return 0;
    bool loose = data[0] % 2 == 1;
    size_t step = 1 + data[0] / 2 % 16u, n;
    struct span in = span_of(data + 1, size - 1);
    line_open(&r, MAX, loose);
    feed(&r, in, loose, &whole);
    end(&r, &whole);
    line_open(&r, MAX, loose);
    for (size_t at = 0, i = 0; at < in.n; at += n, i++) {
        n = 1 + i * 3 % step;
        n = in.n - at < n ? in.n - at : n;
        feed(&r, span_of(in.p + at, n), loose, &cut);
    }
    end(&r, &cut);
    assert(span_equal(buf_span(&whole), buf_span(&cut)));
    buf_free(&whole);
    buf_free(&cut);
    return 0;
}
