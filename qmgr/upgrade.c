#include "upgrade.h"

#include "hookrow.h"
#include "ledger.h"
#include "log.h"
#include "tables.h"

#define OLDEST 4
#define A_TRANSACTION 2000 /* rows */

/* As far as it is known: what an attempt left behind is not told of the others. */
static int64_t ended_ms(const struct hook_row *r)
{
    if (r->results_n == 0)
        return r->submitted_ms;
    const struct admin_hook_attempt *last = &r->results[r->results_n - 1];
    return last->start_ms + last->duration_ms;
}

/* Rows that do not decode are for the janitor. Returns false at the end; else *from is where to go
 * on. */
static bool date_hooks(struct store_txn *t, struct key *from, uint64_t *done)
{
    struct hook_row r;
    uint64_t id = 0;
    bool more = false;
    struct store_cursor c = store_cursor(t, TABLE_HOOKRETIRED);
    for (int n = 0; store_seek(&c, key_span(from)); n++) {
        if (key_read_id(c.key, &id) != 0 || id == UINT64_MAX)
            break;
        more = n == A_TRANSACTION;
        if (more)
            break;
        *from = key_id(id + 1);
        if (hook_row_read(c.value, &r) != 0)
            continue;
        r.next_ms = ended_ms(&r) > 0 ? ended_ms(&r) : 0;
        hookrow_put_retired(t, id, &r);
        hook_row_clear(&r);
        (*done)++;
    }
    store_cursor_close(&c);
    return more;
}

static int from_4(struct store *s, struct fail *f)
{
    struct key from = key_id(0);
    uint64_t done = 0;
    bool more = true;
    while (more) {
        struct store_txn *t = store_begin(s, true);
        more = date_hooks(t, &from, &done);
        if (!more)
            ledger_put_number(t, "schema", 5);
        if (store_commit(&t, f) != 0)
            return -1;
    }
    log_info(NULL, "the store is of schema 5 now", LU("rows", done));
    return 0;
}

int upgrade_store(struct store *s, struct fail *f)
{
    uint64_t schema = 0;
    struct store_txn *t = store_begin(s, false);
    bool is_old = ledger_get_number(t, "schema", &schema) && schema == OLDEST;
    if (store_commit(&t, f) != 0)
        return -1;
    return is_old ? from_4(s, f) : 0;
}
