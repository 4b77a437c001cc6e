#include "relay.h"

#include <arpa/inet.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "dnshosts.h"
#include "log.h"
#include "mem.h"
#include "pool.h"

#define ADDRESSES_A_HOST 8

struct relay {
    struct job *job;
    struct agent *agent;
    struct transport *transport; /* the job's */
    struct pool_wait wait;
    bool entered;                /* has the right to a connection */
    struct session *session;
    bool reused;
    struct dnshosts_lookup *finding;
    struct dnsaddr_lookup *resolving;
    struct dnshosts_result *hosts; /* TRANSPORT_DIRECT to a domain */
    size_t host;                   /* the next one */
    const char *host_name;         /* the present one */
    struct dnsaddr *addresses;     /* of it */
    size_t addresses_n, address;   /* address: the next one */
    bool clear;                    /* TLS with this address failed: without */
    /* What the last host or address was good for, if no other does better. */
    struct job_outcome last;
    char *last_texts[6];
};

static void next_host(struct relay *r);
static void next_address(struct relay *r);

static void keep(char **to, const char **field)
{
    char *copy = mem_text(*field == NULL ? "" : *field);
    mem_free(to);
    *to = copy;
    *field = copy;
}

/* The texts are copied: what they point to goes with the session. */
static void note(struct relay *r, const struct job_outcome *o)
{
    struct job_outcome n = *o;
    const char **fields[] = {&n.enhanced, &n.reply, &n.error, &n.remote_host, &n.remote_address, &n.tls};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        keep(&r->last_texts[i], fields[i]);
    r->last = n;
}

static void finish(struct relay *r)
{
    struct job *j = r->job;
    if (r->last.stage != NULL)
        job_settle_rest(j, &r->last);
    dnshosts_cancel(&r->finding);
    dnsaddr_cancel(&r->resolving);
    dnshosts_result_free(&r->hosts);
    session_free(&r->session);
    mem_free(&r->addresses);
    for (size_t i = 0; i < sizeof r->last_texts / sizeof r->last_texts[0]; i++)
        mem_free(&r->last_texts[i]);
    pool_cancel(r->agent->pool, &r->wait);
    if (r->entered)
        pool_leave(r->agent->pool);
    mem_free(&r);
    job_finish(j);
}

static void finish_with(struct relay *r, enum deliver_status status, int code, const char *enhanced, const char *stage,
                        const char *error)
{
    struct job_outcome o = {.status = status, .code = code, .enhanced = enhanced, .stage = stage, .error = error,
                            .remote_host = r->host_name};
    note(r, &o);
    finish(r);
}

/* ---- the session ---- */

static void on_ready(struct session *s, void *arg)
{
    struct relay *r = arg;
    r->last.stage = NULL; /* from here on the server itself has the word */
    session_send(s, r->job);
}

static void on_done(struct session *s, void *arg, bool usable)
{
    struct relay *r = arg;
    if (usable) {
        r->session = NULL;
        pool_keep(r->agent->pool, s, r->transport, r->job->order->destination);
    }
    finish(r);
}

static void note_failure(struct relay *r, const struct session_failure *f)
{
    struct job_outcome o = {.status = f->permanent ? DELIVER_FAILED : DELIVER_DEFERRED,
                            .code = f->code,
                            .enhanced = f->enhanced,
                            .reply = f->reply,
                            .error = f->error,
                            .stage = f->stage,
                            .remote_host = r->host_name};
    char text[INET6_ADDRSTRLEN] = "", address[80];
    if (r->address > 0) {
        const struct dnsaddr *a = &r->addresses[r->address - 1];
        (void)inet_ntop(a->family, a->octets, text, sizeof text);
        (void)snprintf(address, sizeof address, a->family == AF_INET6 ? "[%s]:%d" : "%s:%d", text, r->transport->port);
        o.remote_address = address;
    }
    note(r, &o);
}

static void begin(struct relay *r);

static void on_failed(struct session *s, void *arg, const struct session_failure *f)
{
    struct relay *r = arg;
    service_count(r->agent->service, COUNT_CONNECT_FAILED, 1);
    if (r->reused) {
        /* It ended while it idled, or as we spoke: a fresh one knows more. */
        session_free(&r->session);
        r->reused = false;
        begin(r);
        return;
    }
    note_failure(r, f);
    session_free(&r->session);
    if (f->tls_failed && r->transport->tls == CONF_TLS_OPPORTUNISTIC && !r->clear) {
        service_count(r->agent->service, COUNT_PLAINTEXT_FALLBACK, 1);
        r->clear = true;
        r->address--; /* the same one again */
    } else {
        r->clear = false;
    }
    next_address(r);
}

static const struct session_handler handler = {on_ready, on_done, on_failed};

static void next_address(struct relay *r)
{
    static const enum session_tls modes[] = {SESSION_CLEAR, SESSION_OPPORTUNISTIC, SESSION_VERIFIED};
    if (r->address >= r->addresses_n) {
        next_host(r);
        return;
    }
    enum session_tls tls = r->clear ? SESSION_CLEAR : modes[r->transport->tls];
    const struct dnsaddr *a = &r->addresses[r->address++];
    r->session = session_open(r->agent, r->transport, r->host_name, a, tls, &handler, r);
}

/* ---- hosts and their addresses ---- */

static void on_addresses(struct dnsaddr_result *result, void *arg)
{
    struct relay *r = arg;
    r->resolving = NULL;
    if (result->status == DNSADDR_OK) {
        mem_free(&r->addresses);
        r->addresses = mem_copy(result->list, result->n * sizeof *result->list);
        r->addresses_n = result->n;
    } else {
        bool later = result->status == DNSADDR_TEMPORARY;
        /* A domain without MX that has no address either is no place for mail; a host without address may only be one of
         * several. */
        struct job_outcome o = {.status = later ? DELIVER_DEFERRED : DELIVER_FAILED,
                                .enhanced = later ? "4.4.3" : "5.4.4",
                                .stage = "dns",
                                .error = result->text,
                                .remote_host = r->host_name};
        if (r->last.stage == NULL || r->last.status == DELIVER_FAILED)
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

static void try_literal(struct relay *r, const struct dnsaddr *a)
{
    if (!r->transport->allow_loopback && !dnsaddr_is_target(a)) {
        finish_with(r, DELIVER_FAILED, 0, "5.4.4", "dns", "mail is not sent to such an address");
        return;
    }
    mem_free(&r->addresses);
    r->addresses = mem_copy(a, sizeof *a);
    r->addresses_n = 1;
    r->address = 0;
    next_address(r);
}

static void try_host(struct relay *r, const char *name)
{
    static const enum dnsaddr_family families[] = {DNSADDR_6_FIRST, DNSADDR_ONLY_4, DNSADDR_ONLY_6};
    struct dnsaddr_options options = {.family = families[r->transport->family],
                                      .any_target = r->transport->allow_loopback,
                                      .max = ADDRESSES_A_HOST};
    struct dnsaddr a;
    r->host_name = name;
    r->clear = false;
    if (literal(name, &a))
        try_literal(r, &a);
    else
        r->resolving = dnsaddr_find(r->transport->dns, name, &options, on_addresses, r);
}

static void next_host(struct relay *r)
{
    if (r->hosts != NULL && r->host < r->hosts->n)
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
    struct dnshosts_options options = {.own_names = &t->hostname, .own_count = 1, .max = (unsigned)t->max_hosts};
    if (t->kind == TRANSPORT_SMTP)
        try_host(r, t->host);
    else if (destination[0] == '[')
        try_host(r, destination);
    else
        r->finding = dnshosts_find(t->dns, destination, &options, on_hosts, r);
}

static void on_turn(struct pool_wait *w)
{
    struct relay *r = (struct relay *)((char *)w - offsetof(struct relay, wait));
    r->entered = true;
    r->session = pool_take(r->agent->pool, r->transport, r->job->order->destination);
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
