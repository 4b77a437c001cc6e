#ifndef QM_PROTO_ADMIN_H
#define QM_PROTO_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"
#include "proto_deliver.h"
#include "proto_submit.h"
#include "proto_types.h"
#include "wire.h"

/* The admin protocol: qmctl and mailq look at the queue and act on it, over <run-dir>/admin.sock.
 * Anybody may list the queue; to see more, or to act, one must be root, the user who runs the
 * suite, or of the admin group. */

#define ADMIN_IDS_MAX 10000
#define ADMIN_PAGE_MAX 500
#define ADMIN_HOLD_RULES_MAX 1000

enum admin_held { ADMIN_HELD_ANY, ADMIN_HELD_NO, ADMIN_HELD_YES, ADMIN_HELDS };
enum admin_success { ADMIN_SUCCESS_ANY, ADMIN_SUCCESS_NO, ADMIN_SUCCESS_YES, ADMIN_SUCCESSES };

/* Which rows of a list: everything set must match. All-zero matches all. What a list does not have
 * (held in the history, from of a webhook) is not looked at. Texts are NULL or "" for any; from and
 * to match as substrings, ASCII case folded; the domain is that of the recipient, from_domain that
 * of the sender, as a whole (the null sender has none). Times are wall clock ms, 0 for no bound,
 * both ends exclusive. */
struct admin_filter {
    uint64_t *ids; /* of recipients; of webhooks */
    uint32_t ids_n;
    bool messages; /* the ids are of messages, and all their recipients are meant: a message has the
                      id of its first one */
    char *account, *from, *from_domain, *to, *domain, *transport;
    bool unrouted;              /* the operator chose no transport */
    enum admin_held held;       /* queue */
    enum admin_success success; /* history */
    char *event;                /* webhooks */
    uint16_t attempts;          /* at least so many were made */
    int64_t submitted_after_ms, submitted_before_ms;
    /* Queue: of the next attempt, which recipients that are held do not have. History: when it
     * ended. */
    int64_t next_after_ms, next_before_ms;
};
/* clear frees what the filter owns; put and get are its octets on the wire. What get made is to be
 * cleared also after a failure (the cursor's sticky error). */
void admin_filter_clear(struct admin_filter *f);
void admin_filter_put(struct buf *b, const struct admin_filter *f);
void admin_filter_get(struct wire *w, struct admin_filter *f);

enum admin_list { ADMIN_QUEUE, ADMIN_RETIRED, ADMIN_HOOKS, ADMIN_HOOKS_RETIRED, ADMIN_LISTS };
/* By the time of the next attempt, in the history by when it ended; or by id, which is the order in
 * which they came. Equal times are in the order of ids. Recipients that are held have no next
 * attempt: either way they are behind all others, by id. */
enum admin_sort { ADMIN_BY_TIME, ADMIN_BY_ID, ADMIN_SORTS };

/* A place between the rows of a list. It stays one while rows come and go: what is behind it in the
 * list's order, and stays where it is, is found, whatever happens to the others. All-zero is the
 * beginning; as an answer, the end. */
struct admin_place {
    int64_t ms; /* 0 by id; -1 in those that are held */
    uint64_t id;
};

/* What of a list is asked for. */
struct admin_query {
    struct admin_filter filter;
    enum admin_sort sort;
    bool descending;
    struct admin_place after;
    uint32_t limit; /* rows of the page, 1 .. ADMIN_PAGE_MAX; it may have fewer and still not be the
                       last, as it has none when a part of the list was looked at in vain */
};

/* A row of a list, queued or retired. Texts are owned, never NULL. */
struct admin_row {
    uint64_t id, message;       /* recipient's and message's queue id */
    bool held, trying, success; /* success: retired rows */
    uint16_t attempts;
    uint64_t size;
    int64_t received_ms, next_ms; /* retired: next_ms is when it ended */
    char *account, *sender, *recipient, *subject, *message_id, *transport;
    char *last; /* what the last attempt gave, one line */
};
void admin_row_clear(struct admin_row *r); /* frees the texts */

struct admin_page {
    struct admin_row *rows;
    uint32_t rows_n;
    struct admin_place
        next; /* give it as after for the next page; all-zero when this is the last */
};
void admin_page_clear(struct admin_page *p); /* frees the rows */

/* One recipient with its whole history. */
struct admin_item {
    struct admin_row row;
    char *orcpt, *envid, *from_id, *client;
    uint32_t flags;        /* enum submit_flag, with what the operator said of TLS in them */
    int64_t not_before_ms; /* the sender asked for no attempt before; 0: did not */
    struct submit_extra *extra;
    uint32_t extra_n;
    struct deliver_result *attempts;
    uint32_t attempts_n;
};
void admin_item_clear(struct admin_item *i); /* frees all it owns */

enum admin_action {
    ADMIN_KICK, /* next attempt now */
    ADMIN_HOLD,
    ADMIN_RELEASE,
    ADMIN_DROP,        /* remove without telling the sender */
    ADMIN_FAIL,        /* give up, with a DSN */
    ADMIN_SCHEDULE,    /* next attempt at a time */
    ADMIN_DELAY,       /* so much later than it would be */
    ADMIN_TRANSPORT,   /* by this way, whatever the routes say */
    ADMIN_REQUIRE_TLS, /* whether TLS must be, whatever the sender said */
    ADMIN_ACTIONS
};

enum admin_tls {
    ADMIN_TLS_DEFAULT,  /* as the message asks */
    ADMIN_TLS_REQUIRED, /* as REQUIRETLS does (RFC 8689) */
    ADMIN_TLS_OPTIONAL, /* as TLS-Required: no does */
    ADMIN_TLSES
};

/* What an action sets, where it sets something. All-zero for the others. */
struct admin_terms {
    int64_t ms;      /* SCHEDULE: wall clock, above 0; DELAY: to be added, may be negative */
    char *transport; /* TRANSPORT; "" or NULL: as the routes say */
    enum admin_tls tls;
};
#define ADMIN_MS_MAX (INT64_MAX / 1000) /* of either, and its negative */

/* What is held as it comes: everything set must match, all-empty matches all. Domains as a whole,
 * ASCII case folded; the null sender has none. Texts are owned; "" for any. */
struct admin_hold_rule {
    uint64_t id; /* above 0; never given twice */
    int64_t created_ms;
    char *account, *from_domain, *domain;
};
void admin_hold_rule_clear(struct admin_hold_rule *r); /* frees the texts */
/* put and get are its octets, on the wire and in the store. What get made is to be cleared also
 * after the cursor failed. */
void admin_hold_rule_put(struct buf *b, const struct admin_hold_rule *r);
void admin_hold_rule_get(struct wire *w, struct admin_hold_rule *r);
struct admin_hold_rules {
    struct admin_hold_rule *rules;
    uint32_t rules_n; /* ADMIN_HOLD_RULES_MAX at most */
};
void admin_hold_rules_clear(struct admin_hold_rules *r);
/* The filter of the recipients in the queue that the rule means; admin_filter_clear. */
struct admin_filter admin_hold_filter(const struct admin_hold_rule *r);

enum admin_hook_action {
    ADMIN_HOOK_KICK,   /* next attempt in some ms from now */
    ADMIN_HOOK_DELAY,  /* so much later than it would have been */
    ADMIN_HOOK_CANCEL, /* no attempt any more */
    ADMIN_HOOK_ACTIONS
};
#define ADMIN_DELAY_MAX_MS                                                                         \
    (3650 * INT64_C(86400000)) /* of a kick and a delay, which is 0 at least */

/* An action goes on for some seconds: next is then where the one who asks has it go on, 0 at the
 * end, and until what it is to give with that, so that who comes meanwhile is not meant. */
struct admin_acted {
    uint64_t count, next, until;
};

struct admin_counts {
    uint64_t messages, recipients, held, trying, due, retired, hooks, events;
    uint64_t bytes_used, bytes_free; /* of the store's device and free pages */
};

struct admin_hook_row {
    uint64_t id, recipient;
    char *account, *url, *event, *last; /* last: what the last attempt gave */
    uint16_t attempts;
    bool success; /* history */
    int64_t submitted_ms, next_ms;
};
void admin_hook_row_clear(struct admin_hook_row *r); /* frees the texts */
struct admin_hook_page {
    struct admin_hook_row *rows;
    uint32_t rows_n;
    struct admin_place next;
};
void admin_hook_page_clear(struct admin_hook_page *p); /* frees the rows */

struct admin_hook_attempt {
    int64_t start_ms;
    uint32_t duration_ms;
    uint16_t code; /* HTTP status, or 0 */
    char *error, *response;
};
/* A webhook with all that is known of it. */
struct admin_hook_item {
    struct admin_hook_row row;
    bool authorization;     /* whether one is sent; what it is, nobody is told */
    char *payload;          /* JSON */
    uint64_t superseded_by; /* history: the webhook in place of which it was not sent, or 0 */
    int64_t keep_until_ms;  /* history */
    struct admin_hook_attempt *attempts;
    uint32_t attempts_n;
};
void admin_hook_item_clear(struct admin_hook_item *i); /* frees all it owns */

/* ---- the side that asks; all block, fd from ipc_connect ---- */

/* A page of the queue, or retired: of the history. */
int admin_ask_list(int fd, bool retired, const struct admin_query *query, struct admin_page *page,
                   struct fail *f);
int admin_ask_show(int fd, bool retired, uint64_t id, struct admin_item *item, struct fail *f);
/* count: how many recipients it was done to, also of a failure. dry: only count those that are
 * meant. */
int admin_ask_act(int fd, enum admin_action action, const struct admin_terms *terms,
                  const struct admin_filter *filter, bool dry, uint64_t *count, struct fail *f);
/* A part of an action, from where acted says; all-zero for the first one. terms: NULL is all-zero.
 */
int admin_ask_act_part(int fd, enum admin_action action, const struct admin_terms *terms,
                       const struct admin_filter *filter, bool dry, struct admin_acted *acted,
                       struct fail *f);
/* The rules by which mail is held, in the order they were made. */
int admin_ask_hold_rules(int fd, struct admin_hold_rules *rules, struct fail *f);
/* Makes a rule (its id and time are not looked at) and holds what it means of what is in the queue.
 * id: the new rule's, 0 when none was made. count: how many were held, also of a failure. */
int admin_ask_hold_add(int fd, const struct admin_hold_rule *rule, uint64_t *id, uint64_t *count,
                       struct fail *f);
/* Removes a rule; what it held stays so. */
int admin_ask_hold_remove(int fd, uint64_t id, struct fail *f);
/* A page of the webhooks that wait, or retired: of their history. */
int admin_ask_hooks(int fd, bool retired, const struct admin_query *query,
                    struct admin_hook_page *page, struct fail *f);
int admin_ask_hook(int fd, bool retired, uint64_t id, struct admin_hook_item *item, struct fail *f);
/* As admin_ask_act_part and admin_ask_act. by_ms: of a kick or a delay. */
int admin_ask_hook_act_part(int fd, enum admin_hook_action action, int64_t by_ms,
                            const struct admin_filter *filter, bool dry, struct admin_acted *acted,
                            struct fail *f);
int admin_ask_hook_act(int fd, enum admin_hook_action action, int64_t by_ms,
                       const struct admin_filter *filter, bool dry, uint64_t *count,
                       struct fail *f);
/* Has a webhook called that stands in no queue: of the account's incoming one, or, with this event,
 * of its outgoing one. The item has one attempt, which may have failed. Takes as long as the call.
 */
int admin_ask_hook_test(int fd, const char *account, bool incoming, const char *event,
                        struct admin_hook_item *item, struct fail *f);
/* What the queue keeps of an account beside its messages, webhooks and their histories. */
enum admin_kept {
    ADMIN_KEPT_SUPPRESSIONS,
    ADMIN_KEPT_EVENTS,
    ADMIN_KEPT_FROM_IDS,
    ADMIN_KEPT_MAILBOX,  /* messages in the index of its mailbox */
    ADMIN_KEPT_KEYS,     /* of messages that were to be taken once */
    ADMIN_KEPT_LIMITS,   /* hours and recipients of its sending limits */
    ADMIN_KEPT_FAILURES, /* addresses that failed lately */
    ADMIN_KEPTS
};
struct admin_purged {
    uint64_t kept[ADMIN_KEPTS];
};
/* Removes all of it, or counts it (dry), of an account that is not configured; any other is
 * refused. Takes as long as it takes. */
int admin_ask_purge(int fd, const char *account, bool dry, struct admin_purged *purged,
                    struct fail *f);
int admin_ask_counts(int fd, struct admin_counts *counts, struct fail *f);

/* ---- the side that answers: qmgr ---- */

struct admin_request {
    uint16_t type;                      /* MSG_ADMIN_... */
    enum admin_list list;               /* lists: which */
    struct admin_query query;           /* lists; its filter: ACT, too */
    uint64_t id;                        /* shows, HOLD_REMOVE */
    enum admin_action action;           /* QUEUE_ACT */
    struct admin_terms terms;           /* QUEUE_ACT */
    enum admin_hook_action hook_action; /* HOOK_ACT */
    int64_t by_ms;                      /* HOOK_ACT */
    struct admin_hold_rule rule;        /* HOLD_ADD: without id and time */
    char *account;                      /* HOOK_TEST, PURGE; NULL for the others */
    char *event;                        /* HOOK_TEST; NULL for the others */
    bool incoming;                      /* HOOK_TEST */
    bool dry;                           /* both ACTs, and PURGE */
    uint64_t after, until; /* both ACTs: those with ids between; until 0: all that are there now */
};
/* Reads any request of the protocol: 0 and the caller clears it, or -1 with a sentence and nothing
 * to clear. Each is answered once, with the answer of its kind or a refusal; answers copy what they
 * are given. */
int admin_read(struct ipc_message *m, struct admin_request *r, struct fail *f);
void admin_request_clear(struct admin_request *r);
void admin_answer_page(struct ipc *ch, uint64_t request, const struct admin_page *p);
void admin_answer_item(struct ipc *ch, uint64_t request, const struct admin_item *i);
void admin_answer_acted(struct ipc *ch, uint64_t request, const struct admin_acted *acted);
void admin_answer_hooks(struct ipc *ch, uint64_t request, const struct admin_hook_page *p);
void admin_answer_rules(struct ipc *ch, uint64_t request, const struct admin_hold_rules *r);
/* acted: what holding what is there has come to, as of an action. */
void admin_answer_added(struct ipc *ch, uint64_t request, uint64_t id,
                        const struct admin_acted *acted);
void admin_answer_removed(struct ipc *ch, uint64_t request);
void admin_answer_hook(struct ipc *ch, uint64_t request, const struct admin_hook_item *i);
void admin_answer_purged(struct ipc *ch, uint64_t request, const struct admin_purged *p);
void admin_answer_counts(struct ipc *ch, uint64_t request, const struct admin_counts *c);
void admin_refuse(struct ipc *ch, uint64_t request, const char *why);

/* The codecs of what goes over, for both sides. */
void admin_row_put(struct buf *b, const struct admin_row *r);
void admin_row_get(struct wire *w, struct admin_row *r);
/* The fields of a row's octets that filters look at, without copies; failures stick to w. Those
 * behind them are not read. */
struct admin_peek {
    uint64_t id, message;
    bool success;
    uint16_t attempts;
    int64_t received_ms, next_ms;
    struct span account, sender, recipient, transport;
};
void admin_row_peek(struct wire *w, struct admin_peek *p);
void admin_item_put(struct buf *b, const struct admin_item *i);
void admin_item_get(struct wire *w, struct admin_item *i);

#endif
