#ifndef QM_DNSANSWER_H
#define QM_DNSANSWER_H

#include <stdbool.h>

#include <ldns/ldns.h>

#include "dnsname.h"
#include "dnsresult.h"

/* From a packet to a result. Internal to the resolver. */

#define DNSANSWER_ALIASES_MAX 10

/* The name asked for and the aliases followed from there, in order. */
struct dnschain {
    size_t n; /* 1 + aliases */
    struct dnsname names[1 + DNSANSWER_ALIASES_MAX];
};

enum dnsanswer {
    DNSANSWER_DONE,    /* the result is complete: status, records, text */
    DNSANSWER_GOES_ON, /* the answer stops at an alias: ask for the last name of the chain next */
};

/* Reads a packet with response code NOERROR or NXDOMAIN that answers a question for the last name
 * of the chain and result->type. Aliases found in it are added to the chain, at most
 * DNSANSWER_ALIASES_MAX in all; more, or one that was there before, is DNS_BAD. authentic says
 * whether the packet's AD bit is set and counts; it and the lifetimes (RFC 2181 section 8; for a
 * negative answer RFC 2308 section 5) are combined with what result has from packets before.
 * Records of another class, owner or type are not looked at. */
enum dnsanswer dnsanswer_read(const ldns_pkt *packet, bool authentic, struct dnschain *chain,
                              struct dns_result *result);

#endif
