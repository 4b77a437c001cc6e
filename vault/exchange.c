#include "exchange.h"

#include <assert.h>
#include <bsd/sys/queue.h>
#include <string.h>

#include "clock.h"
#include "log.h"
#include "mem.h"
#include "saslclient.h"
#include "saslserver.h"

#define EXCHANGES_MAX 10000
#define SWEEP_MS 10000
#define PROXY_PASSWORD_MAX 255

struct exchange {
    TAILQ_ENTRY(exchange) next; /* oldest first */
    uint64_t handle, peer;
    int64_t until_ms;
    struct keyring *keyring;
    struct saslserver *server;
    struct saslserver_exchange *sasl;
    struct saslclient *client; /* or we are the client */
    char *client_address;
};

struct exchanges {
    TAILQ_HEAD(, exchange) list;
    size_t count;
    int64_t life_ms;
    uint64_t last_handle;
    struct event *sweep;
    struct buf reply;
};

static void drop(struct exchanges *x, struct exchange *e)
{
    TAILQ_REMOVE(&x->list, e, next);
    x->count--;
    saslserver_end(&e->sasl);
    saslserver_free(&e->server);
    saslclient_free(&e->client);
    keyring_drop(&e->keyring);
    mem_free(&e->client_address);
    mem_free(&e);
}

static void on_sweep(evutil_socket_t fd, short what, void *arg)
{
    struct exchanges *x = arg;
    struct exchange *e;
    while ((e = TAILQ_FIRST(&x->list)) != NULL && e->until_ms <= clock_mono_ms())
        drop(x, e);
}

struct exchanges *exchanges_new(struct event_base *base, int64_t life_ms)
{
    int64_t sweep_ms = life_ms / 10 < SWEEP_MS ? life_ms / 10 : SWEEP_MS;
    const struct timeval interval = {sweep_ms / 1000, sweep_ms % 1000 * 1000};
    struct exchanges *x = mem_zero(sizeof *x);
    x->life_ms = life_ms;
    TAILQ_INIT(&x->list);
    x->sweep = event_new(base, -1, EV_PERSIST, on_sweep, x);
    assert(x->sweep != NULL);
    (void)event_add(x->sweep, &interval);
    return x;
}

void exchanges_free(struct exchanges **xp)
{
    struct exchanges *x = *xp;
    struct exchange *e;
    if (x == NULL)
        return;
    while ((e = TAILQ_FIRST(&x->list)) != NULL)
        drop(x, e);
    event_free(x->sweep);
    buf_wipe(&x->reply);
    mem_free(xp);
}

static bool lookup(void *arg, struct span login, struct scram_verifier *v, struct buf *canonical)
{
    const char *account;
    return keyring_find_login(arg, login, &account, v, canonical);
}

static struct exchange *add(struct exchanges *x, struct keyring *k, uint64_t peer)
{
    struct exchange *e = mem_zero(sizeof *e);
    TAILQ_INSERT_TAIL(&x->list, e, next);
    x->count++;
    e->handle = ++x->last_handle;
    e->peer = peer;
    e->until_ms = clock_mono_ms() + x->life_ms;
    e->keyring = keyring_hold(k);
    return e;
}

static struct exchange *make(struct exchanges *x, struct keyring *k, uint64_t peer,
                             const struct secret_request *r, struct fail *f)
{
    struct saslserver_options options = {
        .lookup = lookup, .arg = k, .fake_iterations = SCRAM_ITERATIONS_MIN};
    struct exchange *e = add(x, k, peer);
    memcpy(options.fake_key, k->fake_key, sizeof options.fake_key);
    e->client_address = mem_text(r->client_address);
    e->server = saslserver_new(&options, f);
    if (e->server != NULL)
        e->sasl = saslserver_begin(e->server, span_text(r->mechanism), r->binding, f);
    mem_wipe(options.fake_key, sizeof options.fake_key);
    if (e->sasl != NULL)
        return e;
    drop(x, e);
    return NULL;
}

static void succeed(const struct exchange *e, struct secret_auth *answer)
{
    struct scram_verifier v;
    const char *account = NULL;
    const char *login = saslserver_login(e->sasl);
    if (!keyring_find_login(e->keyring, span_text(login), &account, &v, NULL)) {
        answer->state = SECRET_DENIED;
        return;
    }
    scram_wipe(&v);
    if (keyring_is_shut(e->keyring, account)) {
        answer->state = SECRET_DISABLED;
        log_info(NULL, "authentication failed", LS("login", login), LS("client", e->client_address),
                 LS("why", "login disabled"));
        return;
    }
    answer->state = SECRET_OK;
    answer->account = mem_text(account);
    answer->login = mem_text(login);
    log_info(NULL, "authenticated", LS("login", login), LS("account", account),
             LS("client", e->client_address));
}

static void go_on(struct exchanges *x, struct exchange *e, struct span message,
                  struct secret_auth *answer)
{
    struct fail f = {{0}};
    enum saslserver_result result = saslserver_step(e->sasl, message, &x->reply, &f);
    if (result == SASLSERVER_CONTINUE) {
        answer->state = SECRET_CONTINUE;
        answer->handle = e->handle;
        answer->message = buf_span(&x->reply);
        return;
    }
    if (result == SASLSERVER_OK) {
        succeed(e, answer);
    } else {
        answer->state = SECRET_DENIED;
        log_info(NULL, "authentication failed", LS("login", saslserver_login(e->sasl)),
                 LS("client", e->client_address), LS("why", f.text));
    }
    drop(x, e);
}

void exchange_start(struct exchanges *x, struct keyring *k, uint64_t peer,
                    const struct secret_request *r, struct secret_auth *answer)
{
    struct fail f = {{0}};
    *answer = (struct secret_auth){.state = SECRET_UNAVAILABLE};
    if (x->count >= EXCHANGES_MAX) {
        log_warn(NULL, "too many authentications under way", LU("limit", EXCHANGES_MAX));
        return;
    }
    struct exchange *e = make(x, k, peer, r, &f);
    if (e == NULL) {
        log_info(NULL, "authentication refused", LS("mechanism", r->mechanism), LS("why", f.text));
        answer->state = SECRET_MALFORMED;
        return;
    }
    if (r->has_initial) {
        go_on(x, e, r->message, answer);
        return;
    }
    answer->state = SECRET_CONTINUE;
    answer->handle = e->handle;
}

static struct exchange *find(struct exchanges *x, uint64_t peer, uint64_t handle)
{
    struct exchange *e;
    TAILQ_FOREACH (e, &x->list, next) {
        if (e->handle == handle && e->peer == peer)
            return e;
    }
    return NULL;
}

void exchange_step(struct exchanges *x, uint64_t peer, const struct secret_request *r,
                   struct secret_auth *answer)
{
    struct exchange *e = find(x, peer, r->handle);
    *answer = (struct secret_auth){.state = SECRET_UNAVAILABLE};
    if (e != NULL && e->client == NULL)
        go_on(x, e, r->message, answer);
}

/* ---- we are the client ---- */

static void fill(struct exchanges *x, const struct exchange *e, struct secret_login *login)
{
    *login = (struct secret_login){.handle = e->handle,
                                   .mechanism = (char *)"",
                                   .speaks = true,
                                   .message = buf_span(&x->reply),
                                   .complete = saslclient_is_complete(e->client)};
}

/* Who we are there. token holds what the file says today. */
static struct saslclient_identity identity(const struct keyring_login *l, const struct buf *token)
{
    return (struct saslclient_identity){
        .user = conf_text(l->auth, "user"),
        .password = buf_span(&l->password),
        .token = buf_span(token),
        .order = l->order,
        .order_n = l->order_n,
        .binding = (enum saslclient_binding)conf_word(l->auth, "channel-binding"),
        .unverified = conf_bool(l->auth, "unverified"),
        .iterations = (uint32_t)conf_int(l->auth, "iterations")};
}

static struct saslclient *begin_login(const struct keyring_login *l,
                                      const struct secret_login_server *s, struct fail *f)
{
    struct buf token = {0};
    const struct saslclient_server server = {.host = s->host,
                                             .port = (uint16_t)s->port,
                                             .offered = s->offered,
                                             .offered_n = s->offered_n,
                                             .verified = s->verified,
                                             .exporter_first = s->exporter_first,
                                             .exporter = s->exporter,
                                             .end_point = s->end_point};
    if (l->token_fd >= 0 && keyring_token(l, &token, f) != 0)
        return NULL;
    const struct saslclient_identity who = identity(l, &token);
    struct saslclient *client = saslclient_begin(&who, &server, f);
    buf_wipe(&token);
    return client;
}

int exchange_login_start(struct exchanges *x, struct keyring *k, uint64_t peer,
                         const char *transport, const struct secret_login_server *server,
                         struct secret_login *login, struct fail *f)
{
    const struct keyring_login *l = keyring_login(k, transport);
    if (l == NULL || l->proxy) /* a session may be of the configuration before */
        return fail_set(f, "there are no credentials for transport %s", transport);
    if (keyring_login_is_silent(l)) {
        *login = (struct secret_login){.mechanism = (char *)"", .complete = true};
        return 0;
    }
    if (x->count >= EXCHANGES_MAX)
        return fail_set(f, "too many authentications under way");
    struct saslclient *client = begin_login(l, server, f);
    if (client == NULL)
        return -1;
    struct exchange *e = add(x, k, peer);
    e->client = client;
    buf_wipe(&x->reply);
    bool speaks = saslclient_initial(client, &x->reply);
    fill(x, e, login);
    login->mechanism = (char *)saslclient_name(client);
    login->speaks = speaks;
    return 0;
}

int exchange_login_step(struct exchanges *x, uint64_t peer, uint64_t handle, struct span challenge,
                        struct secret_login *login, struct fail *f)
{
    struct exchange *e = find(x, peer, handle);
    if (e == NULL || e->client == NULL)
        return fail_set(f, "no such exchange");
    buf_wipe(&x->reply);
    if (saslclient_step(e->client, challenge, &x->reply, f) != 0) {
        drop(x, e);
        return -1;
    }
    fill(x, e, login);
    return 0;
}

/* VER 1 | ULEN | UNAME | PLEN | PASSWD (RFC 1929 section 2) */
int exchange_proxy_login(struct exchanges *x, struct keyring *k, const char *transport,
                         struct secret_login *login, struct fail *f)
{
    const struct keyring_login *l = keyring_login(k, transport);
    if (l == NULL || !l->proxy)
        return fail_set(f, "there are no credentials for transport %s", transport);
    struct span user = span_text(conf_text(l->auth, "user")), password = buf_span(&l->password);
    if (password.n == 0 || password.n > PROXY_PASSWORD_MAX)
        return fail_set(f, "the password for the proxy is longer than %d octets",
                        PROXY_PASSWORD_MAX);
    buf_wipe(&x->reply);
    (void)buf_room(&x->reply, 3 + user.n + password.n);
    buf_putc(&x->reply, 1);
    buf_putc(&x->reply, (int)user.n);
    buf_put_span(&x->reply, user);
    buf_putc(&x->reply, (int)password.n);
    buf_put_span(&x->reply, password);
    *login = (struct secret_login){
        .mechanism = (char *)"", .speaks = true, .message = buf_span(&x->reply), .complete = true};
    return 0;
}

void exchange_wipe(struct exchanges *x)
{
    buf_wipe(&x->reply);
}

void exchange_cancel(struct exchanges *x, uint64_t peer, uint64_t handle)
{
    struct exchange *e = find(x, peer, handle);
    if (e != NULL)
        drop(x, e);
}

void exchange_forget_peer(struct exchanges *x, uint64_t peer)
{
    struct exchange *e, *next;
    for (e = TAILQ_FIRST(&x->list); e != NULL; e = next) {
        next = TAILQ_NEXT(e, next);
        if (e->peer == peer)
            drop(x, e);
    }
}

void exchange_clear(struct secret_auth *answer)
{
    mem_free(&answer->account);
    mem_free(&answer->login);
}
