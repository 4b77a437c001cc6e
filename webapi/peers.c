#include "peers.h"

#include <assert.h>
#include <string.h>
#include <unistd.h>

#include "log.h"
#include "mem.h"

enum { QMGR, ACCOUNTS, MAILBOXES, VAULT, PEERS };

static const char *const names[PEERS] = {
    [QMGR] = "submit", [ACCOUNTS] = "account", [MAILBOXES] = "mailbox", [VAULT] = "secret"};

struct peers {
    struct event_base *base;
    struct service *service;
    struct ipc *channels[PEERS];
    struct signer *signer;
    TAILQ_HEAD(, peers_turn) waiting;
    unsigned messages, most;
};

struct peers *peers_new(struct event_base *base, struct service *service)
{
    struct peers *p = mem_zero(sizeof *p);
    p->base = base;
    p->service = service;
    p->signer = signer_new(base);
    p->most = PEERS_MESSAGES_MAX;
    TAILQ_INIT(&p->waiting);
    return p;
}

static void drop(struct peers *p, size_t i)
{
    struct ipc *old = p->channels[i];
    if (old == NULL)
        return;
    if (i == VAULT)
        signer_use(p->signer, NULL);
    /* Who is told of the failure now must not find the channel any more. */
    p->channels[i] = NULL;
    ipc_free(&old);
}

void peers_close(struct peers *p)
{
    for (size_t i = 0; i < PEERS; i++)
        drop(p, i);
}

void peers_free(struct peers **pp)
{
    if (*pp == NULL)
        return;
    peers_close(*pp);
    signer_free(&(*pp)->signer);
    mem_free(pp);
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct peers *p = arg;
    for (size_t i = 0; i < PEERS; i++) {
        if (p->channels[i] != ch)
            continue;
        log_warn(NULL, "peer is gone", LS("link", names[i]), LS("why", why));
        drop(p, i);
        if (p->service != NULL)
            service_link_lost(p->service, names[i]);
    }
}

void peers_link(struct peers *p, const char *name, int fd)
{
    static const struct ipc_handler handler = {NULL, on_closed};
    size_t i = 0;
    while (i < PEERS && strcmp(names[i], name) != 0)
        i++;
    if (i == PEERS) {
        log_error(NULL, "unknown link", LS("name", name));
        (void)close(fd);
        return;
    }
    drop(p, i);
    p->channels[i] = ipc_new(p->base, fd, name, &handler, p);
    if (i == VAULT)
        signer_use(p->signer, p->channels[VAULT]);
}

void peers_renew(struct peers *p)
{
    if (p->channels[VAULT] != NULL)
        signer_use(p->signer, p->channels[VAULT]);
}

struct ipc *peers_qmgr(const struct peers *p)
{
    return p->channels[QMGR];
}

struct ipc *peers_accounts(const struct peers *p)
{
    return p->channels[ACCOUNTS];
}

struct ipc *peers_mailboxes(const struct peers *p)
{
    return p->channels[MAILBOXES];
}

struct ipc *peers_vault(const struct peers *p)
{
    return p->channels[VAULT];
}

struct signer *peers_signer(const struct peers *p)
{
    return p->signer;
}

static void give_turns(struct peers *p)
{
    struct peers_turn *t;
    while (p->messages < p->most && (t = TAILQ_FIRST(&p->waiting)) != NULL) {
        TAILQ_REMOVE(&p->waiting, t, next);
        t->state = TURN_HAS;
        p->messages++;
        t->on_turn(t->arg);
    }
}

void peers_limit(struct peers *p, unsigned most)
{
    assert(most > 0);
    p->most = most;
    give_turns(p);
}

void peers_ask_turn(struct peers *p, struct peers_turn *t, void (*on_turn)(void *arg), void *arg)
{
    assert(t->state == TURN_NOT_ASKED);
    *t = (struct peers_turn){.on_turn = on_turn, .arg = arg, .state = TURN_WAITS};
    TAILQ_INSERT_TAIL(&p->waiting, t, next);
    give_turns(p);
}

void peers_end_turn(struct peers *p, struct peers_turn *t)
{
    if (t->state == TURN_WAITS)
        TAILQ_REMOVE(&p->waiting, t, next);
    else if (t->state == TURN_HAS)
        p->messages--;
    t->state = TURN_NOT_ASKED;
    give_turns(p);
}
