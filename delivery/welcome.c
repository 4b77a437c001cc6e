#include "welcome.h"

#include <string.h>

#include "mem.h"

enum { FOUR, SIX, FAMILIES };

struct verdict {
    int refused; /* family; 0: none */
    /* Attempts since mail was last taken over the family, and the address of the last one. */
    struct {
        unsigned n;
        struct dnsaddr at;
    } deferred[FAMILIES];
};

static int index_of(int family)
{
    return family == AF_INET6 ? SIX : FOUR;
}

/* How many times a family has had its two attempts. */
static unsigned turns(const struct verdict *v, int i)
{
    return v->deferred[i].n / 2;
}

struct memo *welcome_new(unsigned max)
{
    return memo_new(max, sizeof(struct verdict), NULL);
}

void welcome_refused(struct memo *w, const char *host, int family, int64_t now_ms)
{
    struct verdict *v = memo_write(w, host, now_ms, now_ms + WELCOME_MS);
    v->refused = family;
}

void welcome_deferred(struct memo *w, const char *host, const struct dnsaddr *at, bool again,
                      int64_t now_ms)
{
    struct verdict *v = memo_write(w, host, now_ms, now_ms + WELCOME_MS);
    int i = index_of(at->family);
    /* One that is a turn ahead was tried for want of the other: that does not count, or the other
     * would have as many to make up for. */
    if (turns(v, i) <= turns(v, 1 - i) && (again || v->deferred[i].n % 2 == 0))
        v->deferred[i].n++;
    v->deferred[i].at = *at;
}

void welcome_taken(struct memo *w, const char *host, int family)
{
    struct verdict *v = memo_find(w, host, INT64_MIN);
    if (v == NULL)
        return;
    v->deferred[index_of(family)].n = 0;
    if (v->refused == family)
        v->refused = 0;
    if (v->refused == 0 && v->deferred[FOUR].n == 0 && v->deferred[SIX].n == 0)
        memo_forget(w, host);
}

static int last_of(const struct verdict *v)
{
    if (v->refused != 0 || turns(v, FOUR) == turns(v, SIX))
        return v->refused;
    return turns(v, SIX) > turns(v, FOUR) ? AF_INET6 : AF_INET;
}

int welcome_last(const struct memo *w, const char *host, int64_t now_ms)
{
    const struct verdict *v = memo_find(w, host, now_ms);
    return v == NULL ? 0 : last_of(v);
}

static void leave_for_the_end(struct dnsaddr *list, size_t n, int family)
{
    struct dnsaddr *ordered = mem_array(n, sizeof *ordered);
    size_t done = 0;
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < n; i++) {
            if ((list[i].family == family) == (round == 1))
                ordered[done++] = list[i];
        }
    }
    memcpy(list, ordered, n * sizeof *list);
    mem_free(&ordered);
}

static bool is_same(const struct dnsaddr *a, const struct dnsaddr *b)
{
    return a->family == b->family &&
           memcmp(a->octets, b->octets, a->family == AF_INET ? 4 : sizeof a->octets) == 0;
}

/* Has an address change places with the first of its family. */
static void bring_forward(struct dnsaddr *list, size_t n, const struct dnsaddr *a)
{
    size_t first = n;
    for (size_t i = n; i > 0; i--) {
        if (list[i - 1].family == a->family)
            first = i - 1;
    }
    for (size_t i = first; i < n; i++) {
        if (is_same(&list[i], a)) {
            list[i] = list[first];
            list[first] = *a;
            return;
        }
    }
}

void welcome_order(const struct memo *w, const char *host, struct dnsaddr *list, size_t n,
                   int64_t now_ms)
{
    const struct verdict *v = memo_find(w, host, now_ms);
    if (v == NULL)
        return;
    int last = last_of(v);
    if (last != 0)
        leave_for_the_end(list, n, last);
    for (int i = 0; i < FAMILIES; i++) {
        if (v->deferred[i].n % 2 == 1)
            bring_forward(list, n, &v->deferred[i].at);
    }
}
