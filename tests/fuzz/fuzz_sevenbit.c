/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "mimedecode.h"
#include "mimeread.h"
#include "sevenbit.h"

static void sink(void *arg, struct span run)
{
    assert(run.n > 0);
    buf_put_span(arg, run);
}

static void feed(struct sevenbit *s, struct span in, size_t piece)
{
    for (size_t at = 0; at < in.n; at += piece)
        sevenbit_feed(s, span_of(in.p + at, in.n - at < piece ? in.n - at : piece));
}

static struct sevenbit_plan *look(struct span in, size_t piece)
{
    struct fail f;
    struct sevenbit *s = sevenbit_look();
    feed(s, in, piece);
    return sevenbit_looked(&s, &f);
}

static void convert(const struct sevenbit_plan *plan, struct span in, size_t piece, struct buf *out)
{
    struct sevenbit *s = sevenbit_convert(plan, sink, out);
    feed(s, in, piece);
    sevenbit_end(&s);
    assert(out->n <= sevenbit_size(plan));
}

static bool is_sevenbit(struct span s)
{
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= 0x80)
            return false;
    }
    return true;
}

/* As far as another reader sees the same structure in it, each part says the same. It does not look
 * into messages within the message. */
static void compare(struct span before, struct span after)
{
    struct mimeread a, b;
    mimeread_parse(&a, before, NULL);
    mimeread_parse(&b, after, NULL);
    bool plain = !a.cut && a.n < 20;
    for (size_t i = 0; i < a.n; i++)
        plain = plain && strncmp(a.parts[i].type.word, "message/", 8) != 0 &&
                !mimeread_is(&a.parts[i], "multipart/digest");
    assert(!plain || a.n == b.n);
    for (size_t i = 0; i < a.n && plain; i++) {
        struct buf x = {0}, y = {0};
        mimedecode_part(&a.parts[i], SIZE_MAX, &x);
        mimedecode_part(&b.parts[i], SIZE_MAX, &y);
        assert(mimeread_is_multipart(&a.parts[i]) || span_equal(buf_span(&x), buf_span(&y)));
        buf_free(&x);
        buf_free(&y);
    }
    mimeread_clear(&a);
    mimeread_clear(&b);
}

/* The same lines, each ended by CR LF. */
static void check_meaning(const uint8_t *data, size_t size)
{
    struct buf in = {0}, out = {0};
    for (size_t i = 0; i < size; i++) {
        if (data[i] == '\n')
            buf_putc(&in, '\r');
        if (data[i] != '\r')
            buf_putc(&in, data[i]);
    }
    buf_puts(&in, "\r\n");
    struct sevenbit_plan *plan = look(buf_span(&in), 4096);
    if (plan != NULL) {
        convert(plan, buf_span(&in), 4096, &out);
        compare(buf_span(&in), buf_span(&out));
        sevenbit_plan_free(&plan);
    }
    buf_free(&in);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct buf out = {0}, other = {0}, again = {0};
    size_t piece = size > 0 ? 1 + data[0] % 50 : 1;
    struct sevenbit_plan *plan = look(in, size + 1), *same = look(in, piece);
    assert((plan == NULL) == (same == NULL));
    if (plan != NULL) {
        convert(plan, in, size + 1, &out);
        convert(same, in, piece, &other);
        assert(is_sevenbit(buf_span(&out)));
        assert(span_equal(buf_span(&out), buf_span(&other)));
        sevenbit_plan_free(&plan);
        sevenbit_plan_free(&same);
        plan = look(buf_span(&out), 4096);
        assert(plan != NULL);
        convert(plan, buf_span(&out), 4096, &again);
        assert(span_equal(buf_span(&out), buf_span(&again)));
        sevenbit_plan_free(&plan);
    }
    check_meaning(data, size);
    buf_free(&out);
    buf_free(&other);
    buf_free(&again);
    return 0;
}
