#include "proto_learned.h"

#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"

void sts_known_clear(struct sts_known *k)
{
    mtasts_policy_free(&k->policy);
    *k = (struct sts_known){.policy = NULL};
}

void sts_id_get(struct wire *w, char id[static MTASTS_ID_MAX + 1])
{
    struct span s = wire_span(w, MTASTS_ID_MAX);
    for (size_t i = 0; i < s.n; i++) {
        if (!ascii_is_alnum(s.p[i]))
            wire_fail(w);
    }
    if (span_copy(s, id, MTASTS_ID_MAX + 1) != 0)
        wire_fail(w);
}

static int64_t get_time(struct wire *w)
{
    int64_t ms = wire_i64(w);
    if (ms < 0)
        wire_fail(w);
    return ms;
}

void sts_known_put(struct buf *b, const struct sts_known *k)
{
    wire_put_text(b, k->id);
    wire_put_i64(b, k->refresh_ms);
    wire_put_i64(b, k->retry_ms);
    wire_put_bool(b, k->policy != NULL);
    if (k->policy != NULL)
        mtasts_policy_put(b, k->policy);
}

void sts_known_get(struct wire *w, struct sts_known *k)
{
    *k = (struct sts_known){.policy = NULL};
    sts_id_get(w, k->id);
    k->refresh_ms = get_time(w);
    k->retry_ms = get_time(w);
    if (wire_bool(w))
        k->policy = mtasts_policy_get(w);
}

void learned_clear(struct learned *l)
{
    for (uint32_t i = 0; i < l->policies_n; i++) {
        mem_free(&l->policies[i].domain);
        mtasts_policy_free(&l->policies[i].policy);
    }
    for (uint32_t i = 0; i < l->results_n; i++)
        tlsresult_free(&l->results[i]);
    mem_free(&l->policies);
    mem_free(&l->results);
    *l = (struct learned){.policies = NULL};
}

void learned_add_policy(struct learned *l, const char *domain, enum sts_what what, const char *id,
                        const struct mtasts_policy *policy)
{
    if (l->policies_n == LEARNED_MAX)
        return;
    l->policies = mem_resize(l->policies, (l->policies_n + 1) * sizeof *l->policies);
    struct sts_learned *p = &l->policies[l->policies_n++];
    *p = (struct sts_learned){mem_text(domain), what, "", mtasts_policy_copy(policy)};
    (void)snprintf(p->id, sizeof p->id, "%s", id == NULL ? "" : id);
}

void learned_add_result(struct learned *l, struct tlsresult **r)
{
    if (l->results_n == LEARNED_MAX) {
        tlsresult_free(r);
        return;
    }
    l->results = mem_resize(l->results, (l->results_n + 1) * sizeof(struct tlsresult *));
    l->results[l->results_n++] = *r;
    *r = NULL;
}
