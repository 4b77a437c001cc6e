#include "session.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "answer.h"
#include "clock.h"
#include "cmd.h"
#include "command.h"
#include "exchange.h"
#include "mem.h"
#include "rand.h"
#include "reply.h"
#include "tls.h"
#include "transaction.h"

#define HANDSHAKE_MS 60000
#define VAULT_MS 60000
/* The client does not wait longer for the end of its message (RFC 5321 section 4.5.3.2.6). */
#define QUEUE_MS 600000
#define HOLD_MS 3600000
#define CLOSE_MS 10000
#define OUTPUT_MAX 65536 /* octets of replies that may wait for the client */

static const struct step_rule {
    const char *name;
    /* Takes octets off the front of *in. False when it needs more than there are. NULL: nothing is
     * read. */
    bool (*take)(struct session *s, struct span *in);
    bool listens; /* the end of the client is noticed, though nothing is read */
} rules[STEPS] = {
    [STEP_SECURE] = {"secure", NULL, true},  [STEP_COMMAND] = {"command", command_take, true},
    [STEP_PAUSE] = {"pause", NULL, false},   [STEP_CHALLENGE] = {"challenge", auth_take, true},
    [STEP_VAULT] = {"vault", NULL, false},   [STEP_ASK] = {"ask", NULL, false},
    [STEP_DATA] = {"data", data_take, true}, [STEP_SIGN] = {"sign", NULL, false},
    [STEP_QUEUE] = {"queue", NULL, false},   [STEP_SLOW] = {"slow", NULL, true},
    [STEP_HOLD] = {"hold", NULL, true},      [STEP_CLOSE] = {"close", NULL, true},
};

const char *session_step_name(enum step step)
{
    return rules[step].name;
}

static void set_deadline(struct session *s)
{
    const int64_t ms[STEPS] = {
        [STEP_SECURE] = HANDSHAKE_MS,
        [STEP_COMMAND] = s->settings->command_timeout,
        [STEP_CHALLENGE] = s->settings->command_timeout,
        [STEP_VAULT] = VAULT_MS,
        [STEP_ASK] = VAULT_MS,
        [STEP_DATA] = s->settings->data_timeout,
        [STEP_SIGN] = VAULT_MS,
        [STEP_QUEUE] = QUEUE_MS,
        [STEP_SLOW] = SIMULATE_SLOW_MS + VAULT_MS,
        [STEP_HOLD] = HOLD_MS,
        [STEP_CLOSE] = CLOSE_MS,
    };
    conn_deadline(s->conn, ms[s->step]);
}

static void set_pause(struct session *s)
{
    conn_pause(s->conn, s->clogged || !rules[s->step].listens);
}

static void count_handshake(struct session *s, enum step from, enum step to)
{
    if (from != STEP_SECURE && to == STEP_SECURE)
        tide_rise(&s->server->handshakes);
    else if (from == STEP_SECURE && to != STEP_SECURE)
        (void)tide_fall(&s->server->handshakes);
}

void session_enter(struct session *s, enum step step)
{
    if (step == STEP_COMMAND && s->server->stopping && s->step != STEP_CLOSE) {
        answer(s, 421, "4.3.2", "shutting down");
        step = STEP_CLOSE;
    }
    if (s->step != step)
        log_debug(&s->log, "step", LS("from", rules[s->step].name), LS("to", rules[step].name));
    count_handshake(s, s->step, step);
    s->step = step;
    set_deadline(s);
    set_pause(s);
    if (step == STEP_CLOSE)
        conn_finish(s->conn);
}

void session_run(struct session *s)
{
    while (rules[s->step].take != NULL && !s->clogged) {
        struct span in = conn_input(s->conn);
        size_t had = in.n;
        if (had == 0 || !rules[s->step].take(s, &in))
            break;
        conn_consume(s->conn, had - in.n);
        s->clogged = conn_unsent(s->conn) > OUTPUT_MAX;
    }
    conn_flush(s->conn);
    if (s->heard && s->step == STEP_COMMAND)
        set_deadline(s);
    s->heard = false;
    set_pause(s);
}

/* ---- pauses ---- */

static void release_held(struct session *s)
{
    buf_put_span(conn_output(s->conn), buf_span(&s->held));
    buf_free(&s->held);
}

static void on_pause(evutil_socket_t fd, short what, void *arg)
{
    struct session *s = arg;
    (void)fd;
    (void)what;
    if (s->step != STEP_PAUSE)
        return;
    release_held(s);
    session_enter(s, STEP_COMMAND);
    session_run(s);
}

void session_pause(struct session *s, int64_t ms)
{
    const struct timeval tv = {ms / 1000, (ms % 1000) * 1000};
    if (ms == 0) {
        release_held(s);
        session_enter(s, STEP_COMMAND);
        return;
    }
    if (s->pause == NULL)
        s->pause = evtimer_new(s->server->base, on_pause, s);
    assert(s->pause != NULL);
    session_enter(s, STEP_PAUSE);
    (void)evtimer_add(s->pause, &tv);
}

void session_penalize(struct session *s)
{
    session_pause(s, s->settings->error_delay);
}

/* ---- the end ---- */

void session_close(struct session *s)
{
    session_enter(s, STEP_CLOSE);
}

void session_say_goodbye(struct session *s)
{
    switch (s->step) {
    case STEP_COMMAND:
    case STEP_PAUSE:
    case STEP_CHALLENGE:
    case STEP_HOLD:
    case STEP_SLOW:
        release_held(s);
        answer_last(s, 421, "4.3.2", "shutting down");
        conn_flush(s->conn);
        break;
    case STEP_SECURE:
        session_close(s);
        break;
    default:
        break;
    }
}

void session_destroy(struct session **sp)
{
    struct session *s = *sp;
    struct server *sv = s->server;
    *sp = NULL;
    exchange_drop(s);
    transaction_end(s);
    conn_free(&s->conn);
    count_handshake(s, s->step, STEP_CLOSE);
    if (s->pause != NULL)
        event_free(s->pause);
    clients_leave(sv->clients, &s->client);
    TAILQ_REMOVE(&sv->sessions, s, next);
    sv->sessions_n--;
    server_gauge(sv, COUNT_CONNECTIONS, sv->sessions_n);
    line_close(&s->reader);
    buf_free(&s->held);
    mem_free(&s->name);
    mem_free(&s->account);
    mem_free(&s->login);
    mem_free(&s->tls_version);
    mem_free(&s->tls_cipher);
    settings_drop(&s->settings);
    mem_free(&s);
    (void)tide_fall(&sv->crowd);
}

/* ---- the connection's calls ---- */

static void on_input(struct conn *c, void *arg)
{
    (void)c;
    session_run(arg);
}

static void on_drained(struct conn *c, void *arg)
{
    struct session *s = arg;
    (void)c;
    if (!s->clogged)
        return;
    s->clogged = false;
    session_run(s);
}

static void on_closed(struct conn *c, void *arg, const char *why, bool timed_out)
{
    struct session *s = arg;
    (void)c;
    (void)timed_out;
    if (s->step == STEP_SECURE) {
        server_count(s->server, COUNT_TLS_FAILED, 1);
        log_info(&s->log, "TLS handshake failed", LS("why", why));
    }
    log_info(&s->log, "disconnected", LS("why", why), LS("step", rules[s->step].name),
             LU("messages", s->transactions));
    session_destroy(&s);
}

static void on_timeout(struct conn *c, void *arg)
{
    struct session *s = arg;
    enum step step = s->step;
    (void)c;
    if (step == STEP_CLOSE || step == STEP_SECURE) {
        on_closed(s->conn, s, "timed out", true);
        return;
    }
    log_info(&s->log, "timed out", LS("step", rules[step].name));
    if (step == STEP_COMMAND || step == STEP_CHALLENGE || step == STEP_DATA)
        server_count(s->server, COUNT_TIMEOUTS, 1);
    if (step == STEP_VAULT || step == STEP_ASK || step == STEP_SIGN || step == STEP_QUEUE)
        answer_last(s, 421, "4.3.0", "no answer from another part of this server, try again later");
    else
        answer_last(s, 421, "4.4.2", "timed out");
    exchange_drop(s);
    transaction_end(s);
    conn_flush(s->conn);
}

void session_expect_data(struct session *s, int64_t until_ms)
{
    int64_t left = until_ms - clock_mono_ms(), most = s->settings->data_timeout;
    conn_deadline(s->conn, left < 1 ? 1 : left < most ? left : most);
}

/* ---- TLS ---- */

static void forget(struct session *s)
{
    transaction_end(s);
    mem_free(&s->name);
    s->extended = false;
    line_reset(&s->reader);
}

static void greet(struct session *s)
{
    s->greeted = true;
    answer(s, 220, NULL, "%s ESMTP Quartermaster", s->settings->hostname);
}

static void on_secure(struct conn *c, void *arg)
{
    struct session *s = arg;
    struct tls_info info;
    tls_info_fill(&info, conn_ssl(c));
    s->tls_version = mem_text(info.version);
    s->tls_cipher = mem_text(info.cipher);
    server_count(s->server, COUNT_TLS, 1);
    log_info(&s->log, "tls", LS("version", info.version), LS("cipher", info.cipher),
             LS("group", info.group));
    session_enter(s, STEP_COMMAND);
    if (!s->greeted)
        greet(s);
    session_run(s);
}

void session_start_tls(struct session *s, SSL *ssl)
{
    forget(s);
    conn_start_tls(s->conn, ssl);
    session_enter(s, STEP_SECURE);
}

bool session_is_private(const struct session *s)
{
    return s->tls_version != NULL;
}

int session_renew(struct session *s)
{
    struct settings *newest = s->server->settings;
    if (s->settings == newest)
        return 0;
    const struct port *port = settings_port(newest, s->port->kind, s->port->label);
    if (port == NULL)
        return -1;
    settings_drop(&s->settings);
    s->settings = settings_hold(newest);
    s->port = port;
    return 0;
}

/* ---- the beginning ---- */

static void name_client(char name[SESSION_CLIENT_SIZE], const struct sockaddr *peer,
                        const struct ucred *user)
{
    if (peer->sa_family == AF_INET6)
        (void)inet_ntop(AF_INET6, &((const struct sockaddr_in6 *)peer)->sin6_addr, name,
                        SESSION_CLIENT_SIZE);
    else if (peer->sa_family == AF_INET)
        (void)inet_ntop(AF_INET, &((const struct sockaddr_in *)peer)->sin_addr, name,
                        SESSION_CLIENT_SIZE);
    else
        (void)snprintf(name, SESSION_CLIENT_SIZE, "uid %lu", (unsigned long)user->uid);
}

static void name_session(struct session *s)
{
    uint64_t number = rand_u64();
    (void)snprintf(s->id, sizeof s->id, "%08lx", (unsigned long)(number & 0xffffffff));
    log_ctx_add(&s->log, "cid", s->id);
}

/* Not worth a session: one line, as far as the socket takes it. */
static void turn_away(struct server *sv, const struct port *port, int fd, const char *text)
{
    struct buf reply = {0};
    reply_write(&reply, 421, "4.7.0", span_text(text));
    if (port->kind != PORT_SUBMISSIONS)
        (void)send(fd, buf_span(&reply).p, reply.n, MSG_NOSIGNAL | MSG_DONTWAIT);
    buf_free(&reply);
    (void)close(fd);
    server_count(sv, COUNT_CONNECTIONS_REFUSED, 1);
}

static void read_user(int fd, struct ucred *user)
{
    socklen_t len = sizeof *user;
    *user = (struct ucred){.pid = -1, .uid = (uid_t)-1, .gid = (gid_t)-1};
    (void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, user, &len);
}

static struct client *count_client(struct server *sv, const struct sockaddr *peer,
                                   const struct ucred *user)
{
    unsigned max = sv->settings->connections_per_address;
    if (peer->sa_family == AF_UNIX)
        return clients_enter_user(sv->clients, user->uid, max);
    return clients_enter(sv->clients, peer, max);
}

static void turn_away_one(struct server *sv, const struct port *port, int fd,
                          const struct sockaddr *peer, const struct ucred *user)
{
    char name[SESSION_CLIENT_SIZE];
    name_client(name, peer, user);
    log_info(NULL, "connection refused: too many of one client", LS("port", port->name),
             LS("client", name));
    turn_away(sv, port, fd, "too many connections from your address");
}

static struct session *make(struct server *sv, const struct port *port, int fd)
{
    static const struct conn_handler handler = {
        .on_input = on_input,
        .on_drained = on_drained,
        .on_secure = on_secure,
        .on_closed = on_closed,
        .on_timeout = on_timeout,
    };
    struct session *s = mem_zero(sizeof *s);
    s->server = sv;
    s->settings = settings_hold(sv->settings);
    s->port = port;
    s->step = STEP_COMMAND;
    s->line_max = s->settings->command_line;
    line_open(&s->reader, s->line_max - 2, false);
    name_session(s);
    size_t input_max = s->line_max + 2;
    s->conn = conn_new(sv->base, fd, input_max > SESSION_INPUT_MAX ? input_max : SESSION_INPUT_MAX,
                       &handler, s);
    TAILQ_INSERT_TAIL(&sv->sessions, s, next);
    sv->sessions_n++;
    tide_rise(&sv->crowd);
    server_count(sv, COUNT_CONNECTIONS_TOTAL, 1);
    server_gauge(sv, COUNT_CONNECTIONS, sv->sessions_n);
    return s;
}

static void log_connected(const struct session *s, const struct ucred *user)
{
    if (s->port->kind == PORT_LOCAL)
        log_info(&s->log, "connected", LS("port", s->port->name), LI("uid", user->uid),
                 LI("gid", user->gid), LI("pid", user->pid));
    else
        log_info(&s->log, "connected", LS("port", s->port->name), LS("client", s->address));
}

/* The first words: a greeting, or a handshake. */
static void begin(struct session *s)
{
    struct fail f = {{0}};
    if (s->port->kind != PORT_SUBMISSIONS) {
        session_enter(s, STEP_COMMAND);
        greet(s);
        conn_flush(s->conn);
        return;
    }
    SSL *ssl = s->port->site == NULL ? NULL : site_accept(s->port->site, &f);
    if (ssl != NULL) {
        session_start_tls(s, ssl);
    } else {
        log_warn(&s->log, "no TLS for now", LS("why", f.text));
        session_close(s);
    }
}

void session_new(struct server *sv, const struct port *port, int fd, const struct sockaddr *peer)
{
    struct ucred user = {0};
    int one = 1;
    if (peer->sa_family == AF_UNIX)
        read_user(fd, &user);
    else
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (sv->sessions_n >= sv->settings->connections) {
        log_warn(NULL, "connection refused: too many", LS("port", port->name),
                 LU("open", sv->sessions_n));
        turn_away(sv, port, fd, "too many connections, try again later");
        return;
    }
    struct client *client = count_client(sv, peer, &user);
    if (client == NULL) {
        turn_away_one(sv, port, fd, peer, &user);
        return;
    }
    struct session *s = make(sv, port, fd);
    s->client = client;
    name_client(s->address, peer, &user);
    log_connected(s, &user);
    /* A password may be in the very first octets. */
    conn_set_secret(s->conn, port->kind == PORT_SUBMISSION || port->kind == PORT_SUBMISSIONS);
    begin(s);
}
