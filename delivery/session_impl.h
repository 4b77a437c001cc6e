#ifndef QM_SESSION_IMPL_H
#define QM_SESSION_IMPL_H

#include "conn.h"
#include "data.h"
#include "ehlo.h"
#include "log.h"
#include "reply.h"
#include "session.h"

/* A session's inside, shared by its two halves: session.c (the connection up to ready) and
 * transaction.c. */

enum step {
    STEP_CONNECT,
    STEP_GREETING,
    STEP_EHLO,
    STEP_HELO,
    STEP_STARTTLS,
    STEP_HANDSHAKE,
    STEP_READY,
    STEP_TRANSACTION,
    STEP_BODY, /* the message is being sent */
    STEP_DOT,  /* its end was sent */
    STEP_RSET,
    STEP_QUIT,
    STEP_DEAD,
    STEPS
};

/* A recipient of the transaction under way. */
struct taker {
    uint32_t index; /* in the job's order */
    bool accepted;
};

struct transaction {
    struct job *job;
    struct taker *takers;
    uint32_t takers_n;
    uint32_t sent, answered;  /* of MAIL (1), RCPT (takers_n), DATA (1), counted through */
    bool mail_refused, heard; /* heard: the remote answered something */
    bool over;                /* no further transaction: the remote refused the message itself */
    bool full;         /* the remote takes no more recipients in this one, as far as it was asked */
    uint32_t accepted; /* recipients */
    bool discard;      /* nobody is to get it: only the dot is sent */
    struct data_encoder encoder;
    uint64_t at;      /* of the body, what was read */
    int64_t until_ms; /* monotonic: its final dot is to be sent by then */
    bool last_chance; /* the deadline that is set is that one */
};

struct session {
    struct agent *agent;
    struct transport *transport; /* a reference */
    struct conn *conn;
    const struct session_handler *handler;
    void *arg;
    enum step step;
    enum session_tls tls;
    char *host;
    char *tls_name;   /* what the server's certificate is to be for */
    char address[80]; /* "192.0.2.1:25" */
    char tls_text[160];
    struct reply_parser parser;
    struct ehlo ehlo;
    uint32_t most_takers;  /* in one transaction, as the remote's refusals told; 0 unknown */
    uint32_t transactions; /* begun */
    struct transaction t;
    struct log_ctx log;
    struct event *stillborn; /* no socket could be made: the failure comes from the loop */
    int stillborn_errno;
    bool used;        /* it has carried a message before, and may be dead by now */
    unsigned running; /* callbacks of the connection on the stack: the free waits for them */
    bool freed;
};

void session_enter(struct session *s, enum step step); /* the one place where the step changes */
void session_put(struct session *s, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Ends the session with on_failed. r: the reply it is for, whose code says whether it is permanent,
 * or NULL. enhanced: without a reply, or where that has none; its class says it then. */
void session_fail(struct session *s, const char *stage, const struct reply *r, const char *enhanced,
                  const char *error);
/* The remote has said more than it was asked for: what comes next cannot be told apart from it. */
bool session_has_unread(const struct session *s);
/* The session is of no more use: it ends without a word to the owner. */
void session_kill(struct session *s);

void transaction_begin(struct session *s, struct job *j);
void transaction_on_reply(struct session *s, const struct reply *r);
void transaction_on_drained(struct session *s);
/* Why its deadline passed: a sentence. */
const char *transaction_lateness(const struct session *s);
/* The connection ended during it. */
void transaction_on_closed(struct session *s, const char *enhanced, const char *why);

#endif
