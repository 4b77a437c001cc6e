#include "hostlimits.h"

#include <string.h>

#include "mem.h"

struct entry {
    char *host; /* NULL: free */
    uint32_t recipients;
    bool no_chunking;
    int64_t until_ms; /* what it says holds so long */
};

struct hostlimits {
    struct entry entries[HOSTLIMITS];
};

struct hostlimits *hostlimits_new(void)
{
    return mem_zero(sizeof(struct hostlimits));
}

void hostlimits_free(struct hostlimits **h)
{
    for (size_t i = 0; *h != NULL && i < HOSTLIMITS; i++)
        mem_free(&(*h)->entries[i].host);
    mem_free(h);
}

static const struct entry *find(const struct hostlimits *h, const char *host, int64_t now_ms)
{
    for (size_t i = 0; i < HOSTLIMITS; i++) {
        const struct entry *e = &h->entries[i];
        if (e->host != NULL && strcmp(e->host, host) == 0)
            return now_ms < e->until_ms ? e : NULL;
    }
    return NULL;
}

/* The host's own, or a free one, or that of which something was learned longest ago. */
static struct entry *make(struct hostlimits *h, const char *host, int64_t now_ms)
{
    struct entry *best = &h->entries[0];
    for (size_t i = 0; i < HOSTLIMITS; i++) {
        struct entry *e = &h->entries[i];
        bool same = e->host != NULL && strcmp(e->host, host) == 0;
        if (same && now_ms < e->until_ms) {
            e->until_ms = now_ms + HOSTLIMITS_MS;
            return e;
        }
        if (same) {
            best = e;
            break;
        }
        if (best->host != NULL && (e->host == NULL || e->until_ms < best->until_ms))
            best = e;
    }
    mem_free(&best->host);
    *best = (struct entry){.host = mem_text(host), .until_ms = now_ms + HOSTLIMITS_MS};
    return best;
}

void hostlimits_note_recipients(struct hostlimits *h, const char *host, uint32_t n, int64_t now_ms)
{
    make(h, host, now_ms)->recipients = n;
}

uint32_t hostlimits_recipients(const struct hostlimits *h, const char *host, int64_t now_ms)
{
    const struct entry *e = find(h, host, now_ms);
    return e == NULL ? 0 : e->recipients;
}

void hostlimits_note_no_chunking(struct hostlimits *h, const char *host, int64_t now_ms)
{
    make(h, host, now_ms)->no_chunking = true;
}

bool hostlimits_no_chunking(const struct hostlimits *h, const char *host, int64_t now_ms)
{
    const struct entry *e = find(h, host, now_ms);
    return e != NULL && e->no_chunking;
}
