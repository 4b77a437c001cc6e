/* themes: codec base */
#include <assert.h>
#include <stdint.h>

#include "mutf7.h"
#include "utf8.h"

/* What decodes is UTF-8 and encodes to the same octets again, and the other way round. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_of(data, size);
    struct buf there = {0}, back = {0};
    if (mutf7_decode(&there, s) == 0) {
        assert(utf8_valid(buf_span(&there)));
        assert(mutf7_encode(&back, buf_span(&there)) == 0);
        assert(span_equal(s, buf_span(&back)));
    }
    buf_clear(&there);
    buf_clear(&back);
    if (mutf7_encode(&there, s) == 0) {
        assert(mutf7_decode(&back, buf_span(&there)) == 0);
        assert(span_equal(s, buf_span(&back)));
    }
    buf_free(&there);
    buf_free(&back);
    return 0;
}
