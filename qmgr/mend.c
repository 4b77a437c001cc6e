#include "mend.h"

#include <assert.h>

#include "bodies.h"
#include "hookq.h"
#include "hookrow.h"
#include "log.h"
#include "mem.h"
#include "schedule.h"

#define REPORTS_MAX 500 /* in one change; the others are come across again */

struct report {
    enum table table;
    struct key key;
};

struct mend {
    struct queue *queue;
    struct report *reports; /* not yet in a change; NULL when there are none */
    unsigned n;
    bool busy; /* a change is under way */
};

struct mending {
    struct change change;
    struct mend *mend;
    struct report *reports;
    unsigned n;
    /* what apply found, for the loop */
    uint64_t gone[REPORTS_MAX], files[REPORTS_MAX];
    unsigned gone_n, files_n;
    uint64_t lost[REPORTS_MAX]; /* recipients whose row did not decode: nothing says where they are
                                   in dest */
    unsigned lost_n;
    bool again; /* rows were written that were passed over before */
};

struct mend *mend_new(struct queue *q)
{
    struct mend *m = mem_zero(sizeof *m);
    m->queue = q;
    return m;
}

void mend_free(struct mend **m)
{
    if (*m == NULL)
        return;
    mem_free(&(*m)->reports);
    mem_free(m);
}

/* ---- in the writing thread ---- */

static void remove_index(struct store_txn *t, const struct report *r)
{
    (void)store_delete(t, r->table, key_span(&r->key));
}

/* The message that a recipient of this id would belong to: the last one not behind it, if it has so
 * many. */
static int message_of(struct store_txn *t, uint64_t id, struct ledger_message *m)
{
    struct key behind = key_id(id + 1);
    uint64_t message = 0;
    struct store_cursor c = store_cursor(t, TABLE_MSG);
    bool at = store_seek(&c, key_span(&behind)) ? store_prev(&c) : store_last(&c);
    if (!at || key_read_id(c.key, &message) != 0)
        message = 0;
    store_cursor_close(&c);
    if (message == 0 || ledger_message_open(t, message, m) != 0)
        return -1;
    if (id - message < m->row.recipients)
        return 0;
    msg_row_clear(&m->row);
    return -1;
}

static void count_out(struct mending *c, struct store_txn *t, uint64_t id)
{
    struct ledger_message m;
    uint64_t file;
    if (message_of(t, id, &m) != 0)
        return;
    m.gone = 1;
    if (m.gone >= m.row.open)
        c->gone[c->gone_n++] = m.id;
    ledger_message_close(&c->mend->queue->ledger, t, &m, &file);
    if (file != 0)
        c->files[c->files_n++] = file;
}

/* A good recipient row whose message is not there: as bad as one that does not decode. */
static void set_aside_orphan(struct mending *c, struct store_txn *t, uint64_t id,
                             const struct rcpt_row *r)
{
    struct ledger_message m;
    struct key k = key_id(id);
    struct span value;
    if (ledger_message_open(t, r->message, &m) == 0) {
        msg_row_clear(&m.row);
        return;
    }
    ledger_unindex(&c->mend->queue->ledger, t, id, r);
    if (store_get(t, TABLE_RCPT, key_span(&k), &value))
        ledger_quarantine(t, TABLE_RCPT, key_span(&k), value);
}

/* Whether an index has the recipient where its row says. */
static bool fits(const struct ledger *l, const struct report *report, uint64_t id,
                 const struct rcpt_row *r)
{
    struct due due = ledger_due(id, r);
    struct key k = report->table == TABLE_DEST ? key_dest(ledger_stream(l, r), due) : key_due(due);
    return !r->held && span_equal(key_span(&k), key_span(&report->key));
}

static void mend_recipient(struct mending *c, struct store_txn *t, const struct report *report,
                           struct due due)
{
    struct ledger *l = &c->mend->queue->ledger;
    struct key k = key_id(due.id);
    struct span value;
    struct rcpt_row r;
    if (!store_get(t, TABLE_RCPT, key_span(&k), &value)) {
        remove_index(t, report);
    } else if (rcpt_row_read(value, &r) != 0) {
        struct key index = key_due(due);
        ledger_quarantine(t, TABLE_RCPT, key_span(&k), value);
        (void)store_delete(t, TABLE_DUE, key_span(&index));
        count_out(c, t, due.id);
        c->lost[c->lost_n++] = due.id;
    } else {
        bool good = fits(l, report, due.id, &r);
        if (good)
            ledger_index(l, t, due.id, &r); /* what is wrong is the value, or the other index */
        else
            remove_index(t, report);
        c->again = c->again || good;
        set_aside_orphan(c, t, due.id, &r);
        rcpt_row_clear(&r);
    }
}

static void mend_hook(struct mending *c, struct store_txn *t, const struct report *report,
                      struct due due)
{
    struct hook_row row;
    if (hookrow_get(t, due.id, &row) != 0) { /* which sets a bad one aside */
        remove_index(t, report);
        return;
    }
    struct due there = hookrow_due(due.id, &row);
    bool good = there.class == due.class && there.next_ms == due.next_ms;
    if (good)
        hookrow_insert(t, due.id, &row); /* what is wrong is the value */
    else
        remove_index(t, report);
    c->again = c->again || good;
    hook_row_clear(&row);
}

static void mend_one(struct mending *c, struct store_txn *t, const struct report *r)
{
    struct stream_id stream;
    struct due due = {DUE_FIRST, 0, 0};
    struct span key = key_span(&r->key), value;
    if (!store_get(t, r->table, key, &value))
        return; /* it is no more: whoever came across it read an older state */
    int rc = r->table == TABLE_DEST ? key_read_dest(key, &stream, &due) : key_read_due(key, &due);
    if (rc != 0)
        remove_index(t, r);
    else if (r->table == TABLE_HOOKDUE)
        mend_hook(c, t, r, due);
    else
        mend_recipient(c, t, r, due);
}

static bool is_lost(const struct mending *c, uint64_t id)
{
    for (unsigned i = 0; i < c->lost_n; i++) {
        if (c->lost[i] == id)
            return true;
    }
    return false;
}

/* All of dest is gone through: it takes seconds where there are millions, once in the life of a
 * disk. */
static void remove_lost(struct mending *c, struct store_txn *t)
{
    struct store_cursor cursor = store_cursor(t, TABLE_DEST);
    bool at = store_seek(&cursor, (struct span){0});
    while (at) {
        struct stream_id stream;
        struct due due;
        bool lost = key_read_dest(cursor.key, &stream, &due) == 0 && is_lost(c, due.id);
        at = lost ? store_delete_here(&cursor) : store_next(&cursor);
    }
    store_cursor_close(&cursor);
}

static void apply(struct change *change, struct store_txn *t)
{
    struct mending *c = (struct mending *)change;
    c->gone_n = c->files_n = c->lost_n = 0;
    c->again = false;
    for (unsigned i = 0; i < c->n; i++)
        mend_one(c, t, &c->reports[i]);
    if (c->lost_n > 0)
        remove_lost(c, t);
}

/* ---- in the loop ---- */

static void begin(struct mend *m);

static void done(struct change *change, const char *why)
{
    struct mending *c = (struct mending *)change;
    struct mend *m = c->mend;
    if (why != NULL)
        log_error(NULL, "rows could not be mended", LS("why", why));
    for (unsigned i = 0; why == NULL && i < c->gone_n; i++)
        bodies_forget(m->queue->bodies, c->gone[i]);
    for (unsigned i = 0; why == NULL && i < c->files_n; i++)
        queue_unlink_later(m->queue, c->files[i]);
    if (why == NULL && c->again) {
        schedule_look_at(m->queue->schedule, 0);
        hookq_poke(m->queue->hookq, 0);
    }
    mem_free(&c->reports);
    mem_free(&c);
    m->busy = false;
    if (m->n > 0 && why == NULL)
        begin(m);
}

static void begin(struct mend *m)
{
    struct mending *c = mem_zero(sizeof *c);
    c->change.apply = apply;
    c->change.done = done;
    c->mend = m;
    c->reports = m->reports;
    c->n = m->n;
    m->reports = NULL;
    m->n = 0;
    m->busy = true;
    commit_add(m->queue->commit, &c->change);
}

void mend_index(struct mend *m, enum table table, const struct key *key)
{
    assert(table == TABLE_DUE || table == TABLE_DEST || table == TABLE_HOOKDUE);
    if (m->reports == NULL)
        m->reports = mem_array(REPORTS_MAX, sizeof *m->reports);
    if (m->n < REPORTS_MAX)
        m->reports[m->n++] = (struct report){table, *key};
    /* Also when there is no place for this one: those before may wait since a change failed. */
    if (!m->busy)
        begin(m);
}
