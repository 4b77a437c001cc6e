#include <stdio.h>

#include "proto_secret.h"
#include "session_impl.h"

/* The step in which a SOCKS proxy is told where to connect to (RFC 1928). What it refuses counts as
 * a connection that could not be made. */

#define SENTENCE 460

static void fail(struct session *s, const char *why)
{
    char sentence[SENTENCE];
    (void)snprintf(sentence, sizeof sentence, "%s (%s)", why, s->transport->proxy.text);
    session_fail(s, "connect", NULL, "4.4.1", sentence);
}

void proxy_begin(struct session *s)
{
    struct socks_target to = {
        .kind = SOCKS_NAME, .address = span_text(s->host), .port = (uint16_t)s->transport->port};
    if (!s->by_name) {
        bool v4 = s->to.family == AF_INET;
        to.kind = v4 ? SOCKS_IPV4 : SOCKS_IPV6;
        to.address = span_of(s->to.octets, v4 ? 4 : 16);
    }
    session_enter(s, STEP_PROXY);
    conn_deadline(s->conn, s->transport->timeouts.connect_ms);
    socks_begin(&s->socks, &to, s->transport->proxy.auth, conn_output(s->conn));
    conn_flush(s->conn);
}

static void on_password(void *arg, const struct secret_login *login, const char *why, bool there)
{
    struct session *s = arg;
    session_hold(s);
    s->auth.request = 0;
    if (login == NULL) {
        fail(s, why);
    } else {
        conn_set_secret(s->conn, true);
        conn_write(s->conn, login->message.p, login->message.n);
    }
    session_release(s);
}

static void ask_for_password(struct session *s)
{
    if (s->agent->vault == NULL)
        fail(s, "the vault is not there");
    else
        s->auth.request = secret_proxy_login(s->agent->vault, on_password, s);
}

void proxy_on_input(struct session *s)
{
    struct fail f = {{0}};
    struct span in = conn_input(s->conn);
    size_t before = in.n;
    if (s->auth.request != 0) {
        fail(s, "the proxy speaks out of turn");
        return;
    }
    enum socks_got got = socks_feed(&s->socks, &in, conn_output(s->conn), &f);
    conn_consume(s->conn, before - in.n);
    conn_flush(s->conn);
    switch (got) {
    case SOCKS_MORE:
        break;
    case SOCKS_PASSWORD:
        ask_for_password(s);
        break;
    case SOCKS_DONE:
        conn_set_secret(s->conn, false);
        session_greet(s);
        break;
    case SOCKS_BAD:
        fail(s, f.text);
    }
}
