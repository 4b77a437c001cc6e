/* themes: core:smtpd mail smtp codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "headers.h"
#include "utf8.h"

static void check(const struct headers *h)
{
    assert(h->subject == NULL || strlen(h->subject) <= 8192);
    assert(h->message_id == NULL || h->has_message_id);
    assert(h->extra_n <= HEADERS_EXTRA_MAX);
    for (size_t i = 0; i < h->extra_n; i++) {
        assert(h->extra[i].key[0] != '\0' && strlen(h->extra[i].key) <= HEADERS_EXTRA_KEY_MAX);
        assert(strlen(h->extra[i].value) <= HEADERS_EXTRA_VALUE_MAX);
        assert(strpbrk(h->extra[i].value, "\r\n") == NULL || h->extra[i].value[0] != '\n');
        for (size_t k = 0; k < i; k++)
            assert(strcmp(h->extra[i].key, h->extra[k].key) != 0);
    }
}

/* What is taken keeps to its bounds; what is refused says why, with a code for good. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int source = HEADERS_STRANGER; source <= HEADERS_ACCOUNT; source++) {
        struct headers h;
        struct path_refusal why = {0};
        if (headers_read(span_of(data, size), (enum headers_source)source, "host.example", &h,
                         &why) == 0)
            check(&h);
        else
            assert(why.code >= 550 && why.code <= 554 && why.text[0] != '\0' && h.extra == NULL &&
                   h.subject == NULL);
        if (source == HEADERS_ACCOUNT && why.code == 0)
            assert(h.from.n > 0);
        headers_clear(&h);
    }
    return 0;
}
