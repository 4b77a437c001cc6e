#include "memo.h"

#include <assert.h>
#include <stdalign.h>
#include <string.h>

#include <bsd/sys/queue.h>

#include "mem.h"
#include "trees.h"

struct entry {
    RB_ENTRY(entry) by_name;
    TAILQ_ENTRY(entry) age;
    char *name;
    int64_t until_ms;
    alignas(max_align_t) unsigned char value[];
};

static int by_name(struct entry *a, struct entry *b)
{
    return strcmp(a->name, b->name);
}

RB_HEAD(entries, entry);
RB_GENERATE_STATIC(entries, entry, by_name, by_name)

struct memo {
    unsigned n, max;
    size_t size;
    memo_release *release;
    struct entries entries;
    TAILQ_HEAD(, entry) ages; /* the oldest first */
};

struct memo *memo_new(unsigned max, size_t size, memo_release *release)
{
    struct memo *m = mem_zero(sizeof *m);
    assert(max > 0);
    m->max = max;
    m->size = size;
    m->release = release;
    RB_INIT(&m->entries);
    TAILQ_INIT(&m->ages);
    return m;
}

static void drop(struct memo *m, struct entry *e)
{
    RB_REMOVE(entries, &m->entries, e);
    TAILQ_REMOVE(&m->ages, e, age);
    m->n--;
    if (m->release != NULL)
        m->release(e->value);
    mem_free(&e->name);
    mem_free(&e);
}

void memo_clear(struct memo *m)
{
    while (m->n > 0)
        drop(m, TAILQ_FIRST(&m->ages));
}

void memo_free(struct memo **mp)
{
    if (*mp == NULL)
        return;
    memo_clear(*mp);
    mem_free(mp);
}

static struct entry *find(const struct memo *m, const char *name)
{
    struct entry like = {.name = (char *)name};
    return RB_FIND(entries, (struct entries *)&m->entries, &like);
}

void *memo_find(const struct memo *m, const char *name, int64_t now_ms)
{
    struct entry *e = find(m, name);
    return e != NULL && now_ms < e->until_ms ? e->value : NULL;
}

void memo_forget(struct memo *m, const char *name)
{
    struct entry *e = find(m, name);
    if (e != NULL)
        drop(m, e);
}

static struct entry *add(struct memo *m, const char *name)
{
    if (m->n == m->max)
        drop(m, TAILQ_FIRST(&m->ages));
    struct entry *e = mem_zero(sizeof *e + m->size);
    e->name = mem_text(name);
    (void)RB_INSERT(entries, &m->entries, e);
    m->n++;
    return e;
}

void *memo_write(struct memo *m, const char *name, int64_t now_ms, int64_t until_ms)
{
    struct entry *e = find(m, name);
    if (e != NULL && now_ms >= e->until_ms) {
        drop(m, e);
        e = NULL;
    }
    if (e == NULL)
        e = add(m, name);
    else
        TAILQ_REMOVE(&m->ages, e, age);
    TAILQ_INSERT_TAIL(&m->ages, e, age);
    e->until_ms = until_ms;
    return e->value;
}
