#include "target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

struct net {
    uint32_t address;
    unsigned bits;
};

static const struct net not_public[] = {
    {0x00000000, 8},  /* this host */
    {0x0a000000, 8},  /* private */
    {0x64400000, 10}, /* shared, RFC 6598 */
    {0x7f000000, 8},  /* loopback */
    {0xa9fe0000, 16}, /* link-local */
    {0xac100000, 12}, /* private */
    {0xc0000000, 24}, /* IETF protocols */
    {0xc0000200, 24}, /* documentation */
    {0xc0586300, 24}, /* 6to4 relays */
    {0xc0a80000, 16}, /* private */
    {0xc6120000, 15}, /* benchmarks */
    {0xc6336400, 24}, /* documentation */
    {0xcb007100, 24}, /* documentation */
    {0xe0000000, 3},  /* multicast, reserved, broadcast */
};

static bool is_public_v4(uint32_t address)
{
    for (size_t i = 0; i < sizeof not_public / sizeof not_public[0]; i++) {
        if ((address ^ not_public[i].address) >> (32 - not_public[i].bits) == 0)
            return false;
    }
    return true;
}

static uint32_t v4_at(const unsigned char *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static bool begins(const unsigned char *p, const char *prefix, size_t n)
{
    return memcmp(p, prefix, n) == 0;
}

static bool is_public_v6(const unsigned char p[16])
{
    if (begins(p, "\0\0\0\0\0\0\0\0\0\0\xff\xff", 12) || begins(p, "\0\0\0\0\0\0\0\0\0\0\0\0", 12))
        return is_public_v4(v4_at(p + 12)); /* mapped; compatible, :: and ::1 among them */
    if (begins(p, "\0\x64\xff\x9b\0\0\0\0\0\0\0\0", 12))
        return is_public_v4(v4_at(p + 12)); /* NAT64 */
    if (begins(p, "\0\x64\xff\x9b", 4))
        return false; /* NAT64 of a site */
    if (begins(p, "\x20\x02", 2))
        return is_public_v4(v4_at(p + 2)); /* 6to4 */
    if (begins(p, "\x20\x01", 2) && (p[2] & 0xfe) == 0)
        return false; /* IETF protocols: Teredo, benchmarks, ORCHID */
    if (begins(p, "\x20\x01\x0d\xb8", 4) || (begins(p, "\x3f\xff", 2) && (p[2] & 0xf0) == 0))
        return false; /* documentation */
    /* Global unicast is 2000::/3; everything else is local, multicast or not assigned. */
    return (p[0] & 0xe0) == 0x20;
}

bool target_is_public(const struct sockaddr *sa)
{
    if (sa->sa_family == AF_INET)
        return is_public_v4(ntohl(((const struct sockaddr_in *)sa)->sin_addr.s_addr));
    if (sa->sa_family == AF_INET6)
        return is_public_v6(((const struct sockaddr_in6 *)sa)->sin6_addr.s6_addr);
    return false;
}

bool target_is_public_text(const char *ip)
{
    struct in_addr v4;
    struct in6_addr v6;
    if (inet_pton(AF_INET, ip, &v4) == 1)
        return is_public_v4(ntohl(v4.s_addr));
    return inet_pton(AF_INET6, ip, &v6) == 1 && is_public_v6(v6.s6_addr);
}
