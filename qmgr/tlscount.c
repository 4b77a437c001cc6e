#include "tlscount.h"

#include "tables.h"

static struct key key_of(const struct ledger *l, uint32_t day, const char *policy_domain,
                         const char *recipient_domain)
{
    return key_tlsresult(day, name_hash(l->secret, policy_domain),
                         name_hash(l->secret, recipient_domain));
}

static struct tlsresult *find(struct store_txn *t, const struct key *k)
{
    struct span value;
    return store_get(t, TABLE_TLSRESULT, key_span(k), &value) ? tlsresult_row_read(value) : NULL;
}

struct tlsresult *tlscount_find(const struct ledger *l, struct store_txn *t, uint32_t day,
                                const char *policy_domain, const char *recipient_domain)
{
    struct key k = key_of(l, day, policy_domain, recipient_domain);
    return find(t, &k);
}

void tlscount_add(const struct ledger *l, struct store_txn *t, const struct tlsresult *r)
{
    struct key k = key_of(l, r->day, r->policy_domain, r->recipient_domain);
    struct tlsresult *sum = find(t, &k);
    struct buf b = {0};
    if (sum == NULL)
        sum = tlsresult_new(r->day, r->policy_domain, r->recipient_domain, r->is_host);
    tlsresult_add(sum, r);
    tlsresult_row_put(&b, sum);
    store_put(t, TABLE_TLSRESULT, key_span(&k), buf_span(&b));
    tlsresult_free(&sum);
    buf_free(&b);
}

/* The cursor's row is of a day that is long over, or no row of a day at all. */
static bool is_old(const struct store_cursor *c, int64_t now_ms)
{
    uint32_t day;
    return key_read_tlsresult(c->key, &day) != 0 ||
           day + TLSCOUNT_KEEP_DAYS < tlsresult_day(now_ms);
}

bool tlscount_is_due(struct store_txn *t, int64_t now_ms)
{
    struct store_cursor c = store_cursor(t, TABLE_TLSRESULT);
    bool due = store_seek(&c, (struct span){0}) && is_old(&c, now_ms);
    store_cursor_close(&c);
    return due;
}

unsigned tlscount_sweep(struct store_txn *t, int64_t now_ms, unsigned most)
{
    struct store_cursor c = store_cursor(t, TABLE_TLSRESULT);
    bool at = store_seek(&c, (struct span){0});
    unsigned n = 0;
    for (; at && n < most && is_old(&c, now_ms); n++)
        at = store_delete_here(&c);
    store_cursor_close(&c);
    return n;
}
