/* themes: codec base */
#include <assert.h>

#include "base64.h"

/* What is decoded strictly has one spelling only, so encoding gives the input back; the loose form
 * takes all that the strict one takes, to the same octets. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span text = span_of(data, size);
    struct buf strict = {0}, loose = {0}, again = {0};
    int ok = base64_decode(&strict, text);
    int ok_loose = base64_decode_loose(&loose, text);
    if (ok == 0) {
        base64_encode(&again, buf_span(&strict));
        assert(span_equal(buf_span(&again), text));
        assert(ok_loose == 0 && span_equal(buf_span(&loose), buf_span(&strict)));
    } else {
        assert(strict.n == 0);
    }
    assert(loose.n <= size);
    buf_clear(&again);
    base64_encode(&again, text);
    buf_clear(&strict);
    assert(base64_decode(&strict, buf_span(&again)) == 0 && span_equal(buf_span(&strict), text));
    buf_clear(&again);
    buf_clear(&strict);
    base32_encode(&again, text);
    assert(again.n == (size * 8 + 4) / 5);
    assert(base32_decode(&strict, buf_span(&again)) == 0 && span_equal(buf_span(&strict), text));
    buf_clear(&strict);
    if (base32_decode(&strict, text) == 0) {
        buf_clear(&again);
        base32_encode(&again, buf_span(&strict));
        assert(again.n == size);
        for (size_t i = 0; i < size; i++)
            assert((again.p[i] | 0x20) == (data[i] | 0x20));
    }
    buf_free(&strict);
    buf_free(&loose);
    buf_free(&again);
    return 0;
}
