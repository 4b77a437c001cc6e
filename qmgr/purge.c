#include "purge.h"

#include <stddef.h>
#include <string.h>

#include "log.h"
#include "mem.h"
#include "once.h"
#include "tables.h"

#define ROWS_A_TRANSACTION 1000
#define ROWS_A_LOOK 20000 /* some milliseconds of the reading thread */

/* Tables whose keys have the account's hash behind so many octets, which are these. Of some a row
 * elsewhere goes with each, which with_it removes. */
typedef void with_it(struct store_txn *t, uint64_t account, const struct store_cursor *c);
static with_it forget_removal, forget_time;
static const struct part {
    unsigned table;
    enum admin_kept kept; /* counted as; ADMIN_KEPTS: not */
    unsigned before, octet;
    with_it *with_it;
} parts[] = {
    {TABLE_SUPPRESS, ADMIN_KEPT_SUPPRESSIONS, 0, 0, NULL},
    {TABLE_EVENT, ADMIN_KEPT_EVENTS, 0, 0, NULL},
    {TABLE_FROMID, ADMIN_KEPT_FROM_IDS, 0, 0, NULL},
    {TABLE_MAIL, ADMIN_KEPT_MAILBOX, 0, 0, forget_removal},
    {TABLE_MAILFILE, ADMIN_KEPTS, 0, 0, NULL},
    {TABLE_IDEM, ADMIN_KEPT_KEYS, 1, 0, forget_time},
    {TABLE_SENT, ADMIN_KEPT_LIMITS, 1, SENT_HOUR, NULL},
    {TABLE_SENT, ADMIN_KEPT_LIMITS, 1, SENT_RECIPIENT, NULL},
    {TABLE_FAILURE, ADMIN_KEPT_FAILURES, 0, 0, NULL},
};
#define PARTS (sizeof parts / sizeof parts[0])

struct purge {
    struct work work;     /* dry */
    struct change change; /* else */
    struct queue *queue;
    char *account;
    uint64_t hash;
    bool dry;
    size_t part;     /* the one under way */
    struct key from; /* dry: where to go on in it */
    struct admin_purged purged;
    purge_done *done;
    void *arg;
    /* of a slice: what it found, for the loop */
    struct admin_purged found;
    size_t next_part;
    struct key next_from;
};

static void forget_removal(struct store_txn *t, uint64_t account, const struct store_cursor *c)
{
    struct mail_message m;
    uint64_t of, id;
    if (key_read_mail(c->key, &of, &id) != 0 || mail_row_read(c->value, &m) != 0)
        return;
    struct key gone = key_mailgone(m.removed_ms, account, id);
    if (m.removed_ms != 0)
        (void)store_delete(t, TABLE_MAILGONE, key_span(&gone));
    mail_message_clear(&m);
}

static void forget_time(struct store_txn *t, uint64_t account, const struct store_cursor *c)
{
    struct once_row r;
    struct key k = {.n = c->key.n};
    if (c->key.n > sizeof k.p || once_row_read(c->value, &r) != 0)
        return;
    memcpy(k.p, c->key.p, c->key.n);
    struct key until = key_once_until(r.until_ms, k);
    (void)store_delete(t, TABLE_IDEM, key_span(&until));
    once_row_clear(&r);
}

/* The first octets of the account's keys in the part. */
static struct key prefix_of(const struct part *p, uint64_t hash)
{
    struct key of = key_id(hash), k = {.n = p->before + of.n};
    k.p[0] = (unsigned char)p->octet;
    memcpy(k.p + p->before, of.p, of.n);
    return k;
}

static bool is_of(const struct store_cursor *c, const struct key *prefix)
{
    return c->key.n >= prefix->n && memcmp(c->key.p, prefix->p, prefix->n) == 0;
}

static void go_on_behind(struct purge *p, struct span key)
{
    p->next_from = (struct key){.n = 0};
    if (key.n >= sizeof p->next_from.p)
        return;
    memcpy(p->next_from.p, key.p, key.n);
    p->next_from.p[key.n] = 0; /* the next key that can be */
    p->next_from.n = key.n + 1;
}

/* A slice of what is there, of one part or several: rows are counted, or removed. */
static void slice(struct purge *p, struct store_txn *t, int rows)
{
    p->found = (struct admin_purged){{0}};
    p->next_part = p->part;
    p->next_from = p->from;
    while (p->next_part < PARTS && rows > 0) {
        const struct part *part = &parts[p->next_part];
        struct key prefix = prefix_of(part, p->hash);
        struct key from = p->next_from.n > 0 ? p->next_from : prefix;
        struct store_cursor c = store_cursor(t, part->table);
        bool at = store_seek(&c, key_span(&from)) && is_of(&c, &prefix);
        while (at && rows-- > 0) {
            if (part->kept < ADMIN_KEPTS)
                p->found.kept[part->kept]++;
            if (p->dry)
                go_on_behind(p, c.key);
            else if (part->with_it != NULL)
                part->with_it(t, p->hash, &c);
            if (!p->dry && part->with_it != NULL) /* which may have moved the cursor's page */
                at = store_seek(&c, key_span(&from)) && is_of(&c, &prefix);
            at = at && (p->dry ? store_next(&c) : store_delete_here(&c)) && is_of(&c, &prefix);
        }
        store_cursor_close(&c);
        if (!at) {
            p->next_part++;
            p->next_from = (struct key){.n = 0};
        }
    }
}

/* ---- the steps ---- */

static void finish(struct purge *p, const char *why)
{
    if (!p->dry)
        log_info(NULL, "account purged by operator", LS("account", p->account),
                 LU("suppressions", p->purged.kept[ADMIN_KEPT_SUPPRESSIONS]),
                 LU("events", p->purged.kept[ADMIN_KEPT_EVENTS]),
                 LS("why", why == NULL ? "" : why));
    p->done(p->arg, &p->purged, why);
    mem_free(&p->account);
    mem_free(&p);
}

static const char *refused(const struct purge *p)
{
    return settings_account(p->queue->settings, p->account) == NULL
               ? NULL
               : "the account is in the configuration";
}

static void step(struct purge *p)
{
    struct worker *reader = p->queue->reader;
    const char *why = refused(p);
    if (why == NULL && (reader == NULL || worker_is_over(reader)))
        why = "the queue is closing";
    if (why != NULL || p->part == PARTS)
        finish(p, why);
    else if (p->dry)
        worker_add(reader, &p->work);
    else
        commit_add(p->queue->commit, &p->change);
}

static void take_slice(struct purge *p)
{
    for (size_t i = 0; i < ADMIN_KEPTS; i++)
        p->purged.kept[i] += p->found.kept[i];
    p->part = p->next_part;
    p->from = p->next_from;
    step(p);
}

static void look(struct work *work)
{
    struct purge *p = (struct purge *)work;
    struct store_txn *t = store_begin(p->queue->store, false);
    slice(p, t, ROWS_A_LOOK);
    store_abort(&t);
}

static void looked(struct work *work)
{
    take_slice((struct purge *)work);
}

static struct purge *purge_of(struct change *change)
{
    return (struct purge *)((char *)change - offsetof(struct purge, change));
}

static void apply(struct change *change, struct store_txn *t)
{
    slice(purge_of(change), t, ROWS_A_TRANSACTION);
}

static void done(struct change *change, const char *why)
{
    struct purge *p = purge_of(change);
    if (why != NULL)
        finish(p, why);
    else
        take_slice(p);
}

void purge_start(struct queue *q, const char *account, bool dry, purge_done *on_done, void *arg)
{
    struct purge *p = mem_zero(sizeof *p);
    p->work = (struct work){.run = look, .done = looked};
    p->change.apply = apply;
    p->change.done = done;
    p->queue = q;
    p->account = mem_text(account);
    p->hash = name_hash(q->ledger.secret, account);
    p->dry = dry;
    p->done = on_done;
    p->arg = arg;
    step(p);
}
