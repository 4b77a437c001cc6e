#ifndef QM_SESSION_H
#define QM_SESSION_H

#include <stdbool.h>

#include "agent.h"
#include "dnsaddr.h"
#include "tlspolicy.h"
#include "tlsseen.h"

/* One SMTP connection to one address, as a client: greeting, EHLO, TLS, then one transaction after
 * the other. */

struct session;

/* Why a session is in clear. */
enum session_clear {
    SESSION_NOT_CLEAR,
    SESSION_REFUSED,     /* STARTTLS was refused on the connection before */
    SESSION_CUT,         /* the connection before ended over it */
    SESSION_HANDSHAKE,   /* the handshake there failed */
    SESSION_NOT_OFFERED, /* STARTTLS is not offered */
    SESSION_OFF,         /* TLS is not to be used */
    SESSION_CLEARS
};

/* Why a session, or the transaction under way, came to nothing. Texts are valid during the
 * callback. */
struct session_failure {
    const char *stage; /* "connect", "greeting", "ehlo", "starttls", "auth", "mail", "rcpt", "data",
                          "dot" */
    int code;          /* of the remote; 0 if it said nothing */
    const char *enhanced; /* the remote's, or ours */
    const char *reply;    /* the whole reply; "" */
    const char *error;    /* our sentence */
    bool permanent;
    bool late;                    /* since time was over */
    bool retry_in_clear;          /* the policy lets the host be tried again, without TLS */
    enum session_clear why_clear; /* of retry_in_clear */
    bool no_requiretls;           /* the host cannot have what REQUIRETLS asks for */
    struct job_tls tls;           /* as session_tls */
    const char *address;          /* "192.0.2.1:25" */
};

struct session_handler {
    /* A transaction may begin. */
    void (*on_ready)(struct session *s, void *arg);
    /* The transactions are over. usable: another may begin, and every recipient of the job is
     * settled. Otherwise some may be left, when the remote takes no more transactions over one
     * connection; each time at least one was settled. The owner ends an unusable session with
     * session_quit. */
    void (*on_done)(struct session *s, void *arg, bool usable);
    /* The session ended before it was ready, or while it idled; or the remote cannot take this
     * message at all, or went away before it had said a word about it (then nothing of the job is
     * settled). The owner frees it, here or later. */
    void (*on_failed)(struct session *s, void *arg, const struct session_failure *f);
    /* Nothing was done for the time that session_idle gave. NULL where that is never called. */
    void (*on_idle)(struct session *s, void *arg);
};

struct session_order {
    struct agent *agent;
    struct transport *transport;
    const char *host;        /* the name, for the record */
    const char *destination; /* whose mail may go over it: a domain, or "" for any; sessions of TLS
                                are resumed for the same one only */
    const struct dnsaddr *address;  /* NULL where the transport has a local socket, or has its proxy
                                       look for it */
    const struct tlspolicy *policy; /* to be tried */
    enum session_clear retry; /* SESSION_NOT_CLEAR, or why the connection before came to nothing and
                                 this one does without TLS, as the policy allows */
    struct tlsseen *seen;     /* how TLS goes is counted here; until on_ready or on_failed */
};
/* Connects. */
struct session *session_open(const struct session_order *order,
                             const struct session_handler *handler, void *arg);
/* What TLS is like. Texts are valid as long as the session. */
struct job_tls session_tls(const struct session *s);
const char *session_host(const struct session *s);
int session_family(const struct session *s); /* AF_INET, AF_INET6; 0: the address is not known */
const struct dnsaddr *session_address(const struct session *s); /* family is 0: it is not known */
/* Why it is in clear; SESSION_NOT_CLEAR: it is not, or it is not settled. */
enum session_clear session_is_clear(const struct session *s);
/* Whether it is under TLS and the server showed what the policy, one to be tried, asks for. */
bool session_would_meet(const struct session *s, const struct tlspolicy *policy);
const struct tlspolicy *session_policy(const struct session *s);
/* What is told of recipients whose turn has not come when all the job's time is over. */
#define JOB_TOO_LONG "the server takes too long for all the recipients"
/* Sends the job's message to those of its recipients that are not settled, in as many transactions
 * as the remote's limits ask for. Only when ready. */
void session_send(struct session *s, struct job *j);
/* Another owner takes over an idle session, for a message that goes under policy (NULL: none yet),
 * which demands the same of TLS (tlspolicy_same_connection). */
void session_set_owner(struct session *s, const struct tlspolicy *policy,
                       const struct session_handler *handler, void *arg);
/* Whether the remote may be asked to take one of the job's recipients over this connection, as far
 * as it counts their domains. */
bool session_fits(const struct session *s, const struct job *j);
/* Nothing to do for now: on_failed comes when the remote ends it, on_idle when idle_ms is over. */
void session_idle(struct session *s, int64_t idle_ms);
/* Whether one that idled still seems good: the remote neither closed it nor said anything. */
bool session_is_alive(const struct session *s);
/* Says QUIT if it is ready, waits for the answer on its own, and frees it; no callback comes. NULL
 * is let pass. */
void session_quit(struct session **s);
void session_free(struct session **s); /* closes at once */

#endif
