#include "dnsresult.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>

#include "mem.h"

struct dns_result *dnsresult_new(enum dns_type type)
{
    struct dns_result *r = mem_zero(sizeof *r);
    r->type = type;
    r->authentic = true;
    r->ttl_seconds = UINT32_MAX;
    r->ede = DNSEDE_NONE;
    r->references = 1;
    return r;
}

const struct dns_result *dnsresult_hold(const struct dns_result *r)
{
    ((struct dns_result *)r)
        ->references++; /* const is what callers see, not how it was allocated */
    return r;
}

static void record_free(enum dns_type type, struct dns_record *record)
{
    switch (type) {
    case DNS_A:
    case DNS_AAAA:
        break;
    case DNS_CNAME:
    case DNS_PTR:
        mem_free(&record->name);
        break;
    case DNS_MX:
        mem_free(&record->mx.name);
        break;
    case DNS_TXT:
        mem_release((void *)record->text.p);
        break;
    case DNS_TLSA:
        mem_release((void *)record->tlsa.data.p);
        break;
    }
}

static void records_free(struct dns_result *r)
{
    for (size_t i = 0; i < r->n; i++)
        record_free(r->type, &r->records[i]);
    mem_free(&r->records);
    r->n = 0;
    r->octets = 0;
}

void dnsresult_release(const struct dns_result **r)
{
    struct dns_result *mine = (struct dns_result *)*r;
    *r = NULL;
    if (mine == NULL)
        return;
    assert(mine->references > 0);
    if (--mine->references > 0)
        return;
    records_free(mine);
    mem_free(&mine);
}

struct dns_record *dnsresult_add(struct dns_result *r)
{
    if ((r->n & (r->n - 1)) == 0) /* grows at 0, 1, 2, 4, 8, ... */
        r->records = mem_resize(r->records, (r->n == 0 ? 1 : 2 * r->n) * sizeof *r->records);
    r->octets += sizeof *r->records;
    struct dns_record *record = &r->records[r->n++];
    *record = (struct dns_record){0};
    return record;
}

void dnsresult_fail(struct dns_result *r, enum dns_status status, const char *fmt, ...)
{
    records_free(r);
    r->status = status;
    r->authentic = false;
    r->ttl_seconds = 0;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(r->text, sizeof r->text, fmt, ap);
    va_end(ap);
}

const char *dnsresult_type_name(enum dns_type type)
{
    switch (type) {
    case DNS_A:
        return "A";
    case DNS_CNAME:
        return "CNAME";
    case DNS_PTR:
        return "PTR";
    case DNS_MX:
        return "MX";
    case DNS_TXT:
        return "TXT";
    case DNS_AAAA:
        return "AAAA";
    case DNS_TLSA:
        return "TLSA";
    }
    return "?";
}
