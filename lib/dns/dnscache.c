#include "dnscache.h"

#include <search.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "mem.h"

/* Balanced trees (tsearch is a red-black tree) rather than a hash: strangers choose the names. */

struct kept {
    struct dnsname name;
    enum dns_type type;
    const struct dns_result *result;
    TAILQ_ENTRY(kept) link;
};

struct dnscache {
    void *tree;
    TAILQ_HEAD(entries, kept) recent; /* most recently used first */
    size_t n, max;
};

static int compare(const void *a, const void *b)
{
    const struct kept *x = a, *y = b;
    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    return dnsname_compare(&x->name, &y->name);
}

struct dnscache *dnscache_open(size_t max)
{
    struct dnscache *c = mem_zero(sizeof *c);
    TAILQ_INIT(&c->recent);
    c->max = max;
    return c;
}

static void forget(struct dnscache *c, struct kept *e)
{
    (void)tdelete(e, &c->tree, compare);
    TAILQ_REMOVE(&c->recent, e, link);
    c->n--;
    dnsresult_release(&e->result);
    mem_free(&e);
}

void dnscache_close(struct dnscache **c)
{
    if (*c == NULL)
        return;
    while (!TAILQ_EMPTY(&(*c)->recent))
        forget(*c, TAILQ_FIRST(&(*c)->recent));
    mem_free(c);
}

static struct kept *find(struct dnscache *c, const struct dnsname *name, enum dns_type type)
{
    struct kept key = {.name = *name, .type = type};
    void *node = tfind(&key, &c->tree, compare);
    return node == NULL ? NULL : *(struct kept **)node;
}

const struct dns_result *dnscache_find(struct dnscache *c, const struct dnsname *name,
                                       enum dns_type type, int64_t now_ms)
{
    struct kept *e = find(c, name, type);
    if (e == NULL)
        return NULL;
    if (e->result->expires_ms <= now_ms) {
        forget(c, e);
        return NULL;
    }
    TAILQ_REMOVE(&c->recent, e, link);
    TAILQ_INSERT_HEAD(&c->recent, e, link);
    return e->result;
}

void dnscache_put(struct dnscache *c, const struct dnsname *name, enum dns_type type,
                  const struct dns_result *result, int64_t now_ms)
{
    if (c->max == 0 || result->expires_ms <= now_ms || result->octets > DNSCACHE_OCTETS_MAX)
        return;
    struct kept *e = find(c, name, type);
    if (e != NULL)
        forget(c, e);
    else if (c->n == c->max)
        forget(c, TAILQ_LAST(&c->recent, entries));
    e = mem_zero(sizeof *e);
    e->name = *name;
    e->type = type;
    e->result = dnsresult_hold(result);
    if (tsearch(e, &c->tree, compare) == NULL)
        abort();
    TAILQ_INSERT_HEAD(&c->recent, e, link);
    c->n++;
}

size_t dnscache_count(const struct dnscache *c)
{
    return c->n;
}
