#ifndef QM_SETTINGS_H
#define QM_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "conf.h"

/* What qmgr works with, read once out of its share of the configuration. Never changes: a reload
 * makes a new one, and changes under way in the writing thread keep the one they began with. */

/* What is asked of a transport whenever a delivery may begin, and too slow to look up each time. */
struct settings_way {
    const char *transport;
    unsigned deliveries;
    bool to_server;
    const char *host; /* while to_server */
    int port;
};

/* When a recipient is tried again, and how often. */
struct settings_retry {
    int64_t first_retry_ms, longest_wait_ms, lifetime_ms;
    int attempts, jitter_percent;
    int delay_notice_attempt; /* 0 for none */
};

struct settings {
    int references; /* atomic */
    struct conf *conf;
    const char *hostname, *mailname;
    char *postmaster;
    bool localserve;
    struct settings_retry retry; /* where the transport has none of its own */
    int64_t keep_events_ms, keep_once_ms, keep_removed_ms, slow_down_ms;
    bool double_bounces;
    unsigned postmaster_copies; /* a bit 1 << enum dsn_action for each of which he gets one */
    int destination_concurrency, destination_concurrency_start, destination_recipients;
    int transport_concurrency, window, concurrency;
    int64_t destination_pause_ms;
    unsigned bodies; /* that nobody uses at the moment, each a descriptor */
    uint64_t body_memory, large_body, minimum_free, map_size, message_size;
    int webhook_attempts, webhook_concurrency, webhook_per_url;
    struct settings_way *ways; /* of the transports that there are */
    size_t ways_n;
    const struct conf_block **homes; /* domains that have mailboxes, in the order of pointers */
    size_t homes_n;
};

struct settings *settings_new(struct conf *conf); /* takes conf; one reference */
struct settings *settings_hold(struct settings *s);
void settings_drop(struct settings **s);

/* The account's block, or NULL. */
const struct conf_block *settings_account(const struct settings *s, const char *name);
/* How long a message of this account ("" or an unknown one: the queue's value) is remembered. */
int64_t settings_keep_messages_ms(const struct settings *s, const char *account);
int64_t settings_keep_webhooks_ms(const struct settings *s, const char *account);
/* How much the account may send in a day; 0 for no limit. */
struct settings_limits {
    int64_t messages, new_recipients;
};
struct settings_limits settings_limits(const struct settings *s, const char *account);
/* The reverse path under which a message of this sender goes out for a recipient with this from id:
 * the id stands behind the catchall-separator of the sender's domain, in place of what stood there.
 * The sender itself where from_id is "", or cannot be put there. mem_free. */
char *settings_return_path(const struct settings *s, const char *sender, const char *from_id);
/* Whether a from id that is made here has a place in this sender. */
bool settings_takes_from_id(const struct settings *s, const char *sender);
/* Whether the account's from ids are plain ones. */
bool settings_from_id_plain(const struct settings *s, const char *account);
/* Whether addresses get on the account's suppression list by themselves, and until when then (wall
 * clock, 0: for ever); "" and an unknown account have no list. */
bool settings_suppresses(const struct settings *s, const char *account, int64_t now_ms,
                         int64_t *until_ms);
/* Whether mail for what is on the list is not even taken. */
bool settings_suppresses_at_send(const struct settings *s, const char *account);
/* How many deliveries the transport of this name may have at once, at least 1: as
 * transport-concurrency says, and no more than the connections it opens. */
unsigned settings_deliveries(const struct settings *s, const char *transport);
/* Whether there is a transport of this name; and whether an operator may choose it for mail: local
 * is only for addresses that have a mailbox, which go there by themselves. */
bool settings_has_transport(const struct settings *s, const char *transport);
bool settings_may_choose(const struct settings *s, const char *transport);
/* Whether the transport hands all its mail to one server, as the operator named it. Then *host (""
 * for a local socket; valid as long as the settings) and *port are that server. */
bool settings_server(const struct settings *s, const char *transport, const char **host, int *port);
/* The account's incoming webhook, or NULL. */
const struct conf_block *settings_incoming(const struct settings *s, const char *account);
/* How mail that this transport could not deliver is tried again. */
struct settings_retry settings_retry(const struct settings *s, const char *transport);
/* Whether what this transport delivers is in its mailbox then, and not with a next hop. */
bool settings_is_final(const struct settings *s, const char *transport);
/* The account that has a mailbox for this address, or NULL. */
const char *settings_mailbox(const struct settings *s, const char *address);
/* Whether there is any in the domain. */
bool settings_has_mailboxes(const struct settings *s, const char *domain);
/* Whether it is a domain of ours from which nobody may send at present. */
bool settings_is_disabled(const struct settings *s, const char *domain);

#endif
