#ifndef QM_PROTO_MAIL_H
#define QM_PROTO_MAIL_H

#include <stdbool.h>
#include <stdint.h>

#include "buf.h"
#include "fail.h"
#include "ipc.h"
#include "mailplace.h"
#include "proto_types.h"
#include "wire.h"

/* The mail protocol: webapi asks qmgr, for an account, about the index of its mailbox: which
 * message has which id, where it is, and what is known of it beside its own octets. Travels over
 * the link "account". */

/* What a check of the sender came to when the message arrived. */
enum mail_check {
    MAIL_UNCHECKED, /* nobody looked */
    MAIL_NONE,      /* there was nothing to check against */
    MAIL_PASS,
    MAIL_FAIL,
    MAIL_ERROR, /* it could not be told */
    MAIL_CHECKS
};

struct mail_checks {
    enum mail_check spf;    /* of MAIL FROM (RFC 7208) */
    enum mail_check dmarc;  /* of the domain of From (RFC 7489) */
    struct mail_words dkim; /* domains of the signatures that were good (RFC 6376) */
};

/* A message of a mailbox, or what is left to know of one that was removed. Texts are owned, never
 * NULL. */
struct mail_message {
    uint64_t id;
    int64_t removed_ms; /* when; 0: it is there. All that follows is empty for a removed one */
    struct mail_place place;
    struct mail_words keywords; /* lower case; those that the file's name has no letter for */
    char *mail_from;            /* reverse path; "" for the null one, or when unknown */
    char *rcpt_to;              /* the recipient it was delivered for; "" when unknown */
    char *remote_ip;            /* of the client that brought it; "" when unknown */
    int64_t received_ms;
    struct mail_checks checks;
};
void mail_message_clear(struct mail_message *m);
/* An all-zero one with every text "". */
struct mail_message mail_message_new(uint64_t id);
/* Its octets, on the wire and in the row; what get made is to be cleared also after the cursor
 * failed. */
void mail_message_put(struct buf *b, const struct mail_message *m);
void mail_message_get(struct wire *w, struct mail_message *m);

/* A file that was seen in the mailbox. Texts are owned, never NULL. */
struct mail_seen {
    struct mail_place place;    /* with its mtime_ms, whether it begins with an id or not */
    uint64_t line_id;           /* the id it begins with; 0: none */
    uint32_t links;             /* names that the file has */
    char *mail_from, *rcpt_to;  /* as its first lines say; "" */
    struct mail_words keywords; /* of a file that is new */
};
void mail_seen_clear(struct mail_seen *s);
/* As for a message. */
void mail_seen_put(struct buf *b, const struct mail_seen *s);
void mail_seen_get(struct wire *w, struct mail_seen *s);

#define MAIL_PAGE_MAX 1000

enum mail_result {
    MAIL_DONE,
    MAIL_ABSENT,      /* there never was such a message, as far as is known */
    MAIL_REMOVED,     /* it was removed */
    MAIL_TAKEN,       /* of moved: what is there is another message */
    MAIL_FULL,        /* of keywords: more than a message can have */
    MAIL_UNAVAILABLE, /* the queue cannot tell, or write, now */
    MAIL_RESULTS
};

struct mail_answer {
    enum mail_result result;
    struct mail_message *messages; /* of get: the one; of note: one for each file, in order */
    uint32_t messages_n;
};
void mail_answer_clear(struct mail_answer *a); /* frees the messages */

/* ---- the side that asks ---- */

/* answer is valid during the call; MAIL_UNAVAILABLE when qmgr went away: whether a change was made
 * is then unknown. */
typedef void mail_on_answer(void *arg, const struct mail_answer *answer);

/* Each returns an id for mail_forget. */
uint64_t mail_get(struct ipc *ch, const char *account, uint64_t id, mail_on_answer *on_answer,
                  void *arg);
/* These files were seen: which messages they are. What has no id yet gets one. n is at most
 * MAIL_PAGE_MAX. */
uint64_t mail_note(struct ipc *ch, const char *account, const struct mail_seen *seen, uint32_t n,
                   mail_on_answer *on_answer, void *arg);
/* Likewise of one file, the copy of the message that the account's queue took under this once_key:
 * whoever sends that again learns that there is one. */
uint64_t mail_note_copy(struct ipc *ch, const char *account, const struct mail_seen *seen,
                        const char *once_key, mail_on_answer *on_answer, void *arg);
uint64_t mail_keywords(struct ipc *ch, const char *account, uint64_t id,
                       const struct mail_words *add, const struct mail_words *remove,
                       mail_on_answer *on_answer, void *arg);
/* The message is somewhere else now, and has these keywords beside those it had. */
uint64_t mail_moved(struct ipc *ch, const char *account, uint64_t id,
                    const struct mail_place *place, const struct mail_words *add,
                    mail_on_answer *on_answer, void *arg);
uint64_t mail_deleted(struct ipc *ch, const char *account, uint64_t id, mail_on_answer *on_answer,
                      void *arg);
void mail_forget(struct ipc *ch, uint64_t id); /* the callback will not come */

/* ---- the side that answers: qmgr ---- */

struct mail_request {
    uint16_t type; /* MSG_MAIL_GET, _NOTE, _KEYWORDS, _MOVED, _DELETED */
    char *account;
    uint64_t id;                   /* of all but NOTE */
    struct mail_seen *seen;        /* NOTE */
    uint32_t seen_n;               /* NOTE; at least 1 */
    char *once_key;                /* NOTE; "" when it is no copy, of one file */
    struct mail_place place;       /* MOVED */
    struct mail_words add, remove; /* KEYWORDS; MOVED: add */
};
/* Reads any request of the protocol: 0 and the caller clears it, or -1 with a sentence and nothing
 * to clear. */
int mail_read(struct ipc_message *m, struct mail_request *r, struct fail *f);
void mail_request_clear(struct mail_request *r);
void mail_reply(struct ipc *ch, uint64_t request, const struct mail_answer *answer);

#endif
