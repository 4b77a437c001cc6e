#include "hookact.h"

#include "hookrow.h"
#include "tables.h"

#define CANCELED "canceled by admin"

const char *hookact_name(enum admin_hook_action action)
{
    static const char *const names[ADMIN_HOOK_ACTIONS] = {"kicked", "delayed", "canceled"};
    return names[action];
}

/* Whether or not an attempt is under way, whose result is noted when it comes. */
static void cancel(const struct hookact *a, struct store_txn *t, const struct settings *s,
                   uint64_t id, struct hook_row *row)
{
    struct due was = hookrow_due(id, row);
    uint16_t attempts = row->attempts;
    int64_t keep = settings_keep_webhooks_ms(s, row->account);
    hookrow_add_attempt(row, &(struct admin_hook_attempt){.start_ms = a->now_ms,
                                                          .error = (char *)CANCELED,
                                                          .response = (char *)""});
    row->attempts = attempts; /* it is none, only what became of it */
    row->keep_until_ms = keep > 0 ? a->now_ms + keep : 0;
    hookrow_retire(t, id, was, row, a->now_ms);
}

static bool move(const struct hookact *a, struct store_txn *t, uint64_t id, struct hook_row *row,
                 int64_t *soonest_ms)
{
    struct due was = hookrow_due(id, row);
    int64_t from_ms = a->action == ADMIN_HOOK_DELAY ? row->next_ms : a->now_ms;
    row->next_ms = from_ms + a->by_ms;
    if (row->next_ms < *soonest_ms)
        *soonest_ms = row->next_ms;
    if (row->next_ms == was.next_ms)
        return false;
    hookrow_reschedule(t, id, was, row);
    return true;
}

bool hookact_on(const struct hookact *a, struct store_txn *t, const struct settings *s,
                const struct match *m, uint64_t id, int64_t *soonest_ms)
{
    struct key k = key_id(id);
    struct span value;
    struct hook_row row;
    bool done = true;
    if (!store_get(t, TABLE_HOOK, key_span(&k), &value) || !match_hook(m, id, value, false) ||
        hook_row_read(value, &row) != 0)
        return false;
    if (a->action == ADMIN_HOOK_CANCEL)
        cancel(a, t, s, id, &row);
    else
        done = move(a, t, id, &row, soonest_ms);
    hook_row_clear(&row);
    return done;
}
