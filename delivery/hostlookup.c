#include "hostlookup.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

#define SOCKS_NAME_MAX 255

struct hostlookup {
    struct hostlookup **slot; /* the owner's */
    struct hostlookup_order order;
    struct dnsaddr_lookup *resolving;
    struct dnstlsa_lookup *searching;
    struct hostfound found;
    bool is_address;
    hostlookup_fn *fn;
    void *arg;
};

void hostfound_clear(struct hostfound *f)
{
    tlspolicy_drop(&f->policy);
    tlspolicy_drop(&f->passed);
    mem_free(&f->list);
    dnstlsa_result_free(&f->tlsa);
    *f = (struct hostfound){.policy = NULL};
}

static void finish(struct hostlookup *l)
{
    struct hostfound found = l->found;
    hostlookup_fn *fn = l->fn;
    void *arg = l->arg;
    l->found = (struct hostfound){.policy = NULL};
    hostlookup_cancel(l->slot);
    fn(&found, arg);
}

static void decide(struct hostlookup *l)
{
    const struct hostlookup_order *order = &l->order;
    struct tlsask_way way = {.host = order->host,
                             .is_address = l->is_address,
                             .hosts = order->hosts,
                             .tlsa = l->found.tlsa,
                             .sts = order->sts};
    l->found.policy = tlsask_decide(order->ask, order->transport, &way);
    l->found.ignored = tlsask_ignores(order->ask, order->transport, &way, &l->found.passed);
    finish(l);
}

/* ---- no address ---- */

/* The family of which no address is tried; 0 when there is none. */
static int leaves_out(const struct transport *t)
{
    return t->family == CONF_FAMILY_4 ? AF_INET6 : t->family == CONF_FAMILY_6 ? AF_INET : 0;
}

static void finish_without(struct hostlookup *l, enum deliver_status status, const char *enhanced,
                           const char *why)
{
    (void)snprintf(l->found.text, sizeof l->found.text, "%s", why);
    l->found.none = (struct job_outcome){
        .status = status, .enhanced = enhanced, .stage = "dns", .remote_host = l->order.host};
    finish(l);
}

/* One of a family that is left out is there, and the operator may let it in. */
static void explain(struct hostlookup *l, const struct dnsaddr_result *r)
{
    const struct transport *t = l->order.transport;
    bool left_out =
        r->status == DNSADDR_NONE && !r->nxdomain && r->name[0] != '\0' && leaves_out(t) != 0;
    if (r->status == DNSADDR_TEMPORARY && dnsede_is_authentication(r->ede))
        l->found.forged = r->ede;
    if (r->status == DNSADDR_TEMPORARY)
        finish_without(l, DELIVER_DEFERRED, "4.4.3", r->text);
    else if (transport_is_named(t)) /* a matter between the operator and it */
        finish_without(l, DELIVER_DEFERRED, "4.3.5", r->text);
    else if (left_out)
        finish_without(l, DELIVER_DEFERRED, "4.4.4", r->text);
    else
        finish_without(l, DELIVER_FAILED, "5.4.4", r->text);
}

/* ---- addresses and records ---- */

static void on_records(struct dnstlsa_result *result, void *arg)
{
    struct hostlookup *l = arg;
    l->searching = NULL;
    l->found.tlsa = result;
    decide(l);
}

static void find_records(struct hostlookup *l, const struct dnsaddr_result *addresses)
{
    const struct hostlookup_order *order = &l->order;
    struct dnstlsa_bases bases = order->hosts != NULL
                                     ? dnstlsa_bases_of(order->hosts, order->i, addresses)
                                     : dnstlsa_bases_of_named(order->host, addresses);
    l->searching = dnstlsa_find(order->transport->dns, &bases, (uint16_t)order->transport->port,
                                order->turn, on_records, l);
}

/* It takes one of them to be this system: a name that leads here today and elsewhere tomorrow sends
 * mail in circles just the same. */
static const struct dnsaddr *own_of(const struct hostlookup *l, const struct dnsaddr *list,
                                    size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (ownaddr_has(&l->order.transport->own, &list[i]))
            return &list[i];
    }
    return NULL;
}

static void explain_self(struct hostlookup *l, const struct dnsaddr *own)
{
    char address[INET6_ADDRSTRLEN], why[400];
    (void)inet_ntop(own->family, own->octets, address, sizeof address);
    (void)snprintf(why, sizeof why, "mail for %.255s would come back here: %s is this system",
                   l->order.host, address);
    l->found.is_self = true;
    finish_without(l, DELIVER_FAILED, "5.4.6", why);
}

static void on_addresses(struct dnsaddr_result *result, void *arg)
{
    struct hostlookup *l = arg;
    const struct dnsaddr *own = own_of(l, result->list, result->n);
    l->resolving = NULL;
    if (own != NULL) {
        explain_self(l, own);
    } else if (result->status != DNSADDR_OK) {
        explain(l, result);
    } else {
        l->found.list = mem_copy(result->list, result->n * sizeof *result->list);
        l->found.n = result->n;
        if (l->order.ask->wants_tlsa)
            find_records(l, result);
        else
            decide(l);
    }
    dnsaddr_result_free(&result);
}

/* ---- hosts that need no lookup ---- */

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

/* Which addresses of a host are tried, and in which order. */
static struct dnsaddr_options options_of(const struct transport *t, enum dns_turn turn)
{
    static const enum dnsaddr_family families[] = {DNSADDR_6_FIRST, DNSADDR_ONLY_4, DNSADDR_ONLY_6,
                                                   DNSADDR_4_FIRST, DNSADDR_6_FIRST};
    return (struct dnsaddr_options){.family = families[t->family],
                                    .any_target = t->allow_loopback,
                                    .private_target = t->allow_private,
                                    .max = HOSTLOOKUP_ADDRESSES,
                                    .turn = turn};
}

static void take_literal(struct hostlookup *l, const struct dnsaddr *a)
{
    const struct transport *t = l->order.transport;
    const struct dnsaddr_options options = options_of(t, l->order.turn);
    if (a->family == leaves_out(t)) {
        finish_without(l, DELIVER_DEFERRED, "4.4.4",
                       a->family == AF_INET6 ? "only IPv4 addresses are tried"
                                             : "only IPv6 addresses are tried");
    } else if (!dnsaddr_is_allowed(a, &options)) {
        finish_without(l, DELIVER_FAILED, "5.4.4", "mail is not sent to such an address");
    } else if (ownaddr_has(&t->own, a)) {
        explain_self(l, a);
    } else {
        l->is_address = true;
        l->found.list = mem_copy(a, sizeof *a);
        l->found.n = 1;
        decide(l);
    }
}

static void take_name(struct hostlookup *l)
{
    l->found.by_name = true;
    l->found.n = 1;
    decide(l);
}

/* Without MX records it is the domain's own name that is resolved: whether its alias is secure
 * shows only from there. */
static const char *name_to_resolve(const struct hostlookup_order *order)
{
    return order->hosts != NULL && order->hosts->implicit ? order->hosts->domain : order->host;
}

void hostlookup_start(struct hostlookup **slot, const struct hostlookup_order *order,
                      hostlookup_fn *fn, void *arg)
{
    const struct transport *t = order->transport;
    const struct dnsaddr_options options = options_of(t, order->turn);
    struct dnsaddr a;
    struct hostlookup *l = mem_zero(sizeof *l);
    l->slot = slot;
    l->order = *order;
    l->fn = fn;
    l->arg = arg;
    *slot = l;
    if (t->socket == NULL && literal(order->host, &a))
        take_literal(l, &a);
    else if (t->socket != NULL || (t->proxy.remote_dns && strlen(order->host) <= SOCKS_NAME_MAX))
        take_name(l);
    else
        l->resolving = dnsaddr_find(t->dns, name_to_resolve(order), &options, on_addresses, l);
}

void hostlookup_cancel(struct hostlookup **l)
{
    if (*l == NULL)
        return;
    struct hostlookup *gone = *l;
    *l = NULL;
    dnsaddr_cancel(&gone->resolving);
    dnstlsa_cancel(&gone->searching);
    hostfound_clear(&gone->found);
    mem_free(&gone);
}
