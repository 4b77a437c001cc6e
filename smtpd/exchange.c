#include "exchange.h"

#include <string.h>

#include "answer.h"
#include "ascii.h"
#include "base64.h"
#include "log.h"
#include "mem.h"
#include "proto_secret.h"
#include "tls.h"

/* A question to the vault. It outlives a session that goes away, until the answer comes. */
struct question {
    struct session *session; /* NULL when nobody waits any more */
};

struct exchange {
    char mechanism[24];
    uint64_t vault_number; /* the channel it is on */
    uint64_t handle;       /* of the vault's half; 0 while there is none */
    struct question *question;
    bool finished;         /* the vault is content; the client has the last word, which is empty */
    bool asks_login;       /* LOGIN: the user name is awaited; */
    struct buf plain;      /* then the password, to make PLAIN's message of both */
    char *account, *login; /* when finished */
};

static const char *const mechanisms[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS", "LOGIN"};

static void release(struct session *s)
{
    struct exchange *x = s->exchange;
    s->exchange = NULL;
    buf_wipe(&x->plain);
    mem_free(&x->account);
    mem_free(&x->login);
    mem_free(&x);
}

void exchange_drop(struct session *s)
{
    struct exchange *x = s->exchange;
    if (x == NULL)
        return;
    if (x->question != NULL)
        x->question->session = NULL;
    else if (x->handle != 0 && x->vault_number == s->server->vault_number &&
             s->server->vault != NULL)
        secret_auth_cancel(s->server->vault, x->handle);
    release(s);
}

/* ---- outcomes ---- */

static void unavailable(struct session *s)
{
    exchange_drop(s);
    log_warn(&s->log, "authentication not possible: the vault is not there");
    answer(s, 454, "4.7.0", "authentication is not possible for now");
    session_enter(s, STEP_COMMAND);
}

static void failed(struct session *s, int code, const char *enhanced, const char *text)
{
    log_info(&s->log, "authentication failed", LS("mechanism", s->exchange->mechanism),
             LS("client", s->address));
    server_count(s->server, COUNT_AUTH_FAILED, 1);
    exchange_drop(s);
    if (++s->auth_failures >= s->settings->auth_failures)
        answer_last(s, 421, "4.7.0", "too many failed authentications");
    else
        answer_mistake(s, code, enhanced, "%s", text);
}

static void succeeded(struct session *s)
{
    struct exchange *x = s->exchange;
    s->account = x->account;
    s->login = x->login;
    x->account = x->login = NULL;
    log_ctx_add(&s->log, "account", s->account);
    log_info(&s->log, "authenticated", LS("login", s->login), LS("mechanism", x->mechanism));
    server_count(s->server, COUNT_AUTH_OK, 1);
    release(s);
    conn_set_secret(s->conn, false);
    answer(s, 235, "2.7.0", "authenticated");
    session_enter(s, STEP_COMMAND);
}

static void challenge(struct session *s, struct span message)
{
    struct buf text = {0};
    base64_encode(&text, message);
    answer(s, 334, NULL, "%s", buf_text(&text));
    buf_wipe(&text);
    session_enter(s, STEP_CHALLENGE);
}

static void finish(struct session *s, const struct secret_auth *a)
{
    struct exchange *x = s->exchange;
    x->account = mem_text(a->account);
    x->login = mem_text(a->login);
    x->finished = true;
    if (a->message.n > 0)
        challenge(s, a->message);
    else
        succeeded(s);
}

static void take_verdict(struct session *s, const struct secret_auth *a)
{
    switch (a->state) {
    case SECRET_CONTINUE:
        s->exchange->handle = a->handle;
        challenge(s, a->message);
        break;
    case SECRET_OK:
        finish(s, a);
        break;
    case SECRET_DENIED:
        failed(s, 535, "5.7.8", "authentication failed");
        break;
    case SECRET_DISABLED: /* RFC 5248 */
        failed(s, 525, "5.7.13", "logins of the account are disabled");
        break;
    case SECRET_MALFORMED:
        failed(s, 501, "5.5.2", "malformed authentication message");
        break;
    default:
        unavailable(s);
    }
}

static void on_auth(void *arg, const struct secret_auth *a)
{
    struct question *q = arg;
    struct session *s = q->session;
    mem_free(&q);
    if (s == NULL)
        return;
    s->exchange->question = NULL;
    take_verdict(s, a);
    session_run(s);
}

/* ---- questions ---- */

static struct question *ask(struct session *s)
{
    struct question *q = mem_zero(sizeof *q);
    q->session = s;
    s->exchange->question = q;
    session_enter(s, STEP_VAULT);
    return q;
}

static void start(struct session *s, const char *mechanism, bool has_initial, struct span initial)
{
    unsigned char binding[TLS_EXPORTER_SIZE];
    bool bound = conn_ssl(s->conn) != NULL && tls_exporter(conn_ssl(s->conn), binding) == 0;
    struct span octets = span_of(binding, bound ? sizeof binding : 0);
    s->exchange->vault_number = s->server->vault_number;
    (void)secret_auth_start(s->server->vault, mechanism, s->address, octets, has_initial, initial,
                            on_auth, ask(s));
}

/* LOGIN has never been a standard, but some clients know nothing else: two questions, whose answers
 * are PLAIN's message. */
static void take_login(struct session *s, struct span answer_text)
{
    struct exchange *x = s->exchange;
    buf_putc(&x->plain, '\0');
    if (x->asks_login) {
        x->asks_login = false;
        buf_put_span(&x->plain, answer_text);
        challenge(s, span_text("Password:"));
        return;
    }
    struct buf whole = {0};
    (void)buf_room(&whole, x->plain.n + answer_text.n + 1);
    buf_put_span(&whole, buf_span(&x->plain));
    buf_put_span(&whole, answer_text);
    start(s, "PLAIN", true, buf_span(&whole));
    buf_wipe(&whole);
}

static const char *find_mechanism(struct span name)
{
    for (size_t i = 0; i < sizeof mechanisms / sizeof mechanisms[0]; i++) {
        if (span_is_nocase(name, mechanisms[i]))
            return mechanisms[i];
    }
    return NULL;
}

void exchange_begin(struct session *s, struct span mechanism, bool has_initial, struct span initial)
{
    const char *name = find_mechanism(mechanism);
    if (name == NULL || (strstr(name, "-PLUS") != NULL && !session_is_private(s))) {
        answer_mistake(s, 504, "5.5.4", "mechanism not known");
        return;
    }
    s->exchange = mem_zero(sizeof *s->exchange);
    (void)span_copy(span_text(name), s->exchange->mechanism, sizeof s->exchange->mechanism);
    if (s->server->vault == NULL) {
        unavailable(s);
    } else if (strcmp(name, "LOGIN") != 0) {
        start(s, name, has_initial, initial);
    } else {
        s->exchange->asks_login = true;
        if (has_initial)
            take_login(s, initial);
        else
            challenge(s, span_text("Username:"));
    }
}

void exchange_answer(struct session *s, struct span message)
{
    struct exchange *x = s->exchange;
    if (strcmp(x->mechanism, "LOGIN") == 0) {
        if (s->server->vault == NULL)
            unavailable(s);
        else
            take_login(s, message);
    } else if (x->finished) {
        if (message.n == 0)
            succeeded(s);
        else
            failed(s, 501, "5.5.2", "malformed authentication message");
    } else if (s->server->vault == NULL || x->vault_number != s->server->vault_number) {
        unavailable(s);
    } else {
        uint64_t handle = x->handle;
        x->handle = 0;
        (void)secret_auth_step(s->server->vault, handle, message, on_auth, ask(s));
    }
}
