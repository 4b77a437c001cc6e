#ifndef QM_SESSION_H
#define QM_SESSION_H

#include <stdbool.h>

#include "agent.h"
#include "dnsaddr.h"

/* One SMTP connection to one address, as a client: greeting, EHLO, TLS, then one transaction after the other. */

struct session;

enum session_tls { SESSION_CLEAR, SESSION_OPPORTUNISTIC, SESSION_VERIFIED };

/* Why a session, or the transaction under way, came to nothing. Texts are valid during the callback. */
struct session_failure {
    const char *stage;    /* "connect", "greeting", "ehlo", "starttls", "mail", "rcpt", "data", "dot" */
    int code;             /* of the remote; 0 if it said nothing */
    const char *enhanced; /* the remote's, or ours */
    const char *reply;    /* the whole reply; "" */
    const char *error;    /* our sentence */
    bool permanent;
    bool tls_failed;      /* another try without TLS may do */
};

struct session_handler {
    /* A transaction may begin. */
    void (*on_ready)(struct session *s, void *arg);
    /* The transaction is over: each recipient of the job that took part is settled. usable: another may begin. */
    void (*on_done)(struct session *s, void *arg, bool usable);
    /* The session ended before it was ready, or while it idled, or before the remote had answered anything of the transaction
     * (then nothing of the job is settled by it). The owner frees it, here or later. */
    void (*on_failed)(struct session *s, void *arg, const struct session_failure *f);
};

/* Connects. host: the name, for TLS and the record. */
struct session *session_open(struct agent *a, struct transport *t, const char *host, const struct dnsaddr *address,
                             enum session_tls tls, const struct session_handler *handler, void *arg);
/* Sends the job's message to those of its recipients that are not settled, in as many transactions as the remote's limits
 * ask for. Only when ready. */
void session_send(struct session *s, struct job *j);
/* Another owner takes over an idle session. */
void session_set_owner(struct session *s, const struct session_handler *handler, void *arg);
/* Nothing to do for now: on_failed comes when the remote, or idle_ms, ends it. */
void session_idle(struct session *s, int64_t idle_ms);
/* Says QUIT if there is time, and frees it; no callback comes. */
void session_quit(struct session **s);
void session_free(struct session **s); /* closes at once */

#endif
