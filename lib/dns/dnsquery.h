#ifndef QM_DNSQUERY_H
#define QM_DNSQUERY_H

#include <stdint.h>
#include <sys/socket.h>

#include <event2/event.h>
#include <ldns/ldns.h>

#include "dnsname.h"
#include "dnsresult.h"

/* One question put to the servers, over UDP and where needed over TCP, until one of them gives an
 * answer. Internal to the resolver. Opens sockets and nothing else; never blocks. */

#define DNSQUERY_SERVERS_MAX 8

/* Counted since the start. */
struct dnsquery_counters {
    uint64_t sent;      /* queries over UDP */
    uint64_t tcp;       /* queries over TCP, after an answer was truncated */
    uint64_t timeouts;  /* no answer in time */
    uint64_t strays;    /* packets that answer some other question: a late answer, or forged */
    uint64_t malformed; /* answers that were not let through to be read */
};

/* The servers, shared by all queries. A server that did not answer is asked last for a while. */
struct dnsquery_servers {
    size_t n;
    struct dnsquery_server {
        struct sockaddr_storage address;
        socklen_t length;
        char text[72];         /* "127.0.0.1:53", "[::1]:53" */
        int64_t sick_until_ms; /* monotonic */
    } list[DNSQUERY_SERVERS_MAX];
    unsigned timeout_ms; /* for one try at one server; once more where it goes on over TCP */
    unsigned tries;      /* rounds through the list */
    struct dnsquery_counters counters;
};

/* How it ended. */
struct dnsquery_outcome {
    /* The answer, its response code NOERROR or NXDOMAIN; NULL when no server gave one. */
    const ldns_pkt *packet;
    int ede; /* extended error that came with the answer or with the last refusal */
    /* Without a packet: DNS_TEMPORARY, or DNS_BAD when all answers were malformed, and why. */
    enum dns_status status;
    const char *text;
};

typedef void (*dnsquery_fn)(const struct dnsquery_outcome *outcome, void *arg);

struct dnsquery;

/* Adds a server of family AF_INET or AF_INET6. The list must have room. */
void dnsquery_add_server(struct dnsquery_servers *servers, const struct sockaddr_storage *address);

/* Asks for records of a type, class IN, with recursion desired, AD set (RFC 6840 section 5.7) and
 * 1232 octets of UDP payload announced (RFC 6891). done is called once, from the event loop and
 * never from in here; what the outcome points to is gone when it returns. servers must have at
 * least one entry and outlive the query. The caller ends every query with dnsquery_stop, most
 * simply in done. */
struct dnsquery *dnsquery_start(struct event_base *base, struct dnsquery_servers *servers,
                                const struct dnsname *name, enum dns_type type, dnsquery_fn done,
                                void *arg);

/* Ends the query, answered or not, and sets *q to NULL; NULL is let pass. */
void dnsquery_stop(struct dnsquery **q);

#endif
