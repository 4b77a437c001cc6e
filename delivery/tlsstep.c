#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include <openssl/ssl.h>

#include "log.h"
#include "mem.h"
#include "session_impl.h"
#include "tls.h"
#include "tlsdane.h"

_Static_assert(TLSSEEN_ENDS == COUNTS_TLS_ENDS, "each is counted");

/* The steps of a session in which it is settled whether it is under TLS. What follows on what the
 * server does, tlspolicy_after says: nothing here goes on in clear on its own account. */

#define ADDRESS_TEXT INET6_ADDRSTRLEN

static const char *const clear_words[SESSION_CLEARS] = {
    [SESSION_REFUSED] = "STARTTLS was refused",
    [SESSION_CUT] = "the connection was cut over STARTTLS",
    [SESSION_HANDSHAKE] = "the TLS handshake failed",
    [SESSION_NOT_OFFERED] = "STARTTLS not offered",
    [SESSION_OFF] = "TLS is switched off",
};

void tlsstep_describe(struct session *s)
{
    struct buf text = {0};
    struct tls_info info;
    s->tls_peer[0] = s->tls_record[0] = '\0';
    if (s->conn != NULL && conn_is_secure(s->conn)) {
        tls_info_fill(&info, conn_ssl(s->conn));
        (void)snprintf(s->tls_peer, sizeof s->tls_peer, "%s", info.peer);
        (void)tlsdane_matched(conn_ssl(s->conn), s->tls_record, sizeof s->tls_record);
        tls_info_text(&info, &text);
        buf_puts(&text, info.verified ? "; " : " unverified; ");
    } else if (s->in_clear) {
        buf_putf(&text, "clear, %s; ", clear_words[s->clear]);
    }
    buf_putf(&text, "policy %s", s->policy->label);
    (void)snprintf(s->tls_text, sizeof s->tls_text, "%s", buf_text(&text));
    buf_free(&text);
}

/* ---- what is counted for reports ---- */

/* A detail's texts. */
struct texts {
    char sending[ADDRESS_TEXT], receiving[ADDRESS_TEXT];
    char reason[128];
};

/* What the server sees when a proxy stands between: what the operator says of it, where that is one
 * address. */
static void put_proxy_address(const struct session *s, char text[ADDRESS_TEXT])
{
    size_t found = 0;
    for (size_t i = 0; i < s->transport->proxy.remote_ips_n; i++) {
        const struct conf_value *ip = &s->transport->proxy.remote_ips[i];
        int family = ip->family == 4 ? AF_INET : AF_INET6;
        if (!s->by_name && family != s->to.family)
            continue;
        (void)inet_ntop(family, ip->ip, text, ADDRESS_TEXT);
        found++;
    }
    if (found != 1)
        text[0] = '\0';
}

static void put_own_address(const struct session *s, char text[ADDRESS_TEXT])
{
    union {
        struct sockaddr_storage any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a = {.any.ss_family = AF_UNSPEC};
    socklen_t len = sizeof a;
    text[0] = '\0';
    if (s->transport->proxy.used) {
        put_proxy_address(s, text);
        return;
    }
    if (getsockname(conn_fd(s->conn), (struct sockaddr *)&a, &len) != 0)
        return;
    if (a.any.ss_family == AF_INET)
        (void)inet_ntop(AF_INET, &a.v4.sin_addr, text, ADDRESS_TEXT);
    else if (a.any.ss_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &a.v6.sin6_addr, text, ADDRESS_TEXT);
}

/* Counts once for a session. type, reason and info: of the detail, where end asks for one. */
static void see(struct session *s, enum tlsseen_end end, enum tlsresult_type type,
                const char *reason, const char *info)
{
    struct texts t = {.receiving = ""};
    if (s->seen == NULL)
        return;
    service_count(s->agent->service, COUNT_TLS_SEEN + end, 1);
    put_own_address(s, t.sending);
    if (!s->by_name)
        (void)inet_ntop(s->to.family, s->to.octets, t.receiving, sizeof t.receiving);
    struct tlsresult_detail d = {.type = type,
                                 .sessions = 1,
                                 .sending_ip = t.sending,
                                 .receiving_ip = t.receiving,
                                 .mx = s->host,
                                 .helo = s->helo,
                                 .info = (char *)info,
                                 .reason = (char *)reason};
    tlsseen_session(s->seen, end, &d);
    s->seen = NULL;
}

/* What an authority says is looked at also where it does not count: under a policy in testing (RFC
 * 8461 section 5), and where there is none yet, for whoever thinks of one. */
static void see_good(struct session *s)
{
    enum tlsresult_type type = TLSRESULT_VALIDATION_FAILURE;
    const char *reason = "";
    bool doubtful =
        s->seen != NULL && !s->policy->pkix &&
        !tlsdane_would_verify(s->transport->tlsdane, conn_ssl(s->conn), s->host, &type, &reason);
    see(s, doubtful ? TLSSEEN_DOUBTFUL : TLSSEEN_GOOD, type, reason, NULL);
}

static const char *alert_name(int alert)
{
    /* RFC 8446 section 6: those that OpenSSL has no name for. */
    static const struct {
        int number;
        const char *name;
    } names[] = {{109, "missing extension"},
                 {116, "certificate required"},
                 {120, "no application protocol"}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if ((alert & 0xff) == names[i].number)
            return names[i].name;
    }
    return SSL_alert_desc_string_long(alert);
}

/* "tls-remote-alert-40-handshake-failure". */
static void put_alert(const struct session *s, char *text, size_t size)
{
    (void)snprintf(text, size, "tls-%s-alert-%d-%s", s->alert_is_remote ? "remote" : "local",
                   s->alert & 0xff, alert_name(s->alert));
    for (char *at = text; *at != '\0'; at++)
        *at = *at == ' ' || *at == '_' ? '-' : *at;
}

static void see_handshake_failure(struct session *s, const char *why)
{
    enum tlsresult_type type = TLSRESULT_VALIDATION_FAILURE;
    const char *reason = "";
    char alert[128];
    if (tlsdane_fault(s->handshake, &type, &reason)) {
        see(s, TLSSEEN_FAILED, type, reason, why);
        return;
    }
    put_alert(s, alert, sizeof alert);
    see(s, TLSSEEN_FAILED, TLSRESULT_VALIDATION_FAILURE,
        s->alert != 0                           ? alert
        : s->late                               ? "io-timeout-during-handshake"
        : strncmp(why, "closed by", 9) == 0     ? "connection-closed-during-handshake"
        : strstr(why, "version number") != NULL ? "tls-record-header-error"
                                                : "handshake-failed",
        why);
}

/* The certificate was not good, and it is the records that it does not fit. */
static bool is_mismatch(const struct session *s)
{
    enum tlsresult_type type;
    const char *reason = "";
    return s->policy->dane && tlsdane_fault(s->handshake, &type, &reason) &&
           (!s->policy->pkix || strcmp(reason, "dane-no-match") == 0);
}

static void see_refusal(struct session *s, const struct reply *r, const char *why)
{
    char reason[64] = "connection-closed";
    if (r != NULL)
        (void)snprintf(reason, sizeof reason, "smtp-starttls-reply-code-%d", r->code);
    else if (s->late)
        (void)snprintf(reason, sizeof reason, "io-timeout");
    see(s, TLSSEEN_FAILED, TLSRESULT_STARTTLS_NOT_SUPPORTED, reason, why);
}

/* The server may tell only in its first words under TLS that it does not like the handshake. */
static void see_end_before_words(struct session *s, const char *why)
{
    char alert[128];
    put_alert(s, alert, sizeof alert);
    if (s->alert != 0 && s->alert_is_remote)
        see(s, TLSSEEN_FAILED, TLSRESULT_VALIDATION_FAILURE, alert, why);
    else
        see_good(s);
}

/* ---- the steps ---- */

static void go_on_in_clear(struct session *s)
{
    assert(s->policy->tls != TLSPOLICY_ALWAYS);
    if (!s->retry)
        s->clear = s->policy->tls == TLSPOLICY_CLEAR ? SESSION_OFF : SESSION_NOT_OFFERED;
    if (s->clear == SESSION_NOT_OFFERED) {
        service_count(s->agent->service, COUNT_NOT_OFFERED, 1);
        see(s, TLSSEEN_WITHOUT, TLSRESULT_STARTTLS_NOT_SUPPORTED, NULL, NULL);
    }
    s->seen = NULL;
    s->in_clear = true;
    tlsstep_describe(s);
    session_after_tls(s);
}

/* Without its certificate the server would not know us, and say so of each message. */
static bool cannot_identify(struct session *s)
{
    struct fail f;
    bool there;
    if (agent_identify(s->agent, s->transport, &there, &f) == 0)
        return false;
    if (there)
        auth_alarm(s, NULL, f.text);
    session_defer(s, "auth", NULL, there ? "4.7.8" : "4.7.0", f.text);
    return true;
}

void tlsstep_after_hello(struct session *s)
{
    enum tlspolicy_event event = s->ehlo.starttls ? TLSPOLICY_GREETED : TLSPOLICY_NOT_OFFERED;
    if (conn_is_secure(s->conn)) {
        see_good(s);
        session_after_tls(s);
    } else if (tlspolicy_after(s->policy, s->retry, event) == TLSPOLICY_START_TLS) {
        if (cannot_identify(s))
            return;
        session_enter(s, STEP_STARTTLS);
        session_put(s, "STARTTLS");
        conn_deadline(s->conn, s->transport->timeouts.command_ms);
        conn_flush(s->conn);
    } else {
        go_on_in_clear(s);
    }
}

/* A refusal is never for good, whatever its code: often it is some box on the way that says so. */
void tlsstep_on_starttls(struct session *s, const struct reply *r)
{
    if (r->code == 220)
        tlsstep_begin(s);
    else if (s->policy->tls != TLSPOLICY_ALWAYS)
        session_defer(s, "starttls", r, "4.7.4", "the server refused STARTTLS");
    else
        session_defer(s, "starttls", r, "4.7.4",
                      s->ehlo.starttls ? "TLS is required and the server refused it"
                                       : "TLS is required and the server does not offer it");
}

/* What either side complained of; that it closes is no complaint. */
static void on_info(const SSL *ssl, int where, int value)
{
    struct session *s = SSL_get_app_data(ssl);
    if ((where & SSL_CB_ALERT) == 0 || (value & 0xff) == 0)
        return;
    s->alert = value;
    s->alert_is_remote = (where & SSL_CB_READ) != 0;
}

void tlsstep_begin(struct session *s)
{
    struct fail f;
    if (!s->greeted && cannot_identify(s))
        return;
    s->no_retry = true;
    /* RFC 3207 section 6: it must not count as said under TLS. */
    if (session_has_unread(s)) {
        session_fail(s, "starttls", NULL, "4.5.0",
                     "the server sent more behind its reply to STARTTLS");
        return;
    }
    char *peer = mem_format("%s %s %s", s->destination, s->host, s->address);
    SSL *ssl = tlsdane_connect(s->transport->tlsdane, s->policy, peer, &f);
    mem_free(&peer);
    if (ssl == NULL) {
        session_fail(s, "starttls", NULL, "4.7.5", f.text);
        return;
    }
    s->no_retry = false;
    s->handshake = ssl;
    (void)SSL_set_app_data(ssl, s);
    SSL_set_info_callback(ssl, on_info);
    session_enter(s, STEP_HANDSHAKE);
    reply_reset(&s->parser);
    conn_deadline(s->conn, s->transport->timeouts.command_ms);
    conn_start_tls(s->conn, ssl);
}

void tlsstep_on_secure(struct session *s)
{
    tlsstep_describe(s);
    service_count(s->agent->service, COUNT_TLS, 1);
    if (SSL_session_reused(conn_ssl(s->conn)) == 1)
        service_count(s->agent->service, COUNT_TLS_RESUMED, 1);
    else if (s->policy->dane)
        service_count(s->agent->service, COUNT_DANE_VERIFIED, 1);
    if (s->greeted)
        session_say_hello(s, STEP_EHLO);
    else
        session_greet(s);
}

bool tlsstep_lets_pass(const struct session *s)
{
    enum tlspolicy_event event = s->ehlo.requiretls ? TLSPOLICY_SECURE : TLSPOLICY_SECURE_PLAIN;
    if (conn_is_secure(s->conn))
        return tlspolicy_after(s->policy, false, event) == TLSPOLICY_SEND;
    assert(s->policy->tls != TLSPOLICY_ALWAYS);
    return true;
}

void tlsstep_on_failure(struct session *s, const struct reply *r, const char *why,
                        struct session_failure *f)
{
    bool refused = s->step == STEP_STARTTLS;
    if (s->no_retry)
        return;
    if (!refused && s->step != STEP_HANDSHAKE) {
        if (s->conn != NULL && conn_is_secure(s->conn))
            see_end_before_words(s, why);
        return;
    }
    enum tlspolicy_event event = refused ? TLSPOLICY_STARTTLS_REFUSED : TLSPOLICY_HANDSHAKE_FAILED;
    f->retry_in_clear = tlspolicy_after(s->policy, s->retry, event) == TLSPOLICY_RETRY_IN_CLEAR;
    /* It may be the session that the server does not like. The next attempt has none to offer, and
     * nothing goes out in clear for its sake. */
    if (f->retry_in_clear && s->handshake != NULL && tlsdane_offers_session(s->handshake))
        f->retry_in_clear = false;
    f->why_clear = !refused ? SESSION_HANDSHAKE : r != NULL ? SESSION_REFUSED : SESSION_CUT;
    if (refused) {
        see_refusal(s, r, why);
        return;
    }
    (void)snprintf(s->tls_peer, sizeof s->tls_peer, "%s", tlsdane_refused(s->handshake));
    if (is_mismatch(s))
        service_count(s->agent->service, COUNT_DANE_MISMATCH, 1);
    see_handshake_failure(s, why);
}
