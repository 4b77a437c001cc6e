#ifndef QM_SMTPD_TRANSACTION_H
#define QM_SMTPD_TRANSACTION_H

#include <stdbool.h>

#include "address.h"
#include "esmtp.h"
#include "proto_submit.h"
#include "session.h"
#include "simulate.h"
#include "trees.h"

/* A mail transaction: from MAIL to the reply to DATA, or to what cuts it short. */

enum { TRANSACTION_OCTETS_MAX = 32 << 20 /* of all recipients on their way to the queue */ };

struct recipient_name;
RB_HEAD(recipient_names, recipient_name);

struct message;
struct handover;
struct signer_job;

struct transaction {
    struct submit_envelope *envelope;
    struct esmtp_mail mail;
    struct address only; /* the recipient while there is just one, else all-zero */
    char *from_id; /* the id the client chose itself, for one recipient; NULL when it did not */
    size_t octets; /* of the recipients, as the queue will be told */
    uint64_t held; /* octets that the server is accounted with for them */
    struct recipient_names names; /* those that are in the envelope */
    struct simulate simulate;     /* what to act out at the end of DATA */
    char *simulate_for;           /* the recipient of SIMULATE_DEFER, else NULL */
    struct event *slow;           /* STEP_SLOW, and what comes behind it; else NULL */
    void (*go_on)(struct session *s);
    struct listed_question *question; /* STEP_ASK */
    struct message *message;          /* from DATA on */
    struct signer_job *signing;       /* STEP_SIGN */
    struct handover *handover;        /* STEP_QUEUE */
};

/* Begins one: the session has none. sender is NULL for the null reverse path. */
void transaction_begin(struct session *s, const struct address *sender,
                       const struct esmtp_mail *mail);
/* Adds a recipient, once however often it is named. The caller has asked for room. */
void transaction_add(struct session *s, const struct address *recipient,
                     const struct esmtp_rcpt *rcpt);
/* Whether one more recipient, of whatever length, has a place in the envelope and in memory. */
bool transaction_has_place(const struct session *s);
bool transaction_has_memory(const struct session *s);
/* Forgets the session's transaction at whatever point it is. Nothing when there is none. */
void transaction_end(struct session *s);

#endif
