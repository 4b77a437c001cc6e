#include "dnsaddr.h"

#include <assert.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "dnsnet.h"
#include "mem.h"

#define MAX_DEFAULT 20

/* What is asked about a host. CNAME only once the others turned out not to be authentic. */
enum { ASK_6, ASK_4, ASK_ALIAS, ASKS };

struct dnsaddr_lookup {
    struct dns *dns;
    struct dnsaddr_options options;
    char host[DNSNAME_TEXT]; /* "" when it is no host's name */
    dnsaddr_fn fn;
    void *arg;
    unsigned pending;
    struct ask {
        struct dnsaddr_lookup *lookup;
        struct dns_lookup *handle;
        const struct dns_result *result; /* NULL when it was not asked */
    } asks[ASKS];
};

bool dnsaddr_is_target(const struct dnsaddr *a)
{
    enum dnsnet net = dnsnet_of(a);
    return net != DNSNET_SELF && net != DNSNET_NONE;
}

bool dnsaddr_is_allowed(const struct dnsaddr *a, const struct dnsaddr_options *options)
{
    return dnsnet_of(a) == DNSNET_PRIVATE ? options->private_target
                                          : options->any_target || dnsaddr_is_target(a);
}

socklen_t dnsaddr_sockaddr(const struct dnsaddr *a, uint16_t port, struct sockaddr_storage *out)
{
    *out = (struct sockaddr_storage){.ss_family = (sa_family_t)a->family};
    if (a->family == AF_INET) {
        struct sockaddr_in *in = (struct sockaddr_in *)out;
        in->sin_port = htons(port);
        memcpy(&in->sin_addr, a->octets, 4);
        return sizeof *in;
    }
    assert(a->family == AF_INET6);
    struct sockaddr_in6 *in = (struct sockaddr_in6 *)out;
    in->sin6_port = htons(port);
    memcpy(&in->sin6_addr, a->octets, 16);
    return sizeof *in;
}

static bool gave_addresses(const struct ask *ask)
{
    return ask->result != NULL && ask->result->status == DNS_OK;
}

static bool has_failed(const struct ask *ask)
{
    return ask->result != NULL &&
           (ask->result->status == DNS_TEMPORARY || ask->result->status == DNS_BAD);
}

static void add(struct dnsaddr_result *out, int family, const struct dns_record *record,
                const struct dnsaddr_options *options)
{
    struct dnsaddr a = {.family = family};
    memcpy(a.octets, record->address, family == AF_INET ? 4 : 16);
    bool allowed = dnsaddr_is_allowed(&a, options);
    if (allowed && out->n < options->max)
        out->list[out->n++] = a;
    else
        out->dropped++;
    out->private += !allowed && dnsnet_of(&a) == DNSNET_PRIVATE;
}

/* The families in turn, one address each, the order within a family as the server gave it. */
static void gather(const struct dnsaddr_lookup *l, struct dnsaddr_result *out)
{
    const struct ask *six = &l->asks[ASK_6], *four = &l->asks[ASK_4];
    size_t n6 = gave_addresses(six) ? six->result->n : 0;
    size_t n4 = gave_addresses(four) ? four->result->n : 0;
    bool six_first = l->options.family != DNSADDR_4_FIRST;
    out->list = mem_array(n6 + n4, sizeof *out->list);
    for (size_t i = 0; i < n6 || i < n4; i++) {
        if (six_first && i < n6)
            add(out, AF_INET6, &six->result->records[i], &l->options);
        if (i < n4)
            add(out, AF_INET, &four->result->records[i], &l->options);
        if (!six_first && i < n6)
            add(out, AF_INET6, &six->result->records[i], &l->options);
    }
}

/* Whether the answers that gave addresses are authentic. */
static bool are_authentic(const struct dnsaddr_lookup *l)
{
    bool any = false, all = true;
    for (int i = ASK_6; i <= ASK_4; i++) {
        if (gave_addresses(&l->asks[i])) {
            any = true;
            all = all && l->asks[i].result->authentic;
        }
    }
    return any && all;
}

/* The answer that speaks for the whole: one with addresses, or else one that failed, or else
 * whichever there is. */
static const struct dns_result *deciding(const struct dnsaddr_lookup *l)
{
    const struct dns_result *failed = NULL, *other = NULL;
    for (int i = ASK_6; i <= ASK_4; i++) {
        if (gave_addresses(&l->asks[i]))
            return l->asks[i].result;
        if (has_failed(&l->asks[i]))
            failed = l->asks[i].result;
        else if (l->asks[i].result != NULL)
            other = l->asks[i].result;
    }
    return failed != NULL ? failed : other;
}

static const char *const family_names[] = {[DNSADDR_6_FIRST] = "",
                                           [DNSADDR_4_FIRST] = "",
                                           [DNSADDR_ONLY_4] = "IPv4 ",
                                           [DNSADDR_ONLY_6] = "IPv6 "};

static void say_partial(struct dnsaddr_result *out, const struct dnsaddr_lookup *l)
{
    for (int i = ASK_6; i <= ASK_4; i++) {
        if (has_failed(&l->asks[i]))
            (void)snprintf(out->text, sizeof out->text, "%s record of %.253s: %s",
                           i == ASK_6 ? "AAAA" : "A", l->host, l->asks[i].result->text);
    }
}

static void say(struct dnsaddr_result *out, const struct dnsaddr_lookup *l,
                const struct dns_result *decided)
{
    const char *family = family_names[l->options.family];
    if (out->partial)
        say_partial(out, l);
    else if (l->host[0] == '\0')
        (void)snprintf(out->text, sizeof out->text, "not the name of a host");
    else if (out->nxdomain)
        (void)snprintf(out->text, sizeof out->text, "%s does not exist", l->host);
    else if (out->status == DNSADDR_NONE)
        (void)snprintf(out->text, sizeof out->text, "%s has no %saddress", l->host, family);
    else if (out->status == DNSADDR_UNUSABLE)
        (void)snprintf(out->text, sizeof out->text,
                       out->private == out->dropped ? "%s has only private %saddresses"
                                                    : "%s has only %saddresses not to connect to",
                       l->host, family);
    else if (out->status == DNSADDR_TEMPORARY)
        (void)snprintf(out->text, sizeof out->text, "addresses of %.253s: %s", l->host,
                       decided->text);
}

static void judge(struct dnsaddr_result *out, const struct dnsaddr_lookup *l)
{
    const struct dns_result *decided = deciding(l);
    bool failed = has_failed(&l->asks[ASK_6]) || has_failed(&l->asks[ASK_4]);
    if (out->n > 0)
        out->status = DNSADDR_OK;
    else if (failed && l->host[0] != '\0')
        out->status = DNSADDR_TEMPORARY;
    else
        out->status = decided->status == DNS_OK ? DNSADDR_UNUSABLE : DNSADDR_NONE;
    out->partial = out->n > 0 && failed;
    out->nxdomain = out->status == DNSADDR_NONE && decided->status == DNS_NXDOMAIN;
    out->authentic = are_authentic(l);
    const struct ask *alias = &l->asks[ASK_ALIAS];
    out->alias_authentic = out->authentic || (gave_addresses(alias) && alias->result->authentic);
    out->ede = decided->ede;
    memcpy(out->name, decided->name, sizeof out->name);
    say(out, l, decided);
}

static void finish(struct dnsaddr_lookup *l)
{
    struct dnsaddr_result *out = mem_zero(sizeof *out);
    dnsaddr_fn fn = l->fn;
    void *arg = l->arg;
    gather(l, out);
    judge(out, l);
    dnsaddr_cancel(&l);
    fn(out, arg);
}

/* Aliased, with an insecure end, but perhaps a secure beginning. */
static bool needs_alias(const struct dnsaddr_lookup *l)
{
    const struct dns_result *decided = deciding(l);
    return l->asks[ASK_ALIAS].result == NULL && dns_is_trusted(l->dns) && !are_authentic(l) &&
           decided->status == DNS_OK && decided->aliases > 0;
}

static void on_answer(const struct dns_result *result, void *arg);

static void ask(struct dnsaddr_lookup *l, int what, enum dns_type type)
{
    l->pending++;
    l->asks[what].lookup = l;
    l->asks[what].handle =
        dns_lookup(l->dns, l->host, type, l->options.turn, on_answer, &l->asks[what]);
}

static void on_answer(const struct dns_result *result, void *arg)
{
    struct ask *answered = arg;
    struct dnsaddr_lookup *l = answered->lookup;
    answered->handle = NULL;
    answered->result = dnsresult_hold(result);
    if (--l->pending > 0)
        return;
    if (needs_alias(l))
        ask(l, ASK_ALIAS, DNS_CNAME);
    else
        finish(l);
}

struct dnsaddr_lookup *dnsaddr_find(struct dns *d, const char *host,
                                    const struct dnsaddr_options *options, dnsaddr_fn fn, void *arg)
{
    struct dnsaddr_lookup *l = mem_zero(sizeof *l);
    l->dns = d;
    l->options = *options;
    if (l->options.max == 0)
        l->options.max = MAX_DEFAULT;
    l->fn = fn;
    l->arg = arg;
    if (dnsname_normal(host, l->host) < 0 || !dnsname_is_host(l->host))
        l->host[0] = '\0'; /* which the lookups refuse, in their time */
    if (options->family != DNSADDR_ONLY_4)
        ask(l, ASK_6, DNS_AAAA);
    if (options->family != DNSADDR_ONLY_6)
        ask(l, ASK_4, DNS_A);
    return l;
}

void dnsaddr_cancel(struct dnsaddr_lookup **lookup)
{
    if (*lookup == NULL)
        return;
    for (int i = 0; i < ASKS; i++) {
        dns_cancel(&(*lookup)->asks[i].handle);
        dnsresult_release(&(*lookup)->asks[i].result);
    }
    mem_free(lookup);
}

void dnsaddr_result_free(struct dnsaddr_result **result)
{
    if (*result == NULL)
        return;
    mem_free(&(*result)->list);
    mem_free(result);
}
