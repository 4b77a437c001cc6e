#include "admin.h"

#include <bsd/sys/queue.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "act.h"
#include "file.h"
#include "log.h"
#include "match.h"
#include "mem.h"
#include "proto_admin.h"
#include "schedule.h"
#include "suppress.h"
#include "tables.h"

/* Looked at for one page; a page may be short, even empty, and still have a next one. */
#define ROWS_A_TURN 10000
/* Of a page, so that with one row more it goes over inline: what an operator does not read costs us
 * no more. */
#define PAGE_OCTETS 24000
#define ROW_OCTETS 80 /* of a row beside its texts */
#define UNSENT_MAX 4  /* answers that wait for an operator to read */
#define GROUPS_MAX 1024
#define CALLERS_MAX 64 /* connections at once */
/* Of them, of people who may only look: the others stay for who may act. */
#define STRANGERS_MAX 32

struct caller {
    LIST_ENTRY(caller) next;
    struct admin *admin;
    struct ipc *channel;
    uint64_t number;
    bool trusted;
};

struct admin {
    struct queue *queue;
    struct event *readable;
    int fd;
    int64_t uid, gid;
    unsigned callers_n, strangers_n;
    uint64_t last_number;
    LIST_HEAD(, caller) callers;
};

struct admin *admin_new(struct queue *q)
{
    struct admin *a = mem_zero(sizeof *a);
    a->queue = q;
    a->fd = -1;
    a->uid = (int64_t)geteuid();
    a->gid = -1;
    LIST_INIT(&a->callers);
    return a;
}

static void free_caller(struct caller *o)
{
    LIST_REMOVE(o, next);
    o->admin->callers_n--;
    o->admin->strangers_n -= !o->trusted;
    ipc_free(&o->channel);
    mem_free(&o);
}

static void close_socket(struct admin *a)
{
    if (a->readable != NULL)
        event_free(a->readable);
    a->readable = NULL;
    file_close(&a->fd);
}

void admin_free(struct admin **ap)
{
    struct caller *o;
    if (*ap == NULL)
        return;
    while ((o = LIST_FIRST(&(*ap)->callers)) != NULL)
        free_caller(o);
    close_socket(*ap);
    mem_free(ap);
}

void admin_trust(struct admin *a, int64_t uid, int64_t gid)
{
    a->uid = uid;
    a->gid = gid;
}

/* ---- lists ---- */

/* A page being filled. */
struct page {
    struct admin_page answer;
    size_t octets; /* on the wire, about */
    bool named;    /* whether the filter's ids mean the last row */
    struct match_glance glance;
};

static void add_row(struct page *p, struct admin_row row)
{
    struct admin_page *a = &p->answer;
    a->rows = mem_resize(a->rows, (a->rows_n + 1) * sizeof *a->rows);
    a->rows[a->rows_n++] = row;
    p->octets += ROW_OCTETS + strlen(row.account) + strlen(row.sender) + strlen(row.recipient) +
                 strlen(row.subject) + strlen(row.message_id) + strlen(row.transport) +
                 strlen(row.last);
}

/* Adds this row to the page if it decodes and matches. */
typedef void page_take(struct admin *a, const struct admin_filter *f, struct store_txn *t,
                       struct match_message *cache, uint64_t id, struct span value, struct page *p);

static void take_queued(struct admin *a, const struct admin_filter *f, struct store_txn *t,
                        struct match_message *cache, uint64_t id, struct span value, struct page *p)
{
    struct rcpt_row r;
    if (!match_may(t, f, &p->glance, id, value, &p->named) || rcpt_row_read(value, &r) != 0)
        return;
    const struct msg_row *m = match_message(t, cache, r.message);
    if (m != NULL && match_recipient(f, m, id, &r))
        add_row(p, match_row(m, id, &r, schedule_is_trying(a->queue->schedule, id)));
    rcpt_row_clear(&r);
}

static void take_retired(struct admin *a, const struct admin_filter *f, struct store_txn *t,
                         struct match_message *cache, uint64_t id, struct span value,
                         struct page *p)
{
    struct retired_row r;
    if (retired_row_read(value, &r) != 0)
        return;
    p->named = match_names(f, r.item.row.message, id);
    if (match_retired(f, &r.item.row)) {
        add_row(p, r.item.row);
        r.item.row = (struct admin_row){0};
    }
    retired_row_clear(&r);
}

/* Whether the filter is for those held, and nobody is: each of the others has a row of due. */
static bool wants_nobody(struct admin *a, const struct admin_filter *f, unsigned table)
{
    struct store *s = a->queue->store;
    return table == TABLE_RCPT && f->held == ADMIN_HELD_YES &&
           store_rows(s, TABLE_DUE) >= store_rows(s, TABLE_RCPT);
}

/* On to the next row, or past those that the filter's ids cannot mean. */
static bool go_on(struct store_cursor *c, const struct admin_filter *f, uint64_t id, bool named)
{
    uint64_t next = named ? 0 : match_next(f, id);
    struct key k = key_id(next);
    if (named)
        return store_next(c);
    return next != 0 && store_seek(c, key_span(&k));
}

static void list(struct admin *a, struct caller *o, uint64_t request, struct admin_request *r,
                 unsigned table, page_take *take)
{
    struct page page = {.octets = 0};
    struct match_message cache = {0};
    struct key from = key_id(r->after + 1);
    uint64_t id, last = r->after;
    int rows = 0;
    match_prepare(&r->filter);
    page.glance = match_begin(&r->filter, a->queue->ledger.secret);
    struct store_txn *t = store_begin(a->queue->store, false);
    struct store_cursor c = store_cursor(t, table);
    for (bool at = !wants_nobody(a, &r->filter, table) && store_seek(&c, key_span(&from)); at;
         at = go_on(&c, &r->filter, last, page.named)) {
        if (page.answer.rows_n >= r->limit || page.octets >= PAGE_OCTETS || rows++ >= ROWS_A_TURN) {
            page.answer.next = last;
            break;
        }
        page.named = true;
        if (key_read_id(c.key, &id) == 0) {
            last = id;
            take(a, &r->filter, t, &cache, id, c.value, &page);
        }
    }
    store_cursor_close(&c);
    match_clear(&cache);
    store_abort(&t);
    admin_answer_page(o->channel, request, &page.answer);
    admin_page_clear(&page.answer);
}

static void show_queued(struct admin *a, struct caller *o, uint64_t request, uint64_t id)
{
    struct key k = key_id(id);
    struct match_message cache = {0};
    struct span value;
    struct rcpt_row r;
    struct store_txn *t = store_begin(a->queue->store, false);
    const struct msg_row *m = NULL;
    bool there = store_get(t, TABLE_RCPT, key_span(&k), &value) && rcpt_row_read(value, &r) == 0;
    if (there)
        m = match_message(t, &cache, r.message);
    if (m == NULL) {
        admin_refuse(o->channel, request, "no such recipient in the queue");
    } else {
        struct admin_item item = {
            .row = match_row(m, id, &r, schedule_is_trying(a->queue->schedule, id)),
            .orcpt = r.orcpt,
            .envid = m->envelope->envid,
            .from_id = r.from_id,
            .client = m->envelope->client,
            .flags = m->envelope->flags,
            .attempts = r.results,
            .attempts_n = r.results_n};
        admin_answer_item(o->channel, request, &item);
        admin_row_clear(&item.row);
    }
    if (there)
        rcpt_row_clear(&r);
    match_clear(&cache);
    store_abort(&t);
}

static void show_retired(struct admin *a, struct caller *o, uint64_t request, uint64_t id)
{
    struct key k = key_id(id);
    struct span value;
    struct retired_row r;
    struct store_txn *t = store_begin(a->queue->store, false);
    if (store_get(t, TABLE_RETIRED, key_span(&k), &value) && retired_row_read(value, &r) == 0) {
        admin_answer_item(o->channel, request, &r.item);
        retired_row_clear(&r);
    } else {
        admin_refuse(o->channel, request, "no such recipient in the history");
    }
    store_abort(&t);
}

static char *hook_last(const struct hook_row *r)
{
    if (r->results_n == 0)
        return mem_text("");
    const struct hook_attempt *last = &r->results[r->results_n - 1];
    return mem_text(last->error);
}

static void list_hooks(struct admin *a, struct caller *o, uint64_t request,
                       const struct admin_request *r)
{
    struct admin_hook_page page = {0};
    struct key from = key_id(r->after + 1);
    struct store_txn *t = store_begin(a->queue->store, false);
    struct store_cursor c = store_cursor(t, TABLE_HOOK);
    uint64_t id, last = r->after;
    size_t octets = 0;
    for (bool at = store_seek(&c, key_span(&from)); at; at = store_next(&c)) {
        struct hook_row h;
        if (page.rows_n >= r->limit || octets >= PAGE_OCTETS) {
            page.next = last;
            break;
        }
        if (key_read_id(c.key, &id) != 0 || hook_row_read(c.value, &h) != 0)
            continue;
        last = id;
        page.rows = mem_resize(page.rows, (page.rows_n + 1) * sizeof *page.rows);
        page.rows[page.rows_n++] = (struct admin_hook_row){id,
                                                           h.recipient,
                                                           mem_text(h.account),
                                                           mem_text(h.url),
                                                           mem_text(h.event),
                                                           hook_last(&h),
                                                           h.attempts,
                                                           h.submitted_ms,
                                                           h.next_ms};
        octets += ROW_OCTETS + strlen(h.account) + strlen(h.url) + strlen(h.event) +
                  strlen(page.rows[page.rows_n - 1].last);
        hook_row_clear(&h);
    }
    store_cursor_close(&c);
    store_abort(&t);
    admin_answer_hooks(o->channel, request, &page);
    admin_hook_page_clear(&page);
}

static void counts(struct admin *a, struct caller *o, uint64_t request)
{
    struct store *s = a->queue->store;
    struct store_space space = {0};
    struct fail f;
    (void)store_space(s, &space, &f);
    uint64_t recipients = store_rows(s, TABLE_RCPT), due = store_rows(s, TABLE_DUE);
    struct admin_counts c = {.messages = store_rows(s, TABLE_MSG),
                             .recipients = recipients,
                             .held = recipients > due ? recipients - due : 0,
                             .trying = schedule_trying(a->queue->schedule),
                             .due = due,
                             .retired = store_rows(s, TABLE_RETIRED),
                             .hooks = store_rows(s, TABLE_HOOK),
                             .events = store_rows(s, TABLE_EVENT),
                             .bytes_used = space.file_bytes - space.free_bytes,
                             .bytes_free = space.free_bytes};
    admin_answer_counts(o->channel, request, &c);
}

/* ---- actions ---- */

struct asked {
    struct admin *admin;
    uint64_t caller, request;
};

static struct caller *find_caller(struct admin *a, uint64_t number)
{
    struct caller *o;
    LIST_FOREACH (o, &a->callers, next) {
        if (o->number == number)
            return o;
    }
    return NULL;
}

static void on_acted(void *arg, uint64_t count, const char *why)
{
    struct asked *k = arg;
    struct caller *o = find_caller(k->admin, k->caller);
    if (o != NULL && why == NULL)
        admin_answer_acted(o->channel, k->request, count);
    else if (o != NULL)
        admin_refuse(o->channel, k->request, why);
    mem_free(&k);
}

static void act(struct admin *a, struct caller *o, uint64_t request, struct admin_request *r)
{
    struct asked *k = mem_alloc(sizeof *k);
    *k = (struct asked){a, o->number, request};
    act_start(a->queue, r->action, r->dry, &r->filter, on_acted, k);
}

/* ---- who may ask what ---- */

static bool everyone_may(uint16_t type)
{
    return type == MSG_ADMIN_QUEUE_LIST || type == MSG_ADMIN_COUNTS;
}

static struct ipc *caller_channel(void *owner, uint64_t number)
{
    struct caller *o = find_caller(owner, number);
    return o == NULL ? NULL : o->channel;
}

/* The suppress protocol, as over the link "account". */
static int serve_suppress(struct admin *a, struct caller *o, struct ipc_message *m, struct fail *f)
{
    const struct suppress_asker asker = {a->queue, caller_channel, a, o->number, m->id};
    if (o->trusted)
        return suppress_serve(&asker, m, f);
    admin_refuse(o->channel, m->id, "permission denied");
    return 0;
}

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct caller *o = arg;
    struct admin *a = o->admin;
    struct admin_request r;
    if (ipc_unsent(ch) > UNSENT_MAX)
        return fail_set(f, "more is asked than is read");
    if (m->type >= MSG_SUPPRESS_LIST && m->type <= MSG_SUPPRESS_FIND)
        return serve_suppress(a, o, m, f);
    if (admin_read(m, &r, f) != 0)
        return -1;
    if (!o->trusted && !everyone_may(r.type)) {
        admin_refuse(ch, m->id, "permission denied");
        admin_request_clear(&r);
        return 0;
    }
    switch (r.type) {
    case MSG_ADMIN_QUEUE_LIST:
        list(a, o, m->id, &r, TABLE_RCPT, take_queued);
        break;
    case MSG_ADMIN_RETIRED_LIST:
        list(a, o, m->id, &r, TABLE_RETIRED, take_retired);
        break;
    case MSG_ADMIN_QUEUE_SHOW:
        show_queued(a, o, m->id, r.id);
        break;
    case MSG_ADMIN_RETIRED_SHOW:
        show_retired(a, o, m->id, r.id);
        break;
    case MSG_ADMIN_HOOK_LIST:
        list_hooks(a, o, m->id, &r);
        break;
    case MSG_ADMIN_QUEUE_ACT:
        act(a, o, m->id, &r);
        break;
    default:
        counts(a, o, m->id);
    }
    admin_request_clear(&r);
    return 0;
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    free_caller(arg);
}

/* Whether one of the peer's supplementary groups, as they were when it connected, is this one. */
static bool has_group(int fd, int64_t gid)
{
    gid_t groups[GROUPS_MAX];
    socklen_t len = sizeof groups;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) != 0)
        return false;
    for (size_t i = 0; i < len / sizeof groups[0]; i++) {
        if ((int64_t)groups[i] == gid)
            return true;
    }
    return false;
}

static bool is_trusted(const struct admin *a, int fd)
{
    struct ucred cred;
    socklen_t len = sizeof cred;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
        return false;
    return cred.uid == 0 || (int64_t)cred.uid == a->uid ||
           (a->gid >= 0 && ((int64_t)cred.gid == a->gid || has_group(fd, a->gid)));
}

static bool is_room(const struct admin *a, bool trusted)
{
    return a->callers_n < CALLERS_MAX && (trusted || a->strangers_n < STRANGERS_MAX);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct admin *a = arg;
    int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (peer < 0)
        return;
    bool trusted = is_trusted(a, peer);
    if (!is_room(a, trusted)) {
        log_warn(NULL, "too many connections to the admin socket",
                 LU("limit", trusted ? CALLERS_MAX : STRANGERS_MAX));
        (void)close(peer);
        return;
    }
    struct caller *o = mem_zero(sizeof *o);
    o->admin = a;
    o->number = ++a->last_number;
    o->trusted = trusted;
    a->strangers_n += !trusted;
    o->channel = ipc_new(a->queue->base, peer, "admin", &handler, o);
    LIST_INSERT_HEAD(&a->callers, o, next);
    a->callers_n++;
}

void admin_listen(struct admin *a, int fd)
{
    close_socket(a);
    a->fd = fd;
    (void)evutil_make_socket_nonblocking(fd);
    a->readable = event_new(a->queue->base, fd, EV_READ | EV_PERSIST, on_readable, a);
    (void)event_add(a->readable, NULL);
}
