/* themes: smtp codec base */
/* Replies: the same ones however the input is cut, within their bounds, escaped text harmless, and
 * what a server writes from any text is one reply with lines short enough. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "reply.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_harmless(struct span s)
{
    struct buf again = {0};
    assert(utf8_valid(s));
    for (size_t i = 0; i < s.n; i++) {
        assert(s.p[i] >= ' ' && s.p[i] != 0x7f);
        assert(s.p[i] != 0xc2 || s.p[i + 1] >= 0xa0);
    }
    reply_escape(&again, s);
    assert(span_equal(buf_span(&again), s));
    buf_free(&again);
}

static void check_bounds(const struct reply *r)
{
    size_t octets = 0;
    assert(r->code >= 200 && r->code <= 599 && r->lines >= 1 && r->lines <= REPLY_LINES_MAX);
    assert(r->kept >= 1 && r->kept <= REPLY_LINES_KEPT && r->kept <= r->lines);
    assert(r->cut || r->kept == r->lines);
    assert(r->enhanced.class == 0 || r->enhanced.class == r->code / 100);
    for (size_t i = 0; i < r->kept; i++) {
        struct span line = reply_line(r, i);
        char code[4];
        octets += line.n;
        /* Where the room ended, a line may be cut as short as one octet. */
        assert(line.n >= 3 || (r->cut && i == r->kept - 1));
        if (line.n >= 3) {
            assert(span_copy(span_of(line.p, 3), code, sizeof code) == 0);
            assert(atoi(code) == r->code);
        }
        assert(reply_line_text(r, i).n <= reply_line(r, i).n);
    }
    assert(octets <= REPLY_OCTETS_KEPT);
}

static bool feed(struct reply_parser *p, struct span in, struct buf *log)
{
    struct fail f;
    enum reply_got got;
    while ((got = reply_feed(p, &in, &f)) == REPLY_DONE) {
        struct buf text = {0};
        char code[ENHANCED_SIZE];
        check_bounds(&p->reply);
        reply_text(&text, &p->reply, " ");
        check_harmless(buf_span(&text));
        buf_putf(log, "%d %s %zu %s\n", p->reply.code, enhanced_format(p->reply.enhanced, code),
                 p->reply.lines, buf_text(&text));
        buf_free(&text);
    }
    if (got == REPLY_BAD)
        check_harmless(span_text(f.text));
    else
        assert(in.n == 0);
    return got != REPLY_BAD;
}

static void check_cuts(struct span in, size_t step)
{
    struct reply_parser p;
    struct buf whole = {0}, cut = {0};
    bool fine = true;
    size_t n;
    reply_open(&p);
    bool whole_fine = feed(&p, in, &whole);
    reply_close(&p);
    reply_open(&p);
    for (size_t at = 0, i = 0; at < in.n && fine; at += n, i++) {
        n = 1 + i * 3 % step;
        n = in.n - at < n ? in.n - at : n;
        fine = feed(&p, span_of(in.p + at, n), &cut);
    }
    reply_close(&p);
    assert(fine == whole_fine && span_equal(buf_span(&whole), buf_span(&cut)));
    buf_free(&whole);
    buf_free(&cut);
}

static void check_written(struct span text, bool utf8)
{
    struct buf out = {0};
    struct reply_parser p;
    struct fail f;
    if (utf8)
        reply_write_utf8(&out, 550, "5.7.1", text);
    else
        reply_write(&out, 550, "5.7.1", text);
    struct span in = buf_span(&out), rest = in;
    while (rest.n > 0) {
        ssize_t lf = span_find(rest, '\n');
        assert(lf > 0 && lf < REPLY_WRITE_LINE && rest.p[lf - 1] == '\r');
        check_harmless(span_of(rest.p, (size_t)lf - 1));
        assert(utf8 || utf8_is_ascii(span_of(rest.p, (size_t)lf)));
        rest = span_of(rest.p + lf + 1, rest.n - (size_t)lf - 1);
    }
    reply_open(&p);
    assert(reply_feed(&p, &in, &f) == REPLY_DONE && in.n == 0);
    assert(p.reply.code == 550 && p.reply.lines <= REPLY_WRITE_LINES &&
           p.reply.enhanced.class == 5);
    reply_close(&p);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    struct span in = span_of(data + 1, size - 1);
    check_cuts(in, 1 + data[0] % 64u);
    check_written(in, data[0] % 2 == 1);
    return 0;
}
