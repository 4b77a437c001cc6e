#include "proto_learned.h"

#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "mem.h"
#include "proto_types.h"

void sts_known_clear(struct sts_known *k)
{
    mtasts_policy_free(&k->policy);
    *k = (struct sts_known){.policy = NULL};
}

static void get_id(struct wire *w, char id[static MTASTS_ID_MAX + 1])
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
    get_id(w, k->id);
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

/* MSG_DELIVER_LEARNED: count u32 of {domain (text), what u8, id (text), and of STS_FETCHED the
 * policy}, count u32 of results. */
void learned_tell(struct ipc *ch, const struct learned *l)
{
    struct buf b = {0};
    if (l->policies_n + l->results_n == 0)
        return;
    wire_put_u32(&b, l->policies_n);
    for (uint32_t i = 0; i < l->policies_n; i++) {
        const struct sts_learned *p = &l->policies[i];
        wire_put_text(&b, p->domain);
        wire_put_u8(&b, (uint8_t)p->what);
        wire_put_text(&b, p->id);
        if (p->what == STS_FETCHED)
            mtasts_policy_put(&b, p->policy);
    }
    wire_put_u32(&b, l->results_n);
    for (uint32_t i = 0; i < l->results_n; i++)
        tlsresult_put(&b, l->results[i]);
    ipc_notify(ch, MSG_DELIVER_LEARNED, buf_span(&b), NULL, 0);
    buf_free(&b);
}

static void get_policy(struct wire *w, struct sts_learned *p)
{
    *p = (struct sts_learned){.domain = wire_text(w, PROTO_NAME_MAX)};
    p->what = (enum sts_what)wire_enum(w, STS_WHATS);
    get_id(w, p->id);
    if (p->what == STS_FETCHED)
        p->policy = mtasts_policy_get(w);
    if (!mtasts_is_domain(span_text(p->domain)) || (p->what == STS_FETCHED && p->id[0] == '\0'))
        wire_fail(w);
}

static void get_result(struct wire *w, struct tlsresult **r)
{
    *r = tlsresult_get(w);
    if (!mtasts_is_domain(span_text((*r)->policy_domain)) ||
        !mtasts_is_domain(span_text((*r)->recipient_domain)))
        wire_fail(w);
}

int learned_read(struct ipc_message *m, struct learned *l, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *l = (struct learned){.policies = NULL};
    uint32_t n = wire_count(&w, LEARNED_MAX, 9);
    l->policies = mem_array(n, sizeof *l->policies);
    while (l->policies_n < n)
        get_policy(&w, &l->policies[l->policies_n++]);
    n = wire_count(&w, LEARNED_MAX, 18);
    l->results = mem_array(n, sizeof(struct tlsresult *));
    while (l->results_n < n)
        get_result(&w, &l->results[l->results_n++]);
    if (m->type != MSG_DELIVER_LEARNED)
        wire_fail(&w);
    if (wire_end(&w) == 0)
        return 0;
    learned_clear(l);
    return fail_set(f, "malformed notice of what was learned");
}
