#include "call.h"

#include <assert.h>
#include <string.h>

#include "ascii.h"
#include "clock.h"
#include "httpbasic.h"
#include "httpform.h"
#include "httpurl.h"
#include "jsonwrite.h"
#include "mem.h"
#include "oncekey.h"
#include "proto_secret.h"
#include "proto_types.h"

#define PASSWORD_MAX 4096
#define VALUES 100000 /* in a request, beside those of its recipients */

static const char json_type[] = "application/json; charset=utf-8";
static const struct httpreply_field challenge[] = {{"WWW-Authenticate", "Basic realm=webapi"},
                                                   {NULL, NULL}};

static void drop_credentials(struct call *c)
{
    if (c->credentials != NULL)
        httpbasic_wipe(c->credentials);
    mem_free(&c->credentials);
}

static void free_call(struct call *c)
{
    drop_credentials(c);
    jsonread_free(&c->doc);
    mem_free(&c->login);
    mem_free(&c->once_key);
    mem_free(&c);
}

static int64_t took(const struct call *c)
{
    return clock_mono_us() - c->begun_us;
}

/* The client has left. */
static void on_cancel(struct httprequest *request, void *arg)
{
    struct call *c = arg;
    if (c->work != NULL)
        c->cancel(c);
    if (c->asked != 0)
        secret_forget(peers_vault(c->webapi->peers), c->asked);
    gate_leave(c->webapi->gate, &c->gate, GATE_UNKNOWN);
    counts_result(c->webapi->counts, c->method, COUNT_CANCELED, -1);
    free_call(c);
}

void call_answer_octets(struct call *c, const char *type, struct buf *octets)
{
    counts_result(c->webapi->counts, c->method, COUNT_OK, took(c));
    httprequest_respond(c->request, 200, type, octets, NULL);
    free_call(c);
}

void call_answer_file(struct call *c, const char *type, int fd, uint64_t size)
{
    counts_result(c->webapi->counts, c->method, COUNT_OK, took(c));
    httprequest_respond_fd(c->request, 200, type, fd, size, NULL);
    free_call(c);
}

void call_answer(struct call *c, struct buf *json)
{
    buf_putc(json, '\n');
    call_answer_octets(c, json_type, json);
}

void call_refuse(struct call *c, const struct refusal *why)
{
    struct buf body = {0};
    struct jsonwrite w;
    log_debug(&c->visit->log, "call refused", LS("method", c->method->name),
              LS("code", code_name(why->code)), LS("why", why->fail.text));
    c->visit->code = code_name(why->code);
    counts_refused(c->webapi->counts, c->method, why->code, took(c));
    jsonwrite_open(&w, &body, 0);
    jsonwrite_object(&w);
    jsonwrite_key(&w, "Code");
    jsonwrite_text(&w, code_name(why->code));
    jsonwrite_key(&w, "Message");
    jsonwrite_text(&w, why->fail.text);
    jsonwrite_object_end(&w);
    jsonwrite_close(&w);
    buf_putc(&body, '\n');
    httprequest_respond(c->request, code_status(why->code), json_type, &body, NULL);
    free_call(c);
}

static void refuse_with(struct call *c, enum code code, const char *why)
{
    (void)refuse(&c->refusal, code, "%s", why);
    call_refuse(c, &c->refusal);
}

/* ---- decode, run ---- */

static int decode(struct call *c, struct httpform *form)
{
    size_t recipients =
        (size_t)conf_int(conf_child(conf_root(front_conf(c->front)), "smtp"), "recipients");
    struct httpform_part *part = httpform_field(form, "request");
    struct fail f;
    if (part == NULL || part->value.n == 0)
        return refuse(&c->refusal, CODE_PROTOCOL,
                      "the form has no field \"request\", or an empty one");
    if (c->method->once && oncekey_read(c, form) != 0)
        return -1;
    /* The form has its own limit for the octets. */
    const struct json_limits limits = {.octets = part->value.n, .values = VALUES + 4 * recipients};
    c->doc = jsonread_parse(buf_span(&part->value), &limits, &f);
    buf_free(&part->value);
    if (c->doc == NULL)
        return refuse(&c->refusal, CODE_PROTOCOL, "request: %s", f.text);
    c->parameters = jsonread_alloc(c->doc, c->method->size);
    if (jsonbind_object(c->doc, jsonread_root(c->doc), c->method->bind, c->parameters, &f) != 0)
        return refuse(&c->refusal, CODE_PROTOCOL, "request: %s", f.text);
    return 0;
}

static void on_form(struct httprequest *request, void *arg)
{
    struct call *c = arg;
    struct fail f = {{0}};
    switch (httprequest_body_result(request, &f)) {
    case HTTPREQUEST_FINE:
        break;
    case HTTPREQUEST_BUSY:
        refuse_with(c, CODE_SERVER, "the server is busy with other requests; try again");
        return;
    default:
        refuse_with(c, CODE_PROTOCOL, f.text);
        return;
    }
    if (decode(c, httprequest_form(request)) != 0)
        call_refuse(c, &c->refusal);
    else
        c->method->run(c);
}

/* ---- a request in the query ---- */

/* The field of this name, in any case, as in JSON; NULL where the method has none. */
static const struct jsonbind_field *find_field(const struct call *c, struct span name)
{
    const struct jsonbind_field *field = c->method->bind;
    while (field->name != NULL && !span_is_nocase(name, field->name))
        field++;
    return field->name == NULL ? NULL : field;
}

static int take_field(struct call *c, struct span name, struct span value, uint64_t *seen)
{
    const struct jsonbind_field *field = find_field(c, name);
    uint64_t n = 0;
    if (field == NULL)
        return refuse(&c->refusal, CODE_PROTOCOL, "unknown field in the query");
    assert(field->type == JSONBIND_INT64 && field - c->method->bind < 64);
    uint64_t bit = 1ull << (field - c->method->bind);
    if ((*seen & bit) != 0)
        return refuse(&c->refusal, CODE_PROTOCOL, "%s is there twice", field->name);
    if (ascii_u64(value, INT64_MAX, &n) != 0)
        return refuse(&c->refusal, CODE_PROTOCOL, "%s must be a number", field->name);
    *seen |= bit;
    *(int64_t *)(void *)((char *)c->parameters + field->offset) = (int64_t)n;
    return 0;
}

static int read_query(struct call *c)
{
    struct span query = httprequest_query_text(c->request);
    struct buf name = {0}, value = {0};
    uint64_t seen = 0;
    int rc = 0, more = 1;
    while (rc == 0 && (more = httpurl_next(&query, &name, &value)) > 0) {
        rc = take_field(c, buf_span(&name), buf_span(&value), &seen);
        buf_clear(&name);
        buf_clear(&value);
    }
    buf_free(&name);
    buf_free(&value);
    if (rc == 0 && more < 0)
        return refuse(&c->refusal, CODE_PROTOCOL, "the query is not well encoded");
    return rc;
}

static void run_query(struct call *c)
{
    static const struct json_limits limits = {.octets = 2, .values = 1};
    struct fail f;
    c->once_key = mem_text("");
    c->doc = jsonread_parse(span_text("{}"), &limits, &f);
    assert(c->doc != NULL);
    c->parameters = jsonread_alloc(c->doc, c->method->size);
    if (read_query(c) != 0) {
        call_refuse(c, &c->refusal);
        return;
    }
    c->method->run(c);
}

/* ---- read ---- */

static void read_form(struct call *c)
{
    const struct conf_block *settings = conf_child(conf_root(front_conf(c->front)), "webapi");
    const struct httpform_limits limits = {.fields = (size_t)conf_size(settings, "request-size"),
                                           .files = (size_t)conf_size(settings, "upload-size")};
    httprequest_read_form(c->request, &limits, on_form, c);
}

/* ---- authenticate ---- */

static void unauthorized(struct call *c, const char *why, bool timed)
{
    counts_result(c->webapi->counts, c->method, COUNT_BAD_AUTH, timed ? took(c) : -1);
    httprequest_respond_text(c->request, 401, challenge, "%s", why);
    free_call(c);
}

static void on_right(struct call *c, const struct secret_auth *answer)
{
    c->account = conf_find(conf_root(front_conf(c->front)), "account", answer->account);
    if (c->account == NULL) {
        refuse_with(c, CODE_SERVER, "the account is not configured any more");
        return;
    }
    service_count(c->webapi->service, COUNT_CALLS, 1);
    c->visit->account = mem_text(answer->account);
    if (strcmp(httprequest_method(c->request), "GET") == 0)
        run_query(c);
    else
        read_form(c);
}

static void on_auth(void *arg, const struct secret_auth *answer)
{
    struct call *c = arg;
    struct webapi *w = c->webapi;
    c->asked = 0;
    gate_leave(w->gate, &c->gate,
               answer->state == SECRET_OK            ? GATE_RIGHT
               : answer->state == SECRET_UNAVAILABLE ? GATE_UNKNOWN
                                                     : GATE_WRONG);
    if (answer->state == SECRET_OK) {
        on_right(c, answer);
    } else if (answer->state == SECRET_UNAVAILABLE) {
        refuse_with(c, CODE_SERVER, "the password cannot be checked now; try again");
    } else {
        service_count(w->service, COUNT_AUTH_FAILED, 1);
        unauthorized(c,
                     answer->state == SECRET_DISABLED ? "logins of the account are disabled"
                                                      : "wrong address or password",
                     true);
    }
}

/* What the vault would not take as a login or password is wrong without asking. */
static bool is_askable(const struct httpbasic *b)
{
    return b->user.n > 0 && b->user.n <= PROTO_ADDRESS_MAX && b->password.n > 0 &&
           b->password.n <= PASSWORD_MAX;
}

static void ask(struct call *c)
{
    struct ipc *vault = peers_vault(c->webapi->peers);
    if (vault == NULL || !is_askable(c->credentials)) {
        const struct secret_auth none = {.state =
                                             vault == NULL ? SECRET_UNAVAILABLE : SECRET_DENIED};
        drop_credentials(c);
        on_auth(c, &none);
        return;
    }
    c->login = span_dup(c->credentials->user);
    c->asked =
        secret_password(vault, c->login, c->credentials->password, c->visit->client, on_auth, c);
    drop_credentials(c);
}

static void on_pass(void *arg, enum gate_pass pass)
{
    struct call *c = arg;
    if (pass == GATE_GO) {
        ask(c);
        return;
    }
    service_count(c->webapi->service, COUNT_AUTH_LIMITED, 1);
    counts_result(c->webapi->counts, c->method, COUNT_LIMITED, -1);
    httprequest_respond_text(c->request, 429, NULL,
                             "too many failed authentications; try again later");
    free_call(c);
}

/* ---- admit ---- */

void call_begin(struct httprequest *request, struct visit *visit, const struct method *method)
{
    struct call *c = mem_zero(sizeof *c);
    struct sockaddr_storage ip;
    struct span authorization;
    struct fail f = {{0}};
    *c = (struct call){.webapi = visit->webapi,
                       .front = visit->front,
                       .visit = visit,
                       .request = request,
                       .method = method,
                       .begun_us = clock_mono_us()};
    c->credentials = mem_zero(sizeof *c->credentials);
    httprequest_on_cancel(request, on_cancel, c);
    (void)httprequest_header(request, "Authorization", &authorization);
    if (httpbasic_parse(authorization, c->credentials) != HTTPBASIC_OK) {
        unauthorized(c, "an address of the account and its password are needed (HTTP Basic)",
                     false);
        return;
    }
    if (httprequest_client_ip(request, visit->forwarded, &ip, &f) != 0) {
        counts_refused(c->webapi->counts, method, CODE_SERVER, -1);
        httprequest_respond_text(request, 500, NULL, "%s", f.text);
        free_call(c);
        return;
    }
    gate_enter(c->webapi->gate, &c->gate, (struct sockaddr *)&ip, on_pass, c);
}
