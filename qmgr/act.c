#include "act.h"

#include "bodies.h"
#include "clock.h"
#include "hookq.h"
#include "log.h"
#include "match.h"
#include "mem.h"
#include "qid.h"
#include "schedule.h"
#include "settle.h"
#include "tables.h"

#define ROWS_A_SLICE 500

struct action {
    struct change change;
    struct queue *queue;
    struct settings *settings;
    enum admin_action action;
    bool dry;
    struct admin_filter filter;
    int64_t now_ms;
    uint64_t from, until; /* recipients' ids, from <= id < until */
    uint64_t count;
    act_on_done *on_done;
    void *arg;
    /* of the slice: what apply found, for the loop */
    uint64_t next; /* where to go on; 0 at the end */
    uint64_t slice_count;
    uint64_t gone[ROWS_A_SLICE], files[ROWS_A_SLICE];
    unsigned gone_n, files_n;
};

static const char *const action_names[ADMIN_ACTIONS] = {"kicked", "held", "released", "dropped",
                                                        "failed"};

static struct deliver_result by_operator(uint64_t id, int64_t now_ms)
{
    struct deliver_result r = deliver_result_new(id, DELIVER_FAILED);
    submit_set(&r.error, "delivery canceled by admin");
    submit_set(&r.stage, "admin");
    r.start_ms = now_ms;
    return r;
}

/* True when it did something. Moves rows of a failed recipient into lost. */
static bool act_on(struct action *a, struct store_txn *t, struct ledger_message *m, uint64_t id,
                   struct rcpt_row *r, struct settle_lost *lost)
{
    struct ledger *l = &a->queue->ledger;
    const struct rcpt_row was = *r;
    struct deliver_result word;
    switch (a->action) {
    case ADMIN_KICK:
        if (r->held || r->next_ms <= a->now_ms)
            return false;
        r->next_ms = a->now_ms;
        ledger_reschedule(l, t, id, &was, r);
        return true;
    case ADMIN_HOLD:
    case ADMIN_RELEASE:
        if (r->held == (a->action == ADMIN_HOLD))
            return false;
        r->held = !r->held;
        ledger_reschedule(l, t, id, &was, r);
        ledger_event(l, t, a->settings, m, id, r, r->held ? EVENT_HELD : EVENT_RELEASED, NULL,
                     a->now_ms);
        return true;
    case ADMIN_DROP:
        ledger_event(l, t, a->settings, m, id, r, EVENT_CANCELED, NULL, a->now_ms);
        ledger_retire(l, t, a->settings, m, id, r, false, a->now_ms);
        return true;
    default:
        word = by_operator(id, a->now_ms);
        rcpt_row_add_result(r, &word);
        deliver_result_clear(&word);
        settle_give_up(a->queue, t, a->settings, m, id, r, a->now_ms, lost);
        return true;
    }
}

/* To the first recipient not before id; 0: there is none. */
static bool go_to(struct store_cursor *c, uint64_t id)
{
    struct key k = key_id(id);
    return id != 0 && store_seek(c, key_span(&k));
}

/* The recipients that are meant, collected before anything is written: writing would move the
 * cursor's ground. */
static unsigned collect(struct action *a, struct store_txn *t, uint64_t *ids)
{
    struct match_message cache = {0};
    struct match_glance glance = match_begin(&a->filter, a->queue->ledger.secret);
    struct key from = key_id(a->from);
    struct store_cursor c = store_cursor(t, TABLE_RCPT);
    unsigned n = 0, rows = 0;
    uint64_t id;
    bool at = store_seek(&c, key_span(&from));
    for (a->next = 0; at; rows++) {
        struct rcpt_row r;
        if (key_read_id(c.key, &id) != 0 || id >= a->until)
            break;
        if (n >= ROWS_A_SLICE || rows >= 10 * ROWS_A_SLICE) {
            a->next = id;
            break;
        }
        bool named;
        if (match_may(t, &a->filter, &glance, id, c.value, &named) &&
            rcpt_row_read(c.value, &r) == 0) {
            const struct msg_row *m = match_message(t, &cache, r.message);
            if (m != NULL && match_recipient(&a->filter, m, id, &r))
                ids[n++] = id;
            rcpt_row_clear(&r);
        }
        at = named ? store_next(&c) : go_to(&c, match_next(&a->filter, id));
    }
    store_cursor_close(&c);
    match_clear(&cache);
    return n;
}

static void close_message(struct action *a, struct store_txn *t, struct ledger_message *m,
                          struct settle_lost *lost)
{
    uint64_t file;
    char *to = NULL;
    (void)settle_tell(a->queue, t, a->settings, m, lost, DSN_FAILED, &a->settings->retry, a->now_ms,
                      &to);
    mem_free(&to);
    settle_lost_clear(lost);
    if (m->gone >= m->row.open)
        a->gone[a->gone_n++] = m->id;
    ledger_message_close(&a->queue->ledger, t, m, &file);
    if (file != 0)
        a->files[a->files_n++] = file;
}

static void apply(struct change *change, struct store_txn *t)
{
    struct action *a = (struct action *)change;
    uint64_t ids[ROWS_A_SLICE];
    struct ledger_message m;
    struct settle_lost lost = {0};
    bool open = false;
    a->slice_count = a->gone_n = a->files_n = 0;
    unsigned n = collect(a, t, ids);
    if (a->dry)
        a->slice_count = n;
    for (unsigned i = 0; i < n && !a->dry; i++) {
        struct rcpt_row r;
        if (ledger_recipient(t, ids[i], &r) != 0)
            continue;
        if (open && m.id != r.message) {
            close_message(a, t, &m, &lost);
            open = false;
        }
        if (!open)
            open = ledger_message_open(t, r.message, &m) == 0;
        if (open && act_on(a, t, &m, ids[i], &r, &lost))
            a->slice_count++;
        rcpt_row_clear(&r);
    }
    if (open)
        close_message(a, t, &m, &lost);
}

static void finish(struct action *a, const char *why)
{
    if (!a->dry) {
        log_info(NULL, "queue changed by operator", LS("action", action_names[a->action]),
                 LU("recipients", a->count));
        if (a->action == ADMIN_KICK)
            schedule_forgive(a->queue->schedule);
        /* Times have changed, and notices were written that nobody told the schedule of. Those
         * released keep their time. */
        schedule_look_at(a->queue->schedule, a->action == ADMIN_RELEASE ? 0 : a->now_ms);
        hookq_poke(a->queue->hookq, a->now_ms);
    }
    a->on_done(a->arg, a->count, why);
    admin_filter_clear(&a->filter);
    settings_drop(&a->settings);
    mem_free(&a);
}

static void done(struct change *change, const char *why)
{
    struct action *a = (struct action *)change;
    if (why != NULL) {
        finish(a, why);
        return;
    }
    a->count += a->slice_count;
    for (unsigned i = 0; i < a->gone_n; i++)
        bodies_forget(a->queue->bodies, a->gone[i]);
    for (unsigned i = 0; i < a->files_n; i++)
        queue_unlink_later(a->queue, a->files[i]);
    if (a->next == 0) {
        finish(a, NULL);
        return;
    }
    a->from = a->next;
    commit_add(a->queue->commit, &a->change);
}

static uint64_t end_of_queue(struct queue *q)
{
    uint64_t id = 0;
    struct store_txn *t = store_begin(q->store, false);
    struct store_cursor c = store_cursor(t, TABLE_RCPT);
    if (store_last(&c))
        (void)key_read_id(c.key, &id);
    store_cursor_close(&c);
    store_abort(&t);
    return id + 1;
}

void act_start(struct queue *q, enum admin_action action, bool dry, struct admin_filter *filter,
               act_on_done *on_done, void *arg)
{
    struct action *a = mem_zero(sizeof *a);
    a->change.apply = apply;
    a->change.done = done;
    a->queue = q;
    a->settings = settings_hold(q->settings);
    a->action = action;
    a->dry = dry;
    a->filter = *filter;
    *filter = (struct admin_filter){0};
    match_prepare(&a->filter);
    a->from = match_next(&a->filter, 0);
    a->now_ms = clock_wall_ms();
    a->until = end_of_queue(q);
    a->on_done = on_done;
    a->arg = arg;
    commit_add(q->commit, &a->change);
}
