#ifndef QM_PROTO_SUBMIT_H
#define QM_PROTO_SUBMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"
#include "proto_types.h"
#include "wire.h"

/* The submit protocol: smtpd and webapi put one message into the queue. qmgr answers only when the
 * message is on stable storage. */

enum submit_origin {
    SUBMIT_SMTP,       /* from a stranger, for an address of ours */
    SUBMIT_SUBMISSION, /* by an account over SMTP */
    SUBMIT_LOCAL,      /* by a user of this machine through sendmail */
    SUBMIT_WEBAPI,     /* by an account over HTTP */
    SUBMIT_DSN,        /* composed by qmgr itself */
    SUBMIT_ORIGINS
};

enum submit_flag {
    SUBMIT_EIGHT_BIT = 0x1, /* an octet above 127 is in it: needs 8BITMIME */
    /* The header needs SMTPUTF8. Whether an address does is seen from the address, since it goes
     * to some of the hosts alone. Queues of before have it also where only an address does. */
    SUBMIT_UTF8_HEADER = 0x2,
    SUBMIT_REQUIRE_TLS = 0x4,  /* RFC 8689: never without verified TLS */
    SUBMIT_TLS_OPTIONAL = 0x8, /* TLS-Required: no */
    SUBMIT_FROM_IDS = 0x10,    /* each recipient without a from id is to get one of its own */
    SUBMIT_HOLD_FOR = 0x40,    /* not_before_ms was asked for as so long from now (HOLDFOR) */
    SUBMIT_FLAGS = 0x5f
};

/* RFC 3461 NOTIFY, as bits; 0 is absent. */
enum { NOTIFY_NEVER = 1, NOTIFY_SUCCESS = 2, NOTIFY_FAILURE = 4, NOTIFY_DELAY = 8 };

#define SUBMIT_DIGEST 32
#define SUBMIT_ONCE_KEY_MAX 1024       /* octets */
#define SUBMIT_EXTRA_MAX 1000          /* pairs */
#define SUBMIT_EXTRA_OCTETS (1u << 20) /* of all keys and values together */

struct submit_recipient {
    char *address; /* local@domain, the domain in lower case as A-labels and at most PROTO_NAME_MAX
                      octets */
    char *from_id; /* "" or what makes this recipient's return path unique, as the client chose it;
                      the queue puts it behind the separator of the sender, and makes those that
                      SUBMIT_FROM_IDS asks for */
    char *orcpt;   /* RFC 3461 original recipient "type;address", or "" */
    uint8_t notify;
};

struct submit_extra {
    char *key, *value;
};

/* Pairs of extra data on the wire: at most SUBMIT_EXTRA_MAX, of at most SUBMIT_EXTRA_OCTETS. What
 * get made is to be freed also after the cursor failed. */
void submit_extra_put(struct buf *b, const struct submit_extra *extra, uint32_t n);
void submit_extra_get(struct wire *w, struct submit_extra **extra, uint32_t *n);
void submit_extra_free(struct submit_extra **extra, uint32_t *n);

/* Everything about a message but its octets. All texts are owned and never NULL ("" when there is
 * none). */
struct submit_envelope {
    enum submit_origin origin;
    uint32_t flags;    /* enum submit_flag */
    char *account;     /* who is responsible for it, or "" */
    char *sender;      /* reverse path, "" for the null one */
    char *envid, *ret; /* RFC 3461 ENVID; RET "", "FULL" or "HDRS" */
    /* These are for people and cut at PROTO_TEXT_MAX octets on their way. */
    char *message_id; /* with <>; "" if the message has none */
    char *subject;    /* decoded */
    /* How it came in: "192.0.2.1 ESMTPS client.example", which is what it called itself in EHLO;
     * "192.0.2.1 HTTP". */
    char *client;
    int64_t received_ms;   /* wall clock, not negative */
    int64_t not_before_ms; /* first attempt not before; 0 for at once */
    struct submit_recipient *recipients;
    uint32_t recipients_n;
    struct submit_extra *extra;
    uint32_t extra_n;
    /* The client's key for this message, or "" for none: of all with one key the account's queue
     * takes one, and answers the others as it did that one. digest tells whether they ask for the
     * same. Goes over beside the envelope, and is no part of its octets. */
    char *once_key;
    unsigned char once_digest[SUBMIT_DIGEST];
};

/* An empty envelope: every text "", origin as given, received now. */
struct submit_envelope *submit_envelope_new(enum submit_origin origin);
/* Replaces a text of the envelope by a copy: submit_set(&e->sender, "a@b"). NULL means "". */
void submit_set(char **field, const char *value);
struct submit_recipient *submit_add_recipient(struct submit_envelope *e, const char *address);
void submit_add_extra(struct submit_envelope *e, const char *key, const char *value);
void submit_envelope_free(struct submit_envelope **e);

void submit_envelope_put(struct buf *b, const struct submit_envelope *e);
/* Returns a new envelope; the cursor's sticky error says whether it is any good. */
struct submit_envelope *submit_envelope_get(struct wire *w);
/* A part of an envelope's octets, without copies; what follows it is not read. The spans point into
 * the source. */
struct submit_peek {
    struct span account, sender;
    int64_t received_ms;
};
void submit_envelope_peek(struct wire *w, struct submit_peek *p);

/* Why a message was refused, for a client that is told in other words than SMTP's. */
enum submit_why {
    SUBMIT_WHY_OTHER,
    SUBMIT_WHY_MESSAGE_LIMIT,   /* the account has sent as much as it may in a day */
    SUBMIT_WHY_RECIPIENT_LIMIT, /* and written to as many new recipients */
    SUBMIT_WHY_CONFLICT,        /* a message with this once_key asked for something else */
    SUBMIT_WHY_FROM_ID,         /* the from id that the client chose is another recipient's */
    SUBMIT_WHY_SUPPRESSED,      /* a recipient is on the account's suppression list */
    SUBMIT_WHYS
};

struct submit_reply {
    bool accepted;
    uint64_t id;      /* accepted: the message's queue id; recipient n has id + n */
    char *message_id; /* accepted: NULL, or of the message with this once_key that was taken before;
                       * this one was not */
    int64_t taken_ms; /* of that message: its received_ms */
    bool copied;      /* and whether its copy was noted as stored (mail_note_copy) */
    char **from_ids;  /* accepted: one for each recipient, or none at all */
    uint32_t from_ids_n;
    uint16_t code;     /* refused: the SMTP reply to give, 4xx or 5xx */
    char enhanced[12]; /* "4.3.1" */
    enum submit_why why;
    char text[PROTO_NAME_MAX + 1];
};

/* ---- the side that asks
 * ------------------------------------------------------------------------------------ */

/* reply is NULL when qmgr went away before it answered: whether the message was queued is unknown,
 * so the client must be told to try again (4xx) and may then send it twice; that is the only case.
 * So, too, when this process had no descriptor left to hand the message over. */
typedef void submit_on_reply(void *arg, const struct submit_reply *reply);

/* body is a sealed memory file with the message, header first, lines ended by CRLF; it stays the
 * caller's. Returns the request's id for submit_forget. */
uint64_t submit_message(struct ipc *ch, const struct submit_envelope *e, int body,
                        submit_on_reply *on_reply, void *arg);
void submit_forget(struct ipc *ch, uint64_t id); /* the callback will not come */

/* ---- the side that answers
 * --------------------------------------------------------------------------------- */

/* Reads one MSG_SUBMIT_MESSAGE. On 0 the envelope and the body descriptor are the caller's; body is
 * checked to be sealed and at most body_max octets. */
int submit_read(struct ipc_message *m, uint64_t body_max, struct submit_envelope **e, int *body,
                uint64_t *body_size, struct fail *f);
void submit_accept(struct ipc *ch, uint64_t request, uint64_t id);
/* As reply says: its id and from_ids, and when it was accepted before, message_id and what belongs
 * to it. */
void submit_accept_as(struct ipc *ch, uint64_t request, const struct submit_reply *reply);
void submit_refuse(struct ipc *ch, uint64_t request, uint16_t code, const char *enhanced,
                   enum submit_why why, const char *text);

#endif
