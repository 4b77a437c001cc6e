/* themes: mail codec base */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "dsnread.h"
#include "utf8.h"

static void check_text(const char *text)
{
    assert(strlen(text) <= 3 * DSNREAD_TEXT_MAX && utf8_valid(span_text(text)));
    for (; *text != '\0'; text++)
        assert((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void check_code(const struct dsncode *c)
{
    assert(c->code == 0 || (c->code >= 200 && c->code <= 599));
    assert(strlen(c->enhanced) < DSNCODE_SIZE);
    if (c->enhanced[0] != '\0' && c->code != 0)
        assert(c->enhanced[0] == '0' + c->code / 100 && c->enhanced[1] == '.');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mimeread m;
    struct dsnread d;
    mimeread_parse(&m, span_of(data, size), NULL);
    dsnread_parse(&d, &m, NULL);
    assert(d.n <= DSNREAD_RECIPIENTS_MAX && (d.kind != DSNREAD_NONE || d.n == 0));
    check_text(d.reporting_mta);
    check_text(d.envelope_id);
    for (size_t i = 0; i < d.n; i++) {
        const struct dsnread_recipient *r = &d.recipients[i];
        check_text(r->final);
        check_text(r->original);
        check_text(r->remote_mta);
        check_text(r->diagnostic_type);
        check_text(r->diagnostic);
        check_text(r->status);
        check_code(&r->code);
    }
    dsnread_clear(&d);
    mimeread_clear(&m);
    return 0;
}
