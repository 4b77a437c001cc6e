#include "hostlimits.h"

struct limits {
    uint32_t recipients;
    bool no_chunking;
};

struct memo *hostlimits_new(void)
{
    return memo_new(HOSTLIMITS, sizeof(struct limits), NULL);
}

static struct limits *write(struct memo *h, const char *host, int64_t now_ms)
{
    return memo_write(h, host, now_ms, now_ms + HOSTLIMITS_MS);
}

void hostlimits_note_recipients(struct memo *h, const char *host, uint32_t n, int64_t now_ms)
{
    write(h, host, now_ms)->recipients = n;
}

uint32_t hostlimits_recipients(const struct memo *h, const char *host, int64_t now_ms)
{
    const struct limits *l = memo_find(h, host, now_ms);
    return l == NULL ? 0 : l->recipients;
}

void hostlimits_note_no_chunking(struct memo *h, const char *host, int64_t now_ms)
{
    write(h, host, now_ms)->no_chunking = true;
}

bool hostlimits_no_chunking(const struct memo *h, const char *host, int64_t now_ms)
{
    const struct limits *l = memo_find(h, host, now_ms);
    return l != NULL && l->no_chunking;
}
