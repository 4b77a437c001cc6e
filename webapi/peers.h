#ifndef QM_PEERS_H
#define QM_PEERS_H

#include <bsd/sys/queue.h>
#include <stdbool.h>

#include <event2/event.h>

#include "ipc.h"
#include "service.h"
#include "signer.h"

/* The processes that this one asks. A peer that is started anew comes with a new channel; what was
 * asked over the old one has been answered with a failure by then. So an id for submit_forget or
 * secret_forget belongs to the channel that is there as long as its answer has not come. */

struct peers;
struct peers *peers_new(struct event_base *base, struct service *service); /* NULL: nobody is told
                                                                              of a channel's end */
void peers_free(struct peers **p); /* what is still asked is answered with a failure; no signing may
                                      be under way */

/* Ends all channels: what is asked is answered with a failure. */
void peers_close(struct peers *p);

/* Master brings a channel: "submit", "account", "mailbox" or "secret". Takes fd. */
void peers_link(struct peers *p, const char *name, int fd);

/* There is a new configuration, so the vault may have other keys. */
void peers_renew(struct peers *p);

/* The channels, NULL while there is none. qmgr: messages into the queue; accounts: what it keeps
 * for accounts; mailboxes: delivery/local, which opens them. */
struct ipc *peers_qmgr(const struct peers *p);
struct ipc *peers_accounts(const struct peers *p);
struct ipc *peers_mailboxes(const struct peers *p);
struct ipc *peers_vault(const struct peers *p);

/* Only so many messages are with qmgr at once, which has a descriptor for each; the others wait for
 * their turn. */
struct peers_turn {
    TAILQ_ENTRY(peers_turn) next;
    void (*on_turn)(void *arg); /* may ask for another's turn or end it, and must free nobody */
    void *arg;
    enum { TURN_NOT_ASKED, TURN_WAITS, TURN_HAS } state;
};
enum { PEERS_MESSAGES_MAX = 512 };                /* as long as nothing else is said */
void peers_limit(struct peers *p, unsigned most); /* 1 at least */
/* on_turn comes at once, or when it can. t, all-zero before, stays the caller's. */
void peers_ask_turn(struct peers *p, struct peers_turn *t, void (*on_turn)(void *arg), void *arg);
/* Its turn is over, or it does not wait for one any more. One that never asked is let be. */
void peers_end_turn(struct peers *p, struct peers_turn *t);

struct signer *peers_signer(const struct peers *p); /* never NULL */

#endif
