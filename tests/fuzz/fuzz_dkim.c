/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dkim.h"

static void collect(void *arg, struct span octets)
{
    buf_put_span(arg, octets);
}

static void canon(struct buf *out, enum dkimcanon how, struct span body, struct span cuts)
{
    struct dkimcanon_body b;
    dkimcanon_body_begin(&b, how, collect, out);
    for (size_t i = 0; body.n > 0; i++) {
        size_t n = cuts.n == 0 ? body.n : cuts.p[i % cuts.n] % 8 + 1u;
        n = n > body.n ? body.n : n;
        dkimcanon_body_update(&b, span_of(body.p, n));
        body = span_of(body.p + n, body.n - n);
    }
    dkimcanon_body_end(&b);
}

static void check_body(enum dkimcanon how, struct span body, struct span cuts)
{
    struct buf whole = {0}, cut = {0}, again = {0};
    canon(&whole, how, body, span_of(NULL, 0));
    canon(&cut, how, body, cuts);
    assert(span_equal(buf_span(&whole), buf_span(&cut)));
    struct span s = buf_span(&whole);
    assert(s.n == 0 || (s.n >= 2 && memcmp(s.p + s.n - 2, "\r\n", 2) == 0));
    assert(how == DKIMCANON_SIMPLE || s.n != 2 || memcmp(s.p, "\r\n", 2) != 0);
    for (size_t i = 1; i < s.n && how == DKIMCANON_RELAXED; i++) {
        assert(s.p[i - 1] != ' ' || (s.p[i] != ' ' && s.p[i] != '\t'));
        assert(s.p[i - 1] != ' ' || s.p[i] != '\r' || i + 1 == s.n || s.p[i + 1] != '\n');
    }
    canon(&again, how, s, span_of(NULL, 0)); /* what is canonical stays as it is */
    assert(span_equal(buf_span(&again), s));
    buf_free(&whole);
    buf_free(&cut);
    buf_free(&again);
}

static void check_header(struct dkim *dkim, struct span header)
{
    struct dkim_signer signer = {"d.example", "s", DKIM_RSA_SHA256, 1, 0};
    unsigned char hash[DKIM_DIGEST] = {0};
    struct dkim_pending p;
    struct buf out = {0};
    struct fail f;
    if (dkim_prepare(dkim, &signer, header, hash, &p, &f) < 0)
        return;
    dkim_finish(&p, span_of(hash, sizeof hash), &out);
    struct span rest = buf_span(&out);
    struct header_field field;
    assert(header_next(&rest, &field) && rest.n == 0 && span_is(field.name, "DKIM-Signature"));
    dkim_pending_clear(&p);
    buf_free(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct dkim *dkim;
    if (dkim == NULL)
        dkim = dkim_new();
    size_t n = size < 4 ? 0 : 4;
    struct span cuts = span_of(data, n), body = span_of(data + n, size - n);
    check_body(DKIMCANON_SIMPLE, body, cuts);
    check_body(DKIMCANON_RELAXED, body, cuts);
    check_header(dkim, span_of(data, size));
    return 0;
}
