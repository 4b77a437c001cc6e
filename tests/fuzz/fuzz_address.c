/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "address.h"
#include "domain.h"

/* What is read can be written, and reads back as the same mailbox. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct address a, again;
    struct fail f;
    struct buf out = {0};
    if (address_parse(span_of(data, size), &a, &f) < 0) {
        assert(a.local == NULL && a.domain == NULL);
        return 0;
    }
    assert(strlen(a.local) >= 1 && strlen(a.local) <= ADDRESS_LOCAL_MAX);
    assert(domain_is_literal(a.domain) || domain_is_ldh(span_text(a.domain)));
    address_write(&out, &a);
    assert(out.n <= ADDRESS_TEXT_MAX);
    assert(address_parse(buf_span(&out), &again, &f) == 0);
    assert(strcmp(a.local, again.local) == 0 && strcmp(a.domain, again.domain) == 0);
    assert(address_equal(&a, &again) && a.utf8 == again.utf8);
    address_clear(&again);
    buf_clear(&out);
    address_write_unicode(&out, &a);
    if (address_parse(buf_span(&out), &again, &f) == 0) {
        assert(strcmp(a.domain, again.domain) == 0);
        address_clear(&again);
    }
    buf_free(&out);
    address_clear(&a);
    return 0;
}
