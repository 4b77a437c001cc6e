#include "ehlo.h"

#include <assert.h>
#include <inttypes.h>
#include <string.h>

#include "ascii.h"

enum { LIMITS_MAX = 64 }; /* names in one LIMITS line that are looked at; more spoil it */

void ehlo_clear(struct ehlo *e)
{
    *e = (struct ehlo){0};
}

static bool *flag_at(struct ehlo *e, size_t offset)
{
    return (bool *)((char *)e + offset);
}

static void take_size(struct ehlo *e, struct span rest)
{
    struct span number;
    uint64_t max = 0;
    if (!ascii_token(&rest, " \t", &number)) {
        e->size = true;
        return;
    }
    for (size_t i = 0; i < number.n; i++) {
        if (!ascii_is_digit(number.p[i]))
            return;
    }
    /* More than 64 bits of octets is as good as no maximum. */
    if (ascii_u64(number, UINT64_MAX, &max) != 0)
        max = 0;
    e->size = true;
    e->size_max = max;
}

static void take_auth(struct ehlo *e, struct span rest)
{
    struct span name;
    e->auth = true;
    while (ascii_token(&rest, " \t", &name))
        (void)ehlo_add_mechanism(e, name);
}

static void take_futurerelease(struct ehlo *e, struct span rest)
{
    struct span seconds, until;
    uint64_t n;
    e->futurerelease = true;
    if (!ascii_token(&rest, " \t", &seconds))
        return;
    if (ascii_u64(seconds, UINT32_MAX, &n) == 0)
        e->futurerelease_seconds = (uint32_t)n;
    if (ascii_token(&rest, " \t", &until) &&
        span_copy(until, e->futurerelease_until, sizeof e->futurerelease_until) != 0)
        e->futurerelease_until[0] = '\0';
}

/* limit-name ["=" limit-value] (RFC 9422 section 3). */
static int limit_item(struct span item, struct span *name, struct span *value)
{
    ssize_t equals = span_find(item, '=');
    *name = span_of(item.p, equals < 0 ? item.n : (size_t)equals);
    *value =
        equals < 0 ? (struct span){0} : span_of(item.p + equals + 1, item.n - (size_t)equals - 1);
    if (name->n == 0 || (equals >= 0 && value->n == 0))
        return -1;
    for (size_t i = 0; i < name->n; i++) {
        if (!ascii_is_alnum(name->p[i]) && name->p[i] != '-' && name->p[i] != '_')
            return -1;
    }
    for (size_t i = 0; i < value->n; i++) {
        if (value->p[i] <= ' ' || value->p[i] >= 0x7f || value->p[i] == ';')
            return -1;
    }
    return 0;
}

static bool same_name(struct span a, struct span b)
{
    if (a.n != b.n)
        return false;
    for (size_t i = 0; i < a.n; i++) {
        if (ascii_lower(a.p[i]) != ascii_lower(b.p[i]))
            return false;
    }
    return true;
}

static void set_limit(struct ehlo *e, struct span name, struct span value)
{
    uint64_t n;
    if (value.n == 0 || value.p[0] == '0' || ascii_u64(value, EHLO_LIMIT_MAX, &n) != 0)
        return;
    if (span_is_nocase(name, "RCPTMAX"))
        e->rcptmax = (uint32_t)n;
    else if (span_is_nocase(name, "MAILMAX"))
        e->mailmax = (uint32_t)n;
    else if (span_is_nocase(name, "RCPTDOMAINMAX"))
        e->rcptdomainmax = (uint32_t)n;
}

static int take_limit_items(struct ehlo *e, struct span rest)
{
    struct span names[LIMITS_MAX], item, value;
    size_t n = 0;
    while (ascii_token(&rest, " ", &item)) {
        if (n == LIMITS_MAX || limit_item(item, &names[n], &value) != 0)
            return -1;
        for (size_t i = 0; i < n; i++) {
            if (same_name(names[i], names[n]))
                return -1;
        }
        set_limit(e, names[n++], value);
    }
    return 0;
}

static void take_limits(struct ehlo *e, struct span rest)
{
    bool ok = !e->limits && !e->limits_spoilt && take_limit_items(e, rest) == 0;
    e->limits = ok;
    e->limits_spoilt = !ok;
    if (!ok)
        e->mailmax = e->rcptmax = e->rcptdomainmax = 0;
}

static const struct {
    const char *keyword;
    size_t flag; /* set by the keyword alone, if take is NULL */
    void (*take)(struct ehlo *e, struct span rest);
} extensions[] = {
    {"STARTTLS", offsetof(struct ehlo, starttls), NULL},
    {"PIPELINING", offsetof(struct ehlo, pipelining), NULL},
    {"8BITMIME", offsetof(struct ehlo, eightbitmime), NULL},
    {"SMTPUTF8", offsetof(struct ehlo, smtputf8), NULL},
    {"ENHANCEDSTATUSCODES", offsetof(struct ehlo, enhancedstatuscodes), NULL},
    {"CHUNKING", offsetof(struct ehlo, chunking), NULL},
    {"BINARYMIME", offsetof(struct ehlo, binarymime), NULL},
    {"DSN", offsetof(struct ehlo, dsn), NULL},
    {"REQUIRETLS", offsetof(struct ehlo, requiretls), NULL},
    {"SIZE", 0, take_size},
    {"AUTH", 0, take_auth},
    {"FUTURERELEASE", 0, take_futurerelease},
    {"LIMITS", 0, take_limits},
};

static void take_domain(struct ehlo *e, struct span text)
{
    struct span word;
    if (!ascii_token(&text, " ", &word))
        return;
    for (size_t i = 0; i < word.n; i++) {
        if (word.p[i] <= ' ' || word.p[i] >= 0x7f)
            return;
    }
    if (span_copy(word, e->domain, sizeof e->domain) != 0)
        e->domain[0] = '\0';
}

void ehlo_line(struct ehlo *e, struct span text)
{
    struct span keyword;
    text = ascii_trim(text);
    if (!e->started) {
        e->started = true;
        take_domain(e, text);
        return;
    }
    if (span_starts_nocase(text, "AUTH=")) {
        take_auth(e, span_of(text.p + 5, text.n - 5));
        return;
    }
    if (!ascii_token(&text, " \t", &keyword))
        return;
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        if (!span_is_nocase(keyword, extensions[i].keyword))
            continue;
        if (extensions[i].take != NULL)
            extensions[i].take(e, text);
        else
            *flag_at(e, extensions[i].flag) = true;
    }
}

void ehlo_each(void *e, struct span text)
{
    ehlo_line(e, text);
}

bool ehlo_has_mechanism(const struct ehlo *e, const char *name)
{
    for (size_t i = 0; i < e->mechanisms; i++) {
        if (span_is_nocase(span_text(e->mechanism[i]), name))
            return true;
    }
    return false;
}

int ehlo_add_mechanism(struct ehlo *e, struct span name)
{
    char upper[EHLO_MECHANISM_SIZE] = {0};
    e->auth = true;
    if (name.n == 0 || span_copy(name, upper, sizeof upper) != 0)
        return -1;
    for (size_t i = 0; i < name.n; i++) {
        if (!ascii_is_alnum(name.p[i]) && name.p[i] != '-' && name.p[i] != '_')
            return -1;
        upper[i] = (char)ascii_upper(name.p[i]);
    }
    if (ehlo_has_mechanism(e, upper))
        return 0;
    if (e->mechanisms == EHLO_MECHANISMS)
        return -1;
    memcpy(e->mechanism[e->mechanisms++], upper, sizeof upper);
    return 0;
}

/* The place of each line's dash is remembered in *last, for the last of them to become a space. */
static void put_line(struct buf *out, size_t *last, const char *text)
{
    *last = out->n;
    buf_putf(out, "250-%s\r\n", text);
}

static void put_line_start(struct buf *out, size_t *last, const char *keyword)
{
    put_line(out, last, keyword);
    buf_cut(out, out->n - 2);
}

static void put_flags(struct buf *out, size_t *last, const struct ehlo *e)
{
    for (size_t i = 0; i < sizeof extensions / sizeof extensions[0]; i++) {
        if (extensions[i].take == NULL && *flag_at((struct ehlo *)e, extensions[i].flag))
            put_line(out, last, extensions[i].keyword);
    }
}

static void put_size(struct buf *out, size_t *last, const struct ehlo *e)
{
    put_line_start(out, last, "SIZE");
    buf_putf(out, " %" PRIu64 "\r\n", e->size_max);
}

static void put_auth(struct buf *out, size_t *last, const struct ehlo *e)
{
    put_line_start(out, last, "AUTH");
    for (size_t i = 0; i < e->mechanisms; i++)
        buf_putf(out, " %s", e->mechanism[i]);
    buf_puts(out, "\r\n");
}

static void put_futurerelease(struct buf *out, size_t *last, const struct ehlo *e)
{
    put_line_start(out, last, "FUTURERELEASE");
    if (e->futurerelease_seconds > 0)
        buf_putf(out, " %" PRIu32, e->futurerelease_seconds);
    if (e->futurerelease_seconds > 0 && e->futurerelease_until[0] != '\0')
        buf_putf(out, " %s", e->futurerelease_until);
    buf_puts(out, "\r\n");
}

static void put_limits(struct buf *out, size_t *last, const struct ehlo *e)
{
    const struct {
        const char *name;
        uint32_t value;
    } limits[] = {
        {"MAILMAX", e->mailmax}, {"RCPTMAX", e->rcptmax}, {"RCPTDOMAINMAX", e->rcptdomainmax}};
    put_line_start(out, last, "LIMITS");
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        assert(limits[i].value <= EHLO_LIMIT_MAX);
        if (limits[i].value > 0)
            buf_putf(out, " %s=%" PRIu32, limits[i].name, limits[i].value);
    }
    buf_puts(out, "\r\n");
}

void ehlo_write(struct buf *out, const char *domain, const struct ehlo *e)
{
    size_t last, n = strlen(domain);
    assert(n > 0 && n < EHLO_DOMAIN_SIZE && strcspn(domain, " \t\r\n") == n);
    assert(!e->smtputf8 || e->eightbitmime);
    assert(!e->binarymime || e->chunking);
    assert(!e->requiretls || !e->starttls);
    put_line(out, &last, domain);
    put_flags(out, &last, e);
    if (e->size)
        put_size(out, &last, e);
    if (e->mechanisms > 0)
        put_auth(out, &last, e);
    if (e->futurerelease)
        put_futurerelease(out, &last, e);
    if (e->mailmax > 0 || e->rcptmax > 0 || e->rcptdomainmax > 0)
        put_limits(out, &last, e);
    out->p[out->head + last + 3] = ' ';
}
