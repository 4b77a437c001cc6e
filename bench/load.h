#ifndef QM_LOAD_H
#define QM_LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <openssl/ssl.h>

/* A source of mail and the place it is to end at, in one process and so with one clock: what lies
 * between the two is measured. Every message carries its number in a header field of its own. */

struct load_options {
    struct sockaddr_storage to, sink; /* the sink's port 0: nothing is waited for */
    int to_len, sink_len;
    long messages;
    int connections;         /* at once */
    bool reuse;              /* a connection carries many messages, or one */
    bool tls;                /* STARTTLS on each */
    bool pipelining;         /* MAIL, RCPT and DATA in one go (RFC 2920) */
    int recipients, domains; /* of each message; r0@d0.<domain>, r1@d1.<domain> ...; the next
                              * message goes on with the domain that follows */
    const char *domain, *sender;
    size_t size; /* octets of a message */
    double rate; /* messages begun in a second; 0: as fast as connections are free */
    bool idle;   /* the connections greet and then only stand there until stdin ends */
    int at_once; /* of those, on their way at the same time */
};

struct load {
    struct load_options o;
    struct event_base *base;
    SSL_CTX *tls;
    int64_t began_us, taken_us,
        arrived_us;                      /* the first connection; the last 250; the last arrival */
    int64_t *sent_us;                    /* of each message: when its transaction began */
    double *took_ms, *way_ms;            /* until its 250; until its first copy was at the sink */
    unsigned *copies;                    /* of each message: recipients the sink took it for */
    long taken, refused, arrived, twice; /* messages; arrived: with all recipients */
    char *said;                          /* the first refusal or failure, as a sentence */
};

/* Where OpenSSL is not what this program is linked with, it is BoringSSL (CMakeLists.txt); only
 * what both have is used. Each connection makes a full handshake, and trusts any certificate. */
SSL_CTX *load_tls_new(void);
SSL *load_tls_connect(SSL_CTX *ctx);

/* Begins to send; load_source_done follows when every message was taken or refused. */
void load_source_start(struct load *l);
void load_source_done(struct load *l);

/* Listens at o.sink. It takes all that is sent to it and keeps nothing. */
void load_sink_start(struct load *l);
void load_sink_took(struct load *l, long number, unsigned recipients);

#endif
