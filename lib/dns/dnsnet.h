#ifndef QM_DNSNET_H
#define QM_DNSNET_H

#include "dnsaddr.h"

/* What kind of network an address is of (the IANA registries of special-purpose addresses). */

enum dnsnet {
    DNSNET_PUBLIC,
    /* Of a site: RFC 1918, shared (100.64/10), link-local, unique local, 192.0.0/24. */
    DNSNET_PRIVATE,
    DNSNET_SELF, /* whoever asks: unspecified (0/8, ::), loopback (127/8, ::1) */
    DNSNET_NONE, /* no host at all: multicast, reserved, broadcast (224/3, ff00::/8) */
    /* Neither of these, nor to be met in the public network: documentation, benchmarks, Teredo, a
     * site's own NAT64, what is not assigned. */
    DNSNET_SPECIAL,
};

/* An IPv6 address that stands for an IPv4 one (mapped, compatible, 64:ff9b::/96, 6to4) is of that
 * one's kind. */
enum dnsnet dnsnet_of(const struct dnsaddr *a);

#endif
