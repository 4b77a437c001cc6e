#include "tlspolicy.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "mem.h"

/* A policy while it is being made. */
struct making {
    const struct tlspolicy_facts *facts;
    struct tlspolicy *p;
};

static const char *or_else(const char *name, const char *other)
{
    return name != NULL ? name : other;
}

static void say(struct making *m, const char *label)
{
    static const char *const wishes[TLSPOLICY_WISHES] = {"", "requiretls ", "optional "};
    (void)snprintf(m->p->label, sizeof m->p->label, "%s%s", wishes[m->facts->wish], label);
}

static void conclude(struct making *m, enum tlspolicy_verdict verdict, const char *label,
                     const char *why)
{
    m->p->verdict = verdict;
    m->p->tls = TLSPOLICY_ALWAYS;
    m->p->dane = m->p->pkix = false;
    say(m, label);
    (void)snprintf(m->p->why, sizeof m->p->why, "%s", why);
}

static void add_name(struct tlspolicy *p, const char *name)
{
    for (size_t i = 0; i < p->names_n; i++) {
        if (strcmp(p->names[i], name) == 0)
            return;
    }
    assert(p->names_n < TLSPOLICY_NAMES_MAX);
    p->names[p->names_n++] = mem_text(name);
}

/* RFC 7672 sections 2.2.1, 2.2.2 and 3.2.2: the name the records were found at, the host's own, and
 * where an MX record led to the host the next hop's, both ways. What is not secure is no name. */
static void add_names(struct making *m)
{
    const struct tlspolicy_facts *facts = m->facts;
    add_name(m->p, facts->tlsa_base);
    if (!facts->route_secure)
        return;
    add_name(m->p, facts->host);
    add_name(m->p, facts->next_hop);
    add_name(m->p, or_else(facts->expanded, facts->next_hop));
}

static void demand_dane(struct making *m)
{
    m->p->tls = TLSPOLICY_ALWAYS;
    m->p->dane = true;
    tlsa_set_copy(&m->p->tlsa, m->facts->usable, m->facts->usable_n);
    add_names(m);
}

/* For the host's own name, whatever name DANE has sent as SNI. */
static void demand_pkix(struct making *m)
{
    m->p->tls = TLSPOLICY_ALWAYS;
    m->p->pkix = true;
    m->p->pkix_name = mem_text(m->facts->host);
}

static bool is_usable(const struct tlspolicy_facts *facts)
{
    return facts->tlsa == TLSPOLICY_TLSA_FOUND && facts->usable_n > 0;
}

/* A fingerprint is a TLSA record that the operator keeps. */
static void demand_fingerprint(struct making *m)
{
    static const uint8_t selectors[] = {TLSA_CERT, TLSA_SPKI};
    for (size_t i = 0; i < m->facts->fingerprints_n; i++) {
        for (size_t k = 0; k < sizeof selectors; k++) {
            struct tlsa record = {TLSA_DANE_EE, selectors[k], TLSA_SHA2_256,
                                  span_of(m->facts->fingerprints[i], TLSPOLICY_DIGEST)};
            tlsa_set_add(&m->p->tlsa, &record);
        }
    }
    m->p->tls = TLSPOLICY_ALWAYS;
    m->p->dane = true;
    add_name(m->p, m->facts->host);
    say(m, "fingerprint");
}

/* ---- what the operator says ---- */

static void decide_dane_only(struct making *m)
{
    if (m->facts->tlsa == TLSPOLICY_TLSA_FAILED) {
        conclude(m, TLSPOLICY_SKIP, "dane-failed", "the host's TLSA records cannot be looked up");
    } else if (!is_usable(m->facts)) {
        conclude(m, TLSPOLICY_SKIP, "dane-missing",
                 m->facts->tlsa == TLSPOLICY_TLSA_OFF
                     ? "DANE is off, as the resolver is not trusted, and dane-only asks for it"
                     : "the host has no usable TLSA records, and dane-only asks for them");
    } else {
        demand_dane(m);
        say(m, "dane");
    }
}

static void decide_by_operator(struct making *m)
{
    switch (m->facts->level) {
    case TLSPOLICY_NONE:
        m->p->tls = TLSPOLICY_CLEAR;
        say(m, "none");
        break;
    case TLSPOLICY_ENCRYPT:
        m->p->tls = TLSPOLICY_ALWAYS;
        say(m, "encrypt");
        break;
    case TLSPOLICY_VERIFY:
        demand_pkix(m);
        say(m, "verify");
        break;
    case TLSPOLICY_DANE_ONLY:
        decide_dane_only(m);
        break;
    case TLSPOLICY_FINGERPRINT:
        demand_fingerprint(m);
        break;
    default:
        break;
    }
}

/* ---- what the receiver's side published ---- */

/* RFC 8461 section 5, RFC 7672 section 2.2; when both speak, both must be content. */
static void decide_by_published(struct making *m)
{
    const struct tlspolicy_facts *facts = m->facts;
    bool enforce = facts->sts != NULL && facts->sts->mode == MTASTS_ENFORCE;
    if (facts->tlsa == TLSPOLICY_TLSA_FAILED) {
        conclude(m, TLSPOLICY_SKIP, "dane-failed", "the host's TLSA records cannot be looked up");
        return;
    }
    if (enforce && !mtasts_policy_has(facts->sts, facts->host)) {
        conclude(m, TLSPOLICY_SKIP, "sts-mismatch",
                 "the domain's MTA-STS policy leaves the host out");
        return;
    }
    if (is_usable(facts))
        demand_dane(m);
    if (enforce)
        demand_pkix(m);
    if (m->p->dane || m->p->pkix) {
        say(m, !m->p->pkix ? "dane" : m->p->dane ? "dane+sts" : "sts");
    } else if (facts->tlsa == TLSPOLICY_TLSA_FOUND) {
        m->p->tls = TLSPOLICY_ALWAYS;
        say(m, "dane-unusable");
    }
}

/* RFC 8689 section 4.2.1: a host that is known to be the domain's, with a certificate that proves
 * that it is the host. */
static void decide_by_requirement(struct making *m)
{
    const struct tlspolicy_facts *facts = m->facts;
    m->p->requiretls = true;
    if (m->p->verdict != TLSPOLICY_TRY || m->p->dane || m->p->pkix)
        return;
    if (facts->level == TLSPOLICY_NONE) {
        conclude(m, TLSPOLICY_REFUSE, "none",
                 "the message asks for REQUIRETLS, and TLS is switched off for this destination");
    } else if (facts->require_by_dnssec && facts->route_secure && !facts->is_address) {
        demand_pkix(m);
        say(m, "dnssec");
    } else if (facts->sts_unknown) {
        conclude(m, TLSPOLICY_SKIP, "sts-unknown",
                 "the message asks for REQUIRETLS, and the domain's MTA-STS policy cannot be found "
                 "now");
    } else {
        conclude(m, TLSPOLICY_REFUSE, "no-policy",
                 "the message asks for REQUIRETLS, and neither DANE nor MTA-STS says what "
                 "certificate the host must have");
    }
}

/* ---- all together ---- */

static void check_facts(const struct tlspolicy_facts *facts)
{
    assert(facts->host != NULL && facts->next_hop != NULL);
    assert(facts->wish < TLSPOLICY_WISHES && facts->level < TLSPOLICY_LEVELS);
    assert(facts->tlsa != TLSPOLICY_TLSA_FOUND || facts->tlsa_base != NULL);
    assert(!facts->is_address || (facts->tlsa != TLSPOLICY_TLSA_FOUND && facts->sts == NULL));
    assert(facts->level != TLSPOLICY_FINGERPRINT || facts->fingerprints_n > 0);
}

/* Whether the operator's word replaces what was published. With REQUIRETLS one that is less than a
 * good certificate does not. */
static bool is_replaced(const struct tlspolicy_facts *facts)
{
    bool weak = facts->level == TLSPOLICY_MAY || facts->level == TLSPOLICY_ENCRYPT;
    return facts->level != TLSPOLICY_PUBLISHED && !(weak && facts->wish == TLSPOLICY_REQUIRE);
}

static void decide(struct making *m)
{
    const struct tlspolicy_facts *facts = m->facts;
    m->p->tls = TLSPOLICY_WHEN_OFFERED;
    say(m, "may");
    if (is_replaced(facts))
        decide_by_operator(m);
    else if (facts->wish != TLSPOLICY_OPTIONAL)
        decide_by_published(m);
    if (facts->wish == TLSPOLICY_REQUIRE)
        decide_by_requirement(m);
    if (facts->always_encrypt && facts->level == TLSPOLICY_PUBLISHED &&
        m->p->tls == TLSPOLICY_WHEN_OFFERED) {
        m->p->tls = TLSPOLICY_ALWAYS;
        say(m, "encrypt");
    }
}

const struct tlspolicy *tlspolicy_new(const struct tlspolicy_facts *facts)
{
    struct making m = {facts, mem_zero(sizeof *m.p)};
    check_facts(facts);
    m.p->references = 1;
    decide(&m);
    if (!facts->is_address)
        m.p->sni = mem_text(m.p->dane ? m.p->names[0] : facts->host);
    /* What everything else rests on. */
    assert(!(m.p->dane || m.p->pkix || m.p->requiretls) || m.p->tls == TLSPOLICY_ALWAYS);
    return m.p;
}

const struct tlspolicy *tlspolicy_hold(const struct tlspolicy *p)
{
    ((struct tlspolicy *)p)->references++; /* const is what callers see */
    return p;
}

void tlspolicy_drop(const struct tlspolicy **pp)
{
    struct tlspolicy *p = (struct tlspolicy *)*pp;
    *pp = NULL;
    if (p == NULL)
        return;
    assert(p->references > 0);
    if (--p->references > 0)
        return;
    tlsa_set_clear(&p->tlsa);
    for (size_t i = 0; i < p->names_n; i++)
        mem_free(&p->names[i]);
    mem_free(&p->pkix_name);
    mem_free(&p->sni);
    mem_free(&p);
}

static bool same_text(const char *a, const char *b)
{
    return a == NULL || b == NULL ? a == b : strcmp(a, b) == 0;
}

bool tlspolicy_same_connection(const struct tlspolicy *a, const struct tlspolicy *b)
{
    if (a->verdict != TLSPOLICY_TRY || b->verdict != TLSPOLICY_TRY || a->tls != b->tls ||
        a->dane != b->dane || a->pkix != b->pkix || a->names_n != b->names_n)
        return false;
    for (size_t i = 0; i < a->names_n; i++) {
        if (strcmp(a->names[i], b->names[i]) != 0)
            return false;
    }
    return tlsa_set_equal(&a->tlsa, &b->tlsa) && same_text(a->pkix_name, b->pkix_name) &&
           same_text(a->sni, b->sni);
}

/* ---- in the conversation ---- */

/* Where nothing is demanded. */
static bool lets_retry_in_clear(const struct tlspolicy *p)
{
    return p->tls == TLSPOLICY_WHEN_OFFERED;
}

enum tlspolicy_action tlspolicy_after(const struct tlspolicy *p, bool retrying,
                                      enum tlspolicy_event event)
{
    assert(p->verdict == TLSPOLICY_TRY && (!retrying || lets_retry_in_clear(p)));
    bool clear = p->tls == TLSPOLICY_CLEAR || retrying;
    switch (event) {
    case TLSPOLICY_GREETED:
        return clear ? TLSPOLICY_SEND_IN_CLEAR : TLSPOLICY_START_TLS;
    case TLSPOLICY_NOT_OFFERED:
        /* Whoever took the word out of the answer may have left the command working. */
        return p->tls == TLSPOLICY_ALWAYS ? TLSPOLICY_START_TLS : TLSPOLICY_SEND_IN_CLEAR;
    case TLSPOLICY_STARTTLS_REFUSED:
    case TLSPOLICY_HANDSHAKE_FAILED:
        return lets_retry_in_clear(p) ? TLSPOLICY_RETRY_IN_CLEAR : TLSPOLICY_NEXT_HOST;
    case TLSPOLICY_SECURE:
        return TLSPOLICY_SEND;
    case TLSPOLICY_SECURE_PLAIN:
        return p->requiretls ? TLSPOLICY_NO_REQUIRETLS : TLSPOLICY_SEND;
    case TLSPOLICY_EVENTS:
        break;
    }
    assert(!"an event");
    return TLSPOLICY_NEXT_HOST;
}

void tlspolicy_tally_add(struct tlspolicy_tally *t, bool refused)
{
    if (refused)
        t->refused++;
    else
        t->other++;
}

bool tlspolicy_tally_is_final(const struct tlspolicy_tally *t)
{
    return t->refused > 0 && t->other == 0;
}
