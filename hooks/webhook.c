#include "webhook.h"

#include <bsd/sys/queue.h>
#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "clock.h"
#include "counts.h"
#include "log.h"
#include "mem.h"
#include "proto_secret.h"
#include "utf8.h"

#define SIGNATURE 32 /* octets of one */

struct call {
    LIST_ENTRY(call) next;
    struct webhooks *webhooks;
    uint64_t channel, request; /* whom to tell */
    uint64_t signing;          /* what the vault was asked; 0: it was not, or has answered */
    struct hook_call call;     /* its payload is in the buffer */
    struct buf payload;
    int64_t timestamp; /* seconds since 1970; of a signed one */
    enum conf_success success;
};

struct webhooks {
    struct service *service;
    struct fetcher *fetcher;
    const struct webhook_settings *settings;
    struct ipc *qmgr, *vault;
    uint64_t qmgr_number; /* which of the channels there have been */
    LIST_HEAD(, call) calls;
};

struct webhooks *webhooks_new(struct service *s, struct fetcher *fetcher)
{
    struct webhooks *w = mem_zero(sizeof *w);
    w->service = s;
    w->fetcher = fetcher;
    LIST_INIT(&w->calls);
    return w;
}

void webhooks_use(struct webhooks *w, const struct webhook_settings *settings)
{
    w->settings = settings;
}

static void free_call(struct call *c)
{
    LIST_REMOVE(c, next);
    if (c->signing != 0)
        secret_forget(c->webhooks->vault, c->signing);
    hook_call_clear(&c->call);
    buf_free(&c->payload);
    mem_free(&c);
}

void webhooks_free(struct webhooks **wp)
{
    struct webhooks *w = *wp;
    struct call *c;
    if (w == NULL)
        return;
    while ((c = LIST_FIRST(&w->calls)) != NULL)
        free_call(c);
    ipc_free(&w->qmgr);
    ipc_free(&w->vault);
    mem_free(wp);
}

/* ---- tell ---- */

static void tell(struct call *c, const struct hook_result *r)
{
    struct webhooks *w = c->webhooks;
    service_count(w->service, r->success ? COUNT_SUCCESS : COUNT_FAILED, 1);
    if (w->qmgr != NULL && w->qmgr_number == c->channel)
        hook_answer(w->qmgr, c->request, r);
    free_call(c);
}

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
    counts_request(c->webhooks->service, a->status, a->duration_ms);
    struct hook_result r = {.success = is_success(c->success, a->status),
                            .code = (uint16_t)a->status,
                            .error = error_text(c, a),
                            .response = response_text(a->response),
                            .duration_ms = (uint32_t)a->duration_ms,
                            .retry_after_s = a->retry_after_s};
    tell(c, &r);
    mem_free(&r.error);
    mem_free(&r.response);
}

static void tell_unsigned(struct call *c, const char *why)
{
    struct hook_result r = {.error = mem_format("cannot be signed: %s", why),
                            .response = (char *)""};
    log_warn(NULL, "webhook cannot be signed", LU("hook", c->call.id),
             LS("account", c->call.account), LS("why", why));
    tell(c, &r);
    mem_free(&r.error);
}

/* ---- send ---- */

enum { HEADERS = 11 };

struct headers {
    char *list[HEADERS + 1];
    size_t n;
};

static void add(struct headers *h, char *line)
{
    h->list[h->n++] = line;
    h->list[h->n] = NULL;
}

static void clear(struct headers *h)
{
    for (size_t i = 0; i < h->n; i++) {
        mem_wipe(h->list[i], strlen(h->list[i]));
        mem_free(&h->list[i]);
    }
}

/* signature: the value of webhook-signature, or NULL. */
static void add_headers(struct headers *h, const struct call *c, const char *signature)
{
    static const char *const vendors[] = {"Mox", "Quartermaster"};
    unsigned long long id = c->call.id;
    add(h, mem_text("Content-Type: application/json; charset=utf-8"));
    add(h, mem_text("Expect:"));
    add(h, mem_format("User-Agent: quartermaster/%s (webhook)", QM_VERSION));
    for (size_t i = 0; i < 2; i++) {
        add(h, mem_format("X-%s-Webhook-ID: %llu", vendors[i], id));
        add(h, mem_format("X-%s-Webhook-Attempt: %u", vendors[i], c->call.attempt));
    }
    if (c->call.authorization[0] != '\0')
        add(h, mem_format("Authorization: %s", c->call.authorization));
    if (signature == NULL)
        return;
    add(h, mem_format("webhook-id: %llu", id));
    add(h, mem_format("webhook-timestamp: %lld", (long long)c->timestamp));
    add(h, mem_format("webhook-signature: %s", signature));
}

static void send_call(struct call *c, const char *signature)
{
    const struct webhook_settings *s = c->webhooks->settings;
    struct headers headers = {.n = 0};
    add_headers(&headers, c, signature);
    struct fetch_request r = {.url = c->call.url,
                              .body = buf_span(&c->payload),
                              .headers = (const char *const *)headers.list,
                              .timeout_ms = s->timeout_ms,
                              .response_max = s->response_size,
                              .allow_private = s->allow_private};
    c->success = s->success;
    service_count(c->webhooks->service, COUNT_CALLS, 1);
    fetch_start(c->webhooks->fetcher, &r, on_answer, c);
    buf_free(&c->payload); /* fetch has copies */
    mem_wipe(c->call.authorization, strlen(c->call.authorization));
    clear(&headers);
}

/* ---- sign ---- */

/* "v1,<base64> v1,<base64>", one for each key. */
static void on_signature(void *arg, struct span signatures, const char *why)
{
    struct call *c = arg;
    struct buf value = {0};
    c->signing = 0;
    if (signatures.n == 0 || signatures.n % SIGNATURE != 0) {
        tell_unsigned(c, why);
        return;
    }
    for (size_t i = 0; i < signatures.n; i += SIGNATURE) {
        buf_puts(&value, i == 0 ? "v1," : " v1,");
        base64_encode(&value, span_of(signatures.p + i, SIGNATURE));
    }
    send_call(c, buf_text(&value));
    buf_free(&value);
}

static bool has_key(const struct call *c, const char *direction)
{
    const struct conf_block *account =
        conf_find(conf_root(c->webhooks->settings->conf), "account", c->call.account);
    const struct conf_block *webhook =
        account == NULL ? NULL : conf_find(account, "webhook", direction);
    return webhook != NULL && (conf_is_set(webhook, "signing-key-file") ||
                               conf_is_set(webhook, "old-signing-key-file"));
}

static void sign(struct call *c)
{
    struct webhooks *w = c->webhooks;
    const char *direction = c->call.incoming ? "incoming" : "outgoing";
    struct buf input = {0};
    if (!has_key(c, direction)) {
        send_call(c, NULL);
        return;
    }
    if (w->vault == NULL) {
        tell_unsigned(c, "the vault is not there");
        return;
    }
    char *webhook = mem_format("%s %s", direction, c->call.account);
    c->timestamp = clock_wall_ms() / 1000;
    buf_putf(&input, "%llu.%lld.", (unsigned long long)c->call.id, (long long)c->timestamp);
    buf_put_span(&input, buf_span(&c->payload));
    c->signing = secret_hook_sign(w->vault, webhook, buf_span(&input), on_signature, c);
    buf_free(&input);
    mem_free(&webhook);
}

/* ---- channels ---- */

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct webhooks *w = arg;
    struct call *c = mem_zero(sizeof *c);
    if (hook_read(m, &c->call, f) != 0) {
        mem_free(&c);
        return -1;
    }
    c->webhooks = w;
    c->channel = w->qmgr_number;
    c->request = m->id;
    buf_put_span(&c->payload, c->call.payload);
    c->call.payload = (struct span){0};
    LIST_INSERT_HEAD(&w->calls, c, next);
    sign(c);
    return 0;
}

static void on_qmgr_closed(struct ipc *ch, void *arg, const char *why)
{
    struct webhooks *w = arg;
    ipc_free(&w->qmgr);
}

void webhooks_link_qmgr(struct webhooks *w, int fd)
{
    static const struct ipc_handler handler = {on_message, on_qmgr_closed};
    ipc_free(&w->qmgr);
    w->qmgr_number++;
    w->qmgr = ipc_new(service_base(w->service), fd, "hook qmgr", &handler, w);
}

/* What is asked at the moment has been answered with a failure by now. */
static void on_vault_closed(struct ipc *ch, void *arg, const char *why)
{
    struct webhooks *w = arg;
    log_warn(NULL, "peer is gone", LS("link", "secret"), LS("why", why));
    ipc_free(&w->vault);
    service_link_lost(w->service, "secret");
}

void webhooks_link_vault(struct webhooks *w, int fd)
{
    static const struct ipc_handler handler = {NULL, on_vault_closed};
    struct ipc *old = w->vault;
    /* Who is told of the failure now must not find the channel any more. */
    w->vault = NULL;
    ipc_free(&old);
    w->vault = ipc_new(service_base(w->service), fd, "secret", &handler, w);
}
