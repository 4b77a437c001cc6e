/* themes: http codec base */
#include <assert.h>

#include "base64.h"
#include "httpbasic.h"
#include "httpheader.h"

/* What is taken can be written again and reads the same; what is not leaves nothing behind. The
 * same octets also go through the other field value parsers. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct httpbasic c, again;
    struct buf field = {0}, pair = {0};
    if (httpbasic_parse(in, &c) == HTTPBASIC_OK) {
        assert(span_find(c.user, ':') < 0 && c.user.n + c.password.n + 1 == c.octets.n);
        buf_put_span(&pair, c.user);
        buf_putc(&pair, ':');
        buf_put_span(&pair, c.password);
        buf_puts(&field, "Basic ");
        base64_encode(&field, buf_span(&pair));
        assert(httpbasic_parse(buf_span(&field), &again) == HTTPBASIC_OK);
        assert(span_equal(c.user, again.user) && span_equal(c.password, again.password));
        httpbasic_wipe(&again);
        httpbasic_wipe(&c);
    }
    assert(c.octets.p == NULL && c.user.p == NULL && c.password.p == NULL);
    buf_clear(&field);
    if (httpheader_find_param(in, "name", &field) == 1)
        assert(field.n < size);
    (void)httpheader_accepts(in, "gzip");
    buf_free(&field);
    buf_free(&pair);
    return 0;
}
