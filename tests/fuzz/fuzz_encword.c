/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "ascii.h"
#include "encword.h"
#include "utf8.h"

/* The text as it comes back: octets that are not UTF-8 are U+FFFD, control characters are spaces,
 * and spaces at the ends are gone. */
static void expect(struct buf *out, struct span in)
{
    while (in.n > 0) {
        size_t n = utf8_sequence(in.p, in.n);
        if (n == 0)
            buf_puts(out, "\xef\xbf\xbd");
        else if (n == 1 && (in.p[0] < 0x20 || in.p[0] == 0x7f))
            buf_putc(out, ' ');
        else
            buf_put(out, in.p, n);
        n = n == 0 ? 1 : n;
        in = span_of(in.p + n, in.n - n);
    }
}

/* Checks the lines of a written value and takes their breaks out. */
static void unfolded(struct buf *out, struct span in, bool utf8)
{
    size_t column = 0;
    for (size_t i = 0; i < in.n; i++) {
        if (in.p[i] == '\r') {
            assert(i + 3 < in.n && in.p[i + 1] == '\n' && in.p[i + 2] == ' ');
            assert(!ascii_is_space(in.p[i - 1]) || column == 2);
            i++;
            column = 0;
            continue;
        }
        assert(++column <= 998);
        assert(in.p[i] >= 0x20 && in.p[i] != 0x7f && (utf8 || in.p[i] < 0x80));
        buf_putc(out, in.p[i]);
    }
    assert(utf8_valid(buf_span(out)));
}

static struct span trimmed(struct span s)
{
    while (s.n > 0 && s.p[0] == ' ')
        s = span_of(s.p + 1, s.n - 1);
    while (s.n > 0 && s.p[s.n - 1] == ' ')
        s.n--;
    return s;
}

static void unquote(struct buf *b)
{
    struct span s = trimmed(buf_span(b));
    struct buf out = {0};
    if (s.n < 2 || s.p[0] != '"')
        return;
    assert(s.p[s.n - 1] == '"');
    for (size_t i = 1; i < s.n - 1; i++) {
        if (s.p[i] == '\\')
            i++;
        buf_putc(&out, s.p[i]);
    }
    buf_free(b);
    *b = out;
}

static void round_trip(struct span in, bool utf8, bool phrase)
{
    struct buf field = {0}, flat = {0}, back = {0}, want = {0};
    struct fold fold;
    fold_begin(&fold, &field, "S", " ");
    if (phrase)
        encword_phrase(&fold, in, utf8);
    else
        encword_text(&fold, in, utf8);
    unfolded(&flat, span_of(buf_span(&field).p + 2, field.n - 2), utf8);
    if (phrase)
        unquote(&flat);
    encword_decode(&back, buf_span(&flat));
    expect(&want, in);
    assert(span_equal(trimmed(buf_span(&back)), trimmed(buf_span(&want))));
    buf_free(&field);
    buf_free(&flat);
    buf_free(&back);
    buf_free(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mailcharset *charsets; /* a converter is opened once */
    struct buf out = {0};
    if (charsets == NULL)
        charsets = mailcharset_open();
    encword_decode(&out, span_of(data, size));
    assert(utf8_valid(buf_span(&out)));
    assert(out.n <= 3 * size);
    buf_clear(&out);
    encword_decode_in(charsets, &out, span_of(data, size));
    assert(utf8_valid(buf_span(&out)));
    buf_free(&out);
    for (int k = 0; k < 4; k++)
        round_trip(span_of(data, size), k & 1, k & 2);
    return 0;
}
