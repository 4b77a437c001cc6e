#include "once.h"

#include <string.h>

#include "mem.h"
#include "rows.h"
#include "tables.h"
#include "wire.h"

#define VERSION 2

/* idem row: version u8 | until i64 | message u64 | taken i64 | copied bool | digest (octets, 32) |
 * key, message-id (texts). e.g. "\x02" "\x00\x00\x01\x93\x6f\x1a\x2b\x3c"
 * "\x00\x06\x40\x00\x00\x00\x00\x01" "\x00\x00\x01\x93\x69\xf3\xcf\x3c" "\x00"
 * "\x00\x00\x00\x20" ... "\x00\x00\x00\x0aorder-1042" "\x00\x00\x00\x0d<a@b.example>"
 * The row of the order in which they are forgotten is empty. */
void once_row_put(struct buf *b, const struct once_row *r)
{
    wire_put_u8(b, VERSION);
    wire_put_i64(b, r->until_ms);
    wire_put_u64(b, r->id);
    wire_put_i64(b, r->taken_ms);
    wire_put_bool(b, r->copied);
    wire_put_span(b, span_of(r->digest, SUBMIT_DIGEST));
    wire_put_text(b, r->key);
    wire_put_text(b, r->message_id);
}

int once_row_read(struct span s, struct once_row *r)
{
    struct wire w = wire_open(s);
    *r = (struct once_row){0};
    if (wire_u8(&w) != VERSION)
        wire_fail(&w);
    r->until_ms = wire_i64(&w);
    r->id = wire_u64(&w);
    r->taken_ms = wire_i64(&w);
    r->copied = wire_bool(&w);
    struct span digest = wire_span(&w, SUBMIT_DIGEST);
    if (digest.n == SUBMIT_DIGEST)
        memcpy(r->digest, digest.p, SUBMIT_DIGEST);
    else
        wire_fail(&w);
    r->key = wire_text(&w, SUBMIT_ONCE_KEY_MAX);
    r->message_id = wire_text(&w, PROTO_TEXT_MAX);
    if (r->until_ms < 0 || r->taken_ms < 0)
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    once_row_clear(r);
    return -1;
}

void once_row_clear(struct once_row *r)
{
    mem_free(&r->key);
    mem_free(&r->message_id);
}

static struct key key_of(const struct ledger *l, const char *account, const char *once_key)
{
    return key_once(name_hash(l->secret, account), name_hash(l->secret, once_key));
}

/* True and the row, which may have had its time. */
static bool get(struct store_txn *t, const struct key *k, struct once_row *r)
{
    struct span value;
    if (!store_get(t, TABLE_IDEM, key_span(k), &value))
        return false;
    if (once_row_read(value, r) == 0)
        return true;
    ledger_quarantine(t, TABLE_IDEM, key_span(k), value);
    return false;
}

static void put(struct store_txn *t, const struct key *k, const struct once_row *r)
{
    struct buf b = {0};
    once_row_put(&b, r);
    store_put(t, TABLE_IDEM, key_span(k), buf_span(&b));
    buf_free(&b);
}

enum once once_find(const struct ledger *l, struct store_txn *t, const struct submit_envelope *e,
                    int64_t now_ms, struct once_row *row)
{
    struct key k = key_of(l, e->account, e->once_key);
    enum once found = ONCE_NEW;
    if (!get(t, &k, row))
        return ONCE_NEW;
    if (row->until_ms > now_ms && strcmp(row->key, e->once_key) == 0)
        found =
            memcmp(row->digest, e->once_digest, SUBMIT_DIGEST) == 0 ? ONCE_AGAIN : ONCE_CONFLICT;
    if (found != ONCE_AGAIN)
        once_row_clear(row);
    return found;
}

void once_remember(const struct ledger *l, struct store_txn *t, const struct submit_envelope *e,
                   uint64_t id, int64_t until_ms)
{
    struct once_row before, r = {.until_ms = until_ms,
                                 .id = id,
                                 .taken_ms = e->received_ms,
                                 .key = e->once_key,
                                 .message_id = e->message_id};
    struct key k = key_of(l, e->account, e->once_key), order;
    if (get(t, &k, &before)) {
        order = key_once_until(before.until_ms, k);
        (void)store_delete(t, TABLE_IDEM, key_span(&order));
        once_row_clear(&before);
    }
    memcpy(r.digest, e->once_digest, SUBMIT_DIGEST);
    put(t, &k, &r);
    order = key_once_until(until_ms, k);
    store_put(t, TABLE_IDEM, key_span(&order), (struct span){0});
}

void once_copied(const struct ledger *l, struct store_txn *t, const char *account,
                 const char *once_key)
{
    struct key k = key_of(l, account, once_key);
    struct once_row r;
    if (!get(t, &k, &r))
        return;
    if (!r.copied && strcmp(r.key, once_key) == 0) {
        r.copied = true;
        put(t, &k, &r);
    }
    once_row_clear(&r);
}

/* The first key to be forgotten, if its time is over. */
static bool first_due(struct store_cursor *c, int64_t now_ms, struct key *k)
{
    int64_t until_ms;
    struct key zero = key_once_until(0, (struct key){.n = 0});
    return store_seek(c, key_span(&zero)) && key_read_once_until(c->key, &until_ms, k) == 0 &&
           until_ms <= now_ms;
}

unsigned once_sweep(struct store_txn *t, int64_t now_ms, unsigned max)
{
    struct store_cursor c = store_cursor(t, TABLE_IDEM);
    struct key k;
    unsigned removed = 0;
    while (removed < max && first_due(&c, now_ms, &k)) {
        (void)store_delete_here(&c);
        store_cursor_close(&c);
        (void)store_delete(t, TABLE_IDEM, key_span(&k));
        c = store_cursor(t, TABLE_IDEM);
        removed++;
    }
    store_cursor_close(&c);
    return removed;
}

bool once_is_due(struct store_txn *t, int64_t now_ms)
{
    struct store_cursor c = store_cursor(t, TABLE_IDEM);
    struct key k;
    bool due = first_due(&c, now_ms, &k);
    store_cursor_close(&c);
    return due;
}
