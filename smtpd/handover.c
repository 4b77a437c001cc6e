#include "handover.h"

#include "log.h"
#include "mem.h"
#include "qid.h"

struct handover {
    TAILQ_ENTRY(handover) next; /* while it waits */
    struct server *server;
    const struct submit_envelope *envelope; /* the caller's; NULL once qmgr has it */
    int body;
    uint64_t held;
    handover_on_reply *on_reply; /* NULL when nobody cares any more */
    void *arg;
};

void handover_init(struct server *sv)
{
    TAILQ_INIT(&sv->waiting);
}

static void finish(struct handover *h, const struct submit_reply *reply)
{
    server_hold(h->server, -(int64_t)h->held);
    if (h->on_reply != NULL)
        h->on_reply(h->arg, reply);
    mem_free(&h);
}

static void set_outstanding(struct server *sv, unsigned n)
{
    sv->outstanding = n;
    server_gauge(sv, COUNT_OUTSTANDING, n);
}

static void on_submitted(void *arg, const struct submit_reply *reply)
{
    struct handover *h = arg;
    struct server *sv = h->server;
    char id[QID_SIZE];
    set_outstanding(sv, sv->outstanding - 1);
    if (h->on_reply == NULL && reply != NULL && reply->accepted)
        log_info(NULL, "queued for a client that did not wait", LS("qid", qid_text(reply->id, id)));
    finish(h, reply);
    handover_resume(sv);
}

static bool may_send(const struct server *sv)
{
    return sv->queue != NULL && sv->outstanding < sv->settings->outstanding;
}

static void submit(struct handover *h)
{
    struct server *sv = h->server;
    TAILQ_REMOVE(&sv->waiting, h, next);
    set_outstanding(sv, sv->outstanding + 1);
    (void)submit_message(sv->queue, h->envelope, h->body, on_submitted, h);
    h->envelope = NULL;
}

static void give_up(struct handover *h)
{
    TAILQ_REMOVE(&h->server->waiting, h, next);
    finish(h, NULL);
}

void handover_resume(struct server *sv)
{
    struct handover *h;
    while ((h = TAILQ_FIRST(&sv->waiting)) != NULL && (sv->queue == NULL || may_send(sv))) {
        if (sv->queue != NULL)
            submit(h);
        else
            give_up(h);
    }
}

/* Whoever begins is not called back at once. */
static void on_turn(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    handover_resume(arg);
}

struct handover *handover_begin(struct server *sv, const struct submit_envelope *envelope, int body,
                                uint64_t held, handover_on_reply *on_reply, void *arg)
{
    const struct timeval now = {0, 0};
    struct handover *h = mem_zero(sizeof *h);
    *h = (struct handover){.server = sv,
                           .envelope = envelope,
                           .body = body,
                           .held = held,
                           .on_reply = on_reply,
                           .arg = arg};
    bool first = TAILQ_EMPTY(&sv->waiting);
    TAILQ_INSERT_TAIL(&sv->waiting, h, next);
    if (first && may_send(sv))
        submit(h);
    else if (sv->queue == NULL || may_send(sv))
        (void)event_base_once(sv->base, -1, EV_TIMEOUT, on_turn, sv, &now);
    return h;
}

void handover_forget(struct handover **hp)
{
    struct handover *h = *hp;
    *hp = NULL;
    if (h == NULL)
        return;
    h->on_reply = NULL;
    if (h->envelope != NULL)
        give_up(h);
}
