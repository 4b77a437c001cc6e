#include "baseaddress.h"

#include <stdlib.h>
#include <string.h>

#include <unicase.h>
#include <uninorm.h>

#include "mem.h"

/* Lower case and NFC, so that it does not matter how an accent was typed. */
static char *lower(struct span local)
{
    size_t n = 0;
    uint8_t *folded = u8_tolower(local.p, local.n, NULL, UNINORM_NFC, NULL, &n);
    char *text = folded == NULL ? span_dup(local) : span_dup(span_of(folded, n));
    free(folded); /* libunistring's memory */
    return text;
}

void baseaddress_write(struct buf *out, const struct address *a)
{
    struct span plus, minus, detail;
    struct buf local = {0};
    (void)address_split(a->local, "+", &plus, &detail);
    char *before_plus = span_dup(plus);
    (void)address_split(before_plus, "-", &minus, &detail);
    for (size_t i = 0; i < minus.n; i++) {
        if (minus.p[i] != '.')
            buf_putc(&local, minus.p[i]);
    }
    char *text = lower(local.n > 0 ? buf_span(&local) : minus);
    const struct address base = {.local = text, .domain = a->domain, .utf8 = a->utf8};
    address_write(out, &base);
    mem_free(&text);
    mem_free(&before_plus);
    buf_free(&local);
}
