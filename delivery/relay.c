#include "relay.h"

#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "dnshosts.h"
#include "hostlookup.h"
#include "log.h"
#include "mem.h"
#include "outcome.h"
#include "pool.h"
#include "tlsask.h"
#include "tlsseen.h"

/* Whatever the number of hosts: each may take its connect-timeout. */
#define CONNECTIONS_AN_ATTEMPT 20
#define TLS_TEXT 240

struct relay {
    struct job *job;
    struct agent *agent;
    struct transport *transport; /* the job's */
    struct pool_wait wait;
    bool entered; /* has the right to a connection */
    struct session *session;
    bool reused;               /* the session is one that idled */
    bool fresh;                /* none of those is to be used */
    bool settling;             /* the host at hand is only tried over one of those */
    unsigned connections;      /* tried */
    int64_t since_ms;          /* monotonic: looking for a host that takes the message */
    char domain[DNSNAME_TEXT]; /* of the recipients; "" when there is none */
    struct dnshosts_lookup *finding;
    struct stslookup *asking;
    struct hostlookup *looking;
    struct dnshosts_result *hosts; /* TRANSPORT_DIRECT to a domain */
    struct stsfound sts;           /* of it */
    struct tlsask ask;             /* for the next hop at hand */
    struct tlsseen seen;
    size_t host;              /* the next one */
    const char *host_name;    /* the present one */
    struct hostfound found;   /* of it */
    size_t address;           /* the next one */
    enum session_clear clear; /* TLS with this address failed: without */
    struct outcome outcome;   /* of the hosts that came to nothing */
};

static void next_host(struct relay *r);
static void next_address(struct relay *r);
static void begin(struct relay *r);

/* Jobs of the same key may share a connection: one host serves all destinations, or each has its
 * own. */
static const char *pool_key(const struct relay *r)
{
    return transport_is_named(r->transport) ? "" : r->job->order->destination;
}

/* Whether enough was tried. As long as the slowest server may take to say something of a message is
 * long enough: whoever answers late, or never, keeps a connection from everybody else. */
static bool is_over(const struct relay *r)
{
    const struct transport_timeouts *t = &r->transport->timeouts;
    int64_t patience = t->connect_ms + t->greeting_ms + 5 * t->command_ms;
    bool late = r->outcome.best.stage != NULL && clock_mono_ms() - r->since_ms > patience;
    return late || r->connections >= CONNECTIONS_AN_ATTEMPT;
}

static void start_over(struct relay *r)
{
    r->connections = 0;
    r->since_ms = clock_mono_ms();
}

static void forget_host(struct relay *r)
{
    hostlookup_cancel(&r->looking);
    hostfound_clear(&r->found);
    r->address = 0;
    r->clear = SESSION_NOT_CLEAR;
}

static void forget_hosts(struct relay *r)
{
    forget_host(r);
    dnshosts_cancel(&r->finding);
    stslookup_cancel(&r->asking);
    dnshosts_result_free(&r->hosts);
    tlsseen_close(&r->seen, &r->agent->learned);
    stsfound_clear(&r->sts);
    tlsask_clear(&r->ask);
    r->outcome.tally = (struct tlspolicy_tally){0};
    r->host = 0;
    r->host_name = NULL;
    r->settling = false;
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

/* Whether there are hosts that were not tried, or left out since there are too many. */
static bool has_more(const struct relay *r)
{
    const struct dnshosts_result *h = r->hosts;
    if (transport_is_named(r->transport))
        return r->host < r->transport->hosts_n;
    return h != NULL && (r->host < h->n ||
                         (h->dropped > 0 && h->n > 0 && h->n == (size_t)r->transport->max_hosts));
}

static void finish(struct relay *r)
{
    struct job *j = r->job;
    defer_refused(j);
    outcome_settle(&r->outcome, has_more(r), j);
    outcome_clear(&r->outcome);
    forget_hosts(r);
    session_free(&r->session);
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
    outcome_note(&r->outcome, &o);
    finish(r);
}

/* ---- the session ---- */

static void on_ready(struct session *s, void *arg)
{
    struct relay *r = arg;
    session_send(s, r->job);
}

/* Where the present host has an address of the other family that was not tried, else how many it
 * has. */
static size_t other_family(const struct relay *r)
{
    const struct hostfound *f = &r->found;
    size_t at = r->address;
    if (f->by_name)
        return f->n;
    while (r->address > 0 && at < f->n && f->list[at].family == f->list[r->address - 1].family)
        at++;
    return r->address > 0 ? at : f->n;
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
        pool_keep(r->agent->pool, s, r->transport, pool_key(r));
    else
        session_quit(&s);
    if (!is_settled(r->job)) {
        /* The server takes no more over this connection, but over another. */
        start_over(r);
        r->reused = false;
        r->fresh = true;
        outcome_clear(&r->outcome);
        begin(r);
    } else if (r->job->order->attempt == 1 && other < r->found.n && reopen_refused(r->job) > 0) {
        r->address = other;
        r->clear = SESSION_NOT_CLEAR;
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
    if (f->no_requiretls)
        outcome_note_refusal(&r->outcome, &o);
    else
        outcome_note(&r->outcome, &o);
    mem_free(&enhanced);
}

/* The host came to nothing, whatever became of its addresses. */
static void give_up_host(struct relay *r, bool refused)
{
    if (!refused)
        outcome_note_other(&r->outcome);
    next_host(r);
}

/* Whether the same address is to be tried once more, in clear. */
static bool falls_back(struct relay *r, const struct session_failure *f)
{
    static const unsigned counters[SESSION_CLEARS] = {
        [SESSION_REFUSED] = COUNT_FALLBACK_REFUSED,
        [SESSION_CUT] = COUNT_FALLBACK_CUT,
        [SESSION_HANDSHAKE] = COUNT_FALLBACK_HANDSHAKE,
    };
    if (!f->retry_in_clear)
        return false;
    service_count(r->agent->service, counters[f->why_clear], 1);
    log_info(NULL, "trying without TLS", LS("host", r->host_name), LS("address", f->address),
             LS("why", f->error));
    return true;
}

static void on_failed(struct session *s, void *arg, const struct session_failure *f)
{
    struct relay *r = arg;
    if (r->reused) {
        /* It ended while it idled, or as we spoke; or what it takes does not suffice: a fresh one
         * knows more. */
        session_free(&r->session);
        r->reused = false;
        r->fresh = true;
        begin(r);
        return;
    }
    note_failure(r, f);
    if (f->no_requiretls)
        service_count(r->agent->service, COUNT_REQUIRETLS_NOT_OFFERED, 1);
    /* We found the server unable to take this message; or it does not want us, and then with
     * another address of the same host it would be no better: some lock out whoever tries too
     * often. */
    bool unable = f->permanent && f->code == 0, unwanted = strcmp(f->stage, "auth") == 0;
    if (!unable)
        service_count(r->agent->service, COUNT_CONNECT_FAILED, 1);
    bool again = falls_back(r, f);
    r->clear = again ? f->why_clear : SESSION_NOT_CLEAR;
    if (again)
        r->address--; /* the same one */
    session_free(&r->session);
    if (unable || unwanted)
        give_up_host(r, f->no_requiretls);
    else
        next_address(r);
}

static const struct session_handler handler = {on_ready, on_done, on_failed, NULL};

static void next_address(struct relay *r)
{
    if (r->address >= r->found.n) {
        give_up_host(r, false);
        return;
    }
    if (is_over(r)) {
        finish(r);
        return;
    }
    const struct session_order order = {
        .agent = r->agent,
        .transport = r->transport,
        .host = r->host_name,
        .address = r->found.by_name ? NULL : &r->found.list[r->address],
        .policy = r->found.policy,
        .retry = r->clear,
        .seen = &r->seen,
    };
    r->address++;
    r->connections++;
    r->session = session_open(&order, &handler, r);
}

/* ---- hosts ---- */

static void count_policy(const struct relay *r)
{
    struct service *s = r->agent->service;
    const struct tlspolicy *p = r->found.policy;
    const struct dnstlsa_result *tlsa = r->found.tlsa;
    bool found = tlsa != NULL && tlsa->status == TLSPOLICY_TLSA_FOUND;
    const struct {
        bool is;
        unsigned counter;
    } counts[] = {
        {true, COUNT_DESTINATIONS},
        {r->hosts != NULL && r->hosts->authentic, COUNT_AUTHENTIC},
        {p->dane && found, COUNT_DANE},
        {found && !p->dane, COUNT_DANE_UNUSABLE},
        {tlsa != NULL && tlsa->status == TLSPOLICY_TLSA_FAILED, COUNT_DANE_FAILED},
        {p->pkix && r->sts.policy != NULL, COUNT_STS},
        {p->verdict == TLSPOLICY_SKIP && strstr(p->label, "sts-mismatch") != NULL,
         COUNT_STS_MISMATCH},
        {r->ask.facts.wish == TLSPOLICY_OPTIONAL, COUNT_TLS_OPTIONAL},
        {p->verdict == TLSPOLICY_REFUSE, COUNT_REQUIRETLS_NO_POLICY},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (counts[i].is)
            service_count(s, counts[i].counter, 1);
    }
}

/* The policy does not let the host be tried. */
static void pass_over(struct relay *r)
{
    const struct tlspolicy *p = r->found.policy;
    char tls[TLS_TEXT];
    (void)snprintf(tls, sizeof tls, "policy %s", p->label);
    struct job_outcome o = {.status = DELIVER_DEFERRED,
                            .enhanced = "4.7.5",
                            .stage = "policy",
                            .error = p->why,
                            .tls = tls,
                            .remote_host = r->host_name};
    log_info(NULL, "host passed over", LS("host", r->host_name), LS("policy", p->label),
             LS("why", p->why));
    if (p->verdict == TLSPOLICY_REFUSE)
        outcome_note_refusal(&r->outcome, &o);
    else
        outcome_note(&r->outcome, &o);
    give_up_host(r, p->verdict == TLSPOLICY_REFUSE);
}

/* Whether the message goes over a connection that idles. */
static bool reuse(struct relay *r)
{
    if (r->fresh)
        return false;
    r->session =
        pool_take(r->agent->pool, r->transport, pool_key(r), r->host_name, r->found.policy, r->job);
    if (r->session == NULL)
        return false;
    r->reused = true;
    service_count(r->agent->service, COUNT_REUSED, 1);
    session_set_owner(r->session, r->found.policy, &handler, r);
    on_ready(r->session, r);
    return true;
}

/* From the first one on, since the one that a connection idles for is of no use after all. */
static void start_anew(struct relay *r)
{
    r->settling = false;
    r->host = 0;
    next_host(r);
}

static void on_host(struct hostfound *found, void *arg)
{
    struct relay *r = arg;
    bool tries = found->policy != NULL && found->policy->verdict == TLSPOLICY_TRY;
    r->found = *found;
    if (tries && reuse(r))
        return;
    if (r->settling) {
        start_anew(r);
        return;
    }
    if (found->policy == NULL) {
        struct job_outcome o = r->found.none;
        o.error = r->found.text;
        outcome_note(&r->outcome, &o);
        give_up_host(r, false);
        return;
    }
    count_policy(r);
    tlsseen_host(&r->seen, r->host_name, r->found.tlsa, &r->agent->learned);
    tlsseen_policy(&r->seen, r->found.policy, r->host_name, r->found.tlsa);
    if (tries)
        next_address(r);
    else
        pass_over(r);
}

/* The i-th of hosts, if these are MX hosts. */
static void try_host(struct relay *r, const char *name, size_t i)
{
    forget_host(r);
    r->host_name = name;
    if (transport_is_named(r->transport)) {
        tlsask_clear(&r->ask);
        tlsask_open(&r->ask, r->transport, r->job, name);
    }
    const struct hostlookup_order order = {.agent = r->agent,
                                           .transport = r->transport,
                                           .ask = &r->ask,
                                           .host = name,
                                           .hosts = r->hosts,
                                           .i = i,
                                           .sts = r->ask.wants_sts ? &r->sts : NULL};
    hostlookup_start(&r->looking, &order, on_host, r);
}

static size_t hosts_n(const struct relay *r)
{
    return transport_is_named(r->transport) ? r->transport->hosts_n
           : r->hosts != NULL               ? r->hosts->n
                                            : 0;
}

static const char *host_at(const struct relay *r, size_t i)
{
    return transport_is_named(r->transport) ? r->transport->hosts[i] : r->hosts->list[i].name;
}

static void next_host(struct relay *r)
{
    size_t i = r->host;
    if (i >= hosts_n(r) || is_over(r)) {
        finish(r);
        return;
    }
    r->host++;
    try_host(r, host_at(r, i), i);
}

/* Where a connection to one of them idles that one comes first, so that no message waits for a
 * preferred one that is down. */
static void start_hosts(struct relay *r)
{
    const char *idle = r->fresh ? NULL : pool_host(r->agent->pool, r->transport, pool_key(r));
    for (size_t i = 0; idle != NULL && i < hosts_n(r); i++) {
        if (strcmp(host_at(r, i), idle) == 0) {
            r->settling = true;
            try_host(r, host_at(r, i), i);
            return;
        }
    }
    next_host(r);
}

/* ---- domains ---- */

/* MX hosts and policy are looked for side by side. */
static void on_both(struct relay *r)
{
    if (r->finding != NULL || r->asking != NULL)
        return;
    /* What others published does not count: so it is not counted how they do by it. */
    if (r->ask.wants_sts && r->transport->tls_results)
        tlsseen_open(&r->seen, r->domain, &r->sts, tlsresult_day(clock_wall_ms()));
    start_hosts(r);
}

static void on_sts(struct stsfound *found, void *arg)
{
    struct relay *r = arg;
    r->asking = NULL;
    r->sts = *found;
    on_both(r);
}

static void on_hosts(struct dnshosts_result *result, void *arg)
{
    struct relay *r = arg;
    const char *enhanced;
    r->finding = NULL;
    r->hosts = result;
    if (result->status == DNSHOSTS_OK) {
        on_both(r);
        return;
    }
    (void)dnshosts_reply(result->status, &enhanced);
    bool later = result->status == DNSHOSTS_TEMPORARY;
    finish_with(r, later ? DELIVER_DEFERRED : DELIVER_FAILED, 0, enhanced, "dns", result->text);
}

static void begin_domain(struct relay *r)
{
    const struct transport *t = r->transport;
    struct dnshosts_options options = {
        .own_names = &t->hostname, .own_count = 1, .max = (unsigned)t->max_hosts};
    r->finding = dnshosts_find(t->dns, r->job->order->destination, &options, on_hosts, r);
    if (r->ask.wants_sts && dnsname_normal(r->job->order->destination, r->domain) == 0)
        r->asking =
            stslookup_start(r->agent, r->transport, r->domain, &r->job->order->sts, on_sts, r);
}

static void begin(struct relay *r)
{
    const char *destination = r->job->order->destination;
    forget_hosts(r);
    if (transport_is_named(r->transport)) {
        start_hosts(r);
        return;
    }
    tlsask_open(&r->ask, r->transport, r->job, destination);
    if (destination[0] == '[')
        try_host(r, destination, 0);
    else
        begin_domain(r);
}

static void on_turn(struct pool_wait *w)
{
    struct relay *r = (struct relay *)((char *)w - offsetof(struct relay, wait));
    r->entered = true;
    start_over(r);
    begin(r);
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
