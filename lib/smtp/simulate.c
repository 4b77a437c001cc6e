#include "simulate.h"

#include <assert.h>
#include <string.h>

#include "ascii.h"

#define CODE_DIGITS 3

/* What each stage looks at. */
static const struct {
    const char *prefix; /* the localpart that is meant for it begins so */
    bool tags;          /* those that are no reply count */
    bool submitted;     /* what is to happen later is passed over */
} stages[SIMULATE_STAGES] = {
    [SIMULATE_MAIL] = {.prefix = "mailfrom"},
    [SIMULATE_RCPT] = {.prefix = "rcptto"},
    [SIMULATE_DATA] = {.prefix = "", .tags = true},
    [SIMULATE_SUBMISSION] = {.prefix = "", .submitted = true},
};

static const char later_prefix[] = "queue";

static const struct {
    const char *suffix;
    enum simulate_kind kind;
    int code;
} endings[] = {
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

/* ---- tags: each reads what stands behind its name, and says whether it is one ---- */

static bool read_bounce(struct span rest, struct simulate *what)
{
    uint64_t code;
    struct enhanced enhanced;
    if (rest.n <= CODE_DIGITS || rest.p[CODE_DIGITS] != '-' ||
        ascii_u64(span_of(rest.p, CODE_DIGITS), 599, &code) != 0 || code < 400 ||
        enhanced_parse(span_of(rest.p + CODE_DIGITS + 1, rest.n - CODE_DIGITS - 1), &enhanced) !=
            0 ||
        enhanced.class != code / 100)
        return false;
    *what = of(SIMULATE_REPLY, (int)code);
    what->enhanced = enhanced;
    return true;
}

static bool read_defer(struct span rest, struct simulate *what)
{
    *what = of(SIMULATE_DEFER, 451);
    what->times = rest.n == 1 && rest.p[0] >= '1' && rest.p[0] <= '9' ? rest.p[0] - '0' : 0;
    return what->times > 0;
}

static bool read_slow(struct span rest, struct simulate *what)
{
    *what = of(SIMULATE_SLOW, 0);
    return rest.n == 0;
}

static bool read_complaint(struct span rest, struct simulate *what)
{
    *what = of(SIMULATE_COMPLAINT, 0);
    return rest.n == 0;
}

static const struct {
    const char *name;
    bool (*read)(struct span rest, struct simulate *what);
} tags[] = {
    {"bounce-", read_bounce},
    {"defer", read_defer},
    {"slow", read_slow},
    {"complaint", read_complaint},
};

/* What stands behind the last "+"; empty without one. */
static struct span tag_of(struct span localpart)
{
    size_t at = localpart.n;
    while (at > 0 && localpart.p[at - 1] != '+')
        at--;
    return at == 0 ? (struct span){0} : span_of(localpart.p + at, localpart.n - at);
}

static bool read_tag(struct span localpart, struct simulate *what)
{
    struct span tag = tag_of(localpart);
    for (size_t i = 0; i < sizeof tags / sizeof tags[0]; i++) {
        size_t n = strlen(tags[i].name);
        if (begins(tag, tags[i].name) && tags[i].read(span_of(tag.p + n, tag.n - n), what))
            return true;
    }
    return false;
}

/* ---- endings ---- */

static struct simulate read_ending(struct span localpart)
{
    uint64_t code;
    for (size_t i = 0; i < sizeof endings / sizeof endings[0]; i++) {
        if (ends(localpart, endings[i].suffix))
            return of(endings[i].kind, endings[i].code);
    }
    if (localpart.n < CODE_DIGITS ||
        ascii_u64(span_of(localpart.p + localpart.n - CODE_DIGITS, CODE_DIGITS), 600, &code) != 0 ||
        code < 400)
        return of(SIMULATE_NONE, 0);
    return of(SIMULATE_REPLY, code == 600 ? 451 : (int)code);
}

struct simulate simulate_at(enum simulate_stage stage, struct span localpart)
{
    struct simulate what = of(SIMULATE_NONE, 0), none = what;
    assert(stage < SIMULATE_STAGES);
    if (!begins(localpart, stages[stage].prefix) ||
        (stages[stage].submitted && begins(localpart, later_prefix)))
        return none;
    if (!read_tag(localpart, &what))
        return read_ending(localpart);
    if (stages[stage].submitted || (what.kind != SIMULATE_REPLY && !stages[stage].tags))
        return none;
    return what;
}

/* ---- the memory ---- */

/* FNV-1a over a text and its NUL. */
static uint64_t mix(uint64_t h, const char *text)
{
    do {
        h = (h ^ (unsigned char)*text) * 0x100000001b3u;
    } while (*text++ != '\0');
    return h;
}

uint64_t simulate_key(const char *sender, const char *recipient, const char *message_id)
{
    uint64_t h = mix(mix(mix(0xcbf29ce484222325u, sender), recipient), message_id);
    return h == 0 ? 1 : h;
}

bool simulate_defers(struct simulate_memory *m, uint64_t key, unsigned times)
{
    size_t i = 0;
    while (i < SIMULATE_MEMORY && m->slots[i].key != key)
        i++;
    if (i == SIMULATE_MEMORY) {
        i = m->next;
        m->next = (m->next + 1) % SIMULATE_MEMORY;
        m->slots[i].key = key;
        m->slots[i].times = 0;
    }
    if (m->slots[i].times < times) {
        m->slots[i].times++;
        return true;
    }
    m->slots[i].key = 0;
    return false;
}
