#include "mailcheck.h"

#include <assert.h>

#include "clock.h"
#include "log.h"
#include "mailindex.h"
#include "mem.h"
#include "proto_mailbox.h"
#include "rows.h"
#include "tables.h"

#define ACCOUNTS_A_LOOK 1000
#define ROWS_A_CHANGE 500
#define REST 20 /* times as long as the answer took */
#define REST_LEAST_MS 1000

struct mailcheck {
    struct queue *queue;
    struct ipc *channel; /* to delivery/local; NULL while it is not there */
    struct event *timer;
    char *name;        /* of the account that is next; NULL: a round begins */
    uint64_t id;       /* and its message */
    int64_t round_ms;  /* when it began */
    int64_t next_ms;   /* when it goes on */
    struct part *part; /* under way */
    bool stopped;
};

/* Messages of one account that are looked for. */
struct part {
    struct change change;
    struct mailcheck *owner;
    char *name;
    uint64_t account;
    uint64_t *ids;
    struct mail_place *places;
    uint32_t n;
    uint32_t gone, from; /* of these the first are missing; of them so many are done with */
    unsigned removed;
    uint64_t asked; /* 0: not, or answered */
    int64_t begun_ms;
};

static void free_part(struct part *p)
{
    for (uint32_t i = 0; i < p->n; i++)
        mail_place_clear(&p->places[i]);
    mem_free(&p->places);
    mem_free(&p->ids);
    mem_free(&p->name);
    p->owner->part = NULL;
    mem_free(&p);
}

static void rest(struct mailcheck *c, int64_t took_ms)
{
    int64_t ms = took_ms * REST, now_ms = clock_wall_ms();
    ms = ms < REST_LEAST_MS ? REST_LEAST_MS : ms > MAILCHECK_ROUND_MS ? MAILCHECK_ROUND_MS : ms;
    c->next_ms = now_ms + ms;
    if (c->name == NULL && c->next_ms < c->round_ms + MAILCHECK_ROUND_MS)
        c->next_ms = c->round_ms + MAILCHECK_ROUND_MS;
}

static void end_part(struct part *p)
{
    rest(p->owner, clock_wall_ms() - p->begun_ms);
    free_part(p);
}

/* ---- which are looked for ---- */

static struct part *new_part(struct mailcheck *c, const char *name, uint64_t account)
{
    struct part *p = mem_zero(sizeof *p);
    p->owner = c;
    p->account = account;
    p->name = mem_text(name);
    p->ids = mem_array(MAILBOX_CHECK_MAX, sizeof *p->ids);
    p->places = mem_array(MAILBOX_CHECK_MAX, sizeof *p->places);
    return p;
}

/* Takes the row, unless its message was removed. */
static void take(struct part *p, uint64_t id, struct span value)
{
    struct mail_message m;
    if (mail_row_read(value, &m) != 0)
        return;
    if (m.removed_ms == 0) {
        p->ids[p->n] = id;
        mail_place_copy(&p->places[p->n++], &m.place);
    }
    mail_message_clear(&m);
}

/* Rows of the account from c->id on, as c->part. Whether there are more; then c->id is the next
 * one. */
static bool gather_rows(struct mailcheck *c, struct store_txn *t, const char *name)
{
    uint64_t hash = name_hash(c->queue->ledger.secret, name), account;
    struct store_cursor cursor = store_cursor(t, TABLE_MAIL);
    struct key from = key_mail(hash, c->id);
    bool at = store_seek(&cursor, key_span(&from));
    int rows = 0;
    for (; at && key_read_mail(cursor.key, &account, &c->id) == 0 && account == hash; rows++) {
        if (rows == MAILBOX_CHECK_MAX) {
            store_cursor_close(&cursor);
            return true;
        }
        if (c->part == NULL)
            c->part = new_part(c, name, hash);
        take(c->part, c->id, cursor.value);
        at = store_next(&cursor);
    }
    store_cursor_close(&cursor);
    return false;
}

static void set_name(struct mailcheck *c, const char *name)
{
    char *copy = name == NULL ? NULL : mem_text(name);
    mem_free(&c->name);
    c->name = copy;
}

/* The next part of the round, as c->part; NULL when there is none yet. The round is over when
 * c->name is NULL afterwards. */
static void gather(struct mailcheck *c)
{
    const struct conf_block *root = conf_root(c->queue->settings->conf), *a = NULL;
    struct store_txn *t = store_begin(c->queue->store, false);
    bool more = false;
    if (c->name != NULL && (a = conf_find(root, "account", c->name)) == NULL)
        c->id = 0; /* it is gone: the round begins anew */
    if (a == NULL)
        a = conf_next(root, "account", NULL);
    for (int n = 0; a != NULL && n < ACCOUNTS_A_LOOK && c->part == NULL; n++) {
        more = conf_bool(a, "mailbox") && gather_rows(c, t, conf_label(a));
        if (!more) {
            c->id = 0;
            a = conf_next(root, "account", a);
        }
    }
    set_name(c, a == NULL ? NULL : conf_label(a));
    store_abort(&t);
}

/* ---- the answer ---- */

static void apply(struct change *change, struct store_txn *t)
{
    struct part *p = (struct part *)change;
    uint32_t n = p->gone - p->from < ROWS_A_CHANGE ? p->gone - p->from : ROWS_A_CHANGE;
    p->removed = mailindex_gone(&p->owner->queue->ledger, t, p->account, p->ids + p->from,
                                p->places + p->from, n);
}

static void done(struct change *change, const char *why)
{
    struct part *p = (struct part *)change;
    if (why != NULL)
        log_error(NULL, "index of a mailbox not changed", LS("account", p->name), LS("why", why));
    else if (p->removed > 0)
        log_info(NULL, "messages that others removed are forgotten", LS("account", p->name),
                 LU("messages", p->removed));
    p->from += ROWS_A_CHANGE;
    if (why == NULL && p->from < p->gone && !p->owner->stopped) {
        commit_add(p->owner->queue->commit, &p->change);
        return;
    }
    end_part(p);
}

/* Those that are missing come first. */
static void keep_missing(struct part *p, const struct mailbox_answer *answer)
{
    for (uint32_t i = 0; i < answer->missing_n && answer->missing[i] < p->n; i++) {
        uint32_t at = answer->missing[i];
        struct mail_place place = p->places[p->gone];
        p->ids[p->gone] = p->ids[at];
        p->places[p->gone] = p->places[at];
        p->places[at] = place;
        p->gone++;
    }
}

static void on_checked(void *arg, struct mailbox_answer *answer)
{
    struct part *p = arg;
    p->asked = 0;
    if (answer->result == MAILBOX_DONE)
        keep_missing(p, answer);
    if (p->gone > 0 && !p->owner->stopped) {
        p->change.apply = apply;
        p->change.done = done;
        commit_add(p->owner->queue->commit, &p->change);
        return;
    }
    end_part(p);
}

/* ---- rounds ---- */

static bool is_time(const struct mailcheck *c, int64_t now_ms)
{
    /* Beyond a round's time from now on nothing was planned: the clock was set back. */
    return now_ms >= c->next_ms || c->next_ms - now_ms > MAILCHECK_ROUND_MS;
}

void mailcheck_look(struct mailcheck *c)
{
    int64_t now_ms = clock_wall_ms();
    if (c->part != NULL || c->channel == NULL || c->stopped || !is_time(c, now_ms))
        return;
    if (c->name == NULL)
        c->round_ms = now_ms;
    gather(c);
    if (c->part == NULL) {
        rest(c, 0);
        return;
    }
    c->part->begun_ms = now_ms;
    if (c->part->n == 0) {
        end_part(c->part);
        return;
    }
    c->part->asked =
        mailbox_check(c->channel, c->part->name, c->part->places, c->part->n, on_checked, c->part);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    mailcheck_look(arg);
}

struct mailcheck *mailcheck_new(struct queue *q)
{
    const struct timeval tick = {MAILCHECK_TICK_MS / 1000, (MAILCHECK_TICK_MS % 1000) * 1000};
    struct mailcheck *c = mem_zero(sizeof *c);
    c->queue = q;
    c->timer = event_new(q->base, -1, EV_PERSIST, on_timer, c);
    assert(c->timer != NULL);
    (void)event_add(c->timer, &tick);
    return c;
}

void mailcheck_stop(struct mailcheck *c)
{
    if (c == NULL || c->stopped)
        return;
    c->stopped = true;
    if (c->part != NULL && c->part->asked != 0) {
        mailbox_forget(c->channel, c->part->asked);
        free_part(c->part);
    }
}

void mailcheck_free(struct mailcheck **cp)
{
    struct mailcheck *c = *cp;
    if (c == NULL)
        return;
    mailcheck_stop(c);
    ipc_free(&c->channel);
    assert(c->part == NULL);
    event_free(c->timer);
    mem_free(&c->name);
    mem_free(cp);
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct mailcheck *c = arg;
    ipc_free(&c->channel);
    service_link_lost(c->queue->service, "mailbox");
}

void mailcheck_link(struct mailcheck *c, int fd)
{
    static const struct ipc_handler handler = {NULL, on_closed};
    struct ipc *old = c->channel;
    c->channel = NULL;
    ipc_free(&old);
    c->channel = ipc_new(c->queue->base, fd, "mailbox", &handler, c);
}
