#include "act.h"

#include <stddef.h>
#include <string.h>

#include "bodies.h"
#include "clock.h"
#include "hookact.h"
#include "hookq.h"
#include "listpage.h"
#include "log.h"
#include "match.h"
#include "mem.h"
#include "qid.h"
#include "schedule.h"
#include "settle.h"
#include "tables.h"

#define ROWS_A_SLICE 500

/* One action. In turns, a page of what is meant is looked for in the reading thread, and something
 * is done to those in the writing one. */
struct action {
    struct work work;
    struct change change;
    struct queue *queue;
    struct settings *settings;
    struct act act;
    struct listpage page;
    int64_t now_ms;
    int64_t end_ms; /* monotonic: when its time is over */
    uint64_t count;
    act_on_done *on_done;
    void *arg;
    /* of the slice: what apply found, for the loop */
    uint64_t slice_count;
    uint64_t gone[ROWS_A_SLICE], files[ROWS_A_SLICE];
    unsigned gone_n, files_n;
    int64_t soonest_ms; /* of the webhooks that were moved */
};

static const char *const action_names[ADMIN_ACTIONS] = {
    "kicked", "held", "released", "dropped", "failed", "scheduled", "delayed", "routed", "tls set"};

static struct deliver_result by_operator(uint64_t id, int64_t now_ms)
{
    struct deliver_result r = deliver_result_new(id, DELIVER_FAILED);
    submit_set(&r.error, "delivery canceled by admin");
    submit_set(&r.stage, "admin");
    r.start_ms = now_ms;
    return r;
}

/* What an action sets in a row. False when it is so already. */
static bool set_terms(const struct action *a, struct rcpt_row *r)
{
    const struct admin_terms *terms = &a->act.terms;
    int64_t next_ms = a->act.action == ADMIN_DELAY ? r->next_ms + terms->ms : terms->ms;
    const char *transport = terms->transport == NULL ? "" : terms->transport;
    switch (a->act.action) {
    case ADMIN_SCHEDULE:
    case ADMIN_DELAY:
        next_ms = next_ms < 1 ? 1 : next_ms > ADMIN_MS_MAX ? ADMIN_MS_MAX : next_ms;
        if (r->next_ms == next_ms)
            return false;
        r->next_ms = next_ms;
        return true;
    case ADMIN_TRANSPORT:
        if (strcmp(r->transport, transport) == 0)
            return false;
        submit_set(&r->transport, transport);
        return true;
    default:
        if (r->tls == terms->tls)
            return false;
        r->tls = terms->tls;
        return true;
    }
}

/* True when it did something. Moves rows of a failed recipient into lost. */
static bool act_on(struct action *a, struct store_txn *t, struct ledger_message *m, uint64_t id,
                   struct rcpt_row *r, struct settle_lost *lost)
{
    struct ledger *l = &a->queue->ledger;
    const struct rcpt_row was = *r;
    struct deliver_result word;
    switch (a->act.action) {
    case ADMIN_KICK:
        if (r->held || r->next_ms <= a->now_ms)
            return false;
        r->next_ms = a->now_ms;
        ledger_reschedule(l, t, id, &was, r);
        return true;
    case ADMIN_HOLD:
    case ADMIN_RELEASE:
        if (r->held == (a->act.action == ADMIN_HOLD))
            return false;
        r->held = !r->held;
        ledger_reschedule(l, t, id, &was, r);
        ledger_event(l, t, a->settings, m, id, r, r->held ? EVENT_HELD : EVENT_RELEASED, NULL,
                     a->now_ms);
        return true;
    case ADMIN_SCHEDULE:
    case ADMIN_DELAY:
    case ADMIN_TRANSPORT:
    case ADMIN_REQUIRE_TLS:
        if (!set_terms(a, r))
            return false;
        ledger_reschedule(l, t, id, &was, r);
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

static void close_message(struct action *a, struct store_txn *t, struct ledger_message *m,
                          struct settle_lost *lost)
{
    uint64_t file;
    struct settle_told told;
    settle_tell(a->queue, t, a->settings, m, lost, DSN_FAILED, a->now_ms, &told);
    settle_told_clear(&told);
    settle_lost_clear(lost);
    if (m->gone >= m->row.open)
        a->gone[a->gone_n++] = m->id;
    ledger_message_close(&a->queue->ledger, t, m, &file);
    if (file != 0)
        a->files[a->files_n++] = file;
}

/* Whether it is there and still meant: since it was looked for, it may have changed. */
static bool get_meant(struct store_txn *t, struct match *m, uint64_t id, struct rcpt_row *r)
{
    struct key k = key_id(id);
    struct span value;
    return store_get(t, TABLE_RCPT, key_span(&k), &value) && match_queued(m, t, id, value) &&
           rcpt_row_read(value, r) == 0;
}

static void apply_to_hooks(struct change *change, struct store_txn *t)
{
    struct action *a = (struct action *)((char *)change - offsetof(struct action, change));
    struct match match = match_begin(&a->page.query.filter, a->queue->ledger.secret);
    const struct hookact act = {a->act.hook_action, a->act.by_ms, a->now_ms};
    a->slice_count = 0;
    for (uint32_t i = 0; i < a->page.ids_n; i++)
        a->slice_count += hookact_on(&act, t, a->settings, &match, a->page.ids[i], &a->soonest_ms);
}

static void apply(struct change *change, struct store_txn *t)
{
    struct action *a = (struct action *)((char *)change - offsetof(struct action, change));
    struct match match = match_begin(&a->page.query.filter, a->queue->ledger.secret);
    struct ledger_message m;
    struct settle_lost lost = {0};
    bool open = false;
    a->slice_count = a->gone_n = a->files_n = 0;
    for (uint32_t i = 0; i < a->page.ids_n; i++) {
        uint64_t id = a->page.ids[i];
        struct rcpt_row r;
        if (!get_meant(t, &match, id, &r))
            continue;
        if (open && m.id != r.message) {
            close_message(a, t, &m, &lost);
            open = false;
        }
        if (!open)
            open = ledger_message_open(t, r.message, &m) == 0;
        if (open && act_on(a, t, &m, id, &r, &lost))
            a->slice_count++;
        rcpt_row_clear(&r);
    }
    if (open)
        close_message(a, t, &m, &lost);
}

static void wake(struct action *a)
{
    if (a->act.hooks) {
        log_info(NULL, "webhooks changed by operator",
                 LS("action", hookact_name(a->act.hook_action)), LU("webhooks", a->count));
        if (a->act.hook_action != ADMIN_HOOK_CANCEL)
            hookq_poke(a->queue->hookq, a->soonest_ms);
    } else {
        log_info(NULL, "queue changed by operator", LS("action", action_names[a->act.action]),
                 LU("recipients", a->count));
        if (a->act.action == ADMIN_KICK)
            schedule_forgive(a->queue->schedule);
        /* Times have changed, and notices were written that nobody told the schedule of. Those
         * released keep their time, and those scheduled have any. */
        bool keeps = a->act.action == ADMIN_RELEASE || a->act.action == ADMIN_SCHEDULE ||
                     a->act.action == ADMIN_DELAY;
        schedule_look_at(a->queue->schedule, keeps ? 0 : a->now_ms);
        if (a->act.action == ADMIN_TRANSPORT) /* some wait for another one */
            schedule_pump(a->queue->schedule);
        hookq_poke(a->queue->hookq, a->now_ms);
    }
}

static void finish(struct action *a, const char *why)
{
    if (!a->act.dry && a->count > 0)
        wake(a);
    a->on_done(a->arg, &(struct admin_acted){a->count, a->page.next.id, a->page.until}, why);
    listpage_clear(&a->page);
    mem_free(&a->act.terms.transport);
    settings_drop(&a->settings);
    mem_free(&a);
}

static void look(struct work *w)
{
    struct action *a = (struct action *)w;
    listpage_read(&a->page, a->queue->store, a->queue->ledger.secret);
}

static void read_on(struct action *a)
{
    struct worker *reader = a->queue->reader;
    if (reader == NULL || worker_is_over(reader)) /* at the end of the process */
        finish(a, "the queue is closing");
    else
        worker_add(reader, &a->work);
}

static void go_on(struct action *a)
{
    a->page.query.after = a->page.next;
    if (a->page.next.id == 0 || clock_mono_ms() >= a->end_ms)
        finish(a, NULL);
    else
        read_on(a);
}

static void looked(struct work *w)
{
    struct action *a = (struct action *)w;
    if (a->act.dry) {
        a->count += a->page.ids_n;
        go_on(a);
    } else if (a->page.ids_n > 0) {
        commit_add(a->queue->commit, &a->change);
    } else {
        go_on(a);
    }
}

static void done(struct change *change, const char *why)
{
    struct action *a = (struct action *)((char *)change - offsetof(struct action, change));
    if (why != NULL) {
        finish(a, why);
        return;
    }
    a->count += a->slice_count;
    for (unsigned i = 0; i < a->gone_n; i++)
        bodies_forget(a->queue->bodies, a->gone[i]);
    for (unsigned i = 0; i < a->files_n; i++)
        queue_unlink_later(a->queue, a->files[i]);
    go_on(a);
}

static uint64_t end_of(struct queue *q, enum table table)
{
    uint64_t id = 0;
    struct store_txn *t = store_begin(q->store, false);
    struct store_cursor c = store_cursor(t, table);
    if (store_last(&c))
        (void)key_read_id(c.key, &id);
    store_cursor_close(&c);
    store_abort(&t);
    return id + 1;
}

void act_start(struct queue *q, const struct act *act, struct admin_filter *filter,
               act_on_done *on_done, void *arg)
{
    struct action *a = mem_zero(sizeof *a);
    a->work.run = look;
    a->work.done = looked;
    a->change.apply = act->hooks ? apply_to_hooks : apply;
    a->change.done = done;
    /* Or the result of an attempt, known and not yet written down, would undo a kick. */
    a->change.when = COMMIT_BEHIND;
    a->queue = q;
    a->settings = settings_hold(q->settings);
    a->act = *act;
    a->act.terms.transport = mem_text(act->terms.transport);
    a->soonest_ms = INT64_MAX;
    a->page = (struct listpage){
        .list = act->hooks ? ADMIN_HOOKS : ADMIN_QUEUE,
        .query = {.filter = *filter, .sort = ADMIN_BY_ID, .limit = ROWS_A_SLICE},
        .until = act->until != 0 ? act->until : end_of(q, act->hooks ? TABLE_HOOK : TABLE_RCPT),
        .us = LISTPAGE_US,
        .ids_only = true};
    *filter = (struct admin_filter){0};
    a->page.query.after.id = act->after;
    a->now_ms = clock_wall_ms();
    a->end_ms = clock_mono_ms() + ACT_MS;
    a->on_done = on_done;
    a->arg = arg;
    read_on(a);
}
