#ifndef QM_PROTO_EVENTS_H
#define QM_PROTO_EVENTS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"
#include "proto_submit.h"
#include "proto_types.h"
#include "wire.h"

/* The events protocol: webapi reads, for an account, what happened to its messages, in order. An
 * event has a cursor, a number that only ever grows; whoever remembers the last one it has seen
 * misses nothing. Travels over the link "account". */

enum event_type {
    EVENT_ACCEPTED,
    EVENT_DELIVERED,
    EVENT_DELAYED,
    EVENT_FAILED,
    EVENT_CANCELED,
    EVENT_HELD,
    EVENT_RELEASED,
    EVENT_SUPPRESSED,   /* the recipient is on the account's suppression list */
    EVENT_RELAYED,      /* by a DSN: handed on to where nobody tells more */
    EVENT_EXPANDED,     /* by a DSN: sent on to the members of a list */
    EVENT_UNRECOGNIZED, /* something came back that is no usable DSN */
    EVENT_RECEIVED,     /* a message came for the account */
    EVENT_COMPLAINED,   /* the recipient says it is spam */
    EVENT_TYPES
};
extern const char *const event_names[EVENT_TYPES];
/* The name by which webhooks tell of it, or NULL: of these there is no webhook. */
const char *event_hook_name(enum event_type type);
/* Of which event webhooks tell by that name; EVENT_TYPES: of none. */
enum event_type event_of_hook(const char *name);
/* Adds all these names, with a comma and a space between two. */
void event_put_hook_names(struct buf *b);

/* What happened to one recipient. Texts are owned, never NULL. */
struct event_item {
    enum event_type type;
    bool dsn;        /* a DSN told it, and not the next hop */
    bool suppressed; /* the recipient came onto the suppression list by this */
    int64_t when_ms;
    uint64_t recipient, message; /* queue ids */
    char *account, *address, *message_id, *subject, *from_id;
    uint16_t code;  /* SMTP; 0: none */
    char *enhanced; /* "5.1.1" or "" */
    char *text;     /* first line of the remote's reply, or our own sentence, or "" */
    struct submit_extra *extra;
    uint32_t extra_n;
    /* Of the attempt it is about, as in struct deliver_result, each "" where there is none: */
    char *remote_host, *remote_address, *tls, *tls_name, *tls_peer, *tls_record;
};
void event_item_clear(struct event_item *e); /* frees the texts */
/* Its octets, on the wire and in the row: all but what is of the attempt, and then that; what get
 * made is to be cleared also after the cursor failed. event_item_get leaves what is of the attempt
 * "". */
void event_item_put(struct buf *b, const struct event_item *e);
void event_item_get(struct wire *w, struct event_item *e);
void event_way_put(struct buf *b, const struct event_item *e);
void event_way_get(struct wire *w, struct event_item *e);
/* Whether there is anything of the attempt. */
bool event_has_way(const struct event_item *e);

#define EVENTS_PAGE_MAX 1000
#define EVENTS_WAIT_MAX_MS 60000

struct event_at {
    uint64_t cursor;
    struct event_item item;
};

struct events_page {
    struct event_at *events; /* the oldest first */
    uint32_t events_n;
    uint64_t next; /* the after of the next page: the last event's cursor, or after as it was */
    bool gap;      /* the event of after is not kept any more, and so may others behind it be */
};
void events_page_clear(struct events_page *p); /* frees the events */

/* ---- the side that asks ---- */

/* page is valid during the call; NULL when qmgr cannot tell now or went away. */
typedef void events_on_page(void *arg, const struct events_page *page);

/* Events behind the cursor after, 0 for the oldest that is kept; the page is full at limit, or at
 * some MiB. While there is none the answer waits, for wait_ms at most. Returns an id for
 * events_forget. */
uint64_t events_read(struct ipc *ch, const char *account, uint64_t after, uint32_t limit,
                     uint32_t wait_ms, events_on_page *on_page, void *arg);
void events_forget(struct ipc *ch, uint64_t id); /* the callback will not come */

/* ---- the side that answers: qmgr ---- */

struct events_request {
    char *account;
    uint64_t after;
    uint32_t limit;   /* 1 .. EVENTS_PAGE_MAX */
    uint32_t wait_ms; /* 0 .. EVENTS_WAIT_MAX_MS */
};
/* Reads MSG_EVENTS_READ: 0 and the caller clears it, or -1 with a sentence and nothing to clear. */
int events_request_read(struct ipc_message *m, struct events_request *r, struct fail *f);
void events_request_clear(struct events_request *r);
/* page NULL: it cannot be told now. */
void events_answer(struct ipc *ch, uint64_t request, const struct events_page *page);

#endif
