/* themes: auth codec base */

/* The text form of a verifier, and a password as a stranger may spell it (after the first NUL, if
 * there is one). What is read is written back octet for octet; what is normalised stays as it is
 * when it is normalised again. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "scram.h"
#include "utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_and_write(struct span text)
{
    struct scram_verifier v;
    struct buf out = {0};
    struct fail f = {""};
    if (scram_parse(&v, text, &f) != 0) {
        assert(f.text[0] != '\0');
        return;
    }
    assert(v.iterations >= SCRAM_ITERATIONS_MIN && v.iterations <= SCRAM_ITERATIONS_MAX);
    assert(v.salt_size >= SCRAM_SALT_MIN && v.salt_size <= SCRAM_SALT_MAX);
    scram_text(&v, &out);
    assert(span_equal(buf_span(&out), text));
    buf_free(&out);
}

static void normalise(struct span password)
{
    struct buf once = {0}, twice = {0};
    struct fail f = {""};
    if (scram_normalise(password, &once, &f) == 0) {
        assert(once.n > 0 && utf8_valid(buf_span(&once)));
        /* NFC can make a text longer than what may be given. */
        if (once.n <= SCRAM_PASSWORD_MAX) {
            assert(scram_normalise(buf_span(&once), &twice, &f) == 0);
            assert(span_equal(buf_span(&once), buf_span(&twice)));
        }
    } else {
        assert(once.n == 0 && f.text[0] != '\0');
    }
    buf_wipe(&once);
    buf_wipe(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span all = span_of(data, size);
    ssize_t at = span_find(all, '\0');
    if (at < 0) {
        read_and_write(all);
        normalise(all);
    } else {
        read_and_write(span_of(data, (size_t)at));
        normalise(span_of(data + at + 1, size - (size_t)at - 1));
    }
    return 0;
}
