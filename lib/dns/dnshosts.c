#include "dnshosts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "mem.h"
#include "rand.h"

#define MAX_DEFAULT 20

struct dnshosts_lookup {
    struct dns_lookup *handle;
    char domain[DNSNAME_TEXT]; /* "" when it is no name */
    char (*own)[DNSNAME_TEXT];
    size_t own_count;
    unsigned max;
    dnshosts_fn fn;
    void *arg;
};

const char *dnshosts_enhanced(enum dnshosts_status status)
{
    static const char *const codes[] = {
        [DNSHOSTS_OK] = "2.0.0",      [DNSHOSTS_NULL_MX] = "5.1.10", [DNSHOSTS_NO_DOMAIN] = "5.1.2",
        [DNSHOSTS_NO_HOST] = "5.4.4", [DNSHOSTS_SELF] = "5.4.6",     [DNSHOSTS_TEMPORARY] = "4.4.3",
    };
    return codes[status];
}

static bool is_own(const struct dnshosts_lookup *l, const char *name)
{
    for (size_t i = 0; i < l->own_count; i++) {
        if (strcmp(l->own[i], name) == 0)
            return true;
    }
    return false;
}

static bool is_listed(const struct dnshosts_result *out, const char *name)
{
    for (size_t i = 0; i < out->n; i++) {
        if (strcmp(out->list[i].name, name) == 0)
            return true;
    }
    return false;
}

static void add(struct dnshosts_result *out, const char *name, uint16_t preference)
{
    struct dnshosts_host *host = &out->list[out->n++];
    (void)snprintf(host->name, sizeof host->name, "%s", name);
    host->preference = preference;
}

/* A record and where chance puts it among its equals. */
struct draw {
    const struct dns_record *record;
    uint64_t chance;
};

static int compare_draws(const void *a, const void *b)
{
    const struct draw *x = a, *y = b;
    if (x->record->mx.preference != y->record->mx.preference)
        return x->record->mx.preference < y->record->mx.preference ? -1 : 1;
    return (x->chance > y->chance) - (x->chance < y->chance);
}

static struct draw *draw_order(const struct dns_result *mx)
{
    struct draw *draws = mem_array(mx->n, sizeof *draws);
    for (size_t i = 0; i < mx->n; i++)
        draws[i] = (struct draw){&mx->records[i], rand_u64()};
    qsort(draws, mx->n, sizeof *draws, compare_draws);
    return draws;
}

/* The preference from which on records lead back here: the best that names this system, or above
 * all there are. */
static unsigned own_preference(const struct dnshosts_lookup *l, const struct dns_result *mx)
{
    unsigned own = UINT16_MAX + 1u;
    for (size_t i = 0; i < mx->n; i++) {
        const struct dns_record *r = &mx->records[i];
        if (r->mx.preference < own && is_own(l, r->mx.name))
            own = r->mx.preference;
    }
    return own;
}

static void take_mx(const struct dnshosts_lookup *l, const struct dns_result *mx,
                    struct dnshosts_result *out)
{
    struct draw *draws = draw_order(mx);
    unsigned own = own_preference(l, mx);
    out->dropped = mx->dropped;
    out->list = mem_array(mx->n, sizeof *out->list);
    for (size_t i = 0; i < mx->n; i++) {
        const struct dns_record *r = draws[i].record;
        if (r->mx.preference >= own)
            out->pruned++;
        else if (out->n == l->max || !dnsname_is_host(r->mx.name) || is_listed(out, r->mx.name))
            out->dropped++;
        else
            add(out, r->mx.name, r->mx.preference);
    }
    mem_free(&draws);
}

static void __attribute__((format(printf, 3, 4)))
conclude(struct dnshosts_result *out, enum dnshosts_status status, const char *fmt, ...)
{
    out->status = status;
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(out->text, sizeof out->text, fmt, ap);
    va_end(ap);
}

static bool is_null_mx(const struct dns_result *mx)
{
    for (size_t i = 0; i < mx->n; i++) {
        if (mx->records[i].mx.name[0] != '\0')
            return false;
    }
    return mx->dropped == 0;
}

static void judge_mx(const struct dnshosts_lookup *l, const struct dns_result *mx,
                     struct dnshosts_result *out)
{
    if (is_null_mx(mx)) {
        conclude(out, DNSHOSTS_NULL_MX, "%s takes no mail (null MX)", l->domain);
        return;
    }
    take_mx(l, mx, out);
    if (out->n > 0)
        conclude(out, DNSHOSTS_OK, "%s", "");
    else if (out->pruned > 0)
        conclude(out, DNSHOSTS_SELF, "mail for %s loops back to this system", l->domain);
    else
        conclude(out, DNSHOSTS_NO_HOST, "no MX record of %s names a host", l->domain);
}

/* RFC 5321 section 5.1: "as if it was associated with an implicit MX RR, with a preference of 0".
 */
static void judge_implicit(const struct dnshosts_lookup *l, struct dnshosts_result *out)
{
    out->implicit = true;
    if (is_own(l, out->target)) {
        conclude(out, DNSHOSTS_SELF, "mail for %s loops back to this system", l->domain);
    } else if (out->target[0] == '\0' || !dnsname_is_host(out->target)) {
        conclude(out, DNSHOSTS_NO_HOST, "%s has no MX record and is no host itself", l->domain);
    } else {
        out->list = mem_array(1, sizeof *out->list);
        add(out, out->target, 0);
        conclude(out, DNSHOSTS_OK, "%s", "");
    }
}

static void judge(const struct dnshosts_lookup *l, const struct dns_result *mx,
                  struct dnshosts_result *out)
{
    if (l->domain[0] == '\0')
        conclude(out, DNSHOSTS_NO_DOMAIN, "not the name of a domain");
    else if (mx->status == DNS_OK)
        judge_mx(l, mx, out);
    else if (mx->status == DNS_NODATA)
        judge_implicit(l, out);
    else if (mx->status == DNS_NXDOMAIN)
        conclude(out, DNSHOSTS_NO_DOMAIN, "domain %s", mx->text);
    else if (mx->dropped > 0) /* records there are, and the server gave them whole */
        conclude(out, DNSHOSTS_NO_HOST, "no MX record of %s names a host", l->domain);
    else
        conclude(out, DNSHOSTS_TEMPORARY, "MX records of %.253s: %s", l->domain, mx->text);
}

static void on_answer(const struct dns_result *mx, void *arg)
{
    struct dnshosts_lookup *l = arg;
    struct dnshosts_result *out = mem_zero(sizeof *out);
    l->handle = NULL;
    out->authentic = mx->authentic;
    out->ede = mx->ede;
    memcpy(out->domain, l->domain, sizeof out->domain);
    memcpy(out->target, mx->name, sizeof out->target);
    judge(l, mx, out);
    dnshosts_fn fn = l->fn;
    void *to = l->arg;
    dnshosts_cancel(&l);
    fn(out, to);
}

struct dnshosts_lookup *dnshosts_find(struct dns *d, const char *domain,
                                      const struct dnshosts_options *options, dnshosts_fn fn,
                                      void *arg)
{
    struct dnshosts_lookup *l = mem_zero(sizeof *l);
    l->own = mem_array(options->own_count, sizeof *l->own);
    for (size_t i = 0; i < options->own_count; i++) {
        if (dnsname_normal(options->own_names[i], l->own[l->own_count]) == 0)
            l->own_count++;
    }
    l->max = options->max == 0 ? MAX_DEFAULT : options->max;
    l->fn = fn;
    l->arg = arg;
    if (dnsname_normal(domain, l->domain) < 0 || !dnsname_is_host(l->domain))
        l->domain[0] = '\0'; /* which the lookup refuses, in its time */
    l->handle = dns_lookup(d, l->domain, DNS_MX, options->turn, on_answer, l);
    return l;
}

void dnshosts_cancel(struct dnshosts_lookup **lookup)
{
    if (*lookup == NULL)
        return;
    dns_cancel(&(*lookup)->handle);
    mem_free(&(*lookup)->own);
    mem_free(lookup);
}

void dnshosts_result_free(struct dnshosts_result **result)
{
    if (*result == NULL)
        return;
    mem_free(&(*result)->list);
    mem_free(result);
}
