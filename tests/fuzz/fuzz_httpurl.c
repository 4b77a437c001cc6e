/* themes: http codec base */
#include <assert.h>
#include <string.h>

#include "httpurl.h"

static void check_path(struct span path)
{
    struct buf out = {0}, again = {0};
    struct fail f = {0};
    if (httpurl_path(&out, path, &f) < 0) {
        assert(out.n == 0 && f.text[0] != '\0');
        return;
    }
    const char *text = buf_text(&out);
    assert(strlen(text) == out.n && out.n <= path.n);
    if (out.n == 1 && text[0] == '*')
        goto done;
    assert(text[0] == '/' && strstr(text, "//") == NULL && strstr(text, "/./") == NULL &&
           strstr(text, "/../") == NULL);
    /* Cleaning what is clean changes nothing. */
    if (strchr(text, '%') == NULL) {
        assert(httpurl_path(&again, buf_span(&out), NULL) == 0);
        assert(span_equal(buf_span(&out), buf_span(&again)));
    }
done:
    buf_free(&out);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span in = span_of(data, size);
    struct httpurl_target target;
    struct buf out = {0};
    for (int plus = 0; plus < 2; plus++) {
        buf_puts(&out, "x");
        if (httpurl_decode(&out, in, plus) < 0)
            assert(out.n == 1);
        else
            assert(out.n - 1 <= size && size <= (out.n - 1) * 3);
        buf_clear(&out);
    }
    if (httpurl_split(in, &target, NULL) == 0) {
        assert(target.path.n > 0 && target.path.n + target.query.n <= size + 1);
        check_path(target.path);
        struct span rest = target.query;
        size_t fields = 0;
        for (int rc = 1; rc != 0; fields++) {
            buf_clear(&out);
            rc = httpurl_next(&rest, &out, &out);
            assert(out.n <= target.query.n);
        }
        assert(fields <= target.query.n + 2);
    }
    check_path(in);
    buf_free(&out);
    return 0;
}
