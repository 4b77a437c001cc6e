#include "tlsask.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

#include "conftls.h"
#include "mem.h"
#include "proto_submit.h"
#include "tlsdane.h"

/* An address without its brackets (RFC 5321 section 4.1.3), a name in the one form that names are
 * compared in. */
static void put_name(char out[static DNSNAME_TEXT], const char *text)
{
    struct span s = span_text(text);
    if (s.n > 2 && s.p[0] == '[' && s.p[s.n - 1] == ']')
        s = span_of(s.p + 1, s.n - 2);
    if (span_starts_nocase(s, "IPv6:"))
        s = span_of(s.p + 5, s.n - 5);
    if (span_copy(s, out, DNSNAME_TEXT) != 0)
        out[0] = '\0';
    char normal[DNSNAME_TEXT];
    if (dnsname_normal(out, normal) == 0)
        memcpy(out, normal, sizeof normal);
}

static enum tlspolicy_wish wish_of(const struct job *j)
{
    return job_insists_on_tls(j) ? TLSPOLICY_REQUIRE
           : (j->order->flags & SUBMIT_TLS_OPTIONAL) != 0 &&
                   (j->order->flags & SUBMIT_REQUIRE_TLS) == 0
               ? TLSPOLICY_OPTIONAL
               : TLSPOLICY_UNSET;
}

/* By the transport, for next hops that no tls-policy is about. */
static enum tlspolicy_level level_of(const struct transport *t)
{
    static const enum tlspolicy_level levels[] = {
        [CONF_TLS_NONE] = TLSPOLICY_NONE,
        [CONF_TLS_OPPORTUNISTIC] = TLSPOLICY_PUBLISHED,
        [CONF_TLS_REQUIRED] = TLSPOLICY_VERIFY,
        [CONF_TLS_DANE_ONLY] = TLSPOLICY_DANE_ONLY,
    };
    /* The names of MX hosts come from the DNS, and a certificate for one proves little. */
    return t->tls == CONF_TLS_REQUIRED && !transport_is_named(t) ? TLSPOLICY_PUBLISHED
                                                                 : levels[t->tls];
}

static void read_fingerprints(struct tlsask *a, const struct conf_block *policy)
{
    size_t n;
    const struct conf_value *values = conf_list(policy, "fingerprint", &n);
    a->fingerprints = mem_array(n + 1, sizeof *a->fingerprints);
    for (size_t i = 0; i < n; i++)
        (void)conftls_fingerprint(values[i].text, a->fingerprints[i]);
    a->facts.fingerprints = (const unsigned char(*)[TLSPOLICY_DIGEST])a->fingerprints;
    a->facts.fingerprints_n = n;
}

static void ask_operator(struct tlsask *a, const struct transport *t)
{
    struct tlspolicy_facts *facts = &a->facts;
    facts->level = level_of(t);
    facts->always_encrypt = t->tls == CONF_TLS_REQUIRED;
    if (t->socket != NULL) /* nobody is in between */
        return;
    const struct conf_block *policy = conftls_policy(t->conf, a->next_hop);
    if (policy == NULL)
        return;
    facts->level = (enum tlspolicy_level)conf_word(policy, "level");
    facts->always_encrypt = false;
    if (facts->level == TLSPOLICY_FINGERPRINT)
        read_fingerprints(a, policy);
}

void tlsask_open(struct tlsask *a, const struct transport *t, const struct job *j,
                 const char *next_hop)
{
    *a = (struct tlsask){.named = transport_is_named(t)};
    put_name(a->next_hop, next_hop);
    a->facts.wish = wish_of(j);
    ask_operator(a, t);
    /* Whose name the operator gave needs no DNSSEC to be the right one. */
    a->facts.require_by_dnssec = a->named || t->requiretls_by_dnssec;
    a->facts.route_secure = a->named;
    bool weak = a->facts.level == TLSPOLICY_MAY || a->facts.level == TLSPOLICY_ENCRYPT;
    bool published =
        a->facts.level == TLSPOLICY_PUBLISHED || (weak && a->facts.wish == TLSPOLICY_REQUIRE);
    a->wants_sts = published && !a->named;
    a->counts = a->facts.wish != TLSPOLICY_OPTIONAL || a->facts.level != TLSPOLICY_PUBLISHED;
    a->reports = published && a->counts;
    a->wants_tlsa = published || a->facts.level == TLSPOLICY_DANE_ONLY;
}

void tlsask_clear(struct tlsask *a)
{
    mem_free(&a->fingerprints);
    *a = (struct tlsask){.named = false};
}

static bool is_below(enum tlspolicy_level level)
{
    return level == TLSPOLICY_PUBLISHED || level == TLSPOLICY_MAY || level == TLSPOLICY_ENCRYPT;
}

static const struct tlspolicy *decide(const struct tlsask *a, const struct transport *t,
                                      const struct tlsask_way *way, enum tlspolicy_wish wish)
{
    struct tlspolicy_facts facts = a->facts;
    facts.wish = wish;
    const struct dnshosts_result *hosts = way->hosts;
    const struct dnstlsa_result *tlsa = way->is_address ? NULL : way->tlsa;
    struct tlsa *usable = NULL;
    char host[DNSNAME_TEXT];
    put_name(host, way->host);
    facts.host = host;
    facts.next_hop = hosts != NULL ? hosts->domain : a->next_hop;
    facts.expanded = hosts != NULL && hosts->target[0] != '\0' ? hosts->target : NULL;
    facts.is_mx = hosts != NULL && !hosts->implicit;
    facts.is_address = way->is_address;
    facts.route_secure = a->named || (hosts != NULL && hosts->authentic);
    facts.tlsa = tlsa == NULL ? TLSPOLICY_TLSA_NONE : tlsa->status;
    if (facts.tlsa == TLSPOLICY_TLSA_FOUND) {
        usable = mem_array(tlsa->records.n + 1, sizeof *usable);
        facts.tlsa_base = tlsa->base;
        facts.usable = usable;
        facts.usable_n = tlsdane_usable(t->tlsdane, tlsa->records.list, tlsa->records.n, usable);
    }
    if (way->sts != NULL && !way->is_address) {
        facts.sts = way->sts->policy;
        facts.sts_unknown = way->sts->unknown;
    }
    /* Of a server that the operator named a certificate for its name is enough. */
    if (a->named && facts.wish == TLSPOLICY_REQUIRE && is_below(facts.level) &&
        facts.usable_n == 0 && facts.tlsa != TLSPOLICY_TLSA_FAILED)
        facts.level = TLSPOLICY_VERIFY;
    const struct tlspolicy *policy = tlspolicy_new(&facts);
    mem_free(&usable);
    return policy;
}

const struct tlspolicy *tlsask_decide(const struct tlsask *a, const struct transport *t,
                                      const struct tlsask_way *way)
{
    return decide(a, t, way, a->facts.wish);
}

enum tlsask_ignored tlsask_ignores(const struct tlsask *a, const struct transport *t,
                                   const struct tlsask_way *way, const struct tlspolicy **policy)
{
    *policy = NULL;
    if (a->facts.wish != TLSPOLICY_OPTIONAL || a->facts.level != TLSPOLICY_PUBLISHED)
        return TLSASK_NOTHING;
    const struct tlspolicy *p = decide(a, t, way, TLSPOLICY_UNSET);
    bool failed = way->tlsa != NULL && way->tlsa->status == TLSPOLICY_TLSA_FAILED;
    bool found = way->tlsa != NULL && way->tlsa->status == TLSPOLICY_TLSA_FOUND;
    enum tlsask_ignored ignored = p->verdict != TLSPOLICY_TRY
                                      ? (failed ? TLSASK_DANE_FAILED : TLSASK_STS_MISMATCH)
                                  : found   ? TLSASK_DANE
                                  : p->pkix ? TLSASK_STS
                                            : TLSASK_NOTHING;
    if (ignored == TLSASK_NOTHING)
        tlspolicy_drop(&p);
    *policy = p;
    return ignored;
}
