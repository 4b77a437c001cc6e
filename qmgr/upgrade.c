#include "upgrade.h"

#include "rows.h"
#include "tables.h"

/* 3 → 4: the indices held and ended. A row that does not decode has none, as everywhere. */

static void index_held(struct store_txn *t)
{
    struct store_cursor c = store_cursor(t, TABLE_RCPT);
    for (bool at = store_seek(&c, (struct span){0}); at; at = store_next(&c)) {
        struct rcpt_peek r;
        uint64_t id;
        if (key_read_id(c.key, &id) != 0 || rcpt_row_peek(c.value, &r) != 0 || !r.held)
            continue;
        struct key k = key_id(id);
        store_put(t, TABLE_HELD, key_span(&k), (struct span){0});
    }
    store_cursor_close(&c);
}

static void index_ended(struct store_txn *t)
{
    struct store_cursor c = store_cursor(t, TABLE_RETIRED);
    for (bool at = store_seek(&c, (struct span){0}); at; at = store_next(&c)) {
        struct admin_peek r;
        uint64_t id;
        if (key_read_id(c.key, &id) != 0 || retired_row_peek(c.value, &r) != 0)
            continue;
        struct key k = key_ended(r.next_ms, id);
        store_put(t, TABLE_ENDED, key_span(&k), (struct span){0});
    }
    store_cursor_close(&c);
}

bool upgrade_store(struct store_txn *t, uint64_t schema)
{
    if (schema != 3)
        return false;
    index_held(t);
    index_ended(t);
    return true;
}
