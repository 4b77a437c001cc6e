/* themes: tlspolicy codec base */
/* Both texts of MTA-STS, and the octets of a policy: what is read goes into octets and comes back
 * the same. */
#include <assert.h>
#include <string.h>

#include "ascii.h"
#include "mtasts.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_policy(struct mtasts_policy *p)
{
    struct buf octets = {0};
    assert(p->max_age_s <= MTASTS_AGE_MAX && p->mx_n <= MTASTS_MX_MAX);
    assert(p->mx_n > 0 || p->mode == MTASTS_NONE);
    for (size_t i = 0; i < p->mx_n; i++) {
        const char *mx = p->mx[i];
        struct buf host = {0};
        assert(mtasts_is_domain(span_text(mx[0] == '*' ? mx + 2 : mx)));
        buf_putf(&host, "%s%s", mx[0] == '*' ? "a" : "", mx[0] == '*' ? mx + 1 : mx);
        assert(mtasts_policy_has(p, buf_text(&host)));
        buf_free(&host);
    }
    mtasts_policy_put(&octets, p);
    struct wire w = wire_open(buf_span(&octets));
    struct mtasts_policy *back = mtasts_policy_get(&w);
    assert(wire_end(&w) == 0 && mtasts_policy_equal(p, back));
    mtasts_policy_free(&back);
    buf_free(&octets);
}

static void check_octets(struct span s)
{
    struct wire w = wire_open(s);
    struct mtasts_policy *p = mtasts_policy_get(&w);
    struct buf out = {0};
    if (wire_end(&w) == 0) {
        mtasts_policy_put(&out, p);
        assert(span_equal(s, buf_span(&out)));
    }
    mtasts_policy_free(&p);
    buf_free(&out);
}

/* The records are what stands between line feeds. */
static void check_record(struct span rest)
{
    struct span texts[8], one;
    char id[MTASTS_ID_MAX + 1];
    struct fail f = {""};
    size_t n = 0;
    while (n < 8 && ascii_token(&rest, "\n", &one))
        texts[n++] = one;
    enum mtasts_record found = mtasts_record_find(texts, n, id, &f);
    assert((found == MTASTS_RECORD_GOOD) == (id[0] != '\0') && strlen(id) <= MTASTS_ID_MAX);
    assert((found == MTASTS_RECORD_BROKEN) == (f.text[0] != '\0'));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span s = span_of(data, size);
    struct fail f = {""};
    struct mtasts_policy *p = mtasts_policy_parse(s, &f);
    if (p != NULL)
        check_policy(p);
    else
        assert(f.text[0] != '\0');
    mtasts_policy_free(&p);
    check_octets(s);
    check_record(s);
    return 0;
}
