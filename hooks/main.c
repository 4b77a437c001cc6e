/* hooks: the only process that speaks HTTP to the outside. It calls webhooks for qmgr and tells how
 * it went. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "conf.h"
#include "dnsconf.h"
#include "fetch.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "proto_hook.h"
#include "service.h"
#include "tls.h"
#include "utf8.h"

#define RESOLV_CONF_MAX 65536

enum { COUNT_CALLS, COUNT_SUCCESS, COUNT_FAILED, HOOKS_COUNTERS };

struct hooks {
    struct service *service;
    struct fetcher *fetcher;
    struct ipc *qmgr;
    uint64_t qmgr_number;   /* which of the channels there have been */
    struct buf resolv_conf; /* as it was at start */
};

/* What one configuration says. */
struct state {
    struct conf *conf;
    struct dns *dns;
    bool allow_private;
    int64_t timeout_ms;
    size_t response_size;
    enum conf_success success;
};

struct call {
    struct hooks *hooks;
    uint64_t channel, request;
    enum conf_success success;
};

static bool is_success(enum conf_success rule, long status)
{
    return rule == CONF_SUCCESS_200_ONLY ? status == 200 : status >= 200 && status < 300;
}

/* The answer's first octets as text: what is not UTF-8 is shown as '?'. */
static char *response_text(struct span s)
{
    struct buf b = {0};
    for (size_t i = 0; i < s.n;) {
        size_t n = utf8_sequence(s.p + i, s.n - i);
        if (n == 0 || s.p[i] == '\0')
            buf_putc(&b, '?');
        else
            buf_put(&b, s.p + i, n);
        i += n == 0 ? 1 : n;
    }
    return buf_take_text(&b);
}

static char *error_text(const struct call *c, const struct fetch_answer *a)
{
    if (a->status == 0)
        return mem_format("http transact: %s", a->error);
    if (is_success(c->success, a->status))
        return mem_text("");
    return mem_format("http status \"%ld\", expected %s", a->status,
                      c->success == CONF_SUCCESS_200_ONLY ? "200 ok" : "2xx");
}

static void on_answer(void *arg, const struct fetch_answer *a)
{
    struct call *c = arg;
    struct hooks *h = c->hooks;
    struct hook_result r = {.success = is_success(c->success, a->status),
                            .code = (uint16_t)a->status,
                            .error = error_text(c, a),
                            .response = response_text(a->response),
                            .duration_ms = (uint32_t)a->duration_ms,
                            .retry_after_s = a->retry_after_s};
    service_count(h->service, r.success ? COUNT_SUCCESS : COUNT_FAILED, 1);
    if (h->qmgr != NULL && h->qmgr_number == c->channel)
        hook_answer(h->qmgr, c->request, &r);
    mem_free(&r.error);
    mem_free(&r.response);
    mem_free(&c);
}

static void call(struct hooks *h, uint64_t request, const struct hook_call *k)
{
    const struct state *s = service_state(h->service);
    char agent[64], id[5][64];
    char *authorization = mem_format("Authorization: %s", k->authorization);
    struct call *c = mem_alloc(sizeof *c);
    *c = (struct call){h, h->qmgr_number, request, s->success};
    (void)snprintf(agent, sizeof agent, "User-Agent: quartermaster/%s (webhook)", QM_VERSION);
    (void)snprintf(id[0], sizeof id[0], "X-Mox-Webhook-ID: %llu", (unsigned long long)k->id);
    (void)snprintf(id[1], sizeof id[1], "X-Mox-Webhook-Attempt: %u", k->attempt);
    (void)snprintf(id[2], sizeof id[2], "X-Quartermaster-Webhook-ID: %llu",
                   (unsigned long long)k->id);
    (void)snprintf(id[3], sizeof id[3], "X-Quartermaster-Webhook-Attempt: %u", k->attempt);
    const char *headers[] = {"Content-Type: application/json; charset=utf-8",
                             "Expect:",
                             agent,
                             id[0],
                             id[1],
                             id[2],
                             id[3],
                             k->authorization[0] == '\0' ? NULL : authorization,
                             NULL};
    struct fetch_request r = {.url = k->url,
                              .body = k->payload,
                              .headers = headers,
                              .timeout_ms = s->timeout_ms,
                              .response_max = s->response_size,
                              .allow_private = s->allow_private};
    service_count(h->service, COUNT_CALLS, 1);
    fetch_start(h->fetcher, &r, on_answer, c);
    mem_wipe(authorization, strlen(authorization));
    mem_free(&authorization);
}

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct hook_call k;
    if (hook_read(m, &k, f) != 0)
        return -1;
    call(arg, m->id, &k);
    hook_call_clear(&k);
    return 0;
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    struct hooks *h = arg;
    ipc_free(&h->qmgr);
}

static void on_link(struct service *s, const char *name, int fd)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct hooks *h = service_user(s);
    if (strcmp(name, "hook qmgr") != 0) {
        log_error(NULL, "unknown link", LS("name", name));
        (void)close(fd);
        return;
    }
    ipc_free(&h->qmgr);
    h->qmgr_number++;
    h->qmgr = ipc_new(service_base(s), fd, name, &handler, h);
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
    return h->fetcher != NULL ? 0 : -1;
}

static struct dns *open_dns(struct hooks *h, const struct conf_block *block, struct fail *f)
{
    struct dns_settings d = {.timeout_ms = (unsigned)conf_ms(block, "timeout"),
                             .tries = (unsigned)conf_int(block, "tries"),
                             .cache_entries = (unsigned)conf_int(block, "cache")};
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
    struct dns *dns = open_dns(service_user(s), conf_child(conf_root(conf), "dns"), f);
    if (dns == NULL)
        return NULL;
    struct state *state = mem_zero(sizeof *state);
    state->conf = conf;
    state->dns = dns;
    state->allow_private = conf_bool(webhooks, "allow-private");
    state->timeout_ms = conf_ms(webhooks, "timeout");
    state->response_size = (size_t)conf_int(webhooks, "response-size");
    state->success = (enum conf_success)conf_word(webhooks, "success");
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
    fetcher_set_dns(h->fetcher, ((struct state *)state)->dns);
    discard(s, old);
}

static const char *const syscalls[] = {"socket", "connect", "bind", "getpeername", "ioctl", NULL};
static const char *const counters[HOOKS_COUNTERS + 1] = {"calls_total", "success_total",
                                                         "failed_total", NULL};

static const struct service_spec spec = {
    .name = "hooks",
    .reader = CONF_HOOKS,
    .syscalls = syscalls,
    .counters = counters,
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
    int code = service_main(&spec, argc, argv, &h);
    ipc_free(&h.qmgr);
    fetcher_free(&h.fetcher);
    buf_free(&h.resolv_conf);
    return code;
}
