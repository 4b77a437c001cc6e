#include "dns.h"

#include <assert.h>
#include <netinet/in.h>
#include <search.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "clock.h"
#include "dnsanswer.h"
#include "dnscache.h"
#include "dnsquery.h"
#include "fdlimit.h"
#include "mem.h"

#define DESCRIPTORS_PART 4 /* one in so many may be a lookup's */

_Static_assert(DNS_SERVERS_MAX <= DNSQUERY_SERVERS_MAX, "the settings' servers fit");

TAILQ_HEAD(lookups, dns_lookup);
TAILQ_HEAD(jobs, job);

/* One caller's interest. It is in its job's list, and once there is a result in the resolver's list
 * of finished ones. */
struct dns_lookup {
    struct dns *dns;
    struct job *job; /* NULL once finished */
    struct dns_result *result;
    dns_fn fn;
    void *arg;
    TAILQ_ENTRY(dns_lookup) link;
};

/* What is being found out, for every caller who asked for the same: chain.names[0] and result->type
 * say what. */
struct job {
    struct dns *dns;
    struct dnschain chain;
    struct dns_result *result;
    struct dnsquery *query; /* NULL while it waits for its turn */
    int64_t began_ms;       /* monotonic: its turn came */
    int64_t hurry_ms;       /* monotonic: no alias is pursued after this */
    enum dns_turn turn;
    int64_t young_until_ms; /* monotonic; 0: no longer, or not yet */
    struct lookups lookups;
    TAILQ_ENTRY(job) link; /* in its line, while query is NULL; in young, while it is */
};

/* The lookups of one turn. */
struct line {
    struct jobs waiting;
    unsigned waiting_count, young_count, running_count; /* the young ones run, too */
};

struct dns {
    struct event_base *base;
    struct dnsquery_servers servers;
    bool trusted;
    struct dnscache *cache;
    void *jobs; /* tree of struct job */
    struct line lines[DNS_TURNS];
    struct jobs young; /* in the order in which they began */
    struct event *grow_old;
    unsigned running_max;
    dns_ended_fn on_ended;
    void *on_ended_arg;
    struct lookups finished;
    struct event *deliver;
    struct dns_counters counters;
};

static void on_outcome(const struct dnsquery_outcome *outcome, void *arg);

static bool is_loopback(const struct sockaddr_storage *address)
{
    if (address->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)address)->sin_addr.s_addr) >> 24 ==
               IN_LOOPBACKNET;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)address)->sin6_addr);
}

/* Calls back what is finished by now. What is finished in the course of that waits for the next
 * turn of the loop, so that a chain of cached answers starves nobody. */
static void on_deliver(evutil_socket_t fd, short what, void *arg)
{
    struct dns *d = arg;
    struct dns_lookup end = {0}, *l; /* stays where it is whatever is cancelled meanwhile */
    TAILQ_INSERT_TAIL(&d->finished, &end, link);
    while ((l = TAILQ_FIRST(&d->finished)) != &end) {
        TAILQ_REMOVE(&d->finished, l, link);
        struct dns_lookup done = *l;
        mem_free(&l);
        int64_t left_ms = done.result->expires_ms - clock_mono_ms();
        done.result->ttl_seconds = left_ms > 0 ? (uint32_t)(left_ms / 1000) : 0;
        done.fn(done.result, done.arg);
        dnsresult_release((const struct dns_result **)&done.result);
    }
    TAILQ_REMOVE(&d->finished, &end, link);
}

/* l has its result, a reference of its own; the callback comes by a timer. */
static void finish_lookup(struct dns_lookup *l, const struct dns_result *result)
{
    struct dns *d = l->dns;
    struct timeval at_once = {0, 0};
    l->job = NULL;
    l->result = (struct dns_result *)result;
    TAILQ_INSERT_TAIL(&d->finished, l, link);
    if (!evtimer_pending(d->deliver, NULL) && evtimer_add(d->deliver, &at_once) < 0)
        abort();
}

static int compare_jobs(const void *a, const void *b)
{
    const struct job *x = a, *y = b;
    if (x->result->type != y->result->type)
        return x->result->type < y->result->type ? -1 : 1;
    return dnsname_compare(&x->chain.names[0], &y->chain.names[0]);
}

static void ask(struct job *job)
{
    struct dns *d = job->dns;
    dnsquery_stop(&job->query);
    job->query = dnsquery_start(d->base, &d->servers, &job->chain.names[job->chain.n - 1],
                                job->result->type, on_outcome, job);
}

/* The part of a turn in so many. */
static unsigned part(enum dns_turn turn, unsigned whole)
{
    return turn == DNS_AGAIN ? whole / 2 : whole - whole / 8;
}

static bool has_room(const struct dns *d, enum dns_turn turn)
{
    const struct line *l = &d->lines[turn], *all = d->lines;
    return l->young_count < part(turn, DNS_QUERIES_MAX) &&
           l->running_count < part(turn, d->running_max) &&
           all[DNS_NEW].young_count + all[DNS_AGAIN].young_count < DNS_QUERIES_MAX &&
           all[DNS_NEW].running_count + all[DNS_AGAIN].running_count < d->running_max;
}

static void start(struct job *job)
{
    struct dns *d = job->dns;
    struct line *line = &d->lines[job->turn];
    const struct timeval young = {DNS_YOUNG_MS / 1000, DNS_YOUNG_MS % 1000 * 1000};
    int64_t now_ms = clock_mono_ms();
    TAILQ_REMOVE(&line->waiting, job, link);
    line->waiting_count--;
    TAILQ_INSERT_TAIL(&d->young, job, link);
    line->young_count++;
    line->running_count++;
    job->began_ms = now_ms;
    job->young_until_ms = now_ms + DNS_YOUNG_MS;
    job->hurry_ms = now_ms + (int64_t)d->servers.n * d->servers.tries * d->servers.timeout_ms;
    if (!evtimer_pending(d->grow_old, NULL) && evtimer_add(d->grow_old, &young) < 0)
        abort();
    ask(job);
}

static void start_waiting(struct dns *d)
{
    for (int turn = 0; turn < DNS_TURNS; turn++) {
        struct jobs *waiting = &d->lines[turn].waiting;
        while (!TAILQ_EMPTY(waiting) && has_room(d, (enum dns_turn)turn))
            start(TAILQ_FIRST(waiting));
    }
}

static void leave_young(struct job *job)
{
    TAILQ_REMOVE(&job->dns->young, job, link);
    job->dns->lines[job->turn].young_count--;
    job->young_until_ms = 0;
}

static void on_old(evutil_socket_t fd, short what, void *arg)
{
    struct dns *d = arg;
    struct job *job;
    int64_t now_ms = clock_mono_ms();
    while ((job = TAILQ_FIRST(&d->young)) != NULL && job->young_until_ms <= now_ms)
        leave_young(job);
    if (job != NULL) {
        int64_t left_ms = job->young_until_ms - now_ms;
        struct timeval left = {left_ms / 1000, left_ms % 1000 * 1000};
        if (evtimer_add(d->grow_old, &left) < 0)
            abort();
    }
    start_waiting(d);
}

/* Its lookups are finished, or nobody waits for it any more. */
static void end_job(struct job *job)
{
    struct dns *d = job->dns;
    assert(TAILQ_EMPTY(&job->lookups));
    (void)tdelete(job, &d->jobs, compare_jobs);
    struct line *line = &d->lines[job->turn];
    if (job->query == NULL) {
        TAILQ_REMOVE(&line->waiting, job, link);
        line->waiting_count--;
    } else {
        if (job->young_until_ms != 0)
            leave_young(job);
        line->running_count--;
    }
    dnsquery_stop(&job->query);
    dnsresult_release((const struct dns_result **)&job->result);
    mem_free(&job);
}

static void limit_lifetime(struct dns_result *result, int64_t now_ms)
{
    static const uint32_t most[] = {
        [DNS_OK] = DNS_POSITIVE_TTL_MAX,
        [DNS_NODATA] = DNS_NEGATIVE_TTL_MAX,
        [DNS_NXDOMAIN] = DNS_NEGATIVE_TTL_MAX,
        [DNS_TEMPORARY] = 0,
        [DNS_BAD] = 0,
    };
    if (result->ttl_seconds > most[result->status])
        result->ttl_seconds = most[result->status];
    result->expires_ms = now_ms + (int64_t)result->ttl_seconds * 1000;
}

static void finish_job(struct job *job)
{
    struct dns *d = job->dns;
    struct dns_lookup *l;
    int64_t now_ms = clock_mono_ms();
    limit_lifetime(job->result, now_ms);
    d->counters.dropped += job->result->dropped;
    if (d->on_ended != NULL)
        d->on_ended(d->on_ended_arg, job->result->type, job->result->status,
                    now_ms - job->began_ms);
    dnscache_put(d->cache, &job->chain.names[0], job->result->type, job->result, now_ms);
    while ((l = TAILQ_FIRST(&job->lookups)) != NULL) {
        TAILQ_REMOVE(&job->lookups, l, link);
        finish_lookup(l, dnsresult_hold(job->result));
    }
    end_job(job);
    start_waiting(d);
}

static void on_outcome(const struct dnsquery_outcome *outcome, void *arg)
{
    struct job *job = arg;
    if (outcome->ede != DNSEDE_NONE)
        job->result->ede = outcome->ede;
    if (outcome->packet == NULL) {
        dnsresult_fail(job->result, outcome->status, "%s", outcome->text);
        finish_job(job);
        return;
    }
    bool authentic = job->dns->trusted && ldns_pkt_ad(outcome->packet);
    enum dnsanswer step = dnsanswer_read(outcome->packet, authentic, &job->chain, job->result);
    if (step == DNSANSWER_GOES_ON && clock_mono_ms() < job->hurry_ms) {
        ask(job);
        return;
    }
    if (step == DNSANSWER_GOES_ON)
        dnsresult_fail(job->result, DNS_TEMPORARY, "following the aliases took too long");
    finish_job(job);
}

static struct job *find_job(struct dns *d, const struct dnsname *name, enum dns_type type)
{
    struct dns_result result = {.type = type};
    struct job key = {.result = &result, .chain.names[0] = *name};
    void *node = tfind(&key, &d->jobs, compare_jobs);
    return node == NULL ? NULL : *(struct job **)node;
}

static void stand_in_line(struct job *job, enum dns_turn turn)
{
    struct line *line = &job->dns->lines[turn];
    job->turn = turn;
    TAILQ_INSERT_TAIL(&line->waiting, job, link);
    line->waiting_count++;
    start_waiting(job->dns);
}

static struct job *begin_job(struct dns *d, const struct dnsname *name, enum dns_type type,
                             enum dns_turn turn)
{
    struct job *job = mem_zero(sizeof *job);
    job->dns = d;
    job->chain.n = 1;
    job->chain.names[0] = *name;
    job->result = dnsresult_new(type);
    (void)dnsname_text(name, job->result->name);
    TAILQ_INIT(&job->lookups);
    if (tsearch(job, &d->jobs, compare_jobs) == NULL)
        abort();
    stand_in_line(job, turn);
    return job;
}

static void refuse(struct dns_lookup *l, enum dns_type type, enum dns_status status,
                   const char *text)
{
    struct dns_result *result = dnsresult_new(type);
    dnsresult_fail(result, status, "%s", text);
    finish_lookup(l, result);
}

static void join(struct dns_lookup *l, struct job *job, enum dns_turn turn)
{
    l->job = job;
    TAILQ_INSERT_TAIL(&job->lookups, l, link);
    if (job->query == NULL && turn < job->turn) {
        struct line *line = &l->dns->lines[job->turn];
        TAILQ_REMOVE(&line->waiting, job, link);
        line->waiting_count--;
        stand_in_line(job, turn);
    }
}

static void route(struct dns_lookup *l, const struct dnsname *name, enum dns_type type,
                  enum dns_turn turn)
{
    struct dns *d = l->dns;
    const struct dns_result *known = dnscache_find(d->cache, name, type, clock_mono_ms());
    struct job *job = known == NULL ? find_job(d, name, type) : NULL;
    if (known != NULL) {
        d->counters.hits++;
        finish_lookup(l, dnsresult_hold(known));
    } else if (job != NULL) {
        d->counters.merged++;
        join(l, job, turn);
    } else if (d->lines[turn].waiting_count >= DNS_WAITING_MAX) {
        refuse(l, type, DNS_TEMPORARY, "too many lookups are waiting");
    } else {
        join(l, begin_job(d, name, type, turn), turn);
    }
}

struct dns_lookup *dns_lookup(struct dns *d, const char *name, enum dns_type type,
                              enum dns_turn turn, dns_fn fn, void *arg)
{
    assert(dnsresult_type_name(type)[0] != '?');
    struct dns_lookup *l = mem_zero(sizeof *l);
    l->dns = d;
    l->fn = fn;
    l->arg = arg;
    d->counters.lookups++;
    struct dnsname wire;
    if (dnsname_parse(name, &wire) < 0)
        refuse(l, type, DNS_BAD, "malformed name");
    else
        route(l, &wire, type, turn);
    return l;
}

void dns_cancel(struct dns_lookup **lookup)
{
    struct dns_lookup *l = *lookup;
    *lookup = NULL;
    if (l == NULL)
        return;
    if (l->job == NULL) {
        TAILQ_REMOVE(&l->dns->finished, l, link);
        dnsresult_release((const struct dns_result **)&l->result);
    } else {
        TAILQ_REMOVE(&l->job->lookups, l, link);
        if (TAILQ_EMPTY(&l->job->lookups)) {
            end_job(l->job);
            start_waiting(l->dns);
        }
    }
    mem_free(&l);
}

static int check_settings(const struct dns_settings *settings, struct fail *f)
{
    if (settings->server_count == 0 || settings->server_count > DNS_SERVERS_MAX)
        return fail_set(f, "%zu DNS servers instead of 1 to %d", settings->server_count,
                        DNS_SERVERS_MAX);
    for (size_t i = 0; i < settings->server_count; i++) {
        sa_family_t family = settings->servers[i].ss_family;
        if (family != AF_INET && family != AF_INET6)
            return fail_set(f, "DNS server %zu has no address", i + 1);
    }
    return 0;
}

struct dns *dns_open(struct event_base *base, const struct dns_settings *settings, struct fail *f)
{
    if (check_settings(settings, f) < 0)
        return NULL;
    struct dns *d = mem_zero(sizeof *d);
    d->base = base;
    d->trusted = true;
    for (size_t i = 0; i < settings->server_count; i++) {
        dnsquery_add_server(&d->servers, &settings->servers[i]);
        d->trusted = d->trusted && is_loopback(&settings->servers[i]);
    }
    d->trusted = d->trusted || settings->trust_ad;
    d->servers.timeout_ms = settings->timeout_ms == 0 ? 5000 : settings->timeout_ms;
    d->servers.tries = settings->tries == 0 ? 2 : settings->tries;
    unsigned entries = settings->cache_entries == 0 ? 10000 : settings->cache_entries;
    d->on_ended = settings->on_ended;
    d->on_ended_arg = settings->on_ended_arg;
    d->cache = dnscache_open(entries == DNS_NO_CACHE ? 0 : entries);
    unsigned room = fdlimit_room(DNS_UNDER_WAY_MAX, DESCRIPTORS_PART);
    d->running_max = room < DNS_QUERIES_MAX ? DNS_QUERIES_MAX : room;
    for (int turn = 0; turn < DNS_TURNS; turn++)
        TAILQ_INIT(&d->lines[turn].waiting);
    TAILQ_INIT(&d->young);
    TAILQ_INIT(&d->finished);
    d->deliver = evtimer_new(base, on_deliver, d);
    d->grow_old = evtimer_new(base, on_old, d);
    if (d->deliver == NULL || d->grow_old == NULL)
        abort();
    return d;
}

static void drop_lookups(struct lookups *lookups)
{
    struct dns_lookup *l;
    while ((l = TAILQ_FIRST(lookups)) != NULL) {
        TAILQ_REMOVE(lookups, l, link);
        dnsresult_release((const struct dns_result **)&l->result);
        mem_free(&l);
    }
}

void dns_close(struct dns **d)
{
    if (*d == NULL)
        return;
    while ((*d)->jobs != NULL) {
        struct job *job = *(struct job **)(*d)->jobs; /* a tree's node begins with its key */
        drop_lookups(&job->lookups);
        end_job(job);
    }
    drop_lookups(&(*d)->finished);
    dnscache_close(&(*d)->cache);
    event_free((*d)->deliver);
    event_free((*d)->grow_old);
    mem_free(d);
}

bool dns_is_trusted(const struct dns *d)
{
    return d->trusted;
}

struct dns_counters dns_counters(const struct dns *d)
{
    const struct dnsquery_counters *q = &d->servers.counters;
    struct dns_counters c = d->counters;
    c.queries = q->sent;
    c.tcp = q->tcp;
    c.timeouts = q->timeouts;
    c.strays = q->strays;
    c.malformed = q->malformed;
    return c;
}
