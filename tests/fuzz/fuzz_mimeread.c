/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "mimedecode.h"
#include "mimeread.h"
#include "utf8.h"

static void check_within(struct span whole, struct span s)
{
    assert(s.p >= whole.p && s.p + s.n <= whole.p + whole.n);
}

static void check_part(const struct mimeread *m, const struct mimeread_part *part,
                       const struct mailcharset *charsets)
{
    struct buf out = {0}, start = {0}, text = {0};
    mimedecode_part(part, SIZE_MAX, &out);
    uint64_t size = mimedecode_size(part);
    assert(size == (mimeread_is_multipart(part) ? 0 : out.n));
    mimedecode_part(part, out.n / 2, &start);
    assert(span_equal(buf_span(&start), span_of(buf_span(&out).p, out.n / 2)));
    mimedecode_text(part, charsets, &text);
    assert(utf8_valid(buf_span(&text)));
    buf_free(&out);
    buf_free(&start);
    buf_free(&text);
    assert(part->type.word != NULL && strchr(part->type.word, '/') != NULL);
    assert(part->type.n <= MIMEFIELD_PARAMS);
    for (size_t i = 0; i < part->type.n; i++) {
        const char *name = part->type.params[i].name;
        assert(name[0] != '\0' && strlen(part->type.params[i].value) <= MIMEFIELD_VALUE_MAX);
        assert(mimefield_get(&part->type, name) == part->type.params[i].value);
    }
}

/* Returns how many parts there are from here on, and that each is within its parent, behind the one
 * before. */
static size_t check_tree(const struct mimeread *m, const struct mimeread_part *part, size_t depth)
{
    size_t n = 1, children = 0;
    const unsigned char *at = part->body.p;
    assert(depth <= MIMEREAD_DEPTH_MAX + 1);
    for (const struct mimeread_part *c = mimeread_first(m, part); c != NULL;
         c = mimeread_next(m, c), children++) {
        struct span rest = span_of(at, (size_t)(part->body.p + part->body.n - at));
        check_within(rest, c->header);
        assert(c->body.p == c->header.p + c->header.n);
        check_within(rest, c->body);
        at = c->body.p + c->body.n;
        assert(&m->parts[c->parent] == part);
        n += check_tree(m, c, depth + 1);
    }
    assert(children == part->children);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct mailcharset *charsets; /* a converter is opened once */
    struct mimeread m;
    const struct mimeread_part *text, *html;
    if (charsets == NULL)
        charsets = mailcharset_open();
    mimeread_parse(&m, span_of(data, size), charsets);
    assert(m.n > 0 && m.n <= MIMEREAD_PARTS_MAX);
    assert(m.parts[0].header.n + m.parts[0].body.n == size);
    assert(check_tree(&m, &m.parts[0], 1) == m.n);
    for (size_t i = 0; i < m.n && i < 20; i++)
        check_part(&m, &m.parts[i], charsets);
    mimeread_texts(&m, &text, &html);
    assert(text == NULL || mimeread_is(text, "text/plain"));
    assert(html == NULL || mimeread_is(html, "text/html"));
    mimeread_clear(&m);
    return 0;
}
