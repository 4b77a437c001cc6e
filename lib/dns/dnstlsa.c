#include "dnstlsa.h"

#include <stdio.h>
#include <string.h>

#include "mem.h"

struct dnstlsa_lookup {
    struct dns *dns;
    struct dns_lookup *handle;
    struct dnstlsa_bases bases;
    size_t at; /* the base that is asked for */
    uint16_t port;
    enum dns_turn turn;
    dnstlsa_fn fn;
    void *arg;
};

/* ---- names ---- */

static void add(struct dnstlsa_bases *b, const char *name)
{
    for (size_t i = 0; i < b->n; i++) {
        if (strcmp(b->names[i], name) == 0)
            return;
    }
    if (dnsname_normal(name, b->names[b->n]) == 0)
        b->n++;
}

static struct dnstlsa_bases bases_of(const char *host, const struct dnsaddr_result *addresses)
{
    struct dnstlsa_bases b = {.n = 0};
    if (addresses->authentic) {
        add(&b, addresses->name);
        add(&b, host);
    } else if (addresses->alias_authentic) {
        add(&b, host);
    }
    return b;
}

struct dnstlsa_bases dnstlsa_bases_of(const struct dnshosts_result *hosts, size_t i,
                                      const struct dnsaddr_result *addresses)
{
    struct dnstlsa_bases b = {.n = 0};
    /* What the alias of a domain without MX records leads to nobody may vouch for, nor that it has
     * none: the domain's own name is secure all the same. */
    if (!hosts->authentic && hosts->implicit && addresses->alias_authentic)
        add(&b, hosts->domain);
    if (!hosts->authentic)
        return b;
    b = bases_of(hosts->list[i].name, addresses);
    /* Without MX records the host is where the domain's own alias led. */
    if (hosts->implicit && b.n > 0)
        add(&b, hosts->domain);
    return b;
}

struct dnstlsa_bases dnstlsa_bases_of_named(const char *host,
                                            const struct dnsaddr_result *addresses)
{
    return bases_of(host, addresses);
}

/* ---- lookups ---- */

static void on_answer(const struct dns_result *r, void *arg);

static void take_records(struct dnstlsa_result *out, const struct dns_result *r)
{
    for (size_t i = 0; i < r->n; i++) {
        const struct dns_record *record = &r->records[i];
        struct tlsa tlsa = {record->tlsa.usage, record->tlsa.selector, record->tlsa.matching,
                            record->tlsa.data};
        tlsa_set_add(&out->records, &tlsa);
    }
}

static void finish(struct dnstlsa_lookup *l, enum tlspolicy_tlsa status, const struct dns_result *r)
{
    struct dnstlsa_result *out = mem_zero(sizeof *out);
    dnstlsa_fn fn = l->fn;
    void *arg = l->arg;
    const char *base = l->at < l->bases.n ? l->bases.names[l->at] : "";
    out->status = status;
    out->ede = DNSEDE_NONE;
    memcpy(out->base, base, strlen(base) + 1);
    if (status == TLSPOLICY_TLSA_FOUND) {
        take_records(out, r);
    } else if (status == TLSPOLICY_TLSA_FAILED) {
        out->ede = r->ede;
        (void)snprintf(out->text, sizeof out->text, "TLSA records of %.253s: %s", base, r->text);
    } else {
        (void)snprintf(out->text, sizeof out->text, "%s",
                       status == TLSPOLICY_TLSA_OFF ? "DANE off: the DNS servers are neither on "
                                                      "this machine nor said to be trusted"
                       : l->bases.n == 0            ? "the host is not secured by DNSSEC"
                                                    : "no TLSA records that DNSSEC secures");
    }
    dnstlsa_cancel(&l);
    fn(out, arg);
}

/* The next name that is short enough to have such records. */
static bool ask(struct dnstlsa_lookup *l)
{
    for (; l->at < l->bases.n; l->at++) {
        char *name = mem_format("_%u._tcp.%s", l->port, l->bases.names[l->at]);
        char normal[DNSNAME_TEXT];
        bool fits = dnsname_normal(name, normal) == 0;
        mem_free(&name);
        if (fits) {
            l->handle = dns_lookup(l->dns, normal, DNS_TLSA, l->turn, on_answer, l);
            return true;
        }
    }
    return false;
}

static void on_answer(const struct dns_result *r, void *arg)
{
    struct dnstlsa_lookup *l = arg;
    l->handle = NULL;
    if (l->at == l->bases.n) {
        finish(l, dns_is_trusted(l->dns) ? TLSPOLICY_TLSA_NONE : TLSPOLICY_TLSA_OFF, r);
    } else if (r->status == DNS_TEMPORARY || r->status == DNS_BAD) {
        finish(l, TLSPOLICY_TLSA_FAILED, r);
    } else if (r->status == DNS_OK && r->authentic) {
        finish(l, TLSPOLICY_TLSA_FOUND, r);
    } else {
        l->at++;
        if (!ask(l))
            finish(l, TLSPOLICY_TLSA_NONE, r);
    }
}

struct dnstlsa_lookup *dnstlsa_find(struct dns *d, const struct dnstlsa_bases *bases, uint16_t port,
                                    enum dns_turn turn, dnstlsa_fn fn, void *arg)
{
    struct dnstlsa_lookup *l = mem_zero(sizeof *l);
    l->dns = d;
    l->bases = *bases;
    l->port = port;
    l->turn = turn;
    l->fn = fn;
    l->arg = arg;
    if (!dns_is_trusted(d))
        l->at = l->bases.n;
    if (!ask(l)) /* a lookup of no name is refused without a question, in its time */
        l->handle = dns_lookup(d, "", DNS_TLSA, turn, on_answer, l);
    return l;
}

void dnstlsa_cancel(struct dnstlsa_lookup **lookup)
{
    if (*lookup == NULL)
        return;
    dns_cancel(&(*lookup)->handle);
    mem_free(lookup);
}

void dnstlsa_result_free(struct dnstlsa_result **result)
{
    if (*result == NULL)
        return;
    tlsa_set_clear(&(*result)->records);
    mem_free(result);
}
