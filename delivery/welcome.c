#include "welcome.h"

#include <bsd/sys/queue.h>
#include <string.h>

#include "mem.h"
#include "trees.h"

struct entry {
    RB_ENTRY(entry) by_host;
    TAILQ_ENTRY(entry) age;
    char *host;
    int family;
    int64_t until_ms;
};

static int by_host(struct entry *a, struct entry *b)
{
    return strcmp(a->host, b->host);
}

RB_HEAD(entry_tree, entry);
RB_GENERATE_STATIC(entry_tree, entry, by_host, by_host)

struct welcome {
    struct entry_tree tree;
    TAILQ_HEAD(, entry) entries; /* oldest first */
    unsigned n, max;
};

struct welcome *welcome_new(unsigned max)
{
    struct welcome *w = mem_zero(sizeof *w);
    RB_INIT(&w->tree);
    TAILQ_INIT(&w->entries);
    w->max = max;
    return w;
}

static void forget(struct welcome *w, struct entry *e)
{
    RB_REMOVE(entry_tree, &w->tree, e);
    TAILQ_REMOVE(&w->entries, e, age);
    w->n--;
    mem_free(&e->host);
    mem_free(&e);
}

void welcome_clear(struct welcome *w)
{
    struct entry *e;
    while ((e = TAILQ_FIRST(&w->entries)) != NULL)
        forget(w, e);
}

void welcome_free(struct welcome **wp)
{
    if (*wp == NULL)
        return;
    welcome_clear(*wp);
    mem_free(wp);
}

static struct entry *find(const struct welcome *w, const char *host)
{
    struct entry like = {.host = (char *)host};
    return RB_FIND(entry_tree, (struct entry_tree *)&w->tree, &like);
}

void welcome_refused(struct welcome *w, const char *host, int family, int64_t now_ms)
{
    struct entry *e = find(w, host);
    if (e != NULL)
        forget(w, e);
    e = mem_zero(sizeof *e);
    e->host = mem_text(host);
    e->family = family;
    e->until_ms = now_ms + WELCOME_MS;
    (void)RB_INSERT(entry_tree, &w->tree, e);
    TAILQ_INSERT_TAIL(&w->entries, e, age);
    if (++w->n > w->max)
        forget(w, TAILQ_FIRST(&w->entries));
}

void welcome_taken(struct welcome *w, const char *host, int family)
{
    struct entry *e = find(w, host);
    if (e != NULL && e->family == family)
        forget(w, e);
}

int welcome_last(const struct welcome *w, const char *host, int64_t now_ms)
{
    const struct entry *e = find(w, host);
    return e != NULL && now_ms < e->until_ms ? e->family : 0;
}
