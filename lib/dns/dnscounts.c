#include "dnscounts.h"

#include <assert.h>
#include <stdio.h>

static const struct {
    enum dns_type type;
    const char *name;
} types[DNSCOUNTS_TYPES] = {
    {DNS_A, "A"},     {DNS_AAAA, "AAAA"}, {DNS_CNAME, "CNAME"}, {DNS_MX, "MX"},
    {DNS_PTR, "PTR"}, {DNS_TXT, "TXT"},   {DNS_TLSA, "TLSA"},
};

static const char *const results[DNSCOUNTS_RESULTS] = {
    [DNS_OK] = "ok",
    [DNS_NODATA] = "nodata",
    [DNS_NXDOMAIN] = "nxdomain",
    [DNS_TEMPORARY] = "temporary",
    [DNS_BAD] = "malformed",
};

void dnscounts_name(size_t i, char out[static DNSCOUNTS_NAME])
{
    size_t pair = i / 2;
    assert(i < DNSCOUNTS);
    (void)snprintf(out, DNSCOUNTS_NAME,
                   i % 2 == 0 ? "dns:lookup_duration_seconds_sum type=%s result=%s"
                              : "dns:lookup_duration_seconds_count type=%s result=%s",
                   types[pair / DNSCOUNTS_RESULTS].name, results[pair % DNSCOUNTS_RESULTS]);
}

unsigned dnscounts_at(enum dns_type type, enum dns_status status)
{
    unsigned i = 0;
    while (i < DNSCOUNTS_TYPES && types[i].type != type)
        i++;
    assert(i < DNSCOUNTS_TYPES);
    return (i * DNSCOUNTS_RESULTS + (unsigned)status) * 2;
}
