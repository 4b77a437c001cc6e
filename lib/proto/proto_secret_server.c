#include "mem.h"
#include "proto_secret.h"
#include "proto_types.h"
#include "wire.h"

static void read_login_start(struct wire *w, struct secret_request *r)
{
    struct secret_login_server *server = &r->server;
    r->domain = wire_text(w, PROTO_NAME_MAX);
    server->host = r->domain;
    server->port = wire_u32(w);
    server->offered_n = wire_count(w, SECRET_OFFERED_MAX, 4);
    for (uint32_t i = 0; i < server->offered_n; i++)
        r->offered[i] = wire_text(w, 32);
    server->offered = (const char *const *)r->offered;
    server->verified = wire_bool(w);
    server->exporter_first = wire_bool(w);
    server->exporter = wire_span(w, 64);
    server->end_point = wire_span(w, 64);
}

int secret_read(struct ipc_message *m, struct secret_request *r, struct fail *f)
{
    struct wire w = wire_open(m->payload);
    *r = (struct secret_request){.type = m->type};
    switch (m->type) {
    case MSG_SECRET_AUTH_START:
        r->mechanism = wire_text(&w, 32);
        r->client_address = wire_text(&w, PROTO_NAME_MAX);
        r->binding = wire_span(&w, 64);
        r->has_initial = wire_bool(&w);
        r->message = wire_span(&w, IPC_INLINE_MAX);
        break;
    case MSG_SECRET_LOGIN_START:
        read_login_start(&w, r);
        break;
    case MSG_SECRET_AUTH_STEP:
    case MSG_SECRET_LOGIN_STEP:
        r->handle = wire_u64(&w);
        r->message = wire_span(&w, IPC_INLINE_MAX);
        break;
    case MSG_SECRET_AUTH_CANCEL:
        r->handle = wire_u64(&w);
        break;
    case MSG_SECRET_PASSWORD:
        r->login = wire_text(&w, PROTO_ADDRESS_MAX);
        r->client_address = wire_text(&w, PROTO_NAME_MAX);
        r->message = wire_span(&w, PROTO_TEXT_MAX);
        break;
    case MSG_SECRET_DKIM_SIGN:
        r->domain = wire_text(&w, PROTO_NAME_MAX);
        r->selector = wire_text(&w, PROTO_NAME_MAX);
        r->message = wire_span(&w, 32);
        break;
    case MSG_SECRET_DKIM_LIST:
    case MSG_SECRET_PROXY_LOGIN:
        break;
    case MSG_SECRET_HOOK_SIGN:
        r->key = wire_text(&w, PROTO_NAME_MAX + 16);
        r->message = wire_span(&w, IPC_PAYLOAD_MAX);
        break;
    case MSG_SECRET_TLS_SIGN:
        r->key = wire_text(&w, PROTO_NAME_MAX);
        r->kind = wire_u32(&w);
        r->scheme = wire_u32(&w);
        r->message = wire_span(&w, 1024);
        break;
    default:
        wire_fail(&w);
    }
    if (wire_end(&w) == 0)
        return 0;
    secret_request_clear(r);
    return fail_set(f, "malformed request of type 0x%04x", m->type);
}

void secret_request_clear(struct secret_request *r)
{
    mem_free(&r->mechanism);
    mem_free(&r->client_address);
    mem_free(&r->login);
    mem_free(&r->domain);
    mem_free(&r->selector);
    mem_free(&r->key);
    for (size_t i = 0; i < SECRET_OFFERED_MAX; i++)
        mem_free(&r->offered[i]);
}

/* MSG_SECRET_AUTH_CONTINUE: handle u64, message. MSG_SECRET_AUTH_OK: message, account, login
 * (texts). MSG_SECRET_AUTH_FAILED: state u8. */
void secret_answer_auth(struct ipc *ch, uint64_t request, const struct secret_auth *a)
{
    struct buf b = {0};
    uint16_t type = MSG_SECRET_AUTH_FAILED;
    if (a->state == SECRET_CONTINUE) {
        type = MSG_SECRET_AUTH_CONTINUE;
        wire_put_u64(&b, a->handle);
        wire_put_span(&b, a->message);
    } else if (a->state == SECRET_OK) {
        type = MSG_SECRET_AUTH_OK;
        wire_put_span(&b, a->message);
        wire_put_text(&b, a->account);
        wire_put_text(&b, a->login);
    } else {
        wire_put_u8(&b, (uint8_t)a->state);
    }
    ipc_reply(ch, type, request, buf_span(&b), NULL, 0);
    buf_wipe(&b);
}

void secret_answer_signature(struct ipc *ch, uint64_t request, struct span signature)
{
    struct buf b = {0};
    wire_put_span(&b, signature);
    ipc_reply(ch, MSG_SECRET_SIGNATURE, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}

/* MSG_SECRET_DKIM_KEYS: count u32 of {domain, selector (texts), algorithm u8}. */
void secret_answer_dkim_keys(struct ipc *ch, uint64_t request, const struct secret_dkim_key *keys,
                             uint32_t n)
{
    struct buf b = {0};
    wire_put_u32(&b, n);
    for (uint32_t i = 0; i < n; i++) {
        wire_put_text(&b, keys[i].domain);
        wire_put_text(&b, keys[i].selector);
        wire_put_u8(&b, keys[i].algorithm);
    }
    ipc_reply(ch, MSG_SECRET_DKIM_KEYS, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}

/* MSG_SECRET_LOGIN_IS: handle u64, mechanism (text), speaks bool, message, complete bool. */
void secret_answer_login(struct ipc *ch, uint64_t request, const struct secret_login *login)
{
    struct buf b = {0};
    /* It may hold a password, of which growing would leave copies behind. */
    (void)buf_room(&b, login->message.n + 128);
    wire_put_u64(&b, login->handle);
    wire_put_text(&b, login->mechanism);
    wire_put_bool(&b, login->speaks);
    wire_put_span(&b, login->message);
    wire_put_bool(&b, login->complete);
    ipc_reply(ch, MSG_SECRET_LOGIN_IS, request, buf_span(&b), NULL, 0);
    buf_wipe(&b);
}

void secret_refuse(struct ipc *ch, uint64_t request, const char *why)
{
    struct buf b = {0};
    wire_put_text(&b, why);
    ipc_reply(ch, MSG_SECRET_REFUSED, request, buf_span(&b), NULL, 0);
    buf_free(&b);
}
