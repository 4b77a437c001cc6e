#include "sites.h"

#include <limits.h>
#include <string.h>

#include "mem.h"

#define FAILED_MAX 3    /* failures in a row, one delivery at a time, before it is suspended */
#define PAUSES_MAX 4096 /* beyond that the oldest is forgotten */
#define WHY_MAX 500     /* octets */

/* What a result says of the destination, whatever it says of the message. */
enum word { NOTHING, UNREACHED, REACHED };

/* Stages at which nobody has heard of a message yet. */
static const char *const before_mail[] = {"dns", "connect", "greeting", "ehlo", "starttls", "auth"};

static bool is_before_mail(const char *stage)
{
    for (size_t i = 0; i < sizeof before_mail / sizeof before_mail[0]; i++) {
        if (strcmp(stage, before_mail[i]) == 0)
            return true;
    }
    return false;
}

static enum word word_of(const struct deliver_result *r)
{
    if (r->status == DELIVER_DONE)
        return REACHED;
    /* 421: too much is asked of it, wherever it says so (RFC 5321 section 3.8). */
    if (r->status == DELIVER_DEFERRED && (r->code == 421 || is_before_mail(r->stage)))
        return UNREACHED;
    return r->code != 0 ? REACHED : NOTHING;
}

/* The result that tells most. */
static const struct deliver_result *most_telling(const struct deliver_result *results, uint32_t n)
{
    const struct deliver_result *most = NULL;
    for (uint32_t i = 0; i < n; i++) {
        if (most == NULL || word_of(&results[i]) > word_of(most))
            most = &results[i];
    }
    return most;
}

void sites_init(struct sites *s, struct window *w)
{
    *s = (struct sites){.window = w};
    TAILQ_INIT(&s->pauses);
    SLIST_INIT(&s->servers);
}

static void end(struct sites *s, struct pause *p)
{
    TAILQ_REMOVE(&s->pauses, p, next);
    s->n -= p->destination != NULL;
    p->site->pause = NULL;
    mem_free(&p->transport);
    mem_free(&p->enhanced);
    mem_free(&p->stage);
    mem_free(&p->host);
    mem_free(&p->why);
    mem_free(&p);
}

/* And lets the destination go, if nothing else keeps it. */
static void end_and_update(struct sites *s, struct pause *p)
{
    struct destination *d = p->destination;
    end(s, p);
    if (d != NULL)
        window_update_destination(s->window, d);
}

/* ---- servers ---- */

static void forget(struct sites *s, struct server *server)
{
    SLIST_REMOVE(&s->servers, server, server, next);
    mem_free(&server->transport);
    mem_free(&server->host);
    mem_free(&server);
}

static struct server *find(const struct sites *s, const char *transport, const char *host, int port)
{
    struct server *v;
    SLIST_FOREACH (v, &s->servers, next) {
        if (v->port == port && strcmp(v->transport, transport) == 0 && strcmp(v->host, host) == 0)
            return v;
    }
    return NULL;
}

struct server *sites_server(struct sites *s, const struct settings *settings, const char *transport)
{
    const char *host;
    int port;
    if (!settings_server(settings, transport, &host, &port))
        return NULL;
    struct server *v = find(s, transport, host, port);
    if (v == NULL) {
        v = mem_zero(sizeof *v);
        v->transport = mem_text(transport);
        v->host = mem_text(host);
        v->port = port;
        v->site.limit = (unsigned)settings->destination_concurrency_start;
        SLIST_INSERT_HEAD(&s->servers, v, next);
    }
    v->most = settings_deliveries(settings, transport);
    return v;
}

static unsigned room(unsigned most, unsigned used)
{
    return used < most ? most - used : 0;
}

static unsigned limit_of(const struct server *server)
{
    return server->site.limit < server->most ? server->site.limit : server->most;
}

unsigned sites_room(const struct server *server, enum due_class class, bool idle)
{
    if (server == NULL)
        return UINT_MAX;
    unsigned in_all = room(limit_of(server), server->site.inflight);
    unsigned here =
        room((unsigned)window_part_of(class, limit_of(server), idle), server->inflight[class]);
    return in_all < here ? in_all : here;
}

void sites_begin(struct server *server, enum due_class class)
{
    if (server == NULL)
        return;
    server->site.inflight++;
    server->inflight[class]++;
}

void sites_end(struct server *server, enum due_class class)
{
    if (server == NULL)
        return;
    server->site.inflight--;
    server->inflight[class]--;
}

/* ---- all ---- */

void sites_clear(struct sites *s)
{
    struct pause *p;
    struct server *v;
    while ((p = TAILQ_FIRST(&s->pauses)) != NULL)
        end(s, p);
    while ((v = SLIST_FIRST(&s->servers)) != NULL)
        forget(s, v);
}

void sites_forgive(struct sites *s)
{
    struct pause *p;
    struct server *v, *next;
    while ((p = TAILQ_FIRST(&s->pauses)) != NULL)
        end_and_update(s, p);
    SLIST_FOREACH_SAFE(v, &s->servers, next, next)
    {
        if (v->site.inflight == 0)
            forget(s, v);
    }
}

static bool is_over(const struct pause *p, int64_t now_ms)
{
    return now_ms >= p->until_ms || now_ms < p->since_ms;
}

void sites_expire(struct sites *s, int64_t now_ms)
{
    struct pause *p;
    while ((p = TAILQ_FIRST(&s->pauses)) != NULL && is_over(p, now_ms))
        end_and_update(s, p);
}

/* There is a suspended destination: the one that has been for the longest. */
static struct pause *oldest(const struct sites *s)
{
    struct pause *p = TAILQ_FIRST(&s->pauses);
    while (p->destination == NULL)
        p = TAILQ_NEXT(p, next);
    return p;
}

/* d: whose the site is, or NULL. */
static void suspend(struct sites *s, struct site *site, struct destination *d,
                    const char *transport, const struct deliver_result *last, int64_t now_ms,
                    int64_t pause_ms)
{
    const char *text = last->reply[0] != '\0' ? last->reply : last->error;
    size_t n = strcspn(text, "\n");
    if (site->pause != NULL)
        end(s, site->pause);
    if (d != NULL && s->n >= PAUSES_MAX)
        end_and_update(s, oldest(s));
    struct pause *p = mem_zero(sizeof *p);
    *p = (struct pause){.site = site,
                        .destination = d,
                        .since_ms = now_ms,
                        .until_ms = now_ms + pause_ms,
                        .transport = mem_text(transport),
                        .enhanced = mem_text(last->enhanced),
                        .stage = mem_text(last->stage),
                        .host = mem_text(last->remote_host),
                        .why = mem_format("delivery temporarily suspended: %.*s",
                                          (int)(n < WHY_MAX ? n : WHY_MAX), text)};
    TAILQ_INSERT_TAIL(&s->pauses, p, next);
    s->n += d != NULL;
    site->pause = p;
}

/* What was not in use proves nothing. */
static void grow(struct destination *d, unsigned most)
{
    if (d->site.inflight + 1 >= d->site.limit && d->site.limit < most)
        d->site.limit++;
}

/* A class that has all of its part in use needs more, though the other may leave its own; but for
 * what only other accounts may have. */
static void grow_server(struct server *server, enum due_class class)
{
    struct site *site = &server->site;
    bool used = site->inflight + 1 >= site->limit ||
                server->inflight[class] + 1 >= window_part_of(class, site->limit, false);
    if (used && site->limit < server->most)
        site->limit++;
}

static void recover(struct sites *s, struct site *site, const char *transport)
{
    site->failed = 0;
    if (site->pause != NULL && strcmp(site->pause->transport, transport) == 0)
        end(s, site->pause);
}

/* Whether it is to be suspended. */
static bool shrink(struct site *site)
{
    if (site->limit > 1) {
        site->limit /= 2;
        return false;
    }
    if (++site->failed < FAILED_MAX)
        return false;
    site->failed = FAILED_MAX; /* the next attempt, when the time is over, is the last one again */
    return true;
}

const struct pause *sites_note(struct sites *s, struct destination *d, struct server *server,
                               const char *transport, enum due_class class,
                               const struct deliver_result *results, uint32_t n, int64_t now_ms,
                               int64_t pause_ms)
{
    struct site *site = server != NULL ? &server->site : &d->site;
    const struct deliver_result *most = most_telling(results, n);
    enum word word = most == NULL ? NOTHING : word_of(most);
    if (word == REACHED) {
        recover(s, site, transport);
        grow(d, s->window->limit_max);
        if (server != NULL)
            grow_server(server, class);
    }
    if (word != UNREACHED || !shrink(site) || pause_ms == 0)
        return NULL;
    suspend(s, site, server != NULL ? NULL : d, transport, most, now_ms, pause_ms);
    return site->pause;
}

const struct pause *sites_pause(const struct destination *d, const struct server *server,
                                const char *transport, int64_t now_ms)
{
    const struct pause *p = server != NULL ? server->site.pause : d->site.pause;
    return p != NULL && !is_over(p, now_ms) && strcmp(p->transport, transport) == 0 ? p : NULL;
}
