/* themes: smtp codec base */
/* Extensions: any lines give values within their bounds, and what was understood, announced by a
 * server, is understood again as the same. */
#include <assert.h>
#include <string.h>

#include "ehlo.h"
#include "reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_bounds(const struct ehlo *e)
{
    assert(memchr(e->domain, '\0', sizeof e->domain) != NULL);
    assert(memchr(e->futurerelease_until, '\0', sizeof e->futurerelease_until) != NULL);
    assert(e->mechanisms <= EHLO_MECHANISMS && (e->auth || e->mechanisms == 0));
    for (size_t i = 0; i < e->mechanisms; i++) {
        size_t n = strlen(e->mechanism[i]);
        assert(n >= 1 && n < EHLO_MECHANISM_SIZE);
    }
    assert(e->mailmax <= EHLO_LIMIT_MAX && e->rcptmax <= EHLO_LIMIT_MAX);
    assert(e->rcptdomainmax <= EHLO_LIMIT_MAX && (e->limits || e->rcptmax + e->mailmax == 0));
}

/* What a server may announce of it. */
static void make_proper(struct ehlo *e)
{
    e->smtputf8 = e->smtputf8 && e->eightbitmime;
    e->binarymime = e->binarymime && e->chunking;
    e->requiretls = e->requiretls && !e->starttls;
    e->size_max = e->size ? e->size_max : 0;
    if (e->futurerelease_seconds == 0 ||
        strspn(e->futurerelease_until, "0123456789-:TZ") != strlen(e->futurerelease_until))
        e->futurerelease_until[0] = '\0';
}

static void check_announced(const struct ehlo *e)
{
    struct buf out = {0}, again = {0};
    struct ehlo back;
    struct reply_parser p;
    struct fail f;
    ehlo_write(&out, "mx.example", e);
    struct span in = buf_span(&out);
    ehlo_clear(&back);
    reply_open(&p);
    p.each = ehlo_each;
    p.arg = &back;
    assert(reply_feed(&p, &in, &f) == REPLY_DONE && in.n == 0 && p.reply.code == 250);
    reply_close(&p);
    ehlo_write(&again, back.domain, &back);
    assert(span_equal(buf_span(&again), buf_span(&out)));
    buf_free(&out);
    buf_free(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of(data, size);
    struct ehlo e;
    ehlo_clear(&e);
    while (rest.n > 0) {
        ssize_t lf = span_find(rest, '\n');
        size_t n = lf < 0 ? rest.n : (size_t)lf;
        ehlo_line(&e, span_of(rest.p, n));
        check_bounds(&e);
        n = lf < 0 ? n : n + 1;
        rest = span_of(rest.p + n, rest.n - n);
    }
    make_proper(&e);
    check_announced(&e);
    return 0;
}
