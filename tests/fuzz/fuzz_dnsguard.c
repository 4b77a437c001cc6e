/* themes: dns base */
/* The way of a packet from the network to a result: the guard, ldns, the reading of the answer for
 * every type. What the guard lets pass, ldns must read whole and without harm, and nothing
 * malformed may come out at the end. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include <ldns/ldns.h>

#include "dnsanswer.h"
#include "dnsguard.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned u16_at(const uint8_t *data, size_t at)
{
    return (unsigned)data[at] << 8 | data[at + 1];
}

static void check_name(const char *name)
{
    char normal[DNSNAME_TEXT];
    assert(dnsname_normal(name, normal) == 0 && strcmp(name, normal) == 0);
}

static void check_result(const struct dns_result *r)
{
    assert((r->status == DNS_OK) == (r->n > 0));
    assert((r->status == DNS_OK) == (r->text[0] == '\0'));
    assert(r->n + r->dropped <= DNSGUARD_RECORDS_MAX && r->aliases <= DNSANSWER_ALIASES_MAX);
    if (r->name[0] != '\0')
        check_name(r->name);
    for (size_t i = 0; i < r->n; i++) {
        if (r->type == DNS_CNAME || r->type == DNS_PTR)
            check_name(r->records[i].name);
        if (r->type == DNS_MX && r->records[i].mx.name[0] != '\0')
            check_name(r->records[i].mx.name);
        if (r->type == DNS_TXT)
            assert(r->records[i].text.n <= 65535);
    }
}

static void read_as(const ldns_pkt *packet, const struct dnsname *name, enum dns_type type)
{
    struct dnschain chain = {.n = 1, .names[0] = *name};
    struct dns_result *result = dnsresult_new(type);
    const struct dns_result *mine = result;
    if (dnsanswer_read(packet, true, &chain, result) == DNSANSWER_DONE)
        check_result(result);
    else
        assert(chain.n > 1 && result->n == 0);
    dnsresult_release(&mine);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum dns_type types[] = {DNS_A,   DNS_CNAME, DNS_PTR, DNS_MX,
                                          DNS_TXT, DNS_AAAA,  DNS_TLSA};
    struct dnsname name;
    ldns_pkt *packet = NULL;
    if (size > 65535 || dnsguard_check(span_of(data, size), NULL) < 0)
        return 0;
    assert(ldns_wire2pkt(&packet, data, size) == LDNS_STATUS_OK);
    assert(ldns_rr_list_rr_count(ldns_pkt_answer(packet)) == u16_at(data, 6));
    assert(ldns_rr_list_rr_count(ldns_pkt_authority(packet)) == u16_at(data, 8));
    assert(ldns_rr_list_rr_count(ldns_pkt_additional(packet)) + ldns_pkt_edns(packet) >=
           u16_at(data, 10));
    const ldns_rdf *options = ldns_pkt_edns_data(packet);
    if (options != NULL) {
        int ede = dnsede_find(span_of(ldns_rdf_data(options), ldns_rdf_size(options)));
        assert(ede >= DNSEDE_NONE && ede <= 65535);
    }
    const ldns_rdf *owner = ldns_rr_owner(ldns_rr_list_rr(ldns_pkt_question(packet), 0));
    assert(dnsname_take(span_of(ldns_rdf_data(owner), ldns_rdf_size(owner)), &name) == 0);
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        read_as(packet, &name, types[i]);
    ldns_pkt_free(packet);
    return 0;
}
