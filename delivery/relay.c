#include "relay.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "dnshosts.h"
#include "log.h"
#include "mem.h"
#include "pool.h"

#define ADDRESSES_A_HOST 8
#define SOCKS_NAME_MAX 255
/* Whatever the number of hosts: each may take its connect-timeout. */
#define CONNECTIONS_AN_ATTEMPT 20

struct relay {
    struct job *job;
    struct agent *agent;
    struct transport *transport; /* the job's */
    struct pool_wait wait;
    bool entered; /* has the right to a connection */
    struct session *session;
    bool reused;
    unsigned connections; /* tried */
    int64_t since_ms;     /* monotonic: looking for a host that takes the message */
    struct dnshosts_lookup *finding;
    struct dnsaddr_lookup *resolving;
    struct dnshosts_result *hosts; /* TRANSPORT_DIRECT to a domain */
    size_t host;                   /* the next one */
    const char *host_name;         /* the present one */
    bool by_name;                  /* its address is not looked up here: one try, without */
    struct dnsaddr *addresses;     /* of it */
    size_t addresses_n, address;   /* address: the next one */
    bool clear;                    /* TLS with this address failed: without */
    /* What the last host or address was good for, if no other does better. */
    struct job_outcome last;
    char *last_texts[6];
};

static void next_host(struct relay *r);
static void next_address(struct relay *r);
static void begin(struct relay *r);

static bool requires_tls(const struct relay *r)
{
    return job_insists_on_tls(r->job);
}

/* What is asked of TLS. With the hosts of a domain, whose names came from the DNS, a certificate
 * proves little; one that the operator named has to be what it is called. */
static enum session_tls policy(const struct relay *r)
{
    static const enum session_tls modes[] = {SESSION_CLEAR, SESSION_OPPORTUNISTIC,
                                             SESSION_ENCRYPTED};
    bool named = transport_is_named(r->transport);
    if (requires_tls(r) || (named && r->transport->tls == CONF_TLS_REQUIRED))
        return SESSION_VERIFIED;
    return modes[r->transport->tls];
}

/* Jobs of the same key may share a connection: one host serves all destinations, or each has its
 * own. */
static const char *pool_key(const struct relay *r)
{
    return transport_is_named(r->transport) ? "" : r->job->order->destination;
}

static void keep(char **to, const char **field)
{
    char *copy = mem_text(*field == NULL ? "" : *field);
    mem_free(to);
    *to = copy;
    *field = copy;
}

/* How much an outcome tells: one that leaves hope counts for more than one that does not, and what
 * a server said for more than that there was none. */
static int rank(const struct job_outcome *o)
{
    return o->stage == NULL ? -1 : (o->status == DELIVER_DEFERRED ? 2 : 0) + (o->code != 0 ? 1 : 0);
}

/* Whether enough was tried. As long as the slowest server may take to say something of a message is
 * long enough: whoever answers late, or never, keeps a connection from everybody else. */
static bool is_over(const struct relay *r)
{
    const struct transport_timeouts *t = &r->transport->timeouts;
    int64_t patience = t->connect_ms + t->greeting_ms + 5 * t->command_ms;
    bool late = r->last.stage != NULL && clock_mono_ms() - r->since_ms > patience;
    return late || r->connections >= CONNECTIONS_AN_ATTEMPT;
}

static void start_over(struct relay *r)
{
    r->connections = 0;
    r->since_ms = clock_mono_ms();
}

/* The texts are copied: what they point to goes with the session. */
static void note(struct relay *r, const struct job_outcome *o)
{
    struct job_outcome n = *o;
    if (rank(o) < rank(&r->last))
        return;
    const char **fields[] = {&n.enhanced,    &n.reply,          &n.error,
                             &n.remote_host, &n.remote_address, &n.tls};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        keep(&r->last_texts[i], fields[i]);
    r->last = n;
}

static void forget_hosts(struct relay *r)
{
    dnshosts_cancel(&r->finding);
    dnsaddr_cancel(&r->resolving);
    dnshosts_result_free(&r->hosts);
    mem_free(&r->addresses);
    r->host = r->addresses_n = r->address = 0;
    r->host_name = NULL;
    r->clear = r->by_name = false;
}

/* Those that were to have a second chance and did not get it keep what the first server said, as a
 * deferral. */
static void defer_refused(struct job *j)
{
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        struct deliver_result *result = &j->results[i];
        if (j->settled[i] || result->status != DELIVER_FAILED)
            continue;
        result->status = DELIVER_DEFERRED;
        result->enhanced[0] = '4';
        j->settled[i] = true;
    }
}

static void finish(struct relay *r)
{
    struct job *j = r->job;
    defer_refused(j);
    if (r->last.stage != NULL)
        job_settle_rest(j, &r->last);
    forget_hosts(r);
    session_free(&r->session);
    for (size_t i = 0; i < sizeof r->last_texts / sizeof r->last_texts[0]; i++)
        mem_free(&r->last_texts[i]);
    pool_cancel(r->agent->pool, &r->wait);
    if (r->entered)
        pool_leave(r->agent->pool);
    mem_free(&r);
    job_finish(j);
}

static void finish_with(struct relay *r, enum deliver_status status, int code, const char *enhanced,
                        const char *stage, const char *error)
{
    struct job_outcome o = {.status = status,
                            .code = code,
                            .enhanced = enhanced,
                            .stage = stage,
                            .error = error,
                            .remote_host = r->host_name};
    note(r, &o);
    finish(r);
}

/* ---- the session ---- */

static void on_ready(struct session *s, void *arg)
{
    struct relay *r = arg;
    session_send(s, r->job);
}

/* Where the present host has an address of the other family that was not tried, else addresses_n.
 */
static size_t other_family(const struct relay *r)
{
    size_t at = r->address;
    if (r->by_name)
        return r->addresses_n;
    while (r->address > 0 && at < r->addresses_n &&
           r->addresses[at].family == r->addresses[r->address - 1].family)
        at++;
    return r->address > 0 ? at : r->addresses_n;
}

static bool is_policy(const struct deliver_result *result)
{
    return result->status == DELIVER_FAILED && strncmp(result->enhanced, "5.7.", 4) == 0;
}

static bool has_policy_refusal(const struct job *j)
{
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (is_policy(&j->results[i]))
            return true;
    }
    return false;
}

/* Takes back what was refused as a matter of policy. Returns how many recipients that were. */
static uint32_t reopen_refused(struct job *j)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (!is_policy(&j->results[i]))
            continue;
        j->settled[i] = false;
        n++;
    }
    return n;
}

static bool is_settled(const struct job *j)
{
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (!j->settled[i])
            return false;
    }
    return true;
}

static void on_done(struct session *s, void *arg, bool usable)
{
    struct relay *r = arg;
    size_t other = other_family(r);
    r->session = NULL;
    /* Whoever took over a connection whose address is not welcome would have no other to turn to.
     */
    if (usable && !has_policy_refusal(r->job))
        pool_keep(r->agent->pool, s, r->transport, pool_key(r), policy(r));
    else
        session_quit(&s);
    if (!is_settled(r->job)) {
        /* The server takes no more over this connection, but over another. */
        forget_hosts(r);
        start_over(r);
        r->reused = false;
        r->last.stage = NULL;
        begin(r);
    } else if (r->job->order->attempt == 1 && other < r->addresses_n &&
               reopen_refused(r->job) > 0) {
        r->address = other;
        r->clear = false;
        start_over(r);
        next_address(r);
    } else {
        finish(r);
    }
}

/* A smarthost that turns us away before it has heard of any message, or has no address, is a matter
 * between it and the operator: mail waits until they have settled it. */
static bool is_between_hosts(const struct relay *r, const char *stage)
{
    return transport_is_named(r->transport) && strcmp(stage, "mail") != 0;
}

static void note_failure(struct relay *r, const struct session_failure *f)
{
    bool later = !f->permanent || is_between_hosts(r, f->stage);
    char *enhanced = mem_text(f->enhanced);
    if (later)
        enhanced[0] = '4';
    struct job_outcome o = {.status = later ? DELIVER_DEFERRED : DELIVER_FAILED,
                            .code = f->code,
                            .enhanced = enhanced,
                            .reply = f->reply,
                            .error = f->error,
                            .stage = f->stage,
                            .tls = f->tls,
                            .remote_host = r->host_name};
    o.remote_address = f->address;
    note(r, &o);
    mem_free(&enhanced);
}

static void on_failed(struct session *s, void *arg, const struct session_failure *f)
{
    struct relay *r = arg;
    if (r->reused) {
        /* It ended while it idled, or as we spoke; or what it takes does not suffice: a fresh one
         * knows more. */
        session_free(&r->session);
        r->reused = false;
        begin(r);
        return;
    }
    note_failure(r, f);
    if (f->permanent && f->code == 0) {
        /* We found the server unable to take this message. */
        session_free(&r->session);
        next_host(r);
        return;
    }
    service_count(r->agent->service, COUNT_CONNECT_FAILED, 1);
    if (strcmp(f->stage, "auth") == 0) {
        /* With another address of the same host it would be no better, and some lock out whoever
         * tries too often. */
        session_free(&r->session);
        next_host(r);
        return;
    }
    bool fall_back = f->tls_failed && policy(r) == SESSION_OPPORTUNISTIC && !r->clear;
    session_free(&r->session);
    if (fall_back) {
        service_count(r->agent->service, COUNT_PLAINTEXT_FALLBACK, 1);
        r->clear = true;
        r->address--; /* the same one again */
    } else {
        r->clear = false;
    }
    next_address(r);
}

static const struct session_handler handler = {on_ready, on_done, on_failed, NULL};

static void next_address(struct relay *r)
{
    if (r->address >= r->addresses_n) {
        next_host(r);
        return;
    }
    if (is_over(r)) {
        finish(r);
        return;
    }
    const struct dnsaddr *a = r->by_name ? NULL : &r->addresses[r->address];
    r->address++;
    r->connections++;
    r->session = session_open(r->agent, r->transport, r->host_name, a,
                              r->clear ? SESSION_CLEAR : policy(r), &handler, r);
}

/* ---- hosts and their addresses ---- */

/* The family of which no address is tried; 0 when there is none. */
static int leaves_out(const struct transport *t)
{
    return t->family == CONF_FAMILY_4 ? AF_INET6 : t->family == CONF_FAMILY_6 ? AF_INET : 0;
}

/* What is told when a host has no address to connect to. One of a family that is left out is there,
 * and the operator may let it in. */
static struct job_outcome no_address(const struct relay *r, const struct dnsaddr_result *result)
{
    bool left_out = result->status == DNSADDR_NONE && !result->nxdomain &&
                    result->name[0] != '\0' && leaves_out(r->transport) != 0;
    struct job_outcome o = {.status = DELIVER_DEFERRED,
                            .enhanced = "4.4.4",
                            .stage = "dns",
                            .error = result->text,
                            .remote_host = r->host_name};
    if (result->status == DNSADDR_TEMPORARY) {
        o.enhanced = "4.4.3";
    } else if (is_between_hosts(r, o.stage)) {
        o.enhanced = "4.3.5";
    } else if (!left_out) {
        o.status = DELIVER_FAILED;
        o.enhanced = "5.4.4";
    }
    return o;
}

static void on_addresses(struct dnsaddr_result *result, void *arg)
{
    struct relay *r = arg;
    r->resolving = NULL;
    if (result->status == DNSADDR_OK) {
        mem_free(&r->addresses);
        r->addresses = mem_copy(result->list, result->n * sizeof *result->list);
        r->addresses_n = result->n;
    } else {
        struct job_outcome o = no_address(r, result);
        note(r, &o);
        r->addresses_n = 0;
    }
    dnsaddr_result_free(&result);
    r->address = 0;
    next_address(r);
}

static bool literal(const char *text, struct dnsaddr *a)
{
    char bare[INET6_ADDRSTRLEN + 8];
    struct span s = span_text(text);
    if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        s = span_of(s.p + 1, s.n - 2);
    if (span_starts_nocase(s, "IPv6:"))
        s = span_of(s.p + 5, s.n - 5);
    if (span_copy(s, bare, sizeof bare) != 0)
        return false;
    a->family = AF_INET;
    if (inet_pton(AF_INET, bare, a->octets) == 1)
        return true;
    a->family = AF_INET6;
    return inet_pton(AF_INET6, bare, a->octets) == 1;
}

static void note_unusable(struct relay *r, enum deliver_status status, const char *enhanced,
                          const char *error)
{
    struct job_outcome o = {.status = status,
                            .enhanced = enhanced,
                            .stage = "dns",
                            .error = error,
                            .remote_host = r->host_name};
    note(r, &o);
    next_host(r);
}

static void try_literal(struct relay *r, const struct dnsaddr *a)
{
    if (a->family == leaves_out(r->transport)) {
        note_unusable(r, DELIVER_DEFERRED, "4.4.4",
                      a->family == AF_INET6 ? "only IPv4 addresses are tried"
                                            : "only IPv6 addresses are tried");
        return;
    }
    if (!r->transport->allow_loopback && !dnsaddr_is_target(a)) {
        note_unusable(r, DELIVER_FAILED, "5.4.4", "mail is not sent to such an address");
        return;
    }
    mem_free(&r->addresses);
    r->addresses = mem_copy(a, sizeof *a);
    r->addresses_n = 1;
    r->address = 0;
    next_address(r);
}

/* One whose address is found elsewhere, or that has none. */
static void try_by_name(struct relay *r)
{
    r->by_name = true;
    r->addresses_n = 1;
    r->address = 0;
    next_address(r);
}

static void try_host(struct relay *r, const char *name)
{
    static const enum dnsaddr_family families[] = {DNSADDR_6_FIRST, DNSADDR_ONLY_4, DNSADDR_ONLY_6,
                                                   DNSADDR_4_FIRST, DNSADDR_6_FIRST};
    struct dnsaddr_options options = {.family = families[r->transport->family],
                                      .any_target = r->transport->allow_loopback,
                                      .max = ADDRESSES_A_HOST};
    struct dnsaddr a;
    r->host_name = name;
    r->clear = r->by_name = false;
    if (r->transport->socket == NULL && literal(name, &a))
        try_literal(r, &a);
    else if (r->transport->socket != NULL ||
             (r->transport->proxy.remote_dns && strlen(name) <= SOCKS_NAME_MAX))
        try_by_name(r);
    else
        r->resolving = dnsaddr_find(r->transport->dns, name, &options, on_addresses, r);
}

static void next_host(struct relay *r)
{
    const struct transport *t = r->transport;
    if (transport_is_named(t) && r->host < t->hosts_n && !is_over(r))
        try_host(r, t->hosts[r->host++]);
    else if (r->hosts != NULL && r->host < r->hosts->n && !is_over(r))
        try_host(r, r->hosts->list[r->host++].name);
    else
        finish(r);
}

static void on_hosts(struct dnshosts_result *result, void *arg)
{
    struct relay *r = arg;
    const char *enhanced;
    r->finding = NULL;
    r->hosts = result;
    if (result->status == DNSHOSTS_OK && requires_tls(r) && !result->authentic) {
        /* RFC 8689 section 4.2.1: the names of the hosts have to be beyond doubt, or a certificate
         * for one means nothing. */
        finish_with(r, DELIVER_FAILED, 0, "5.7.30", "dns",
                    "the message asks for REQUIRETLS, and the destination's mail hosts are not "
                    "secured by DNSSEC");
        return;
    }
    if (result->status == DNSHOSTS_OK) {
        next_host(r);
        return;
    }
    (void)dnshosts_reply(result->status, &enhanced);
    bool later = result->status == DNSHOSTS_TEMPORARY;
    finish_with(r, later ? DELIVER_DEFERRED : DELIVER_FAILED, 0, enhanced, "dns", result->text);
}

static void begin(struct relay *r)
{
    const struct transport *t = r->transport;
    const char *destination = r->job->order->destination;
    struct dnshosts_options options = {
        .own_names = &t->hostname, .own_count = 1, .max = (unsigned)t->max_hosts};
    if (requires_tls(r) &&
        (t->tls == CONF_TLS_NONE || (!transport_is_named(t) && destination[0] == '[')))
        finish_with(r, DELIVER_FAILED, 0, "5.7.30", "transport",
                    "the message asks for REQUIRETLS, which cannot be had on this way");
    else if (transport_is_named(t))
        next_host(r);
    else if (destination[0] == '[')
        try_host(r, destination);
    else
        r->finding = dnshosts_find(t->dns, destination, &options, on_hosts, r);
}

static void on_turn(struct pool_wait *w)
{
    struct relay *r = (struct relay *)((char *)w - offsetof(struct relay, wait));
    r->entered = true;
    start_over(r);
    r->session = pool_take(r->agent->pool, r->transport, pool_key(r), policy(r));
    if (r->session == NULL) {
        begin(r);
        return;
    }
    r->reused = true;
    service_count(r->agent->service, COUNT_REUSED, 1);
    session_set_owner(r->session, &handler, r);
    on_ready(r->session, r);
}

void relay_start(struct job *j)
{
    struct relay *r = mem_zero(sizeof *r);
    r->job = j;
    r->agent = j->agent;
    r->transport = j->transport;
    r->wait.on_turn = on_turn;
    pool_enter(r->agent->pool, &r->wait);
}
