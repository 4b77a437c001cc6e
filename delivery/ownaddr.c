#include "ownaddr.h"

#include <ifaddrs.h>
#include <netinet/in.h>
#include <string.h>

#include "dnsnet.h"
#include "mem.h"

static const unsigned char mapped[12] = {[10] = 0xff, [11] = 0xff};

static size_t octets_of(int family)
{
    return family == AF_INET ? 4 : 16;
}

static void add(struct dnsaddr **list, size_t *n, int family, const void *octets)
{
    struct dnsaddr a = {.family = family};
    memcpy(a.octets, octets, octets_of(family));
    *list = mem_resize(*list, (*n + 1) * sizeof **list);
    (*list)[(*n)++] = a;
}

struct dnsaddr *ownaddr_interfaces(size_t *n)
{
    struct ifaddrs *all = NULL;
    struct dnsaddr *list = NULL;
    *n = 0;
    if (getifaddrs(&all) != 0)
        return NULL;
    for (const struct ifaddrs *i = all; i != NULL; i = i->ifa_next) {
        const struct sockaddr *sa = i->ifa_addr;
        if (sa != NULL && sa->sa_family == AF_INET)
            add(&list, n, AF_INET, &((const struct sockaddr_in *)sa)->sin_addr);
        else if (sa != NULL && sa->sa_family == AF_INET6)
            add(&list, n, AF_INET6, &((const struct sockaddr_in6 *)sa)->sin6_addr);
    }
    freeifaddrs(all);
    return list;
}

static void add_value(struct ownaddr *o, const struct conf_value *v)
{
    add(&o->list, &o->n, v->family == 4 ? AF_INET : AF_INET6, v->ip);
}

static void add_listener(struct ownaddr *o, const struct conf_block *listen)
{
    size_t n;
    const struct conf_value *v = conf_list(listen, "address", &n);
    for (size_t i = 0; i < n; i++) {
        static const unsigned char unspecified[16];
        if (memcmp(v[i].ip, unspecified, octets_of(v[i].family == 4 ? AF_INET : AF_INET6)) != 0)
            add_value(o, &v[i]);
        else if (v[i].family == 4)
            o->all_4 = true;
        else
            o->all_6 = true;
    }
}

static bool takes_all(const struct ownaddr *o, int family)
{
    return family == AF_INET ? o->all_4 : o->all_6;
}

void ownaddr_read(struct ownaddr *o, const struct conf *conf, int port,
                  const struct dnsaddr *interfaces, size_t interfaces_n,
                  const struct conf_value *sources, size_t sources_n)
{
    const struct conf_block *root = conf_root(conf);
    for (const struct conf_block *l = NULL; (l = conf_next(root, "listen", l)) != NULL;) {
        if (conf_int(l, "smtp") == port)
            add_listener(o, l);
    }
    for (size_t i = 0; i < interfaces_n; i++) {
        if (takes_all(o, interfaces[i].family))
            add(&o->list, &o->n, interfaces[i].family, interfaces[i].octets);
    }
    for (size_t i = 0; i < sources_n; i++) {
        if (takes_all(o, sources[i].family == 4 ? AF_INET : AF_INET6))
            add_value(o, &sources[i]);
    }
}

void ownaddr_clear(struct ownaddr *o)
{
    mem_free(&o->list);
    *o = (struct ownaddr){0};
}

bool ownaddr_has(const struct ownaddr *o, const struct dnsaddr *address)
{
    struct dnsaddr a = *address;
    if (a.family == AF_INET6 && memcmp(a.octets, mapped, sizeof mapped) == 0) {
        a.family = AF_INET;
        memmove(a.octets, a.octets + sizeof mapped, 4);
    }
    if (takes_all(o, a.family) && dnsnet_of(&a) == DNSNET_SELF)
        return true;
    for (size_t i = 0; i < o->n; i++) {
        if (o->list[i].family == a.family &&
            memcmp(o->list[i].octets, a.octets, octets_of(a.family)) == 0)
            return true;
    }
    return false;
}

static bool is_abroad(const struct dnsaddr *a)
{
    enum dnsnet kind = dnsnet_of(a);
    return kind == DNSNET_PUBLIC || kind == DNSNET_SPECIAL;
}

bool ownaddr_source(const struct ownaddr *o, const struct dnsaddr *host, struct dnsaddr *from)
{
    const struct dnsaddr *only = NULL;
    size_t found = 0;
    for (size_t i = 0; i < o->n; i++) {
        if (o->list[i].family == host->family && dnsnet_of(&o->list[i]) != DNSNET_SELF) {
            only = &o->list[i];
            found++;
        }
    }
    if (takes_all(o, host->family) || found != 1 || !is_abroad(only) || !is_abroad(host))
        return false;
    *from = *only;
    return true;
}
