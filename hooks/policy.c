#include "policy.h"

#include <assert.h>
#include <bsd/sys/queue.h>
#include <stdio.h>
#include <string.h>

#include "ascii.h"
#include "log.h"
#include "mem.h"
#include "counts.h"

#define WELL_KNOWN "/.well-known/mta-sts.txt"
/* One that waits outlives a whole row of fetches of which none is answered. */
#define TURNS 2

/* Fetches under way refer to their peer by number, since it may go away before they end. */
struct peer {
    LIST_ENTRY(peer) next;
    struct policies *policies;
    struct ipc *channel;
    uint64_t number;
    char name[96];
};

/* Under way, or waiting for its turn. */
struct fetching {
    TAILQ_ENTRY(fetching) next;
    struct policies *policies;
    uint64_t peer, request;
    char *domain;
    struct event *patience; /* while it waits */
};

TAILQ_HEAD(fetchings, fetching);

struct policies {
    struct service *service;
    struct fetcher *fetcher;
    const struct policy_settings *settings;
    LIST_HEAD(, peer) peers;
    struct fetchings fetches, waiting;
    unsigned fetches_n; /* those under way */
    uint64_t last_number;
};

struct policies *policies_new(struct service *s, struct fetcher *fetcher)
{
    struct policies *p = mem_zero(sizeof *p);
    p->service = s;
    p->fetcher = fetcher;
    LIST_INIT(&p->peers);
    TAILQ_INIT(&p->fetches);
    TAILQ_INIT(&p->waiting);
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

static bool is_waiting(const struct fetching *g)
{
    return g->patience != NULL;
}

/* Takes it out of the one row or the other. */
static void leave(struct fetching *g)
{
    struct policies *p = g->policies;
    if (is_waiting(g)) {
        TAILQ_REMOVE(&p->waiting, g, next);
        event_free(g->patience);
        g->patience = NULL;
    } else {
        TAILQ_REMOVE(&p->fetches, g, next);
        p->fetches_n--;
    }
}

static void free_fetching(struct fetching *g)
{
    leave(g);
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
    while ((g = TAILQ_FIRST(&(*pp)->fetches)) != NULL)
        free_fetching(g);
    while ((g = TAILQ_FIRST(&(*pp)->waiting)) != NULL)
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
    counts_policy(g->policies->service, got);
    log_info(NULL, good ? "policy fetched" : "policy not fetched", LS("domain", g->domain),
             LS("mode", good ? mtasts_mode_name(got->policy->mode) : ""), LS("why", got->why));
    if (peer != NULL && peer->channel != NULL)
        fetch_policy_answer(peer->channel, g->request, got);
}

/* ---- requests ---- */

static void on_answer(void *arg, const struct fetch_answer *a);

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
    TAILQ_INSERT_TAIL(&g->policies->fetches, g, next);
    g->policies->fetches_n++;
    fetch_start(g->policies->fetcher, &r, on_answer, g);
    mem_free(&url);
}

/* Those whose peer went away have nobody to tell. */
static void start_waiting(struct policies *p)
{
    struct fetching *g;
    while (p->fetches_n < p->settings->most && (g = TAILQ_FIRST(&p->waiting)) != NULL) {
        if (find_peer(p, g->peer) == NULL) {
            free_fetching(g);
        } else {
            leave(g);
            start(g);
        }
    }
}

static void on_answer(void *arg, const struct fetch_answer *a)
{
    struct fetching *g = arg;
    struct policies *p = g->policies;
    struct fetched_policy got = policy_judge(a);
    tell(g, &got);
    fetched_policy_clear(&got);
    free_fetching(g);
    start_waiting(p);
}

static void on_patience_over(evutil_socket_t fd, short what, void *arg)
{
    const struct fetched_policy busy = {
        .end = FETCH_POLICY_FAILED,
        .why = (char *)"too many policies are being fetched, and no turn came"};
    tell(arg, &busy);
    free_fetching(arg);
}

static void wait_for_turn(struct fetching *g)
{
    struct policies *p = g->policies;
    int64_t ms = TURNS * p->settings->timeout_ms;
    const struct timeval patience = {(time_t)(ms / 1000), (suseconds_t)(ms % 1000 * 1000)};
    TAILQ_INSERT_TAIL(&p->waiting, g, next);
    g->patience = evtimer_new(service_base(p->service), on_patience_over, g);
    assert(g->patience != NULL);
    (void)evtimer_add(g->patience, &patience);
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
    if (p->fetches_n < p->settings->most)
        start(g);
    else
        wait_for_turn(g);
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
