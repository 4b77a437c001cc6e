#ifndef QM_DNSRESULT_H
#define QM_DNSRESULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "buf.h"
#include "dnsede.h"
#include "dnsname.h"

/* What a lookup ended with. Results are counted and never changed once a caller has seen them (but
 * for ttl_seconds, which falls as time goes on): the cache and any number of callers share one. */

enum dns_status {
    DNS_OK,        /* n is at least 1 */
    DNS_NODATA,    /* the name exists, records of this type do not (RFC 2308 section 2.2) */
    DNS_NXDOMAIN,  /* the name does not exist, nor does anything below it (RFC 8020) */
    DNS_TEMPORARY, /* no server gave an answer: SERVFAIL, REFUSED, a timeout, the network */
    DNS_BAD,       /* the name asked for, or what was answered, is malformed */
};

/* The numbers of RFC 1035, 3596 and 6698. No other type can be looked up. */
enum dns_type {
    DNS_A = 1,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_TLSA = 52,
};

/* One record; the result's type says which member holds. Names are text as dnsname_normal leaves
 * it. */
struct dns_record {
    union {
        unsigned char address[16]; /* network order; an A record fills the first 4 octets */
        char *name;                /* CNAME, PTR */
        struct {
            uint16_t preference;
            char *name; /* "" is the root: "takes no mail" when it stands alone (RFC 7505) */
        } mx;
        struct span text; /* TXT: the strings joined (RFC 7208 section 3.3); may hold any octet */
        struct {
            uint8_t usage, selector, matching;
            struct span data;
        } tlsa; /* RFC 6698 section 2.1; nothing about the values is checked */
    };
};

struct dns_result {
    enum dns_status status;
    enum dns_type type;
    /* DNSSEC-validated from the name asked for to the end, by a server trusted in this. With
     * DNS_NODATA and DNS_NXDOMAIN: the absence is proven. */
    bool authentic;
    uint32_t ttl_seconds;    /* how long this may be relied on from now */
    int ede;                 /* RFC 8914 INFO-CODE that came with the answer, or DNSEDE_NONE */
    size_t aliases;          /* CNAMEs followed */
    size_t dropped;          /* records left out: they, or a name in them, are malformed */
    char name[DNSNAME_TEXT]; /* where the aliases ended; "" when it cannot be written as text */
    size_t n;
    struct dns_record *records;
    /* For people, "" when all is well: "SERVFAIL from 127.0.0.1:53 (DNSSEC Bogus)". */
    char text[320];

    /* Of the library alone. */
    unsigned references;
    int64_t expires_ms; /* monotonic */
    size_t octets;      /* what the records hold on to */
};

/* An empty DNS_OK result, authentic, of the longest ttl_seconds, with one reference: what
 * dnsanswer_read fills. */
struct dns_result *dnsresult_new(enum dns_type type);

/* One more reference to r, for a caller who wants it beyond its callback; give it back with
 * dnsresult_release. */
const struct dns_result *dnsresult_hold(const struct dns_result *r);

/* Gives back one reference to *r (NULL is let pass) and sets *r to NULL; with the last one the
 * result goes. */
void dnsresult_release(const struct dns_result **r);

/* A further record, all zero, to be filled by the library's own parsers. */
struct dns_record *dnsresult_add(struct dns_result *r);

/* Empties r of records and makes it a failure: status and a sentence; ttl 0, not authentic. */
void dnsresult_fail(struct dns_result *r, enum dns_status status, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* "A", "MX", ...: the type's mnemonic. */
const char *dnsresult_type_name(enum dns_type type);

#endif
