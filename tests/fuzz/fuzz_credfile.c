/* themes: auth codec base */

/* The credentials file. The first line names an account; the rest is the file. When it can be read,
 * a line can be set and taken out, and nothing but that account changes. */

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "credfile.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_of(struct span text, struct span account, uint32_t iterations)
{
    struct fail f = {""};
    struct credfile *c = credfile_parse(text, &f);
    assert(c != NULL);
    const struct scram_verifier *v = credfile_find(c, account);
    assert((v != NULL) == (iterations != 0));
    assert(v == NULL || v->iterations == iterations);
    size_t count = credfile_count(c);
    credfile_free(&c);
    return count;
}

static void replace(struct span text, struct span account, size_t count, bool known)
{
    struct scram_verifier v = {.iterations = 12345, .salt_size = SCRAM_SALT_MIN};
    struct buf with = {0}, without = {0};
    struct fail f = {""};
    if (!credfile_is_name(account)) {
        assert(!known && credfile_replace(text, account, &v, &with, &f) == -1 && with.n == 0);
        return;
    }
    assert(credfile_replace(text, account, &v, &with, &f) == 0);
    assert(count_of(buf_span(&with), account, 12345) == count + (known ? 0 : 1));
    assert(credfile_replace(buf_span(&with), account, NULL, &without, &f) == 0);
    assert(count_of(buf_span(&without), account, 0) == count - (known ? 1 : 0));
    buf_free(&with);
    buf_free(&without);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span all = span_of(data, size);
    struct fail f = {""};
    ssize_t at = span_find(all, '\n');
    if (at < 0)
        return 0;
    struct span account = span_of(data, (size_t)at);
    struct span text = span_of(data + at + 1, size - (size_t)at - 1);
    struct credfile *c = credfile_parse(text, &f);
    if (c == NULL) {
        assert(strncmp(f.text, "line ", 5) == 0);
        return 0;
    }
    size_t count = credfile_count(c);
    bool known = credfile_find(c, account) != NULL;
    credfile_free(&c);
    replace(text, account, count, known);
    return 0;
}
