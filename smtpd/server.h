#ifndef QM_SMTPD_SERVER_H
#define QM_SMTPD_SERVER_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>

#include <event2/event.h>

#include "clients.h"
#include "counters.h"
#include "ipc.h"
#include "service.h"
#include "settings.h"
#include "signer.h"
#include "simulate.h"
#include "site.h"
#include "tide.h"

/* What all connections of this process share. */

struct session;
struct handover;
struct listener;

TAILQ_HEAD(session_list, session);
TAILQ_HEAD(handover_list, handover);

struct server {
    struct service *service; /* NULL: nothing is counted */
    struct event_base *base;
    struct settings *settings; /* for new connections; NULL before the first commit */
    char *mailname;            /* first line of /etc/mailname; "" without */
    struct listener *listener;
    struct clients *clients;
    struct session_list sessions;
    unsigned sessions_n;
    struct tide crowd, handshakes; /* sessions, and those of them in a TLS handshake */
    uint64_t memory;               /* octets of messages on their way */
    bool memory_short;             /* more than half of what there is was in use lately */

    struct ipc *queue; /* channel to qmgr; NULL while there is none */
    struct handover_list waiting;
    unsigned outstanding; /* messages that qmgr has not answered for */

    struct ipc *vault;     /* channel to the vault; NULL while there is none */
    uint64_t vault_number; /* goes up with each new one: an exchange cannot go on with another */
    struct signing signing;
    struct event *signing_end; /* the vault has closed it; NULL while there is none */
    struct signer *signer;
    struct event *relist; /* asks the vault for its keys again */

    struct simulate_memory deferred; /* localserve: by failures that pass */

    bool stopping;
    struct event *stop_timer;
    int stop_polls;
};

/* For /etc/mailname and what OpenSSL and the time zone read: before the process is confined. */
int server_init(struct server *sv, struct fail *f);
/* Makes what all connections share. service may be NULL. */
void server_open(struct server *sv, struct event_base *base, struct service *service);
void server_close(struct server *sv); /* closes every connection at once */

/* Uses settings from now on, with the ports they bring. */
void server_use(struct server *sv, struct settings *settings);
/* A channel to a peer: "submit", "secret" or "sign". Takes the descriptor; the one before it is
 * over. */
void server_link(struct server *sv, const char *name, int fd);
/* Says good-bye to everybody who is not in the middle of a message, gives the others two seconds,
 * then ends the process. */
void server_stop(struct server *sv);

/* Adds to a counter; sets one that goes up and down. */
void server_count(struct server *sv, enum counter counter, int64_t n);
void server_gauge(struct server *sv, enum counter counter, uint64_t value);
/* Accounts for octets of messages that are held, or (negative) no longer. */
void server_hold(struct server *sv, int64_t octets);
/* How long whoever begins a message waits for the answer, as what is held comes near to all that
 * may be: from nothing, where half of it is left, to the slow-down setting. */
int64_t server_delay_ms(const struct server *sv, const struct settings *s);

#endif
