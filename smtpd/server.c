#include "server.h"

#include <assert.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "ascii.h"
#include "file.h"
#include "handover.h"
#include "listener.h"
#include "log.h"
#include "mem.h"
#include "session.h"
#include "tls.h"

#define MAILNAME_MAX 1000
#define RELIST_S 3 /* the vault may get a new configuration a little after we do */
#define STOP_POLL_MS 20
#define STOP_POLLS 100

/* Debian's name of this machine for mail. There may be none. */
static char *read_mailname(void)
{
    struct buf text = {0};
    struct span rest, first = {0};
    if (file_read(AT_FDCWD, "/etc/mailname", MAILNAME_MAX, &text, NULL) != 0)
        buf_clear(&text);
    rest = buf_span(&text);
    (void)ascii_token(&rest, " \t\r\n", &first);
    char *name = span_dup(first);
    buf_free(&text);
    return name;
}

int server_init(struct server *sv, struct fail *f)
{
    tzset();
    sv->mailname = read_mailname();
    return tls_init(f);
}

static void on_relist(evutil_socket_t fd, short what, void *arg)
{
    struct server *sv = arg;
    (void)fd;
    (void)what;
    signer_use(sv->signer, sv->vault);
}

static void on_stop_poll(evutil_socket_t fd, short what, void *arg);

void server_open(struct server *sv, struct event_base *base, struct service *service)
{
    sv->service = service;
    sv->base = base;
    sv->signing.fd = -1;
    TAILQ_INIT(&sv->sessions);
    handover_init(sv);
    sv->clients = clients_new();
    sv->signer = signer_new(sv->base);
    sv->relist = evtimer_new(sv->base, on_relist, sv);
    sv->stop_timer = event_new(sv->base, -1, EV_PERSIST, on_stop_poll, sv);
    assert(sv->relist != NULL && sv->stop_timer != NULL);
}

static void destroy_sessions(struct server *sv)
{
    struct session *s;
    while ((s = TAILQ_FIRST(&sv->sessions)) != NULL)
        session_destroy(&s);
}

static void drop_vault(struct server *sv)
{
    struct ipc *old = sv->vault;
    signer_use(sv->signer, NULL);
    sv->vault = NULL;
    ipc_free(&old);
}

static void drop_signing(struct server *sv)
{
    if (sv->signing_end != NULL)
        event_free(sv->signing_end);
    sv->signing_end = NULL;
    file_close(&sv->signing.fd);
}

static void drop_queue(struct server *sv)
{
    struct ipc *old = sv->queue;
    sv->queue = NULL;
    ipc_free(&old);
    handover_resume(sv);
}

void server_close(struct server *sv)
{
    if (sv->base == NULL)
        return;
    listener_free(&sv->listener);
    destroy_sessions(sv);
    drop_vault(sv);
    drop_queue(sv);
    /* What these have put off to the next turn of the loop. */
    (void)event_base_loop(sv->base, EVLOOP_NONBLOCK);
    drop_signing(sv);
    signer_free(&sv->signer);
    clients_free(&sv->clients);
    event_free(sv->relist);
    event_free(sv->stop_timer);
    settings_drop(&sv->settings);
    mem_free(&sv->mailname);
}

void server_use(struct server *sv, struct settings *settings)
{
    const struct timeval soon = {RELIST_S, 0};
    struct settings *old = sv->settings;
    listener_free(&sv->listener);
    sv->settings = settings;
    settings_drop(&old);
    if (!sv->stopping)
        sv->listener = listener_new(sv);
    (void)evtimer_add(sv->relist, &soon);
    log_info(NULL, "configuration in use", LU("ports", settings->ports_n));
}

/* ---- channels ---- */

static void tell_lost(struct server *sv, const char *link)
{
    if (sv->service != NULL)
        service_link_lost(sv->service, link);
}

static void on_queue_closed(struct ipc *ch, void *arg, const char *why)
{
    struct server *sv = arg;
    (void)ch;
    log_warn(NULL, "the queue is gone", LS("why", why));
    drop_queue(sv);
    tell_lost(sv, "submit");
}

static void on_vault_closed(struct ipc *ch, void *arg, const char *why)
{
    struct server *sv = arg;
    (void)ch;
    log_warn(NULL, "the vault is gone", LS("why", why));
    drop_vault(sv);
    tell_lost(sv, "secret");
}

/* The new channel is there before the old one's questions are answered: what follows from that can
 * use it. */
static void link_queue(struct server *sv, int fd)
{
    static const struct ipc_handler handler = {.on_closed = on_queue_closed};
    struct ipc *old = sv->queue;
    sv->queue = ipc_new(sv->base, fd, "submit", &handler, sv);
    ipc_free(&old);
    handover_resume(sv);
}

static void link_vault(struct server *sv, int fd)
{
    static const struct ipc_handler handler = {.on_closed = on_vault_closed};
    drop_vault(sv);
    sv->vault = ipc_new(sv->base, fd, "secret", &handler, sv);
    sv->vault_number++;
    signer_use(sv->signer, sv->vault);
}

static void on_signing_end(evutil_socket_t fd, short what, void *arg)
{
    struct server *sv = arg;
    (void)fd;
    (void)what;
    log_warn(NULL, "the vault signs no more");
    drop_signing(sv);
    tell_lost(sv, "sign");
}

/* What is to be read there belongs to the handshake that waits for it: only the end shows here. */
static void link_signing(struct server *sv, int fd)
{
    drop_signing(sv);
    sv->signing.fd = fd;
    sv->signing_end = event_new(sv->base, fd, EV_CLOSED | EV_PERSIST, on_signing_end, sv);
    assert(sv->signing_end != NULL);
    (void)event_add(sv->signing_end, NULL);
}

void server_link(struct server *sv, const char *name, int fd)
{
    if (strcmp(name, "submit") == 0) {
        link_queue(sv, fd);
    } else if (strcmp(name, "secret") == 0) {
        link_vault(sv, fd);
    } else if (strcmp(name, "sign") == 0) {
        link_signing(sv, fd);
    } else {
        log_error(NULL, "unknown link", LS("name", name));
        (void)close(fd);
    }
}

/* ---- the end ---- */

static void on_stop_poll(evutil_socket_t fd, short what, void *arg)
{
    struct server *sv = arg;
    (void)fd;
    (void)what;
    if (sv->sessions_n > 0 && ++sv->stop_polls < STOP_POLLS)
        return;
    service_done(sv->service);
}

void server_stop(struct server *sv)
{
    const struct timeval interval = {0, STOP_POLL_MS * 1000L};
    struct session *s, *next;
    sv->stopping = true;
    listener_free(&sv->listener);
    for (s = TAILQ_FIRST(&sv->sessions); s != NULL; s = next) {
        next = TAILQ_NEXT(s, next);
        session_say_goodbye(s);
    }
    (void)event_add(sv->stop_timer, &interval);
}

/* ---- counting ---- */

void server_count(struct server *sv, enum counter counter, int64_t n)
{
    if (sv->service != NULL)
        service_count(sv->service, counter, n);
}

void server_gauge(struct server *sv, enum counter counter, uint64_t value)
{
    if (sv->service != NULL)
        service_gauge(sv->service, counter, value);
}

/* Told when it begins and, some while later, ends: not each message around the half is worth a
 * line. */
static void note_memory(struct server *sv)
{
    uint64_t most = sv->settings->memory;
    if (sv->memory_short ? sv->memory > most / 4 : sv->memory <= most / 2)
        return;
    sv->memory_short = !sv->memory_short;
    log_warn(NULL,
             sv->memory_short ? "memory gets short: new mail is slowed down"
                              : "memory enough again",
             LU("octets", sv->memory), LU("most", most));
}

void server_hold(struct server *sv, int64_t octets)
{
    assert(octets >= 0 || sv->memory >= (uint64_t)-octets);
    sv->memory += (uint64_t)octets;
    server_gauge(sv, COUNT_MEMORY, sv->memory);
    note_memory(sv);
}

int64_t server_delay_ms(const struct server *sv, const struct settings *s)
{
    uint64_t half = s->memory / 2, left = sv->memory < s->memory ? s->memory - sv->memory : 0;
    if (left >= half)
        return 0;
    return (int64_t)((double)s->slow_down * (1 - (double)left / (double)half));
}
