#include "offer.h"

#include "tls.h"

bool offer_auth(const struct session *s)
{
    if (s->port->kind != PORT_SUBMISSION && s->port->kind != PORT_SUBMISSIONS)
        return false;
    return session_is_private(s) || s->port->clear_auth;
}

static bool has_binding(const struct session *s)
{
    unsigned char binding[TLS_EXPORTER_SIZE];
    SSL *ssl = conn_ssl(s->conn);
    return ssl != NULL && tls_exporter(ssl, binding) == 0;
}

static void offer_mechanisms(const struct session *s, struct ehlo *e)
{
    if (has_binding(s))
        (void)ehlo_add_mechanism(e, span_text("SCRAM-SHA-256-PLUS"));
    (void)ehlo_add_mechanism(e, span_text("SCRAM-SHA-256"));
    (void)ehlo_add_mechanism(e, span_text("PLAIN"));
    (void)ehlo_add_mechanism(e, span_text("LOGIN"));
}

void offer_fill(const struct session *s, struct ehlo *e)
{
    bool trusted = port_is_trusted(s->port);
    ehlo_clear(e);
    e->pipelining = true;
    e->eightbitmime = true;
    e->smtputf8 = true;
    e->enhancedstatuscodes = true;
    e->size = true;
    e->size_max = s->settings->message_size;
    e->limits = true;
    e->rcptmax = settings_recipients(s->settings, s->port->kind);
    e->starttls = s->port->site != NULL && s->tls_version == NULL;
    /* Never in clear: RFC 8689 section 2. A socket of this machine has nothing to be overheard. */
    e->requiretls =
        (session_is_private(s) && !s->port->no_requiretls) || s->port->kind == PORT_LOCAL;
    e->requiretls_later = e->starttls && !s->port->no_requiretls;

    e->dsn = trusted;
    e->futurerelease = trusted;
    e->futurerelease_seconds = trusted ? OFFER_HOLD_MAX_S : 0;
    if (offer_auth(s))
        offer_mechanisms(s, e);
}
