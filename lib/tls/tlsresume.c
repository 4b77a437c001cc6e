#include "tlsresume.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

#include <bsd/sys/queue.h>

#include "clock.h"
#include "mem.h"
#include "trees.h"

struct entry {
    RB_ENTRY(entry) by_peer;
    TAILQ_ENTRY(entry) age;
    char *peer;
    const struct tlspolicy *policy;
    SSL_SESSION *session;
    int64_t until_ms;
};

static int by_peer(struct entry *a, struct entry *b)
{
    return strcmp(a->peer, b->peer);
}

RB_HEAD(entries, entry);
RB_GENERATE_STATIC(entries, entry, by_peer, by_peer)

struct tlsresume {
    unsigned references, limit, n;
    struct entries entries;
    TAILQ_HEAD(, entry) ages; /* the oldest first */
};

struct tlsresume *tlsresume_new(unsigned limit)
{
    struct tlsresume *r = mem_zero(sizeof *r);
    r->references = 1;
    r->limit = limit;
    RB_INIT(&r->entries);
    TAILQ_INIT(&r->ages);
    return r;
}

struct tlsresume *tlsresume_hold(struct tlsresume *r)
{
    r->references++;
    return r;
}

static struct entry *find(struct tlsresume *r, const char *peer)
{
    struct entry like = {.peer = (char *)peer};
    return RB_FIND(entries, &r->entries, &like);
}

/* The entry goes; its session is the caller's. */
static SSL_SESSION *take_out(struct tlsresume *r, struct entry *e)
{
    SSL_SESSION *session = e->session;
    RB_REMOVE(entries, &r->entries, e);
    TAILQ_REMOVE(&r->ages, e, age);
    r->n--;
    tlspolicy_drop(&e->policy);
    mem_free(&e->peer);
    mem_free(&e);
    return session;
}

static void forget(struct tlsresume *r, struct entry *e)
{
    if (e != NULL)
        SSL_SESSION_free(take_out(r, e));
}

void tlsresume_drop(struct tlsresume **rp)
{
    struct tlsresume *r = *rp;
    *rp = NULL;
    if (r == NULL)
        return;
    assert(r->references > 0);
    if (--r->references > 0)
        return;
    while (r->n > 0)
        forget(r, TAILQ_FIRST(&r->ages));
    mem_free(&r);
}

void tlsresume_put(struct tlsresume *r, const char *peer, const struct tlspolicy *policy,
                   SSL_SESSION *session)
{
    long lasts = SSL_SESSION_get_timeout(session);
    forget(r, find(r, peer));
    if (r->limit == 0 || lasts <= 0 || SSL_SESSION_is_resumable(session) != 1) {
        SSL_SESSION_free(session);
        return;
    }
    if (r->n == r->limit)
        forget(r, TAILQ_FIRST(&r->ages));
    struct entry *e = mem_zero(sizeof *e);
    e->peer = mem_text(peer);
    e->policy = tlspolicy_hold(policy);
    e->session = session;
    e->until_ms =
        clock_wall_ms() + (lasts < TLSRESUME_SECONDS ? (int64_t)lasts : TLSRESUME_SECONDS) * 1000;
    (void)RB_INSERT(entries, &r->entries, e);
    TAILQ_INSERT_TAIL(&r->ages, e, age);
    r->n++;
}

SSL_SESSION *tlsresume_take(struct tlsresume *r, const char *peer, const struct tlspolicy *policy)
{
    struct entry *e = find(r, peer);
    if (e == NULL)
        return NULL;
    /* After a fatal alert it is not resumable any more (RFC 5246 section 7.2.2). */
    bool good = tlspolicy_same_connection(e->policy, policy) && clock_wall_ms() < e->until_ms &&
                SSL_SESSION_is_resumable(e->session) == 1;
    SSL_SESSION *session = take_out(r, e);
    if (good)
        return session;
    SSL_SESSION_free(session);
    return NULL;
}
