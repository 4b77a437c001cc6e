#ifndef QM_PROTO_ADMIN_H
#define QM_PROTO_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"
#include "proto_deliver.h"
#include "proto_types.h"
#include "wire.h"

/* The admin protocol: qmctl and mailq look at the queue and act on it, over <run-dir>/admin.sock.
 * Anybody may list the queue; to see more, or to act, one must be root, the user who runs the
 * suite, or of the admin group. */

#define ADMIN_IDS_MAX 10000
#define ADMIN_PAGE_MAX 500

enum admin_held { ADMIN_HELD_ANY, ADMIN_HELD_NO, ADMIN_HELD_YES, ADMIN_HELDS };

/* Which recipients: everything set must match. All-zero matches all. Addresses match as substrings,
 * ASCII case folded. Times are wall clock ms, 0 for no bound, both ends exclusive. */
struct admin_filter {
    uint64_t *ids; /* of recipients */
    uint32_t ids_n;
    bool messages; /* the ids are of messages, and all their recipients are meant: a message has the
                      id of its first one */
    char *account, *from, *to, *transport; /* NULL or "" for any */
    enum admin_held held;
    int64_t submitted_after_ms, submitted_before_ms;
    int64_t next_after_ms, next_before_ms;
};
/* clear frees what the filter owns; put and get are its octets on the wire. What get made is to be
 * cleared also after a failure (the cursor's sticky error). */
void admin_filter_clear(struct admin_filter *f);
void admin_filter_put(struct buf *b, const struct admin_filter *f);
void admin_filter_get(struct wire *w, struct admin_filter *f);

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
    uint64_t next; /* give it as after for the next page; 0 when this is the last */
};
void admin_page_clear(struct admin_page *p); /* frees the rows */

/* One recipient with its whole history. */
struct admin_item {
    struct admin_row row;
    char *orcpt, *envid, *from_id, *client;
    uint32_t flags;
    struct deliver_result *attempts;
    uint32_t attempts_n;
};
void admin_item_clear(struct admin_item *i); /* frees all it owns */

enum admin_action {
    ADMIN_KICK, /* next attempt now */
    ADMIN_HOLD,
    ADMIN_RELEASE,
    ADMIN_DROP, /* remove without telling the sender */
    ADMIN_FAIL, /* give up, with a DSN */
    ADMIN_ACTIONS
};

struct admin_counts {
    uint64_t messages, recipients, held, trying, due, retired, hooks, events;
    uint64_t bytes_used, bytes_free; /* of the store's device and free pages */
};

struct admin_hook_row {
    uint64_t id, recipient;
    char *account, *url, *event, *last; /* last: what the last attempt gave */
    uint16_t attempts;
    int64_t submitted_ms, next_ms;
};
struct admin_hook_page {
    struct admin_hook_row *rows;
    uint32_t rows_n;
    uint64_t next;
};
void admin_hook_page_clear(struct admin_hook_page *p); /* frees the rows */

/* ---- the side that asks; all block, fd from ipc_connect ---- */

/* retired: the history instead of the queue. after: 0 for the first page. */
int admin_ask_list(int fd, bool retired, const struct admin_filter *filter, uint64_t after,
                   uint32_t limit, struct admin_page *page, struct fail *f);
int admin_ask_show(int fd, bool retired, uint64_t id, struct admin_item *item, struct fail *f);
/* count: how many recipients it was done to. dry: only count. */
int admin_ask_act(int fd, enum admin_action action, const struct admin_filter *filter, bool dry,
                  uint64_t *count, struct fail *f);
int admin_ask_hooks(int fd, uint64_t after, uint32_t limit, struct admin_hook_page *page,
                    struct fail *f);
int admin_ask_counts(int fd, struct admin_counts *counts, struct fail *f);

/* ---- the side that answers: qmgr ---- */

struct admin_request {
    uint16_t type;              /* MSG_ADMIN_... */
    struct admin_filter filter; /* lists, ACT */
    uint64_t after;             /* lists */
    uint32_t limit;             /* lists; 1 .. ADMIN_PAGE_MAX */
    uint64_t id;                /* shows */
    enum admin_action action;   /* ACT */
    bool dry;                   /* ACT */
};
/* Reads any request of the protocol: 0 and the caller clears it, or -1 with a sentence and nothing
 * to clear. Each is answered once, with the answer of its kind or a refusal; answers copy what they
 * are given. */
int admin_read(struct ipc_message *m, struct admin_request *r, struct fail *f);
void admin_request_clear(struct admin_request *r);
void admin_answer_page(struct ipc *ch, uint64_t request, const struct admin_page *p);
void admin_answer_item(struct ipc *ch, uint64_t request, const struct admin_item *i);
void admin_answer_acted(struct ipc *ch, uint64_t request, uint64_t count);
void admin_answer_hooks(struct ipc *ch, uint64_t request, const struct admin_hook_page *p);
void admin_answer_counts(struct ipc *ch, uint64_t request, const struct admin_counts *c);
void admin_refuse(struct ipc *ch, uint64_t request, const char *why);

/* The codecs of what goes over, for both sides. */
void admin_row_put(struct buf *b, const struct admin_row *r);
void admin_row_get(struct wire *w, struct admin_row *r);
void admin_item_put(struct buf *b, const struct admin_item *i);
void admin_item_get(struct wire *w, struct admin_item *i);

#endif
