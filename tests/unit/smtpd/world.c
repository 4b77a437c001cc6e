#include "world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "file.h"
#include "mem.h"
#include "proto_secret.h"
#include "proto_suppress.h"
#include "proto_types.h"
#include "tls.h"

#define GUARD_S 30

static const char basic[] = "hostname mx.test.example\n"
                            "mailname box.test.example\n"
                            "postmaster qm@test.example\n"
                            "listen l { address 127.0.0.1  smtp 25  submission 587\n"
                            "    require-tls-for-auth no }\n"
                            "domain test.example { catchall-separator \"+\"  %s }\n"
                            "domain bare.example { catchall-separator \"\" }\n"
                            "account qm { address qm@test.example qm@bare.example "
                            "a.name.of.forty.two.octets.and.nothing.else@test.example  "
                            "from-id-login qm+id@test.example  %s }\n"
                            "smtp { error-delay %s  %s }\n";

/* ---- sockets ---- */

static int listen_tcp(int *port)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof sa;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
    assert_int_equal(listen(fd, 1024), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
    *port = ntohs(sa.sin_port);
    return fd;
}

/* An abstract name, which the kernel chooses. */
static struct sockaddr_un local_address(const char *name, socklen_t *len)
{
    struct sockaddr_un sa = {.sun_family = AF_UNIX};
    (void)snprintf(sa.sun_path + 1, sizeof sa.sun_path - 1, "%s", name);
    *len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name));
    return sa;
}

static int listen_local(char name[64])
{
    static unsigned number;
    socklen_t len;
    (void)snprintf(name, 64, "smtpd-test-%d-%u", (int)getpid(), ++number);
    struct sockaddr_un sa = local_address(name, &len);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&sa, len), 0);
    assert_int_equal(listen(fd, 1024), 0);
    return fd;
}

/* ---- configuration ---- */

static struct conf *read_conf(const char *domain, const char *account, const char *delay,
                              const char *smtp)
{
    struct conf_errors errors = {0};
    struct buf share = {0};
    char *text = mem_format(basic, domain, account, delay, smtp);
    struct conf *whole = conf_parse("test.conf", span_text(text), &errors);
    if (whole == NULL)
        fail_msg("%s: %s", errors.v[0].place, errors.v[0].sentence);
    conf_encode(whole, CONF_SMTPD, &share);
    struct conf *conf = conf_decode(buf_span(&share), CONF_SMTPD, NULL);
    assert_non_null(conf);
    buf_free(&share);
    conf_free(&whole);
    conf_errors_free(&errors);
    mem_free(&text);
    return conf;
}

static void use_conf(struct world *w, struct conf *conf)
{
    struct service_hand hands[] = {
        {(char *)"listen l smtp 127.0.0.1:25", listen_tcp(&w->port[PORT_SMTP])},
        {(char *)"listen l submission 127.0.0.1:587", listen_tcp(&w->port[PORT_SUBMISSION])},
        {(char *)"local", listen_local(w->local)},
    };
    struct fail f = {{0}};
    struct settings *settings = settings_new(conf, "", hands, 3, &w->server.signing, &f);
    if (settings == NULL)
        fail_msg("%s", f.text);
    server_use(&w->server, settings);
}

void world_open(struct world *w, const char *more)
{
    const char *domain = "", *delay = "0", *account = "";
    *w = (struct world){.key_domain = "test.example"};
    assert_int_equal(tls_init(NULL), 0);
    w->base = event_base_new();
    if (strncmp(more, "delay ", 6) == 0) {
        delay = more + 6;
        more = "";
    }
    if (strcmp(more, "dkim") == 0) {
        domain = "dkim sel { key-file \"/nowhere\" }";
        more = "";
    }
    if (strncmp(more, "suppress", 8) == 0) {
        account = more;
        more = "";
    }
    w->server.mailname = mem_text("");
    server_open(&w->server, w->base, NULL);
    use_conf(w, read_conf(domain, account, delay, more));
    world_link_queue(w);
    world_link_vault(w);
    world_settle(w);
}

static void clear_arrived(struct world *w)
{
    for (size_t i = 0; i < w->arrived_n; i++) {
        submit_envelope_free(&w->arrived[i].envelope);
        buf_free(&w->arrived[i].body);
    }
    mem_free(&w->arrived);
    w->arrived_n = 0;
}

void world_close(struct world *w)
{
    world_settle(w);
    assert_int_equal(w->server.sessions_n, 0);
    assert_int_equal(w->server.memory, 0);
    assert_int_equal(w->server.outstanding, 0);
    assert_int_equal(clients_count(w->server.clients), 0);
    server_close(&w->server);
    ipc_free(&w->queue);
    ipc_free(&w->vault);
    clear_arrived(w);
    event_base_free(w->base);
}

/* ---- the queue ---- */

static void answer_arrived(struct world *w, struct arrived *a, uint64_t id)
{
    if (w->queue_mode == QUEUE_REFUSES)
        submit_refuse(w->queue, a->request, 452, "4.3.1", SUBMIT_WHY_OTHER, "no room in the queue");
    else
        submit_accept(w->queue, a->request, id);
    a->request = 0;
}

/* Addresses that begin with "listed" are on every list. */
static int on_find(struct world *w, struct ipc *ch, struct ipc_message *m, struct fail *f)
{
    struct suppress_request r;
    struct suppress_answer a = {.result = SUPPRESS_ABSENT};
    assert_int_equal(suppress_read(m, &r, f), 0);
    assert_string_equal(r.s.account, "qm");
    if (strncmp(r.s.original, "listed", 6) == 0)
        a.result = SUPPRESS_DONE;
    if (w->queue_mode == QUEUE_REFUSES)
        a.result = SUPPRESS_UNAVAILABLE;
    if (w->queue_mode != QUEUE_WAITS)
        suppress_reply(ch, m->id, &a);
    w->finds++;
    suppress_request_clear(&r);
    return 0;
}

static int on_submit(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct world *w = arg;
    struct arrived a = {.request = m->id};
    uint64_t size;
    int fd;
    if (m->type == MSG_SUPPRESS_FIND)
        return on_find(w, ch, m, f);
    assert_int_equal(submit_read(m, UINT64_MAX, &a.envelope, &fd, &size, f), 0);
    assert_int_equal(file_read_fd(fd, SIZE_MAX, &a.body, f), 0);
    assert_int_equal(a.body.n, size);
    (void)close(fd);
    w->arrived = mem_resize(w->arrived, (w->arrived_n + 1) * sizeof *w->arrived);
    w->arrived[w->arrived_n++] = a;
    if (w->queue_mode != QUEUE_WAITS)
        answer_arrived(w, &w->arrived[w->arrived_n - 1], w->arrived_n);
    return 0;
}

void world_accept_all(struct world *w)
{
    for (size_t i = 0; i < w->arrived_n; i++) {
        if (w->arrived[i].request != 0)
            answer_arrived(w, &w->arrived[i], i + 1);
    }
}

void world_link_queue(struct world *w)
{
    static const struct ipc_handler handler = {.on_message = on_submit};
    int fd[2];
    assert_int_equal(ipc_pair(fd, NULL), 0);
    ipc_free(&w->queue);
    w->queue = ipc_new(w->base, fd[1], "queue", &handler, w);
    server_link(&w->server, "submit", fd[0]);
}

void world_lose_queue(struct world *w)
{
    ipc_free(&w->queue);
    world_settle(w);
}

/* ---- the vault ---- */

static void judge(struct world *w, uint64_t request, struct span message)
{
    struct secret_auth a = {.state = SECRET_DENIED};
    if (span_equal(message, span_of("\0qm@test.example\0secret", 23)))
        a = (struct secret_auth){SECRET_OK, 0, {0}, (char *)"qm", (char *)"qm@test.example"};
    else if (span_equal(message, span_of("\0id\0secret", 10)))
        a = (struct secret_auth){SECRET_OK, 0, {0}, (char *)"qm", (char *)"qm+id@test.example"};
    else if (span_is(message, "shut"))
        a.state = SECRET_DISABLED;
    else if (span_is(message, "malformed"))
        a.state = SECRET_MALFORMED;
    else if (span_is(message, "last word"))
        a = (struct secret_auth){SECRET_OK, 0, span_text("v=1"), (char *)"qm",
                                 (char *)"qm@test.example"};
    else if (message.n == 0 || span_is(message, "n,,first"))
        a = (struct secret_auth){SECRET_CONTINUE, 77, span_text("go on"), NULL, NULL};
    secret_answer_auth(w->vault, request, &a);
}

static void answer_secret(struct world *w, uint64_t id, const struct secret_request *r)
{
    const struct secret_dkim_key key = {
        .domain = (char *)w->key_domain, .selector = (char *)"sel", .algorithm = 1};
    switch (r->type) {
    case MSG_SECRET_AUTH_STEP:
        assert_int_equal(r->handle, 77);
        judge(w, id, r->message);
        break;
    case MSG_SECRET_AUTH_START:
        judge(w, id, r->message);
        break;
    case MSG_SECRET_AUTH_CANCEL:
        assert_int_equal(r->handle, 77);
        w->cancels++;
        break;
    case MSG_SECRET_DKIM_LIST:
        secret_answer_dkim_keys(w->vault, id, &key, 1);
        break;
    case MSG_SECRET_DKIM_SIGN:
        if (w->vault_signs)
            secret_answer_signature(
                w->vault, id,
                span_text("0123456789012345678901234567890123456789012345678901234567890123"));
        else
            secret_refuse(w->vault, id, "not today");
        break;
    default:
        fail_msg("unexpected request");
    }
}

static int on_secret(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct world *w = arg;
    struct secret_request r;
    (void)ch;
    assert_int_equal(secret_read(m, &r, f), 0);
    if (w->vault_waits)
        w->question = m->id;
    else
        answer_secret(w, m->id, &r);
    secret_request_clear(&r);
    return 0;
}

void world_link_vault(struct world *w)
{
    static const struct ipc_handler handler = {.on_message = on_secret};
    int fd[2];
    assert_int_equal(ipc_pair(fd, NULL), 0);
    ipc_free(&w->vault);
    w->vault = ipc_new(w->base, fd[1], "vault", &handler, w);
    server_link(&w->server, "secret", fd[0]);
}

void world_lose_vault(struct world *w)
{
    ipc_free(&w->vault);
    world_settle(w);
}

/* ---- the loop ---- */

static void on_guard(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    *(bool *)arg = true;
}

void world_until(struct world *w, bool (*condition)(void *arg), void *arg, const char *what)
{
    bool late = false;
    const struct timeval tv = {GUARD_S, 0};
    struct event *guard = evtimer_new(w->base, on_guard, &late);
    (void)evtimer_add(guard, &tv);
    while (!condition(arg) && !late)
        (void)event_base_loop(w->base, EVLOOP_ONCE);
    event_free(guard);
    if (late)
        fail_msg("never came: %s", what);
}

void world_settle(struct world *w)
{
    for (int i = 0; i < 20; i++)
        (void)event_base_loop(w->base, EVLOOP_NONBLOCK);
}

/* ---- clients ---- */

static int connect_to(struct world *w, enum port_kind kind)
{
    struct sockaddr_in sa = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(kind == PORT_LOCAL ? AF_UNIX : AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), rc;
    int one = 1;
    sa.sin_port = htons((uint16_t)w->port[kind]);
    if (kind == PORT_LOCAL) {
        socklen_t len;
        struct sockaddr_un un = local_address(w->local, &len);
        rc = connect(fd, (struct sockaddr *)&un, len);
    } else {
        rc = connect(fd, (struct sockaddr *)&sa, sizeof sa);
    }
    assert_int_equal(rc, 0);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    if (kind != PORT_LOCAL)
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

void client_connect(struct client_end *c, struct world *w, enum port_kind kind)
{
    *c = (struct client_end){.world = w};
    c->fd = connect_to(w, kind);
    reply_open(&c->parser);
}

void client_open(struct client_end *c, struct world *w, enum port_kind kind)
{
    client_connect(c, w, kind);
    client_expect(c, 220, "mx.test.example ESMTP");
}

void client_close(struct client_end *c)
{
    if (c->fd >= 0)
        (void)close(c->fd);
    c->fd = -1;
    reply_close(&c->parser);
    buf_free(&c->unread);
}

struct sending {
    struct client_end *client;
    struct span rest;
};

static bool try_to_send(void *arg)
{
    struct sending *s = arg;
    ssize_t put = send(s->client->fd, s->rest.p, s->rest.n, MSG_NOSIGNAL);
    if (put < 0 && errno != EAGAIN)
        return true; /* the server has closed: the reply tells */
    if (put > 0)
        s->rest = span_of(s->rest.p + put, s->rest.n - (size_t)put);
    /* A descriptor the loop does not know of makes it sleep: it is only to be given its turn. */
    if (s->rest.n > 0)
        (void)event_base_loop(s->client->world->base, EVLOOP_NONBLOCK);
    return s->rest.n == 0;
}

void client_send(struct client_end *c, const char *text)
{
    struct sending s = {c, span_text(text)};
    for (int i = 0; i < 1000000 && !try_to_send(&s); i++)
        continue;
    assert_int_equal(s.rest.n, 0);
}

/* False when nothing is there. */
static bool receive(struct client_end *c)
{
    unsigned char octets[4096];
    ssize_t got = recv(c->fd, octets, sizeof octets, 0);
    if (got > 0)
        buf_put(&c->unread, octets, (size_t)got);
    else if (got == 0 || errno != EAGAIN)
        c->closed = true;
    return got > 0;
}

static bool next_reply(struct client_end *c)
{
    struct fail f = {{0}};
    struct span in = buf_span(&c->unread);
    size_t had = in.n;
    enum reply_got got = reply_feed(&c->parser, &in, &f);
    buf_drop(&c->unread, had - in.n);
    if (got == REPLY_BAD)
        fail_msg("no SMTP: %s", f.text);
    return got == REPLY_DONE;
}

/* Waits for octets of the server, doing what there is to do here meanwhile. */
static void wait_for_octets(struct client_end *c)
{
    struct timeval tv = {0, 1000};
    for (int i = 0; i < GUARD_S * 1000; i++) {
        (void)event_base_loop(c->world->base, EVLOOP_NONBLOCK);
        if (receive(c) || c->closed)
            return;
        (void)event_base_loopexit(c->world->base, &tv);
        (void)event_base_loop(c->world->base, EVLOOP_ONCE);
    }
    fail_msg("the server says nothing");
}

void client_expect(struct client_end *c, int code, const char *text)
{
    struct buf lines = {0};
    while (!next_reply(c)) {
        if (c->closed)
            fail_msg("closed instead of %d", code);
        wait_for_octets(c);
    }
    reply_text(&lines, &c->parser.reply, " / ");
    if ((code != 0 && c->parser.reply.code != code) ||
        (text != NULL && strstr(buf_text(&lines), text) == NULL))
        fail_msg("expected %d %s, got: %s", code, text == NULL ? "" : text, buf_text(&lines));
    buf_free(&lines);
}

void client_ask(struct client_end *c, const char *line, int code, const char *text)
{
    client_send(c, line);
    client_send(c, "\r\n");
    client_expect(c, code, text);
}

void client_expect_end(struct client_end *c)
{
    while (!c->closed)
        wait_for_octets(c);
    if (c->unread.n > 0)
        fail_msg("unexpected: %s", buf_text(&c->unread));
}

void client_expect_silence(struct client_end *c)
{
    world_settle(c->world);
    (void)receive(c);
    if (c->unread.n > 0 || c->closed)
        fail_msg("unexpected: %s", c->closed ? "the end" : buf_text(&c->unread));
}

const char world_message[] =
    "Subject: hello\r\nFrom: <a@elsewhere.example>\r\n\r\n..stuffed\r\nbody\r\n.\r\n";

void client_begin(struct client_end *c, struct world *w, enum port_kind kind)
{
    client_open(c, w, kind);
    client_ask(c, "EHLO client.example", 250, NULL);
}

void client_envelope(struct client_end *c)
{
    client_ask(c, "MAIL FROM:<a@elsewhere.example>", 250, NULL);
    client_ask(c, "RCPT TO:<qm@test.example>", 250, NULL);
}

void client_send_message(struct client_end *c)
{
    client_envelope(c);
    client_ask(c, "DATA", 354, NULL);
    client_send(c, world_message);
}

const char *world_body(struct world *w, size_t i)
{
    assert_true(i < w->arrived_n);
    return buf_text(&w->arrived[i].body);
}
