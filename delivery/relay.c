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
#include "refusal.h"
#include "tlsask.h"
#include "tlsseen.h"
#include "welcome.h"

/* Whatever the number of hosts: each may take its connect-timeout. */
#define CONNECTIONS_AN_ATTEMPT 20
#define TLS_TEXT 240
/* The attempt from which on a refusal over one address family stands though the other cannot be
 * reached. */
#define REFUSAL_STANDS 4
#define FAMILY_BIT(family) ((family) == AF_INET6 ? 2u : 1u)

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
    size_t heard;             /* 1 + that of one which came before its turn and had its say; 0 */
    const char *host_name;    /* the present one */
    struct hostfound found;   /* of it */
    size_t address;           /* the next one */
    enum session_clear clear; /* TLS with this address failed: without */
    unsigned closed;          /* families that are not to be tried any more: FAMILY_BIT */
    int unwelcome;            /* family over which we were refused as a matter of policy; 0 none */
    struct outcome outcome;   /* of the hosts that came to nothing */
};

static void next_host(struct relay *r);
static void next_address(struct relay *r);
static void begin(struct relay *r);
static void note_host(struct relay *r);

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
    r->closed = 0;
    r->unwelcome = 0;
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
    r->heard = 0;
    r->host_name = NULL;
    r->settling = false;
}

/* Those that were to have a second chance and did not get it, since nobody could be reached: for
 * some attempts what the first server said is a deferral, then it stands. Where others were just as
 * final it is for the outcome to say. */
static void settle_refused(const struct relay *r)
{
    struct job *j = r->job;
    if (r->outcome.best.stage != NULL && r->outcome.best.status == DELIVER_FAILED)
        return;
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        struct deliver_result *result = &j->results[i];
        if (j->settled[i] || result->status != DELIVER_FAILED)
            continue;
        if (j->order->attempt < REFUSAL_STANDS) {
            result->status = DELIVER_DEFERRED;
            result->enhanced[0] = '4';
        }
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
    settle_refused(r);
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

/* The message is about to go to the host: what of that is ignored that would have kept it from
 * there. Where the server meets it all the same it is nothing. */
static enum tlsask_ignored ignored_with(const struct relay *r, const struct session *s)
{
    const struct tlspolicy *passed = r->found.passed;
    if (passed == NULL || passed->verdict != TLSPOLICY_TRY)
        return r->found.ignored;
    if (session_is_clear(s) != SESSION_NOT_CLEAR)
        return TLSASK_TLS;
    return session_would_meet(s, passed) ? TLSASK_NOTHING : r->found.ignored;
}

static void count_ignored(const struct relay *r, const struct session *s)
{
    if (r->ask.facts.wish == TLSPOLICY_OPTIONAL)
        service_count(r->agent->service, COUNT_TLS_OPTIONAL + ignored_with(r, s), 1);
}

static void on_ready(struct session *s, void *arg)
{
    struct relay *r = arg;
    count_ignored(r, s);
    session_send(s, r->job);
}

static bool is_policy(const struct deliver_result *result)
{
    return result->status == DELIVER_FAILED &&
           refusal_is_policy(result->code, result->stage, result->reply);
}

static bool has_policy_refusal(const struct job *j)
{
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (is_policy(&j->results[i]))
            return true;
    }
    return false;
}

/* Takes back what was refused as a matter of policy. */
static void reopen_refused(struct job *j)
{
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (is_policy(&j->results[i]))
            j->settled[i] = false;
    }
}

/* Whether the present host has an address of another family than this one that was not tried. */
static bool has_other_family(const struct relay *r, int family)
{
    const struct hostfound *f = &r->found;
    for (size_t i = r->address; !f->by_name && i < f->n; i++) {
        if (f->list[i].family != family && (r->closed & FAMILY_BIT(f->list[i].family)) == 0)
            return true;
    }
    return false;
}

/* Over this family the host refuses what it may take over the other: the rest of its addresses are
 * gone through; all of them, where the connection was one that had idled. */
static void try_other_family(struct relay *r, int family)
{
    log_info(NULL, "refused as a matter of policy: trying the other address family",
             LS("host", r->host_name));
    reopen_refused(r->job);
    r->unwelcome = family;
    r->clear = SESSION_NOT_CLEAR;
    r->settling = false;
    if (r->reused)
        note_host(r);
    r->reused = false;
    start_over(r);
    /* What other addresses came to does not count any more; that the host came to something does.
     */
    outcome_clear(&r->outcome);
    outcome_note_other(&r->outcome);
    next_address(r);
}

/* Whether somebody is to wait, and nobody was taken. */
static bool is_deferred(const struct job *j)
{
    bool deferred = false;
    for (uint32_t i = 0; i < j->order->recipients_n; i++) {
        if (j->settled[i] && j->results[i].status == DELIVER_DONE)
            return false;
        deferred = deferred || (j->settled[i] && j->results[i].status == DELIVER_DEFERRED);
    }
    return deferred;
}

/* The host has had its say at this address. */
static void learn_family(struct relay *r, const struct dnsaddr *at)
{
    struct memo *w = r->agent->welcome;
    int family = at->family;
    if (family == 0 || has_policy_refusal(r->job))
        return;
    if (is_deferred(r->job))
        welcome_deferred(w, r->host_name, at, r->job->order->attempt > 1, clock_mono_ms());
    else
        welcome_taken(w, r->host_name, family);
    if (r->unwelcome == 0 || r->unwelcome == family)
        return;
    log_info(NULL, "welcome over one address family alone", LS("host", r->host_name),
             LU("family", family == AF_INET6 ? 6 : 4));
    welcome_refused(w, r->host_name, r->unwelcome, clock_mono_ms());
}

/* Whether the host's addresses of this family are left for the end. */
static bool is_last(const struct relay *r, int family)
{
    return family != 0 && welcome_last(r->agent->welcome, r->host_name, clock_mono_ms()) == family;
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
    int family = session_family(s);
    r->session = NULL;
    learn_family(r, session_address(s));
    /* Whoever took over a connection whose address is not welcome would have no other to turn to.
     */
    if (usable && !has_policy_refusal(r->job) && !is_last(r, family))
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
    } else if (family != 0 && has_policy_refusal(r->job) && has_other_family(r, family)) {
        r->closed |= FAMILY_BIT(family);
        try_other_family(r, family);
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
                            .late = f->late,
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
    if (refusal_is_policy(f->code, f->stage, f->reply))
        r->unwelcome = session_family(s);
    if (f->no_requiretls)
        service_count(r->agent->service, COUNT_REQUIRETLS_NOT_OFFERED, 1);
    /* We found the server unable to take this message; or it does not want us, and then with
     * another address of the same host it would be no better: some lock out whoever tries too
     * often. */
    bool unable = f->permanent && f->code == 0, unwanted = strcmp(f->stage, "auth") == 0;
    if (!unable)
        service_count(r->agent->service, COUNT_SESSIONS_FAILED, 1);
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
    while (r->address < r->found.n && !r->found.by_name &&
           (r->closed & FAMILY_BIT(r->found.list[r->address].family)) != 0)
        r->address++;
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
        .destination = pool_key(r),
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

static size_t hosts_n(const struct relay *r)
{
    return transport_is_named(r->transport) ? r->transport->hosts_n
           : r->hosts != NULL               ? r->hosts->n
                                            : 0;
}

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
        {found && !p->dane && r->ask.counts, COUNT_DANE_UNUSABLE},
        {tlsa != NULL && tlsa->status == TLSPOLICY_TLSA_FAILED && r->ask.counts, COUNT_DANE_FAILED},
        {p->pkix && r->sts.policy != NULL, COUNT_STS},
        {p->verdict == TLSPOLICY_SKIP && strstr(p->label, "sts-mismatch") != NULL,
         COUNT_STS_MISMATCH},
        {p->verdict == TLSPOLICY_REFUSE, COUNT_REQUIRETLS_NO_POLICY},
    };
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++) {
        if (counts[i].is)
            service_count(s, counts[i].counter, 1);
    }
}

/* A server that the operator named is a domain by itself, unless it is an address. */
static void open_named(struct relay *r)
{
    tlsseen_close(&r->seen, &r->agent->learned);
    if (r->ask.reports && r->transport->tls_results && r->found.policy->sni != NULL)
        tlsseen_open(&r->seen, r->host_name, NULL, tlsresult_day(clock_wall_ms()));
}

/* It is about to be connected to, or passed over. */
static void note_host(struct relay *r)
{
    count_policy(r);
    if (transport_is_named(r->transport))
        open_named(r);
    tlsseen_host(&r->seen, r->host_name, r->found.tlsa, &r->agent->learned);
    tlsseen_policy(&r->seen, r->found.policy, r->host_name, r->found.tlsa);
}

/* It cannot even be looked for, since somebody may have forged its addresses. */
static void note_forged(struct relay *r)
{
    if (r->found.forged == 0)
        return;
    tlsseen_host(&r->seen, r->host_name, NULL, &r->agent->learned);
    tlsseen_host_forged(&r->seen, r->host_name, r->found.forged);
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
                            .tls = {.text = tls, .policy = p->label},
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
    r->heard = 0;
    next_host(r);
}

static void on_host(struct hostfound *found, void *arg)
{
    struct relay *r = arg;
    bool tries = found->policy != NULL && found->policy->verdict == TLSPOLICY_TRY;
    r->found = *found;
    if (r->found.list != NULL)
        welcome_order(r->agent->welcome, r->host_name, r->found.list, r->found.n, clock_mono_ms());
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
        note_forged(r);
        /* Neither this one nor those that are no better than this one (RFC 5321 section 5.1). */
        if (r->found.is_self)
            r->host = hosts_n(r);
        give_up_host(r, false);
        return;
    }
    note_host(r);
    if (tries)
        next_address(r);
    else
        pass_over(r);
}

/* What was put off before is more likely to be of a domain whose name servers do not answer. */
static enum dns_turn turn_of(const struct relay *r)
{
    return r->job->order->attempt > 1 ? DNS_AGAIN : DNS_NEW;
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
                                           .sts = r->ask.wants_sts ? &r->sts : NULL,
                                           .turn = turn_of(r)};
    hostlookup_start(&r->looking, &order, on_host, r);
}

static const char *host_at(const struct relay *r, size_t i)
{
    return transport_is_named(r->transport) ? r->transport->hosts[i] : r->hosts->list[i].name;
}

static void next_host(struct relay *r)
{
    size_t i = r->host + 1 == r->heard ? r->heard : r->host;
    if (i >= hosts_n(r) || is_over(r)) {
        finish(r);
        return;
    }
    r->host = i + 1;
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
            r->heard = i + 1;
            try_host(r, host_at(r, i), i);
            return;
        }
    }
    next_host(r);
}

/* ---- domains ---- */

/* There are none. */
static void end_without_hosts(struct relay *r)
{
    const struct dnshosts_result *h = r->hosts;
    bool later = h->status == DNSHOSTS_TEMPORARY;
    if (later && dnsede_is_authentication(h->ede))
        tlsseen_domain_forged(&r->seen, h->ede);
    finish_with(r, later ? DELIVER_DEFERRED : DELIVER_FAILED, 0, dnshosts_enhanced(h->status),
                "dns", h->text);
}

/* MX hosts and policy are looked for side by side. */
static void on_both(struct relay *r)
{
    if (r->finding != NULL || r->asking != NULL)
        return;
    /* Where the sender or the operator has said that what others published does not count, it is
     * not counted how they do by it. */
    if (r->ask.reports && r->transport->tls_results)
        tlsseen_open(&r->seen, r->domain, &r->sts, tlsresult_day(clock_wall_ms()));
    if (r->hosts->status == DNSHOSTS_OK)
        start_hosts(r);
    else
        end_without_hosts(r);
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
    r->finding = NULL;
    r->hosts = result;
    /* Its policy is of interest only where there is something to count under it. */
    if (result->status == DNSHOSTS_OK || dnsede_is_authentication(result->ede))
        on_both(r);
    else
        end_without_hosts(r);
}

static void begin_domain(struct relay *r)
{
    const struct transport *t = r->transport;
    struct dnshosts_options options = {.own_names = &t->hostname,
                                       .own_count = 1,
                                       .max = (unsigned)t->max_hosts,
                                       .turn = turn_of(r)};
    r->finding = dnshosts_find(t->dns, r->job->order->destination, &options, on_hosts, r);
    if (r->ask.wants_sts && dnsname_normal(r->job->order->destination, r->domain) == 0)
        r->asking = stslookup_start(r->agent, r->transport, r->domain, &r->job->order->sts,
                                    turn_of(r), on_sts, r);
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
