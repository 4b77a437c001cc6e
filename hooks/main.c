/* hooks: the only process that speaks HTTP to the outside. It calls webhooks for qmgr and tells how
 * it went. */

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "counts.h"
#include "dnsconf.h"
#include "fetch.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "policy.h"
#include "service.h"
#include "tls.h"
#include "webhook.h"

#define RESOLV_CONF_MAX 65536

struct hooks {
    struct service *service;
    struct fetcher *fetcher;
    struct webhooks *webhooks;
    struct policies *policies;
    struct buf resolv_conf; /* as it was at start */
};

/* What one configuration says. */
struct state {
    struct conf *conf;
    struct dns *dns;
    struct webhook_settings webhooks;
    struct policy_settings policies;
};

static void on_link(struct service *s, const char *name, int fd)
{
    struct hooks *h = service_user(s);
    if (strcmp(name, "hook qmgr") == 0) {
        webhooks_link_qmgr(h->webhooks, fd);
    } else if (strncmp(name, "fetch ", 6) == 0) {
        policies_link(h->policies, name + 6, fd);
    } else if (strcmp(name, "secret") == 0) {
        webhooks_link_vault(h->webhooks, fd);
    } else {
        log_error(NULL, "unknown link", LS("name", name));
        (void)close(fd);
    }
}

static int init(struct service *s, struct fail *f)
{
    struct hooks *h = service_user(s);
    h->service = s;
    /* A machine without the file asks a resolver on loopback, as the C library does. */
    (void)file_read(AT_FDCWD, "/etc/resolv.conf", RESOLV_CONF_MAX, &h->resolv_conf, f);
    return tls_init(f) != 0 || fetcher_init(f) != 0 ? -1 : 0;
}

static int start(struct service *s, struct fail *f)
{
    struct hooks *h = service_user(s);
    h->fetcher = fetcher_new(service_base(s), f);
    if (h->fetcher == NULL)
        return -1;
    h->webhooks = webhooks_new(s, h->fetcher);
    h->policies = policies_new(s, h->fetcher);
    return 0;
}

static struct dns *open_dns(struct hooks *h, const struct conf_block *block, struct fail *f)
{
    struct dns_settings d = {.timeout_ms = (unsigned)conf_ms(block, "timeout"),
                             .tries = (unsigned)conf_int(block, "tries"),
                             .cache_entries = (unsigned)conf_int(block, "cache"),
                             .trust_ad = conf_bool(block, "trust-ad"),
                             .on_ended = counts_dns,
                             .on_ended_arg = h->service};
    size_t n;
    const struct conf_value *servers = conf_list(block, "server", &n);
    if (d.cache_entries == 0)
        d.cache_entries = DNS_NO_CACHE;
    for (size_t i = 0; i < n; i++) {
        if (dnsconf_server(&d, servers[i].text, f) != 0)
            return NULL;
    }
    if (n == 0 && dnsconf_resolv(&d, buf_span(&h->resolv_conf), f) != 0)
        return NULL;
    /* What the configuration says goes before the options of that file. */
    if (conf_is_set(block, "timeout"))
        d.timeout_ms = (unsigned)conf_ms(block, "timeout");
    if (conf_is_set(block, "tries"))
        d.tries = (unsigned)conf_int(block, "tries");
    return dns_open(service_base(h->service), &d, f);
}

static void *prepare(struct service *s, struct conf *conf, struct service_hand *hands,
                     size_t hands_n, struct fail *f)
{
    const struct conf_block *webhooks = conf_child(conf_root(conf), "webhooks");
    const struct conf_block *policies = conf_child(conf_root(conf), "mta-sts");
    struct dns *dns = open_dns(service_user(s), conf_child(conf_root(conf), "dns"), f);
    if (dns == NULL)
        return NULL;
    struct state *state = mem_zero(sizeof *state);
    state->conf = conf;
    state->dns = dns;
    state->webhooks = (struct webhook_settings){
        .conf = conf,
        .allow_private = conf_bool(webhooks, "allow-private"),
        .timeout_ms = conf_ms(webhooks, "timeout"),
        .response_size = (size_t)conf_int(webhooks, "response-size"),
        .success = (enum conf_success)conf_word(webhooks, "success"),
    };
    state->policies = (struct policy_settings){
        .allow_private = conf_bool(policies, "allow-private"),
        .timeout_ms = conf_ms(policies, "fetch-timeout"),
        .most = (unsigned)conf_int(policies, "fetches"),
        .port = 443,
    };
    return state;
}

static void discard(struct service *s, void *arg)
{
    struct state *state = arg;
    if (state == NULL)
        return;
    dns_close(&state->dns);
    conf_free(&state->conf);
    mem_free(&state);
}

static void commit(struct service *s, void *state, void *old)
{
    struct hooks *h = service_user(s);
    const struct state *now = state;
    fetcher_set_dns(h->fetcher, now->dns);
    webhooks_use(h->webhooks, &now->webhooks);
    policies_use(h->policies, &now->policies);
    discard(s, old);
}

static const char *const syscalls[] = {"socket", "connect", "bind", "getpeername", "ioctl", NULL};
/* Not constant: the names of the counters are made. */
static struct service_spec spec = {
    .name = "hooks",
    .reader = CONF_HOOKS,
    .syscalls = syscalls,
    .init = init,
    .start = start,
    .prepare = prepare,
    .commit = commit,
    .discard = discard,
    .on_link = on_link,
};

int main(int argc, char **argv)
{
    struct hooks h = {0};
    spec.counters = counts_names();
    int code = service_main(&spec, argc, argv, &h);
    webhooks_free(&h.webhooks);
    policies_free(&h.policies);
    fetcher_free(&h.fetcher);
    buf_free(&h.resolv_conf);
    return code;
}
