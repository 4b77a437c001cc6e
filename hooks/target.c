#include "target.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "dnsnet.h"

bool target_is_public(const struct sockaddr *sa)
{
    struct dnsaddr a = {.family = sa->sa_family};
    if (sa->sa_family == AF_INET)
        memcpy(a.octets, &((const struct sockaddr_in *)sa)->sin_addr, 4);
    else if (sa->sa_family == AF_INET6)
        memcpy(a.octets, &((const struct sockaddr_in6 *)sa)->sin6_addr, 16);
    else
        return false;
    return dnsnet_of(&a) == DNSNET_PUBLIC;
}

bool target_is_public_text(const char *ip)
{
    struct dnsaddr a = {.family = AF_INET};
    if (inet_pton(AF_INET, ip, a.octets) == 1)
        return dnsnet_of(&a) == DNSNET_PUBLIC;
    a.family = AF_INET6;
    return inet_pton(AF_INET6, ip, a.octets) == 1 && dnsnet_of(&a) == DNSNET_PUBLIC;
}
