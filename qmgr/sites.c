#include "sites.h"

#include <string.h>

#include "mem.h"

#define FAILED_MAX 3    /* failures in a row, one delivery at a time, before it is suspended */
#define PAUSES_MAX 4096 /* beyond that the oldest is forgotten */
#define WHY_MAX 500     /* octets */

/* What a result says of the destination, whatever it says of the message. */
enum word { NOTHING, UNREACHED, REACHED };

/* Stages at which nobody has heard of a message yet. */
static const char *const before_mail[] = {"dns", "connect", "greeting", "ehlo", "starttls"};

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
}

static struct destination *end(struct sites *s, struct pause *p)
{
    struct destination *d = p->destination;
    TAILQ_REMOVE(&s->pauses, p, next);
    s->n--;
    d->pause = NULL;
    mem_free(&p->transport);
    mem_free(&p->enhanced);
    mem_free(&p->stage);
    mem_free(&p->host);
    mem_free(&p->why);
    mem_free(&p);
    return d;
}

void sites_clear(struct sites *s)
{
    struct pause *p;
    while ((p = TAILQ_FIRST(&s->pauses)) != NULL)
        (void)end(s, p);
}

void sites_forgive(struct sites *s)
{
    struct pause *p;
    while ((p = TAILQ_FIRST(&s->pauses)) != NULL)
        window_update_destination(s->window, end(s, p));
}

static bool is_over(const struct pause *p, int64_t now_ms)
{
    return now_ms >= p->until_ms || now_ms < p->since_ms;
}

void sites_expire(struct sites *s, int64_t now_ms)
{
    struct pause *p;
    while ((p = TAILQ_FIRST(&s->pauses)) != NULL && is_over(p, now_ms))
        window_update_destination(s->window, end(s, p));
}

static void suspend(struct sites *s, struct destination *d, const char *transport,
                    const struct deliver_result *last, int64_t now_ms, int64_t pause_ms)
{
    const char *text = last->reply[0] != '\0' ? last->reply : last->error;
    size_t n = strcspn(text, "\n");
    if (d->pause != NULL)
        (void)end(s, d->pause);
    if (s->n >= PAUSES_MAX)
        window_update_destination(s->window, end(s, TAILQ_FIRST(&s->pauses)));
    struct pause *p = mem_zero(sizeof *p);
    *p = (struct pause){.destination = d,
                        .since_ms = now_ms,
                        .until_ms = now_ms + pause_ms,
                        .transport = mem_text(transport),
                        .enhanced = mem_text(last->enhanced),
                        .stage = mem_text(last->stage),
                        .host = mem_text(last->remote_host),
                        .why = mem_format("delivery temporarily suspended: %.*s",
                                          (int)(n < WHY_MAX ? n : WHY_MAX), text)};
    TAILQ_INSERT_TAIL(&s->pauses, p, next);
    s->n++;
    d->pause = p;
}

static void grow(struct sites *s, struct destination *d, const char *transport)
{
    d->failed = 0;
    if (d->pause != NULL && strcmp(d->pause->transport, transport) == 0)
        (void)end(s, d->pause);
    /* What was not in use proves nothing. */
    if (d->inflight + 1 >= d->limit && d->limit < s->window->limit_max)
        d->limit++;
}

bool sites_note(struct sites *s, struct destination *d, const char *transport,
                const struct deliver_result *results, uint32_t n, int64_t now_ms, int64_t pause_ms)
{
    const struct deliver_result *most = most_telling(results, n);
    enum word word = most == NULL ? NOTHING : word_of(most);
    if (word == REACHED)
        grow(s, d, transport);
    if (word != UNREACHED)
        return false;
    if (d->limit > 1) {
        d->limit /= 2;
        return false;
    }
    if (++d->failed < FAILED_MAX || pause_ms == 0)
        return false;
    d->failed = FAILED_MAX; /* the next attempt, when the time is over, is the last one again */
    suspend(s, d, transport, most, now_ms, pause_ms);
    return true;
}

const struct pause *sites_pause(const struct destination *d, const char *transport, int64_t now_ms)
{
    const struct pause *p = d->pause;
    return p != NULL && !is_over(p, now_ms) && strcmp(p->transport, transport) == 0 ? p : NULL;
}
