#ifndef QM_SMTPD_SESSION_H
#define QM_SMTPD_SESSION_H

#include <bsd/sys/queue.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "conn.h"
#include "line.h"
#include "log.h"
#include "server.h"

/* One connection of a client, from its first octet to its last. What it waits for is its step;
 * session_enter is the only function that changes it. */

enum step {
    STEP_SECURE,    /* a TLS handshake */
    STEP_COMMAND,   /* the client's next command */
    STEP_PAUSE,     /* the end of a pause, then its next command */
    STEP_CHALLENGE, /* the client's answer within AUTH */
    STEP_VAULT,     /* the vault's answer within AUTH */
    STEP_ASK,       /* the queue's word on a recipient */
    STEP_DATA,      /* the rest of a message */
    STEP_SIGN,      /* signatures */
    STEP_QUEUE,     /* the queue's answer */
    STEP_SLOW,      /* the end of a simulated delay, then it is signed and queued */
    STEP_HOLD,      /* the client to give up: a simulated time-out */
    STEP_CLOSE,     /* the last reply to leave */
    STEPS,
};

enum {
    SESSION_INPUT_MAX = 16384,
    SESSION_CLIENT_SIZE = 48,
    SESSION_ID_SIZE = 12,
    SESSION_NAME_MAX = 255, /* octets of what a client may call itself */
};

struct transaction;
struct exchange;

struct session {
    TAILQ_ENTRY(session) next;
    struct server *server;
    struct settings *settings;
    const struct port *port;
    struct conn *conn;
    struct event *pause;   /* its end; made when first needed */
    struct buf held;       /* the reply that waits for the end of the pause */
    struct client *client; /* where the connection is counted */
    enum step step;
    struct line_reader reader;
    size_t line_max; /* octets of a command with its CR LF, as the reader and the input buffer were
                        made for */
    struct log_ctx log;
    char id[SESSION_ID_SIZE];
    char address[SESSION_CLIENT_SIZE]; /* of the client: "192.0.2.1", "uid 1000" */
    char *name;                        /* what the client calls itself; NULL before EHLO or HELO */
    bool extended;                     /* it said EHLO */
    bool greeted;
    bool begun;                     /* a first command came */
    bool heard;                     /* a whole command came since the deadline was set */
    bool clogged;                   /* the client does not read its replies */
    size_t behind;                  /* octets that came with the command being run, behind it */
    char *account, *login;          /* NULL before authentication */
    char *tls_version, *tls_cipher; /* NULL in clear */
    unsigned errors, auth_failures, transactions;
    unsigned idle_commands;    /* since a recipient was taken: those that bring no message nearer */
    struct exchange *exchange; /* AUTH under way */
    struct transaction *transaction; /* NULL outside of one */
};

/* A client has connected to a port of the server's settings. Takes the descriptor. peer tells a
 * user of this machine by sa_family AF_UNIX. Clients beyond the limits are told 421 and closed. */
void session_new(struct server *sv, const struct port *port, int fd, const struct sockaddr *peer);

/* Closes the connection at once and frees the session. What it asked for elsewhere is forgotten. */
void session_destroy(struct session **s);

/* Changes what the session waits for. */
void session_enter(struct session *s, enum step step);
const char *session_step_name(enum step step);

/* Works on what has arrived, as far as the step allows, and sends the replies. For whoever changed
 * the step out of a callback of its own. */
void session_run(struct session *s);

/* The reply in s->held is sent, and the next command read, only after the penalty for a mistake. */
void session_penalize(struct session *s);
/* Likewise, so much later. */
void session_pause(struct session *s, int64_t ms);
/* Sends what is written, then closes. */
void session_close(struct session *s);
/* 421, then closes, unless a message is under way. */
void session_say_goodbye(struct session *s);

/* Forgets all the client said and starts TLS: 220 has been written. site has been asked already. */
void session_start_tls(struct session *s, SSL *ssl);
/* Goes on with the server's newest settings. -1 when the port is not in them any more. */
int session_renew(struct session *s);

/* Sets the time within which the next octets of a message must come. */
void session_expect_data(struct session *s, int64_t until_ms);
/* Whether TLS protects what the client sends. */
bool session_is_private(const struct session *s);

#endif
