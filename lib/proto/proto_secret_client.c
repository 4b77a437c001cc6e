#include "mem.h"
#include "proto_secret.h"
#include "proto_types.h"
#include "wire.h"

#define TLS_SIGN_TIMEOUT_MS 5000

struct asked {
    secret_on_auth *on_auth;
    secret_on_signature *on_signature;
    secret_on_dkim_keys *on_keys;
    secret_on_login *on_login;
    void *arg;
};

static int get_auth(struct ipc_message *m, struct secret_auth *a, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    switch (m->type) {
    case MSG_SECRET_AUTH_CONTINUE:
        a->state = SECRET_CONTINUE;
        a->handle = wire_u64(&w);
        a->message = wire_span(&w, IPC_INLINE_MAX);
        break;
    case MSG_SECRET_AUTH_OK:
        a->state = SECRET_OK;
        a->message = wire_span(&w, IPC_INLINE_MAX);
        a->account = wire_text(&w, PROTO_NAME_MAX);
        a->login = wire_text(&w, PROTO_ADDRESS_MAX);
        break;
    case MSG_SECRET_AUTH_FAILED:
        a->state = (enum secret_auth_state)wire_enum(&w, SECRET_STATES);
        if (a->state == SECRET_CONTINUE || a->state == SECRET_OK)
            wire_fail(&w);
        break;
    default:
        wire_fail(&w);
    }
    return wire_end(&w) == 0 ? 0 : fail_set(f, "malformed answer to an authentication");
}

static int on_auth_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct secret_auth auth = {.state = SECRET_UNAVAILABLE};
    bool good = m != NULL && get_auth(m, &auth, f) == 0;
    if (!good)
        auth.state = SECRET_UNAVAILABLE;
    a->on_auth(a->arg, &auth);
    mem_free(&auth.account);
    mem_free(&auth.login);
    mem_free(&a);
    return m == NULL || good ? 0 : -1;
}

static uint64_t ask_auth(struct ipc *ch, uint16_t type, struct buf *b, secret_on_auth *on_auth,
                         void *arg)
{
    struct asked *a = mem_zero(sizeof *a);
    *a = (struct asked){.on_auth = on_auth, .arg = arg};
    uint64_t id = ipc_request(ch, type, buf_span(b), NULL, 0, on_auth_answer, a);
    buf_wipe(b);
    return id;
}

/* MSG_SECRET_AUTH_START: mechanism, client address (texts), binding, has_initial bool, initial. */
uint64_t secret_auth_start(struct ipc *ch, const char *mechanism, const char *client_address,
                           struct span binding, bool has_initial, struct span initial,
                           secret_on_auth *on_auth, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, mechanism);
    wire_put_text(&b, client_address);
    wire_put_span(&b, binding);
    wire_put_bool(&b, has_initial);
    wire_put_span(&b, initial);
    return ask_auth(ch, MSG_SECRET_AUTH_START, &b, on_auth, arg);
}

/* MSG_SECRET_AUTH_STEP: handle u64, message. */
uint64_t secret_auth_step(struct ipc *ch, uint64_t handle, struct span message,
                          secret_on_auth *on_auth, void *arg)
{
    struct buf b = {0};
    wire_put_u64(&b, handle);
    wire_put_span(&b, message);
    return ask_auth(ch, MSG_SECRET_AUTH_STEP, &b, on_auth, arg);
}

/* MSG_SECRET_AUTH_CANCEL: handle u64. */
void secret_auth_cancel(struct ipc *ch, uint64_t handle)
{
    struct buf b = {0};
    wire_put_u64(&b, handle);
    ipc_notify(ch, MSG_SECRET_AUTH_CANCEL, buf_span(&b), NULL, 0);
    buf_free(&b);
}

/* MSG_SECRET_PASSWORD: login, client address (texts), password. */
uint64_t secret_password(struct ipc *ch, const char *login, struct span password,
                         const char *client_address, secret_on_auth *on_auth, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, login);
    wire_put_text(&b, client_address);
    wire_put_span(&b, password);
    return ask_auth(ch, MSG_SECRET_PASSWORD, &b, on_auth, arg);
}

static int get_signature(uint16_t type, struct span payload, struct span *signature, char **why)
{
    struct wire w = wire_open(payload);
    *signature = (struct span){0};
    *why = NULL;
    if (type == MSG_SECRET_SIGNATURE)
        *signature = wire_span(&w, IPC_INLINE_MAX);
    else if (type == MSG_SECRET_REFUSED)
        *why = wire_text(&w, PROTO_TEXT_MAX);
    else
        wire_fail(&w);
    return wire_end(&w);
}

static int on_signature_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct span signature = {0};
    char *why = NULL;
    bool good = m != NULL && get_signature(m->type, m->payload, &signature, &why) == 0;
    if (good)
        a->on_signature(a->arg, signature, why != NULL ? why : "");
    else
        a->on_signature(a->arg, (struct span){0}, "the vault is not there");
    mem_free(&why);
    mem_free(&a);
    return m == NULL || good ? 0 : fail_set(f, "malformed signature");
}

/* MSG_SECRET_DKIM_SIGN: domain, selector (texts), digest. */
uint64_t secret_dkim_sign(struct ipc *ch, const char *domain, const char *selector,
                          struct span digest, secret_on_signature *on_signature, void *arg)
{
    struct asked *a = mem_zero(sizeof *a);
    struct buf b = {0};
    *a = (struct asked){.on_signature = on_signature, .arg = arg};
    wire_put_text(&b, domain);
    wire_put_text(&b, selector);
    wire_put_span(&b, digest);
    uint64_t id =
        ipc_request(ch, MSG_SECRET_DKIM_SIGN, buf_span(&b), NULL, 0, on_signature_answer, a);
    buf_free(&b);
    return id;
}

/* MSG_SECRET_HOOK_SIGN: webhook (text), input. */
uint64_t secret_hook_sign(struct ipc *ch, const char *webhook, struct span input,
                          secret_on_signature *on_signature, void *arg)
{
    struct asked *a = mem_zero(sizeof *a);
    struct buf b = {0};
    *a = (struct asked){.on_signature = on_signature, .arg = arg};
    wire_put_text(&b, webhook);
    wire_put_span(&b, input);
    uint64_t id =
        ipc_request(ch, MSG_SECRET_HOOK_SIGN, buf_span(&b), NULL, 0, on_signature_answer, a);
    buf_free(&b);
    return id;
}

static int on_keys_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct secret_dkim_key *keys = NULL;
    uint32_t n = 0;
    bool good = m != NULL && m->type == MSG_SECRET_DKIM_KEYS;
    if (good) {
        struct wire w = wire_open(m->payload);
        n = wire_count(&w, SECRET_DKIM_KEYS_MAX, 9);
        keys = mem_array(n, sizeof *keys);
        for (uint32_t i = 0; i < n; i++) {
            keys[i].domain = wire_text(&w, PROTO_NAME_MAX);
            keys[i].selector = wire_text(&w, PROTO_NAME_MAX);
            keys[i].algorithm = wire_enum(&w, 2);
        }
        good = wire_end(&w) == 0;
    }
    a->on_keys(a->arg, good ? keys : NULL, good ? n : 0);
    for (uint32_t i = 0; i < n; i++) {
        mem_free(&keys[i].domain);
        mem_free(&keys[i].selector);
    }
    mem_free(&keys);
    mem_free(&a);
    return m == NULL || good ? 0 : fail_set(f, "malformed list of keys");
}

uint64_t secret_dkim_list(struct ipc *ch, secret_on_dkim_keys *on_keys, void *arg)
{
    struct asked *a = mem_zero(sizeof *a);
    *a = (struct asked){.on_keys = on_keys, .arg = arg};
    return ipc_request(ch, MSG_SECRET_DKIM_LIST, (struct span){0}, NULL, 0, on_keys_answer, a);
}

static int get_login(struct ipc_message *m, struct secret_login *l, char **why)
{
    struct wire w = wire_open(m->payload);
    if (m->type == MSG_SECRET_REFUSED) {
        *why = wire_text(&w, PROTO_TEXT_MAX);
    } else if (m->type == MSG_SECRET_LOGIN_IS) {
        l->handle = wire_u64(&w);
        l->mechanism = wire_text(&w, 32);
        l->speaks = wire_bool(&w);
        l->message = wire_span(&w, IPC_INLINE_MAX);
        l->complete = wire_bool(&w);
    } else {
        wire_fail(&w);
    }
    return wire_end(&w);
}

static int on_login_answer(void *arg, struct ipc_message *m, struct fail *f)
{
    struct asked *a = arg;
    struct secret_login l = {0};
    char *why = NULL;
    bool good = m != NULL && get_login(m, &l, &why) == 0;
    if (!good)
        a->on_login(a->arg, NULL, "the vault is not there", false);
    else if (why != NULL)
        a->on_login(a->arg, NULL, why, true);
    else
        a->on_login(a->arg, &l, "", true);
    mem_free(&l.mechanism);
    mem_free(&why);
    mem_free(&a);
    return m == NULL || good ? 0 : fail_set(f, "malformed answer to a login");
}

static uint64_t ask_login(struct ipc *ch, uint16_t type, struct buf *b, secret_on_login *on_login,
                          void *arg)
{
    struct asked *a = mem_zero(sizeof *a);
    *a = (struct asked){.on_login = on_login, .arg = arg};
    uint64_t id = ipc_request(ch, type, buf_span(b), NULL, 0, on_login_answer, a);
    buf_free(b);
    return id;
}

/* MSG_SECRET_LOGIN_START: host (text), port u32, list of mechanisms (texts), verified bool,
 * exporter first bool, exporter, end point. */
uint64_t secret_login_start(struct ipc *ch, const struct secret_login_server *server,
                            secret_on_login *on_login, void *arg)
{
    struct buf b = {0};
    wire_put_text(&b, server->host);
    wire_put_u32(&b, server->port);
    wire_put_u32(&b, server->offered_n);
    for (uint32_t i = 0; i < server->offered_n; i++)
        wire_put_text(&b, server->offered[i]);
    wire_put_bool(&b, server->verified);
    wire_put_bool(&b, server->exporter_first);
    wire_put_span(&b, server->exporter);
    wire_put_span(&b, server->end_point);
    return ask_login(ch, MSG_SECRET_LOGIN_START, &b, on_login, arg);
}

/* MSG_SECRET_LOGIN_STEP: handle u64, challenge. */
uint64_t secret_login_step(struct ipc *ch, uint64_t handle, struct span challenge,
                           secret_on_login *on_login, void *arg)
{
    struct buf b = {0};
    wire_put_u64(&b, handle);
    wire_put_span(&b, challenge);
    return ask_login(ch, MSG_SECRET_LOGIN_STEP, &b, on_login, arg);
}

/* MSG_SECRET_PROXY_LOGIN: nothing. */
uint64_t secret_proxy_login(struct ipc *ch, secret_on_login *on_login, void *arg)
{
    struct buf b = {0};
    return ask_login(ch, MSG_SECRET_PROXY_LOGIN, &b, on_login, arg);
}

/* MSG_SECRET_TLS_SIGN: key (text), kind u32, scheme u32, input. */
int secret_tls_sign(int fd, const char *key, uint32_t kind, uint32_t scheme, struct span input,
                    struct buf *signature, struct fail *f)
{
    struct buf b = {0}, answer = {0};
    struct span s;
    char *why = NULL;
    uint16_t type;
    wire_put_text(&b, key);
    wire_put_u32(&b, kind);
    wire_put_u32(&b, scheme);
    wire_put_span(&b, input);
    int rc = ipc_call(fd, MSG_SECRET_TLS_SIGN, buf_span(&b), NULL, 0, TLS_SIGN_TIMEOUT_MS, &type,
                      &answer, f);
    if (rc == 0 && get_signature(type, buf_span(&answer), &s, &why) != 0)
        rc = fail_set(f, "malformed signature");
    if (rc == 0 && why != NULL)
        rc = fail_set(f, "%s", why);
    if (rc == 0)
        buf_put_span(signature, s);
    mem_free(&why);
    buf_free(&b);
    buf_free(&answer);
    return rc;
}

void secret_forget(struct ipc *ch, uint64_t id)
{
    struct asked *a = ipc_forget(ch, id);
    mem_free(&a);
}
