#include "policy.h"

#include <bsd/sys/queue.h>
#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "log.h"
#include "mem.h"
#include "counts.h"

#define WELL_KNOWN "/.well-known/mta-sts.txt"

/* Fetches under way refer to their peer by number, since it may go away before they end. */
struct peer {
    LIST_ENTRY(peer) next;
    struct policies *policies;
    struct ipc *channel;
    uint64_t number;
    char name[96];
};

struct fetching {
    LIST_ENTRY(fetching) next;
    struct policies *policies;
    uint64_t peer, request;
    char *domain;
};

struct policies {
    struct service *service;
    struct fetcher *fetcher;
    const struct policy_settings *settings;
    LIST_HEAD(, peer) peers;
    LIST_HEAD(, fetching) fetches;
    unsigned fetches_n;
    uint64_t last_number;
};

struct policies *policies_new(struct service *s, struct fetcher *fetcher)
{
    struct policies *p = mem_zero(sizeof *p);
    p->service = s;
    p->fetcher = fetcher;
    LIST_INIT(&p->peers);
    LIST_INIT(&p->fetches);
    return p;
}

void policies_use(struct policies *p, const struct policy_settings *settings)
{
    p->settings = settings;
}

static void free_peer(struct peer *peer)
{
    LIST_REMOVE(peer, next);
    ipc_free(&peer->channel);
    mem_free(&peer);
}

static void free_fetching(struct fetching *g)
{
    LIST_REMOVE(g, next);
    g->policies->fetches_n--;
    mem_free(&g->domain);
    mem_free(&g);
}

void policies_free(struct policies **pp)
{
    struct peer *peer;
    struct fetching *g;
    if (*pp == NULL)
        return;
    while ((peer = LIST_FIRST(&(*pp)->peers)) != NULL)
        free_peer(peer);
    while ((g = LIST_FIRST(&(*pp)->fetches)) != NULL)
        free_fetching(g);
    mem_free(pp);
}

/* ---- what was fetched ---- */

/* Policies are served as text/plain, so that nobody makes one out of a picture that a web server
 * let him leave there. */
static bool is_text(const char *content_type)
{
    struct span rest = span_text(content_type), type;
    return ascii_token(&rest, ";", &type) && span_is_nocase(ascii_trim(type), "text/plain");
}

static char *refusal(const struct fetch_answer *a, enum fetch_policy_end *end)
{
    *end = FETCH_POLICY_FAILED;
    if (a->status == 0) {
        *end = a->untrusted ? FETCH_POLICY_UNTRUSTED : FETCH_POLICY_FAILED;
        return mem_text(a->error);
    }
    if (a->status >= 300 && a->status < 400)
        return mem_format("http-status-%ld: redirects are not followed", a->status);
    if (a->status != 200)
        return mem_format("http-status-%ld", a->status);
    if (!is_text(a->content_type))
        return mem_format("content type \"%.100s\" and not text/plain", a->content_type);
    return NULL;
}

struct fetched_policy policy_judge(const struct fetch_answer *a)
{
    struct fetched_policy p = {.status = (uint16_t)a->status,
                               .duration_ms = (uint32_t)a->duration_ms};
    struct fail f = {""};
    p.why = refusal(a, &p.end);
    if (p.why != NULL)
        return p;
    p.policy = mtasts_policy_parse(a->response, &f);
    p.end = p.policy != NULL ? FETCH_POLICY_GOOD : FETCH_POLICY_INVALID;
    p.why = mem_text(p.policy != NULL ? "" : f.text);
    return p;
}

static struct peer *find_peer(struct policies *p, uint64_t number)
{
    struct peer *peer;
    LIST_FOREACH (peer, &p->peers, next) {
        if (peer->number == number)
            return peer;
    }
    return NULL;
}

static void tell(struct fetching *g, const struct fetched_policy *got)
{
    struct peer *peer = find_peer(g->policies, g->peer);
    bool good = got->end == FETCH_POLICY_GOOD;
    service_count(g->policies->service, good ? COUNT_POLICIES : COUNT_POLICIES_FAILED, 1);
    log_info(NULL, good ? "policy fetched" : "policy not fetched", LS("domain", g->domain),
             LS("mode", good ? mtasts_mode_name(got->policy->mode) : ""), LS("why", got->why));
    if (peer != NULL && peer->channel != NULL)
        fetch_policy_answer(peer->channel, g->request, got);
}

static void on_answer(void *arg, const struct fetch_answer *a)
{
    struct fetching *g = arg;
    struct fetched_policy got = policy_judge(a);
    tell(g, &got);
    fetched_policy_clear(&got);
    free_fetching(g);
}

/* ---- requests ---- */

static void start(struct fetching *g)
{
    static const char *const headers[] = {"User-Agent: quartermaster/" QM_VERSION " (mta-sts)",
                                          "Accept: text/plain", NULL};
    const struct policy_settings *s = g->policies->settings;
    char *url =
        s->port == 443
            ? mem_format("https://" MTASTS_HOST_PREFIX "%s" WELL_KNOWN, g->domain)
            : mem_format("https://" MTASTS_HOST_PREFIX "%s:%d" WELL_KNOWN, g->domain, s->port);
    struct fetch_request r = {.url = url,
                              .get = true,
                              .https_only = true,
                              .headers = headers,
                              .timeout_ms = s->timeout_ms,
                              .response_max = MTASTS_POLICY_MAX + 1,
                              .allow_private = s->allow_private};
    fetch_start(g->policies->fetcher, &r, on_answer, g);
    mem_free(&url);
}

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct peer *peer = arg;
    struct policies *p = peer->policies;
    char *domain;
    if (fetch_policy_read(m, &domain, f) != 0)
        return -1;
    struct fetching *g = mem_zero(sizeof *g);
    g->policies = p;
    g->peer = peer->number;
    g->request = m->id;
    g->domain = domain;
    LIST_INSERT_HEAD(&p->fetches, g, next);
    p->fetches_n++;
    if (p->fetches_n <= p->settings->most) {
        start(g);
        return 0;
    }
    const struct fetched_policy busy = {.end = FETCH_POLICY_FAILED,
                                        .why = (char *)"too many policies are being fetched"};
    tell(g, &busy);
    free_fetching(g);
    return 0;
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    free_peer(arg);
}

void policies_link(struct policies *p, const char *peer, int fd)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct peer *to, *old;
    LIST_FOREACH (old, &p->peers, next) {
        if (strcmp(old->name, peer) == 0) {
            free_peer(old);
            break;
        }
    }
    to = mem_zero(sizeof *to);
    to->policies = p;
    to->number = ++p->last_number;
    (void)snprintf(to->name, sizeof to->name, "%s", peer);
    to->channel = ipc_new(service_base(p->service), fd, to->name, &handler, to);
    LIST_INSERT_HEAD(&p->peers, to, next);
}
