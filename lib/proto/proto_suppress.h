#ifndef QM_PROTO_SUPPRESS_H
#define QM_PROTO_SUPPRESS_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"
#include "proto_types.h"
#include "wire.h"

/* The suppress protocol: webapi asks, for an account, about its suppression list: addresses that
 * this account's mail is not sent to any more. An address stands there by its base
 * (baseaddress.h), so all its variants are meant. Travels over the link "account",
 * and from qmctl over admin.sock. */

enum suppress_class {
    SUPPRESS_BAD_ADDRESS, /* there is no such mailbox, or it takes nothing any more */
    SUPPRESS_FULL,        /* it is full, again and again */
    SUPPRESS_POLICY,
    SUPPRESS_SPAM,
    SUPPRESS_OTHER,
    SUPPRESS_MANUAL, /* somebody put it there */
    SUPPRESS_CLASSES
};

/* One address of the list. Texts are owned, never NULL. */
struct suppression {
    uint64_t id;
    int64_t created_ms, expires_ms; /* expires_ms 0: never */
    char *account;
    char *base, *original; /* local@domain, the domain as A-labels */
    bool manual;           /* as whoever put it there said */
    enum suppress_class class;
    char *reason; /* for people */
};
void suppression_clear(struct suppression *s); /* frees the texts */
/* Its octets, on the wire and in the row; what get made is to be cleared also after the cursor
 * failed. */
void suppression_put(struct buf *b, const struct suppression *s);
void suppression_get(struct wire *w, struct suppression *s);

#define SUPPRESS_PAGE_MAX 1000

enum suppress_result {
    SUPPRESS_DONE,
    SUPPRESS_EXISTS,      /* of add: the base is listed already */
    SUPPRESS_ABSENT,      /* of remove, and of find: it is not */
    SUPPRESS_NOBODY,      /* of add: there is no such account */
    SUPPRESS_UNAVAILABLE, /* the queue cannot tell, or write, now */
    SUPPRESS_RESULTS
};

struct suppress_answer {
    enum suppress_result result;
    struct suppression *rows; /* of list; of find, the one there is */
    uint32_t rows_n;
    uint64_t next; /* of list: give it as after for the next page; 0 when this is the last */
};
void suppress_answer_clear(struct suppress_answer *a); /* frees the rows */

/* ---- the side that asks ---- */

/* answer is valid during the call; SUPPRESS_UNAVAILABLE when qmgr went away: whether a change was
 * made is then unknown. */
typedef void suppress_on_answer(void *arg, const struct suppress_answer *answer);

/* Each returns an id for suppress_forget. Pages are in no order that means anything, and after is 0
 * for the first. */
uint64_t suppress_list(struct ipc *ch, const char *account, uint64_t after, uint32_t limit,
                       suppress_on_answer *on_answer, void *arg);
/* s: account, original, expires_ms, manual, class, reason; the rest is made by qmgr. */
uint64_t suppress_add(struct ipc *ch, const struct suppression *s, suppress_on_answer *on_answer,
                      void *arg);
/* address: any variant. */
uint64_t suppress_remove(struct ipc *ch, const char *account, const char *address,
                         suppress_on_answer *on_answer, void *arg);
uint64_t suppress_find(struct ipc *ch, const char *account, const char *address,
                       suppress_on_answer *on_answer, void *arg);
void suppress_forget(struct ipc *ch, uint64_t id); /* the callback will not come */

/* ---- the side that asks over admin.sock: qmctl; all block, fd from ipc_connect ---- */

/* As above. 0 and an answer that is not SUPPRESS_UNAVAILABLE, to be cleared; or -1 with a sentence.
 */
int suppress_ask_list(int fd, const char *account, uint64_t after, uint32_t limit,
                      struct suppress_answer *answer, struct fail *f);
int suppress_ask_add(int fd, const struct suppression *s, struct suppress_answer *answer,
                     struct fail *f);
int suppress_ask_remove(int fd, const char *account, const char *address,
                        struct suppress_answer *answer, struct fail *f);
int suppress_ask_find(int fd, const char *account, const char *address,
                      struct suppress_answer *answer, struct fail *f);

/* ---- the side that answers: qmgr ---- */

struct suppress_request {
    uint16_t type;        /* MSG_SUPPRESS_LIST, _ADD, _REMOVE, _FIND */
    struct suppression s; /* account of all; original of all but LIST */
    uint64_t after;       /* LIST */
    uint32_t limit;       /* LIST; 1 .. SUPPRESS_PAGE_MAX */
};
/* Reads any request of the protocol: 0 and the caller clears it, or -1 with a sentence and nothing
 * to clear. */
int suppress_read(struct ipc_message *m, struct suppress_request *r, struct fail *f);
void suppress_request_clear(struct suppress_request *r);
void suppress_reply(struct ipc *ch, uint64_t request, const struct suppress_answer *answer);

#endif
