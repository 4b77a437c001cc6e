#ifndef QM_DNS_H
#define QM_DNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#include <event2/event.h>

#include "dnsresult.h"
#include "fail.h"

/* The resolver: asks the servers it was given, which do the recursion and the DNSSEC validation,
 * and keeps what they said. One belongs to one event loop. Once open it makes sockets and reads the
 * clock and the kernel's random numbers: no files, no threads, so it works in an empty root under a
 * system call filter. */

#define DNS_SERVERS_MAX 8
#define DNS_POSITIVE_TTL_MAX 3600 /* seconds: no answer is relied on for longer */
#define DNS_NEGATIVE_TTL_MAX 900  /* nor is the absence of one */
#define DNS_WAITING_MAX 20000     /* behind so many of its turn one is refused: DNS_TEMPORARY */

/* How many lookups are under way at once, each with its socket; more wait. One that takes longer
 * than DNS_YOUNG_MS asks a name server that does not answer, most likely: it makes room for others,
 * up to DNS_UNDER_WAY_MAX in all; where the limit of descriptors is low about a fourth of it,
 * DNS_QUERIES_MAX at least. */
#define DNS_QUERIES_MAX 256 /* that began less than DNS_YOUNG_MS ago */
#define DNS_UNDER_WAY_MAX 2048
#define DNS_YOUNG_MS 1000

/* Each kind of lookup waits in a line of its own and has a part of either number, so that each
 * always finds some: all but an eighth for what is looked up first, half for what is looked up
 * again, among which are the domains whose name servers do not answer. */
enum dns_turn { DNS_NEW, DNS_AGAIN, DNS_TURNS };

/* A lookup for which servers were asked has ended, so, ms after its turn had come. The cache
 * answers without this, and nobody waited for one that was cancelled. It may do nothing with the
 * resolver.
 */
typedef void (*dns_ended_fn)(void *arg, enum dns_type type, enum dns_status status, int64_t ms);

/* All-zero is a start; dnsconf.h fills in servers. Settings of 0 have the defaults given here. */
struct dns_settings {
    size_t server_count;
    /* AF_INET or AF_INET6, port included, the first asked first */
    struct sockaddr_storage servers[DNS_SERVERS_MAX];
    bool trust_ad; /* believe the AD bit though not every server is on the loopback interface */
    unsigned timeout_ms;    /* for one try at one server: 5000 */
    unsigned tries;         /* rounds through the servers that have not answered: 2 */
    unsigned cache_entries; /* results kept at most: 10000; DNS_NO_CACHE for none */
    dns_ended_fn on_ended;  /* NULL: nobody wants to know */
    void *on_ended_arg;
};

#define DNS_NO_CACHE ((unsigned)-1)

/* Counted since dns_open. */
struct dns_counters {
    uint64_t lookups;   /* calls of dns_lookup */
    uint64_t hits;      /* of them, answered from the cache */
    uint64_t merged;    /* of them, joined to the same lookup already under way */
    uint64_t dropped;   /* records left out as malformed */
    uint64_t queries;   /* sent over UDP */
    uint64_t tcp;       /* sent over TCP, after an answer was truncated */
    uint64_t timeouts;  /* tries that got no answer in time */
    uint64_t strays;    /* packets that answer some other question */
    uint64_t malformed; /* answers refused before they were read */
};

struct dns;
struct dns_lookup;

/* Called once for every lookup that is not cancelled, always from the event loop and never before
 * dns_lookup has returned. The result is the resolver's: dnsresult_hold it to keep it for longer
 * than the call. The lookup's handle is no longer valid when this is called. It may start and
 * cancel lookups, but not close the resolver. */
typedef void (*dns_fn)(const struct dns_result *result, void *arg);

/* Opens a resolver on base, which must outlive it; settings are copied. Returns NULL with a
 * sentence when there is no server, or one of neither address family. Nothing is sent yet. */
struct dns *dns_open(struct event_base *base, const struct dns_settings *settings, struct fail *f);

/* Drops all lookups under way, whose callbacks are then never called, frees *d and sets it to NULL;
 * NULL is let pass. Not to be called from a callback. */
void dns_close(struct dns **d);

/* Looks up the records of a type at a name, which is absolute, with or without a final dot, in any
 * case of letters; an internationalised one as A-labels. Aliases are followed, ten at most. Returns
 * a handle for dns_cancel, valid until fn is called. Whatever goes wrong is told by the result, a
 * malformed name too (DNS_BAD). At the worst that takes servers * tries * timeout_ms, twice that
 * where the answers have to come over TCP, and twice again where an alias leads on from there; the
 * wait for a turn comes on top. One that joins another that waits gives it the better turn of the
 * two. */
struct dns_lookup *dns_lookup(struct dns *d, const char *name, enum dns_type type,
                              enum dns_turn turn, dns_fn fn, void *arg);

/* Forgets a lookup: its callback will not be called. Sets *lookup to NULL; NULL is let pass. */
void dns_cancel(struct dns_lookup **lookup);

/* Whether results can be authentic at all: the servers are all on the loopback interface, or
 * settings say trust_ad. One that is not takes away the trust in all: otherwise whoever made the
 * trusted server fail would have the answer come from the other, unauthenticated, and DANE undone.
 * A daemon that is to do DANE warns when this is false. */
bool dns_is_trusted(const struct dns *d);

/* A copy of the counts so far. */
struct dns_counters dns_counters(const struct dns *d);

#endif
