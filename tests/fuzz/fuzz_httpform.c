/* themes: http codec base */
#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "httpform.h"

/* Input: an octet that says how the body is cut, the Content-Type up to a line end, the body.
 * However it is cut, the same form comes out or none does, and no limit is passed. */

static const struct httpform_limits limits = {
    .parts = 20, .fields = 2000, .files = 2000, .memory = 100};

static bool read_form(struct httpform *form, struct span body, size_t piece)
{
    struct fail f = {0};
    enum httpform_error error = HTTPFORM_FINE;
    while (body.n > 0 && error == HTTPFORM_FINE) {
        size_t n = body.n < piece ? body.n : piece;
        error = httpform_feed(form, span_of(body.p, n), &f);
        body.p += n;
        body.n -= n;
        piece = piece == SIZE_MAX ? piece : piece * 5 % 61 + 1;
    }
    if (error == HTTPFORM_FINE)
        error = httpform_end(form, &f);
    assert((error == HTTPFORM_FINE) == (f.text[0] == '\0'));
    return error == HTTPFORM_FINE;
}

static void check(struct httpform *form)
{
    size_t files = 0, fields = 0;
    assert(httpform_count(form) <= limits.parts && httpform_held(form) <= 4000);
    for (size_t i = 0; i < httpform_count(form); i++) {
        struct httpform_part *part = httpform_part(form, i);
        *(part->filename != NULL ? &files : &fields) += part->n;
        assert(part->n == part->value.n || (part->spilled && part->value.n == 0));
        assert(part->name != NULL);
        assert(part->filename == NULL || strchr(part->filename, '/') == NULL);
    }
    assert(files <= limits.files && fields <= limits.fields);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

static void compare(struct httpform *a, struct httpform *b)
{
    assert(httpform_count(a) == httpform_count(b));
    for (size_t i = 0; i < httpform_count(a); i++) {
        struct httpform_part *x = httpform_part(a, i), *y = httpform_part(b, i);
        assert(same_text(x->name, y->name) && same_text(x->filename, y->filename));
        assert(same_text(x->type, y->type) && same_text(x->content_id, y->content_id));
        assert(x->spilled == y->spilled && x->n == y->n);
        assert(span_equal(buf_span(&x->value), buf_span(&y->value)));
        unsigned char one[2000], other[2000];
        assert(!x->spilled ||
               (pread(httpform_spill(a), one, x->n, (off_t)x->at) == (ssize_t)x->n &&
                pread(httpform_spill(b), other, y->n, (off_t)y->at) == (ssize_t)y->n &&
                memcmp(one, other, x->n) == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    ssize_t line = span_find(in, '\n');
    if (line < 1)
        return 0;
    struct span type = span_of(data + 1, (size_t)line - 1);
    struct span body = span_of(data + line + 1, size - (size_t)line - 1);
    struct httpform *whole = httpform_new(type, &limits, NULL);
    struct httpform *cut = httpform_new(type, &limits, NULL);
    assert((whole == NULL) == (cut == NULL));
    if (whole != NULL) {
        bool fine = read_form(whole, body, SIZE_MAX);
        assert(read_form(cut, body, data[0] % 60 + 1) == fine);
        if (fine)
            compare(whole, cut);
        check(whole);
        check(cut);
    }
    httpform_free(&whole);
    httpform_free(&cut);
    return 0;
}
