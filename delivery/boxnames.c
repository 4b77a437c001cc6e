#include "boxnames.h"

#include <bsd/sys/queue.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "boxname.h"
#include "clock.h"
#include "mem.h"

#define RUN 4000     /* names */
#define OVERHEAD 600 /* octets of a folder, be it empty: there may be very many */
/* A time of change that is not older than this when reading begins may be that of a later change,
 * too: it is as fine as the clock of the file system. */
#define CLOCK_TICK_MS 100

/* Names that were read one after the other, all of one part of the folder, then put in order. */
struct run {
    char *octets; /* each with its end */
    size_t octets_n, octets_room;
    uint32_t *names; /* where they begin */
    size_t names_n;
    size_t at; /* while a page is made: the next that may be on it */
    bool in_cur;
};

/* When a part of the folder was changed last. */
struct stamp {
    uint64_t device, inode;
    int64_t s, ns;
};

struct boxnames {
    TAILQ_ENTRY(boxnames) next;
    struct boxnames_store *store;
    char *account, *folder; /* NULL while it is being read */
    struct stamp stamps[2]; /* of new and cur, before they were read */
    bool certain;           /* whether another change would be seen in them */
    struct run *runs;
    size_t runs_n;
    size_t octets;
    int64_t read_ms, used_ms; /* monotonic */
};

struct boxnames_store {
    TAILQ_HEAD(kept, boxnames) kept; /* the last used first */
    size_t octets, octets_max;
};

int boxname_compare(const char *a, const char *b)
{
    /* An octet at a time: it is the sorting of a million that takes the time. */
    for (;; a++, b++) {
        unsigned char x = *a == ':' ? 0 : (unsigned char)*a, y = *b == ':' ? 0 : (unsigned char)*b;
        if (x != y)
            return x < y ? -1 : 1;
        if (x == 0)
            return 0;
    }
}

struct boxnames_store *boxnames_store_new(size_t octets_max)
{
    struct boxnames_store *s = mem_zero(sizeof *s);
    TAILQ_INIT(&s->kept);
    s->octets_max = octets_max;
    return s;
}

void boxnames_store_free(struct boxnames_store **sp)
{
    struct boxnames_store *s = *sp;
    if (s == NULL)
        return;
    while (!TAILQ_EMPTY(&s->kept))
        boxnames_forget(TAILQ_FIRST(&s->kept));
    mem_free(sp);
}

bool boxnames_tidy(struct boxnames_store *s)
{
    struct boxnames *n, *next;
    TAILQ_FOREACH_SAFE (n, &s->kept, next, next) {
        if (clock_mono_ms() - n->used_ms >= BOXNAMES_AGE_MS)
            boxnames_forget(n);
    }
    return !TAILQ_EMPTY(&s->kept);
}

/* All 0 when it cannot be told, which is no time of change. */
static struct stamp stamp_of(int fd)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return (struct stamp){0};
    return (struct stamp){st.st_dev, st.st_ino, st.st_mtim.tv_sec, st.st_mtim.tv_nsec};
}

static bool is_settled(const struct stamp *s)
{
    return s->inode != 0 && clock_wall_ms() - (s->s * 1000 + s->ns / 1000000) > CLOCK_TICK_MS;
}

static bool is_same(const struct stamp *a, const struct stamp *b)
{
    return a->device == b->device && a->inode == b->inode && a->s == b->s && a->ns == b->ns;
}

struct boxnames *boxnames_new(struct boxnames_store *s, const struct boxfolder *folder)
{
    struct boxnames *n = mem_zero(sizeof *n);
    n->store = s;
    n->stamps[0] = stamp_of(folder->new);
    n->stamps[1] = stamp_of(folder->cur);
    n->certain = is_settled(&n->stamps[0]) && is_settled(&n->stamps[1]);
    n->read_ms = clock_mono_ms();
    n->octets = OVERHEAD;
    s->octets += n->octets;
    return n;
}

void boxnames_free(struct boxnames **np)
{
    struct boxnames *n = *np;
    if (n == NULL)
        return;
    n->store->octets -= n->octets;
    for (size_t i = 0; i < n->runs_n; i++) {
        mem_free(&n->runs[i].octets);
        mem_free(&n->runs[i].names);
    }
    mem_free(&n->runs);
    mem_free(&n->account);
    mem_free(&n->folder);
    mem_free(np);
}

void boxnames_forget(struct boxnames *n)
{
    TAILQ_REMOVE(&n->store->kept, n, next);
    boxnames_free(&n);
}

/* Forgets others, what was not used for longest first, until so many octets more have room. */
static bool make_room(const struct boxnames *n, size_t octets)
{
    struct boxnames_store *s = n->store;
    struct boxnames *last;
    while (s->octets + octets > s->octets_max && (last = TAILQ_LAST(&s->kept, kept)) != NULL &&
           last != n)
        boxnames_forget(last);
    return s->octets + octets <= s->octets_max;
}

static bool claim(struct boxnames *n, size_t octets)
{
    struct boxnames_store *s = n->store;
    if (!make_room(n, octets))
        return false;
    s->octets += octets;
    n->octets += octets;
    return true;
}

static int by_name(const void *a, const void *b, void *octets)
{
    const char *all = octets;
    return boxname_compare(all + *(const uint32_t *)a, all + *(const uint32_t *)b);
}

static void close_run(struct run *r)
{
    r->octets = mem_resize(r->octets, r->octets_n);
    r->octets_room = r->octets_n;
    r->names = mem_resize(r->names, r->names_n * sizeof *r->names);
    qsort_r(r->names, r->names_n, sizeof *r->names, by_name, r->octets);
}

static struct run *run_for(struct boxnames *n, bool in_cur)
{
    struct run *r = n->runs_n == 0 ? NULL : &n->runs[n->runs_n - 1];
    if (r != NULL && r->in_cur == in_cur && r->names_n < RUN)
        return r;
    if (r != NULL)
        close_run(r);
    n->runs = mem_resize(n->runs, (n->runs_n + 1) * sizeof *n->runs);
    r = &n->runs[n->runs_n++];
    *r = (struct run){.in_cur = in_cur, .names = mem_array(RUN, sizeof *r->names)};
    return r;
}

bool boxnames_add(struct boxnames *n, const char *file, bool in_cur)
{
    size_t octets = strlen(file) + 1;
    if (!claim(n, octets + sizeof(uint32_t)))
        return false;
    struct run *r = run_for(n, in_cur);
    if (r->octets_room - r->octets_n < octets) {
        r->octets_room = 2 * (r->octets_n + octets);
        r->octets = mem_resize(r->octets, r->octets_room);
    }
    memcpy(r->octets + r->octets_n, file, octets);
    r->names[r->names_n++] = (uint32_t)r->octets_n;
    r->octets_n += octets;
    return true;
}

void boxnames_keep(struct boxnames *n, const char *account, const char *folder)
{
    struct boxnames *old = boxnames_find(n->store, account, folder);
    if (old != NULL)
        boxnames_forget(old);
    if (n->runs_n > 0)
        close_run(&n->runs[n->runs_n - 1]);
    n->account = mem_text(account);
    n->folder = mem_text(folder);
    n->used_ms = clock_mono_ms();
    TAILQ_INSERT_HEAD(&n->store->kept, n, next);
    (void)make_room(n, 0);
}

struct boxnames *boxnames_find(struct boxnames_store *s, const char *account, const char *folder)
{
    struct boxnames *n;
    TAILQ_FOREACH (n, &s->kept, next) {
        if (strcmp(n->account, account) == 0 && strcmp(n->folder, folder) == 0)
            break;
    }
    if (n == NULL)
        return NULL;
    TAILQ_REMOVE(&s->kept, n, next);
    TAILQ_INSERT_HEAD(&s->kept, n, next);
    n->used_ms = clock_mono_ms();
    return n;
}

bool boxnames_are_exact(const struct boxnames *n, const struct boxfolder *folder)
{
    struct stamp new = stamp_of(folder->new), cur = stamp_of(folder->cur);
    return n->certain && is_same(&n->stamps[0], &new) && is_same(&n->stamps[1], &cur);
}

bool boxnames_are_young(const struct boxnames *n)
{
    return clock_mono_ms() - n->read_ms < BOXNAMES_AGE_MS;
}

static const char *name_at(const struct run *r)
{
    return r->octets + r->names[r->at];
}

/* To the first name of the run behind this one. */
static void go_behind(struct run *r, const char *after)
{
    size_t low = 0, high = r->names_n;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (boxname_compare(r->octets + r->names[middle], after) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    r->at = low;
}

static struct run *least_of(struct boxnames *n)
{
    struct run *best = NULL;
    for (size_t i = 0; i < n->runs_n; i++) {
        struct run *r = &n->runs[i];
        if (r->at < r->names_n && (best == NULL || boxname_compare(name_at(r), name_at(best)) < 0))
            best = r;
    }
    return best;
}

size_t boxnames_page(struct boxnames *n, const char *after, size_t most, struct boxname_entry *page)
{
    struct run *r;
    size_t found = 0;
    for (size_t i = 0; i < n->runs_n; i++)
        go_behind(&n->runs[i], after);
    while ((r = least_of(n)) != NULL) {
        const char *file = name_at(r);
        r->at++;
        bool again = found > 0 && boxname_compare(page[found - 1].file, file) == 0;
        if (again) /* cur was read last, and comes last of the runs */
            mem_free(&page[--found].file);
        else if (found == most)
            break;
        page[found++] = (struct boxname_entry){mem_text(file), r->in_cur};
    }
    return found;
}
