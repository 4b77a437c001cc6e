#include "ctl_when.h"

#include <string.h>
#include <time.h>

#include "conftype.h"

#define FARTHEST_MS (100000ll * 86400 * 1000)

static int read_span(const char *text, int64_t *ms)
{
    static const struct conftype_rule rule = {.type = CONF_DURATION, .max = FARTHEST_MS};
    struct conf_value v = {0};
    struct fail f;
    if (conftype_parse(&rule, text, NULL, &v, &f) != 0)
        return -1;
    *ms = v.number;
    conftype_free(&rule, &v);
    return 0;
}

static int read_date(const char *text, int64_t *ms)
{
    static const char *const forms[] = {"%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        struct tm tm = {.tm_isdst = -1};
        const char *end = strptime(text, forms[i], &tm);
        if (end == NULL || *end != '\0')
            continue;
        time_t t = mktime(&tm);
        *ms = (int64_t)t * 1000;
        return t > 0 ? 0 : -1;
    }
    return -1;
}

static int read_time(const char *text, int64_t now_ms, int64_t *ms)
{
    int64_t span = 0;
    if (strcmp(text, "now") == 0) {
        *ms = now_ms;
        return 0;
    }
    if (text[0] != '-' && text[0] != '+')
        return read_date(text, ms);
    if (read_span(text + 1, &span) != 0)
        return -1;
    *ms = text[0] == '-' ? now_ms - span : now_ms + span;
    return *ms > 0 ? 0 : -1;
}

int ctl_when_read(const char *text, int64_t now_ms, int64_t *after_ms, int64_t *before_ms,
                  struct fail *f)
{
    int64_t ms;
    if ((text[0] != '<' && text[0] != '>') || read_time(text + 1, now_ms, &ms) != 0)
        return fail_set(
            f, "not a bound of time: '%s' (as '<-1h', '>now', '<+30m', '>2026-11-27 16:30')", text);
    *(text[0] == '<' ? before_ms : after_ms) = ms;
    return 0;
}

int ctl_time_read(const char *text, int64_t now_ms, struct ctl_time *t, struct fail *f)
{
    int rc;
    *t = (struct ctl_time){.add = text[0] == '+'};
    if (t->add)
        rc = read_span(text + 1, &t->ms);
    else if (text[0] == '-')
        rc = -1;
    else
        rc = read_time(strncmp(text, "now+", 4) == 0 ? text + 3 : text, now_ms, &t->ms);
    return rc == 0 ? 0
                   : fail_set(f, "not a time: '%s' (as 'now', 'now+1h', '2026-11-27 16:30', '+1h')",
                              text);
}
