#include "httplimit.h"

#include <assert.h>
#include <netinet/in.h>
#include <string.h>

#include "mem.h"
#include "rand.h"

const struct httplimit_window httplimit_failed_auth[HTTPLIMIT_WINDOWS] = {
    {60 * 1000, {10, 30, 90}},
    {24 * 3600 * 1000, {50, 150, 450}},
};

const struct httplimit_window httplimit_requests[HTTPLIMIT_WINDOWS] = {
    {60 * 1000, {1000, 3000, 9000}},
    {3600 * 1000, {5000, 15000, 45000}},
};

/* A network hashes to one set, and sits in any of its ways. */
#define WAYS 8

struct entry {
    uint64_t network;
    uint32_t epoch; /* which window of its length since 1970; entries of others are free */
    uint32_t count; /* 0: free. The top bit tells IPv6 from IPv4. */
};
#define IS_IPV6 0x80000000u
#define COUNT_MAX 0x7fffffffu

struct table {
    struct entry *entries;
    struct entry shared; /* what newcomers count that found no place */
};

struct httplimit {
    const struct httplimit_window *windows;
    size_t sets; /* a power of two */
    uint64_t key[2];
    struct table tables[HTTPLIMIT_WINDOWS][HTTPLIMIT_NETWORKS];
};

/* One address as the three networks around it. */
struct networks {
    uint64_t prefix[HTTPLIMIT_NETWORKS];
    uint32_t family; /* IS_IPV6 or 0 */
};

struct httplimit *httplimit_new(const struct httplimit_window windows[HTTPLIMIT_WINDOWS],
                                size_t networks)
{
    struct httplimit *l = mem_zero(sizeof *l);
    l->windows = windows;
    l->sets = 1;
    while (l->sets < SIZE_MAX / 2 / WAYS && l->sets * WAYS < networks)
        l->sets *= 2;
    rand_bytes(l->key, sizeof l->key);
    for (size_t w = 0; w < HTTPLIMIT_WINDOWS; w++) {
        assert(windows[w].ms > 0);
        for (size_t i = 0; i < HTTPLIMIT_NETWORKS; i++) {
            assert(windows[w].limits[i] < COUNT_MAX / 2);
            l->tables[w][i].entries = mem_array(l->sets * WAYS, sizeof(struct entry));
        }
    }
    return l;
}

void httplimit_free(struct httplimit **l)
{
    if (*l == NULL)
        return;
    for (size_t w = 0; w < HTTPLIMIT_WINDOWS; w++) {
        for (size_t i = 0; i < HTTPLIMIT_NETWORKS; i++)
            mem_release((*l)->tables[w][i].entries);
    }
    mem_free(l);
}

static uint64_t first_octets(const void *p, size_t n)
{
    const unsigned char *octets = p;
    uint64_t v = 0;
    for (size_t i = 0; i < n; i++)
        v = v << 8 | octets[i];
    return v;
}

/* The networks around an address, or false if it is none of IP. */
static bool networks_of(const struct sockaddr *ip, struct networks *net)
{
    static const unsigned mask_bits[2][HTTPLIMIT_NETWORKS] = {{0, 6, 11}, {0, 16, 32}};
    uint64_t address;
    bool v6 = false;
    if (ip->sa_family == AF_INET) {
        address = first_octets(&((const struct sockaddr_in *)(const void *)ip)->sin_addr, 4);
    } else if (ip->sa_family == AF_INET6) {
        const struct in6_addr *a = &((const struct sockaddr_in6 *)(const void *)ip)->sin6_addr;
        v6 = !IN6_IS_ADDR_V4MAPPED(a);
        address = v6 ? first_octets(a, 8) : first_octets(&a->s6_addr[12], 4);
    } else {
        return false;
    }
    net->family = v6 ? IS_IPV6 : 0;
    for (size_t i = 0; i < HTTPLIMIT_NETWORKS; i++)
        net->prefix[i] = address >> mask_bits[v6][i];
    return true;
}

unsigned httplimit_common(const struct sockaddr *a, const struct sockaddr *b)
{
    struct networks of_a, of_b;
    unsigned n = HTTPLIMIT_NETWORKS;
    if (!networks_of(a, &of_a) || !networks_of(b, &of_b) || of_a.family != of_b.family)
        return 0;
    while (n > 0 && of_a.prefix[HTTPLIMIT_NETWORKS - n] != of_b.prefix[HTTPLIMIT_NETWORKS - n])
        n--;
    return n;
}

static uint32_t epoch_of(const struct httplimit_window *window, int64_t now_ms)
{
    return (uint32_t)(uint64_t)(now_ms / window->ms);
}

/* Multiply and fold, twice, with a key that nobody outside knows. */
static uint64_t keyed_hash(const struct httplimit *l, uint64_t network, uint32_t family)
{
    unsigned __int128 v = (unsigned __int128)(network ^ l->key[0]) * ((l->key[1] ^ family) | 1);
    uint64_t h = (uint64_t)v ^ (uint64_t)(v >> 64);
    v = (unsigned __int128)(h ^ l->key[1]) * 0x9e3779b97f4a7c15u;
    return (uint64_t)v ^ (uint64_t)(v >> 64);
}

static uint32_t count_of(const struct entry *e, uint32_t epoch)
{
    return e->epoch == epoch ? e->count & COUNT_MAX : 0;
}

static struct entry *set_of(const struct httplimit *l, const struct table *table,
                            const struct networks *net, size_t i)
{
    return table->entries + (keyed_hash(l, net->prefix[i], net->family) & (l->sets - 1)) * WAYS;
}

/* The entry that counts this network: its own, or NULL if it has none. */
static struct entry *find(const struct httplimit *l, const struct table *table,
                          const struct networks *net, size_t i, uint32_t epoch)
{
    struct entry *set = set_of(l, table, net, i);
    for (size_t way = 0; way < WAYS; way++) {
        if (count_of(&set[way], epoch) > 0 && set[way].network == net->prefix[i] &&
            (set[way].count & IS_IPV6) == net->family)
            return &set[way];
    }
    return NULL;
}

/* The lightest entry of the set, if it is light enough to be forgotten, or NULL. */
static struct entry *find_place(const struct httplimit *l, const struct table *table,
                                const struct networks *net, size_t i, uint32_t epoch)
{
    struct entry *set = set_of(l, table, net, i), *lightest = &set[0];
    for (size_t way = 1; way < WAYS; way++) {
        if (count_of(&set[way], epoch) < count_of(lightest, epoch))
            lightest = &set[way];
    }
    return count_of(lightest, epoch) <= 1 ? lightest : NULL;
}

/* What stands against the limit of this network. A newcomer without a place is measured by what all
 * such newcomers have in common. */
static uint32_t counted(const struct httplimit *l, const struct table *table,
                        const struct networks *net, size_t i, uint32_t epoch)
{
    const struct entry *e = find(l, table, net, i, epoch);
    if (e != NULL)
        return count_of(e, epoch);
    if (find_place(l, table, net, i, epoch) != NULL)
        return 0;
    return count_of(&table->shared, epoch);
}

static void count(struct httplimit *l, struct table *table, const struct networks *net, size_t i,
                  uint32_t epoch, uint32_t n)
{
    struct entry *e = find(l, table, net, i, epoch);
    if (e != NULL) {
        e->count += n;
        return;
    }
    e = find_place(l, table, net, i, epoch);
    if (e != NULL)
        *e = (struct entry){.network = net->prefix[i], .epoch = epoch, .count = n | net->family};
    else
        table->shared =
            (struct entry){.epoch = epoch, .count = count_of(&table->shared, epoch) + n};
}

bool httplimit_allows(const struct httplimit *l, const struct sockaddr *ip, int64_t now_ms,
                      uint32_t n)
{
    return httplimit_allows_each(l, ip, now_ms, (const uint32_t[HTTPLIMIT_NETWORKS]){n, n, n});
}

bool httplimit_allows_each(const struct httplimit *l, const struct sockaddr *ip, int64_t now_ms,
                           const uint32_t n[HTTPLIMIT_NETWORKS])
{
    struct networks net;
    if (!networks_of(ip, &net))
        return true;
    for (size_t w = 0; w < HTTPLIMIT_WINDOWS; w++) {
        uint32_t epoch = epoch_of(&l->windows[w], now_ms);
        for (size_t i = 0; i < HTTPLIMIT_NETWORKS; i++) {
            uint32_t limit = l->windows[w].limits[i];
            if (n[i] > limit || counted(l, &l->tables[w][i], &net, i, epoch) > limit - n[i])
                return false;
        }
    }
    return true;
}

bool httplimit_add(struct httplimit *l, const struct sockaddr *ip, int64_t now_ms, uint32_t n)
{
    struct networks net;
    if (!networks_of(ip, &net) || n == 0)
        return true;
    if (!httplimit_allows(l, ip, now_ms, n))
        return false;
    for (size_t w = 0; w < HTTPLIMIT_WINDOWS; w++) {
        uint32_t epoch = epoch_of(&l->windows[w], now_ms);
        for (size_t i = 0; i < HTTPLIMIT_NETWORKS; i++)
            count(l, &l->tables[w][i], &net, i, epoch, n);
    }
    return true;
}

void httplimit_reset(struct httplimit *l, const struct sockaddr *ip, int64_t now_ms)
{
    struct networks net;
    if (!networks_of(ip, &net))
        return;
    for (size_t w = 0; w < HTTPLIMIT_WINDOWS; w++) {
        uint32_t epoch = epoch_of(&l->windows[w], now_ms);
        const struct entry *own = find(l, &l->tables[w][0], &net, 0, epoch);
        uint32_t n = own == NULL ? 0 : count_of(own, epoch);
        for (size_t i = 0; i < HTTPLIMIT_NETWORKS; i++) {
            struct entry *e = find(l, &l->tables[w][i], &net, i, epoch);
            if (e != NULL)
                e->count -= n < count_of(e, epoch) ? n : count_of(e, epoch);
        }
    }
}
