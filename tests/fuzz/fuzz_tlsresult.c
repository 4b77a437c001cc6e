/* themes: tlspolicy codec base */
/* Counts of TLS as they come from another process or from disk: what decodes encodes to the same
 * octets, and stays within its bounds when it is counted twice. */
#include <assert.h>
#include <string.h>

#include "tlsresult.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_sum(const struct tlsresult *r)
{
    struct tlsresult *sum = tlsresult_new(r->day, r->policy_domain, r->recipient_domain, false);
    struct buf out = {0};
    tlsresult_add(sum, r);
    tlsresult_add(sum, r);
    tlsresult_put(&out, sum);
    struct wire w = wire_open(buf_span(&out));
    struct tlsresult *back = tlsresult_get(&w);
    assert(wire_end(&w) == 0 && back->entries_n == sum->entries_n);
    tlsresult_free(&back);
    tlsresult_free(&sum);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_of(data, size);
    struct wire w = wire_open(s);
    struct tlsresult *r = tlsresult_get(&w);
    struct buf out = {0};
    if (wire_end(&w) == 0) {
        tlsresult_put(&out, r);
        assert(span_equal(s, buf_span(&out)));
        check_sum(r);
    }
    tlsresult_free(&r);
    buf_free(&out);
    return 0;
}
