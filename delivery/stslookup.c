#include "stslookup.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "proto_fetch.h"

/* A policy on its way, for all who wait for it. */
struct stsfetch {
    LIST_ENTRY(stsfetch) next;
    struct agent *agent;
    char *domain;
    uint64_t request;       /* to hooks; 0: it is not there */
    struct event *patience; /* while it is not */
    bool again;             /* it went away over this once */
    LIST_HEAD(, stslookup) waiting;
};

struct stslookup {
    LIST_ENTRY(stslookup) next; /* at a fetch */
    struct agent *agent;
    struct dns_lookup *record;
    struct stsfetch *fetch;
    const char *domain;
    const struct sts_known *known;
    char id[MTASTS_ID_MAX + 1];
    stslookup_fn *fn;
    void *arg;
};

void stsfound_clear(struct stsfound *f)
{
    mtasts_policy_free(&f->policy);
    *f = (struct stsfound){.policy = NULL};
}

/* ---- the end of a lookup ---- */

static void tell(struct stslookup *l, const struct stsplan *plan)
{
    struct learned learned = {0};
    if (!plan->tell || l->agent->qmgr == NULL)
        return;
    learned_add_policy(&learned, l->domain, plan->what, l->id,
                       plan->what == STS_FETCHED ? plan->policy : NULL);
    learned_tell(l->agent->qmgr, &learned);
    learned_clear(&learned);
}

static void finish(struct stslookup *l, const struct stsplan *plan, const char *why)
{
    stslookup_fn *fn = l->fn;
    void *arg = l->arg;
    struct stsfound found = {.policy = mtasts_policy_copy(plan->policy),
                             .unknown = plan->unknown,
                             .fault = plan->fault,
                             .type = plan->type};
    (void)snprintf(found.reason, sizeof found.reason, "%s",
                   plan->reason == NULL || plan->reason[0] == '\0' ? why : plan->reason);
    tell(l, plan);
    if (plan->fault)
        log_info(NULL, "trouble with a policy of MTA-STS", LS("domain", l->domain),
                 LS("why", found.reason), LS("policy", plan->policy != NULL ? "cached" : "none"));
    stslookup_cancel(&l);
    fn(&found, arg);
}

/* What the record alone, and what was known, made of it: nothing is fetched. */
static enum counts_sts result_of(enum stsplan_record record, const struct stsplan *plan)
{
    return record == STSPLAN_FAILED ? COUNTS_STS_LOOKUP
           : record != STSPLAN_GOOD ? COUNTS_STS_NOT_FOUND
           : plan->fault            ? COUNTS_STS_BACKOFF
                                    : COUNTS_STS_CACHED;
}

static void count(const struct stslookup *l, enum counts_sts result)
{
    service_count(l->agent->service, COUNT_STS_LOOKUPS + result, 1);
}

/* ---- fetching ---- */

static void free_fetch(struct stsfetch *f)
{
    if (f->request != 0)
        fetch_policy_forget(f->agent->hooks, f->request);
    event_free(f->patience);
    mem_free(&f->domain);
    mem_free(&f);
}

/* Whoever is called may begin another lookup, for the same domain too: that fetches anew. */
static void end_fetch(struct stsfetch *f, const struct fetched_policy *got)
{
    struct stslookup *l;
    LIST_REMOVE(f, next);
    while ((l = LIST_FIRST(&f->waiting)) != NULL) {
        struct stsplan plan = stsplan_fetched(l->known, got);
        count(l,
              got != NULL && got->end == FETCH_POLICY_GOOD ? COUNTS_STS_FETCHED : COUNTS_STS_ERROR);
        finish(l, &plan, got == NULL ? "" : got->why);
    }
    free_fetch(f);
}

static void wait_for_hooks(struct stsfetch *f)
{
    const struct timeval patience = {STSLOOKUP_PATIENCE_S, 0};
    (void)evtimer_add(f->patience, &patience);
}

/* Without an answer hooks went away: the next one is asked, once. */
static void on_fetched(void *arg, const struct fetched_policy *got)
{
    struct stsfetch *f = arg;
    f->request = 0;
    if (got == NULL && !f->again) {
        f->again = true;
        wait_for_hooks(f);
    } else {
        end_fetch(f, got);
    }
}

static void on_patience_over(evutil_socket_t fd, short what, void *arg)
{
    log_warn(NULL, "hooks is not there: no policies of MTA-STS are fetched");
    end_fetch(arg, NULL);
}

static void ask_hooks(struct stsfetch *f)
{
    (void)evtimer_del(f->patience);
    f->request = fetch_policy_ask(f->agent->hooks, f->domain, on_fetched, f);
}

void stslookup_linked(struct agent *a)
{
    struct stsfetch *f;
    LIST_FOREACH (f, &a->fetches, next) {
        if (f->request == 0)
            ask_hooks(f);
    }
}

void stslookup_drop_all(struct agent *a)
{
    struct stsfetch *f;
    struct stslookup *l;
    while ((f = LIST_FIRST(&a->fetches)) != NULL) {
        LIST_REMOVE(f, next);
        LIST_FOREACH (l, &f->waiting, next)
            l->fetch = NULL;
        free_fetch(f);
    }
}

static struct stsfetch *begin_fetch(struct agent *a, const char *domain)
{
    struct stsfetch *f = mem_zero(sizeof *f);
    f->agent = a;
    f->domain = mem_text(domain);
    f->patience = evtimer_new(a->base, on_patience_over, f);
    assert(f->patience != NULL);
    LIST_INIT(&f->waiting);
    LIST_INSERT_HEAD(&a->fetches, f, next);
    if (a->hooks != NULL)
        ask_hooks(f);
    else
        wait_for_hooks(f);
    return f;
}

static void join_fetch(struct stslookup *l)
{
    struct stsfetch *f;
    LIST_FOREACH (f, &l->agent->fetches, next) {
        if (strcmp(f->domain, l->domain) == 0)
            break;
    }
    l->fetch = f != NULL ? f : begin_fetch(l->agent, l->domain);
    LIST_INSERT_HEAD(&l->fetch->waiting, l, next);
}

/* ---- the record ---- */

static enum stsplan_record read_record(struct stslookup *l, const struct dns_result *r)
{
    struct fail f;
    if (r->status == DNS_NXDOMAIN || r->status == DNS_NODATA)
        return STSPLAN_ABSENT;
    if (r->status != DNS_OK)
        return STSPLAN_FAILED;
    struct span *texts = mem_array(r->n, sizeof *texts);
    for (size_t i = 0; i < r->n; i++)
        texts[i] = r->records[i].text;
    enum mtasts_record got = mtasts_record_find(texts, r->n, l->id, &f);
    mem_free(&texts);
    return got == MTASTS_RECORD_GOOD     ? STSPLAN_GOOD
           : got == MTASTS_RECORD_BROKEN ? STSPLAN_BROKEN
                                         : STSPLAN_ABSENT;
}

static void on_record(const struct dns_result *r, void *arg)
{
    struct stslookup *l = arg;
    l->record = NULL;
    enum stsplan_record record = read_record(l, r);
    struct stsplan plan = stsplan_begin(l->known, record, l->id, clock_wall_ms());
    if (plan.next == STSPLAN_FETCH) {
        join_fetch(l);
    } else {
        count(l, result_of(record, &plan));
        finish(l, &plan, "");
    }
}

struct stslookup *stslookup_start(struct agent *a, struct transport *t, const char *domain,
                                  const struct sts_known *known, enum dns_turn turn,
                                  stslookup_fn *fn, void *arg)
{
    struct stslookup *l = mem_zero(sizeof *l);
    char *name = mem_format(MTASTS_RECORD_PREFIX "%s", domain);
    l->agent = a;
    l->domain = domain;
    l->known = known;
    l->fn = fn;
    l->arg = arg;
    l->record = dns_lookup(t->dns, name, DNS_TXT, turn, on_record, l);
    mem_free(&name);
    return l;
}

void stslookup_cancel(struct stslookup **l)
{
    if (*l == NULL)
        return;
    dns_cancel(&(*l)->record);
    if ((*l)->fetch != NULL)
        LIST_REMOVE(*l, next);
    mem_free(l);
}
