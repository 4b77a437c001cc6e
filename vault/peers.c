#include "peers.h"

#include <bsd/sys/queue.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "dkimkey.h"
#include "log.h"
#include "mem.h"
#include "proto_types.h"

struct peer {
    LIST_ENTRY(peer) next;
    struct vault *vault;
    struct ipc *channel;
    uint64_t number;
    unsigned kind; /* a bit of enum kind */
    char name[96]; /* a transport's label has up to 64 characters */
};

struct peers {
    struct vault *vault;
    LIST_HEAD(, peer) list;
    uint64_t last_number;
};

enum kind {
    SMTPD_SECRET = 1,
    SMTPD_SIGN = 2,
    WEBAPI_SECRET = 4,
    DELIVERY_SECRET = 8,
    HOOKS_SECRET = 16,
    DELIVERY_SIGN = 32
};

static const struct {
    const char *prefix;
    enum kind kind;
} kinds[] = {
    {"secret smtpd/", SMTPD_SECRET},   {"sign smtpd/", SMTPD_SIGN},
    {"secret webapi/", WEBAPI_SECRET}, {"secret delivery/", DELIVERY_SECRET},
    {"secret hooks", HOOKS_SECRET},    {"sign delivery/", DELIVERY_SIGN},
};

static void answer_auth(struct peer *p, uint64_t request, struct secret_auth *a)
{
    if (a->state == SECRET_OK)
        service_count(p->vault->service, COUNT_AUTH_OK, 1);
    else if (a->state != SECRET_CONTINUE)
        service_count(p->vault->service, COUNT_AUTH_FAILED, 1);
    secret_answer_auth(p->channel, request, a);
    exchange_clear(a);
}

static void on_auth_start(struct peer *p, uint64_t request, const struct secret_request *r)
{
    struct secret_auth a;
    exchange_start(p->vault->exchanges, p->vault->keyring, p->number, r, &a);
    answer_auth(p, request, &a);
}

static void on_auth_step(struct peer *p, uint64_t request, const struct secret_request *r)
{
    struct secret_auth a;
    exchange_step(p->vault->exchanges, p->number, r, &a);
    answer_auth(p, request, &a);
}

static void on_auth_cancel(struct peer *p, uint64_t request, const struct secret_request *r)
{
    exchange_cancel(p->vault->exchanges, p->number, r->handle);
}

static void on_password(struct peer *p, uint64_t request, const struct secret_request *r)
{
    const char *account = NULL;
    struct secret_auth a = {.state = SECRET_DENIED};
    bool right = password_check(p->vault->passwords, p->vault->keyring, span_text(r->login),
                                r->message, &account);
    if (right && keyring_is_shut(p->vault->keyring, account)) {
        a.state = SECRET_DISABLED;
    } else if (right) {
        a.state = SECRET_OK;
        a.account = mem_text(account);
        a.login = mem_text(r->login);
    }
    if (a.state != SECRET_OK)
        log_info(NULL, "authentication failed", LS("login", r->login),
                 LS("client", r->client_address), LS("why", right ? "login disabled" : ""));
    answer_auth(p, request, &a);
}

static void refuse(struct peer *p, uint64_t request, const char *why)
{
    service_count(p->vault->service, COUNT_REFUSED, 1);
    log_warn(NULL, "signature refused", LS("peer", p->name), LS("why", why));
    secret_refuse(p->channel, request, why);
}

static void on_dkim_sign(struct peer *p, uint64_t request, const struct secret_request *r)
{
    const struct keyring_dkim *key = keyring_dkim(p->vault->keyring, r->domain, r->selector);
    struct buf signature = {0};
    struct fail f = {{0}};
    if (key == NULL)
        refuse(p, request, "no such DKIM key");
    else if (r->message.n != DKIM_DIGEST)
        refuse(p, request, "not a SHA-256 digest");
    else if (dkimkey_sign(key->key, key->algorithm, r->message.p, &signature, &f) != 0)
        refuse(p, request, f.text);
    else {
        service_count(p->vault->service, COUNT_DKIM, 1);
        secret_answer_signature(p->channel, request, buf_span(&signature));
    }
    buf_free(&signature);
}

static void on_dkim_list(struct peer *p, uint64_t request, const struct secret_request *r)
{
    const struct keyring *k = p->vault->keyring;
    struct secret_dkim_key *keys = mem_array(k->dkim_n, sizeof *keys);
    for (size_t i = 0; i < k->dkim_n; i++)
        keys[i] = (struct secret_dkim_key){k->dkim[i].domain, k->dkim[i].selector,
                                           (uint8_t)k->dkim[i].algorithm};
    secret_answer_dkim_keys(p->channel, request, keys, (uint32_t)k->dkim_n);
    mem_free(&keys);
}

/* Which transport it is its link says, so that none can use the credentials of another. */
static const char *transport_of(const struct peer *p)
{
    return strchr(p->name, '/') + 1;
}

static const struct tlskey *key_for(const struct peer *p, const struct secret_request *r)
{
    const struct keyring *k = p->vault->keyring;
    if (p->kind != DELIVERY_SIGN)
        return keyring_tls(k, r->key);
    const struct keyring_login *l = keyring_login(k, transport_of(p));
    return l == NULL ? NULL : l->key;
}

static void on_tls_sign(struct peer *p, uint64_t request, const struct secret_request *r)
{
    const struct tlskey *key = key_for(p, r);
    struct buf signature = {0};
    struct fail f = {{0}};
    if (key == NULL)
        refuse(p, request, "no such TLS key");
    else if (tlskey_sign(key, (int)r->kind, (int)r->scheme, r->message, &signature, &f) != 0)
        refuse(p, request, f.text);
    else {
        service_count(p->vault->service, COUNT_TLS, 1);
        secret_answer_signature(p->channel, request, buf_span(&signature));
    }
    buf_free(&signature);
}

static void on_hook_sign(struct peer *p, uint64_t request, const struct secret_request *r)
{
    struct buf signatures = {0};
    if (keyring_sign_hook(p->vault->keyring, r->key, r->message, &signatures) == 0) {
        refuse(p, request, "no signing key for this webhook");
    } else {
        service_count(p->vault->service, COUNT_HOOK_SIGNED, 1);
        secret_answer_signature(p->channel, request, buf_span(&signatures));
    }
    buf_free(&signatures);
}

static void answer_login(struct peer *p, uint64_t request, int rc, const struct secret_login *login,
                         const struct fail *f)
{
    if (rc == 0) {
        secret_answer_login(p->channel, request, login);
        exchange_wipe(p->vault->exchanges);
        return;
    }
    service_count(p->vault->service, COUNT_LOGINS_REFUSED, 1);
    secret_refuse(p->channel, request, f->text);
}

static void on_login_start(struct peer *p, uint64_t request, const struct secret_request *r)
{
    struct secret_login login = {0};
    struct fail f = {{0}};
    int rc = exchange_login_start(p->vault->exchanges, p->vault->keyring, p->number,
                                  transport_of(p), &r->server, &login, &f);
    service_count(p->vault->service, COUNT_LOGINS, rc == 0);
    answer_login(p, request, rc, &login, &f);
}

static void on_login_step(struct peer *p, uint64_t request, const struct secret_request *r)
{
    struct secret_login login = {0};
    struct fail f = {{0}};
    int rc = exchange_login_step(p->vault->exchanges, p->number, r->handle, r->message, &login, &f);
    answer_login(p, request, rc, &login, &f);
}

static void on_proxy_login(struct peer *p, uint64_t request, const struct secret_request *r)
{
    struct secret_login login = {0};
    struct fail f = {{0}};
    int rc =
        exchange_proxy_login(p->vault->exchanges, p->vault->keyring, transport_of(p), &login, &f);
    service_count(p->vault->service, COUNT_LOGINS, rc == 0);
    answer_login(p, request, rc, &login, &f);
}

static const struct {
    uint16_t type;
    unsigned who;
    void (*handle)(struct peer *p, uint64_t request, const struct secret_request *r);
} requests[] = {
    {MSG_SECRET_AUTH_START, SMTPD_SECRET, on_auth_start},
    {MSG_SECRET_AUTH_STEP, SMTPD_SECRET, on_auth_step},
    {MSG_SECRET_AUTH_CANCEL, SMTPD_SECRET | DELIVERY_SECRET, on_auth_cancel},
    {MSG_SECRET_LOGIN_START, DELIVERY_SECRET, on_login_start},
    {MSG_SECRET_LOGIN_STEP, DELIVERY_SECRET, on_login_step},
    {MSG_SECRET_PROXY_LOGIN, DELIVERY_SECRET, on_proxy_login},
    {MSG_SECRET_PASSWORD, WEBAPI_SECRET, on_password},
    {MSG_SECRET_DKIM_SIGN, SMTPD_SECRET | WEBAPI_SECRET, on_dkim_sign},
    {MSG_SECRET_DKIM_LIST, SMTPD_SECRET | WEBAPI_SECRET, on_dkim_list},
    {MSG_SECRET_HOOK_SIGN, HOOKS_SECRET, on_hook_sign},
    {MSG_SECRET_TLS_SIGN, SMTPD_SIGN | DELIVERY_SIGN, on_tls_sign},
};

static int on_message(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct peer *p = arg;
    struct secret_request r;
    if (secret_read(m, &r, f) != 0)
        return -1;
    int rc = fail_set(f, "%s may not ask this", p->name);
    for (size_t i = 0; i < sizeof requests / sizeof requests[0]; i++) {
        if (requests[i].type == r.type && (requests[i].who & p->kind) != 0) {
            requests[i].handle(p, m->id, &r);
            rc = 0;
            break;
        }
    }
    secret_request_clear(&r);
    return rc;
}

static void free_peer(struct peer *p)
{
    LIST_REMOVE(p, next);
    exchange_forget_peer(p->vault->exchanges, p->number);
    ipc_free(&p->channel);
    mem_free(&p);
}

static void on_closed(struct ipc *ch, void *arg, const char *why)
{
    free_peer(arg);
}

struct peers *peers_new(struct vault *v)
{
    struct peers *p = mem_zero(sizeof *p);
    p->vault = v;
    LIST_INIT(&p->list);
    return p;
}

void peers_free(struct peers **pp)
{
    struct peer *p;
    if (*pp == NULL)
        return;
    while ((p = LIST_FIRST(&(*pp)->list)) != NULL)
        free_peer(p);
    mem_free(pp);
}

void peers_link(struct peers *ps, const char *name, int fd)
{
    static const struct ipc_handler handler = {on_message, on_closed};
    struct peer *p, *next;
    unsigned kind = 0;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        if (strncmp(name, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
            kind = kinds[i].kind;
    }
    if (kind == 0) {
        log_error(NULL, "unknown link", LS("name", name));
        (void)close(fd);
        return;
    }
    for (p = LIST_FIRST(&ps->list); p != NULL; p = next) {
        next = LIST_NEXT(p, next);
        if (strcmp(p->name, name) == 0)
            free_peer(p);
    }
    p = mem_zero(sizeof *p);
    p->vault = ps->vault;
    p->number = ++ps->last_number;
    p->kind = kind;
    (void)snprintf(p->name, sizeof p->name, "%s", name);
    p->channel = ipc_new(ps->vault->base, fd, name, &handler, p);
    LIST_INSERT_HEAD(&ps->list, p, next);
}
