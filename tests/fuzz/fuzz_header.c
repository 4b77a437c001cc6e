/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "header.h"

static void check_cuts(struct span m, size_t end)
{
    for (size_t cut = 0; cut <= m.n && cut < 64; cut++) {
        struct header_scan scan = {0};
        size_t n = header_scan(&scan, span_of(m.p, cut));
        n += header_scan(&scan, span_of(m.p + cut, m.n - cut));
        assert(n == end);
    }
}

/* The fields cover the header exactly, up to the empty line. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span m = span_of(data, size);
    size_t end = header_end(m), covered = 0;
    struct span rest = span_of(data, end);
    struct header_field field;
    assert(end <= size);
    check_cuts(m, end);
    while (header_next(&rest, &field)) {
        struct buf value = {0};
        assert(field.whole.p == data + covered && field.whole.n > 0);
        assert(field.name.n == 0 || header_is_name(field.name));
        assert(field.value.p >= field.whole.p &&
               field.value.p + field.value.n <= field.whole.p + field.whole.n);
        header_unfold(&value, field.value);
        assert(value.n <= field.value.n && span_find(buf_span(&value), '\n') < 0);
        buf_free(&value);
        covered += field.whole.n;
    }
    assert(rest.n <= 2 && covered + rest.n == end);
    return 0;
}
