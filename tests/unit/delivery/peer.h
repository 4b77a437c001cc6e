#ifndef QM_TEST_DELIVERY_PEER_H
#define QM_TEST_DELIVERY_PEER_H

#include <stdbool.h>
#include <stddef.h>

#include <bsd/sys/queue.h>
#include <event2/event.h>
#include <openssl/ssl.h>

#include "buf.h"

/* An SMTP server in the event loop of the test itself, which answers by a script. */

/* The points at which it speaks. */
enum say {
    SAY_GREETING,
    SAY_EHLO, /* and LHLO */
    SAY_HELO,
    SAY_STARTTLS,
    SAY_MAIL,
    SAY_RCPT,
    SAY_DATA,
    SAY_DOT,  /* the reply to the message */
    SAY_BDAT, /* to a chunk that is not its last */
    SAY_RSET,
    SAY_QUIT,
    SAY_OTHER,
    SAYS
};

#define PEER_ROW 64

/* A reply is its lines joined by "\n", or one of these in front of it or alone:
 *   "!"      the connection is closed after it
 *   "#"      likewise, by a reset
 *   "~"      nothing is said from now on, nor read
 *   "="      sent as it is: no CR LF is added
 *   "@ms "   said after so many milliseconds
 *   "* "     said when peer_release has it go on */
struct peer_row {
    const char *replies[PEER_ROW]; /* one is used each time, over all connections; the last stays */
    unsigned n, next;
};

struct peer_client;

struct peer {
    struct event_base *base;
    int fd, port;
    char address[80]; /* "127.0.0.1:25" as the agent writes it */
    struct event *readable;
    struct peer_row rows[SAYS];
    const char *extensions;     /* lines joined by "\n" */
    SSL_CTX *tls;               /* not its own; STARTTLS is announced when there is one */
    bool implicit;              /* TLS from the first octet */
    const char *tls_extensions; /* NULL: as in clear, without STARTTLS */
    size_t bite;   /* of a message it takes so many octets every millisecond; 0 all there are */
    unsigned few;  /* so many recipients are accepted in a transaction, the others answered by the
                      script; 0: the script answers all */
    bool stubborn; /* nothing is read while anything that was said is not sent */
    const char *interrupt; /* said once so many octets of a message have come */
    size_t interrupt_at;
    /* what happened */
    unsigned too_many;                                /* recipients beyond few */
    unsigned stuck;                                   /* how often something was not sent at once */
    unsigned opened, closed, secured, messages, most; /* most: open at once */
    unsigned silent;      /* how often it fell silent, or began a reply that it does not end */
    unsigned held;        /* connections whose reply waits for peer_release */
    struct buf commands;  /* all of them, a line each: "1 EHLO us.test\n", the connection's number
                             before it */
    char last_client[64]; /* the address it came from */
    struct buf data; /* of the last message, as it came over the wire, the final dot included, or
                        its chunks */
    TAILQ_HEAD(, peer_client) clients;
};

/* Listens on a loopback address; port 0 picks one. */
void peer_open(struct peer *p, struct event_base *base, const char *address, int port);
void peer_close(struct peer *p);
/* Sets what it says at a step; a NULL ends the list. */
void peer_say(struct peer *p, enum say step, const char *reply, ...);
void peer_hang_up(struct peer *p); /* closes every connection there is */
/* Every connection there is says this of its own accord. */
void peer_interject(struct peer *p, const char *reply);
/* Says the replies that are held back. */
void peer_release(struct peer *p);
/* Forgets the script and what happened. */
void peer_reset(struct peer *p);

#endif
