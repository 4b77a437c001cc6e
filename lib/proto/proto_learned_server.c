#include "mem.h"
#include "proto_learned.h"
#include "proto_types.h"

static void get_policy(struct wire *w, struct sts_learned *p)
{
    *p = (struct sts_learned){.domain = wire_text(w, PROTO_NAME_MAX)};
    p->what = (enum sts_what)wire_enum(w, STS_WHATS);
    sts_id_get(w, p->id);
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
