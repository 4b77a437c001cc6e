#ifndef QM_DNSADDR_H
#define QM_DNSADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include "dns.h"
#include "dnsname.h"

/* The addresses of one host, in the order in which to try them. */

/* With the enhanced status code (RFC 3463) for a mail host. */
enum dnsaddr_status {
    DNSADDR_OK,        /* n is at least 1 */
    DNSADDR_NONE,      /* no address of the family asked for, or no such host: 5.4.4 */
    DNSADDR_UNUSABLE,  /* addresses, but none to connect to (see dnsaddr_is_allowed): 5.4.4 */
    DNSADDR_TEMPORARY, /* could not be found out now, or a malformed answer: 4.4.3 */
};

enum dnsaddr_family {
    DNSADDR_6_FIRST, /* both, alternating, IPv6 first (RFC 8305 section 4) */
    DNSADDR_4_FIRST, /* both, alternating, IPv4 first */
    DNSADDR_ONLY_4,
    DNSADDR_ONLY_6,
};

struct dnsaddr_options {
    enum dnsaddr_family family;
    /* Also loopback, unspecified, multicast and broadcast addresses. In the public DNS they serve
     * only to make a mail system talk to itself. */
    bool any_target;
    /* Also private addresses (DNSNET_PRIVATE). From the public DNS they lead to a host of our own
     * site, which has nothing to do with the name. */
    bool private_target;
    unsigned max; /* addresses at most; 0 is 20 */
    enum dns_turn turn;
};

struct dnsaddr {
    int family;               /* AF_INET or AF_INET6 */
    unsigned char octets[16]; /* network order; 4 of them for AF_INET */
};

struct dnsaddr_result {
    enum dnsaddr_status status;
    bool authentic; /* every answer that gave an address is (struct dns_result) */
    /* authentic, or the host is an alias and at least its own CNAME record is: then TLSA records
     * may be looked up at the host's own name (RFC 7672 section 2.2.2). */
    bool alias_authentic;
    bool partial;            /* one family could not be found out; text says why */
    bool nxdomain;           /* DNSADDR_NONE because the name does not exist */
    int ede;                 /* extended error of the answer that decided, or DNSEDE_NONE */
    char name[DNSNAME_TEXT]; /* the host with its aliases followed; "" when unknown */
    size_t dropped;          /* addresses left out as unusable, or past max */
    size_t private;          /* of these: as private */
    size_t n;
    struct dnsaddr *list;
    char text[400]; /* for people, unless all is well */
};

/* The result is the receiver's: dnsaddr_result_free. */
typedef void (*dnsaddr_fn)(struct dnsaddr_result *result, void *arg);

struct dnsaddr_lookup;

/* Looks up A and AAAA records of a host side by side; when one of them fails the other still
 * counts. The host is a name as dns_lookup takes it: an address written as text is not one
 * (DNSADDR_NONE). fn is called once from the event loop, never before this returns. Returns a
 * handle for dnsaddr_cancel, valid until fn is called. */
struct dnsaddr_lookup *dnsaddr_find(struct dns *d, const char *host,
                                    const struct dnsaddr_options *options, dnsaddr_fn fn,
                                    void *arg);

/* Forgets the lookup: its callback will not be called. Sets *lookup to NULL; NULL is let pass. To
 * be done before the resolver is closed. */
void dnsaddr_cancel(struct dnsaddr_lookup **lookup);

/* Frees *result and sets it to NULL; NULL is let pass. */
void dnsaddr_result_free(struct dnsaddr_result **result);

/* Whether an address can be a host elsewhere: not unspecified (0/8, ::), loopback (127/8, ::1),
 * multicast or broadcast (224/3, ff00::/8), and not an IPv6 address that stands for such an IPv4
 * one (see dnsnet.h). Private addresses are. */
bool dnsaddr_is_target(const struct dnsaddr *a);
/* Whether the options let an address be connected to: their any_target and private_target. */
bool dnsaddr_is_allowed(const struct dnsaddr *a, const struct dnsaddr_options *options);

/* Writes a and a port as a socket address; returns its length. */
socklen_t dnsaddr_sockaddr(const struct dnsaddr *a, uint16_t port, struct sockaddr_storage *out);

#endif
