#include "dnsnet.h"

#include <string.h>

struct net {
    unsigned char prefix[16];
    unsigned bits;
    enum dnsnet kind;
    unsigned v4_at; /* not 0: that of the IPv4 address which begins at this octet */
};

static const struct net nets_4[] = {
    {{0}, 8, DNSNET_SELF, 0},
    {{10}, 8, DNSNET_PRIVATE, 0},
    {{100, 64}, 10, DNSNET_PRIVATE, 0},
    {{127}, 8, DNSNET_SELF, 0},
    {{169, 254}, 16, DNSNET_PRIVATE, 0},
    {{172, 16}, 12, DNSNET_PRIVATE, 0},
    {{192, 0, 0}, 24, DNSNET_PRIVATE, 0},   /* IETF protocols */
    {{192, 0, 2}, 24, DNSNET_SPECIAL, 0},   /* documentation */
    {{192, 88, 99}, 24, DNSNET_SPECIAL, 0}, /* 6to4 relays */
    {{192, 168}, 16, DNSNET_PRIVATE, 0},
    {{198, 18}, 15, DNSNET_SPECIAL, 0},      /* benchmarks */
    {{198, 51, 100}, 24, DNSNET_SPECIAL, 0}, /* documentation */
    {{203, 0, 113}, 24, DNSNET_SPECIAL, 0},  /* documentation */
    {{224}, 3, DNSNET_NONE, 0},
    {{0}, 0, DNSNET_PUBLIC, 0},
};

/* The first that fits. */
static const struct net nets_6[] = {
    {{0}, 96, DNSNET_PUBLIC, 12},                        /* compatible; :: and ::1 among them */
    {{[10] = 0xff, [11] = 0xff}, 96, DNSNET_PUBLIC, 12}, /* mapped */
    {{[1] = 0x64, [2] = 0xff, [3] = 0x9b}, 96, DNSNET_PUBLIC, 12}, /* NAT64 */
    {{[1] = 0x64, [2] = 0xff, [3] = 0x9b}, 32, DNSNET_SPECIAL, 0}, /* NAT64 of a site */
    {{0x20, 0x02}, 16, DNSNET_PUBLIC, 2},                          /* 6to4 */
    {{0x20, 0x01}, 23, DNSNET_SPECIAL, 0},                         /* IETF protocols: Teredo */
    {{0x20, 0x01, 0x0d, 0xb8}, 32, DNSNET_SPECIAL, 0},             /* documentation */
    {{0x3f, 0xff}, 20, DNSNET_SPECIAL, 0},                         /* documentation */
    {{0x20}, 3, DNSNET_PUBLIC, 0},                                 /* global unicast */
    {{0xfc}, 7, DNSNET_PRIVATE, 0},                                /* unique local */
    {{0xfe, 0x80}, 9, DNSNET_PRIVATE, 0},                          /* link-local, site-local */
    {{0xff}, 8, DNSNET_NONE, 0},                                   /* multicast */
    {{0}, 0, DNSNET_SPECIAL, 0},                                   /* not assigned */
};

static bool begins(const unsigned char *octets, const struct net *net)
{
    unsigned whole = net->bits / 8, rest = net->bits % 8;
    return memcmp(octets, net->prefix, whole) == 0 &&
           (rest == 0 || (octets[whole] ^ net->prefix[whole]) >> (8 - rest) == 0);
}

static const struct net *net_of(const struct net *nets, const unsigned char *octets)
{
    while (!begins(octets, nets))
        nets++; /* the last one fits all */
    return nets;
}

enum dnsnet dnsnet_of(const struct dnsaddr *a)
{
    if (a->family == AF_INET)
        return net_of(nets_4, a->octets)->kind;
    const struct net *six = net_of(nets_6, a->octets);
    return six->v4_at == 0 ? six->kind : net_of(nets_4, a->octets + six->v4_at)->kind;
}
