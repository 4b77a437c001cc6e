#include "dnsanswer.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

static struct span field_span(const ldns_rdf *field)
{
    return span_of(ldns_rdf_data(field), ldns_rdf_size(field));
}

static int field_name(const ldns_rdf *field, struct dnsname *name)
{
    return dnsname_take(field_span(field), name);
}

/* A name as a caller may see it, or NULL. */
static char *field_text(const ldns_rdf *field)
{
    struct dnsname name;
    char text[DNSNAME_TEXT];
    if (field_name(field, &name) < 0 || dnsname_text(&name, text) < 0)
        return NULL;
    return mem_text(text);
}

static struct span span_copied(struct span s)
{
    return span_of(mem_copy(s.p, s.n), s.n);
}

/* The readers of one record each. rr has the fields that the type's descriptor asks for, because
 * read_record looked. Returns the octets the record holds on to, or -1 leaving nothing behind. */

static ssize_t read_address(const ldns_rr *rr, struct dns_record *out)
{
    struct span address = field_span(ldns_rr_rdf(rr, 0));
    assert(address.n <= sizeof out->address);
    memcpy(out->address, address.p, address.n);
    return 0;
}

static ssize_t read_name(const ldns_rr *rr, struct dns_record *out)
{
    out->name = field_text(ldns_rr_rdf(rr, 0));
    return out->name == NULL || out->name[0] == '\0' ? (mem_free(&out->name), -1)
                                                     : (ssize_t)strlen(out->name);
}

static ssize_t read_mx(const ldns_rr *rr, struct dns_record *out)
{
    out->mx.preference = ldns_rdf2native_int16(ldns_rr_rdf(rr, 0));
    out->mx.name = field_text(ldns_rr_rdf(rr, 1));
    return out->mx.name == NULL ? -1 : (ssize_t)strlen(out->mx.name);
}

static ssize_t read_txt(const ldns_rr *rr, struct dns_record *out)
{
    struct buf text = {0};
    for (size_t i = 0; i < ldns_rr_rd_count(rr); i++) {
        struct span string = field_span(ldns_rr_rdf(rr, i));
        buf_put(&text, string.p + 1, string.n - 1); /* its first octet is its length */
    }
    out->text = span_copied(buf_span(&text));
    buf_free(&text);
    return (ssize_t)out->text.n;
}

static ssize_t read_tlsa(const ldns_rr *rr, struct dns_record *out)
{
    out->tlsa.usage = ldns_rdf2native_int8(ldns_rr_rdf(rr, 0));
    out->tlsa.selector = ldns_rdf2native_int8(ldns_rr_rdf(rr, 1));
    out->tlsa.matching = ldns_rdf2native_int8(ldns_rr_rdf(rr, 2));
    out->tlsa.data = span_copied(field_span(ldns_rr_rdf(rr, 3)));
    return (ssize_t)out->tlsa.data.n;
}

static const struct reader {
    enum dns_type type;
    size_t fields;
    ssize_t (*read)(const ldns_rr *rr, struct dns_record *out);
} readers[] = {
    {DNS_A, 1, read_address}, {DNS_AAAA, 1, read_address}, {DNS_CNAME, 1, read_name},
    {DNS_PTR, 1, read_name},  {DNS_MX, 2, read_mx},        {DNS_TXT, 1, read_txt},
    {DNS_TLSA, 4, read_tlsa},
};

static const struct reader *reader_of(enum dns_type type)
{
    for (size_t i = 0; i < sizeof readers / sizeof readers[0]; i++) {
        if (readers[i].type == type)
            return &readers[i];
    }
    assert(!"a type that can be looked up");
    return NULL;
}

/* RFC 2181 section 8: a TTL with its highest bit set counts as 0. */
static void live_at_most(struct dns_result *result, uint32_t ttl)
{
    ttl = ttl > INT32_MAX ? 0 : ttl;
    if (ttl < result->ttl_seconds)
        result->ttl_seconds = ttl;
}

static bool is_record(const ldns_rr *rr, const struct dnsname *owner, enum dns_type type)
{
    struct dnsname name;
    return (unsigned)ldns_rr_get_type(rr) == type && ldns_rr_get_class(rr) == LDNS_RR_CLASS_IN &&
           field_name(ldns_rr_owner(rr), &name) == 0 && dnsname_equal(&name, owner);
}

static void read_record(const ldns_rr *rr, struct dns_result *result)
{
    const struct reader *reader = reader_of(result->type);
    struct dns_record record = {0};
    ssize_t octets = ldns_rr_rd_count(rr) < reader->fields ? -1 : reader->read(rr, &record);
    live_at_most(result, ldns_rr_ttl(rr));
    if (octets < 0) {
        result->dropped++;
        return;
    }
    *dnsresult_add(result) = record;
    result->octets += (size_t)octets;
}

static void collect(const ldns_rr_list *answer, const struct dnsname *owner,
                    struct dns_result *result)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(answer, i);
        if (is_record(rr, owner, result->type))
            read_record(rr, result);
    }
}

static const ldns_rr *find_alias(const ldns_rr_list *answer, const struct dnsname *owner)
{
    for (size_t i = 0; i < ldns_rr_list_rr_count(answer); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(answer, i);
        if (is_record(rr, owner, DNS_CNAME) && ldns_rr_rd_count(rr) > 0)
            return rr;
    }
    return NULL;
}

/* Adds where the alias leads to the chain. Returns 0, or -1 having failed the result. */
static int follow(const ldns_rr *alias, struct dnschain *chain, struct dns_result *result)
{
    struct dnsname target;
    live_at_most(result, ldns_rr_ttl(alias));
    if (field_name(ldns_rr_rdf(alias, 0), &target) < 0) {
        dnsresult_fail(result, DNS_BAD, "an alias leads to a malformed name");
        return -1;
    }
    for (size_t i = 0; i < chain->n; i++) {
        if (dnsname_equal(&chain->names[i], &target)) {
            dnsresult_fail(result, DNS_BAD, "the aliases run in a circle");
            return -1;
        }
    }
    if (chain->n > DNSANSWER_ALIASES_MAX) {
        dnsresult_fail(result, DNS_BAD, "more than %d aliases in a row", DNSANSWER_ALIASES_MAX);
        return -1;
    }
    chain->names[chain->n++] = target;
    return 0;
}

/* RFC 2308 section 5: a negative answer lives as long as the lesser of its SOA record's TTL and
 * MINIMUM; without a SOA it is not kept. Returns whether there is one. */
static bool read_negative_ttl(const ldns_pkt *packet, struct dns_result *result)
{
    const ldns_rr_list *authority = ldns_pkt_authority(packet);
    for (size_t i = 0; i < ldns_rr_list_rr_count(authority); i++) {
        const ldns_rr *rr = ldns_rr_list_rr(authority, i);
        if (ldns_rr_get_type(rr) == LDNS_RR_TYPE_SOA && ldns_rr_rd_count(rr) == 7) {
            live_at_most(result, ldns_rr_ttl(rr));
            live_at_most(result, ldns_rdf2native_int32(ldns_rr_rdf(rr, 6)));
            return true;
        }
    }
    return false;
}

/* The outcome once the chain stands at a name that has no alias and no record collected. */
static enum dnsanswer read_negative(const ldns_pkt *packet, bool moved, const struct dnsname *here,
                                    struct dns_result *result)
{
    bool proven = read_negative_ttl(packet, result);
    bool nxdomain = ldns_pkt_get_rcode(packet) == LDNS_RCODE_NXDOMAIN;
    if (moved && !proven && !nxdomain)
        return DNSANSWER_GOES_ON;
    if (!proven)
        result->ttl_seconds = 0;
    result->status = nxdomain ? DNS_NXDOMAIN : DNS_NODATA;
    char name[DNSNAME_TEXT];
    const char *shown = dnsname_text(here, name) < 0 ? "the name" : name;
    if (nxdomain)
        (void)snprintf(result->text, sizeof result->text, "%s does not exist", shown);
    else
        (void)snprintf(result->text, sizeof result->text, "%s has no %s record", shown,
                       dnsresult_type_name(result->type));
    return DNSANSWER_DONE;
}

static enum dnsanswer read_chain(const ldns_pkt *packet, struct dnschain *chain,
                                 struct dns_result *result)
{
    const ldns_rr_list *answer = ldns_pkt_answer(packet);
    size_t began = chain->n;
    for (;;) {
        const struct dnsname *here = &chain->names[chain->n - 1];
        collect(answer, here, result);
        if (result->n > 0)
            return DNSANSWER_DONE;
        if (result->dropped > 0) {
            dnsresult_fail(result, DNS_BAD, "none of the records answered is well-formed");
            return DNSANSWER_DONE;
        }
        const ldns_rr *alias = find_alias(answer, here);
        if (alias == NULL)
            return read_negative(packet, chain->n > began, here, result);
        if (follow(alias, chain, result) < 0)
            return DNSANSWER_DONE;
    }
}

enum dnsanswer dnsanswer_read(const ldns_pkt *packet, bool authentic, struct dnschain *chain,
                              struct dns_result *result)
{
    assert(chain->n > 0 && result->n == 0);
    result->authentic = result->authentic && authentic;
    enum dnsanswer step = read_chain(packet, chain, result);
    result->aliases = chain->n - 1;
    (void)dnsname_text(&chain->names[chain->n - 1], result->name);
    return step;
}
