/* themes: conf codec base */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>

#include "conf.h"

/* A share: what decodes encodes to the same octets. The reader is taken from the share itself. */

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned reader = size < 8 ? 1 : data[7] & 0x7f;
    struct buf again = {0};
    struct fail f = {""};
    if (reader == 0 || (reader & (reader - 1)) != 0)
        return 0;
    struct conf *conf = conf_decode(span_of(data, size), reader, &f);
    assert((conf == NULL) == (f.text[0] != '\0'));
    if (conf != NULL) {
        conf_encode(conf, reader, &again);
        assert(span_equal(span_of(data, size), buf_span(&again)));
        conf_show(conf, true, &again);
    }
    conf_free(&conf);
    buf_free(&again);
    return 0;
}
