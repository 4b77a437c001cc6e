#include "delivery.h"

#include <string.h>

#include "agents.h"
#include "bodies.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "mend.h"
#include "proto_deliver.h"
#include "qid.h"
#include "returned.h"
#include "route.h"
#include "schedule.h"
#include "settle.h"
#include "sites.h"
#include "stscache.h"
#include "suppress.h"
#include "tables.h"

#define PARKED_A_TURN 8 /* of a stream: then others have their turn */

struct delivery {
    struct queue *queue;
    struct sites *sites;
    struct window *window;
    struct stream *stream;           /* while recipients are gathered */
    struct destination *destination; /* which stays as long as this is counted as its delivery */
    struct server *server; /* all of the transport's mail goes there; NULL where it does not */
    enum due_class class;
    bool asked;  /* the agent counts it, and the server */
    bool lists;  /* there are suppression lists at all */
    bool exempt; /* from a suspension */
    enum settle_how how;
    bool lost; /* the transport that the operator chose is no longer there */
    struct deliver_job *job;
    struct msg_row row; /* for the body: size, kind, file */
    uint64_t row_of;    /* the message; 0 while there is none */
    /* While recipients are gathered, of which there may be thousands: */
    bool shared;           /* one transport does for many of them: */
    const char *transport; /* for those of row_of that were tried so often; NULL: not known yet */
    int attempts;
    char *from_id; /* of all its recipients: they have one sender */
    struct body *body;
    int64_t start_ms;
    delivery_on_end *on_end;
    void *arg;
};

static void add_recipient(struct deliver_job *job, uint64_t id, const struct rcpt_row *r)
{
    job->recipients =
        mem_resize(job->recipients, (job->recipients_n + 1) * sizeof *job->recipients);
    job->recipients[job->recipients_n++] =
        (struct deliver_recipient){id, mem_text(r->address), mem_text(r->orcpt), r->notify};
}

static struct deliver_job *make_job(const struct settings *s, uint64_t message,
                                    const struct msg_row *row, const struct route *route,
                                    const struct rcpt_row *r)
{
    struct deliver_job *job = mem_zero(sizeof *job);
    const struct submit_envelope *e = row->envelope;
    job->message = message;
    job->transport = mem_text(route->transport);
    job->destination = mem_text(route->destination);
    job->sender = settings_return_path(s, e->sender, r->from_id);
    job->envid = mem_text(e->envid);
    job->ret = mem_text(e->ret);
    job->flags = rcpt_row_flags(r, e->flags);
    job->attempt = (uint16_t)(r->attempts + 1);
    job->size = row->size;
    return job;
}

/* What led to this item leads to nothing good. */
static void give_to_mend(struct delivery *v, const struct item *i)
{
    const struct due due = {v->class, i->next_ms, i->id};
    struct key k = key_due(due);
    mend_index(v->queue->mend, TABLE_DUE, &k);
    k = key_dest(v->stream->id, due);
    mend_index(v->queue->mend, TABLE_DEST, &k);
}

/* A recipient that is there, due and not held. */
static bool read_due(struct delivery *v, struct store_txn *t, const struct item *i,
                     struct rcpt_row *r)
{
    struct key k = key_id(i->id);
    struct span value;
    if (!store_get(t, TABLE_RCPT, key_span(&k), &value) || rcpt_row_read(value, r) != 0) {
        give_to_mend(v, i);
        return false;
    }
    bool fits = !r->held && r->next_ms <= v->start_ms;
    /* An operator's doing; or a row of the index that should not be there. */
    if (!fits || r->next_ms != i->next_ms || r->again != (v->class == DUE_AGAIN))
        give_to_mend(v, i);
    if (!fits)
        rcpt_row_clear(r);
    return fits;
}

/* The row of the message, unless it is the one that was read last. */
static bool read_message(struct delivery *v, struct store_txn *t, uint64_t id)
{
    struct key k = key_id(id);
    struct span value;
    if (v->row_of == id)
        return true;
    msg_row_clear(&v->row);
    v->transport = NULL;
    bool read = store_get(t, TABLE_MSG, key_span(&k), &value) && msg_row_read(value, &v->row) == 0;
    v->row_of = read ? id : 0;
    return read;
}

static struct route choose_route(struct delivery *v, const struct rcpt_row *r)
{
    bool shared = v->shared && r->transport[0] == '\0';
    if (shared && v->transport != NULL && v->attempts == r->attempts)
        return (struct route){v->transport, address_domain(r->address)};
    struct route route = route_choose(v->queue->settings, v->row.envelope, r);
    if (shared) {
        v->transport = route.transport;
        v->attempts = r->attempts;
    }
    return route;
}

static bool is_suppressed(const struct delivery *v, struct store_txn *t, const struct rcpt_row *r)
{
    const char *account = v->row.envelope->account;
    return v->lists && account[0] != '\0' &&
           suppress_lookup(&v->queue->ledger, t, account, r->address, v->start_ms, NULL);
}

/* Whether it comes back to a from id of ours: then *account is whose. */
static bool is_returned(const struct delivery *v, struct store_txn *t, const struct rcpt_row *r,
                        const char **account)
{
    return v->row.envelope->origin == SUBMIT_SMTP && !r->is_ordinary &&
           returned_is_ours(&v->queue->ledger, t, v->queue->settings, r->address, account);
}

static bool same_route(const struct route *a, const struct deliver_job *job)
{
    return strcmp(a->transport, job->transport) == 0 &&
           strcmp(a->destination, job->destination) == 0;
}

static bool is_of_message(const struct delivery *v, const struct item *i)
{
    return i->id >= v->row_of && i->id < v->row_of + v->row.recipients;
}

/* The rest of the waiting list that may go along. */
static void gather(struct delivery *v, struct store_txn *t)
{
    const struct settings *s = v->queue->settings;
    struct item *i, *next;
    for (i = TAILQ_FIRST(&v->stream->items); i != NULL; i = next) {
        struct rcpt_row r;
        next = TAILQ_NEXT(i, next);
        if (v->job->recipients_n >= (uint32_t)s->destination_recipients || !is_of_message(v, i))
            break;
        if (!read_due(v, t, i, &r)) {
            window_remove(v->window, i);
            continue;
        }
        struct route route = choose_route(v, &r);
        const char *account;
        bool same = same_route(&route, v->job) && r.attempts + 1 == v->job->attempt &&
                    strcmp(r.from_id, v->from_id) == 0 && !is_suppressed(v, t, &r) &&
                    !is_returned(v, t, &r, &account) &&
                    rcpt_row_flags(&r, v->row.envelope->flags) == v->job->flags;
        if (same) {
            add_recipient(v->job, i->id, &r);
            window_set_trying(v->window, i);
        }
        rcpt_row_clear(&r);
        if (!same)
            break;
    }
}

static void free_delivery(struct delivery *v)
{
    deliver_job_free(&v->job);
    msg_row_clear(&v->row);
    mem_free(&v->from_id);
    mem_free(&v);
}

static void end(struct delivery *v, const struct deliver_result *results, uint32_t n,
                const struct settle_said *said)
{
    const struct delivery_end e = {
        v->destination, v->server, v->class, v->job->transport, v->job->destination, v->asked,
        v->exempt,      results,   n};
    if (v->asked) {
        bodies_put_back(v->queue->bodies, v->body, v->class);
        agents_end(v->queue->agents, v->job->transport, v->class);
        sites_end(v->server, v->class);
    }
    const struct settle_attempt attempt = {.message = v->job->message,
                                           .transport = v->job->transport,
                                           .how = v->how,
                                           .mailbox = v->how == SETTLE_MAILBOX ? v->job->destination
                                                                               : NULL,
                                           .said = *said};
    settle_results(v->queue, &attempt, results, n);
    v->on_end(v->arg, &e);
    free_delivery(v);
}

/* Where no agent spoke, we do: the same for each recipient. */
static void end_as(struct delivery *v, enum deliver_status status, const char *enhanced,
                   const char *stage, const char *host, const char *error)
{
    uint32_t n = v->job->recipients_n;
    struct deliver_result *results = mem_array(n, sizeof *results);
    for (uint32_t i = 0; i < n; i++) {
        results[i] = deliver_result_new(v->job->recipients[i].id, status);
        submit_set(&results[i].enhanced, enhanced);
        submit_set(&results[i].stage, stage);
        submit_set(&results[i].remote_host, host);
        submit_set(&results[i].error, error);
        results[i].start_ms = v->start_ms;
        results[i].duration_ms = (uint32_t)(clock_wall_ms() - v->start_ms);
    }
    end(v, results, n, &(struct settle_said){NULL, NULL});
    for (uint32_t i = 0; i < n; i++)
        deliver_result_clear(&results[i]);
    mem_free(&results);
}

static void end_with(struct delivery *v, const char *enhanced, const char *stage, const char *host,
                     const char *error)
{
    end_as(v, DELIVER_DEFERRED, enhanced, stage, host, error);
}

static void end_with_lost(struct delivery *v)
{
    char *why = mem_format("the transport %s, chosen for this message, is not in the configuration",
                           v->job->transport);
    end_with(v, "4.3.5", "queue", "", why);
    mem_free(&why);
}

static void on_results(void *arg, const struct deliver_result *results, uint32_t n,
                       const struct deliver_report *report, const struct deliver_incoming *incoming)
{
    struct delivery *v = arg;
    if (results == NULL)
        end_with(v, "4.3.0", "agent", "",
                 "the delivery agent ended before it said what became of this");
    else
        end(v, results, n, &(struct settle_said){report, incoming});
}

static void on_body(void *arg, struct body *body, int fd, const char *why)
{
    struct delivery *v = arg;
    v->body = body;
    if (fd < 0) {
        log_error(NULL, "cannot read a message", LU("id", v->job->message), LS("why", why));
        end_with(v, "4.3.0", "queue", "", why);
        return;
    }
    struct ipc *agent = agents_find(v->queue->agents, v->job->transport);
    if (agent == NULL)
        end_with(v, "4.3.0", "agent", "", "the delivery agent is not there");
    else
        deliver_ask(agent, v->job, fd, on_results, v);
}

/* Before any transport is thought of: no connection is made. */
static void begin_suppressed(struct delivery *v, struct item *i, const struct rcpt_row *r)
{
    const struct route none = {"", address_domain(r->address)};
    v->how = SETTLE_SUPPRESSED;
    v->server = NULL;
    v->job = make_job(v->queue->settings, r->message, &v->row, &none, r);
    v->from_id = mem_text(r->from_id);
    add_recipient(v->job, i->id, r);
    window_use_right(v->stream);
    window_set_trying(v->window, i);
}

/* What comes back to a from id is read on its way into the mailbox of its account; where that has
 * none, instead of it. */
static void want_report(struct delivery *v, struct store_txn *t, const struct rcpt_row *r,
                        struct route *route, uint8_t *wants)
{
    const char *account;
    if (!is_returned(v, t, r, &account))
        return;
    if (settings_mailbox(v->queue->settings, r->address) == NULL) {
        *route = (struct route){"local", account};
        *wants = DELIVER_WANTS_REPORT | DELIVER_WANTS_CONSUMED;
        v->how = SETTLE_CONSUMED;
    } else if (strcmp(route->transport, "local") == 0) {
        *wants = DELIVER_WANTS_REPORT;
    }
}

/* What goes into a mailbox is described to the account's application, if it wants to hear. Notices
 * of ours are none of its business. */
static void want_incoming(const struct delivery *v, const struct route *route, uint8_t *wants)
{
    if (v->how == SETTLE_MAILBOX && v->row.envelope->origin != SUBMIT_DSN &&
        settings_incoming(v->queue->settings, route->destination) != NULL)
        *wants |= DELIVER_WANTS_INCOMING;
}

/* For the transport, or for the server that it leads to. */
static bool has_to_wait(const struct delivery *v, const char *transport)
{
    bool idle = v->stream->owner->trying == 0;
    return agents_room(v->queue->agents, transport, v->class, idle) == 0 ||
           sites_room(v->server, v->class, idle) == 0 ||
           window_is_behind(v->window, v->stream, transport);
}

/* Whether what keeps others out does not concern this one: TLS that cannot be had as the
 * destination demands it, of a message that can do without (RFC 8689 section 5). Reports about the
 * trouble are of that kind. */
static bool is_exempt(const struct delivery *v, const struct rcpt_row *r, const struct pause *p)
{
    return (rcpt_row_flags(r, v->row.envelope->flags) & SUBMIT_TLS_OPTIONAL) != 0 &&
           strcmp(p->stage, "starttls") == 0;
}

/* Half of the class's places stays for those that need not wait. */
static uint64_t most_parked(const struct delivery *v)
{
    return (uint64_t)v->queue->settings->window / DUE_CLASSES / 2;
}

/* The item, the stream's first, waits for the transport. So do those behind it of the same message,
 * without their rows being read, where they go the same way; one for which the operator chose
 * another finds out when they are let go on. */
static void park(struct delivery *v, struct item *i, const struct rcpt_row *r,
                 const char *transport)
{
    bool all = v->shared && r->transport[0] == '\0' && v->class == DUE_FIRST;
    struct item *next = i;
    do {
        i = next;
        next = TAILQ_NEXT(i, next);
        window_park(v->window, i, r->message, transport, most_parked(v));
    } while (all && next != NULL && is_of_message(v, next));
}

/* The same for memory, which is that of the message, whatever the transport. */
static void park_for_memory(struct delivery *v, struct item *i)
{
    bool small = bodies_is_small(v->queue->bodies, v->row.size);
    struct item *next = i;
    do {
        i = next;
        next = TAILQ_NEXT(i, next);
        window_park_for_memory(v->window, i, v->row_of, small, most_parked(v));
    } while (next != NULL && is_of_message(v, next));
}

static enum delivery_start prepare(struct delivery *v, struct store_txn *t, struct item *i,
                                   const struct rcpt_row *r, const struct pause **pause)
{
    struct queue *q = v->queue;
    if (!read_message(v, t, r->message)) {
        give_to_mend(v, i);
        window_remove(v->window, i);
        return DELIVERY_NOTHING;
    }
    if (is_suppressed(v, t, r)) {
        begin_suppressed(v, i, r);
        return DELIVERY_STARTED;
    }
    struct route route = choose_route(v, r);
    uint8_t wants = 0;
    v->how = strcmp(route.transport, "local") == 0 ? SETTLE_MAILBOX : SETTLE_NEXT_HOP;
    want_report(v, t, r, &route, &wants);
    want_incoming(v, &route, &wants);
    v->server = sites_server(v->sites, q->settings, route.transport);
    *pause = sites_pause(v->destination, v->server, route.transport, v->start_ms);
    v->exempt = *pause != NULL && is_exempt(v, r, *pause);
    if (v->exempt)
        *pause = NULL;
    v->lost = !settings_has_transport(q->settings, route.transport);
    if (*pause == NULL && !v->lost && has_to_wait(v, route.transport)) {
        park(v, i, r, route.transport);
        return DELIVERY_NOTHING;
    }
    if (*pause == NULL && !v->lost &&
        !bodies_may_have(q->bodies, r->message, v->row.size, v->stream->owner)) {
        park_for_memory(v, i);
        return DELIVERY_NOTHING;
    }
    v->job = make_job(q->settings, r->message, &v->row, &route, r);
    v->job->wants = wants;
    v->from_id = mem_text(r->from_id);
    if (v->server == NULL && strcmp(route.transport, "local") != 0)
        (void)sts_find(&q->ledger, t, route.destination, v->start_ms, &v->job->sts);
    add_recipient(v->job, i->id, r);
    window_use_right(v->stream);
    window_set_trying(v->window, i);
    if (wants == 0)
        gather(v, t);
    return DELIVERY_STARTED;
}

static void ask(struct delivery *v)
{
    v->asked = true;
    agents_begin(v->queue->agents, v->job->transport, v->class);
    sites_begin(v->server, v->class);
    bodies_get(v->queue->bodies, v->job->message, &v->row, v->stream->owner, on_body, v);
}

enum delivery_start delivery_start(struct queue *q, struct sites *sites, struct stream *s,
                                   delivery_on_end *on_end, void *arg)
{
    struct delivery *v = mem_zero(sizeof *v);
    const struct pause *pause = NULL;
    enum delivery_start outcome = DELIVERY_NOTHING;
    struct item *i;
    *v = (struct delivery){.queue = q,
                           .sites = sites,
                           .window = sites->window,
                           .stream = s,
                           .destination = s->destination,
                           .class = s->class,
                           .start_ms = clock_wall_ms(),
                           .on_end = on_end,
                           .arg = arg};
    struct store_txn *t = store_begin(q->store, false);
    v->lists = suppress_any(&q->ledger);
    for (int n = 0; outcome == DELIVERY_NOTHING && n < PARKED_A_TURN; n++) {
        struct rcpt_row r;
        if ((i = TAILQ_FIRST(&s->items)) == NULL)
            break;
        if (!read_due(v, t, i, &r)) {
            window_remove(v->window, i);
            continue;
        }
        if (v->row_of == 0)
            v->shared = route_is_shared(q->settings, address_domain(r.address));
        outcome = prepare(v, t, i, &r, &pause);
        rcpt_row_clear(&r);
    }
    store_abort(&t);
    if (outcome != DELIVERY_STARTED)
        free_delivery(v);
    else if (v->how == SETTLE_SUPPRESSED)
        end_as(v, DELIVER_FAILED, "5.7.0", DELIVER_STAGE_SUPPRESSED, "",
               "the address is on the suppression list of the account");
    else if (v->lost)
        end_with_lost(v);
    else if (pause != NULL)
        end_with(v, pause->enhanced, pause->stage, pause->host, pause->why);
    else
        ask(v);
    return outcome;
}
