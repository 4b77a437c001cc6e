#ifndef QM_MESSAGES_H
#define QM_MESSAGES_H

#include "call.h"
#include "jsonwrite.h"
#include "proto_mail.h"
#include "proto_mailbox.h"

/* What the methods about one message of the mailbox share, in steps:
 *
 *     look up     qmgr says where the message with that id was last
 *     do          delivery/local finds its file and does with it what the method wants; where the
 *                 file has another name qmgr is told, and this step is done again
 *     note        qmgr is told where it is now, if that is another place
 *     then        the method's own end, which may have more to tell to qmgr
 *
 * A client that leaves ends it at any step; what was asked for is done all the same. */

struct messages;

struct messages_plan {
    enum code zero;    /* the refusal of MsgID 0 */
    enum code removed; /* of a message that was removed */
    bool moves;        /* keywords without a letter in the new folder go to the index */
    /* Asks for what is to be done: one of mailbox_find, _flags, _move, _delete. */
    uint64_t (*ask)(struct call *c, struct ipc *ch, const struct mailbox_which *which,
                    mailbox_on_answer *on_answer, void *arg);
    /* It is done: ends the call, now or by one of the functions below. */
    void (*then)(struct call *c, struct messages *m);
};

/* The call's work from messages_run on; then may take out what it needs. */
struct messages {
    const struct messages_plan *plan;
    uint64_t asked_qmgr, asked_box; /* 0: not */
    struct mail_message row;        /* as it was before */
    struct mailbox_file file;       /* as it is now; of one that was deleted, as it was */
    struct mail_words unplaced;     /* as in the answer (proto_mailbox.h) */
    int fd;                         /* the message's octets, or -1 */
    unsigned renamed;               /* so often it was elsewhere */
};

/* Does the whole call. id is as the client gave it. */
void messages_run(struct call *c, int64_t id, const struct messages_plan *plan);

/* Ends of a call, from then: an empty object. */
void messages_answer_nothing(struct call *c);
/* The same, once qmgr has these keywords added and removed, if there are any; and once it knows
 * that the message is removed. */
void messages_end_with_keywords(struct call *c, const struct mail_words *add,
                                const struct mail_words *remove);
void messages_end_removed(struct call *c);
/* Refuses the call with c->refusal. */
void messages_refuse(struct call *c);

/* A mailbox as it is stored, domain in A-labels, with U-labels; as it stands where it is none. */
void messages_write_address(struct jsonwrite *w, const char *stored);

/* Frees the call's work; also when the client has left. */
void messages_end_work(struct call *c);

/* How many octets a message may have to be handed over: what this server takes, and what was put in
 * front of it; no more than the memory for bodies has room for beside the request, or it would be
 * put off for ever. */
uint64_t messages_octets_max(const struct call *c);

#endif
