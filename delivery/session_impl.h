#ifndef QM_SESSION_IMPL_H
#define QM_SESSION_IMPL_H

#include "conn.h"
#include "data.h"
#include "ehlo.h"
#include "log.h"
#include "proto_submit.h"
#include "reply.h"
#include "session.h"
#include "socks.h"

/* A session's inside, shared by its parts: session.c (the connection up to ready), proxy.c,
 * tlsstep.c and auth.c (steps of it), and transaction.c. */

enum step {
    STEP_CONNECT,
    STEP_PROXY, /* it is told where to connect to */
    STEP_GREETING,
    STEP_EHLO,
    STEP_HELO,
    STEP_STARTTLS,
    STEP_HANDSHAKE,
    STEP_AUTH,
    STEP_READY,
    STEP_LOOK, /* at the message, before it is converted */
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
    bool refused;      /* a recipient was, for a reason of its own */
    uint32_t accepted; /* recipients */
    uint32_t told;     /* LMTP: of takers, whom the answers to the dot were for */
    bool discard;      /* nobody is to get it: only the dot is sent */
    struct sevenbit *seven; /* the message is looked at, or converted */
    struct event *turn;     /* STEP_LOOK */
    struct data_encoder encoder;
    uint64_t octets; /* sent of it */
    uint64_t at;     /* of the body, what was read */
    bool chunking;   /* it goes in chunks, without DATA and dot */
    uint32_t chunks_sent, chunks_answered;
    struct buf chunk; /* to be sent next */
    bool chunk_last;  /* it is the last one */
    bool chunk_held;  /* until those before it are answered */
    bool chunk_refused;
    int64_t until_ms; /* monotonic: its final dot is to be sent by then */
    bool last_chance; /* the deadline that is set is that one */
};

/* Logging in. Nothing of it is kept when it is over. */
struct auth {
    uint64_t request;      /* to vault, under way; 0 none */
    uint64_t handle;       /* of the exchange there; 0 none */
    uint64_t vault_number; /* the agent's when it gave the handle */
    char mechanism[32];
    struct buf initial; /* that is to be asked for */
    bool has_initial, complete, canceled, done;
    char why[200]; /* canceled */
    bool loud;     /* canceled: the operator is to hear of it */
};

struct session {
    struct agent *agent;
    struct transport *transport; /* a reference */
    struct conn *conn;
    const struct session_handler *handler;
    void *arg;
    enum step step;
    int64_t asked_ms;               /* monotonic: what is yet to be answered was asked */
    const struct tlspolicy *policy; /* of the message at hand, or the last one; a reference */
    enum session_clear clear;       /* why it is in clear, or is to be */
    bool in_clear;                  /* and that is settled */
    bool retry;                     /* of the policy, without TLS */
    bool no_retry;                  /* TLS failed for a reason that does not allow that */
    bool late;                      /* it ended because its time was over */
    struct tlsseen *seen;           /* NULL: nothing is counted, or it has been */
    SSL *handshake;                 /* the connection's own, once it has begun one */
    int alert;                      /* of TLS: level and description as OpenSSL has them; 0 none */
    bool alert_is_remote;
    char helo[256]; /* the greeting, without its code */
    char *host, *destination;
    char *tls_name;    /* what the server is called to vault */
    char address[280]; /* "192.0.2.1:25" */
    char tls_text[240];
    char tls_peer[PROTO_NAME_MAX + 1], tls_record[PROTO_NAME_MAX + 1];
    bool by_name;      /* the proxy is to find the address */
    struct dnsaddr to; /* not by_name */
    bool greeted;
    struct socks socks;
    struct auth auth;
    struct reply_parser parser;
    struct ehlo ehlo;
    uint32_t most_takers;  /* in one transaction, as the remote's refusals told; 0 unknown */
    uint32_t transactions; /* begun */
    char **domains;        /* of recipients so far, where the remote counts them */
    uint32_t domains_n;
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
void session_asks(struct session *s); /* something of the server, now: it is timed */
/* Ends the session with on_failed. r: the reply it is for, whose code says whether it is permanent,
 * or NULL. enhanced: without a reply, or where that has none; its class says it then. */
void session_fail(struct session *s, const char *stage, const struct reply *r, const char *enhanced,
                  const char *error);
/* The class of enhanced says whether it is for good, whatever the code of r. */
void session_defer(struct session *s, const char *stage, const struct reply *r,
                   const char *enhanced, const char *error);
/* Around whatever comes from elsewhere than the connection: the owner may free the session inside.
 */
void session_hold(struct session *s);
void session_release(struct session *s);
/* The way to the server is open: it greets next. */
void session_greet(struct session *s);
/* EHLO, or TLS and EHLO, are over: logs in where that is to be, or is ready. */
void session_after_tls(struct session *s);
void session_say_hello(struct session *s, enum step step);
/* All is said that goes before mail. */
void session_become_ready(struct session *s);
/* The remote has said more than it was asked for: what comes next cannot be told apart from it. */
bool session_has_unread(const struct session *s);
/* The session is of no more use: it ends without a word to the owner. */
void session_kill(struct session *s);

/* tlsstep.c: TLS as the policy has it. */
/* EHLO or HELO was answered. */
void tlsstep_after_hello(struct session *s);
/* STARTTLS was answered; or it is not needed, since TLS comes first. */
void tlsstep_on_starttls(struct session *s, const struct reply *r);
void tlsstep_begin(struct session *s);
/* The handshake has come to its end. */
void tlsstep_on_secure(struct session *s);
/* Whether the policy lets the message at hand go over this session, as it is. */
bool tlsstep_lets_pass(const struct session *s);
/* The session fails, in whatever step: what that means for another try is put into f. r may be
 * NULL; why: our sentence. */
void tlsstep_on_failure(struct session *s, const struct reply *r, const char *why,
                        struct session_failure *f);
/* Says anew in s->tls_text and beside it what TLS is like. */
void tlsstep_describe(struct session *s);

/* Connected to the proxy: tells it where to connect to. Goes on with session_greet. */
void proxy_begin(struct session *s);
/* The proxy has said something: takes its own words out of the input, and no more. */
void proxy_on_input(struct session *s);

/* Logs in with what vault has for this transport. Goes on with session_become_ready. */
void auth_begin(struct session *s);
/* The server's reply to it. */
void auth_on_reply(struct session *s, const struct reply *r);
/* Counts and logs that the server takes no mail because of who we are to it, or are not: the
 * operator is to hear of it, since none leaves this way until somebody does something. r may be
 * NULL. */
void auth_alarm(struct session *s, const struct reply *r, const char *why);
/* Nothing of it goes on; safe to call at any time. */
void auth_end(struct session *s);

void transaction_begin(struct session *s, struct job *j);
/* The message has been looked at. */
void transaction_go_on(struct session *s);
/* What a reply that comes now is for. */
enum delivery_command transaction_command(const struct session *s);
void transaction_on_reply(struct session *s, const struct reply *r);
/* Why its deadline passed: a sentence. */
const char *transaction_lateness(const struct session *s);
/* The connection ended during it. */
void transaction_on_closed(struct session *s, const char *enhanced, const char *why);
bool transaction_has(const struct session *s, enum submit_flag flag);
/* Gives the server so long for its next step, as far as the transaction has time left. Returns 0,
 * or -1 when it has none: then it is over. */
int transaction_give_time(struct session *s, int64_t ms);
/* Those who were accepted are refused after all. */
void transaction_refuse(struct session *s, const struct reply *r);
/* Whoever is left is deferred with this reply, and the session is of no more use. */
void transaction_put_off(struct session *s, const struct reply *r);
/* After a transaction that did not come to its end the server is asked to forget it. */
void transaction_reset(struct session *s);

/* takers.c */
/* The recipients still to be settled, as many as the server takes at once and as have the same
 * sender; none when it takes no more in this session. */
void takers_choose(struct session *s);
/* Whether those that were chosen get the null sender in place of the message's. */
bool takers_hide_sender(const struct session *s);
/* All recipients have been asked for: a limit that shows is kept. */
void takers_learn(struct session *s);
/* RFC 6531 section 3.4: whether the transaction needs it, whatever the client said of the message.
 */
bool takers_need_smtputf8(const struct session *s);
/* What the server cannot take, it is not asked to. Another one may. */
bool takers_refused(const struct session *s, const char **enhanced, const char **why);
void takers_clear(struct session *s);

/* content.c */
/* Settles where the message begins that is sent. */
void content_settle_begin(const struct session *s, struct job *j);
/* Whether it need not be looked at (content_look) before it is sent here. */
bool content_is_known(const struct session *s);
/* Finds out what converting it takes. Goes on with transaction_go_on. */
void content_look(struct session *s);
/* Whether it cannot be converted, and would have to be; job->stuck says why. */
bool content_is_stuck(const struct session *s);
uint64_t content_size(const struct session *s); /* octets, as it is sent here; or a few less */
void content_begin(struct session *s);
void content_on_drained(struct session *s);
/* A reply while it is sent in chunks. */
void content_on_reply(struct session *s, const struct reply *r);
/* Whether the reply says that the server does not know BDAT, which it announced: noted. */
bool content_is_unknown(struct session *s, const struct reply *r);
void content_clear(struct session *s);

#endif
