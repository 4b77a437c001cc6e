#include "simulate.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "ascii.h"

/* The localpart that is meant for this stage begins so. */
static const char *const prefixes[] = {
    [SIMULATE_MAIL] = "mailfrom",
    [SIMULATE_RCPT] = "rcptto",
    [SIMULATE_DATA] = "",
};

static const struct {
    const char *suffix;
    enum simulate_kind kind;
    int code;
} named[] = {
    {"temperror", SIMULATE_REPLY, 451},
    {"permerror", SIMULATE_REPLY, 550},
    {"timeout", SIMULATE_TIMEOUT, 0},
};

static bool begins(struct span s, const char *text)
{
    size_t n = strlen(text);
    return s.n >= n && span_is(span_of(s.p, n), text);
}

static bool ends(struct span s, const char *text)
{
    size_t n = strlen(text);
    return s.n >= n && span_is(span_of(s.p + s.n - n, n), text);
}

static struct simulate of(enum simulate_kind kind, int code)
{
    struct enhanced e = {.class = (unsigned char)(code / 100)};
    return (struct simulate){.kind = kind, .code = code, .enhanced = e};
}

struct simulate simulate_at(enum simulate_stage stage, struct span localpart)
{
    uint64_t code;
    assert(stage <= SIMULATE_DATA);
    if (!begins(localpart, prefixes[stage]))
        return of(SIMULATE_NONE, 0);
    for (size_t i = 0; i < sizeof named / sizeof named[0]; i++) {
        if (ends(localpart, named[i].suffix))
            return of(named[i].kind, named[i].code);
    }
    if (localpart.n < 3 || ascii_u64(span_of(localpart.p + localpart.n - 3, 3), 600, &code) != 0 ||
        code < 400)
        return of(SIMULATE_NONE, 0);
    return of(SIMULATE_REPLY, code == 600 ? 451 : (int)code);
}
