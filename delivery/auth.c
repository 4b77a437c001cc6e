#include <stdio.h>
#include <string.h>

#include "base64.h"
#include "log.h"
#include "mem.h"
#include "proto_secret.h"
#include "session_impl.h"
#include "tls.h"

/* The step in which we log in at the server (RFC 4954). vault is the SASL client: what it says is
 * carried to the server and back. With most mechanisms that is of no use to anybody else; where it
 * is the password itself it is overwritten once it is sent.
 *
 * Whatever goes wrong is between the server and the operator: mail waits. */

#define LINE_MAX_ 512 /* octets of a command line, with its CR LF (RFC 5321 section 4.5.3.1.4) */
/* "AUTH", a space, the name of a mechanism, a space, CR LF. */
#define FRAME 64

static void on_answer(void *arg, const struct secret_login *login, const char *why, bool there);

/* The vault that has the exchange; NULL when there is another now, or none. */
static struct ipc *vault_of_exchange(const struct session *s)
{
    return s->auth.vault_number == s->agent->vault_number ? s->agent->vault : NULL;
}

void auth_end(struct session *s)
{
    struct auth *a = &s->auth;
    if (a->request != 0 && s->agent->vault != NULL)
        secret_forget(s->agent->vault, a->request);
    if (a->handle != 0 && vault_of_exchange(s) != NULL)
        secret_auth_cancel(s->agent->vault, a->handle);
    a->request = a->handle = 0;
    a->has_initial = false;
    buf_wipe(&a->initial);
}

void auth_alarm(struct session *s, const struct reply *r, const char *why)
{
    struct buf reply = {0};
    if (r != NULL)
        reply_text(&reply, r, " ");
    service_count(s->agent->service, COUNT_AUTH_REFUSED, 1);
    log_error(&s->log, "cannot log in at the server: mail waits", LS("transport", s->agent->label),
              LS("mechanism", s->auth.mechanism), LS("why", why), LS("reply", buf_text(&reply)));
    buf_free(&reply);
}

static void fail(struct session *s, const struct reply *r, const char *why, bool loud)
{
    if (loud)
        auth_alarm(s, r, why);
    session_defer(s, "auth", r, loud ? "4.7.8" : "4.7.0", why);
}

/* A line that may hold a password, in base64 behind the prefix. The buffer does not grow, and the
 * connection overwrites what it has sent. */
static void put(struct session *s, const char *prefix, struct span message)
{
    struct buf line = {0};
    (void)buf_room(&line, strlen(prefix) + message.n / 3 * 4 + FRAME);
    buf_puts(&line, prefix);
    base64_encode(&line, message);
    buf_puts(&line, "\r\n");
    conn_set_secret(s->conn, true);
    conn_deadline(s->conn, s->transport->timeouts.command_ms);
    conn_write(s->conn, buf_span(&line).p, line.n);
    buf_wipe(&line);
}

/* An initial response that does not fit into a command line is sent when the server asks for it
 * (RFC 4954 section 4); one that is empty is a "=". */
static void put_command(struct session *s, const struct secret_login *login)
{
    char prefix[FRAME];
    bool fits = strlen(login->mechanism) + login->message.n / 3 * 4 + 16 <= LINE_MAX_;
    if (!login->speaks || !fits) {
        s->auth.has_initial = login->speaks;
        buf_put_span(&s->auth.initial, login->message);
    }
    (void)snprintf(prefix, sizeof prefix, "AUTH %s%s", login->mechanism,
                   !login->speaks || !fits ? ""
                   : login->message.n == 0 ? " ="
                                           : " ");
    put(s, prefix, login->speaks && fits ? login->message : (struct span){0});
}

static uint32_t offered(const struct ehlo *e, const char *names[SECRET_OFFERED_MAX])
{
    uint32_t n = 0;
    for (size_t i = 0; i < e->mechanisms && n < SECRET_OFFERED_MAX; i++)
        names[n++] = e->mechanism[i];
    return n;
}

void auth_begin(struct session *s)
{
    const char *names[SECRET_OFFERED_MAX];
    unsigned char exporter[TLS_EXPORTER_SIZE], end_point[TLS_END_POINT_MAX];
    struct secret_login_server server = {.host = s->tls_name,
                                         .port = (uint32_t)s->transport->port,
                                         .offered = names,
                                         .offered_n = offered(&s->ehlo, names)};
    session_enter(s, STEP_AUTH);
    conn_deadline(s->conn, s->transport->timeouts.command_ms);
    if (conn_is_secure(s->conn)) {
        SSL *ssl = conn_ssl(s->conn);
        server.verified = s->policy->pkix || s->policy->dane;
        server.exporter_first = SSL_version(ssl) >= TLS1_3_VERSION;
        if (tls_exporter(ssl, exporter) == 0)
            server.exporter = span_of(exporter, sizeof exporter);
        server.end_point = span_of(end_point, tls_server_end_point(ssl, end_point));
    }
    if (s->agent->vault == NULL)
        fail(s, NULL, "the vault is not there", false);
    else
        s->auth.request = secret_login_start(s->agent->vault, &server, on_answer, s);
}

/* What vault has to say next. */
static void on_login(struct session *s, const struct secret_login *login)
{
    struct auth *a = &s->auth;
    bool first = a->mechanism[0] == '\0';
    a->handle = login->handle;
    a->vault_number = s->agent->vault_number;
    a->complete = login->complete;
    if (!first) {
        put(s, "", login->message);
        return;
    }
    if (login->mechanism[0] == '\0') {
        /* The certificate is all that this server is to see. */
        a->done = true;
        session_become_ready(s);
        return;
    }
    (void)snprintf(a->mechanism, sizeof a->mechanism, "%s", login->mechanism);
    put_command(s, login);
}

/* RFC 4954 section 4: "*" ends the exchange, and the server answers 501. */
static void cancel(struct session *s, const char *why, bool loud)
{
    struct auth *a = &s->auth;
    (void)snprintf(a->why, sizeof a->why, "%s", why);
    a->canceled = true;
    a->loud = loud;
    session_put(s, "*");
    conn_deadline(s->conn, s->transport->timeouts.command_ms);
    conn_flush(s->conn);
}

static void on_answer(void *arg, const struct secret_login *login, const char *why, bool there)
{
    struct session *s = arg;
    session_hold(s);
    s->auth.request = 0;
    if (login != NULL) {
        on_login(s, login);
    } else if (s->auth.mechanism[0] == '\0') {
        fail(s, NULL, why, there);
    } else {
        s->auth.handle = 0; /* over, at that end */
        cancel(s, why, there);
    }
    session_release(s);
}

static void on_challenge(struct session *s, const struct reply *r)
{
    struct auth *a = &s->auth;
    struct buf challenge = {0};
    if (a->has_initial) {
        put(s, "", buf_span(&a->initial));
        a->has_initial = false;
        buf_wipe(&a->initial);
    } else if (r->lines != 1 || r->cut || base64_decode(&challenge, reply_line_text(r, 0)) != 0) {
        cancel(s, "the server's challenge makes no sense", true);
    } else if (vault_of_exchange(s) == NULL) {
        cancel(s, "the vault is not there", false);
    } else {
        conn_deadline(s->conn, s->transport->timeouts.command_ms);
        a->request =
            secret_login_step(s->agent->vault, a->handle, buf_span(&challenge), on_answer, s);
    }
    buf_free(&challenge);
}

static void succeed(struct session *s)
{
    if (!s->auth.complete) {
        fail(s, NULL, "the server lets us in before it has shown that it knows the password", true);
        return;
    }
    auth_end(s);
    s->auth.done = true;
    conn_set_secret(s->conn, false);
    service_count(s->agent->service, COUNT_AUTH_OK, 1);
    log_debug(&s->log, "logged in", LS("mechanism", s->auth.mechanism));
    session_become_ready(s);
}

void auth_on_reply(struct session *s, const struct reply *r)
{
    struct auth *a = &s->auth;
    if (a->request != 0)
        fail(s, r, "the server speaks out of turn", false);
    else if (a->canceled)
        fail(s, r->code == 421 ? r : NULL, a->why, a->loud);
    else if (r->code == 334)
        on_challenge(s, r);
    else if (r->code == 235)
        succeed(s);
    else
        fail(s, r, "the server refused to authenticate us", reply_is_permanent(r->code));
}
