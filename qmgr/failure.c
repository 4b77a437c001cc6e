#include "failure.h"

#include <string.h>

#include "log.h"
#include "mem.h"
#include "rows.h"
#include "suppress.h"
#include "tables.h"

static struct key key_of(const struct ledger *l, const struct failure_of *of)
{
    return key_failure(of->account_hash, name_hash(l->secret, of->address));
}

static bool get(struct store_txn *t, const struct key *k, int64_t now_ms, struct failure_row *r)
{
    struct span value;
    if (store_get(t, TABLE_FAILURE, key_span(k), &value) && failure_row_read(value, r) == 0 &&
        r->last_ms > now_ms - FAILURE_AGE_MS)
        return true;
    *r = (struct failure_row){0}; /* too long ago to count */
    return false;
}

static void put(struct ledger *l, struct store_txn *t, const struct key *k,
                const struct failure_row *r)
{
    struct buf b = {0};
    failure_row_put(&b, r);
    store_put(t, TABLE_FAILURE, key_span(k), buf_span(&b));
    buf_free(&b);
    __atomic_store_n(&l->any_failed, true, __ATOMIC_RELAXED);
}

/* One more. Returns whether there have been enough in a row now. A DSN that follows on a success
 * says that it was none. */
static bool count(struct ledger *l, struct store_txn *t, const struct failure_of *of, bool dsn,
                  int64_t now_ms)
{
    struct failure_row r;
    struct key k = key_of(l, of);
    if (!get(t, &k, now_ms, &r) && store_count(t, TABLE_FAILURE) >= FAILURE_ROWS_MAX)
        return false;
    unsigned n = (r.count == 0 && dsn ? r.before : r.count) + 1u;
    r = (struct failure_row){now_ms, (uint8_t)n, 0};
    if (n >= FAILURE_LIMIT) {
        (void)store_delete(t, TABLE_FAILURE, key_span(&k));
        return true;
    }
    put(l, t, &k, &r);
    return false;
}

static char *reason_of(const char *source, const struct deliver_result *last, bool at_once)
{
    char said[ENHANCED_SIZE];
    const char *dot = strchr(result_said(last, said), '.');
    if (!at_once)
        return mem_format("delivery failure from %s and three consecutive failures", source);
    return mem_format("delivery failure from %s with smtp code %u, enhanced code \"%s\"", source,
                      last->code, dot == NULL ? "" : dot + 1);
}

static bool add(struct ledger *l, struct store_txn *t, const struct failure_of *of, char *reason,
                enum suppress_class class, int64_t until_ms, int64_t now_ms)
{
    const struct suppression s = {.account = (char *)of->account,
                                  .original = (char *)of->address,
                                  .expires_ms = until_ms,
                                  .class = class,
                                  .reason = reason};
    return suppress_insert(l, t, &s, now_ms) == SUPPRESS_DONE;
}

bool failure_note(struct ledger *l, struct store_txn *t, const struct settings *s,
                  const struct failure_of *of, const char *source,
                  const struct deliver_result *last, struct verdict verdict, int64_t now_ms)
{
    int64_t until_ms;
    if (of->account[0] == '\0' || verdict.when == VERDICT_NEVER ||
        !settings_suppresses(s, of->account, now_ms, &until_ms))
        return false;
    bool at_once = verdict.when == VERDICT_NOW;
    if (!at_once && !count(l, t, of, strcmp(source, "DSN") == 0, now_ms))
        return false;
    char *reason = reason_of(source, last, at_once);
    bool added = add(l, t, of, reason, verdict.class, until_ms, now_ms);
    if (added)
        log_info(NULL, "suppression added", LS("account", of->account), LS("rcpt", of->address),
                 LS("why", reason));
    mem_free(&reason);
    return added;
}

void failure_succeed(struct ledger *l, struct store_txn *t, const struct failure_of *of,
                     int64_t now_ms)
{
    struct failure_row r;
    if (of->account[0] == '\0' || !l->any_failed)
        return;
    struct key k = key_of(l, of);
    if (!get(t, &k, now_ms, &r))
        return;
    if (r.count == 0) {
        (void)store_delete(t, TABLE_FAILURE, key_span(&k));
        return;
    }
    r.before = r.count;
    r.count = 0;
    put(l, t, &k, &r);
}
