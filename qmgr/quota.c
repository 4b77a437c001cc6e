#include "quota.h"

#include "mem.h"
#include "rand.h"
#include "tables.h"
#include "wire.h"

#define HOUR_MS 3600000
#define SAMPLE 2000 /* recipients looked at each hour for some to forget */
#define VERSION 1

/* sent row of an hour: version u8 | messages u64 | new recipients u64
 *   "\x01" "\x00\x00\x00\x00\x00\x00\x00\x07" "\x00\x00\x00\x00\x00\x00\x00\x02" */
struct hour {
    uint64_t messages, new_recipients;
};

static struct hour read_hour(struct span value)
{
    struct wire w = wire_open(value);
    struct hour h = {0, 0};
    bool good = wire_u8(&w) == VERSION;
    h.messages = wire_u64(&w);
    h.new_recipients = wire_u64(&w);
    return good && wire_end(&w) == 0 ? h : (struct hour){0, 0};
}

static void write_hour(struct store_txn *t, struct key k, struct hour h)
{
    struct buf b = {0};
    wire_put_u8(&b, VERSION);
    wire_put_u64(&b, h.messages);
    wire_put_u64(&b, h.new_recipients);
    store_put(t, TABLE_SENT, key_span(&k), buf_span(&b));
    buf_free(&b);
}

/* sent row of a recipient: version u8 | when last i64
 *   "\x01" "\x00\x00\x01\x93\x6f\x1a\x2b\x3c" */
static int64_t read_last(struct span value)
{
    struct wire w = wire_open(value);
    bool good = wire_u8(&w) == VERSION;
    int64_t last_ms = wire_i64(&w);
    return good && wire_end(&w) == 0 ? last_ms : 0;
}

static void write_last(struct store_txn *t, struct key k, int64_t last_ms)
{
    struct buf b = {0};
    wire_put_u8(&b, VERSION);
    wire_put_i64(&b, last_ms);
    store_put(t, TABLE_SENT, key_span(&k), buf_span(&b));
    buf_free(&b);
}

/* What was sent in the day, hours before it removed. this: what of it in the hour under way. */
static struct hour sum_day(struct store_txn *t, uint64_t account, uint64_t hour, struct hour *this)
{
    struct hour sum = {0, 0};
    struct key from = key_sent(SENT_HOUR, account, 0);
    struct store_cursor c = store_cursor(t, TABLE_SENT);
    bool at = store_seek(&c, key_span(&from));
    enum sent kind;
    uint64_t of, when;
    *this = sum;
    while (at && key_read_sent(c.key, &kind, &of, &when) == 0 && kind == SENT_HOUR &&
           of == account) {
        if (when + QUOTA_HOURS < hour) {
            at = store_delete_here(&c);
            continue;
        }
        struct hour h = read_hour(c.value);
        sum.messages += h.messages;
        sum.new_recipients += h.new_recipients;
        if (when == hour)
            *this = h;
        at = store_next(&c);
    }
    store_cursor_close(&c);
    return sum;
}

/* Of the rows from this one on, so many are looked at. Returns how many are left to look at. */
static int forget_from(struct store_txn *t, uint64_t account, uint64_t recipient, int64_t now_ms,
                       int rows)
{
    struct key from = key_sent(SENT_RECIPIENT, account, recipient);
    struct store_cursor c = store_cursor(t, TABLE_SENT);
    bool at = store_seek(&c, key_span(&from));
    enum sent kind;
    uint64_t of;
    for (; at && rows > 0; rows--) {
        if (key_read_sent(c.key, &kind, &of, &recipient) != 0 || kind != SENT_RECIPIENT ||
            of != account)
            break;
        at = read_last(c.value) + QUOTA_KNOWN_MS < now_ms ? store_delete_here(&c) : store_next(&c);
    }
    store_cursor_close(&c);
    return rows;
}

/* Some recipients that the account has not written to for long are forgotten: which ones are looked
 * at is left to chance, so that in the long run it is all. */
static void forget_some(struct store_txn *t, uint64_t account, int64_t now_ms)
{
    int rows = forget_from(t, account, rand_u64(), now_ms, SAMPLE);
    (void)forget_from(t, account, 0, now_ms, rows);
}

static struct key recipient_key(const struct ledger *l, uint64_t account, const char *address)
{
    return key_sent(SENT_RECIPIENT, account, name_hash(l->secret, address));
}

/* How many of the message's recipients the account has not written to; one that stands there twice
 * counts twice. */
static uint64_t count_new(const struct ledger *l, struct store_txn *t, uint64_t account,
                          const struct submit_envelope *e, int64_t now_ms)
{
    uint64_t n = 0;
    struct span value;
    for (uint32_t i = 0; i < e->recipients_n; i++) {
        struct key k = recipient_key(l, account, e->recipients[i].address);
        if (!store_get(t, TABLE_SENT, key_span(&k), &value) ||
            read_last(value) + QUOTA_KNOWN_MS < now_ms)
            n++;
    }
    return n;
}

enum submit_why quota_take(const struct ledger *l, struct store_txn *t,
                           struct settings_limits limits, const struct submit_envelope *e,
                           int64_t now_ms)
{
    uint64_t account = name_hash(l->secret, e->account), hour = (uint64_t)(now_ms / HOUR_MS);
    struct hour this, day = sum_day(t, account, hour, &this);
    if (limits.messages > 0 && day.messages + e->recipients_n > (uint64_t)limits.messages)
        return SUBMIT_WHY_MESSAGE_LIMIT;
    uint64_t fresh = count_new(l, t, account, e, now_ms);
    if (limits.new_recipients > 0 && fresh > 0 &&
        day.new_recipients + fresh > (uint64_t)limits.new_recipients)
        return SUBMIT_WHY_RECIPIENT_LIMIT;
    if (this.messages == 0)
        forget_some(t, account, now_ms);
    this.messages += e->recipients_n;
    this.new_recipients += fresh;
    write_hour(t, key_sent(SENT_HOUR, account, hour), this);
    for (uint32_t i = 0; i < e->recipients_n; i++)
        write_last(t, recipient_key(l, account, e->recipients[i].address), now_ms);
    return SUBMIT_WHY_OTHER;
}
