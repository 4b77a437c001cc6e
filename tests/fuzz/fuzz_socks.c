/* themes: io base */

/* A SOCKS proxy that says what it likes, in pieces of whatever size: the first octet chooses
 * whether there is a password, the second how many octets come at a time. */

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "socks.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct socks_target target = {SOCKS_NAME, span_text("mx.example.org"), 25};
    struct socks s = {0};
    struct buf out = {0};
    struct fail f = {""};
    if (size < 2)
        return 0;
    size_t piece = data[1] == 0 ? 1 : data[1], n = size - 2, at = 0, given = 0;
    enum socks_got got = SOCKS_MORE;
    socks_begin(&s, &target, (data[0] & 1) != 0, &out);
    while (given < n && (got == SOCKS_MORE || got == SOCKS_PASSWORD)) {
        given = given + piece < n ? given + piece : n;
        /* A copy of its own, so that reading past the end is seen. */
        unsigned char *copy = malloc(given - at + 1);
        assert(copy != NULL);
        memcpy(copy, data + 2 + at, given - at);
        struct span in = span_of(copy, given - at);
        got = socks_feed(&s, &in, &out, &f);
        assert(in.n <= given - at && in.p + in.n == copy + (given - at));
        at = given - in.n;
        free(copy);
        assert(got != SOCKS_PASSWORD || (data[0] & 1) != 0);
        assert((got == SOCKS_BAD) == (f.text[0] != '\0'));
        assert(out.n <= 4 + 4 + 1 + 14 + 2);
    }
    /* "Done" comes only behind a choice of method and a whole reply that says so. */
    assert(got != SOCKS_DONE || (at >= 2 + 4 + 1 + 2 && out.n > 4));
    socks_clear(&s);
    buf_free(&out);
    return 0;
}
