#include "account.h"

#include <bsd/sys/queue.h>
#include <stdio.h>
#include <string.h>

#include "eventlog.h"
#include "log.h"
#include "mailindex.h"
#include "mem.h"
#include "proto_types.h"
#include "suppress.h"

/* Requests under way refer to their peer by number, since it may go away before they are answered.
 */
struct peer {
    LIST_ENTRY(peer) next;
    struct account *account;
    struct ipc *channel;
    uint64_t number;
    char name[48];
};

struct account {
    struct queue *queue;
    LIST_HEAD(, peer) peers;
    uint64_t last_number;
};

/* Reads the request and sees to its answer; -1 when it does not decode. */
typedef int handle_request(const struct account_ask *ask, struct ipc_message *m, struct fail *f);

static const struct {
    uint16_t type;
    handle_request *handle;
} handlers[] = {
    {MSG_SUPPRESS_LIST, suppress_on_request},   {MSG_SUPPRESS_ADD, suppress_on_request},
    {MSG_SUPPRESS_REMOVE, suppress_on_request}, {MSG_SUPPRESS_FIND, suppress_on_request},
    {MSG_MAIL_GET, mailindex_on_request},       {MSG_MAIL_NOTE, mailindex_on_request},
    {MSG_MAIL_KEYWORDS, mailindex_on_request},  {MSG_MAIL_MOVED, mailindex_on_request},
    {MSG_MAIL_DELETED, mailindex_on_request},   {MSG_EVENTS_READ, eventlog_on_request},
};

struct account *account_new(struct queue *q)
{
    struct account *a = mem_zero(sizeof *a);
    a->queue = q;
    LIST_INIT(&a->peers);
    return a;
}

static void free_peer(struct peer *p)
{
    LIST_REMOVE(p, next);
    ipc_free(&p->channel);
    mem_free(&p);
}

void account_free(struct account **ap)
{
    struct peer *p;
    if (*ap == NULL)
        return;
    while ((p = LIST_FIRST(&(*ap)->peers)) != NULL)
        free_peer(p);
    mem_free(ap);
}

struct ipc *account_channel(const struct account_ask *ask)
{
    const struct peer *p;
    LIST_FOREACH (p, &ask->account->peers, next) {
        if (p->number == ask->peer)
            return p->channel;
    }
    return NULL;
}

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct peer *p = arg;
    const struct account_ask ask = {p->account, p->account->queue, p->number, m->id};
    for (size_t i = 0; i < sizeof handlers / sizeof handlers[0]; i++) {
        if (handlers[i].type == m->type)
            return handlers[i].handle(&ask, m, f);
    }
    return fail_set(f, "no request of an account: type 0x%04x", m->type);
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct peer *p = arg;
    log_info(NULL, "the API is gone", LS("peer", p->name), LS("why", why));
    free_peer(p);
}

void account_link(struct account *a, const char *peer, int fd)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct peer *p, *old;
    char name[64];
    LIST_FOREACH (old, &a->peers, next) {
        if (strcmp(old->name, peer) == 0) {
            free_peer(old);
            break;
        }
    }
    p = mem_zero(sizeof *p);
    p->account = a;
    p->number = ++a->last_number;
    (void)snprintf(p->name, sizeof p->name, "%s", peer);
    (void)snprintf(name, sizeof name, "account %s", peer);
    p->channel = ipc_new(a->queue->base, fd, name, &handler, p);
    LIST_INSERT_HEAD(&a->peers, p, next);
}
