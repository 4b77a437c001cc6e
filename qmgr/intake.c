#include "intake.h"

#include <assert.h>
#include <bsd/sys/queue.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "bodies.h"
#include "body.h"
#include "file.h"
#include "fromid.h"
#include "hookq.h"
#include "log.h"
#include "mem.h"
#include "once.h"
#include "proto_submit.h"
#include "qid.h"
#include "quota.h"
#include "rand.h"
#include "room.h"
#include "schedule.h"
#include "suppress.h"

/* A peer that asks us. Requests under way refer to it by number, since it may go away before they
 * are answered. */
struct peer {
    LIST_ENTRY(peer) next;
    struct intake *intake;
    struct ipc *channel;
    uint64_t number;
    char name[48];
};

/* The good answer to a message that is in the store: given later, since room gets short. */
struct later {
    LIST_ENTRY(later) next;
    struct intake *intake;
    uint64_t peer, request, id;
    struct ledger_ids ids;
    struct event *timer;
};

struct intake {
    struct queue *queue;
    LIST_HEAD(, peer) peers;
    LIST_HEAD(, later) later;
    uint64_t last_number;
    bool stopped;
};

/* One message on its way into the store. */
struct arrival {
    struct change change;
    struct work work;
    struct intake *intake;
    uint64_t peer, request;
    struct submit_envelope *envelope;
    struct body_source source;
    int body;
    struct fail file_fail;
    struct settings_limits limits;
    int64_t once_until_ms;
    bool makes_ids;   /* for its recipients */
    bool looks_first; /* whether they are on the suppression list */
    struct ledger_ids ids;
    /* what apply found */
    uint64_t id;
    bool *held;             /* of each recipient: by a rule */
    bool full;              /* the store has no room for it */
    enum submit_why why;    /* other than SUBMIT_WHY_OTHER: it is not taken */
    struct once_row before; /* its message_id is not NULL: it was taken before, as that */
};

struct intake *intake_new(struct queue *q)
{
    struct intake *i = mem_zero(sizeof *i);
    i->queue = q;
    LIST_INIT(&i->peers);
    LIST_INIT(&i->later);
    return i;
}

static void free_peer(struct peer *p)
{
    LIST_REMOVE(p, next);
    ipc_free(&p->channel);
    mem_free(&p);
}

static struct ipc *channel_of(const struct intake *i, uint64_t number)
{
    const struct peer *p;
    LIST_FOREACH (p, &i->peers, next) {
        if (p->number == number)
            return p->channel;
    }
    return NULL;
}

static void accept_now(struct intake *i, uint64_t peer, uint64_t request, uint64_t id,
                       const struct ledger_ids *ids)
{
    const struct submit_reply reply = {
        .accepted = true, .id = id, .from_ids = ids->made, .from_ids_n = ids->n};
    struct ipc *ch = channel_of(i, peer);
    if (ch != NULL)
        submit_accept_as(ch, request, &reply);
}

static void end_later(struct later *l)
{
    accept_now(l->intake, l->peer, l->request, l->id, &l->ids);
    ledger_ids_clear(&l->ids);
    LIST_REMOVE(l, next);
    event_free(l->timer);
    mem_free(&l);
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    end_later(arg);
}

/* Takes the ids. */
static void accept_later(struct arrival *a)
{
    int64_t ms = a->intake->queue->slow_ms;
    const struct timeval delay = {ms / 1000, (ms % 1000) * 1000};
    struct later *l = mem_zero(sizeof *l);
    *l = (struct later){
        .intake = a->intake, .peer = a->peer, .request = a->request, .id = a->id, .ids = a->ids};
    a->ids = (struct ledger_ids){.n = 0};
    l->timer = evtimer_new(a->intake->queue->base, on_later, l);
    assert(l->timer != NULL);
    (void)evtimer_add(l->timer, &delay);
    LIST_INSERT_HEAD(&a->intake->later, l, next);
}

static void end_all_later(struct intake *i)
{
    struct later *l;
    while ((l = LIST_FIRST(&i->later)) != NULL)
        end_later(l);
}

void intake_free(struct intake **ip)
{
    struct peer *p;
    if (*ip == NULL)
        return;
    end_all_later(*ip);
    while ((p = LIST_FIRST(&(*ip)->peers)) != NULL)
        free_peer(p);
    mem_free(ip);
}

void intake_stop(struct intake *i)
{
    i->stopped = true;
    end_all_later(i);
}

static void free_arrival(struct arrival *a)
{
    submit_envelope_free(&a->envelope);
    file_close(&a->body);
    once_row_clear(&a->before);
    ledger_ids_clear(&a->ids);
    mem_free(&a->held);
    mem_free(&a);
}

static void refuse(const struct arrival *a, uint16_t code, const char *enhanced, const char *text)
{
    struct ipc *ch = channel_of(a->intake, a->peer);
    service_count(a->intake->queue->service, COUNT_REFUSED, 1);
    if (ch != NULL)
        submit_refuse(ch, a->request, code, enhanced, a->why, text);
}

#define RECIPIENT_OCTETS 500 /* of a recipient's rows, about */
/* Each recipient's history and events repeat the extra data of their message: so much in all. */
#define EXTRA_SPREAD_MAX (16u << 20)

static uint64_t extra_octets(const struct submit_envelope *e)
{
    uint64_t n = 0;
    for (uint32_t i = 0; i < e->extra_n; i++)
        n += strlen(e->extra[i].key) + strlen(e->extra[i].value);
    return n;
}

/* Whether its client chose a from id that the account has for another recipient. Such a message has
 * one recipient. */
static bool has_taken_id(const struct arrival *a, struct store_txn *t)
{
    const struct submit_envelope *e = a->envelope;
    for (uint32_t i = 0; e->account[0] != '\0' && i < e->recipients_n; i++) {
        if (e->recipients[i].from_id[0] != '\0' &&
            fromid_is_taken(&a->intake->queue->ledger, t, e->account, e->recipients[i].from_id))
            return true;
    }
    return false;
}

static bool has_suppressed(const struct arrival *a, struct store_txn *t)
{
    const struct submit_envelope *e = a->envelope;
    if (!a->looks_first || !suppress_any(&a->intake->queue->ledger))
        return false;
    for (uint32_t i = 0; i < e->recipients_n; i++) {
        if (suppress_lookup(&a->intake->queue->ledger, t, e->account, e->recipients[i].address,
                            e->received_ms, NULL))
            return true;
    }
    return false;
}

/* What was answered when the message came for the first time, as far as it is known still. */
static void recall_ids(struct arrival *a, struct store_txn *t)
{
    const struct submit_envelope *e = a->envelope;
    ledger_ids_clear(&a->ids);
    if (!a->makes_ids)
        return;
    a->ids.made = mem_array(e->recipients_n, sizeof *a->ids.made);
    for (; a->ids.n < e->recipients_n; a->ids.n++)
        a->ids.made[a->ids.n] =
            fromid_recall(&a->intake->queue->ledger, t, a->id + a->ids.n, e->account,
                          e->recipients[a->ids.n].address, a->ids.plain);
}

/* Whether the message is one for the queue: not one that came before, nor more than its account may
 * send. */
static bool is_wanted(struct arrival *a, struct store_txn *t)
{
    const struct ledger *l = &a->intake->queue->ledger;
    const struct submit_envelope *e = a->envelope;
    once_row_clear(&a->before);
    enum once once =
        e->once_key[0] == '\0' ? ONCE_NEW : once_find(l, t, e, e->received_ms, &a->before);
    if (once == ONCE_CONFLICT)
        a->why = SUBMIT_WHY_CONFLICT;
    if (once == ONCE_AGAIN) {
        a->id = a->before.id;
        recall_ids(a, t);
    }
    if (once != ONCE_NEW)
        return false;
    if (has_taken_id(a, t))
        a->why = SUBMIT_WHY_FROM_ID;
    else if (has_suppressed(a, t))
        a->why = SUBMIT_WHY_SUPPRESSED;
    else if (a->limits.messages > 0 || a->limits.new_recipients > 0)
        a->why = quota_take(l, t, a->limits, e, e->received_ms);
    return a->why == SUBMIT_WHY_OTHER;
}

static void apply(struct change *change, struct store_txn *t)
{
    struct arrival *a = (struct arrival *)change;
    struct ledger *l = &a->intake->queue->ledger;
    uint64_t octets = a->source.type == SOURCE_FILE ? 0 : a->source.size;
    octets += a->envelope->recipients_n * (RECIPIENT_OCTETS + extra_octets(a->envelope));
    /* Refused alone: what else is in the transaction must not fail for it. */
    a->full = !store_has_room(t, octets);
    a->why = SUBMIT_WHY_OTHER;
    if (a->full || !is_wanted(a, t))
        return;
    a->id = ledger_stage(l, t, a->envelope, &a->source, a->makes_ids ? &a->ids : NULL, a->held);
    if (a->envelope->once_key[0] != '\0')
        once_remember(l, t, a->envelope, a->id, a->once_until_ms);
}

static uint32_t held_of(const struct arrival *a)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < a->envelope->recipients_n; i++)
        n += a->held[i];
    return n;
}

static void log_held(const struct arrival *a, uint32_t n)
{
    char id[QID_SIZE];
    log_info(NULL, "held by a rule", LS("qid", qid_text(a->id, id)), LU("rcpts", n));
}

static void schedule_all(struct arrival *a)
{
    const struct submit_envelope *e = a->envelope;
    int64_t due = e->not_before_ms > e->received_ms ? e->not_before_ms : e->received_ms;
    struct queue *q = a->intake->queue;
    uint32_t held = held_of(a);
    if (held > 0)
        log_held(a, held);
    if (a->source.type == SOURCE_MEMORY_FILE && due <= e->received_ms && held < e->recipients_n) {
        bodies_offer(q->bodies, a->id, a->body, a->source.size);
        a->body = -1;
    }
    for (uint32_t i = 0; i < e->recipients_n; i++) {
        if (!a->held[i])
            schedule_add(q->schedule, a->id + i, due, address_domain(e->recipients[i].address),
                         e->account);
    }
}

static void log_accepted(const struct arrival *a)
{
    static const char *const origins[SUBMIT_ORIGINS] = {"smtp", "submission", "local", "webapi",
                                                        "dsn"};
    const struct submit_envelope *e = a->envelope;
    char id[QID_SIZE];
    log_info(NULL, "queued", LS("qid", qid_text(a->id, id)), LS("by", origins[e->origin]),
             LS("from", e->sender), LS("to", e->recipients[0].address),
             LU("rcpts", e->recipients_n), LU("size", a->source.size), LS("msgid", e->message_id),
             LS("account", e->account), LS("client", e->client));
}

/* It was sent before: the answer is what it was then. */
static void answer_again(const struct arrival *a)
{
    const struct submit_reply reply = {.accepted = true,
                                       .id = a->id,
                                       .message_id = a->before.message_id,
                                       .taken_ms = a->before.taken_ms,
                                       .copied = a->before.copied,
                                       .from_ids = a->ids.made,
                                       .from_ids_n = a->ids.n};
    struct ipc *ch = channel_of(a->intake, a->peer);
    char id[QID_SIZE];
    log_info(NULL, "queued before", LS("qid", qid_text(a->id, id)),
             LS("key", a->envelope->once_key), LS("account", a->envelope->account));
    if (ch != NULL)
        submit_accept_as(ch, a->request, &reply);
}

static void not_wanted(const struct arrival *a)
{
    static const struct {
        uint16_t code;
        const char *enhanced, *text;
    } words[SUBMIT_WHYS] = {
        [SUBMIT_WHY_MESSAGE_LIMIT] = {451, "4.7.1",
                                      "the account has sent as many messages as it may in a day"},
        [SUBMIT_WHY_RECIPIENT_LIMIT] =
            {451, "4.7.1", "the account has written to as many new recipients as it may in a day"},
        [SUBMIT_WHY_CONFLICT] = {554, "5.5.0", "the key was used for another message"},
        [SUBMIT_WHY_FROM_ID] = {554, "5.1.7", "the id in the sender is not unique"},
        [SUBMIT_WHY_SUPPRESSED] = {550, "5.7.1",
                                   "a recipient is on the suppression list of the account"},
    };
    log_warn(NULL, "message not queued", LS("account", a->envelope->account),
             LS("from", a->envelope->sender), LU("rcpts", a->envelope->recipients_n),
             LS("why", words[a->why].text));
    refuse(a, words[a->why].code, words[a->why].enhanced, words[a->why].text);
}

/* True when the message is in the store, by this change. Else the one who asked has been told. */
static bool is_taken(const struct arrival *a, const char *why)
{
    struct queue *q = a->intake->queue;
    bool taken = false;
    if (why == NULL && a->full)
        why = "no room is left but the reserve";
    if (why != NULL) {
        log_error(NULL, "message not queued", LS("from", a->envelope->sender), LS("why", why));
        refuse(a, 452, "4.3.1", "the queue cannot be written now");
    } else if (a->before.message_id != NULL) {
        answer_again(a);
    } else if (a->why != SUBMIT_WHY_OTHER) {
        not_wanted(a);
    } else {
        taken = true;
    }
    if (!taken && a->source.type == SOURCE_FILE)
        queue_unlink_later(q, a->source.token);
    return taken;
}

static void done(struct change *change, const char *why)
{
    struct arrival *a = (struct arrival *)change;
    struct queue *q = a->intake->queue;
    if (!is_taken(a, why)) {
        free_arrival(a);
        return;
    }
    room_took(q, a->source.size);
    if (q->slow_ms > 0 && !a->intake->stopped)
        accept_later(a);
    else
        accept_now(a->intake, a->peer, a->request, a->id, &a->ids);
    service_count(q->service, COUNT_ACCEPTED, 1);
    log_accepted(a);
    schedule_all(a);
    free_arrival(a);
}

/* ---- a large message goes into its own file first ---- */

static struct arrival *of_work(struct work *w)
{
    return (struct arrival *)((char *)w - offsetof(struct arrival, work));
}

static void write_file(struct work *w)
{
    struct arrival *a = of_work(w);
    a->file_fail.text[0] = '\0';
    (void)body_put_file(a->intake->queue->dirfd, a->source.token, a->body, a->source.size,
                        &a->file_fail);
}

static void file_written(struct work *w)
{
    struct arrival *a = of_work(w);
    if (a->file_fail.text[0] != '\0') {
        log_error(NULL, "message not queued", LS("from", a->envelope->sender),
                  LS("why", a->file_fail.text));
        refuse(a, 452, "4.3.1", "the queue cannot be written now");
        free_arrival(a);
        return;
    }
    commit_add(a->intake->queue->commit, &a->change);
}

/* Whoever asked for from ids has seen to it that there is a place for them; its configuration may
 * be older or newer than ours. */
static void set_ids(struct arrival *a)
{
    const struct settings *s = a->intake->queue->settings;
    const struct submit_envelope *e = a->envelope;
    a->looks_first = settings_suppresses_at_send(s, e->account);
    if ((e->flags & SUBMIT_FROM_IDS) == 0 || e->account[0] == '\0')
        return;
    a->makes_ids = settings_takes_from_id(s, e->sender);
    a->ids.plain = settings_from_id_plain(s, e->account);
    if (!a->makes_ids)
        log_warn(NULL, "no place for from ids in the sender", LS("from", e->sender));
}

static void store(struct arrival *a, uint64_t size)
{
    struct queue *q = a->intake->queue;
    set_ids(a);
    a->change.apply = apply;
    a->change.done = done;
    a->held = mem_array(a->envelope->recipients_n, sizeof *a->held);
    if (a->envelope->origin != SUBMIT_SMTP)
        a->limits = settings_limits(q->settings, a->envelope->account);
    a->once_until_ms = a->envelope->received_ms + q->settings->keep_once_ms;
    if (size <= q->settings->large_body) {
        a->source = (struct body_source){.type = SOURCE_MEMORY_FILE, .fd = a->body, .size = size};
        commit_add(q->commit, &a->change);
        return;
    }
    a->source = (struct body_source){.type = SOURCE_FILE, .token = rand_u64() | 1, .size = size};
    a->work.run = write_file;
    a->work.done = file_written;
    worker_add(q->worker, &a->work);
}

static struct ipc *peer_channel(void *owner, uint64_t peer)
{
    return channel_of(owner, peer);
}

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct peer *p = arg;
    struct queue *q = p->intake->queue;
    if (m->type == MSG_SUPPRESS_FIND) { /* before a recipient is taken */
        const struct suppress_asker asker = {q, peer_channel, p->intake, p->number, m->id};
        return suppress_serve(&asker, m, f);
    }
    struct arrival *a = mem_zero(sizeof *a);
    uint64_t size;
    a->body = -1;
    a->intake = p->intake;
    a->peer = p->number;
    a->request = m->id;
    if (submit_read(m, UINT64_MAX, &a->envelope, &a->body, &size, f) != 0) {
        mem_free(&a);
        return -1;
    }
    if (p->intake->stopped) {
        refuse(a, 421, "4.3.2", "shutting down");
        free_arrival(a);
    } else if (size > q->settings->message_size) {
        refuse(a, 552, "5.3.4", "message too large");
        free_arrival(a);
    } else if (extra_octets(a->envelope) * a->envelope->recipients_n > EXTRA_SPREAD_MAX) {
        refuse(a, 552, "5.3.4", "too much extra data for so many recipients");
        free_arrival(a);
    } else if (!q->room) {
        refuse(a, 452, "4.3.1", "insufficient system storage");
        free_arrival(a);
    } else {
        store(a, size);
    }
    return 0;
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct peer *p = arg;
    log_info(NULL, "submitter is gone", LS("peer", p->name), LS("why", why));
    free_peer(p);
}

void intake_link(struct intake *i, const char *peer, int fd)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct peer *p, *old;
    char name[64];
    LIST_FOREACH (old, &i->peers, next) {
        if (strcmp(old->name, peer) == 0) {
            free_peer(old);
            break;
        }
    }
    p = mem_zero(sizeof *p);
    p->intake = i;
    p->number = ++i->last_number;
    (void)snprintf(p->name, sizeof p->name, "%s", peer);
    (void)snprintf(name, sizeof name, "submit %s", peer);
    p->channel = ipc_new(i->queue->base, fd, name, &handler, p);
    LIST_INSERT_HEAD(&i->peers, p, next);
}
