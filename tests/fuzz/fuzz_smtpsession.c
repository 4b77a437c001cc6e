/* themes: core:smtpd service sign proto ipc smtp io mail tls conf codec base */
#include <assert.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "file.h"
#include "log.h"
#include "mem.h"
#include "proto_submit.h"
#include "reply.h"
#include "session.h"
#include "tls.h"

/* A whole conversation: the input is what a client says, all at once or in pieces. */

static const char config[] =
    "hostname mx.test.example\n"
    "mailname box.test.example\n"
    "postmaster qm@test.example\n"
    "localserve %s\n"
    "listen l { address 127.0.0.1  smtp 25  submission 587  require-tls-for-auth no }\n"
    "domain test.example { }\n"
    "account qm { address qm@test.example }\n"
    "smtp { error-delay 0  errors 1000  memory 1M  message-size 64K  recipients 5  "
    "local-recipients 5  data-line 1000 }\n";

static struct server server;
static struct ipc *queue;
static struct port ports[3] = {
    {.kind = PORT_SMTP, .name = (char *)"l smtp", .label = (char *)"l", .fd = -1},
    {.kind = PORT_SUBMISSION,
     .name = (char *)"l submission",
     .label = (char *)"l",
     .fd = -1,
     .clear_auth = true},
    {.kind = PORT_LOCAL, .name = (char *)"local", .label = (char *)"", .fd = -1},
};

/* A message that reached the queue keeps to what was promised for it. */
static int on_submit(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    struct submit_envelope *e;
    struct buf body = {0};
    uint64_t size;
    int fd;
    int rc = submit_read(m, 128 << 10, &e, &fd, &size, f);
    assert(rc == 0);
    assert(e->recipients_n > 0 && e->recipients_n <= 5);
    assert(file_read_fd(fd, 128 << 10, &body, f) == 0 && body.n == size);
    assert(memchr(buf_span(&body).p, '\0', body.n) == NULL);
    for (size_t i = 0; i < body.n; i++) {
        const unsigned char *p = buf_span(&body).p;
        assert(p[i] != '\n' || (i > 0 && p[i - 1] == '\r'));
        assert(p[i] != '\r' || (i + 1 < body.n && p[i + 1] == '\n'));
    }
    submit_accept(ch, m->id, 1);
    buf_free(&body);
    submit_envelope_free(&e);
    (void)close(fd);
    return 0;
}

static void set_up(void)
{
    static const struct ipc_handler handler = {.on_message = on_submit};
    struct conf_errors errors = {0};
    struct fail f = {{0}};
    struct buf share = {0};
    int fd[2];
    char *text = mem_format(config, "yes");
    log_open("fuzz", LOG_ERROR_);
    assert(tls_init(&f) == 0);
    struct conf *whole = conf_parse("fuzz.conf", span_text(text), &errors);
    assert(whole != NULL);
    conf_encode(whole, CONF_SMTPD, &share);
    struct conf *conf = conf_decode(buf_span(&share), CONF_SMTPD, &f);
    assert(conf != NULL);
    server.mailname = mem_text("");
    server_open(&server, event_base_new(), NULL);
    struct settings *settings = settings_new(conf, "", NULL, 0, &server.signing, &f);
    assert(settings != NULL);
    server_use(&server, settings);
    assert(ipc_pair(fd, &f) == 0);
    queue = ipc_new(server.base, fd[1], "queue", &handler, NULL);
    server_link(&server, "submit", fd[0]);
    conf_free(&whole);
    conf_errors_free(&errors);
    buf_free(&share);
    mem_free(&text);
}

/* The ports are not those of the settings, which have no sockets: a connection keeps to its own. */
static int connect_to(struct port *port)
{
    struct sockaddr_in v4 = {.sin_family = AF_INET};
    struct sockaddr un = {.sa_family = AF_UNIX};
    int fd[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fd) != 0)
        abort();
    session_new(&server, port, fd[0], port->kind == PORT_LOCAL ? &un : (struct sockaddr *)&v4);
    return fd[1];
}

static void receive(int fd, struct buf *replies)
{
    unsigned char octets[4096];
    ssize_t got;
    while ((got = recv(fd, octets, sizeof octets, 0)) > 0)
        buf_put(replies, octets, (size_t)got);
}

/* All that was said is made of replies as they should be. */
static void check(const struct buf *replies)
{
    struct reply_parser parser;
    struct fail f;
    struct span in = buf_span(replies);
    reply_open(&parser);
    while (in.n > 0) {
        enum reply_got got = reply_feed(&parser, &in, &f);
        assert(got == REPLY_DONE);
        int code = parser.reply.code;
        assert(code / 100 == 2 || code == 334 || code == 354 || code / 100 == 4 || code / 100 == 5);
        for (size_t i = 0; i < parser.reply.kept; i++)
            assert(reply_line(&parser.reply, i).n <= REPLY_WRITE_LINE - 2);
    }
    reply_close(&parser);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf replies = {0};
    if (server.base == NULL)
        set_up();
    if (size < 2)
        return 0;
    size_t piece = data[1] == 0 ? size : data[1];
    int fd = connect_to(&ports[data[0] % 3]);
    for (size_t at = 2; at < size;) {
        size_t n = size - at < piece ? size - at : piece;
        ssize_t put = send(fd, data + at, n, MSG_NOSIGNAL);
        if (put < 0 && errno != EAGAIN)
            break;
        at += put > 0 ? (size_t)put : 0;
        (void)event_base_loop(server.base, EVLOOP_NONBLOCK);
        receive(fd, &replies);
    }
    (void)shutdown(fd, SHUT_WR);
    for (int i = 0; i < 100000 && server.sessions_n > 0; i++) {
        const struct session *s = TAILQ_FIRST(&server.sessions);
        if (s->step == STEP_HOLD || s->step == STEP_SLOW)
            (void)shutdown(fd, SHUT_RDWR);
        (void)event_base_loop(server.base, EVLOOP_NONBLOCK);
        receive(fd, &replies);
    }
    receive(fd, &replies);
    (void)close(fd);
    assert(server.sessions_n == 0 && server.memory == 0 && server.outstanding == 0);
    check(&replies);
    buf_free(&replies);
    return 0;
}
