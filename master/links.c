#include "links.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "conftransport.h"
#include "log.h"
#include "proto_control.h"

/* A process reports a lost link a second after it had it, by a clock of its own. */
#define AGAIN_MS 950
#define LINK_NAME sizeof(((struct link_end *)NULL)->name)

static const struct edge {
    enum role asks, answers;
    const char *name;
    bool per_transport; /* the callee is one of several with names of their own */
    const char *label;  /* of these the one that is meant; NULL: all */
} edges[] = {
    {ROLE_SMTPD, ROLE_QMGR, "submit", false, NULL},
    {ROLE_WEBAPI, ROLE_QMGR, "submit", false, NULL},
    {ROLE_WEBAPI, ROLE_QMGR, "account", false, NULL},
    {ROLE_WEBAPI, ROLE_DELIVERY, "mailbox", false, "local"},
    {ROLE_QMGR, ROLE_DELIVERY, "deliver", true, NULL},
    {ROLE_QMGR, ROLE_DELIVERY, "mailbox", false, "local"},
    {ROLE_QMGR, ROLE_HOOKS, "hook", false, NULL},
    {ROLE_QMGR, ROLE_HOOKS, "fetch", false, NULL},
    {ROLE_SMTPD, ROLE_VAULT, "secret", false, NULL},
    /* A TLS handshake cannot wait in steps for its signature: it has a channel to block on. */
    {ROLE_SMTPD, ROLE_VAULT, "sign", false, NULL},
    {ROLE_WEBAPI, ROLE_VAULT, "secret", false, NULL},
    {ROLE_HOOKS, ROLE_VAULT, "secret", false, NULL},
    /* Of the transports those alone that log in somewhere. */
    {ROLE_DELIVERY, ROLE_VAULT, "secret", false, NULL},
    /* Of these those alone that have a certificate to show. */
    {ROLE_DELIVERY, ROLE_VAULT, "sign", false, NULL},
    /* Those alone that look for MX hosts: policies of MTA-STS are about these. */
    {ROLE_DELIVERY, ROLE_HOOKS, "fetch", false, NULL},
};

_Static_assert(sizeof edges / sizeof edges[0] <= LINKS_EDGES, "room for when each was made");

unsigned links_vaults(const struct world *w)
{
    const struct process *p;
    unsigned n = 0;
    TAILQ_FOREACH (p, &w->processes, next)
        n += p->role == ROLE_VAULT && !p->unwanted;
    return n;
}

static bool transport_asks(const struct process *p, const struct edge *e)
{
    const struct conf *conf = p->world->conf;
    if (e->answers != ROLE_VAULT)
        return conftransport_finds_mx(conf, p->label);
    return strcmp(e->name, "sign") == 0 ? conftransport_has_certificate(conf, p->label)
                                        : conftransport_auth(conf, p->label) != NULL;
}

/* Workers that ask share out the vaults; everywhere else all of a role are meant. */
static bool joins(const struct edge *e, const struct process *asks, const struct process *answers)
{
    if (asks->role != e->asks || answers->role != e->answers)
        return false;
    if (e->asks == ROLE_DELIVERY && !transport_asks(asks, e))
        return false;
    if (e->label != NULL && strcmp(answers->label, e->label) != 0)
        return false;
    unsigned n = e->answers == ROLE_VAULT ? links_vaults(asks->world) : 1;
    return n <= 1 || asks->index % n == answers->index;
}

static void name_ends(const struct edge *e, const struct process *asks,
                      const struct process *answers, char asking[LINK_NAME],
                      char answering[LINK_NAME])
{
    if (e->per_transport)
        (void)snprintf(asking, LINK_NAME, "%s %s", e->name, answers->label);
    else
        (void)snprintf(asking, LINK_NAME, "%s", e->name);
    (void)snprintf(answering, LINK_NAME, "%s %s", e->name, asks->name);
}

/* When the last pair of an edge was made. Where qmgr asks many, each of these remembers. */
static int64_t *made_ms(struct process *asks, struct process *answers, const struct edge *e)
{
    struct process *keeper = e->per_transport ? answers : asks;
    return &keeper->linked_ms[e - edges];
}

static int make_one(struct process *p, struct process *peer, const struct edge *e, bool p_asks,
                    struct link_end *end, struct fail *f)
{
    int fd[2];
    char asking[LINK_NAME], answering[LINK_NAME];
    if (ipc_pair(fd, f) != 0)
        return -1;
    name_ends(e, p_asks ? p : peer, p_asks ? peer : p, asking, answering);
    control_link(peer->control, p_asks ? answering : asking, fd[1]);
    (void)snprintf(end->name, sizeof end->name, "%s", p_asks ? asking : answering);
    end->fd = fd[0];
    *made_ms(p_asks ? p : peer, p_asks ? peer : p, e) = clock_mono_ms();
    return 0;
}

int links_make(struct process *p, struct link_end *ends, int max, struct fail *f)
{
    struct process *peer;
    int n = 0;
    TAILQ_FOREACH (peer, &p->world->processes, next) {
        if (peer == p || peer->control == NULL || peer->unwanted)
            continue;
        for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
            bool asks = joins(&edges[i], p, peer);
            if (!asks && !joins(&edges[i], peer, p))
                continue;
            if (n >= max)
                return fail_set(f, "more than %d links", max);
            if (make_one(p, peer, &edges[i], asks, &ends[n], f) != 0)
                return -1;
            n++;
        }
    }
    return n;
}

static int join(struct process *asks, struct process *answers, const struct edge *e)
{
    struct link_end end;
    struct fail f = {{0}};
    int rc = make_one(asks, answers, e, true, &end, &f);
    if (rc == 0)
        control_link(asks->control, end.name, end.fd);
    else
        log_error(NULL, "a link cannot be made", LS("process", asks->name),
                  LS("peer", answers->name), LS("why", f.text));
    return rc;
}

static bool runs(const struct process *p)
{
    return p->control != NULL && !p->unwanted && p->state != PROCESS_STOPPING;
}

static void join_again(struct process *asks, struct process *answers, const struct edge *e)
{
    int64_t last = *made_ms(asks, answers, e);
    if (last != 0 && clock_mono_ms() - last < AGAIN_MS)
        return;
    if (join(asks, answers, e) == 0)
        log_warn(NULL, "a link that broke was made anew", LS("process", asks->name),
                 LS("peer", answers->name), LS("link", e->name));
}

void links_lost(struct process *asks, const char *name)
{
    struct process *answers;
    char asking[LINK_NAME], answering[LINK_NAME];
    if (asks->world->stop != NULL || !runs(asks))
        return;
    TAILQ_FOREACH (answers, &asks->world->processes, next) {
        for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
            if (!runs(answers) || !joins(&edges[i], asks, answers))
                continue;
            name_ends(&edges[i], asks, answers, asking, answering);
            if (strcmp(asking, name) == 0)
                join_again(asks, answers, &edges[i]);
        }
    }
}

void links_share_out(struct world *w, unsigned before)
{
    struct process *asks, *answers;
    unsigned now = links_vaults(w);
    TAILQ_FOREACH (asks, &w->processes, next) {
        if (asks->control == NULL || asks->unwanted || before == 0 || asks->index % before < now)
            continue;
        TAILQ_FOREACH (answers, &w->processes, next) {
            for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++) {
                if (answers->role == ROLE_VAULT && answers->control != NULL && !answers->unwanted &&
                    joins(&edges[i], asks, answers))
                    (void)join(asks, answers, &edges[i]);
            }
        }
    }
}
