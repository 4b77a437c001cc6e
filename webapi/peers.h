#ifndef QM_PEERS_H
#define QM_PEERS_H

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

struct signer *peers_signer(const struct peers *p); /* never NULL */

#endif
