#include "session.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#include <openssl/err.h>

#include "clock.h"
#include "mem.h"
#include "session_impl.h"

#define INPUT_MAX 65536

static const char *const step_names[STEPS] = {
    "connect", "connect", "greeting",    "ehlo", "ehlo", "starttls", "starttls", "auth",
    "ready",   "look",    "transaction", "data", "dot",  "rset",     "quit",     "dead",
};

/* ---- what is counted ---- */

static void count_connection(const struct session *s, enum step next)
{
    bool connecting = s->step == STEP_CONNECT || s->step == STEP_PROXY;
    if (!connecting || next == STEP_PROXY)
        return;
    service_count(s->agent->service,
                  next != STEP_DEAD ? COUNT_CONNECTED
                  : s->late         ? COUNT_CONNECT_TIMEOUT
                                    : COUNT_CONNECT_ERROR,
                  1);
}

void session_asks(struct session *s)
{
    s->asked_ms = clock_mono_ms();
}

/* The command that a reply is for; DELIVERY_COMMANDS when nothing was asked. */
static enum delivery_command command_of(const struct session *s)
{
    static const enum delivery_command commands[STEPS] = {
        [STEP_CONNECT] = DELIVERY_COMMANDS,   [STEP_PROXY] = DELIVERY_COMMANDS,
        [STEP_GREETING] = COMMAND_GREETING,   [STEP_EHLO] = COMMAND_EHLO,
        [STEP_HELO] = COMMAND_EHLO,           [STEP_STARTTLS] = COMMAND_STARTTLS,
        [STEP_HANDSHAKE] = DELIVERY_COMMANDS, [STEP_AUTH] = COMMAND_AUTH,
        [STEP_READY] = DELIVERY_COMMANDS,     [STEP_LOOK] = DELIVERY_COMMANDS,
        [STEP_BODY] = COMMAND_BDAT,           [STEP_DOT] = COMMAND_DOT,
        [STEP_RSET] = COMMAND_RSET,           [STEP_QUIT] = COMMAND_QUIT,
        [STEP_DEAD] = DELIVERY_COMMANDS,
    };
    if (s->step == STEP_TRANSACTION)
        return transaction_command(s);
    return s->step == STEP_BODY && !s->t.chunking ? DELIVERY_COMMANDS : commands[s->step];
}

/* What was sent in one go was asked for at one time; else each command after the reply before. */
static void count_reply(struct session *s, const struct reply *r)
{
    enum delivery_command command = command_of(s);
    int64_t now = clock_mono_ms();
    if (command < DELIVERY_COMMANDS)
        counts_reply(s->agent->service, command, r->code, now - s->asked_ms);
    if (s->step != STEP_TRANSACTION || !s->ehlo.pipelining)
        s->asked_ms = now;
}

void session_enter(struct session *s, enum step step)
{
    count_connection(s, step);
    session_asks(s);
    log_debug(&s->log, "step", LS("from", step_names[s->step]), LS("to", step_names[step]));
    s->step = step;
}

void session_put(struct session *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    buf_vputf(conn_output(s->conn), fmt, ap);
    va_end(ap);
    buf_puts(conn_output(s->conn), "\r\n");
}

static void close_session(struct session *s)
{
    auth_end(s);
    session_enter(s, STEP_DEAD);
    conn_free(&s->conn);
}

void session_kill(struct session *s)
{
    close_session(s);
}

/* RFC 5321 section 4.1.1.10: nobody leaves without it. The answer is not waited for: what it says
 * changes nothing. */
static void say_goodbye(struct session *s)
{
    session_put(s, "QUIT");
    conn_flush(s->conn);
}

/* As session_fail, but the class of enhanced says in any case whether it is for good. */
static void fail_with(struct session *s, const char *stage, const struct reply *r,
                      const char *enhanced, const char *error)
{
    struct buf text = {0};
    struct session_failure f = {.stage = stage,
                                .error = error,
                                .enhanced = enhanced,
                                .late = s->late,
                                .tls = session_tls(s),
                                .address = s->address};
    if (r != NULL) {
        reply_text(&text, r, "\n");
        f.code = r->code;
    }
    f.permanent = enhanced[0] == '5';
    f.reply = buf_text(&text);
    f.no_requiretls = r == NULL && strcmp(enhanced, "5.7.30") == 0;
    tlsstep_on_failure(s, r, error, &f);
    /* An idle connection ends some day; that is nothing to look into. */
    log_write(s->step == STEP_READY ? LOG_DEBUG_ : LOG_INFO_, &s->log,
              s->step == STEP_READY ? "idle connection ended" : "connection failed",
              (const struct log_kv[]){LS("stage", stage),
                                      LS("host", s->host),
                                      LS("address", s->address),
                                      LS("why", error),
                                      LS("reply", f.reply),
                                      LS("tls", s->tls_text),
                                      {0}});
    if ((r != NULL && r->code != 421) || (r == NULL && s->step == STEP_READY))
        say_goodbye(s);
    close_session(s);
    s->handler->on_failed(s, s->arg, &f);
    buf_free(&text);
}

void session_fail(struct session *s, const char *stage, const struct reply *r, const char *enhanced,
                  const char *error)
{
    char digits[ENHANCED_SIZE];
    if (r != NULL && (reply_is_permanent(r->code) || reply_is_temporary(r->code)))
        enhanced = enhanced_format(r->enhanced.class != 0 ? r->enhanced : enhanced_default(r->code),
                                   digits);
    fail_with(s, stage, r, enhanced, error);
}

void session_defer(struct session *s, const char *stage, const struct reply *r,
                   const char *enhanced, const char *error)
{
    fail_with(s, stage, r, enhanced, error);
}

void session_say_hello(struct session *s, enum step step)
{
    const char *verb = step == STEP_HELO ? "HELO" : s->transport->lmtp ? "LHLO" : "EHLO";
    ehlo_clear(&s->ehlo);
    session_enter(s, step);
    session_put(s, "%s %s", verb, s->transport->ehlo_name);
    s->parser.each = step == STEP_EHLO ? ehlo_each : NULL;
    s->parser.arg = &s->ehlo;
    conn_deadline(s->conn, s->transport->timeouts.command_ms);
    conn_flush(s->conn);
}

bool session_has_unread(const struct session *s)
{
    return conn_input(s->conn).n > 0;
}

void session_become_ready(struct session *s)
{
    s->parser.each = NULL;
    conn_deadline(s->conn, 0);
    if (session_has_unread(s)) {
        session_fail(s, "ehlo", NULL, "4.5.0", "the server speaks out of turn");
        return;
    }
    session_enter(s, STEP_READY);
    s->handler->on_ready(s, s->arg);
}

void session_after_tls(struct session *s)
{
    s->parser.each = NULL;
    if (s->transport->auth && !s->auth.done && !session_has_unread(s))
        auth_begin(s);
    else
        session_become_ready(s);
}

/* What came with the greeting, or a second one, would be taken for the answer to EHLO, that for the
 * answer to MAIL, and so on: each recipient would get the outcome of the one before. */
static void on_greeting(struct session *s, const struct reply *r)
{
    if (r->code != 220)
        session_fail(s, "greeting", r, "4.5.0", "the server does not greet");
    else if (session_has_unread(s))
        session_fail(s, "greeting", NULL, "4.5.0", "the server speaks out of turn");
    else {
        s->greeted = true;
        (void)span_copy(reply_line_text(r, 0), s->helo, sizeof s->helo);
        session_say_hello(s, STEP_EHLO);
    }
}

/* RFC 5321 section 4.2.2: it is the command that the server does not understand. Any other refusal
 * is of us, and HELO would only ask for it again, or for mail to be taken from whom it does not
 * want. */
static bool is_not_understood(const struct reply *r)
{
    return r->code >= 500 && r->code <= 504;
}

static void on_hello(struct session *s, const struct reply *r)
{
    if (r->code != 250) {
        if (s->step == STEP_EHLO && is_not_understood(r) && !conn_is_secure(s->conn) &&
            !s->transport->lmtp)
            session_say_hello(s, STEP_HELO);
        else
            session_fail(s, "ehlo", r, "4.5.0",
                         s->step == STEP_EHLO ? "EHLO was refused" : "HELO was refused");
        return;
    }
    s->parser.each = NULL;
    tlsstep_after_hello(s);
}

static void on_reply(struct session *s, const struct reply *r)
{
    count_reply(s, r);
    switch (s->step) {
    case STEP_GREETING:
        on_greeting(s, r);
        break;
    case STEP_EHLO:
    case STEP_HELO:
        on_hello(s, r);
        break;
    case STEP_STARTTLS:
        tlsstep_on_starttls(s, r);
        break;
    case STEP_AUTH:
        auth_on_reply(s, r);
        break;
    case STEP_LOOK:
    case STEP_TRANSACTION:
    case STEP_BODY:
    case STEP_DOT:
    case STEP_RSET:
        transaction_on_reply(s, r);
        break;
    case STEP_QUIT:
        close_session(s);
        break;
    default:
        session_fail(s, step_names[s->step], r, "4.5.0", "the server speaks out of turn");
    }
}

/* A session under way as the transaction knows it, or before: who is told differs. */
static void on_trouble(struct session *s, const char *enhanced, const char *why)
{
    switch (s->step) {
    case STEP_LOOK:
    case STEP_TRANSACTION:
    case STEP_BODY:
    case STEP_DOT:
    case STEP_RSET:
        transaction_on_closed(s, enhanced, why);
        break;
    case STEP_QUIT:
        close_session(s);
        break;
    default:
        session_fail(s, step_names[s->step], NULL, enhanced, why);
    }
}

static void read_replies(struct session *s)
{
    while (s->step != STEP_DEAD && s->step != STEP_HANDSHAKE && s->step != STEP_PROXY) {
        struct fail f;
        struct span in = conn_input(s->conn);
        size_t before = in.n;
        enum reply_got got = reply_feed(&s->parser, &in, &f);
        conn_consume(s->conn, before - in.n);
        if (got == REPLY_MORE)
            return;
        if (got == REPLY_BAD) {
            on_trouble(s, "4.5.0", f.text);
            return;
        }
        on_reply(s, &s->parser.reply);
    }
}

static void release(struct session *s)
{
    reply_close(&s->parser);
    if (s->stillborn != NULL)
        event_free(s->stillborn);
    auth_end(s);
    socks_clear(&s->socks);
    content_clear(s);
    takers_clear(s);
    mem_free(&s->host);
    mem_free(&s->destination);
    mem_free(&s->tls_name);
    tlspolicy_drop(&s->policy);
    transport_drop(&s->transport);
    mem_free(&s);
}

/* Around every callback of the connection: the owner may free the session inside. One that said
 * QUIT has no owner and goes by itself. */
void session_hold(struct session *s)
{
    s->running++;
}

void session_release(struct session *s)
{
    bool orphan = s->handler == NULL && s->step == STEP_DEAD;
    if (--s->running == 0 && (s->freed || orphan))
        release(s);
}

void session_greet(struct session *s)
{
    if (s->transport->kind == TRANSPORT_SUBMISSIONS && !conn_is_secure(s->conn)) {
        tlsstep_begin(s);
        return;
    }
    session_enter(s, STEP_GREETING);
    conn_deadline(s->conn, s->transport->timeouts.greeting_ms);
}

static void on_connected(struct session *s)
{
    if (s->step != STEP_CONNECT)
        return;
    if (s->transport->proxy.used)
        proxy_begin(s);
    else
        session_greet(s);
}

static void on_input(struct conn *c, void *arg)
{
    struct session *s = arg;
    session_hold(s);
    on_connected(s);
    if (s->step == STEP_PROXY)
        proxy_on_input(s);
    read_replies(s);
    session_release(s);
}

static void on_drained(struct conn *c, void *arg)
{
    struct session *s = arg;
    session_hold(s);
    on_connected(s);
    if (s->step == STEP_BODY)
        content_on_drained(s);
    session_release(s);
}

static void on_secure(struct conn *c, void *arg)
{
    struct session *s = arg;
    session_hold(s);
    tlsstep_on_secure(s);
    session_release(s);
}

static void on_closed(struct conn *c, void *arg, const char *why, bool timed_out)
{
    struct session *s = arg;
    session_hold(s);
    s->late = timed_out;
    /* What it said last may explain why it went. */
    if (!timed_out)
        read_replies(s);
    if (s->step != STEP_DEAD)
        on_trouble(s,
                   s->step == STEP_CONNECT     ? "4.4.1"
                   : s->step == STEP_HANDSHAKE ? "4.7.5"
                                               : "4.4.2",
                   why);
    session_release(s);
}

static void on_timeout(struct conn *c, void *arg)
{
    struct session *s = arg;
    if (s->step == STEP_READY) {
        session_hold(s);
        s->handler->on_idle(s, s->arg);
        session_release(s);
        return;
    }
    on_closed(c, arg, transaction_lateness(s), true);
}

/* Writes the address to connect from to out. Returns its length; 0: the system is to choose. */
static socklen_t source_for(const struct session *s, int family, struct sockaddr_storage *out)
{
    const struct transport *t = s->transport;
    struct dnsaddr own;
    for (size_t i = 0; i < t->sources_n; i++) {
        struct dnsaddr a = {.family = t->sources[i].family == 4 ? AF_INET : AF_INET6};
        if (a.family != family)
            continue;
        memcpy(a.octets, t->sources[i].ip, sizeof a.octets);
        return dnsaddr_sockaddr(&a, 0, out);
    }
    if (!t->proxy.used && t->kind == TRANSPORT_DIRECT && ownaddr_source(&t->own, &s->to, &own))
        return dnsaddr_sockaddr(&own, 0, out);
    return 0;
}

static void describe(struct session *s)
{
    const struct transport *t = s->transport;
    char text[INET6_ADDRSTRLEN];
    if (t->socket != NULL) {
        (void)snprintf(s->address, sizeof s->address, "%s", t->socket - t->socket_folder);
    } else if (s->by_name) {
        (void)snprintf(s->address, sizeof s->address, "%s:%d", s->host, t->port);
    } else {
        (void)inet_ntop(s->to.family, s->to.octets, text, sizeof text);
        (void)snprintf(s->address, sizeof s->address,
                       s->to.family == AF_INET6 ? "[%s]:%d" : "%s:%d", text, t->port);
    }
}

/* A host that is an address literal is known by its address (RFC 6066 section 3). */
static char *name_for_tls(const char *host, const struct dnsaddr *a)
{
    char text[INET6_ADDRSTRLEN];
    if (host[0] != '[' || a == NULL)
        return mem_text(host);
    (void)inet_ntop(a->family, a->octets, text, sizeof text);
    return mem_text(text);
}

static void on_stillborn(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;
    session_hold(s);
    session_fail(s, "connect", NULL, "4.4.1", strerror(s->stillborn_errno));
    session_release(s);
}

/* Where the socket is to connect to: the server, or what stands before it. Returns the length, or 0
 * when there can be no such socket. */
static socklen_t first_hop(const struct session *s, struct sockaddr_storage *to)
{
    const struct transport *t = s->transport;
    if (t->proxy.used)
        return dnsaddr_sockaddr(&t->proxy.address, t->proxy.port, to);
    if (t->socket == NULL)
        return dnsaddr_sockaddr(&s->to, (uint16_t)t->port, to);
    struct sockaddr_un un = {.sun_family = AF_UNIX};
    if (span_copy(span_text(t->socket), un.sun_path, sizeof un.sun_path) != 0)
        return 0;
    memcpy(to, &un, sizeof un);
    return sizeof un;
}

/* Returns a descriptor, or -1 with errno. */
static int start_connecting(const struct session *s)
{
    struct sockaddr_storage to, from;
    socklen_t from_len = 0, to_len = first_hop(s, &to);
    if (to_len == 0) {
        errno = ENAMETOOLONG;
        return -1;
    }
    if (to.ss_family != AF_UNIX)
        from_len = source_for(s, to.ss_family, &from);
    return conn_connect(&to, to_len, from_len == 0 ? NULL : &from, from_len);
}

struct session *session_open(const struct session_order *order,
                             const struct session_handler *handler, void *arg)
{
    static const struct conn_handler conn_handler = {on_input, on_drained, on_secure, on_closed,
                                                     on_timeout};
    const struct timeval now = {0, 0};
    struct agent *a = order->agent;
    struct session *s = mem_zero(sizeof *s);
    assert(order->policy->verdict == TLSPOLICY_TRY);
    s->agent = a;
    s->transport = transport_hold(order->transport);
    s->handler = handler;
    s->arg = arg;
    s->policy = tlspolicy_hold(order->policy);
    s->clear = order->retry;
    s->retry = order->retry != SESSION_NOT_CLEAR;
    s->seen = s->retry ? NULL : order->seen;
    s->host = mem_text(order->host);
    s->destination = mem_text(order->destination);
    s->tls_name = name_for_tls(order->host, order->address);
    s->by_name = order->address == NULL;
    if (order->address != NULL)
        s->to = *order->address;
    reply_open(&s->parser);
    describe(s);
    tlsstep_describe(s);
    log_ctx_add(&s->log, "relay", s->host);
    int fd = start_connecting(s);
    if (fd < 0) {
        s->stillborn_errno = errno;
        s->stillborn = evtimer_new(a->base, on_stillborn, s);
        (void)evtimer_add(s->stillborn, &now);
        return s;
    }
    s->conn = conn_new(a->base, fd, INPUT_MAX, &conn_handler, s);
    conn_deadline(s->conn, s->transport->timeouts.connect_ms);
    return s;
}

void session_send(struct session *s, struct job *j)
{
    transaction_begin(s, j);
}

void session_set_owner(struct session *s, const struct tlspolicy *policy,
                       const struct session_handler *handler, void *arg)
{
    s->handler = handler;
    s->arg = arg;
    if (policy == NULL)
        return;
    assert(tlspolicy_same_connection(s->policy, policy));
    tlspolicy_hold(policy);
    tlspolicy_drop(&s->policy);
    s->policy = policy;
    tlsstep_describe(s);
}

struct job_tls session_tls(const struct session *s)
{
    return (struct job_tls){.text = s->tls_text,
                            .name = s->handshake == NULL ? NULL : s->policy->sni,
                            .peer = s->tls_peer,
                            .record = s->tls_record,
                            .policy = s->policy->label};
}

const char *session_host(const struct session *s)
{
    return s->host;
}

int session_family(const struct session *s)
{
    return s->to.family;
}

const struct dnsaddr *session_address(const struct session *s)
{
    return &s->to;
}

enum session_clear session_is_clear(const struct session *s)
{
    return s->in_clear ? s->clear : SESSION_NOT_CLEAR;
}

bool session_would_meet(const struct session *s, const struct tlspolicy *policy)
{
    return conn_is_secure(s->conn) &&
           tlsdane_would_meet(s->transport->tlsdane, conn_ssl(s->conn), policy);
}

const struct tlspolicy *session_policy(const struct session *s)
{
    return s->policy;
}

void session_idle(struct session *s, int64_t idle_ms)
{
    conn_deadline(s->conn, idle_ms);
}

/* What has come may be a record of the protocol's own, like a ticket, or something said. */
static bool is_quiet_under_tls(SSL *ssl)
{
    unsigned char octet;
    ERR_clear_error();
    int n = SSL_peek(ssl, &octet, 1);
    bool quiet = n <= 0 && SSL_get_error(ssl, n) == SSL_ERROR_WANT_READ;
    ERR_clear_error();
    return quiet;
}

bool session_is_alive(const struct session *s)
{
    unsigned char octet;
    ssize_t n = recv(conn_fd(s->conn), &octet, 1, MSG_PEEK | MSG_DONTWAIT);
    return n > 0 ? conn_is_secure(s->conn) && is_quiet_under_tls(conn_ssl(s->conn))
                 : n < 0 && errno == EAGAIN;
}

void session_free(struct session **sp)
{
    struct session *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    s->freed = true;
    session_hold(s);
    session_enter(s, STEP_DEAD);
    conn_free(&s->conn);
    session_release(s);
}

void session_quit(struct session **sp)
{
    struct session *s = *sp;
    *sp = NULL;
    if (s == NULL)
        return;
    if (s->step != STEP_READY) {
        session_free(&s);
        return;
    }
    s->handler = NULL;
    session_enter(s, STEP_QUIT);
    conn_deadline(s->conn, s->transport->timeouts.quit_ms);
    say_goodbye(s);
}
