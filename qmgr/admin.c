#include "admin.h"

#include <bsd/sys/queue.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "act.h"
#include "file.h"
#include "holdrule.h"
#include "hooktest.h"
#include "listpage.h"
#include "log.h"
#include "match.h"
#include "mem.h"
#include "proto_admin.h"
#include "purge.h"
#include "schedule.h"
#include "suppress.h"
#include "tables.h"

#define UNSENT_MAX 4 /* answers that wait for an operator to read */
#define GROUPS_MAX 1024
#define CALLERS_MAX 64 /* connections at once */
/* Of them, of people who may only look: the others stay for who may act. */
#define STRANGERS_MAX 32

struct caller {
    LIST_ENTRY(caller) next;
    struct admin *admin;
    struct ipc *channel;
    uint64_t number;
    bool trusted, looking; /* looking: for a page that was asked for */
    bool testing;          /* a webhook, for this caller */
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

static struct caller *find_caller(struct admin *a, uint64_t number)
{
    struct caller *o;
    LIST_FOREACH (o, &a->callers, next) {
        if (o->number == number)
            return o;
    }
    return NULL;
}

/* A page that is being looked for, in the reading thread. */
struct look {
    struct work work;
    struct admin *admin;
    uint64_t caller, request;
    struct listpage page;
};

static void look(struct work *w)
{
    struct look *k = (struct look *)w;
    struct queue *q = k->admin->queue;
    listpage_read(&k->page, q->store, q->ledger.secret);
}

static void looked(struct work *w)
{
    struct look *k = (struct look *)w;
    struct caller *o = find_caller(k->admin, k->caller);
    struct admin_page *rows = &k->page.rows;
    if (o != NULL) {
        o->looking = false;
        for (uint32_t i = 0; i < rows->rows_n && k->page.list == ADMIN_QUEUE; i++)
            rows->rows[i].trying = schedule_is_trying(k->admin->queue->schedule, rows->rows[i].id);
        if (k->page.list >= ADMIN_HOOKS)
            admin_answer_hooks(o->channel, k->request, &k->page.hooks);
        else
            admin_answer_page(o->channel, k->request, rows);
    }
    listpage_clear(&k->page);
    mem_free(&k);
}

/* Takes the query. One page at a time: whoever asks without waiting for answers is shown out. */
static int list(struct admin *a, struct caller *o, uint64_t request, struct admin_request *r,
                struct fail *f)
{
    if (o->looking)
        return fail_set(f, "more is asked than is read");
    struct look *k = mem_zero(sizeof *k);
    *k = (struct look){.work = {.run = look, .done = looked},
                       .admin = a,
                       .caller = o->number,
                       .request = request,
                       .page = {.list = r->list, .query = r->query, .us = LISTPAGE_US}};
    r->query = (struct admin_query){0};
    o->looking = true;
    worker_add(a->queue->reader, &k->work);
    return 0;
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
        struct admin_item item = {.row = match_row(m, id, &r),
                                  .orcpt = r.orcpt,
                                  .envid = m->envelope->envid,
                                  .from_id = r.from_id,
                                  .client = m->envelope->client,
                                  .flags = rcpt_row_flags(&r, m->envelope->flags),
                                  .not_before_ms = m->envelope->not_before_ms,
                                  .extra = m->envelope->extra,
                                  .extra_n = m->envelope->extra_n,
                                  .attempts = r.results,
                                  .attempts_n = r.results_n};
        item.row.trying = schedule_is_trying(a->queue->schedule, id);
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

static void show_hook(struct admin *a, struct caller *o, uint64_t request, bool retired,
                      uint64_t id)
{
    struct key k = key_id(id);
    struct span value;
    struct hook_row h;
    struct store_txn *t = store_begin(a->queue->store, false);
    if (store_get(t, retired ? TABLE_HOOKRETIRED : TABLE_HOOK, key_span(&k), &value) &&
        hook_row_read(value, &h) == 0) {
        struct admin_hook_item item = {.row = match_hook_row(id, &h),
                                       .authorization = h.authorization[0] != '\0',
                                       .payload = h.payload,
                                       .superseded_by = h.superseded_by,
                                       .keep_until_ms = h.keep_until_ms,
                                       .attempts = h.results,
                                       .attempts_n = h.results_n};
        admin_answer_hook(o->channel, request, &item);
        admin_hook_row_clear(&item.row);
        hook_row_clear(&h);
    } else {
        admin_refuse(o->channel, request,
                     retired ? "no such webhook in the history" : "no such webhook in the queue");
    }
    store_abort(&t);
}

static void counts(struct admin *a, struct caller *o, uint64_t request)
{
    struct store *s = a->queue->store;
    struct store_space space = {0};
    struct fail f;
    (void)store_space(s, &space, &f);
    struct admin_counts c = {.messages = store_rows(s, TABLE_MSG),
                             .recipients = store_rows(s, TABLE_RCPT),
                             .held = store_rows(s, TABLE_HELD),
                             .trying = schedule_trying(a->queue->schedule),
                             .due = store_rows(s, TABLE_DUE),
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

static struct asked *ask_of(struct admin *a, const struct caller *o, uint64_t request)
{
    struct asked *k = mem_alloc(sizeof *k);
    *k = (struct asked){a, o->number, request};
    return k;
}

static void on_acted(void *arg, const struct admin_acted *acted, const char *why)
{
    struct asked *k = arg;
    struct caller *o = find_caller(k->admin, k->caller);
    if (o != NULL && why == NULL)
        admin_answer_acted(o->channel, k->request, acted);
    else if (o != NULL)
        admin_refuse(o->channel, k->request, why);
    mem_free(&k);
}

static void act(struct admin *a, struct caller *o, uint64_t request, struct admin_request *r)
{
    const char *transport = r->terms.transport;
    if (r->type == MSG_ADMIN_QUEUE_ACT && r->action == ADMIN_TRANSPORT && transport[0] != '\0' &&
        !settings_may_choose(a->queue->settings, transport)) {
        char *why = mem_format("no such transport: %.80s", transport);
        admin_refuse(o->channel, request, why);
        mem_free(&why);
        return;
    }
    const struct act act = {.hooks = r->type == MSG_ADMIN_HOOK_ACT,
                            .action = r->action,
                            .hook_action = r->hook_action,
                            .by_ms = r->by_ms,
                            .dry = r->dry,
                            .after = r->after,
                            .until = r->until,
                            .terms = r->terms};
    act_start(a->queue, &act, &r->query.filter, on_acted, ask_of(a, o, request));
}

/* ---- accounts that are gone ---- */

static void on_purged(void *arg, const struct admin_purged *purged, const char *why)
{
    struct asked *k = arg;
    struct caller *o = find_caller(k->admin, k->caller);
    if (o != NULL && why == NULL)
        admin_answer_purged(o->channel, k->request, purged);
    else if (o != NULL)
        admin_refuse(o->channel, k->request, why);
    mem_free(&k);
}

static void purge(struct admin *a, struct caller *o, uint64_t request,
                  const struct admin_request *r)
{
    if (r->account[0] == '\0') /* under which what is nobody's stands */
        admin_refuse(o->channel, request, "no such account");
    else
        purge_start(a->queue, r->account, r->dry, on_purged, ask_of(a, o, request));
}

/* ---- a call of a webhook ---- */

static void on_tested(void *arg, const struct admin_hook_item *item, const char *why)
{
    struct asked *k = arg;
    struct caller *o = find_caller(k->admin, k->caller);
    if (o != NULL)
        o->testing = false;
    if (o != NULL && item != NULL)
        admin_answer_hook(o->channel, k->request, item);
    else if (o != NULL)
        admin_refuse(o->channel, k->request, why);
    mem_free(&k);
}

/* One at a time, as with pages. */
static int test_hook(struct admin *a, struct caller *o, uint64_t request,
                     const struct admin_request *r, struct fail *f)
{
    if (o->testing)
        return fail_set(f, "more is asked than is read");
    o->testing = true;
    hooktest_start(a->queue, r->account, r->incoming, r->event, on_tested, ask_of(a, o, request));
    return 0;
}

/* ---- hold rules ---- */

static void list_rules(struct admin *a, struct caller *o, uint64_t request)
{
    struct store_txn *t = store_begin(a->queue->store, false);
    struct admin_hold_rules rules = holdrule_list(t);
    store_abort(&t);
    admin_answer_rules(o->channel, request, &rules);
    admin_hold_rules_clear(&rules);
}

static void on_added(void *arg, uint64_t id, const struct admin_acted *acted, const char *why)
{
    struct asked *k = arg;
    struct caller *o = find_caller(k->admin, k->caller);
    if (o != NULL && why == NULL) {
        admin_answer_added(o->channel, k->request, id, acted);
    } else if (o != NULL && id != 0) {
        char *text = mem_format("rule %llu is there, but not all that it means is held: %s",
                                (unsigned long long)id, why);
        admin_refuse(o->channel, k->request, text);
        mem_free(&text);
    } else if (o != NULL) {
        admin_refuse(o->channel, k->request, why);
    }
    mem_free(&k);
}

static void on_removed(void *arg, const char *why)
{
    struct asked *k = arg;
    struct caller *o = find_caller(k->admin, k->caller);
    if (o != NULL && why == NULL)
        admin_answer_removed(o->channel, k->request);
    else if (o != NULL)
        admin_refuse(o->channel, k->request, why);
    mem_free(&k);
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
    int rc = 0;
    switch (r.type) {
    case MSG_ADMIN_QUEUE_LIST:
    case MSG_ADMIN_RETIRED_LIST:
    case MSG_ADMIN_HOOK_LIST:
    case MSG_ADMIN_HOOKRETIRED_LIST:
        rc = list(a, o, m->id, &r, f);
        break;
    case MSG_ADMIN_QUEUE_SHOW:
        show_queued(a, o, m->id, r.id);
        break;
    case MSG_ADMIN_RETIRED_SHOW:
        show_retired(a, o, m->id, r.id);
        break;
    case MSG_ADMIN_HOOK_SHOW:
    case MSG_ADMIN_HOOKRETIRED_SHOW:
        show_hook(a, o, m->id, r.type == MSG_ADMIN_HOOKRETIRED_SHOW, r.id);
        break;
    case MSG_ADMIN_QUEUE_ACT:
    case MSG_ADMIN_HOOK_ACT:
        act(a, o, m->id, &r);
        break;
    case MSG_ADMIN_HOOK_TEST:
        rc = test_hook(a, o, m->id, &r, f);
        break;
    case MSG_ADMIN_PURGE:
        purge(a, o, m->id, &r);
        break;
    case MSG_ADMIN_HOLD_LIST:
        list_rules(a, o, m->id);
        break;
    case MSG_ADMIN_HOLD_ADD:
        holdrule_add(a->queue, &r.rule, on_added, ask_of(a, o, m->id));
        break;
    case MSG_ADMIN_HOLD_REMOVE:
        holdrule_remove(a->queue, r.id, on_removed, ask_of(a, o, m->id));
        break;
    default:
        counts(a, o, m->id);
    }
    admin_request_clear(&r);
    return rc;
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
