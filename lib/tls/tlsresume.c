#include "tlsresume.h"

#include <assert.h>
#include <stdint.h>

#include "clock.h"
#include "mem.h"
#include "memo.h"

/* Of each peer what there is to resume. */
struct kept {
    const struct tlspolicy *policy;
    SSL_SESSION *session;
};

struct tlsresume {
    unsigned references;
    struct memo *sessions; /* NULL: none are kept */
};

static void release(void *value)
{
    struct kept *k = value;
    tlspolicy_drop(&k->policy);
    SSL_SESSION_free(k->session);
    k->session = NULL;
}

struct tlsresume *tlsresume_new(unsigned limit)
{
    struct tlsresume *r = mem_zero(sizeof *r);
    r->references = 1;
    r->sessions = limit == 0 ? NULL : memo_new(limit, sizeof(struct kept), release);
    return r;
}

struct tlsresume *tlsresume_hold(struct tlsresume *r)
{
    r->references++;
    return r;
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
    memo_free(&r->sessions);
    mem_free(&r);
}

void tlsresume_put(struct tlsresume *r, const char *peer, const struct tlspolicy *policy,
                   SSL_SESSION *session)
{
    int64_t now = clock_wall_ms(), lasts = SSL_SESSION_get_timeout(session);
    if (r->sessions == NULL || lasts <= 0 || SSL_SESSION_is_resumable(session) != 1) {
        SSL_SESSION_free(session);
        return;
    }
    if (lasts > TLSRESUME_SECONDS)
        lasts = TLSRESUME_SECONDS;
    struct kept *k = memo_write(r->sessions, peer, now, now + lasts * 1000);
    release(k);
    k->policy = tlspolicy_hold(policy);
    k->session = session;
}

SSL_SESSION *tlsresume_take(struct tlsresume *r, const char *peer, const struct tlspolicy *policy)
{
    struct kept *k = r->sessions == NULL ? NULL : memo_find(r->sessions, peer, clock_wall_ms());
    if (k == NULL)
        return NULL;
    /* After a fatal alert it is not resumable any more (RFC 5246 section 7.2.2). */
    bool good =
        tlspolicy_same_connection(k->policy, policy) && SSL_SESSION_is_resumable(k->session) == 1;
    SSL_SESSION *session = good ? k->session : NULL;
    if (good)
        k->session = NULL;
    memo_forget(r->sessions, peer);
    return session;
}
