#include "holdrule.h"

#include <string.h>

#include "act.h"
#include "ascii.h"
#include "clock.h"
#include "log.h"
#include "mem.h"
#include "rows.h"
#include "tables.h"

/* ---- what they say of a message ---- */

static bool is_any(const char *wanted)
{
    return wanted[0] == '\0';
}

/* wanted is not empty, as the domain of the null sender is. */
static bool is_domain(const char *address, const char *wanted)
{
    return span_is_nocase(span_text(address_domain(address)), wanted);
}

static void take_rule(struct holdrule_set *s, struct admin_hold_rule *r,
                      const struct submit_envelope *e)
{
    if ((!is_any(r->account) && strcmp(r->account, e->account) != 0) ||
        (!is_any(r->from_domain) && !is_domain(e->sender, r->from_domain)))
        return;
    if (is_any(r->domain)) {
        s->all = true;
        return;
    }
    s->domains = mem_resize(s->domains, (s->domains_n + 1) * sizeof *s->domains);
    s->domains[s->domains_n++] = r->domain;
    r->domain = NULL;
}

struct holdrule_set holdrule_read(struct store_txn *t, const struct submit_envelope *e)
{
    struct holdrule_set s = {0};
    struct admin_hold_rule r;
    struct store_cursor c = store_cursor(t, TABLE_HOLD);
    bool at = store_seek(&c, (struct span){0});
    while (at && !s.all) {
        if (hold_row_read(c.value, &r) != 0) {
            at = ledger_quarantine_here(t, TABLE_HOLD, &c);
            continue;
        }
        take_rule(&s, &r, e);
        admin_hold_rule_clear(&r);
        at = store_next(&c);
    }
    store_cursor_close(&c);
    return s;
}

bool holdrule_holds(const struct holdrule_set *s, const char *address)
{
    for (uint32_t i = 0; i < s->domains_n && !s->all; i++) {
        if (is_domain(address, s->domains[i]))
            return true;
    }
    return s->all;
}

void holdrule_clear(struct holdrule_set *s)
{
    for (uint32_t i = 0; i < s->domains_n; i++)
        mem_free(&s->domains[i]);
    mem_free(&s->domains);
    s->domains_n = 0;
}

struct admin_hold_rules holdrule_list(struct store_txn *t)
{
    struct admin_hold_rules rules = {.rules = mem_array(ADMIN_HOLD_RULES_MAX, sizeof *rules.rules)};
    struct store_cursor c = store_cursor(t, TABLE_HOLD);
    for (bool at = store_seek(&c, (struct span){0}); at && rules.rules_n < ADMIN_HOLD_RULES_MAX;
         at = store_next(&c)) {
        if (hold_row_read(c.value, &rules.rules[rules.rules_n]) == 0)
            rules.rules_n++;
    }
    store_cursor_close(&c);
    return rules;
}

/* ---- changes ---- */

struct adding {
    struct change change;
    struct queue *queue;
    struct admin_hold_rule rule;
    bool full; /* there are as many as may be */
    holdrule_on_added *on_done;
    void *arg;
};

static uint64_t rules_in(struct store_txn *t)
{
    uint64_t n = 0;
    struct store_cursor c = store_cursor(t, TABLE_HOLD);
    for (bool at = store_seek(&c, (struct span){0}); at; at = store_next(&c))
        n++;
    store_cursor_close(&c);
    return n;
}

static void apply_add(struct change *change, struct store_txn *t)
{
    struct adding *a = (struct adding *)change;
    struct buf b = {0};
    a->rule.id = 0;
    a->full = rules_in(t) >= ADMIN_HOLD_RULES_MAX;
    if (a->full)
        return;
    a->rule.id = ledger_take_rule_id(t);
    struct key k = key_id(a->rule.id);
    hold_row_put(&b, &a->rule);
    store_put(t, TABLE_HOLD, key_span(&k), buf_span(&b));
    buf_free(&b);
}

static void end_adding(struct adding *a, const struct admin_acted *acted, const char *why)
{
    a->on_done(a->arg, a->rule.id, acted, why);
    admin_hold_rule_clear(&a->rule);
    mem_free(&a);
}

static void on_held(void *arg, const struct admin_acted *acted, const char *why)
{
    end_adding(arg, acted, why);
}

static void done_add(struct change *change, const char *why)
{
    struct adding *a = (struct adding *)change;
    const struct act hold = {.action = ADMIN_HOLD};
    if (why != NULL || a->full) {
        a->rule.id = 0;
        end_adding(a, &(struct admin_acted){0},
                   why != NULL ? why : "there are as many rules as there may be");
        return;
    }
    log_info(NULL, "hold rule added", LU("rule", a->rule.id), LS("account", a->rule.account),
             LS("from_domain", a->rule.from_domain), LS("domain", a->rule.domain));
    struct admin_filter filter = admin_hold_filter(&a->rule);
    act_start(a->queue, &hold, &filter, on_held, a);
}

void holdrule_add(struct queue *q, const struct admin_hold_rule *rule, holdrule_on_added *on_done,
                  void *arg)
{
    struct adding *a = mem_zero(sizeof *a);
    a->change.apply = apply_add;
    a->change.done = done_add;
    a->queue = q;
    a->rule = (struct admin_hold_rule){.created_ms = clock_wall_ms(),
                                       .account = mem_text(rule->account),
                                       .from_domain = mem_text(rule->from_domain),
                                       .domain = mem_text(rule->domain)};
    a->on_done = on_done;
    a->arg = arg;
    commit_add(q->commit, &a->change);
}

struct removing {
    struct change change;
    uint64_t id;
    bool there;
    holdrule_on_removed *on_done;
    void *arg;
};

static void apply_remove(struct change *change, struct store_txn *t)
{
    struct removing *r = (struct removing *)change;
    struct key k = key_id(r->id);
    r->there = store_delete(t, TABLE_HOLD, key_span(&k));
}

static void done_remove(struct change *change, const char *why)
{
    struct removing *r = (struct removing *)change;
    if (why == NULL && !r->there)
        why = "no such hold rule";
    if (why == NULL)
        log_info(NULL, "hold rule removed", LU("rule", r->id));
    r->on_done(r->arg, why);
    mem_free(&r);
}

void holdrule_remove(struct queue *q, uint64_t id, holdrule_on_removed *on_done, void *arg)
{
    struct removing *r = mem_zero(sizeof *r);
    *r = (struct removing){.change = {.apply = apply_remove, .done = done_remove},
                           .id = id,
                           .on_done = on_done,
                           .arg = arg};
    commit_add(q->commit, &r->change);
}
