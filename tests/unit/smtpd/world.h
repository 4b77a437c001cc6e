#ifndef QM_TEST_SMTPD_WORLD_H
#define QM_TEST_SMTPD_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#include "proto_submit.h"
#include "reply.h"
#include "server.h"

/* The SMTP server in this process, between real sockets: clients on loopback, and at the other ends
 * of its channels a queue and a vault that do what a test says. */

enum queue_mode { QUEUE_ACCEPTS, QUEUE_REFUSES, QUEUE_WAITS };

struct arrived {
    struct submit_envelope *envelope;
    struct buf body;
    uint64_t request; /* not answered yet; else 0 */
};

struct world {
    struct event_base *base;
    struct server server;
    int port[4]; /* TCP, by enum port_kind */
    char local[64];

    struct ipc *queue;
    enum queue_mode queue_mode;
    unsigned finds; /* questions about suppression lists */
    struct arrived *arrived;
    size_t arrived_n;

    struct ipc *vault;
    bool vault_signs, vault_waits;
    const char *key_domain; /* what its key is for */
    unsigned cancels;       /* exchanges that the server gave up */
    uint64_t question;      /* the last one, when the vault waits */
};

/* Starts it for the domain test.example and its one account. more: settings of the block smtp; or
 * "delay TIME", what a mistake costs (else 0); or "dkim", which gives the domain a key. */
void world_open(struct world *w, const char *more);
/* Ends it, and sees to it that nothing is left: no session, no octet accounted for. */
void world_close(struct world *w);

/* A new channel to a queue; a new one to a vault. */
void world_link_queue(struct world *w);
void world_link_vault(struct world *w);
/* The queue, or vault, goes away. */
void world_lose_queue(struct world *w);
void world_lose_vault(struct world *w);
/* The queue answers all it has not answered. */
void world_accept_all(struct world *w);

/* Runs the loop until the condition holds, or fails the test. */
void world_until(struct world *w, bool (*condition)(void *arg), void *arg, const char *what);
/* Runs the loop until nothing happens any more. */
void world_settle(struct world *w);

/* A client. */
struct client_end {
    struct world *world;
    int fd;
    struct reply_parser parser;
    struct buf unread;
    bool closed; /* by the server */
};

/* Connects; and takes the greeting. */
void client_connect(struct client_end *c, struct world *w, enum port_kind kind);
void client_open(struct client_end *c, struct world *w, enum port_kind kind);
void client_close(struct client_end *c);
/* client_open, and EHLO. */
void client_begin(struct client_end *c, struct world *w, enum port_kind kind);
/* MAIL and RCPT, from a@elsewhere.example to qm@test.example. */
void client_envelope(struct client_end *c);
/* All of a message up to its final dot, whose reply is yet to come. */
void client_send_message(struct client_end *c);
extern const char world_message[]; /* the octets behind DATA */
/* The octets of message i as the queue has it. */
const char *world_body(struct world *w, size_t i);

/* Sends all of it, however long that takes. */
void client_send(struct client_end *c, const char *text);
/* The next reply: fails the test unless its code is this one (0: any) and some line contains text
 * (NULL: anything). */
void client_expect(struct client_end *c, int code, const char *text);
/* client_send of the line and CR LF, then client_expect. */
void client_ask(struct client_end *c, const char *line, int code, const char *text);
/* The server closes, having said nothing more. */
void client_expect_end(struct client_end *c);
/* Nothing comes although nothing is left to be done. */
void client_expect_silence(struct client_end *c);

#endif
