#include "welcome.h"

/* Of each host the family. */

struct memo *welcome_new(unsigned max)
{
    return memo_new(max, sizeof(int), NULL);
}

void welcome_refused(struct memo *w, const char *host, int family, int64_t now_ms)
{
    int *last = memo_write(w, host, now_ms, now_ms + WELCOME_MS);
    *last = family;
}

void welcome_taken(struct memo *w, const char *host, int family)
{
    const int *last = memo_find(w, host, INT64_MIN);
    if (last != NULL && *last == family)
        memo_forget(w, host);
}

int welcome_last(const struct memo *w, const char *host, int64_t now_ms)
{
    const int *last = memo_find(w, host, now_ms);
    return last == NULL ? 0 : *last;
}
