#include "tlsseen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ascii.h"
#include "buf.h"
#include "dnsede.h"
#include "mem.h"

#define REASON_SIZE 80

/* ---- policies as reports show them ---- */

/* The lines of a policy (RFC 8461 section 3.2), as they may have been written. */
static struct tlsresult_entry *entry_of_sts(struct tlsresult *r, const struct mtasts_policy *p)
{
    const char **lines = mem_array(p->mx_n + 3, sizeof *lines);
    char **made = mem_array(p->mx_n + 2, sizeof *made);
    size_t n = 0;
    lines[n++] = "version: STSv1";
    made[0] = mem_format("mode: %s", mtasts_mode_name(p->mode));
    made[1] = mem_format("max_age: %u", p->max_age_s);
    for (size_t i = 0; i < p->mx_n; i++)
        made[i + 2] = mem_format("mx: %s", p->mx[i]);
    for (size_t i = 0; i < p->mx_n + 2; i++)
        lines[n++] = made[i];
    struct tlsresult_entry *e = tlsresult_entry(r, TLSRESULT_STS, lines, n);
    for (size_t i = 0; i < p->mx_n + 2; i++)
        mem_free(&made[i]);
    mem_free(&made);
    mem_free(&lines);
    return e;
}

static struct tlsresult_entry *entry_of_tlsa(struct tlsresult *r, const struct tlsa_set *set)
{
    const char **lines = mem_array(set->n + 1, sizeof *lines);
    struct buf *texts = mem_array(set->n + 1, sizeof *texts);
    for (size_t i = 0; i < set->n; i++) {
        tlsa_text(&set->list[i], &texts[i]);
        lines[i] = buf_text(&texts[i]);
    }
    struct tlsresult_entry *e = tlsresult_entry(r, TLSRESULT_TLSA, lines, set->n);
    for (size_t i = 0; i < set->n; i++)
        buf_free(&texts[i]);
    mem_free(&texts);
    mem_free(&lines);
    return e;
}

/* ---- one attempt ---- */

void tlsseen_open(struct tlsseen *s, const char *domain, const struct stsfound *sts, uint32_t today)
{
    *s = (struct tlsseen){.sts = sts, .domain = tlsresult_new(today, domain, domain, false)};
    (void)snprintf(s->name, sizeof s->name, "%s", domain);
    s->domain->is_wanted = true;
    s->by_domain = sts != NULL && sts->policy != NULL
                       ? entry_of_sts(s->domain, sts->policy)
                       : tlsresult_entry(s->domain, TLSRESULT_NO_POLICY, NULL, 0);
    s->sts_fault = sts != NULL && sts->fault;
    if (s->sts_fault) {
        const struct tlsresult_detail d = {
            .type = sts->type, .sessions = 1, .reason = (char *)sts->reason};
        tlsresult_detail_add(s->by_domain, &d);
    }
}

static bool says_something(const struct tlsresult_entry *e)
{
    return e->success > 0 || e->failure > 0 || e->details_n > 0;
}

static bool is_policy(const struct tlsresult *r)
{
    return r->entries[0].policy != TLSRESULT_NO_POLICY;
}

static void give(struct tlsresult **r, struct learned *out)
{
    if (*r != NULL && says_something(&(*r)->entries[0]))
        learned_add_result(out, r);
    else
        tlsresult_free(r);
}

/* Where the domain is its own host both would be counted in one place: that there is no policy of
 * the one kind is not worth telling beside one of the other. */
static void judge_host(struct tlsseen *s)
{
    if (s->host == NULL || strcmp(s->host->policy_domain, s->name) != 0)
        return;
    if (!is_policy(s->host))
        tlsresult_free(&s->host);
    else if (!is_policy(s->domain) && !s->sts_fault)
        s->by_host_alone = true;
}

void tlsseen_host(struct tlsseen *s, const char *host, const struct dnstlsa_result *tlsa,
                  struct learned *out)
{
    if (s->domain == NULL)
        return;
    judge_host(s);
    give(&s->host, out);
    const char *base = tlsa != NULL && tlsa->base[0] != '\0' ? tlsa->base : host;
    s->host = tlsresult_new(s->domain->day, base, s->name, true);
    s->host->is_wanted = true;
    if (tlsa != NULL && tlsa->status == TLSPOLICY_TLSA_FOUND)
        s->by_host = entry_of_tlsa(s->host, &tlsa->records);
    else if (tlsa != NULL && tlsa->status == TLSPOLICY_TLSA_FAILED)
        s->by_host = tlsresult_entry(s->host, TLSRESULT_TLSA, NULL, 0);
    else
        s->by_host = tlsresult_entry(s->host, TLSRESULT_NO_POLICY, NULL, 0);
}

void tlsseen_close(struct tlsseen *s, struct learned *out)
{
    if (s->domain != NULL) {
        judge_host(s);
        if (s->by_host_alone)
            tlsresult_free(&s->domain);
        give(&s->domain, out);
        give(&s->host, out);
    }
    *s = (struct tlsseen){.domain = NULL};
}

/* ---- what there is to see ---- */

/* Of a domain whose host is not even tried the session counts as one that failed. */
static void add(struct tlsresult_entry *e, enum tlsresult_type type, const char *host,
                const char *reason, bool failed)
{
    const struct tlsresult_detail d = {
        .type = type, .sessions = 1, .mx = (char *)host, .reason = (char *)reason};
    tlsresult_detail_add(e, &d);
    e->failure += failed ? 1 : 0;
}

/* "extended-dns-error-6-dnssec-bogus". */
static void put_ede(const char *what, int ede, char *out, size_t size)
{
    (void)snprintf(out, size, "%s-%d-%s", what, ede, dnsede_name(ede));
    ascii_lower_text(out);
    for (char *at = out; *at != '\0'; at++)
        *at = *at == ' ' ? '-' : *at;
}

static void add_lookup_failure(struct tlsseen *s, const char *host, int ede)
{
    char reason[REASON_SIZE] = "lookup-failed";
    if (ede != DNSEDE_NONE)
        put_ede("extended-dns-error", ede, reason, sizeof reason);
    add(s->by_host,
        dnsede_is_authentication(ede) ? TLSRESULT_DNSSEC_INVALID : TLSRESULT_TLSA_INVALID, host,
        reason, true);
}

static void add_forged(struct tlsresult_entry *e, const char *host, int ede)
{
    char reason[REASON_SIZE];
    put_ede("dns-extended-error", ede, reason, sizeof reason);
    add(e, TLSRESULT_VALIDATION_FAILURE, host, reason, true);
}

void tlsseen_domain_forged(struct tlsseen *s, int ede)
{
    if (s->domain != NULL)
        add_forged(s->by_domain, NULL, ede);
}

/* Of a domain that is its own host, what says nothing of a policy is not told of the host. */
void tlsseen_host_forged(struct tlsseen *s, const char *host, int ede)
{
    if (s->host != NULL)
        add_forged(strcmp(host, s->name) == 0 ? s->by_domain : s->by_host, host, ede);
}

void tlsseen_policy(struct tlsseen *s, const struct tlspolicy *p, const char *host,
                    const struct dnstlsa_result *tlsa)
{
    if (s->host == NULL)
        return;
    const struct mtasts_policy *sts = s->sts == NULL ? NULL : s->sts->policy;
    bool left_out = sts != NULL && sts->mode != MTASTS_NONE && !mtasts_policy_has(sts, host);
    if (left_out)
        add(s->by_domain, TLSRESULT_VALIDATION_FAILURE, host, "mtasts-policy-mx-mismatch",
            p->verdict != TLSPOLICY_TRY);
    if (tlsa != NULL && tlsa->status == TLSPOLICY_TLSA_FAILED)
        add_lookup_failure(s, host, tlsa->ede);
    else if (tlsa != NULL && tlsa->status == TLSPOLICY_TLSA_FOUND && !p->dane)
        add(s->by_host, TLSRESULT_TLSA_INVALID, host, "all-unusable-records+ignored", false);
}

void tlsseen_session(struct tlsseen *s, enum tlsseen_end end, const struct tlsresult_detail *detail)
{
    struct tlsresult_entry *both[] = {s->by_domain, s->by_host};
    if (s->host == NULL)
        return;
    for (size_t i = 0; i < 2; i++) {
        both[i]->success += end == TLSSEEN_GOOD || end == TLSSEEN_DOUBTFUL ? 1 : 0;
        both[i]->failure += end == TLSSEEN_FAILED ? 1 : 0;
        bool told = end == TLSSEEN_FAILED || end == TLSSEEN_WITHOUT ||
                    (end == TLSSEEN_DOUBTFUL && both[i] == s->by_domain);
        if (told)
            tlsresult_detail_add(both[i], detail);
    }
}
