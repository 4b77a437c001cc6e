#include "suppress.h"

#include "address.h"
#include "ascii.h"
#include "baseaddress.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "rows.h"
#include "tables.h"

#define ROW_OCTETS 4096  /* more than a row has */
#define ROWS_A_PAGE 5000 /* that are looked at; a page may end before it is full, and be empty */

/* The base of an address, or of what is none the text itself. mem_free. */
static char *base_of(const char *text)
{
    struct address a;
    struct fail f;
    struct buf b = {0};
    if (address_parse(span_text(text), &a, &f) != 0)
        return mem_text(text);
    baseaddress_write(&b, &a);
    address_clear(&a);
    return buf_take_text(&b);
}

static struct key key_of(const struct ledger *l, const char *account, const char *base)
{
    return key_suppress(name_hash(l->secret, account), name_hash(l->secret, base));
}

static bool is_over(const struct suppression *s, int64_t now_ms)
{
    return s->expires_ms != 0 && s->expires_ms <= now_ms;
}

static bool find(struct store_txn *t, const struct key *k, int64_t now_ms, struct suppression *s)
{
    struct span value;
    if (!store_get(t, TABLE_SUPPRESS, key_span(k), &value) || suppress_row_read(value, s) != 0)
        return false;
    if (!is_over(s, now_ms))
        return true;
    suppression_clear(s);
    return false;
}

/* Where failures are made by what stands behind a "+": the address as it is, in lower case. */
static char *whole_of(const char *text)
{
    char *whole = mem_text(text);
    ascii_lower_text(whole);
    return whole;
}

static bool find_as(const struct ledger *l, struct store_txn *t, const char *account, char *base,
                    int64_t now_ms, struct suppression *s)
{
    struct key k = key_of(l, account, base);
    mem_free(&base);
    return find(t, &k, now_ms, s);
}

bool suppress_any(const struct ledger *l)
{
    return __atomic_load_n(&l->any_suppressed, __ATOMIC_RELAXED);
}

bool suppress_lookup(const struct ledger *l, struct store_txn *t, const char *account,
                     const char *address, int64_t now_ms, struct suppression *s)
{
    struct suppression there;
    bool listed = find_as(l, t, account, base_of(address), now_ms, &there) ||
                  (l->whole_addresses && find_as(l, t, account, whole_of(address), now_ms, &there));
    if (listed && s != NULL)
        *s = there;
    else if (listed)
        suppression_clear(&there);
    return listed;
}

enum suppress_result suppress_insert(struct ledger *l, struct store_txn *t,
                                     const struct suppression *s, int64_t now_ms)
{
    struct suppression row = *s, there;
    struct buf b = {0};
    bool whole = l->whole_addresses && !s->manual && s->class != SUPPRESS_MANUAL;
    row.base = whole ? whole_of(s->original) : base_of(s->original);
    row.created_ms = now_ms;
    struct key k = key_of(l, s->account, row.base);
    bool listed = find(t, &k, now_ms, &there);
    if (listed) {
        suppression_clear(&there);
    } else {
        row.id = ledger_take_id(l, t);
        suppress_row_put(&b, &row);
        store_put(t, TABLE_SUPPRESS, key_span(&k), buf_span(&b));
        __atomic_store_n(&l->any_suppressed, true, __ATOMIC_RELAXED);
    }
    buf_free(&b);
    mem_free(&row.base);
    return listed ? SUPPRESS_EXISTS : SUPPRESS_DONE;
}

static bool remove_as(struct ledger *l, struct store_txn *t, const char *account, char *base,
                      int64_t now_ms)
{
    struct suppression there;
    struct key k = key_of(l, account, base);
    bool listed = find(t, &k, now_ms, &there);
    mem_free(&base);
    (void)store_delete(t, TABLE_SUPPRESS, key_span(&k));
    if (listed)
        suppression_clear(&there);
    return listed;
}

enum suppress_result suppress_delete(struct ledger *l, struct store_txn *t, const char *account,
                                     const char *address, int64_t now_ms)
{
    bool listed = remove_as(l, t, account, base_of(address), now_ms);
    if (l->whole_addresses)
        listed = remove_as(l, t, account, whole_of(address), now_ms) || listed;
    return listed ? SUPPRESS_DONE : SUPPRESS_ABSENT;
}

/* ---- requests ---- */

struct asked {
    struct change change;
    struct suppress_asker asker;
    struct suppress_request request;
    enum suppress_result result;
};

static void apply(struct change *change, struct store_txn *t)
{
    struct asked *a = (struct asked *)change;
    struct ledger *l = &a->asker.queue->ledger;
    const struct suppression *s = &a->request.s;
    int64_t now = clock_wall_ms();
    if (a->request.type == MSG_SUPPRESS_REMOVE)
        a->result = suppress_delete(l, t, s->account, s->original, now);
    else if (!store_has_room(t, ROW_OCTETS)) /* what else is in the transaction must not fail */
        a->result = SUPPRESS_UNAVAILABLE;
    else
        a->result = suppress_insert(l, t, s, now);
}

static void done(struct change *change, const char *why)
{
    struct asked *a = (struct asked *)change;
    struct suppress_answer answer = {.result = why == NULL ? a->result : SUPPRESS_UNAVAILABLE};
    struct ipc *ch = a->asker.channel(a->asker.owner, a->asker.peer);
    if (why != NULL)
        log_error(NULL, "suppression list not changed", LS("account", a->request.s.account),
                  LS("why", why));
    else if (a->result == SUPPRESS_DONE)
        log_info(NULL,
                 a->request.type == MSG_SUPPRESS_ADD ? "suppression added" : "suppression removed",
                 LS("account", a->request.s.account), LS("rcpt", a->request.s.original));
    if (ch != NULL)
        suppress_reply(ch, a->asker.request, &answer);
    suppress_request_clear(&a->request);
    mem_free(&a);
}

static void change(const struct suppress_asker *asker, struct suppress_request *r)
{
    struct asked *a = mem_zero(sizeof *a);
    a->change.apply = apply;
    a->change.done = done;
    a->asker = *asker;
    a->request = *r;
    commit_add(asker->queue->commit, &a->change);
}

/* One page, or what there is of it after so many rows. What has expired is passed over; a row that
 * does not decode, too. */
static void list(struct store_txn *t, const struct ledger *l, const struct suppress_request *r,
                 struct suppress_answer *answer)
{
    uint64_t account = name_hash(l->secret, r->s.account), of, base;
    int64_t now = clock_wall_ms();
    struct key from = key_suppress(account, r->after);
    struct store_cursor c = store_cursor(t, TABLE_SUPPRESS);
    answer->rows = mem_array(r->limit, sizeof *answer->rows);
    int looked = 0;
    for (bool at = store_seek(&c, key_span(&from)); at; at = store_next(&c)) {
        struct suppression *s = &answer->rows[answer->rows_n];
        if (key_read_suppress(c.key, &of, &base) != 0)
            continue;
        if (of != account)
            break;
        if (answer->rows_n == r->limit || looked++ == ROWS_A_PAGE) {
            answer->next = base;
            break;
        }
        if (suppress_row_read(c.value, s) != 0)
            continue;
        if (is_over(s, now))
            suppression_clear(s);
        else
            answer->rows_n++;
    }
    store_cursor_close(&c);
}

static void look(const struct suppress_asker *asker, const struct suppress_request *r,
                 struct suppress_answer *answer)
{
    struct queue *q = asker->queue;
    struct suppression found;
    struct store_txn *t = store_begin(q->store, false);
    if (r->type == MSG_SUPPRESS_LIST) {
        list(t, &q->ledger, r, answer);
    } else if (suppress_lookup(&q->ledger, t, r->s.account, r->s.original, clock_wall_ms(),
                               &found)) {
        answer->rows = mem_array(1, sizeof *answer->rows);
        answer->rows[answer->rows_n++] = found;
    } else {
        answer->result = SUPPRESS_ABSENT;
    }
    if (store_failed(t))
        answer->result = SUPPRESS_UNAVAILABLE;
    store_abort(&t);
}

int suppress_serve(const struct suppress_asker *asker, struct ipc_message *m, struct fail *f)
{
    struct suppress_request r;
    struct suppress_answer answer = {.result = SUPPRESS_DONE};
    if (suppress_read(m, &r, f) != 0)
        return -1;
    bool adds = r.type == MSG_SUPPRESS_ADD;
    bool known = !adds || settings_account(asker->queue->settings, r.s.account) != NULL;
    if (known && (adds || r.type == MSG_SUPPRESS_REMOVE)) {
        change(asker, &r);
        return 0;
    }
    if (known)
        look(asker, &r, &answer);
    else
        answer.result = SUPPRESS_NOBODY;
    suppress_reply(asker->channel(asker->owner, asker->peer), asker->request, &answer);
    suppress_answer_clear(&answer);
    suppress_request_clear(&r);
    return 0;
}

static struct ipc *account_peer(void *owner, uint64_t peer)
{
    const struct account_ask ask = {.account = owner, .peer = peer};
    return account_channel(&ask);
}

int suppress_on_request(const struct account_ask *ask, struct ipc_message *m, struct fail *f)
{
    const struct suppress_asker asker = {ask->queue, account_peer, ask->account, ask->peer,
                                         ask->request};
    return suppress_serve(&asker, m, f);
}
