#include "tables.h"

#include <string.h>

const char *const table_names[TABLES] = {
    "sys",     "msg",       "rcpt",      "due",         "dest",     "body",      "retired",
    "fromid",  "hook",      "hookdue",   "hookretired", "event",    "suppress",  "hold",
    "sts",     "tlsresult", "dmarceval", "idem",        "sent",     "held",      "ended",
    "failure", "hooklast",  "mail",      "mailfile",    "mailgone", "hookended",
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

static void add_time(struct key *k, struct due d)
{
    add(k, d.next_ms < 0 ? 0 : (uint64_t)d.next_ms, 8);
    add(k, d.id, 8);
}

struct key key_due(struct due d)
{
    struct key k = {.n = 0};
    add(&k, d.class, 1);
    add_time(&k, d);
    return k;
}

struct key due_value(struct stream_id s)
{
    struct key k = {.n = 0};
    add(&k, s.destination, 8);
    add(&k, s.account, 8);
    return k;
}

struct key key_dest(struct stream_id s, struct due d)
{
    struct key k = {.n = 0};
    add(&k, s.destination, 8);
    add(&k, d.class, 1);
    add(&k, s.account, 8);
    add_time(&k, d);
    return k;
}

static struct key pair(uint64_t a, uint64_t b)
{
    struct key k = {.n = 0};
    add(&k, a, 8);
    add(&k, b, 8);
    return k;
}

struct key key_suppress(uint64_t account, uint64_t base)
{
    return pair(account, base);
}

struct key key_fromid(uint64_t account, uint64_t text)
{
    return pair(account, text);
}

struct key key_failure(uint64_t account, uint64_t address)
{
    return pair(account, address);
}

struct key key_event(uint64_t account, uint64_t cursor)
{
    return pair(account, cursor);
}

struct key key_once(uint64_t account, uint64_t name)
{
    struct key k = {.n = 0};
    add(&k, 0, 1);
    add(&k, account, 8);
    add(&k, name, 8);
    return k;
}

struct key key_once_until(int64_t until_ms, struct key of)
{
    struct key k = {.n = 0};
    add(&k, 1, 1);
    add(&k, (uint64_t)until_ms, 8);
    if (of.n > 0) {
        memcpy(k.p + k.n, of.p + 1, of.n - 1);
        k.n += of.n - 1;
    }
    return k;
}

struct key key_sent(enum sent kind, uint64_t account, uint64_t what)
{
    struct key k = {.n = 0};
    add(&k, kind, 1);
    add(&k, account, 8);
    add(&k, what, 8);
    return k;
}

struct key key_ended(int64_t ended_ms, uint64_t id)
{
    struct key k = {.n = 0};
    add_time(&k, (struct due){DUE_FIRST, ended_ms, id});
    return k;
}

struct key key_tlsresult(uint32_t day, uint64_t policy_domain, uint64_t recipient_domain)
{
    struct key k = {.n = 0};
    add(&k, day, 4);
    add(&k, policy_domain, 8);
    add(&k, recipient_domain, 8);
    return k;
}

struct key key_mail(uint64_t account, uint64_t id)
{
    struct key k = {.n = 0};
    add(&k, account, 8);
    add(&k, id, 8);
    return k;
}

struct key key_mailgone(int64_t removed_ms, uint64_t account, uint64_t id)
{
    struct key k = {.n = 0};
    add(&k, removed_ms < 0 ? 0 : (uint64_t)removed_ms, 8);
    add(&k, account, 8);
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

static int read_class(const unsigned char *p, enum due_class *class)
{
    if (*p >= DUE_CLASSES)
        return -1;
    *class = (enum due_class) * p;
    return 0;
}

static int read_time(const unsigned char *p, struct due *d)
{
    if ((p[0] & 0x80) != 0)
        return -1;
    d->next_ms = (int64_t)be64(p);
    d->id = be64(p + 8);
    return 0;
}

int key_read_due(struct span key, struct due *d)
{
    if (key.n != 17 || read_class(key.p, &d->class) != 0)
        return -1;
    return read_time(key.p + 1, d);
}

int due_value_read(struct span value, struct stream_id *s)
{
    if (value.n != 16)
        return -1;
    *s = (struct stream_id){be64(value.p), be64(value.p + 8)};
    return 0;
}

int key_read_once_until(struct span key, int64_t *until_ms, struct key *of)
{
    if (key.n != 25 || key.p[0] != 1 || key.p[1] > 0x7f)
        return -1;
    *until_ms = (int64_t)be64(key.p + 1);
    *of = key_once(be64(key.p + 9), be64(key.p + 17));
    return 0;
}

static int read_pair(struct span key, uint64_t *a, uint64_t *b)
{
    if (key.n != 16)
        return -1;
    *a = be64(key.p);
    *b = be64(key.p + 8);
    return 0;
}

int key_read_sent(struct span key, enum sent *kind, uint64_t *account, uint64_t *what)
{
    if (key.n != 17 || key.p[0] > SENT_RECIPIENT)
        return -1;
    *kind = (enum sent)key.p[0];
    *account = be64(key.p + 1);
    *what = be64(key.p + 9);
    return 0;
}

int key_read_suppress(struct span key, uint64_t *account, uint64_t *base)
{
    return read_pair(key, account, base);
}

int key_read_event(struct span key, uint64_t *account, uint64_t *cursor)
{
    return read_pair(key, account, cursor);
}

int key_read_mail(struct span key, uint64_t *account, uint64_t *id)
{
    return key_read_suppress(key, account, id);
}

int key_read_mailgone(struct span key, int64_t *removed_ms, uint64_t *account, uint64_t *id)
{
    if (key.n != 24 || (key.p[0] & 0x80) != 0)
        return -1;
    *removed_ms = (int64_t)be64(key.p);
    *account = be64(key.p + 8);
    *id = be64(key.p + 16);
    return 0;
}

int key_read_dest(struct span key, struct stream_id *s, struct due *d)
{
    if (key.n != 33 || read_class(key.p + 8, &d->class) != 0)
        return -1;
    *s = (struct stream_id){be64(key.p), be64(key.p + 9)};
    return read_time(key.p + 17, d);
}

int key_read_ended(struct span key, int64_t *ended_ms, uint64_t *id)
{
    struct due d;
    if (key.n != 16 || read_time(key.p, &d) != 0)
        return -1;
    *ended_ms = d.next_ms;
    *id = d.id;
    return 0;
}

int key_read_tlsresult(struct span key, uint32_t *day)
{
    if (key.n != 20)
        return -1;
    *day = (uint32_t)key.p[0] << 24 | (uint32_t)key.p[1] << 16 | (uint32_t)key.p[2] << 8 | key.p[3];
    return 0;
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

uint64_t name_hash(const unsigned char secret[16], const char *name)
{
    size_t n = strlen(name);
    const unsigned char *p = (const unsigned char *)name;
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
