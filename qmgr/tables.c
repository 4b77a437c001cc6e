#include "tables.h"

#include <string.h>

const char *const table_names[TABLES] = {
    "sys",     "msg",         "rcpt",  "due",      "dest", "body", "retired",   "fromid",    "hook",
    "hookdue", "hookretired", "event", "suppress", "hold", "sts",  "tlsresult", "dmarceval", "idem",
};

struct span key_span(const struct key *k)
{
    return span_of(k->p, k->n);
}

static void add(struct key *k, uint64_t v, size_t octets)
{
    for (size_t i = 0; i < octets; i++)
        k->p[k->n++] = (unsigned char)(v >> (8 * (octets - 1 - i)));
}

struct key key_id(uint64_t id)
{
    struct key k = {.n = 0};
    add(&k, id, 8);
    return k;
}

struct key key_due(int64_t next_ms, uint64_t id)
{
    struct key k = {.n = 0};
    add(&k, next_ms < 0 ? 0 : (uint64_t)next_ms, 8);
    add(&k, id, 8);
    return k;
}

struct key key_dest(uint64_t hash, int64_t next_ms, uint64_t id)
{
    struct key k = {.n = 0};
    add(&k, hash, 8);
    add(&k, next_ms < 0 ? 0 : (uint64_t)next_ms, 8);
    add(&k, id, 8);
    return k;
}

struct key key_body(uint64_t id, uint32_t chunk)
{
    struct key k = {.n = 0};
    add(&k, id, 8);
    add(&k, chunk, 4);
    return k;
}

static uint64_t be64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

int key_read_id(struct span key, uint64_t *id)
{
    if (key.n != 8)
        return -1;
    *id = be64(key.p);
    return 0;
}

int key_read_due(struct span key, int64_t *next_ms, uint64_t *id)
{
    if (key.n != 16 || (key.p[0] & 0x80) != 0)
        return -1;
    *next_ms = (int64_t)be64(key.p);
    *id = be64(key.p + 8);
    return 0;
}

int key_read_dest(struct span key, uint64_t *hash, int64_t *next_ms, uint64_t *id)
{
    if (key.n != 24)
        return -1;
    *hash = be64(key.p);
    return key_read_due(span_of(key.p + 8, 16), next_ms, id);
}

static uint64_t rotl(uint64_t v, int n)
{
    return v << n | v >> (64 - n);
}

static uint64_t le64(const unsigned char *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

static void sip_rounds(uint64_t v[4], int n)
{
    while (n-- > 0) {
        v[0] += v[1];
        v[2] += v[3];
        v[1] = rotl(v[1], 13) ^ v[0];
        v[3] = rotl(v[3], 16) ^ v[2];
        v[0] = rotl(v[0], 32);
        v[2] += v[1];
        v[0] += v[3];
        v[1] = rotl(v[1], 17) ^ v[2];
        v[3] = rotl(v[3], 21) ^ v[0];
        v[2] = rotl(v[2], 32);
    }
}

uint64_t destination_hash(const unsigned char secret[16], const char *domain)
{
    size_t n = strlen(domain);
    const unsigned char *p = (const unsigned char *)domain;
    uint64_t k0 = le64(secret), k1 = le64(secret + 8), last = (uint64_t)n << 56;
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    for (; n >= 8; p += 8, n -= 8) {
        uint64_t m = le64(p);
        v[3] ^= m;
        sip_rounds(v, 2);
        v[0] ^= m;
    }
    for (size_t i = 0; i < n; i++)
        last |= (uint64_t)p[i] << (8 * i);
    v[3] ^= last;
    sip_rounds(v, 2);
    v[0] ^= last;
    v[2] ^= 0xff;
    sip_rounds(v, 4);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}
