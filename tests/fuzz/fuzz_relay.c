/* themes: core:delivery service proto ipc dns smtp io mailjson mail tls json conf codec base */

/* A server that a message is delivered to over SMTP or LMTP, and that says what it likes: the first
 * octet chooses the protocol and the number of recipients; then come what it says when it is
 * connected to, and each time it has heard something or nothing for a while, pieces that 0xff
 * parts. When there are no more it hangs up. The password that it may ask for is given. */

#include <assert.h>
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "agent.h"
#include "file.h"
#include "log.h"
#include "mem.h"
#include "pool.h"
#include "proto_secret.h"
#include "proto_types.h"
#include "tls.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define TURNS 20000
#define SILENCE_US 1000
#define BODY "Subject: hi\r\n\r\nhello\r\n"

/* ---- the frame of a process ---- */

void service_count_time(struct service *s, unsigned first, const int64_t *bounds_ms, unsigned n,
                        int64_t ms)
{
}

void service_count(struct service *s, unsigned counter, int64_t n)
{
    assert(counter < DELIVERY_COUNTERS);
}

void service_gauge(struct service *s, unsigned counter, uint64_t value)
{
    assert(counter < DELIVERY_COUNTERS);
}

bool service_stopping(const struct service *s)
{
    return false;
}

void service_done(struct service *s)
{
}

void service_link_lost(struct service *s, const char *name)
{
}

/* ---- the server ---- */

static struct {
    int listener;
    struct sockaddr_un at;
    struct event *readable;
    const uint8_t *data, *end;
} server;

static struct {
    struct event_base *base;
    struct agent agent;
    struct ipc *qmgr, *vault;
    struct transport *smtp, *lmtp;
    int body;
} world;

struct client {
    int fd;
    struct event *readable, *silence;
};

static void hang_up(struct client *c)
{
    event_free(c->readable);
    event_free(c->silence);
    (void)close(c->fd);
    free(c);
}

static void say(struct client *c)
{
    const struct timeval silence = {0, SILENCE_US};
    (void)evtimer_add(c->silence, &silence);
    if (server.data >= server.end) {
        hang_up(c);
        return;
    }
    const uint8_t *part = memchr(server.data, 0xff, (size_t)(server.end - server.data));
    size_t n = (size_t)((part == NULL ? server.end : part) - server.data);
    if (n > 0 && send(c->fd, server.data, n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        server.end = server.data;
    else
        server.data = part == NULL ? server.end : part + 1;
}

static void on_words(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = arg;
    char words[65536];
    if (recv(fd, words, sizeof words, MSG_DONTWAIT) <= 0)
        hang_up(c);
    else
        say(c);
}

static void on_silence(evutil_socket_t fd, short what, void *arg)
{
    say(arg);
}

static void on_client(evutil_socket_t fd, short what, void *arg)
{
    struct client *c = malloc(sizeof *c);
    assert(c != NULL);
    c->fd = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    assert(c->fd >= 0);
    c->readable = event_new(world.base, c->fd, EV_READ | EV_PERSIST, on_words, c);
    (void)event_add(c->readable, NULL);
    c->silence = evtimer_new(world.base, on_silence, c);
    say(c);
}

static int on_secret(struct ipc *ch, void *arg, struct ipc_message *m, struct fail *f)
{
    static const struct secret_login login = {.handle = 1,
                                              .mechanism = (char *)"PLAIN",
                                              .speaks = true,
                                              .message = {(const unsigned char *)"\0u\0p", 4},
                                              .complete = true};
    if (m->type != MSG_SECRET_AUTH_CANCEL)
        secret_answer_login(ch, m->id, &login);
    return 0;
}

/* ---- what has to hold ---- */

struct outcome {
    bool done;
    uint32_t delivered;
};

static void on_results(void *arg, const struct deliver_result *results, uint32_t n,
                       const struct deliver_report *report, const struct deliver_incoming *incoming)
{
    struct outcome *o = arg;
    assert(results != NULL);
    o->done = true;
    for (uint32_t i = 0; i < n; i++) {
        const struct deliver_result *r = &results[i];
        /* Only a 2xx to the dot delivers, and only a 5xx, or what we know ourselves, is for good.
         */
        assert(r->status != DELIVER_DONE || (r->code / 100 == 2 && strcmp(r->stage, "dot") == 0));
        assert(r->status != DELIVER_FAILED || r->code / 100 == 5 || r->code == 0);
        assert(r->status != DELIVER_FAILED || strcmp(r->stage, "auth") != 0);
        assert(r->enhanced[0] == '2' || r->enhanced[0] == '4' || r->enhanced[0] == '5');
        o->delivered += r->status == DELIVER_DONE;
    }
}

static uint32_t lines_with(const uint8_t *data, size_t size, uint8_t first)
{
    uint32_t n = 0;
    for (size_t i = 0; i < size; i++)
        n += data[i] == first && (i == 0 || data[i - 1] == '\n' || data[i - 1] == 0xff);
    return n;
}

static void deliver(uint32_t recipients, struct outcome *o)
{
    static uint64_t id;
    struct deliver_job *job = mem_zero(sizeof *job);
    *job = (struct deliver_job){.message = id += 10, .attempt = 1, .size = strlen(BODY)};
    job->transport = mem_text("x");
    job->destination = mem_text("example.net");
    job->sender = mem_text("a@us.test");
    job->envid = mem_text("");
    job->ret = mem_text("");
    job->recipients = mem_array(recipients, sizeof *job->recipients);
    job->recipients_n = recipients;
    for (uint32_t i = 0; i < recipients; i++) {
        job->recipients[i].id = id + i;
        job->recipients[i].address = mem_format("r%u@example.net", i);
        job->recipients[i].orcpt = mem_text("");
    }
    deliver_ask(world.qmgr, job, world.body, on_results, o);
    deliver_job_free(&job);
    for (int i = 0; i < TURNS && !o->done; i++)
        (void)event_base_loop(world.base, EVLOOP_ONCE);
    assert(o->done);
    /* Idle connections, and those that said QUIT, come to their end. */
    pool_reload(world.agent.pool);
    for (int i = 0; i < 20; i++)
        (void)event_base_loop(world.base, EVLOOP_NONBLOCK);
}

/* ---- the world ---- */

static struct transport *transport_of(const char *block)
{
    struct conf_errors errors;
    struct buf share = {0};
    struct fail f = {{0}};
    char *text = mem_format("hostname us.test\ntransport x { %s }\n", block);
    struct conf *whole = conf_parse("/x", span_text(text), &errors);
    assert(whole != NULL);
    conf_encode(whole, CONF_DELIVERY, &share);
    struct conf *conf = conf_decode(buf_span(&share), CONF_DELIVERY, &f);
    assert(conf != NULL);
    const struct transport_machine machine = {.resolv_conf = span_text("nameserver 127.0.0.1\n"),
                                              .roots = world.agent.roots};
    struct transport *t = transport_new(conf, "x", world.base, &machine, &f);
    assert(t != NULL);
    /* Both go to the server here. */
    t->socket = server.at.sun_path;
    t->socket_folder = 0;
    conf_free(&whole);
    conf_errors_free(&errors);
    buf_free(&share);
    mem_free(&text);
    return t;
}

static void open_server(void)
{
    static char folder[] = "/tmp/fuzz-relay-XXXXXX";
    assert(mkdtemp(folder) != NULL);
    server.at.sun_family = AF_UNIX;
    (void)snprintf(server.at.sun_path, sizeof server.at.sun_path, "%s/s", folder);
    server.listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    assert(bind(server.listener, (struct sockaddr *)&server.at, sizeof server.at) == 0);
    assert(listen(server.listener, 64) == 0);
    server.readable = event_new(world.base, server.listener, EV_READ | EV_PERSIST, on_client, NULL);
    (void)event_add(server.readable, NULL);
}

static void remove_socket(void)
{
    (void)unlink(server.at.sun_path);
    *strrchr(server.at.sun_path, '/') = '\0';
    (void)rmdir(server.at.sun_path);
}

static void open_world(void)
{
    static const struct ipc_handler qmgr = {NULL, NULL}, vault = {on_secret, NULL};
    struct fail f;
    int fd[2];
    log_open("fuzz", (enum log_level)(LOG_ERROR_ + 1));
    world.base = event_base_new();
    assert(world.base != NULL && tls_init(&f) == 0);
    open_server();
    (void)atexit(remove_socket);
    world.agent.label = "x";
    world.agent.base = world.base;
    world.agent.roots = X509_STORE_new();
    world.agent.pool = pool_new(&world.agent);
    agent_open(&world.agent);
    world.smtp = transport_of("submission { host localhost  tls none  idle-timeout 0\n"
                              "auth { user u  password-file p } }");
    world.lmtp = transport_of("lmtp { socket /s  idle-timeout 0 }");
    assert(ipc_pair(fd, &f) == 0);
    world.qmgr = ipc_new(world.base, fd[0], "qmgr", &qmgr, NULL);
    agent_link(&world.agent, fd[1]);
    assert(ipc_pair(fd, &f) == 0);
    world.vault = ipc_new(world.base, fd[0], "vault", &vault, NULL);
    agent_link_vault(&world.agent, fd[1]);
    world.body = file_sealed("body", span_text(BODY), &f);
    assert(world.body >= 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct outcome o = {0};
    if (world.base == NULL)
        open_world();
    if (size == 0 || size > 4096)
        return 0;
    bool lmtp = (data[0] & 1) != 0;
    uint32_t recipients = 1 + (data[0] >> 1) % 4;
    world.agent.transport = lmtp ? world.lmtp : world.smtp;
    server.data = data + 1;
    server.end = data + size;
    deliver(recipients, &o);
    /* Over LMTP each one that was delivered needs an answer of its own, beside all those before. */
    uint32_t twos = lines_with(data + 1, size - 1, '2');
    assert(o.delivered == 0 || lines_with(data + 1, size - 1, '3') > 0);
    assert(!lmtp || o.delivered == 0 || twos >= o.delivered + 3);
    return 0;
}
