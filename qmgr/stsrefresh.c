#include "stsrefresh.h"

#include <assert.h>

#include <bsd/sys/queue.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "proto_fetch.h"
#include "stscache.h"
#include "tables.h"

#define ROWS_A_LOOK 500

/* One policy that is being fetched, and then written down. */
struct renewal {
    struct change change;
    LIST_ENTRY(renewal) next;
    struct stsrefresh *refresh;
    uint64_t key; /* of its row */
    char *domain;
    struct mtasts_policy *policy; /* NULL: the fetch failed */
};

struct stsrefresh {
    struct queue *queue;
    struct ipc *channel;
    struct event *timer;
    LIST_HEAD(, renewal) list;
    unsigned renewals;
    uint64_t at; /* where the round through the table is */
    bool stopped;
};

static void free_renewal(struct renewal *n)
{
    LIST_REMOVE(n, next);
    n->refresh->renewals--;
    mtasts_policy_free(&n->policy);
    mem_free(&n->domain);
    mem_free(&n);
}

static void apply(struct change *change, struct store_txn *t)
{
    struct renewal *n = (struct renewal *)change;
    sts_renew(&n->refresh->queue->ledger, t, n->domain, n->policy, clock_wall_ms());
}

static void done(struct change *change, const char *why)
{
    struct renewal *n = (struct renewal *)change;
    if (why != NULL)
        log_warn(NULL, "a renewed policy is not kept", LS("domain", n->domain), LS("why", why));
    free_renewal(n);
}

static void on_end(void *arg, const struct fetched_policy *p)
{
    struct renewal *n = arg;
    if (p == NULL) { /* hooks went away: as if it had not been asked */
        free_renewal(n);
        return;
    }
    n->policy = mtasts_policy_copy(p->policy);
    n->change.apply = apply;
    n->change.done = done;
    n->change.when = COMMIT_ASIDE;
    commit_add(n->refresh->queue->commit, &n->change);
}

static bool is_under_way(const struct stsrefresh *r, uint64_t key)
{
    const struct renewal *n;
    LIST_FOREACH (n, &r->list, next) {
        if (n->key == key)
            return true;
    }
    return false;
}

static void fetch(struct stsrefresh *r, uint64_t key, const char *domain)
{
    struct renewal *n = mem_zero(sizeof *n);
    n->refresh = r;
    n->key = key;
    n->domain = mem_text(domain);
    LIST_INSERT_HEAD(&r->list, n, next);
    r->renewals++;
    (void)fetch_policy_ask(r->channel, domain, on_end, n);
}

static void look_at(struct stsrefresh *r, const struct store_cursor *c, int64_t now_ms)
{
    struct sts_row row;
    uint64_t key;
    if (key_read_id(c->key, &key) != 0 || sts_row_read(c->value, &row) != 0)
        return; /* the janitor's */
    if (sts_wants_renewal(&row, now_ms) && !is_under_way(r, key))
        fetch(r, key, row.domain);
    sts_row_clear(&row);
}

void stsrefresh_look(struct stsrefresh *r)
{
    struct store_txn *t = store_begin(r->queue->store, false);
    struct store_cursor c = store_cursor(t, TABLE_STS);
    struct key from = key_id(r->at);
    bool at = store_seek(&c, key_span(&from));
    int64_t now_ms = clock_wall_ms();
    for (int rows = 0; at && rows < ROWS_A_LOOK && r->channel != NULL && !r->stopped &&
                       r->renewals < STSREFRESH_FETCHES;
         rows++) {
        look_at(r, &c, now_ms);
        at = store_next(&c);
    }
    if (!at || key_read_id(c.key, &r->at) != 0)
        r->at = 0; /* the round begins anew */
    store_cursor_close(&c);
    store_abort(&t);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
    stsrefresh_look(arg);
}

struct stsrefresh *stsrefresh_new(struct queue *q)
{
    const struct timeval tick = {STSREFRESH_TICK_MS / 1000, (STSREFRESH_TICK_MS % 1000) * 1000};
    struct stsrefresh *r = mem_zero(sizeof *r);
    r->queue = q;
    LIST_INIT(&r->list);
    r->timer = event_new(q->base, -1, EV_PERSIST, on_timer, r);
    assert(r->timer != NULL);
    (void)event_add(r->timer, &tick);
    return r;
}

void stsrefresh_free(struct stsrefresh **rp)
{
    struct renewal *n;
    if (*rp == NULL)
        return;
    ipc_free(&(*rp)->channel);
    while ((n = LIST_FIRST(&(*rp)->list)) != NULL)
        free_renewal(n);
    event_free((*rp)->timer);
    mem_free(rp);
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct stsrefresh *r = arg;
    ipc_free(&r->channel);
    service_link_lost(r->queue->service, "fetch");
}

void stsrefresh_link(struct stsrefresh *r, int fd)
{
    static const struct ipc_handler handler = {NULL, on_closed};
    struct ipc *old = r->channel;
    r->channel = NULL;
    ipc_free(&old);
    r->channel = ipc_new(r->queue->base, fd, "fetch", &handler, r);
}

void stsrefresh_stop(struct stsrefresh *r)
{
    r->stopped = true;
}
